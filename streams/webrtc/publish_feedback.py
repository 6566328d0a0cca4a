"""What we tell a publisher in RTCP: what arrived, what is missing, and that a key frame is wanted.

Pure; used by `publishing` ten times a second and whenever packets are missing. Every message is a compound that
begins with a report (RFC 3550 §6.1), for publishers that did not agree to less. Chooses nothing: when to ask, and for
what, is decided by the layers.
"""

from collections.abc import Iterable, Iterator

from media.rtp import rtcp
from media.rtp.rtcp import ReportBlock

NUMBERS_PER_NACK = 250
"""A kilobyte when no two lie close together."""
_BLOCKS_PER_REPORT = 31


class FeedbackWriter:
    """Writes the compound packets of one receiver."""

    def __init__(self, ssrc: int, cname: str) -> None:
        """Speak as source `ssrc`, named `cname`."""
        self.ssrc = ssrc
        self._cname = cname
        self._fir_number = 0
        self._empty = rtcp.build_compound([rtcp.ReceiverReport(ssrc=ssrc)])

    def reports(self, blocks: Iterable[ReportBlock]) -> bytes:
        """Return a receiver report with our name."""
        report = rtcp.ReceiverReport(ssrc=self.ssrc, reports=tuple(blocks)[:_BLOCKS_PER_REPORT])
        return rtcp.build_compound([report, rtcp.source_name(self.ssrc, self._cname)])

    def arrivals(self, media_ssrc: int, bodies: Iterable[bytes]) -> Iterator[bytes]:
        """Return a transport feedback per body."""
        for body in bodies:
            yield self._empty + rtcp.build(rtcp.TransportFeedback(self.ssrc, media_ssrc, body))

    def nacks(self, media_ssrc: int, numbers: list[int]) -> Iterator[bytes]:
        """Return requests for the extended sequence numbers, in order."""
        for at in range(0, len(numbers), NUMBERS_PER_NACK):
            sequences = tuple(number & 0xFFFF for number in numbers[at : at + NUMBERS_PER_NACK])
            yield self._empty + rtcp.build(rtcp.GenericNack(self.ssrc, media_ssrc, sequences))

    def key_request(self, media_ssrc: int, *, has_pli: bool) -> bytes:
        """Return the wish for a key frame: PLI, or FIR for who knows only that."""
        if has_pli:
            return self._empty + rtcp.build(rtcp.PictureLoss(self.ssrc, media_ssrc))
        self._fir_number = (self._fir_number + 1) & 0xFF
        return self._empty + rtcp.build(rtcp.FullIntraRequest(self.ssrc, ((media_ssrc, self._fir_number),)))
