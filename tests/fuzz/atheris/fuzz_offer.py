"""Atheris target: `python -m tests.fuzz.atheris.fuzz_offer -max_total_time=600`."""

import sys

import atheris

with atheris.instrument_imports(include=["streams.webrtc.offer", "streams.webrtc.answer"]):
    from tests.fuzz.test_fuzz_webrtc import answer


def offer(data: bytes) -> None:
    """Answer whatever text the bytes make."""
    answer(data.decode("utf-8", "replace"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, offer)
    atheris.Fuzz()
