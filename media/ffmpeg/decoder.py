"""The asking side of the decoding child process: key pictures become JPEGs without libav in this process.

Owned by a worker, used on its event loop. One child, one picture at a time, started at the first request and stopped
when idle; a child that crashes or hangs is replaced, and only the picture that did it fails.
"""

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

import media
from media.base.errors import ErrorKind, HubError
from media.ffmpeg.decode import Jpeg, annexb_of_key, lengths, message
from media.packet import Codec

PICTURE_TIMEOUT_S = 5.0
"""An 8K key frame takes about 0.3 s; the first request also starts the child (0.3 s)."""
IDLE_S = 60.0


class KeyFrameDecoder:
    """Decodes key units to JPEG, one after the other; at most `max_waiting` callers wait."""

    def __init__(self, *, max_waiting: int = 32, idle_s: float = IDLE_S, timeout_s: float = PICTURE_TIMEOUT_S) -> None:
        """Start nothing yet."""
        self._max_waiting = max_waiting
        self._idle_s = idle_s
        self._timeout_s = timeout_s
        self._waiting = 0
        self._turn = asyncio.Lock()
        self._child: Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def jpeg(self, codec: Codec, parameter_sets: tuple[bytes, ...], data: bytes, max_width: int = 0) -> Jpeg:
        """Return the picture of one key unit, at most `max_width` pixels wide (0: as it is).

        HubError: EXHAUSTED `too_many_snapshots`, DATA_LOSS `not_decodable`, TIMEOUT, UNAVAILABLE once closed.
        """
        if self._waiting >= self._max_waiting:
            raise HubError(ErrorKind.EXHAUSTED, "too many pictures are asked for", code="too_many_snapshots")
        request = message({"codec": codec.value, "max_width": max_width}, annexb_of_key(parameter_sets, data))
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask(request)
        finally:
            self._waiting -= 1

    async def _ask(self, request: bytes) -> Jpeg:
        if self._is_closed:
            raise HubError(ErrorKind.UNAVAILABLE, "the decoder is closed", code="closed")
        if self._idle is not None:
            self._idle.cancel()
        is_answered = False
        try:
            async with asyncio.timeout(self._timeout_s):
                child = await self._started()
                head, body = await _exchange(child, request)
                is_answered = True
        except TimeoutError:
            raise HubError(ErrorKind.TIMEOUT, "the picture took too long to decode", code="timeout") from None
        except (OSError, EOFError):  # IncompleteReadError is an EOFError: the child died of this picture
            raise HubError(ErrorKind.DATA_LOSS, "the decoder died of the key frame", code="not_decodable") from None
        finally:
            if not is_answered:
                await self._stop()
            else:
                self._idle = asyncio.get_running_loop().call_later(self._idle_s, self._stop_idle)
        if "code" in head:
            raise HubError(ErrorKind(head["kind"]), head["message"], code=head["code"])
        return Jpeg(body, head["width"], head["height"])

    async def _started(self) -> Process:
        if self._child is None or self._child.returncode is not None:
            root = str(Path(media.__file__).parent.parent)
            self._child = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "media.ffmpeg.decode",
                stdin=PIPE, stdout=PIPE, env={**os.environ, "PYTHONPATH": root},
            )  # fmt: skip
        return self._child

    def _stop_idle(self) -> None:
        """Let an idle child read the end of its input; it ends by itself."""
        if self._child is not None and self._child.stdin is not None and not self._turn.locked():
            self._child.stdin.close()
            self._child = None

    async def _stop(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()

    async def aclose(self) -> None:
        """Kill the child and refuse further requests. Idempotent."""
        self._is_closed = True
        if self._idle is not None:
            self._idle.cancel()
        await self._stop()


async def _exchange(child: Process, request: bytes) -> tuple[dict[str, Any], bytes]:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(request)
    await child.stdin.drain()
    head_bytes, body_bytes = lengths(await child.stdout.readexactly(8))
    head = json.loads(await child.stdout.readexactly(head_bytes))
    return head, await child.stdout.readexactly(body_bytes)
