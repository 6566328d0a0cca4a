"""Source URLs as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.ingest.connection import SourceError
from streams.ingest.url import parse_source_url


@pytest.mark.parametrize(
    ("text", "host", "port", "plain", "credentials"),
    [
        ("rtsp://10.0.0.1/", "10.0.0.1", 554, "rtsp://10.0.0.1/", None),
        ("RTSP://cam.local:8554", "cam.local", 8554, "rtsp://cam.local:8554", None),
        ("rtsps://h/x?a=1&b=2", "h", 322, "rtsps://h/x?a=1&b=2", None),
        ("rtsp://u:p@h/x", "h", 554, "rtsp://h/x", ("u", "p")),
        ("rtsp://u:p%40ss@h/x", "h", 554, "rtsp://h/x", ("u", "p@ss")),
        ("rtsp://u:p@ss@h/x", "h", 554, "rtsp://h/x", ("u", "p@ss")),
        ("rtsp://u:p/a#s?s@h:55/x", "h", 55, "rtsp://h:55/x", ("u", "p/a#s?s")),
        ("rtsp://u@h/x", "h", 554, "rtsp://h/x", ("u", "")),
        ("rtsp://u:@h/x", "h", 554, "rtsp://h/x", ("u", "")),
        ("rtsp://h/x@y", "h", 554, "rtsp://h/x@y", None),
        ("rtsp://h:554/x@y", "h", 554, "rtsp://h:554/x@y", None),
        ("rtsp://[::1]:8554/x", "::1", 8554, "rtsp://[::1]:8554/x", None),
        ("rtsp://摄像头:密码@10.0.0.1/x", "10.0.0.1", 554, "rtsp://10.0.0.1/x", ("摄像头", "密码")),
    ],
)
def test_parts(text: str, host: str, port: int, plain: str, credentials: tuple[str, str] | None) -> None:
    url = parse_source_url(text)
    assert (url.host, url.port, url.plain) == (host, port, plain)
    found = url.credentials and (url.credentials.username, url.credentials.password)
    assert found == credentials


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "bad_url"),
        ("10.0.0.1", "bad_url"),
        ("rtsp://", "bad_url"),
        ("rtsp:///x", "bad_url"),
        ("rtsp://h:0/", "bad_url"),
        ("rtsp://h:99999/", "bad_url"),
        ("rtsp://h h/", "bad_url"),
        ("rtsp://h/\r\nX: y", "bad_url"),
        ("rtsp://" + "h" * 3000, "bad_url"),
        ("http://h/", "unsupported"),
        ("file:///etc/passwd", "unsupported"),
    ],
)
def test_what_is_no_source_url_is_refused_with_a_code(text: str, code: str) -> None:
    with pytest.raises(SourceError) as refused:
        parse_source_url(text)
    assert refused.value.code == code


@given(st.text(max_size=80))
def test_nothing_else_than_source_error_comes_out(text: str) -> None:
    for candidate in (text, f"rtsp://{text}", f"rtsp://u:p@{text}/x"):
        try:
            url = parse_source_url(candidate)
        except SourceError:
            continue
        assert 0 < url.port < 65_536
        assert url.host


def test_the_password_is_in_no_repr() -> None:
    assert "secret" not in repr(parse_source_url("rtsp://u:secret@h/x"))
