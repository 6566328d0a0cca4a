"""Problem documents: what a client is told, and what it never is."""

import json

import pytest

from api.http.errors import printable, problem, status_of
from media.base.errors import ErrorKind, HubError

SECRETS = {"url": "rtsp://admin:pass@10.0.0.9", "cause": "Traceback", "password": "x"}


def told(error: HubError, locale: str = "en") -> tuple[dict[str, object], dict[str, str]]:
    response = problem(error, locale=locale, trace_id="t1")
    assert response.media_type == "application/problem+json"
    return json.loads(bytes(response.body)), dict(response.headers)


@pytest.mark.parametrize("kind", list(ErrorKind))
def test_every_kind_has_one_status(kind: ErrorKind) -> None:
    assert 400 <= status_of(HubError(kind, "x")) <= 504


def test_a_document_says_code_sentence_and_trace_id() -> None:
    body, headers = told(HubError(ErrorKind.NOT_FOUND, "internal words", code="unknown_camera"))
    assert (body["status"], body["code"], body["trace_id"]) == (404, "unknown_camera", "t1")
    assert body["detail"] != "internal words"
    assert headers["cache-control"] == "no-store"


def test_only_listed_context_reaches_a_client() -> None:
    body, _ = told(HubError(ErrorKind.INVALID, "x", code="bad_url", camera_id="gate", **SECRETS))
    assert body["camera_id"] == "gate"
    assert not SECRETS.keys() & body.keys()
    assert not any(secret in json.dumps(body) for secret in SECRETS.values() if len(secret) > 1)


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (HubError(ErrorKind.EXHAUSTED, "x", code="rate_limited", retry_after_s=4.2), "retry-after", "5"),
        (HubError(ErrorKind.EXHAUSTED, "x", code="rate_limited", retry_after_s=0.0), "retry-after", "1"),
        (HubError(ErrorKind.UNAVAILABLE, "x"), "retry-after", "2"),
        (HubError(ErrorKind.UNAUTHENTICATED, "x"), "www-authenticate", "Bearer"),
        (
            HubError(ErrorKind.INVALID, "x", code="range_not_satisfiable", content_range="bytes */9"),
            "content-range",
            "bytes */9",
        ),
    ],
)
def test_the_headers_a_status_asks_for(error: HubError, header: str, value: str) -> None:
    assert told(error)[1][header] == value


def test_what_is_echoed_cannot_forge_a_line() -> None:
    assert printable("a\r\nb\x1b[31m\ud800") == "a??b?[31m?"
    assert len(printable("x" * 999)) == 200
