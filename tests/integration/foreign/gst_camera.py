"""A camera that is not ours: GStreamer's RTSP server. Run with the system's Python (`/usr/bin/python3`, gi).

Serves `/h264` (+ PCMA), `/h265`, `/aac` (H.264 + AAC), `/opus` (H.264 + Opus), `/video` (H.264 alone) on a free port
that is printed as one line `port N`. `--digest USER:PASSWORD` asks for digest authentication.
"""

import argparse
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

VIDEO = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=25/1 ! "
H264 = VIDEO + "x264enc tune=zerolatency key-int-max=25 bitrate=400 ! rtph264pay name=pay0 pt=96 config-interval=-1 "
H265 = VIDEO + (
    "x265enc tune=zerolatency key-int-max=25 bitrate=300 speed-preset=ultrafast ! "
    "rtph265pay name=pay0 pt=97 config-interval=-1 "
)
AUDIO = "audiotestsrc is-live=true samplesperbuffer=160 ! audio/x-raw,rate={rate},channels=1 ! "
PCMA = AUDIO.format(rate=8000) + "alawenc ! rtppcmapay name=pay1 "
AAC = AUDIO.format(rate=16000) + "voaacenc bitrate=32000 ! aacparse ! rtpmp4gpay name=pay1 pt=98 "
OPUS = AUDIO.format(rate=48000) + "opusenc ! rtpopuspay name=pay1 pt=99 "
MOUNTS = {
    "/h264": H264 + PCMA,
    "/h265": H265,
    "/aac": H264 + AAC,
    "/opus": H264 + OPUS,
    "/video": H264,
}


def require_digest(server: GstRtspServer.RTSPServer, user: str, password: str) -> None:
    """Let nobody in but `user`."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "user")
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def factory(launch: str, *, with_role: bool) -> GstRtspServer.RTSPMediaFactory:
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {launch} )")
    made.set_shared(True)
    if with_role:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        made.set_permissions(permissions)
    return made


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--digest", default="")
    options = parser.parse_args()
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    if options.digest:
        require_digest(server, *options.digest.split(":", 1))
    for path, launch in MOUNTS.items():
        server.get_mount_points().add_factory(path, factory(launch, with_role=bool(options.digest)))
    server.attach(None)
    print("port", server.get_bound_port(), flush=True)
    loop = GLib.MainLoop()
    GLib.io_add_watch(sys.stdin, GLib.IO_HUP, lambda *_: loop.quit())  # ends with the test that started it
    loop.run()


if __name__ == "__main__":
    main()
