"""How a child process of libav lives: polite, quiet, on standard input and output, and no longer than its parent.

Called by the `main` of each child in this folder.
"""

import os
import sys
from collections.abc import Callable
from typing import BinaryIO

import av


def serve_parent(serve: Callable[[BinaryIO, BinaryIO], None], *, niceness: int) -> None:
    """Run `serve(requests, answers)` until the parent closes our input; only answers reach its end of the pipe."""
    os.nice(niceness)
    av.logging.set_level(None)
    with os.fdopen(os.dup(1), "wb") as answers:
        os.dup2(2, 1)  # whatever a library prints must not break the protocol
        serve(sys.stdin.buffer, answers)
