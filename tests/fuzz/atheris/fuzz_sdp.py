"""Atheris target: `python -m tests.fuzz.atheris.fuzz_sdp -max_total_time=600`."""

import sys

import atheris

with atheris.instrument_imports(include=["media"]):
    from tests.fuzz import rtsp_targets

if __name__ == "__main__":
    atheris.Setup(sys.argv, rtsp_targets.description)
    atheris.Fuzz()
