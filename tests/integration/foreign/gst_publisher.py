"""A WHIP publisher that is not ours: GStreamer's webrtcbin. Run with the system's Python (`/usr/bin/python3`, gi).

Posts its offer to `--url` with the headers given as `--header NAME=VALUE`, prints `answered LOCATION`, then
`state connected` when media flows; ends and says DELETE when its standard input is closed.
"""

import argparse
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

VIDEO = "videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=20/1 ! "
CODECS = {
    "vp8": "vp8enc deadline=1 keyframe-max-dist=60 target-bitrate=600000 ! rtpvp8pay pt=96 picture-id-mode=15-bit ! "
    "application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer. ",
    "h264": "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=60 bitrate=600 ! "
    "video/x-h264,profile=constrained-baseline ! rtph264pay pt=96 config-interval=-1 aggregate-mode=zero-latency ! "
    "application/x-rtp,media=video,encoding-name=H264,payload=96 ! peer. ",
}
AUDIO = (
    "audiotestsrc is-live=true freq=440 ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=97 ! "
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97 ! peer. "
)


def say(line: str) -> None:
    print(line, flush=True)


class Publisher:
    """Offers once, when all candidates are there."""

    def __init__(self, url: str, headers: dict[str, str], codec: str) -> None:
        self.url = url
        self.headers = headers
        self.location = ""
        self.has_offered = False
        self.pipeline = Gst.parse_launch(
            "webrtcbin name=peer bundle-policy=max-bundle " + VIDEO + CODECS[codec] + AUDIO
        )
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        self.peer.connect("notify::connection-state", self.on_state)
        self.pipeline.set_state(Gst.State.PLAYING)

    def on_negotiation_needed(self, _peer: object) -> None:
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise: Gst.Promise) -> None:
        reply = promise.get_reply()  # keeps alive what the value points to
        offer = reply.get_value("offer")
        self.peer.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathering(self, *_: object) -> None:
        done = GstWebRTC.WebRTCICEGatheringState.COMPLETE
        if self.peer.get_property("ice-gathering-state") == done and not self.has_offered:
            self.has_offered = True
            threading.Thread(target=self.post, daemon=True).start()

    def post(self) -> None:
        text = self.peer.get_property("local-description").sdp.as_text()
        request = urllib.request.Request(  # a loopback address the test gave us
            self.url, text.encode(), {"Content-Type": "application/sdp", **self.headers}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                self.location = urllib.parse.urljoin(self.url, reply.headers["Location"])
                answer = reply.read().decode()
        except urllib.error.HTTPError as error:
            say(f"refused {error.code}")
            return
        say(f"answered {self.location}")
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(answer.encode(), message)
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", described, Gst.Promise.new())

    def on_state(self, *_: object) -> None:
        say(f"state {self.peer.get_property('connection-state').value_nick}")

    def close(self) -> None:
        if self.location:
            request = urllib.request.Request(self.location, headers=self.headers, method="DELETE")
            with urllib.request.urlopen(request, timeout=10):
                say("deleted")
        self.pipeline.set_state(Gst.State.NULL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--codec", choices=sorted(CODECS), default="vp8")
    parser.add_argument("--header", action="append", default=[])
    options = parser.parse_args()
    Gst.init(None)
    loop = GLib.MainLoop()
    headers = dict(one.split("=", 1) for one in options.header)
    publisher = Publisher(options.url, headers, options.codec)

    def wait_for_end() -> None:
        sys.stdin.read()
        GLib.idle_add(loop.quit)

    threading.Thread(target=wait_for_end, daemon=True).start()
    loop.run()
    publisher.close()


if __name__ == "__main__":
    main()
