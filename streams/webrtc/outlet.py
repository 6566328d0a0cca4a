"""One track of a source, and one outlet of it per viewer: what the pump sends, to whom, and from where.

Used by `feed` and `publishing` (which append), `slots` (which join and leave) and `pump` (which sends), all on one
event loop. An outlet waits for a key frame, catches up through the cached group at its own pace, then joins the
track's live table, where it costs nothing but its entry. Its numbers are its `OutStream`'s, which it claims when it
begins to send: until then another outlet, of another camera or layer, may go on.
"""

from enum import Enum
from typing import NamedTuple, Protocol

from media.packet import CodecParams, Kind
from media.srtp import Handle, SrtpSession
from streams.fanout import CAMERA, GroupLimit, History, Packet, Place, RunTimeline, Splice, splice_group, splice_live
from streams.webrtc.batch import PeerAddress
from streams.webrtc.out_stream import OutStream, Span, Timeline

BURST_PACKETS = 24
"""Chromium's socket buffer holds about 56 packets; half of that leaves room for its neighbours."""

PACKETS_PER_MS = 8
"""77 Mbit/s: a 2 s group of 2 Mbit/s is with the viewer after 50 ms."""


class Pace:
    """A token bucket of packets. Time is an argument."""

    __slots__ = ("_credit", "_filled_ns")

    def __init__(self) -> None:
        """Start full."""
        self._credit = float(BURST_PACKETS)
        self._filled_ns = 0

    def take(self, now_ns: int, wanted: int = 1) -> int:
        """Take leave to send up to `wanted` packets; return how many, 0 when it must wait a millisecond or two."""
        if self._credit < wanted:
            earned = (now_ns - self._filled_ns) * PACKETS_PER_MS / 1e6
            self._filled_ns = now_ns
            self._credit = min(self._credit + earned, float(BURST_PACKETS))
        granted = min(wanted, int(self._credit))
        self._credit -= granted
        return granted


class Entry(NamedTuple):
    """A live outlet as the pump's inner loop reads it.

    `owner` keeps the C memory behind the pointers alive, and tells whether the viewer takes header extensions.
    """

    payload_type: int
    seq_offset: int
    ts_offset: int
    ssrc: int
    handle: Handle
    tag_bytes: int
    address: int
    owner: tuple[SrtpSession, PeerAddress, bool]


Part = tuple[list[Packet], list[Entry], int]
"""Consecutive packets of one size but for a smaller last one, the live table, and how far down it they are sent."""


class Path(NamedTuple):
    """The secured way to a viewer."""

    srtp: SrtpSession
    tag_bytes: int
    address: PeerAddress


class Tap(Protocol):
    """Who else wants a track's packets on this machine: the relay to other workers, a meeting's recording."""

    def on_packet(self, seq: int, packet: Packet, is_key: bool) -> None:
        """Take a packet in order of arrival, late ones with their own number; return at once and never raise."""
        ...


class Sender(Protocol):
    """What a track needs of the pump."""

    def wake(self, track: "SourceTrack") -> None:
        """Serve the live table: packets were added."""
        ...

    def catch_up(self, outlet: "Outlet") -> None:
        """Serve an outlet that starts elsewhere than the live table stands."""
        ...

    def send_late(self, track: "SourceTrack", seq: int, packet: Packet, entries: list[Entry]) -> None:
        """Send a late packet once to those who have passed its number."""
        ...


class OutletState(Enum):
    """Where an outlet stands."""

    IDLE = "idle"
    WAITING = "waiting"
    CATCHING_UP = "catching_up"
    LIVE = "live"


