"""The receiving end of one track: its depacketizer, what its sender reports say, and our reports back.

Owned by one RTSP connection, on the event loop. `push` (of the depacketizer) and `push_rtcp` take packets where they
lie in the receive buffer.
"""

from collections.abc import Callable

from media.base.errors import RemoteProtocolError
from media.codec.aac import au_header_layout
from media.packet import CodecParams
from media.rtp.depacketize import make_depacketizer
from media.rtp.receive import StreamOptions
from media.rtp.reception import ReceptionReporter
from media.rtp.rtcp import ReceiverReport, SenderReport, build_compound, parse_compound, source_name
from media.rtsp.client import PlayingTrack
from media.timing import NtpMapping

CNAME = "xiangyun"


class TrackReceiver:
    """One track that was set up."""

    def __init__(self, index: int, playing: PlayingTrack, on_report: Callable[[], None]) -> None:
        """Number it `index`; `on_report` is called after each sender report."""
        self.index = index
        self.playing = playing
        self.mapping = NtpMapping(playing.media.params.clock_rate_hz)
        self._reporter = ReceptionReporter()
        self._on_report = on_report
        self._lost_before = self._received_before = 0
        self._is_renewed = False
        self._make(playing.media.params)

    def _make(self, params: CodecParams) -> None:
        media = self.playing.media
        options = StreamOptions(
            payload_type=media.payload_type, ssrc=None if self._is_renewed else self.playing.reply.ssrc
        )
        layout = au_header_layout(media.format_parameters)
        self.depacketizer = make_depacketizer(self.index, params, options, au_headers=layout)

    def renew(self) -> None:
        """Start over with a fresh depacketizer; the counters go on, the camera's clock must be learnt anew."""
        stats = self.depacketizer.stats
        self._lost_before += stats.lost
        self._received_before += stats.received
        self._is_renewed = True
        self._make(self.depacketizer.params)
        self.mapping = NtpMapping(self.playing.media.params.clock_rate_hz)
        self._reporter = ReceptionReporter()

    @property
    def packets_lost(self) -> int:
        """Return the packets lost since the connection opened."""
        return self._lost_before + self.depacketizer.stats.lost

    @property
    def packets_received(self) -> int:
        """Return the packets taken since the connection opened."""
        return self._received_before + self.depacketizer.stats.received

    def push_rtcp(self, view: memoryview, start: int, end: int, now_mono_ns: int, now_wall_us: int) -> None:
        """Take one RTCP packet; broken ones and those of a foreign sender are ignored."""
        try:
            packets = parse_compound(bytes(view[start:end]))
        except RemoteProtocolError:
            return
        for packet in packets:
            if isinstance(packet, SenderReport) and packet.ssrc == self.depacketizer.stats.ssrc:
                pts = self.depacketizer.timeline.peek(packet.rtp_timestamp)
                self._reporter.on_sender_report(packet, now_mono_ns)
                if pts is not None:
                    self.mapping.update(packet.ntp64, pts, now_wall_us)
                    self._on_report()

    def receiver_report(self, own_ssrc: int, now_mono_ns: int) -> bytes | None:
        """Return our report on this track; None before its first packet."""
        stats = self.depacketizer.stats
        if not stats.received:
            return None
        block = self._reporter.report_block(stats, now_mono_ns)
        return build_compound([ReceiverReport(ssrc=own_ssrc, reports=(block,)), source_name(own_ssrc, CNAME)])
