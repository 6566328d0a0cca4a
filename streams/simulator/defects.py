"""The things real cameras do wrong, each a switch.

Every defect is a `Defect` whose few hooks the simulator asks: `streams.simulator.camera` while it makes packets,
`streams.simulator.connection` while it answers. `effect` says what the camera does, `recovery` what a good hub makes
of it; both are printed by `xiangyun simulate --help` and checked by the fault tests. Pure: time and chance are given.
"""

import random
from collections.abc import Callable, Iterable
from typing import ClassVar

PERIOD_S = 10.0
"""How long a defect that comes and goes stays in each state."""
STALE_SESSION_S = 65.0
"""How long live555 keeps the session of a client that vanished."""
DRIP_BYTES_PER_S = 20
TIMESTAMP_JUMP_S = 3600
WRAP_AFTER_S = 5
_LOSS, _SWAP = 0.01, 0.02
_CLOCK_HZ = 90_000


class Defect:
    """One defect of one camera. Times are seconds since it was set; RTP packets are whole, header first."""

    name: ClassVar[str]
    effect: ClassVar[str]
    recovery: ClassVar[str]

    describes_parameter_sets = True
    is_silent = False
    refuses_second_session = False
    changes_nonce = False
    bytes_per_s = 0
    alters_packets = False
    drops_after_s = 0.0

    def __init__(self, seed: int = 0) -> None:
        """`seed` makes chance repeatable."""
        self.rng = random.Random(seed)  # noqa: S311  # chance, not secrecy

    def on_first_play(self, ticks: int) -> None:
        """A first client plays; `ticks` is the 90 kHz time the picture clock shows, modulo 2**32."""

    def timestamp_offset_s(self, elapsed_s: float) -> float:
        """Return seconds to add to every RTP timestamp of every track."""
        del elapsed_s
        return 0.0

    def shows_other_size(self, elapsed_s: float) -> bool:
        """Tell whether a GOP that begins now is in the other resolution."""
        del elapsed_s
        return False

    def alter(self, packets: list[bytes]) -> list[bytes]:
        """Return the packets of a picture as this camera sends them; asked only with `alters_packets`."""
        return packets


class Drop(Defect):
    """Connection drop."""

    name = "drop"
    effect = "the TCP connection is reset 10 s after every PLAY"
    recovery = "the run ends as disconnected; pictures again within 3 s of each reset"
    drops_after_s = PERIOD_S


class Silence(Defect):
    """Silence while connected."""

    name = "silence"
    effect = "no packet is sent, while every RTSP request is answered"
    recovery = "the run ends as silent after 10 s; retried with back-off; back within 31 s of the end of the defect"
    is_silent = True


class StaleSession(Defect):
    """Stale session."""

    name = "stale-session"
    effect = "one session per stream; one whose connection died without TEARDOWN blocks it for 65 s (453)"
    recovery = "TEARDOWN at every close, and of the session a dead worker left; else back after 65 s + 30 s"
    refuses_second_session = True


class NoMarker(Defect):
    """No marker bit."""

    name = "no-marker"
    effect = "the marker bit is never set"
    recovery = "none needed: pictures are split where the timestamp changes, one picture late"
    alters_packets = True

    def alter(self, packets: list[bytes]) -> list[bytes]:
        """Clear the bit."""
        return [packet[:1] + bytes((packet[1] & 0x7F,)) + packet[2:] for packet in packets]


