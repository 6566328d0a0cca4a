"""The one place where media leaves a worker: live tables and latecomers, a slice of the loop at a time.

One per `UdpPort`, on its event loop. Each turn works for at most `TURN_NS`, then lets the loop breathe, so a key
frame to 300 viewers delays nobody by more than a few milliseconds. When the kernel's buffer is full the pump stops
until the socket is writable; a track that falls more than `MAX_BACKLOG_PACKETS` behind drops to the next key frame.
Packets of a picture go in runs, viewer by viewer, so that the kernel takes a whole run at once.
The inner loop (`_write`) is the most expensive line of the product: about 1.4 µs of ours per packet and viewer.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Callable

from media.srtp import new_length, protect_rtp
from streams.fanout import History, Packet
from streams.webrtc.out_stream import Repeat
from streams.webrtc.outlet import BURST_PACKETS, Entry, Outlet, OutletState, Part, SourceTrack
from streams.webrtc.port import UdpPort

TURN_NS = 4_000_000
"""A fifth of the 20 ms a loop may stall."""

PACE_WAIT_S = 0.002
MAX_BACKLOG_PACKETS = 2048
"""A GOP of 2 s at 10 Mbit/s. Further behind, the kernel or the machine cannot keep up at all."""

MAX_LATE_PACKETS = 256
"""Late packets not yet sent to all they concern; what comes beyond is left to the viewers' own NACKs."""

MAX_RUN_PACKETS = BURST_PACKETS
"""Linux cuts up to 64 apart; more than a burst would only be held back by the pace."""

_RTP_VERSION = 0x80
_WITH_EXTENSION = 0x90

Packer = Callable[..., None]


class Packers:
    """`struct` packers of a whole RTP packet, one per payload size: header and payload in a single call."""

    def __init__(self) -> None:
        """Begin empty; at most one entry per size up to an MTU."""
        self._by_size: dict[int, Packer] = {}

    def of(self, size_bytes: int) -> Packer:
        """Return `pack_into(view, 0, flags, marker|type, seq, timestamp, ssrc, payload)` for a payload of that size."""
        packer = self._by_size.get(size_bytes)
        if packer is None:
            packer = self._by_size[size_bytes] = struct.Struct(f"!BBHII{size_bytes}s").pack_into
        return packer


