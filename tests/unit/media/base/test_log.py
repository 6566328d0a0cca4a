import json
import subprocess
import sys
from typing import Any

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


PROGRAM = """
import logging, threading, warnings
import structlog
from media.base import log
early = structlog.get_logger("early")
log.setup(process="worker 7", level="{level}", as_json={as_json})
def speak(where):
    early.debug("quiet", where=where)
    early.info("normal", where=where, source_url="rtsp://admin:secret@10.0.0.1/")
    logging.getLogger("uvicorn.error").warning("foreign %s", where)
speak("main")
threads = [threading.Thread(target=speak, args=("thread",)), threading.Thread(target=lambda: 1 / 0, name="volume x")]
for thread in threads:
    thread.start()
    thread.join()
warnings.warn("old", ResourceWarning, source=None)
raise RuntimeError("the end")
"""


def lines_of(level: str, *, as_json: bool = True) -> list[str]:
    """Run a small program that speaks in every way there is."""
    program = PROGRAM.format(level=level, as_json=as_json)
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_every_line_names_the_process_whoever_wrote_it() -> None:
    found: list[dict[str, Any]] = [json.loads(line) for line in lines_of("info")]
    assert {line["process"] for line in found} == {"worker 7"}
    assert all({"event", "level", "timestamp"} <= line.keys() for line in found)
    told = [(line["event"], line.get("where", line.get("thread"))) for line in found]
    assert told[:4] == [("normal", "main"), ("foreign main", None), ("normal", "thread"), ("foreign thread", None)]
    assert told[4] == ("uncaught exception", "volume x")
    assert "ZeroDivisionError" in found[4]["exception"]
    assert "ResourceWarning: old" in told[5][0]
    assert told[6] == ("uncaught exception", None)
    assert "RuntimeError: the end" in found[6]["exception"]
    assert "secret" not in str(found)


@pytest.mark.parametrize(("level", "events"), [("debug", 9), ("info", 7), ("warning", 5), ("error", 2)])
def test_the_level_is_kept(level: str, events: int) -> None:
    assert len(lines_of(level)) == events


def test_the_form_for_people_has_no_json() -> None:
    text = "\n".join(lines_of("info", as_json=False))
    assert "normal" in text
    assert "process='worker 7'" in text or "process=worker 7" in text
    assert '{"' not in text
