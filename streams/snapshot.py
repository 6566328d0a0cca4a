"""Still pictures: the latest key frame of a stream as JPEG, from the GOP cache, never from the camera.

Called by the worker's private app, on the event loop; decoding happens in the decoder's child process. A picture is
kept for a second, and callers who ask for the same one share its decoding, so a wall of tiles costs one decode each.
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass

from media.base.clock import Clock
from media.base.errors import ErrorKind, HubError
from media.base.ids import StreamKey
from media.base.tasks import Owner
from media.ffmpeg.decode import Jpeg
from media.ffmpeg.decoder import KeyFrameDecoder
from media.packet import AccessUnit
from streams.hub import Hub

FRESH_S = 1.0
MAX_CACHED = 64
"""Pictures kept; at 200 kB each 13 MB."""
MAX_WIDTH = 4096


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A still picture and when the hub received the frame it shows."""

    jpeg: bytes
    width: int
    height: int
    taken_wall_us: int


@dataclass(frozen=True, slots=True)
class _Entry:
    unit: AccessUnit
    made_mono_ns: int
    picture: asyncio.Task[Jpeg | HubError]


class Snapshotter:
    """Makes stills of the streams of one worker."""

    def __init__(self, hub: Hub, decoder: KeyFrameDecoder, clock: Clock) -> None:
        """Use `decoder`, which the caller closes after this."""
        self._hub = hub
        self._decoder = decoder
        self._clock = clock
        self._owner = Owner("snapshots")
        self._entries: OrderedDict[tuple[StreamKey, int], _Entry] = OrderedDict()

    async def take(self, key: StreamKey, max_width: int = 0) -> Snapshot:
        """Return the latest key frame of `key`, at most `max_width` pixels wide (0: as it is).

        HubError: UNAVAILABLE `camera_offline` or `no_picture`, and what the decoder raises.
        """
        unit = self._latest(key)
        width = max(0, min(max_width, MAX_WIDTH))
        entry = self._entries.get((key, width))
        now_ns = self._clock.mono_ns()
        if entry is None or not self._is_fresh(entry, unit, now_ns):
            entry = _Entry(unit, now_ns, self._owner.start(self._decode(unit, width), str(key)))
            self._remember((key, width), entry)
        jpeg = await asyncio.shield(entry.picture)
        if isinstance(jpeg, HubError):
            raise jpeg
        return Snapshot(jpeg.data, jpeg.width, jpeg.height, entry.unit.received_wall_us)

    def _latest(self, key: StreamKey) -> AccessUnit:
        stream = self._hub.get(key)
        if stream is None or not stream.is_live:
            raise HubError(ErrorKind.UNAVAILABLE, "the camera is not online", code="camera_offline", stream=str(key))
        if stream.gop.key is None:
            raise HubError(ErrorKind.UNAVAILABLE, "no key frame has come yet", code="no_picture", stream=str(key))
        return stream.gop.key

    def _is_fresh(self, entry: _Entry, unit: AccessUnit, now_ns: int) -> bool:
        """Tell whether `entry` will do: young, or made of the very key frame that is still the latest."""
        return now_ns - entry.made_mono_ns < FRESH_S * 1e9 or (entry.unit is unit and not _has_failed(entry))

    def _remember(self, slot: tuple[StreamKey, int], entry: _Entry) -> None:
        self._entries[slot] = entry
        self._entries.move_to_end(slot)
        while len(self._entries) > MAX_CACHED:
            self._entries.popitem(last=False)

    async def _decode(self, unit: AccessUnit, max_width: int) -> Jpeg | HubError:
        """Decode; an expected failure is a result, shared by all who wait for this picture."""
        try:
            return await self._decoder.jpeg(unit.params.codec, unit.params.parameter_sets, unit.data, max_width)
        except HubError as error:
            return error

    async def aclose(self) -> None:
        """End the decodings under way."""
        await self._owner.aclose()


def _has_failed(entry: _Entry) -> bool:
    picture = entry.picture
    return picture.done() and (
        picture.cancelled() or picture.exception() is not None or isinstance(picture.result(), HubError)
    )
