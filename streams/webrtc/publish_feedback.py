"""What we tell a publisher in RTCP: what arrived, what is missing, and that a key frame is wanted.

Pure; used by `publishing`, which says when. Each call returns finished compounds that begin with a report (RFC 3550
§6.1), for publishers that did not agree to less. Asks for nothing while packets are dropped for being too many.
"""

from collections.abc import Iterable, Iterator

from media.rtp import rtcp
from media.rtp.rtcp import ReportBlock
from streams.webrtc.ingress import Ingress

NUMBERS_PER_NACK = 250
"""A kilobyte when no two lie close together."""

LIMITED_NS = 1_000_000_000
"""After packets were dropped for being too many, nothing is asked for again so long."""

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

    def arrivals(self, media_ssrc: int, body: bytes) -> bytes:
        """Return a transport feedback."""
        return self._empty + rtcp.build(rtcp.TransportFeedback(self.ssrc, media_ssrc, body))

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


class PublishFeedback:
    """Looks at what came in, and says what the publisher must hear of it."""

    def __init__(self, ingress: Ingress, writer: FeedbackWriter) -> None:
        """Speak for `ingress`."""
        self._ingress = ingress
        self._writer = writer

    @property
    def is_missing(self) -> bool:
        """Tell whether `repairs` has to be called again soon."""
        return any(len(layer.missing) > 0 for _, layer in self._ingress.layers())

    def repairs(self, now_ns: int) -> list[bytes]:
        """Return requests for what is missing and due. What is given up becomes the wish for a key frame."""
        limited_ns = self._ingress.limited_ns
        is_limited = limited_ns > 0 and now_ns - limited_ns < LIMITED_NS
        packets: list[bytes] = []
        for track, layer in self._ingress.layers():
            given_up = layer.missing.given_up
            wanted = layer.missing.due(now_ns)
            if wanted and not is_limited and "nack" in track.line.feedback:
                packets += self._writer.nacks(layer.ssrc, wanted)
            if layer.missing.given_up > given_up and layer.rid in track.published.watched:
                track.request_key(track.name, layer.rid)
        return packets

    def key_requests(self, now_ns: int) -> list[bytes]:
        """Return the wishes for key frames whose turn it is; a layer that rests is not asked before it flows."""
        packets: list[bytes] = []
        for track, layer in self._ingress.layers():
            has_pli = "nack pli" in track.line.feedback
            can_ask = has_pli or "ccm fir" in track.line.feedback
            if layer.keys.is_wished and can_ask and layer.is_flowing(now_ns) and layer.keys.take(now_ns):
                packets.append(self._writer.key_request(layer.ssrc, has_pli=has_pli))
        return packets

    def arrivals(self, now_ns: int) -> list[bytes]:
        """Return when packets arrived, since the last call."""
        bodies = self._ingress.arrivals.reports(now_ns)
        return [self._writer.arrivals(self._ingress.any_ssrc, body) for body in bodies]

    def reports(self, now_ns: int) -> list[bytes]:
        """Return the receiver report on every layer that has begun."""
        blocks = [layer.report_block(now_ns) for _, layer in self._ingress.layers()]
        return [self._writer.reports(blocks)] if blocks else []
