"""Identifiers and their grammar.

Every resource id is `[a-z0-9-]{1,64}` (CONTRACT); a source id is a kind and a resource id, `camera/gate-3`; a stream
is one quality of a source. Used by all packages; pure.
"""

import re
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from media.base.errors import ErrorKind, HubError

CameraId = NewType("CameraId", str)
SourceId = NewType("SourceId", str)

_ID = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_SOURCE_KINDS = frozenset({"camera", "participant", "replay"})


class Quality(StrEnum):
    """Which of a camera's streams: 主码流 main or 子码流 sub."""

    MAIN = "main"
    SUB = "sub"


@dataclass(frozen=True, slots=True)
class StreamKey:
    """One stream of one source, the unit of publishing and subscribing."""

    source: SourceId
    quality: Quality = Quality.MAIN

    def __str__(self) -> str:
        """Return for instance `camera/gate-3:main`."""
        return f"{self.source}:{self.quality.value}"


def is_id(text: str) -> bool:
    """Tell whether `text` is a well-formed resource id."""
    return _ID.fullmatch(text) is not None


def check_id(text: str) -> str:
    """Return `text` when it is a well-formed resource id; HubError INVALID otherwise."""
    if not is_id(text):
        raise HubError(ErrorKind.INVALID, "an id is 1 to 64 characters of a-z, 0-9 and -", code="invalid_id")
    return text


def camera_source(camera: CameraId) -> SourceId:
    """Return the source id of a camera."""
    return SourceId(f"camera/{camera}")


def parse_source(text: str) -> tuple[str, str]:
    """Split a source id into kind and resource id; HubError INVALID when malformed or of unknown kind."""
    kind, _, resource = text.partition("/")
    if kind not in _SOURCE_KINDS or not is_id(resource):
        raise HubError(ErrorKind.INVALID, "not a source id", code="invalid_source")
    return kind, resource


def new_id(prefix: str = "") -> str:
    """Return a fresh random id, 26 hex characters after `prefix`; unguessable."""
    return prefix + secrets.token_hex(13)
