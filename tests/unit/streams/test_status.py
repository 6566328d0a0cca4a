"""The state object of the API."""

from media.base.ids import Quality
from media.packet import Codec, CodecParams
from streams.status import SourceState, SourceStatus, audio_status, video_status


def test_an_online_source_has_every_field_the_contract_names() -> None:
    status = SourceStatus(
        quality=Quality.MAIN,
        state=SourceState.ONLINE,
        reason="",
        since_wall_us=1_700_000_000_000_000,
        last_packet_wall_us=1_700_000_001_500_000,
        video=video_status(CodecParams(codec=Codec.H265, clock_rate_hz=90_000, width=1920, height=1080), 24.999),
        audio=audio_status(CodecParams(codec=Codec.AAC, clock_rate_hz=16_000, sample_rate_hz=16_000, channels=1)),
        bitrate_bps=2_000_000,
        clock_offset_ms=-40,
    )
    assert status.as_json() == {
        "state": "online",
        "reason": None,
        "since": "2023-11-14T22:13:20.000Z",
        "last_packet_at": "2023-11-14T22:13:21.500Z",
        "video": {"codec": "h265", "width": 1920, "height": 1080, "fps": 25.0},
        "audio": {"codec": "aac", "sample_rate_hz": 16_000, "channels": 1},
        "bitrate_bps": 2_000_000,
        "clock_offset_ms": -40,
        "packets_received": 0,
        "packets_lost": 0,
    }


def test_an_offline_source_says_why_and_nothing_it_does_not_know() -> None:
    shown = SourceStatus(quality=Quality.MAIN, state=SourceState.OFFLINE, reason="refused", since_wall_us=0).as_json()
    assert shown["reason"] == "refused"
    assert shown["video"] is shown["audio"] is shown["last_packet_at"] is None


def test_the_claimed_rate_stands_until_one_is_measured() -> None:
    params = CodecParams(codec=Codec.H264, clock_rate_hz=90_000, fps=12.5)
    assert video_status(params, 0.0).fps == 12.5
    assert video_status(params, 11.9).fps == 11.9
    assert video_status(None, 11.9) is None
    assert audio_status(None) is None
