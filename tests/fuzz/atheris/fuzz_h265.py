"""Atheris target: `python -m tests.fuzz.atheris.fuzz_h265 -max_total_time=600`."""

import sys

import atheris

with atheris.instrument_imports(include=["media"]):
    from tests.fuzz import media_targets

if __name__ == "__main__":
    atheris.Setup(sys.argv, media_targets.h265_sets)
    atheris.Fuzz()
