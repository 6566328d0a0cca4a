"""One track of a source, and one outlet of it per viewer: what the pump sends, to whom, and from where.

Used by `feed` (which appends), `viewer` (which joins and leaves) and `pump` (which sends), all on one event loop.
An outlet waits for a key frame, catches up through the cached group at its own pace, then joins the track's live
table, where it costs nothing but its entry. Its sequence numbers never repeat, whatever happens: with AES-GCM a
number used twice for different bytes would give the key away.
"""

import secrets
from enum import Enum
from typing import NamedTuple

from media.packet import CodecParams, Kind
from media.srtp import Handle, SrtpSession
from streams.fanout import History, Packet, RunTimeline, Splice, SplicePoint, splice_group, splice_live
from streams.webrtc.batch import PeerAddress

BURST_PACKETS = 24
"""Chromium's socket buffer holds about 56 packets; half of that leaves room for its neighbours."""

PACKETS_PER_MS = 8
"""77 Mbit/s: a 2 s group of 2 Mbit/s is with the viewer after 50 ms."""

_RESPLICE_GAP_TICKS = 90
"""Between the last picture sent and the first of a repeated group: a millisecond, so that repeats add no delay."""


class Pace:
    """A token bucket of packets. Time is an argument."""

    __slots__ = ("_credit", "_filled_ns")

    def __init__(self) -> None:
        """Start full."""
        self._credit = float(BURST_PACKETS)
        self._filled_ns = 0

    def take(self, now_ns: int) -> bool:
        """Take leave to send one packet; False when it must wait a millisecond or two."""
        if self._credit < 1.0:
            earned = (now_ns - self._filled_ns) * PACKETS_PER_MS / 1e6
            self._filled_ns = now_ns
            self._credit = min(self._credit + earned, float(BURST_PACKETS))
            if self._credit < 1.0:
                return False
        self._credit -= 1.0
        return True


class Entry(NamedTuple):
    """A live outlet as the pump's inner loop reads it. `owner` keeps the C memory behind the pointers alive."""

    payload_type: int
    seq_offset: int
    ts_offset: int
    ssrc: int
    handle: Handle
    tag_bytes: int
    address: int
    owner: tuple[SrtpSession, PeerAddress]


class OutletState(Enum):
    """Where an outlet stands."""

    IDLE = "idle"
    WAITING = "waiting"
    CATCHING_UP = "catching_up"
    LIVE = "live"


class SourceTrack:
    """One track of a source on its way out: numbered packets, the live table, and how far it has been served."""

    def __init__(self, params: CodecParams) -> None:
        """Begin empty."""
        self.params = params
        self.kind: Kind = params.codec.kind
        self.history = History()
        self.timeline = RunTimeline(params.clock_rate_hz)
        self.pace = Pace()
        self.next_live_seq = 0
        """Source sequence the live table gets next."""
        self.part_sent: tuple[list[Entry], int] | None = None
        """Table and position of a packet the pump had to leave half-way."""
        self.is_queued = False
        self.sent_packets = 0
        self.sent_octets = 0
        self.dropped_packets = 0
        self._table: list[Entry] | None = None
        self.live: list[Outlet] = []
        self.waiting: list[Outlet] = []
        self.catching_up: list[Outlet] = []

    @property
    def join_seq(self) -> int:
        """Return the first source sequence an entry added now would get."""
        return self.next_live_seq + (self.part_sent is not None)

    @property
    def backlog(self) -> int:
        """Return how many packets the live table has not got yet."""
        return self.history.next_seq - self.next_live_seq

    @property
    def table(self) -> list[Entry]:
        """Return the live table, made anew after changes; one in use by a half-sent packet is left as it is."""
        if self._table is None:
            self._table = [outlet.entry() for outlet in self.live]
        return self._table

    def table_changed(self) -> None:
        """Make the table anew when it is next needed: 300 viewers may change it at one key frame."""
        self._table = None

    def append(self, packets: list[Packet], *, is_key: bool) -> list["Outlet"]:
        """Add one unit's packets; a key unit starts whoever waits for one.

        Return the outlets the pump must let catch up because the live table is not yet where they start.
        """
        first_seq = self.history.next_seq
        self.history.append(packets, is_key=is_key)
        behind: list[Outlet] = []
        if is_key and self.waiting and packets:
            waiting, self.waiting = self.waiting, []
            behind = [outlet for outlet in waiting if not outlet.start_live(first_seq, packets[0].timestamp)]
        self.skip_if_idle()
        return behind

    def skip_if_idle(self) -> None:
        """Move on to the head when nobody is live: there is nothing to send."""
        if not self.live and self.part_sent is None:
            self.next_live_seq = self.history.next_seq

    def pause(self) -> None:
        """Let every outlet wait for the next key frame, without a hole in its numbers: the run ended, or we fell behind.

        Audio outlets go on with whatever comes next.
        """
        for outlet in (*self.live, *self.catching_up):
            outlet.wait()
        self.part_sent = None
        self.skip_if_idle()
        if self.kind is Kind.AUDIO:
            waiting, self.waiting = self.waiting, []
            for outlet in waiting:
                outlet.start_live(self.join_seq, self.last_timestamp)

    def drop_backlog(self) -> None:
        """Give up what the live table has not got."""
        self.dropped_packets += self.backlog
        self.pause()

    @property
    def last_timestamp(self) -> int:
        """Return the source timestamp of the newest packet, 0 before the first."""
        last = self.history.get(self.history.next_seq - 1)
        return last.timestamp if last is not None else 0


