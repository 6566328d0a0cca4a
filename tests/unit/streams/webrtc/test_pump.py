"""What leaves a worker, seen from the receivers: every number, every picture, however they come and go."""

import asyncio
from dataclasses import replace
from itertools import pairwise

from media.base.clock import SystemClock
from media.packet import EndReason, Kind
from streams.fanout import CATCH_UP_SPAN_TICKS
from streams.webrtc import batch as batch_module
from streams.webrtc import pump as pump_module
from streams.webrtc.outlet import OutletState
from tests.unit.streams.webrtc.plane import H264, PCMA, assert_seamless, pictures_of, plane


async def test_a_latecomer_gets_the_cached_group_squeezed_and_then_live_without_a_seam():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=20_000)
        for _ in range(40):
            p.picture()
        viewer = p.join()
        for _ in range(10):
            p.picture()
            await asyncio.sleep(0)
        await p.settle()
        packets = viewer.read()
        assert_seamless(packets)
        assert pictures_of(packets) == p.sent_pictures
        stamps = list(dict.fromkeys(packet.timestamp for packet in packets))
        assert (stamps[40] - stamps[0]) & 0xFFFFFFFF <= CATCH_UP_SPAN_TICKS + 40 * 3600 // 2
        assert (stamps[-1] - stamps[-2]) & 0xFFFFFFFF == 3600
        assert viewer.outlet.state is OutletState.LIVE
        assert viewer.outlet.stream.totals() == (len(packets), sum(len(packet.payload) for packet in packets))


async def test_viewers_who_come_at_any_moment_all_see_seamless_streams():
    async with plane() as p:
        p.begin()
        viewers = []
        for n in range(60):
            p.picture(is_key=n % 20 == 0, size=8000)
            if n % 3 == 0:
                viewers.append((n, p.join()))
            if n % 7 == 0:
                await asyncio.sleep(0.002)
        await p.settle()
        for joined, viewer in viewers:
            packets = viewer.read()
            assert_seamless(packets)
            first_key = joined // 20 * 20
            assert pictures_of(packets) == p.sent_pictures[first_key:]
            assert viewer.forged == 0


async def test_a_viewer_without_cached_group_waits_for_the_next_key_picture():
    async with plane() as p:
        p.begin()
        p.picture()
        viewer = p.join()
        p.picture()
        await p.settle()
        assert viewer.read() == []
        assert viewer.outlet.state is OutletState.WAITING
        key = p.picture(is_key=True)
        await p.settle()
        assert pictures_of(viewer.read()) == [key]


async def test_a_repeated_group_continues_the_numbers():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        viewer = p.join()
        for _ in range(5):
            p.picture()
        await p.settle()
        if not viewer.outlet.restart():
            p.pump.catch_up(viewer.outlet)
        p.picture()
        await p.settle()
        packets = viewer.read()
        assert_seamless(packets)
        assert pictures_of(packets) == p.sent_pictures[:6] + p.sent_pictures


async def test_a_camera_that_comes_back_needs_no_new_session():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        viewer = p.join()
        p.picture()
        await p.settle()
        p.stream.end(EndReason.DISCONNECTED)
        assert viewer.outlet.state is OutletState.WAITING
        await asyncio.sleep(0.05)
        p.begin()
        p.picture()
        p.picture(is_key=True, params=replace(H264, parameter_sets=(b"\x67\x64\x00\x28", b"\x68\xee")))
        await p.settle()
        packets = viewer.read()
        assert_seamless(packets)
        assert pictures_of(packets) == [*p.sent_pictures[:2], p.sent_pictures[3]]
        stamps = list(dict.fromkeys(packet.timestamp for packet in packets))
        assert (stamps[2] - stamps[1]) & 0xFFFFFFFF >= 0.05 * 90_000
        assert b"\x67\x64\x00\x28" in next(x.payload for x in packets[::-1] if x.payload[0] & 0x1F == 24)


async def test_sound_starts_at_once_and_goes_on_over_runs():
    async with plane() as p:
        p.begin(H264, PCMA)
        p.sound(0)
        viewer = p.join(Kind.AUDIO)
        p.sound(160)
        await p.settle()
        p.stream.end(EndReason.SILENT)
        p.begin(H264, PCMA)
        p.sound(0)
        p.sound(160, b"\xd5" * 800)
        await p.settle()
        packets = viewer.read()
        assert [len(packet.payload) for packet in packets] == [160, 160, 320, 320, 160]
        assert [(b.seq - a.seq) & 0xFFFF for a, b in pairwise(packets)] == [1] * 4
        assert all(0 < (b.timestamp - a.timestamp) & 0xFFFFFFFF < 1 << 31 for a, b in pairwise(packets))


async def test_lost_packets_are_found_by_their_number_squeezed_or_live():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=10_000)
        p.picture()
        viewer = p.join()
        for _ in range(3):
            p.picture()
        await p.settle()
        packets = viewer.read()
        for lost in packets:
            found = viewer.outlet.stream.repeat(lost.seq)
            assert found is not None
            p.pump.repeat(viewer.outlet, found)
        viewer.srtp = type(viewer)(viewer.outlet, viewer.sock).srtp  # a fresh window, so that repeats are not replays
        assert viewer.read() == packets
        assert viewer.outlet.stream.repeat((packets[0].seq - 1) & 0xFFFF) is None
        assert viewer.outlet.stream.repeat((packets[-1].seq + 1) & 0xFFFF) is None


