"""Atheris target: `python -m tests.fuzz.atheris.fuzz_publish -max_total_time=600`."""

import sys

import atheris

with atheris.instrument_imports(include=["media"]):
    from tests.fuzz import media_targets


def publish(data: bytes) -> None:
    """Take the bytes for a payload, then for a header extension."""
    media_targets.video_payload(data)
    media_targets.extension_block(data)


if __name__ == "__main__":
    atheris.Setup(sys.argv, publish)
    atheris.Fuzz()
