"""RTP header extensions: the ids we use for them inside the plane, and those that travel from publisher to viewer.

Pure; used by `publishing`, `answer`, `slots` and the pump. The canonical ids are those Chromium offers, so that one
finished block (RFC 8285 §4.2) serves every viewer that offered the same: nothing is rewritten per viewer. What only
concerns one leg of the way (mid, rid, send times, transport sequence numbers) ends with that leg.
"""

from collections.abc import Iterable, Mapping

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
TRANSPORT_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
PLAYOUT_DELAY = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"
ABS_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"

CANONICAL: Mapping[str, int] = {
    AUDIO_LEVEL: 1,
    ABS_SEND_TIME: 2,
    TRANSPORT_CC: 3,
    MID: 4,
    PLAYOUT_DELAY: 5,
    ABS_CAPTURE_TIME: 9,
    RID: 10,
    REPAIRED_RID: 11,
    VIDEO_ORIENTATION: 13,
}
"""Chromium's own numbers; it offers abs-capture-time only on request and then under a number of its choice."""

KEPT = frozenset({AUDIO_LEVEL, VIDEO_ORIENTATION, ABS_CAPTURE_TIME, PLAYOUT_DELAY})
"""What a viewer gets as the publisher sent it."""

KEPT_IDS = frozenset(CANONICAL[uri] for uri in KEPT)

_ONE_BYTE_PROFILE = b"\xbe\xde"
_LONGEST_VALUE_BYTES = 16


def build_block(values: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a one-byte-header block of (id 1..14, value of 1..16 bytes), padded; b"" when nothing fits or is there."""
    body = b"".join(
        bytes([number << 4 | len(value) - 1]) + value
        for number, value in values
        if 1 <= number <= 14 and 1 <= len(value) <= _LONGEST_VALUE_BYTES
    )
    if not body:
        return b""
    body += bytes(-len(body) % 4)
    return _ONE_BYTE_PROFILE + (len(body) // 4).to_bytes(2, "big") + body


def with_element(block: bytes, element: bytes) -> bytes:
    """Return `block`, or a new one, with another finished element of whole words in it."""
    body = block[4:] + element
    return _ONE_BYTE_PROFILE + (len(body) // 4).to_bytes(2, "big") + body


def accepted(offered: Mapping[int, str]) -> dict[int, str]:
    """Return which of a viewer's offered extensions (id → uri) it will get: the kept ones under canonical ids."""
    return {number: uri for number, uri in offered.items() if uri in KEPT and CANONICAL[uri] == number}