class Outlet:
    """One track to one viewer. `start` when the path is secure, `stop` at its end."""

    def __init__(self, track: SourceTrack, payload_type: int, ssrc: int) -> None:
        """Prepare; random first sequence and timestamp (RFC 3550 §5.1), low enough not to wrap at once."""
        self.track = track
        self.payload_type = payload_type
        self.ssrc = ssrc
        self.state = OutletState.IDLE
        self.pace = Pace()
        self.cursor = 0
        self.splice: Splice | None = None
        self.resent = 0
        self._point = SplicePoint(secrets.randbelow(1 << 15), secrets.randbits(31))
        self._packets = 0
        self._octets = 0
        self._live_since = (0, 0)
        self.srtp: SrtpSession | None = None
        self.address: PeerAddress | None = None
        self.tag_bytes = 0

    def entry(self) -> Entry:
        """Return the live table's entry; only while live."""
        assert self.splice is not None
        assert self.srtp is not None
        assert self.address is not None
        return Entry(
            self.payload_type,
            self.splice.seq_offset,
            self.splice.ts_offset,
            self.ssrc,
            self.srtp.handle,
            self.tag_bytes,
            self.address.pointer,
            (self.srtp, self.address),
        )

    def start(self, srtp: SrtpSession, tag_bytes: int, address: PeerAddress) -> bool:
        """Begin sending. Return False when the pump must let it catch up."""
        self.srtp, self.tag_bytes, self.address = srtp, tag_bytes, address
        if self.track.kind is Kind.AUDIO:
            return self.start_live(self.track.join_seq, self.track.last_timestamp)
        return self.restart()

    def restart(self) -> bool:
        """Begin again from the cached group, or wait for the next key frame. Return as `start` does."""
        self._leave()
        splice = splice_group(self._point, self.track.history, self.track.join_seq)
        if splice is None:
            self.state = OutletState.WAITING
            self.track.waiting.append(self)
            return True
        self._begin(splice)
        return self.join_if_level()

    def start_live(self, start_seq: int, start_ts: int) -> bool:
        """Begin at a packet the live table has yet to get. Return as `start` does."""
        self._begin(splice_live(self._point, start_seq, start_ts))
        return self.join_if_level()

    def _begin(self, splice: Splice) -> None:
        self.splice = splice
        self.cursor = splice.start_seq
        self.state = OutletState.CATCHING_UP
        self.track.catching_up.append(self)

    def join_if_level(self) -> bool:
        """Move into the live table when the two stand at the same packet; return whether it did.

        Never earlier: packets before the start would get sequence numbers this outlet has used already.
        """
        track = self.track
        if self.cursor != track.join_seq:
            return False
        track.catching_up.remove(self)
        self.state = OutletState.LIVE
        self._live_since = (track.sent_packets, track.sent_octets)
        track.live.append(self)
        track.table_changed()
        return True

    def wait(self) -> None:
        """Send nothing until the next key frame."""
        self._leave()
        self.state = OutletState.WAITING
        self.track.waiting.append(self)

    def stop(self) -> None:
        """Leave for good."""
        self._leave()
        self.state = OutletState.IDLE

    def move(self, address: PeerAddress) -> None:
        """Send to another address from now on: ICE nominated another pair."""
        self.address = address
        if self.state is OutletState.LIVE:
            self.track.table_changed()

    def caught_up(self, size_bytes: int) -> None:
        """Count one packet sent by the pump while catching up."""
        self.cursor += 1
        self._packets += 1
        self._octets += size_bytes

    def totals(self) -> tuple[int, int]:
        """Return packets and payload octets sent, without repeats."""
        if self.state is not OutletState.LIVE:
            return self._packets, self._octets
        track = self.track
        return (
            self._packets + track.sent_packets - self._live_since[0],
            self._octets + track.sent_octets - self._live_since[1],
        )

    def repeat(self, out_seq: int) -> tuple[int, int, Packet] | None:
        """Find what was sent as `out_seq`: sequence, timestamp and packet; None when it is gone or never was."""
        if self.splice is None:
            return None
        seq = self.splice.source_seq(out_seq, self._next_seq())
        packet = None if seq is None else self.track.history.get(seq)
        if packet is None:
            return None
        return out_seq, self.splice.out_ts(packet.timestamp) & 0xFFFFFFFF, packet

    def _next_seq(self) -> int:
        return self.track.join_seq if self.state is OutletState.LIVE else self.cursor

    def _leave(self) -> None:
        """Take leave of the track, remembering where this outlet's own numbering stands."""
        track = self.track
        next_seq = self._next_seq()
        self._packets, self._octets = self.totals()
        for members in (track.live, track.waiting, track.catching_up):
            if self in members:
                members.remove(self)
        if self.state is OutletState.LIVE:
            track.table_changed()
            track.skip_if_idle()
        self.state = OutletState.IDLE
        if self.splice is None:
            return
        last = track.history.get(next_seq - 1)
        timestamp = last.timestamp if last is not None else self.splice.live_ts
        self._point = SplicePoint(
            self.splice.out_seq(next_seq),
            max(self.splice.out_ts(timestamp) + _RESPLICE_GAP_TICKS, self._point.first_out_ts),
            self.splice.ts_offset,
        )
        self.splice = None
