"""Each defect does what it says, seen in the packets of a stream and in the words of the registry."""

import itertools
import struct

import pytest

from media.base.ids import Quality
from media.packet import Codec
from streams.simulator.audio import sound
from streams.simulator.camera import CameraStream
from streams.simulator.clips import rendition
from streams.simulator.defects import DEFECTS, DefectSet, describe_defects
from streams.simulator.packets import PicturePackets
from streams.simulator.rendition import RenditionSpec

S = 1_000_000_000
FPS = 10
TEN = {
    "drop", "silence", "stale-session", "no-marker", "ts-jump", "ts-wrap", "reorder-loss", "sps-change", "no-sps",
    "nonce-change", "slow-drip",
}  # fmt: skip


class Client:
    """Collects RTP headers."""

    def __init__(self) -> None:
        self.playing_since_ns = 0
        self.has_started = False
        self.is_aborted = False
        self.packets: list[list[tuple[bool, int, int, int, bytes]]] = []
        self.sounds: list[tuple[int, int]] = []
        self.reports: list[tuple[int, bytes]] = []

    def send_media(self, track, data, starts, pace_s):
        unit = []
        for start in starts:
            size = struct.unpack_from(">H", data, start + 2)[0]
            packet = bytes(data[start + 4 : start + 4 + size])
            _, second, seq, ts, ssrc = struct.unpack_from(">BBHII", packet)
            unit.append((bool(second & 0x80), seq, ts, ssrc, packet[12:]))
        if track == 0:
            self.packets.append(unit)
        else:
            self.sounds += [(seq, ts) for _, seq, ts, _, _ in unit]
        return True

    def send_report(self, track, packet):
        self.reports.append((track, packet))

    def abort(self):
        self.is_aborted = True


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    def make(width, height):
        spec = RenditionSpec(
            codec=Codec.H264, width=width, height=height, fps=FPS, gop_frames=FPS, rate_bps=100_000, loop_s=2, body_s=2,
            cameras=2,
        )  # fmt: skip
        return rendition(spec, cache)

    cache = tmp_path_factory.mktemp("clips")
    return make(320, 180), make(640, 360)