class Pump:
    """Sends what feeds append, to the live tables and to those who catch up."""

    def __init__(self, port: UdpPort) -> None:
        """Serve `port`, which is open."""
        self._port = port
        self._clock = port.clock
        self._batch = port.batch
        self._pairs = [(slot.view, slot.memory) for slot in port.batch.slots]
        self._longest_run = min(MAX_RUN_PACKETS, port.batch.capacity) if port.batch.takes_runs else 1
        self._length = new_length()
        self._packers = Packers()
        self._live: deque[SourceTrack] = deque()
        self._behind: deque[Outlet] = deque()
        self._late: deque[tuple[int, Packet, list[Entry]]] = deque()
        self._turn_handle: asyncio.Handle | None = None
        self._is_blocked = False
        self._is_closed = False
        self.longest_turn_ns = 0
        self.srtp_failures = 0
        self.dropped_packets = 0

    def wake(self, track: SourceTrack) -> None:
        """Serve the live table of `track`: packets were appended."""
        if not track.is_queued and track.table:
            track.is_queued = True
            self._live.append(track)
            self._schedule()

    def catch_up(self, outlet: Outlet) -> None:
        """Serve an outlet that starts in the past."""
        self._behind.append(outlet)
        self._schedule()

    def send_late(self, track: SourceTrack, seq: int, packet: Packet, entries: list[Entry]) -> None:
        """Send a late packet once to those who have passed its number."""
        if len(self._late) < MAX_LATE_PACKETS:
            self._late.append((seq, packet, entries))
            track.sent_packets += 1
            track.sent_octets += len(packet.payload)
            self._schedule()
        else:
            self.dropped_packets += 1

    def repeat(self, outlet: Outlet, repeat: Repeat) -> None:
        """Send one packet again under its old number and timestamp, at once; dropped while the kernel is full."""
        if self._is_closed or not self._batch.send():
            return
        assert outlet.path is not None
        srtp, tag_bytes, address = outlet.path
        owner = (srtp, address, outlet.stream.takes_extension)
        entry = Entry(repeat.payload_type, 0, 0, outlet.ssrc, srtp.handle, tag_bytes, address.pointer, owner)
        self._fill([repeat.packet._replace(timestamp=repeat.out_ts)], repeat.out_seq, [entry], 0)
        if not self._batch.send():
            self._wait_writable()

    def close(self) -> None:
        """Send nothing more."""
        self._is_closed = True
        if self._turn_handle is not None:
            self._turn_handle.cancel()
        if self._is_blocked:
            asyncio.get_running_loop().remove_writer(self._port.fd)

    def _schedule(self) -> None:
        if self._turn_handle is None and not self._is_blocked and not self._is_closed:
            self._turn_handle = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_handle = None
        if self._is_closed:
            return
        began_ns = self._clock.mono_ns()
        deadline_ns = began_ns + TURN_NS
        has_flowed = (
            self._batch.send()
            and self._serve_late(deadline_ns)
            and self._serve_live(deadline_ns)
            and self._serve_behind(deadline_ns)
        )
        if not (self._batch.send() and has_flowed):
            self._wait_writable()
        elif self._live or self._behind or self._late:
            loop = asyncio.get_running_loop()
            is_early = self._clock.mono_ns() < deadline_ns
            self._turn_handle = loop.call_later(PACE_WAIT_S, self._turn) if is_early else loop.call_soon(self._turn)
        self.longest_turn_ns = max(self.longest_turn_ns, self._clock.mono_ns() - began_ns)

    def _wait_writable(self) -> None:
        if not self._is_blocked:
            self._is_blocked = True
            asyncio.get_running_loop().add_writer(self._port.fd, self._writable)

    def _writable(self) -> None:
        asyncio.get_running_loop().remove_writer(self._port.fd)
        self._is_blocked = False
        self._schedule()

    def _serve_late(self, deadline_ns: int) -> bool:
        """Send what came late. False when the kernel is full."""
        while self._late:
            seq, packet, entries = self._late.popleft()
            position = self._fill([packet], seq, entries, 0)
            if position < len(entries):
                self._late.appendleft((seq, packet, entries[position:]))
            if self._batch.filled == self._batch.capacity and not self._batch.send():
                return False
            if self._clock.mono_ns() >= deadline_ns:
                break
        return True

    def _serve_live(self, deadline_ns: int) -> bool:
        """Serve tracks in turn until all are level, paced out, or time is up. False when the kernel is full."""
        paced: list[SourceTrack] = []
        while self._live:
            now_ns = self._clock.mono_ns()
            if now_ns >= deadline_ns:
                break
            track = self._live.popleft()
            if track.backlog > MAX_BACKLOG_PACKETS:
                self.dropped_packets += track.backlog
                track.drop_backlog()
            if track.backlog <= 0:
                track.is_queued = False
            elif (part := track.part_sent or self._begin(track, now_ns)) is None:
                paced.append(track)
            else:
                self._live.append(track)
                if not self._send_part(track, part, deadline_ns):
                    self._live.extend(paced)
                    return False
        self._live.extend(paced)
        return True

    def _begin(self, track: SourceTrack, now_ns: int) -> Part | None:
        """Return the next packets of `track` and its table, no packets at a hole; None when its pace lets it wait."""
        run = self._run_at(track.history, track.next_live_seq, track.backlog)
        granted = track.pace.take(now_ns, len(run) or 1)
        if not granted:
            return None
        return run if granted == len(run) else run[:granted], track.table, 0

    def _run_at(self, history: History, seq: int, most: int) -> list[Packet]:
        """Return packets of one size from `seq` on, but for a smaller last one: nothing else can be cut apart again."""
        first = history.get(seq)
        if first is None:
            return []
        run = [first]
        if most < 2 or self._longest_run < 2:
            return run
        size, extension = len(first.payload), len(first.extension)
        for number in range(seq + 1, seq + min(most, self._longest_run)):
            packet = history.get(number)
            if packet is None or len(packet.payload) > size or len(packet.extension) != extension:
                break
            run.append(packet)
            if len(packet.payload) < size:
                break
        return run

    def _has_room(self, count: int) -> bool:
        """Tell whether the batch can take so many packets, after sending what it holds if need be."""
        return self._batch.capacity - self._batch.filled >= count or self._batch.send()

    def _send_part(self, track: SourceTrack, part: Part, deadline_ns: int) -> bool:
        """Send what is left of `part` to its table, as far as time allows. False when the kernel is full."""
        run, table, position = part
        if not run:
            self._skip(track)
            return True
        if not self._has_room(len(run)):
            track.part_sent = part
            return False
        batch = self._batch
        while position < len(table):
            position = self._fill(run, track.next_live_seq, table, position)
            if batch.capacity - batch.filled < len(run):
                has_flowed = batch.send()
                if position < len(table) and (not has_flowed or self._clock.mono_ns() >= deadline_ns):
                    track.part_sent = (run, table, position)
                    return has_flowed
                if not has_flowed:
                    self._part_done(track, run)
                    return False
        self._part_done(track, run)
        return True

    @staticmethod
    def _skip(track: SourceTrack) -> None:
        """Step over a hole; give up what the history has forgotten already."""
        if track.next_live_seq < track.history.first_seq:
            track.drop_backlog()
        else:
            track.next_live_seq += 1

    @staticmethod
    def _part_done(track: SourceTrack, run: list[Packet]) -> None:
        track.part_sent = None
        track.next_live_seq += len(run)
        track.sent_packets += len(run)
        track.sent_octets += len(run[0].payload) * (len(run) - 1) + len(run[-1].payload)

    def _fill(self, run: list[Packet], seq: int, table: list[Entry], position: int) -> int:
        """Write `run` for as many entries as the batch has room for; return the position after the last of them."""
        batch = self._batch
        end = min(position + (batch.capacity - batch.filled) // len(run), len(table))
        if not run[0].extension:
            self._write(run, seq, table[position:end], _RTP_VERSION)
            return end
        extended = [Packet(extension + payload, timestamp, marker) for payload, timestamp, marker, extension in run]
        while position < end:
            takes_extension = table[position].owner[2]
            stop = position + 1
            while stop < end and table[stop].owner[2] is takes_extension:
                stop += 1
            if takes_extension:
                self._write(extended, seq, table[position:stop], _WITH_EXTENSION)
            else:
                self._write(run, seq, table[position:stop], _RTP_VERSION)
            position = stop
        return position

    def _write(self, run: list[Packet], seq: int, entries: list[Entry], flags: int) -> None:
        """Write the packets of `run` into the batch, those of an entry side by side, and make messages of them."""
        batch = self._batch
        first, step = batch.filled, len(run)
        batch.filled = end = first + step * len(entries)
        lengths, length, protect = batch.lengths, self._length, protect_rtp
        for offset, (payload, timestamp, marker, _) in enumerate(run):
            index = first + offset
            pack = self._packers.of(len(payload))
            size = len(payload) + 12
            number = seq + offset
            for (kind, seq_offset, ts_offset, ssrc, handle, tag, _, _), (view, memory) in zip(
                entries, self._pairs[index:end:step], strict=True
            ):
                pack(
                    view,
                    0,
                    flags,
                    marker | kind,
                    number + seq_offset & 0xFFFF,
                    timestamp + ts_offset & 0xFFFFFFFF,
                    ssrc,
                    payload,
                )
                length[0] = size
                if protect(handle, memory, length):
                    self.srtp_failures += 1
                    lengths[index] = 0
                else:
                    lengths[index] = size + tag
                index += step
        if step > 1:
            size = len(run[0].payload) + 12
            batch.add_runs([(entry.owner[1], size + entry.tag_bytes) for entry in entries], first, step)
        else:
            batch.add_singles([entry.address for entry in entries], first)

    def _serve_behind(self, deadline_ns: int) -> bool:
        """Let each latecomer send its burst. False when the kernel is full."""
        for _ in range(len(self._behind)):
            outlet = self._behind.popleft()
            if outlet.state is not OutletState.CATCHING_UP:
                continue
            is_behind, has_flowed = self._burst(outlet, deadline_ns)
            if is_behind:
                self._behind.append(outlet)
            if not has_flowed:
                return False
            if self._clock.mono_ns() >= deadline_ns:
                break
        return True

    def _burst(self, outlet: Outlet, deadline_ns: int) -> tuple[bool, bool]:
        """Send what the pace allows. Return whether it is still behind, and whether the kernel took everything."""
        splice, track, history = outlet.splice, outlet.track, outlet.track.history
        assert splice is not None
        while not outlet.join_if_level():
            now_ns = self._clock.mono_ns()
            most = track.join_seq - outlet.cursor  # below 0: it starts at a packet the live table has not reached
            if most < 0 or now_ns >= deadline_ns:
                return True, True
            run = self._run_at(history, outlet.cursor, most)
            granted = outlet.pace.take(now_ns, max(len(run), 1))
            if not granted:
                return True, True
            if run:
                moved = [each._replace(timestamp=splice.out_ts(each.timestamp)) for each in run[:granted]]
                if not self._has_room(len(moved)):
                    return True, False
                self._fill(moved, outlet.cursor, [outlet.entry(0)], 0)
                outlet.caught_up(moved)
            elif outlet.cursor >= history.first_seq:
                outlet.cursor += 1  # a hole
            else:  # a newer group has taken its place while we were sending it
                return not outlet.restart(), True
        return False, True
