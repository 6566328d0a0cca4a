"""A WHEP viewer that is not ours: GStreamer's webrtcbin. Run with the system's Python (`/usr/bin/python3`, gi).

Posts its offer to receive one picture and one sound to `--url` with the headers given as `--header NAME=VALUE`. Prints
`answered LOCATION`, `state …` when the connection changes, and `pictures N` for every tenth decoded picture; ends and
says DELETE when its standard input is closed.
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

WANTED = (
    "application/x-rtp,media=video,encoding-name=VP8,payload=96,clock-rate=90000",
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
)


def say(line: str) -> None:
    print(line, flush=True)


class Viewer:
    """Offers once, when all candidates are there."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self.url = url
        self.headers = headers
        self.location = ""
        self.pictures = 0
        self.has_offered = False
        self.pipeline = Gst.Pipeline.new("viewer")
        self.peer = Gst.ElementFactory.make("webrtcbin", "peer")
        self.peer.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
        self.pipeline.add(self.peer)
        self.peer.connect("pad-added", self.on_pad)
        self.peer.connect("notify::ice-gathering-state", self.on_gathering)
        self.peer.connect("notify::connection-state", self.on_state)
        self.pipeline.set_state(Gst.State.PLAYING)
        for caps in WANTED:
            self.peer.emit(
                "add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps)
            )
        self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise: Gst.Promise) -> None:
        reply = promise.get_reply()  # keeps alive what the value points to
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

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
            with urllib.request.urlopen(request, timeout=20) as reply:
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

    def on_pad(self, _peer: object, pad: Gst.Pad) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        decoder = "rtpvp8depay ! vp8dec" if kind == "video" else "rtpopusdepay ! opusdec"
        sink = Gst.parse_bin_from_description(f"{decoder} ! fakesink name=out sync=false signal-handoffs=true", True)
        if kind == "video":
            sink.get_by_name("out").connect("handoff", self.on_picture)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_picture(self, *_: object) -> None:
        self.pictures += 1
        if self.pictures % 10 == 0:
            say(f"pictures {self.pictures}")

    def on_state(self, *_: object) -> None:
        say(f"state {self.peer.get_property('connection-state').value_nick}")

    def close(self) -> None:
        if self.location:
            request = urllib.request.Request(self.location, headers=self.headers, method="DELETE")
            try:
                with urllib.request.urlopen(request, timeout=10):
                    say("deleted")
            except urllib.error.HTTPError as error:
                say(f"gone {error.code}")
        self.pipeline.set_state(Gst.State.NULL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--header", action="append", default=[])
    options = parser.parse_args()
    Gst.init(None)
    loop = GLib.MainLoop()
    viewer = Viewer(options.url, dict(one.split("=", 1) for one in options.header))

    def wait_for_end() -> None:
        sys.stdin.read()
        GLib.idle_add(loop.quit)

    threading.Thread(target=wait_for_end, daemon=True).start()
    loop.run()
    viewer.close()


if __name__ == "__main__":
    main()