class TimestampJump(Defect):
    """Timestamp jump."""

    name = "ts-jump"
    effect = "every 10 s the RTP timestamps of all tracks jump, 1 h forward and 1 h back in turn"
    recovery = "no gap above 1 s: the timeline goes on from the time of arrival, or a new run begins at once"

    def timestamp_offset_s(self, elapsed_s: float) -> float:
        """Return 0 or an hour."""
        return TIMESTAMP_JUMP_S if int(elapsed_s // PERIOD_S) % 2 else 0.0


class TimestampWrap(Defect):
    """Timestamp wrap."""

    name = "ts-wrap"
    effect = "video timestamps pass 2**32 5 s after the first PLAY (as they do every 13.3 h)"
    recovery = "none needed: nothing is noticed"

    def __init__(self, seed: int = 0) -> None:
        """Begin without an offset; the first PLAY sets it."""
        super().__init__(seed)
        self._offset_ticks = 0

    def on_first_play(self, ticks: int) -> None:
        """Aim at the wrap."""
        self._offset_ticks = ((1 << 32) - WRAP_AFTER_S * _CLOCK_HZ - ticks) % (1 << 32)

    def timestamp_offset_s(self, elapsed_s: float) -> float:
        """Return what brings the wrap near."""
        del elapsed_s
        return self._offset_ticks / _CLOCK_HZ


class ReorderLoss(Defect):
    """Out-of-order and lost packets."""

    name = "reorder-loss"
    effect = "1 % of the video packets are lost and 2 % change places with their neighbour, by TCP too"
    recovery = "damaged pictures are left out and counted; over UDP swapped packets do no harm"
    alters_packets = True

    def alter(self, packets: list[bytes]) -> list[bytes]:
        """Lose and swap."""
        kept = [packet for packet in packets if self.rng.random() >= _LOSS]
        for index in range(1, len(kept)):
            if self.rng.random() < _SWAP:
                kept[index - 1], kept[index] = kept[index], kept[index - 1]
        return kept


class SpsChange(Defect):
    """SPS change in mid-stream."""

    name = "sps-change"
    effect = "the main stream changes between its own and the sub stream's resolution every 10 s, in-band (H.264 only)"
    recovery = "recording goes on with a new codec configuration at each change; no gap above one GOP"

    def shows_other_size(self, elapsed_s: float) -> bool:
        """Change every period."""
        return bool(int(elapsed_s // PERIOD_S) % 2)


class NoSps(Defect):
    """Missing parameter sets."""

    name = "no-sps"
    effect = "the session description has no parameter sets; they come in-band with every key picture"
    recovery = "none needed: pictures begin with the first key picture"
    describes_parameter_sets = False


class NonceChange(Defect):
    """Changing nonce."""

    name = "nonce-change"
    effect = "every digest nonce is good for one request; the next is answered 401 with stale=true"
    recovery = "none needed: each request is repeated with the fresh nonce (needs a password to be seen)"
    changes_nonce = True


class SlowDrip(Defect):
    """Slow drip."""

    name = "slow-drip"
    effect = "the camera accepts the connection and sends everything at 20 bytes per second"
    recovery = "connecting is given up after its time limit; neighbours feel nothing; back within 31 s of the end"
    bytes_per_s = DRIP_BYTES_PER_S


_KINDS: tuple[type[Defect], ...] = (
    Drop,
    Silence,
    StaleSession,
    NoMarker,
    TimestampJump,
    TimestampWrap,
    ReorderLoss,
    SpsChange,
    NoSps,
    NonceChange,
    SlowDrip,
)
DEFECTS: dict[str, Callable[[int], Defect]] = {kind.name: kind for kind in _KINDS}
"""Every defect by its name."""


def describe_defects() -> str:
    """Return a table of all defects for people."""
    return "\n".join(f"{kind.name:14} {kind.effect}; expected: {kind.recovery}" for kind in _KINDS)


class DefectSet:
    """The defects a camera has now, asked as one. Replaced as a whole when a switch is thrown."""

    def __init__(self, names: Iterable[str] = (), seed: int = 0, since_mono_ns: int = 0) -> None:
        """KeyError for an unknown name."""
        self.defects = tuple(DEFECTS[name](seed) for name in names)
        self._since_mono_ns = since_mono_ns
        self.describes_parameter_sets = all(d.describes_parameter_sets for d in self.defects)
        self.is_silent = any(d.is_silent for d in self.defects)
        self.refuses_second_session = any(d.refuses_second_session for d in self.defects)
        self.changes_nonce = any(d.changes_nonce for d in self.defects)
        self.bytes_per_s = max((d.bytes_per_s for d in self.defects), default=0)
        self.drops_after_s = max((d.drops_after_s for d in self.defects), default=0.0)
        self._altering = tuple(d for d in self.defects if d.alters_packets)

    def __bool__(self) -> bool:
        return bool(self.defects)

    @property
    def alters_packets(self) -> bool:
        """Tell whether packets must be handed to `alter`."""
        return bool(self._altering)

    def _elapsed_s(self, mono_ns: int) -> float:
        return max(0, mono_ns - self._since_mono_ns) / 1e9

    def on_first_play(self, ticks: int) -> None:
        """Tell every defect that a first client plays."""
        for defect in self.defects:
            defect.on_first_play(ticks)

    def timestamp_offset_s(self, mono_ns: int) -> float:
        """Return seconds to add to every RTP timestamp."""
        return sum(d.timestamp_offset_s(self._elapsed_s(mono_ns)) for d in self.defects)

    def shows_other_size(self, mono_ns: int) -> bool:
        """Tell whether a GOP that begins at `mono_ns` is in the other resolution."""
        return any(d.shows_other_size(self._elapsed_s(mono_ns)) for d in self.defects)

    def alter(self, packets: list[bytes]) -> list[bytes]:
        """Return the packets as the camera sends them."""
        for defect in self._altering:
            packets = defect.alter(packets)
        return packets
