"""Ends a session that a dead worker left open on a camera: one short connection, one TEARDOWN.

Called by the RTSP connector before it opens a new session, on the event loop. Best effort within its timeout; a
camera that has forgotten the session, or does not answer, is no obstacle.
"""

import asyncio
import ssl

from media.base.clock import Clock
from media.base.errors import ProtocolError
from media.rtsp.client import ClientSession, TornDown
from media.rtsp.message import read_message
from streams.ingest.leftover import LeftSession
from streams.ingest.url import SourceUrl

FAREWELL_TIMEOUT_S = 1.5
_MAX_ANSWER_BYTES = 64 << 10


async def end_left_session(
    url: SourceUrl, address: str, left: LeftSession, clock: Clock, tls: ssl.SSLContext | None
) -> bool:
    """Tear `left` down; tell whether the camera answered."""
    try:
        async with asyncio.timeout(FAREWELL_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(address, url.port, ssl=tls)
            try:
                return await _say_goodbye(reader, writer, ClientSession(url.plain, url.credentials), left, clock)
            finally:
                writer.transport.abort()
    except (OSError, TimeoutError, ProtocolError):
        return False


async def _say_goodbye(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    client: ClientSession,
    left: LeftSession,
    clock: Clock,
) -> bool:
    writer.write(client.teardown_leftover(left.session_id, left.control_url))
    pending = b""
    while len(pending) < _MAX_ANSWER_BYTES:
        data = await reader.read(4096)
        if not data:
            return False
        pending += data
        found = read_message(pending, 0, len(pending))
        if found is None:
            continue
        message, after = found
        pending = pending[after:]
        step = client.receive(message, clock.mono_ns())
        writer.write(step.send)
        if any(isinstance(event, TornDown) for event in step.events):
            return True
    return False
