"""Atheris target: `python -m tests.fuzz.atheris.fuzz_depacketize -max_total_time=600`."""

import sys

import atheris

with atheris.instrument_imports(include=["media"]):
    from tests.fuzz import media_targets

CODECS = list(media_targets.KNOWN)


def one_input(data: bytes) -> None:
    if data:
        codec = CODECS[data[0] % len(CODECS)]
        known = media_targets.KNOWN[codec]
        media_targets.depacketize_bytes(known if data[0] & 0x80 else media_targets.EMPTY.get(codec, known), data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
