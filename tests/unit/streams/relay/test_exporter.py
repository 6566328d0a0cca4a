from typing import Any

from media.base.clock import SystemClock
from streams.publication import Publication, TrackName
from streams.relay.exporter import Exporter
from streams.relay.frames import FrameReader, FrameType, build_json, parse_json, parse_packet
from tests.unit.streams.relay.two_workers import HandOrigin, packet, person


class Wire:
    """A link that keeps frames, and is congested when told."""

    def __init__(self) -> None:
        self.is_congested = False
        self.frames: list[Any] = []

    def send(self, data: bytes) -> None:
        self.frames += FrameReader().feed(data)

    def send_json(self, kind: FrameType, message: dict[str, Any]) -> None:
        self.send(build_json(kind, message))

    def descriptions(self) -> list[dict[str, Any]]:
        return [parse_json(frame.body) for frame in self.frames if frame.type == FrameType.SOURCE]

    def numbers(self) -> list[int]:
        return [parse_packet(frame.body).seq for frame in self.frames if frame.type == FrameType.PACKET]


def export(publication: Publication) -> tuple[Exporter, Wire]:
    wire = Wire()
    return Exporter(1, publication, wire, SystemClock()), wire  # type: ignore[arg-type]


async def test_a_layer_is_described_with_its_index_before_its_first_packet() -> None:
    source = person(HandOrigin())
    exporter, wire = export(source)
    track = source.get(TrackName.CAMERA).layer("f").track
    track.put(4, packet(4), is_key=True)
    exporter.want(TrackName.CAMERA, frozenset({"f"}))
    assert [frame.type for frame in wire.frames][:3] == [FrameType.SOURCE, FrameType.SOURCE, FrameType.PACKET]
    (camera, _) = wire.descriptions()[-1]["tracks"]
    assert [layer["index"] for layer in camera["layers"]] == [-1, 0]
    exporter.close()


async def test_a_congested_link_loses_video_up_to_the_next_key_frame_and_sound_as_it_comes() -> None:
    source = person(HandOrigin())
    exporter, wire = export(source)
    camera = source.get(TrackName.CAMERA).layer("f").track
    sound = source.get(TrackName.MICROPHONE).layers[0].track
    exporter.want(TrackName.CAMERA, frozenset({"f"}))
    camera.put(0, packet(0), is_key=True)
    wire.is_congested = True
    camera.put(1, packet(1), is_key=False)
    wire.is_congested = False
    camera.put(2, packet(2), is_key=False)
    camera.put(3, packet(3), is_key=True)
    camera.put(4, packet(4), is_key=False)
    assert wire.numbers() == [0, 3, 4]
    assert exporter.dropped == 2
    exporter.want(TrackName.MICROPHONE, frozenset({""}))
    wire.is_congested = True
    sound.put(10, packet(10), is_key=False)
    wire.is_congested = False
    sound.put(11, packet(11), is_key=False)
    assert wire.numbers()[-1] == 11
    assert exporter.dropped == 3
    exporter.close()


async def test_wanting_again_is_a_new_tapping() -> None:
    source = person(HandOrigin())
    exporter, wire = export(source)
    for _ in range(2):
        exporter.want(TrackName.CAMERA, frozenset({"q"}))
        exporter.want(TrackName.CAMERA, frozenset())
    indexes = [told["tracks"][0]["layers"][0]["index"] for told in wire.descriptions()]
    assert indexes == [-1, 0, -1, 1, -1]
    assert source.get(TrackName.CAMERA).watched == frozenset()
    exporter.close()


async def test_a_track_put_in_anothers_place_is_tapped_instead() -> None:
    source = person(HandOrigin())
    exporter, wire = export(source)
    exporter.want(TrackName.CAMERA, frozenset({"q"}))
    old = source.get(TrackName.CAMERA)
    fresh = person(HandOrigin()).get(TrackName.CAMERA)
    source.put(fresh)
    exporter.tick()
    assert old.watched == frozenset()
    assert fresh.watched == {"q"}
    fresh.layer("q").track.put(7, packet(7), is_key=True)
    assert wire.numbers() == [7]
    exporter.close()


async def test_nothing_is_told_twice() -> None:
    source = person(HandOrigin())
    exporter, wire = export(source)
    for _ in range(3):
        exporter.tick()
    assert len(wire.descriptions()) == 1
    source.get(TrackName.CAMERA).layers[0].width = 320
    exporter.tick()
    assert wire.descriptions()[-1]["tracks"][0]["layers"][0]["width"] == 320
    exporter.close()


async def test_closing_lets_go_of_everything() -> None:
    source = person(HandOrigin())
    exporter, wire = export(source)
    exporter.want(TrackName.CAMERA, frozenset({"q", "f"}))
    exporter.close()
    count = len(wire.frames)
    source.get(TrackName.CAMERA).layer("q").track.put(1, packet(1), is_key=True)
    source.changed()
    assert source.get(TrackName.CAMERA).watched == frozenset()
    assert len(wire.frames) == count