def run(clips, seconds: int, *names: str, audio: Codec | None = None, camera: int = 1):
    """Play `seconds` of a stream to one client, in no time; return both."""
    stream = CameraStream(
        camera, Quality.MAIN, PicturePackets(clips[1]), sound(audio) if audio else None, PicturePackets(clips[0])
    )
    stream.defects = DefectSet(names, seed=1)
    client = Client()
    stream.add(client, 1_000_000 * 1000)
    for frame in range(1000 * FPS, (1000 + seconds) * FPS):
        stream.tick(frame, (frame - 1000 * FPS) * S // FPS)
    return stream, client


def flat(client: Client) -> list:
    return [packet for unit in client.packets for packet in unit]


def test_the_registry_has_the_ten_and_words_for_each():
    assert set(DEFECTS) == TEN
    text = describe_defects()
    assert all(name in text for name in TEN)


def test_a_healthy_camera_numbers_every_packet_and_marks_every_picture(clips):
    _, client = run(clips, 3)
    packets = flat(client)
    assert len(client.packets) == 3 * FPS
    assert [(b[1] - a[1]) & 0xFFFF for a, b in itertools.pairwise(packets)] == [1] * (len(packets) - 1)
    assert all([p[0] for p in unit] == [False] * (len(unit) - 1) + [True] for unit in client.packets)
    starts = [unit[0][2] for unit in client.packets]
    assert {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(starts)} == {9000}
    assert len({p[3] for p in packets}) == 1
    assert all(len({p[2] for p in unit}) == 1 for unit in client.packets)


def test_cameras_differ_in_source_and_number_only(clips):
    first, second = run(clips, 1)[1], run(clips, 1, camera=2)[1]
    a, b = flat(first), flat(second)
    assert a[0][3] != b[0][3]
    different = [i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x[4] != y[4]]
    assert len(different) == 1  # the one slice with the number


def test_play_begins_with_parameter_sets_and_a_key_picture(clips):
    stream = CameraStream(1, Quality.MAIN, PicturePackets(clips[1]), None)
    client = Client()
    stream.add(client, 0)
    for frame in range(3, 25):
        stream.tick(frame, 0)
    kinds = [p[4][0] & 0x1F for p in client.packets[0]]
    assert kinds[:2] in ([7, 8], [24, 5])
    assert len(client.packets) == 15  # from frame 10 on


def test_sound_keeps_its_clock_and_is_never_sent_twice(clips):
    for codec, ticks, per_s in ((Codec.AAC, 1024, 15.625), (Codec.PCMA, 320, 25)):
        _, client = run(clips, 8, audio=codec)
        steps = {(b[1] - a[1], (b[0] - a[0]) & 0xFFFF) for a, b in zip(client.sounds, client.sounds[1:], strict=False)}
        assert steps == {(ticks, 1)}
        assert abs(len(client.sounds) - 8 * per_s) <= 3


def test_sender_reports_tie_the_clocks_together(clips):
    stream, client = run(clips, 5, audio=Codec.PCMA)
    video = [packet for track, packet in client.reports if track == 0]
    assert len(video) == len([1 for track, _ in client.reports if track == 1]) == 3
    _, _, ntp_s, fraction, timestamp = struct.unpack_from(">IIIII", video[1])
    assert (ntp_s - 2_208_988_800, fraction) == (1002, 0)
    assert timestamp == client.packets[2 * FPS][0][2]
    assert stream.viewers == {client}


def test_drop_aborts_ten_seconds_after_play(clips):
    assert not run(clips, 10, "drop")[1].is_aborted
    assert run(clips, 11, "drop")[1].is_aborted


def test_silence_sends_nothing(clips):
    _, client = run(clips, 3, "silence", audio=Codec.PCMA)
    assert (client.packets, client.sounds, client.reports) == ([], [], [])


def test_no_marker(clips):
    assert not any(p[0] for p in flat(run(clips, 2, "no-marker")[1]))


def test_timestamp_jump_is_an_hour_forth_and_back_for_all_tracks(clips):
    _, client = run(clips, 21, "ts-jump", audio=Codec.PCMA)
    starts = [unit[0][2] for unit in client.packets]
    steps = [(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(starts)]
    assert [s for s in steps if s != 9000] == [9000 + 3600 * 90_000, (9000 - 3600 * 90_000) & 0xFFFFFFFF]
    sounds = [(b[1] - a[1]) & 0xFFFFFFFF for a, b in zip(client.sounds, client.sounds[1:], strict=False)]
    assert len([s for s in sounds if s != 320]) == 2


def test_timestamp_wraps_five_seconds_after_play(clips):
    starts = [unit[0][2] for unit in run(clips, 8, "ts-wrap")[1].packets]
    assert {(b - a) & 0xFFFFFFFF for a, b in itertools.pairwise(starts)} == {9000}
    (wrap,) = [i for i, (a, b) in enumerate(itertools.pairwise(starts)) if b < a]
    assert wrap == 5 * FPS - 1


def test_reorder_and_loss_are_there_and_small(clips):
    packets = flat(run(clips, 60, "reorder-loss")[1])
    steps = [(b[1] - a[1]) & 0xFFFF for a, b in itertools.pairwise(packets)]
    lost = (packets[-1][1] - packets[0][1]) % 65536 + 1 - len(packets)
    assert 0.002 < lost / len(packets) < 0.03
    assert 0.005 < sum(s > 0x8000 for s in steps) / len(packets) < 0.04


def test_sps_change_alternates_between_two_sizes_at_key_pictures(clips):
    _, client = run(clips, 30, "sps-change")
    sizes = [len(p[4]) for unit in client.packets for p in unit[:1] if p[4][0] & 0x1F in (7, 24)]
    assert len(sizes) == 30
    sets = [unit[0][4] for unit in client.packets if unit[0][4][0] & 0x1F in (7, 24)]
    assert [s == sets[0] for s in sets] == [True] * 10 + [False] * 10 + [True] * 10


def test_the_switches_the_connection_asks_for():
    assert not DefectSet(["no-sps"]).describes_parameter_sets
    assert DefectSet(["nonce-change"]).changes_nonce
    assert DefectSet(["stale-session"]).refuses_second_session
    assert DefectSet(["slow-drip"]).bytes_per_s == 20
    healthy = DefectSet()
    assert not healthy
    assert healthy.describes_parameter_sets


def test_defects_add_up(clips):
    client = run(clips, 8, "no-marker", "ts-wrap")[1]
    assert not any(p[0] for p in flat(client))
    assert any(b[0][2] < a[0][2] for a, b in zip(client.packets, client.packets[1:], strict=False))
