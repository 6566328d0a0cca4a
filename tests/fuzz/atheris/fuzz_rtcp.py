"""Atheris target: `python -m tests.fuzz.atheris.fuzz_rtcp -max_total_time=600`."""

import sys

import atheris

with atheris.instrument_imports(include=["media"]):
    from tests.fuzz import media_targets

if __name__ == "__main__":
    atheris.Setup(sys.argv, media_targets.rtcp_compound)
    atheris.Fuzz()
