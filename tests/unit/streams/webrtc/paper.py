"""A pump on paper: what it would send, in order, without sockets, keys or an event loop; time is a script."""

import struct
from dataclasses import dataclass

from media.packet import Codec, CodecParams
from streams.fanout import Packet, RunTimeline
from streams.webrtc import pump as pump_module
from streams.webrtc.batch import Batch, PeerAddress
from streams.webrtc.out_stream import OutStream
from streams.webrtc.outlet import Outlet, Path, SourceTrack
from streams.webrtc.pump import Pump

VP8 = CodecParams(codec=Codec.VP8, clock_rate_hz=90_000)


class TickingClock:
    """Every look costs `step_ns`, so that turns end in the middle of things."""

    def __init__(self) -> None:
        self.now_ns = 1_000_000_000
        self.step_ns = 0

    def mono_ns(self) -> int:
        self.now_ns += self.step_ns
        return self.now_ns

    def wall_us(self) -> int:
        return self.now_ns // 1000


@dataclass(frozen=True)
class Sent:
    """One packet that left."""

    ssrc: int
    seq: int
    timestamp: int
    payload_type: int
    payload: bytes
    whole: bytes


class PaperBatch(Batch):
    """Stands where the kernel takes packets, and cuts runs apart; refuses while `is_full`."""

    def __init__(self) -> None:
        super().__init__(-1, 7, takes_runs=True)
        self.is_full = False
        self.sent: list[Sent] = []

    def send(self) -> bool:
        if self.used and self.is_full:
            return False
        slots = iter(range(self.filled))
        for index in range(self.used):
            mine = [next(slots) for _ in range(self.counts[index])]
            assert self.firsts[index] == self.vectors[mine[0]]
            if len(mine) > 1:
                assert {self.lengths[slot] for slot in mine[:-1]} == {self.segments[mine[0]]}, "cannot be cut apart"
                assert self.lengths[mine[-1]] <= self.segments[mine[0]]
            self.sent += [self._read(slot) for slot in mine]
        assert next(slots, None) is None
        self.clear()
        return True

    def _read(self, slot: int) -> Sent:
        whole = bytes(self.slots[slot].view[: self.lengths[slot]])
        flags, second, seq, timestamp, ssrc = struct.unpack_from("!BBHII", whole)
        head = 16 + 4 * struct.unpack_from("!H", whole, 14)[0] if flags & 0x10 else 12
        return Sent(ssrc, seq, timestamp, second & 0x7F, whole[head:], whole)


@dataclass
class Keys:
    """Stands where an SRTP session is."""

    handle: object = None


class PaperPort:
    def __init__(self) -> None:
        self.clock = TickingClock()
        self.batch = PaperBatch()
        self.fd = -1


class PaperPump(Pump):
    """A pump whose turns are taken by hand."""

    def __init__(self, port: PaperPort) -> None:
        super().__init__(port)  # type: ignore[arg-type]

    def _schedule(self) -> None:
        pass

    def _wait_writable(self) -> None:
        pass

    def turn(self) -> None:
        deadline_ns = self._clock.mono_ns() + pump_module.TURN_NS
        if self._batch.send() and self._serve_late(deadline_ns) and self._serve_live(deadline_ns):
            self._serve_behind(deadline_ns)
        self._batch.send()


class Paper:
    """Tracks, viewers and the pump between them."""

    def __init__(self, monkeypatch) -> None:
        monkeypatch.setattr(pump_module, "protect_rtp", lambda *_: 0)
        self.port = PaperPort()
        self.clock = self.port.clock
        self.pump = PaperPump(self.port)
        self.path = Path(Keys(), 0, PeerAddress("127.0.0.1", 9))

    @property
    def sent(self) -> list[Sent]:
        return self.port.batch.sent

    def track(self, params: CodecParams = VP8, **limit) -> SourceTrack:
        track = SourceTrack(params, **limit)
        track.pump = self.pump
        timeline = RunTimeline(params.clock_rate_hz)
        timeline.begin_run(params.clock_rate_hz)
        timeline.stamp(0, self.clock.now_ns)
        track.timeline = timeline
        return track

    def stream(self, ssrc: int, *, takes_extension: bool = False) -> OutStream:
        return OutStream(ssrc, self.clock, takes_extension=takes_extension)

    def start(self, outlet: Outlet) -> Outlet:
        if not outlet.start(self.path):
            self.pump.catch_up(outlet)
        return outlet

    def settle(self) -> None:
        """Let the pump work until nothing is left to do."""
        self.clock.step_ns = 1000
        for _ in range(10_000):
            self.clock.now_ns += 2_000_000
            self.pump.turn()
            if not (self.pump._live or self.pump._behind or self.pump._late or self.port.batch.used):
                return
        raise AssertionError("the pump does not come to rest")


def packet(number: int, timestamp: int, *, size: int = 20, extension: bytes = b"") -> Packet:
    """Return a packet whose content tells its number."""
    return Packet(number.to_bytes(4, "big") * (size // 4), timestamp, 0x80, extension)