async def test_numbers_are_never_used_twice_for_different_bytes(monkeypatch):
    """With AES-GCM that would be the end of the key. Joins, repeats, pauses and part-sent packets, in a seeded storm."""
    monkeypatch.setattr(pump_module, "TURN_NS", 50_000)  # many part-sent packets
    async with plane() as p:
        p.begin()
        viewers = []
        for n in range(300):
            p.picture(is_key=n % 25 == 0, size=2000 + n % 7 * 1500)
            if n % 4 == 0 and len(viewers) < 70:
                viewers.append(p.join())
            victim = viewers[n * 7 % len(viewers)]
            if n % 5 == 0 and victim.outlet.state is not OutletState.WAITING and not victim.outlet.restart():
                p.pump.catch_up(victim.outlet)
            if n % 90 == 89:
                p.stream.end(EndReason.DISCONNECTED)
                p.begin()
            await asyncio.sleep(0)
        await p.settle()
        for viewer in viewers:
            packets = viewer.read()
            assert len({packet.seq for packet in packets}) == len(packets)
            steps = [(b.seq - a.seq) & 0xFFFF for a, b in pairwise(packets)]
            # A run half-sent while its viewer began anew is the only hole there may be.
            assert all(1 <= step <= 1 + pump_module.MAX_RUN_PACKETS for step in steps)
            assert steps.count(1) > 0.97 * len(steps)
            assert viewer.forged == 0


async def test_a_full_kernel_buffer_stops_the_pump_and_loses_nothing(monkeypatch):
    real, calls = batch_module._sendmmsg, []

    def refusing(fd, vector, count, flags):
        calls.append(count)
        if len(calls) % 3:
            return real(fd, vector, min(count, 1), flags) if len(calls) % 3 == 1 else _again()
        return _again()

    def _again() -> int:
        batch_module.ctypes.set_errno(11)
        return -1

    monkeypatch.setattr(batch_module, "_sendmmsg", refusing)
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=6000)
        viewers = [p.join() for _ in range(3)]
        for _ in range(5):
            p.picture()
        await p.settle()
        for viewer in viewers:
            assert pictures_of(viewer.read()) == p.sent_pictures
        assert p.port.batch.blocked > 5
        assert len(calls) < 500  # it waited for the socket instead of spinning


async def test_an_address_the_kernel_will_never_send_to_costs_only_its_own_packets():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        lost, well = p.join(), p.join()
        await p.settle()
        lost.outlet.move(lost.outlet.path._replace(address=batch_module.PeerAddress("255.255.255.255", 9)))
        p.picture()
        await p.settle()
        assert pictures_of(well.read()) == p.sent_pictures
        assert p.port.batch.failed >= 1


async def test_a_hopeless_backlog_is_dropped_to_the_next_key_picture(monkeypatch):
    monkeypatch.setattr(pump_module, "MAX_BACKLOG_PACKETS", 10)
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        viewer = p.join()
        await p.settle()
        for _ in range(10):
            p.picture()
        await p.settle()
        key = p.picture(is_key=True)
        await p.settle()
        packets = viewer.read()
        assert_seamless(packets)
        assert pictures_of(packets) == [p.sent_pictures[0], key]
        assert p.pump.dropped_packets == 30


async def test_a_group_trimmed_under_a_latecomer_is_replaced_by_the_newer_one():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=1_500_000)
        viewer = p.join()
        await asyncio.sleep(0.005)
        p.picture(is_key=True, size=1_500_000)
        await p.settle()
        packets = viewer.read()
        assert pictures_of(packets) == [p.sent_pictures[-1]]
        assert viewer.outlet.state is OutletState.LIVE


async def test_every_slice_of_a_large_audience_gets_the_same_picture():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True)
        viewers = [p.join() for _ in range(133)]  # several full batches and a rest
        for _ in range(4):
            p.picture()
        await p.settle()
        for viewer in viewers:
            assert pictures_of(viewer.read()) == p.sent_pictures


class SlowClock(SystemClock):
    """Every look at it costs a millisecond."""

    looks = 0

    def mono_ns(self) -> int:
        self.looks += 1
        return self.looks * 1_000_000


async def test_a_key_picture_to_a_large_audience_lets_the_loop_breathe():
    async with plane() as p:
        p.begin()
        p.picture(is_key=True, size=200)
        viewers = [p.join() for _ in range(200)]
        await p.settle()
        p.pump._clock = SlowClock()
        turns, run = [], p.pump._turn

        def counted() -> None:
            before = p.pump._clock.looks
            run()
            turns.append(p.pump._clock.looks - before)

        p.pump._turn = counted
        p.picture(is_key=True, size=12_000)
        breaths = 0
        while p.feed.tracks[Kind.VIDEO].is_queued:
            await asyncio.sleep(0)
            breaths += 1
        assert len(turns) >= 5
        assert breaths >= len(turns)
        bookkeeping = 4  # at the start, the look that finds time is up, before the next turn, at the end
        assert max(turns) <= pump_module.TURN_NS // 1_000_000 + bookkeeping, "a turn went on after its time was up"
        assert pictures_of(viewers[-1].read()) == p.sent_pictures