class SourceTrack:
    """One track of a source on its way out: numbered packets, the live table, and how far it has been served."""

    def __init__(self, params: CodecParams, group: GroupLimit = CAMERA) -> None:
        """Begin empty. A feeder that has its own clock for the source's timestamps puts it into `timeline`."""
        self.params = params
        self.kind: Kind = params.codec.kind
        self.clock_rate_hz = params.clock_rate_hz
        self.history = History(group, clock_rate_hz=params.clock_rate_hz)
        self.timeline: Timeline = RunTimeline(params.clock_rate_hz)
        self.pump: Sender | None = None
        """Where `put` sends; a feeder that `append`s calls the pump itself."""
        self.pace = Pace()
        self.next_live_seq = 0
        """Source sequence the live table gets next."""
        self.part_sent: Part | None = None
        """What the pump had to leave half-way."""
        self.is_queued = False
        self.sent_packets = 0
        self.sent_octets = 0
        self.dropped_packets = 0
        self.late_packets = 0
        self.ignored_packets = 0
        self._table: list[Entry] | None = None
        self._taps: tuple[Tap, ...] = ()
        self.live: list[Outlet] = []
        self.waiting: list[Outlet] = []
        self.catching_up: list[Outlet] = []

    @property
    def join_seq(self) -> int:
        """Return the first source sequence an entry added now would get."""
        return self.next_live_seq + (len(self.part_sent[0]) if self.part_sent is not None else 0)

    @property
    def backlog(self) -> int:
        """Return how many packets the live table has not got yet."""
        return self.history.next_seq - self.next_live_seq

    @property
    def table(self) -> list[Entry]:
        """Return the live table, made anew after changes; one in use by half-sent packets is left as it is."""
        if self._table is None:
            self._table = [outlet.entry() for outlet in self.live]
        return self._table

    def table_changed(self) -> None:
        """Make the table anew when it is next needed: 300 viewers may change it at one key frame."""
        self._table = None

    def add_tap(self, tap: Tap) -> None:
        """Give every packet from now on to `tap`, too."""
        self._taps = (*self._taps, tap)

    def remove_tap(self, tap: Tap) -> None:
        """Give it no more; nothing happens when it was not there."""
        self._taps = tuple(each for each in self._taps if each is not tap)

    def append(self, packets: list[Packet], *, is_key: bool) -> list["Outlet"]:
        """Add one unit's packets of a source without holes; a key unit starts whoever waits for one.

        Return the outlets the pump must let catch up because the live table is not yet where they start.
        """
        first_seq = self.history.next_seq
        self.history.append(packets, is_key=is_key)
        behind: list[Outlet] = []
        if is_key and self.waiting and packets:
            behind = self._start_waiting(first_seq, packets[0].timestamp)
        self.skip_if_idle()
        for tap in self._taps:
            for count, packet in enumerate(packets):
                tap.on_packet(first_seq + count, packet, is_key and count == 0)
        return behind

    def put(self, seq: int, packet: Packet, *, is_key: bool) -> None:
        """Add one packet of a source that numbers its packets itself, and send it.

        `seq` ahead of the head leaves a hole; behind it, the packet is late and goes once to all who have passed its
        number. `is_key` marks the first packet of a key frame, which starts whoever waits for one.
        """
        place = self.history.place_of(seq)
        if place is Place.IGNORED:
            self.ignored_packets += 1
            return
        if place is Place.JUMP:
            self._begin_at(seq)
        self.history.put(seq, packet, place, is_key=is_key)
        if place is Place.LATE:
            self._put_late(seq, packet, is_key=is_key)
        elif self.waiting and (is_key or (place is Place.JUMP and self.kind is Kind.AUDIO)):
            self._let_catch_up(self._start_waiting(seq, packet.timestamp))
        self.skip_if_idle()
        for tap in self._taps:
            tap.on_packet(seq, packet, is_key)
        if self.pump is not None and self.live:
            self.pump.wake(self)

    def _begin_at(self, seq: int) -> None:
        """Let everybody wait and go on at `seq`: nothing before it will come any more."""
        for outlet in (*self.live, *self.catching_up):
            outlet.wait()
        self.part_sent = None
        self.next_live_seq = seq

    def _put_late(self, seq: int, packet: Packet, *, is_key: bool) -> None:
        self.late_packets += 1
        passed = [outlet.late_entry(packet) for outlet in (*self.live, *self.catching_up) if outlet.has_passed(seq)]
        if passed and self.pump is not None:
            self.pump.send_late(self, seq, packet, passed)
        if is_key and self.history.group_seq == seq:
            waiting, self.waiting = self.waiting, []
            self._let_catch_up([outlet for outlet in waiting if not outlet.restart()])

    def _start_waiting(self, seq: int, timestamp: int) -> list["Outlet"]:
        waiting, self.waiting = self.waiting, []
        return [outlet for outlet in waiting if not outlet.start_live(seq, timestamp)]

    def _let_catch_up(self, outlets: list["Outlet"]) -> None:
        for outlet in outlets:
            if self.pump is not None:
                self.pump.catch_up(outlet)

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
            self._let_catch_up(self._start_waiting(self.join_seq, self.last_timestamp))

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
    """One track to one viewer, on a stream whose numbers it claims when it begins. `start` and `stop` it."""

    def __init__(self, track: SourceTrack, payload_type: int, stream: OutStream) -> None:
        """Prepare; nothing is claimed before `start`."""
        self.track = track
        self.payload_type = payload_type
        self.stream = stream
        self.ssrc = stream.ssrc
        self.state = OutletState.IDLE
        self.pace = Pace()
        self.cursor = 0
        self.splice: Splice | None = None
        self.path: Path | None = None
        self.resent = 0
        self._packets = 0
        self._octets = 0
        self._live_since = (0, 0)

    def entry(self, ts_offset: int | None = None) -> Entry:
        """Return the live table's entry; only while it has begun."""
        assert self.splice is not None
        assert self.path is not None
        srtp, tag_bytes, address = self.path
        return Entry(
            self.payload_type,
            self.splice.seq_offset,
            self.splice.ts_offset if ts_offset is None else ts_offset,
            self.ssrc,
            srtp.handle,
            tag_bytes,
            address.pointer,
            (srtp, address, self.stream.takes_extension),
        )

    def late_entry(self, packet: Packet) -> Entry:
        """Return the entry for a packet that may lie in the squeezed part of the splice."""
        assert self.splice is not None
        return self.entry(self.splice.out_ts(packet.timestamp) - packet.timestamp)

    def start(self, path: Path) -> bool:
        """Begin sending. Return False when the pump must let it catch up."""
        self.path = path
        if self.track.kind is Kind.AUDIO:
            return self.start_live(self.track.join_seq, self.track.last_timestamp)
        return self.restart()

    def await_key(self, path: Path) -> None:
        """Begin with the next key frame, even when there is a cached group; whoever sends now goes on until then."""
        self.path = path
        self.wait()

    def restart(self) -> bool:
        """Begin again from the cached group, or wait for the next key frame. Return as `start` does."""
        self._leave()
        track = self.track
        if track.history.group_seq is None:
            self.state = OutletState.WAITING
            track.waiting.append(self)
            return True
        point = self.stream.claim(self)
        splice = splice_group(point, track.history, track.join_seq)
        assert splice is not None
        self._begin(splice, point.ts_offset)
        return self.join_if_level()

    def start_live(self, start_seq: int, start_ts: int) -> bool:
        """Begin at a packet the live table has yet to get. Return as `start` does."""
        point = self.stream.claim(self)
        self._begin(splice_live(point, start_seq, start_ts), point.ts_offset)
        return self.join_if_level()

    def _begin(self, splice: Splice, wished: int | None) -> None:
        self.splice = splice
        self.cursor = splice.start_seq
        self.state = OutletState.CATCHING_UP
        self.track.catching_up.append(self)
        self.stream.begun(self, splice, wished)

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
        self.stream.release(self)

    def move(self, path: Path) -> None:
        """Send another way from now on: ICE nominated another pair, or the keys are there."""
        self.path = path
        if self.state is OutletState.LIVE:
            self.track.table_changed()

    def caught_up(self, run: list[Packet]) -> None:
        """Count packets sent by the pump while catching up: of one size but for the last."""
        self.cursor += len(run)
        self._packets += len(run)
        self._octets += len(run[0].payload) * (len(run) - 1) + len(run[-1].payload)

    def sent(self) -> tuple[int, int]:
        """Return packets and payload octets sent since it began, without repeats."""
        if self.state is not OutletState.LIVE:
            return self._packets, self._octets
        track = self.track
        return (
            self._packets + track.sent_packets - self._live_since[0],
            self._octets + track.sent_octets - self._live_since[1],
        )

    def has_passed(self, seq: int) -> bool:
        """Tell whether a packet of this number, had it come in time, would have been sent."""
        return self.splice is not None and self.splice.start_seq <= seq < self._next_seq()

    def span(self) -> Span | None:
        """Return what it has sent since it began, None before."""
        if self.splice is None:
            return None
        return Span(self.track.history, self.splice, self._next_seq(), self.payload_type)

    def _next_seq(self) -> int:
        return self.track.join_seq if self.state is OutletState.LIVE else self.cursor

    def _leave(self) -> None:
        """Take leave of the track; the stream remembers where its numbering stands."""
        track = self.track
        next_seq = self._next_seq()
        packets, octets = self.sent()
        self.stream.packets += packets
        self.stream.octets += octets
        self._packets = self._octets = 0
        was_live = self.state is OutletState.LIVE
        for members in (track.live, track.waiting, track.catching_up):
            if self in members:
                members.remove(self)
        self.state = OutletState.IDLE
        if self.splice is not None:
            self.stream.left(self, self.splice, next_seq)
            self.splice = None
        if was_live:
            track.table_changed()
            track.skip_if_idle()
