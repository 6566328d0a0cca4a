"""What a fuzzer feeds RTSP and SDP bytes to; shared by the Atheris targets."""

from media.base.errors import RemoteProtocolError
from media.rtsp.auth import parse_challenges
from media.rtsp.client import ClientSession, Described
from media.rtsp.message import InterleavedFrame, MessageParser
from media.sdp.session import parse
from media.sdp.tracks import tracks_of


def stream(data: bytes) -> None:
    """Feed a byte stream, in two pieces, to a client that has just connected."""
    parser, session = MessageParser(), ClientSession("rtsp://c/live")
    session.start()
    try:
        for piece in (data[: len(data) // 2], data[len(data) // 2 :]):
            parser.feed(piece)
            while (item := parser.next()) is not None:
                if isinstance(item, InterleavedFrame):
                    continue
                for event in session.receive(item, 0).events:
                    if isinstance(event, Described):
                        session.setup(event.tracks)
    except RemoteProtocolError:
        return


def description(data: bytes) -> None:
    """Read a session description and its tracks."""
    try:
        tracks_of(parse(data), "rtsp://c/live/")
    except RemoteProtocolError:
        return


def challenge(data: bytes) -> None:
    """Read a WWW-Authenticate value."""
    parse_challenges([data.decode("utf-8", "replace")])
