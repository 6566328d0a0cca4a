import pytest

from media.base.log import RateLimited, redact


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://admin:secret@10.0.0.1:554/x", "rtsp://***@10.0.0.1:554/x"),
        ("rtsp://admin:p@ss/w@10.0.0.1/x", "rtsp://***@10.0.0.1/x"),
        ("GET /a.mp4?start=1&grant=abc&end=2", "GET /a.mp4?start=1&grant=***&end=2"),
        ("nothing to hide at http://host/path", "nothing to hide at http://host/path"),
    ],
)
def test_credentials_and_secret_parameters_are_redacted(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_rate_limit_admits_once_a_second_and_counts_the_rest() -> None:
    limit = RateLimited(1.0)
    assert limit.admit(0) == 0
    assert [limit.admit(n * 100_000_000) for n in range(1, 10)] == [None] * 9
    assert limit.admit(1_000_000_000) == 9
