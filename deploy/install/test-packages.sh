#!/usr/bin/env bash
# The foreign programs the tests judge us by. Installs what is missing with apt; without root, says the command.
set -euo pipefail
wanted=(
  ffmpeg                                        # the foreign judge of every file and stream
  chromium                                      # the browser tests
  postgresql                                    # a throw-away cluster for the database tests
  redis-server                                  # the state tests run against it as well as against Valkey
  python3-gi gir1.2-gst-rtsp-server-1.0         # foreign cameras
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0  # GStreamer as a WebRTC publisher (WHIP)
  coturn                                        # the relay of closed networks
  janus                                         # the peer of the meeting bench
  opencv-doc                                    # vtest.avi, real surveillance footage
  fonts-noto-cjk                                # Chinese text on screenshots
)
missing=()
for package in "${wanted[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "installing for the tests: ${missing[*]}"
if [ "$(id -u)" = 0 ]; then as_root=(); elif sudo -n true 2>/dev/null; then as_root=(sudo); else
  echo "not root: run this first: sudo apt-get install ${missing[*]}"; exit 1
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
