"""Reads a camera list in a child process that may use only so much memory and time.

Called by `camera_import.importer`. A spreadsheet of 30 kB can unpack to something that costs minutes and gigabytes to parse;
in a process of its own that ends with a refused file and not with a control plane that stands still. The child gets the
file on its standard input, answers JSON, opens nothing else, and dies with its limits.
"""

import asyncio
import contextlib
import json
import os
import resource
import sys
from pathlib import Path
from typing import Any

from media.base.errors import ErrorKind, HubError

MEMORY_LIMIT_BYTES = 768 << 20
"""5000 rows of sixteen columns take 90 MB, the interpreter and its libraries included."""
CPU_LIMIT_S = 15
WAIT_LIMIT_S = 30.0
AT_ONCE = 2
_NICE = 10
_ROOT = Path(__file__).parents[2]
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""openpyxl loads numpy when it is there, and numpy a stack for every core."""

_turn = asyncio.Semaphore(AT_ONCE)


async def read_apart(content: bytes) -> tuple[tuple[int, dict[str, str]], ...]:
    """Return number and cells of each row; HubError INVALID `bad_file`, `too_many_rows`, EXHAUSTED when all are busy."""
    if _turn.locked():
        raise HubError(ErrorKind.EXHAUSTED, "other files are being read", code="rate_limited", retry_after_s=10.0)
    async with _turn:
        answer = await _ask(content)
    if "code" in answer:
        context = {"limit": answer["limit"]} if "limit" in answer else {}
        raise HubError(ErrorKind.INVALID, "the file cannot be read", code=str(answer["code"]), **context)
    return tuple((int(number), dict(cells)) for number, cells in answer["rows"])


async def _ask(content: bytes) -> dict[str, Any]:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "api.camera_import.apart", cwd=_ROOT, env=os.environ | _ENVIRONMENT,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(WAIT_LIMIT_S):
            answer, _ = await child.communicate(content)
        found = json.loads(answer)
    except (TimeoutError, ValueError, OSError):
        return {"code": "bad_file"}
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
    return found if isinstance(found, dict) else {"code": "bad_file"}


def main() -> None:
    """Read standard input, write JSON: `rows`, or `code` and perhaps `limit`."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_LIMIT_S, CPU_LIMIT_S))
    os.nice(_NICE)
    from api.camera_import.sheet import read_sheet  # noqa: PLC0415  # under the limits, and only in the child

    try:
        rows = read_sheet(sys.stdin.buffer.read())
        answer: dict[str, object] = {"rows": [(row.number, row.cells) for row in rows]}
    except HubError as error:
        answer = {"code": error.code, **{key: error.context[key] for key in ("limit",) if key in error.context}}
    except MemoryError:
        answer = {"code": "bad_file"}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
