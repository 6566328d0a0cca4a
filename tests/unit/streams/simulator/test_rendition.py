"""The clip cache: what is stored is loaded, what is damaged is made anew."""

import pytest

from media.base.errors import HubError
from media.packet import Codec
from streams.simulator import clips
from streams.simulator.rendition import Rendition, RenditionSpec

SPEC = RenditionSpec(
    codec=Codec.H264, width=320, height=180, fps=10, gop_frames=10, rate_bps=100_000, loop_s=2, body_s=1, cameras=3
)


def test_a_clip_is_made_once_and_then_read(tmp_path, monkeypatch):
    made = clips.rendition(SPEC, tmp_path)
    monkeypatch.setattr(clips, "encode_frames", None)  # whoever encodes again fails
    again = clips.rendition(SPEC, tmp_path)
    assert again == made
    assert (len(made.keys), len(made.skips), len(made.times), len(made.body)) == (3, 10, 20, 10)
    assert (made.params.width, made.params.height, made.params.fps) == (320, 180, 10)
    assert [path.suffix for path in tmp_path.iterdir()] == [".clip"]


@pytest.mark.parametrize("cut", [0, 5, 20, 30, -1])
def test_a_damaged_file_is_not_loaded(tmp_path, cut):
    rendition = Rendition(
        spec=SPEC, parameter_sets=(b"sps", b"pps"), keys=[b"k"], skips=[b""], times=[b"t"], body=[b"b"]
    )
    path = tmp_path / "x.clip"
    rendition.store(path)
    assert Rendition.load(SPEC, path) == rendition
    path.write_bytes(path.read_bytes()[:cut])
    assert Rendition.load(SPEC, path) is None
    assert Rendition.load(SPEC, tmp_path / "missing") is None


def test_the_cache_file_changes_with_the_footage(tmp_path):
    footage = tmp_path / "a.mp4"
    footage.write_bytes(b"1")
    spec = RenditionSpec(**{**{f: getattr(SPEC, f) for f in SPEC.__dataclass_fields__}, "footage": str(footage)})
    before = spec.file_name()
    footage.write_bytes(b"12")
    assert spec.file_name() != before
    assert SPEC.file_name() == SPEC.file_name() != before


def test_footage_that_is_no_file_or_no_video_is_refused(tmp_path):
    fields = {f: getattr(SPEC, f) for f in SPEC.__dataclass_fields__}
    with pytest.raises(HubError) as missing:
        clips.rendition(RenditionSpec(**{**fields, "footage": str(tmp_path / "none")}), tmp_path)
    assert missing.value.code == "clip_not_found"
    (tmp_path / "text.txt").write_text("not a video")
    with pytest.raises(HubError) as refused:
        clips.rendition(RenditionSpec(**{**fields, "footage": str(tmp_path / "text.txt")}), tmp_path)
    assert refused.value.code == "ffmpeg_failed"
