"""The two boxes of ours in every segment file: what it is (in front) and what it holds (at the end).

Written by `recorder.segment_file`, read by replay, recovery and `check`. Pure. Both are `uuid` boxes, which players
skip. From them alone the index can be rebuilt. The trailer holds the whole sample index in one piece and the seal:
SHA-256 over the seal of the stream's segment sealed before, the trailer's facts (among them the body's SHA-256) and
the sample index. Parsing refuses damage with RemoteProtocolError.
"""

import hashlib
import json
import struct
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from media.base.errors import RemoteProtocolError
from media.container.boxes import HEADER_BYTES, Buffer, box

HEADER_UUID = b"xiangyun.segment"
TRAILER_UUID = b"xiangyun.trailer"
NO_SEAL = bytes(32)
FOOTER = struct.Struct(">Q8s")
MAGIC = b"XYTRAIL1"
MAX_FACTS_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class StoredTrack:
    """A track in words: what the playlist and the API say of it."""

    track_id: int
    codec: str
    rfc6381: str
    width: int = 0
    height: int = 0
    fps: float = 0.0
    sample_rate_hz: int = 0
    channels: int = 0


@dataclass(frozen=True, slots=True)
class StoredGap:
    """A stretch without footage and why."""

    start_us: int
    end_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentHeader:
    """What a file says of itself before the first picture. `gaps` are those between its predecessor and it."""

    volume: str
    segment_id: int
    stream_id: int
    camera_id: str
    quality: str
    run_id: int
    run_started_us: int
    epoch: int
    node: str
    opened_us: int
    start_us: int
    retention_days: int
    minimum_days: int
    tracks: tuple[StoredTrack, ...]
    gaps: tuple[StoredGap, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFacts:
    """What is known of a segment once it is closed. Times as in `recorder.timeline`; `body_bytes` precede the trailer.

    `end_reason` is why the run ended with this segment; empty when the run goes on in the next file.
    """

    start_us: int
    wall_us: int
    media_start: int
    media_ticks: int
    timescale: int
    init_bytes: int
    body_bytes: int
    body_sha256: str
    previous_seal: str
    lost_packets: int = 0
    end_reason: str = ""
    is_recovered: bool = False


@dataclass(frozen=True, slots=True)
class Trailer:
    """A parsed trailer; `index` decodes with `media.container.samples`."""

    facts: SegmentFacts
    seal: bytes
    index: bytes


def header_box(header: SegmentHeader) -> bytes:
    """Return the `uuid` box that follows `ftyp`."""
    return box(b"uuid", HEADER_UUID, _dump(header))


def parse_header(body: Buffer) -> SegmentHeader:
    """Return the header from the body of its `uuid` box; RemoteProtocolError `bad_segment` when it is none."""
    if bytes(body[:16]) != HEADER_UUID:
        raise RemoteProtocolError("not a segment header", code="bad_segment")
    values = _load(bytes(body[16 : 16 + MAX_FACTS_BYTES]))
    values["tracks"] = tuple(_build(StoredTrack, item) for item in _items(values, "tracks"))
    values["gaps"] = tuple(_build(StoredGap, item) for item in _items(values, "gaps"))
    return _build(SegmentHeader, values)


def seal_of(facts: SegmentFacts, index: bytes) -> bytes:
    """Return the seal of a segment; it depends on every byte of the file and on the seal before."""
    return hashlib.sha256(bytes.fromhex(facts.previous_seal) + _dump(facts) + index).digest()


def trailer_box(facts: SegmentFacts, index: bytes) -> bytes:
    """Return the trailer: facts, seal, sample index, and a footer from which its start is found."""
    text = _dump(facts)
    size = HEADER_BYTES + 16 + 4 + len(text) + 32 + len(index) + FOOTER.size
    parts = (TRAILER_UUID, struct.pack(">I", len(text)), text, seal_of(facts, index), index, FOOTER.pack(size, MAGIC))
    return box(b"uuid", *parts)


def trailer_bytes(footer: Buffer) -> int | None:
    """Return the size of the trailer that ends with `footer` (16 bytes), or None when there is none."""
    if len(footer) != FOOTER.size:
        return None
    size, magic = FOOTER.unpack(footer)
    return int(size) if magic == MAGIC else None


def parse_trailer(data: bytes) -> Trailer:
    """Return the trailer that is exactly `data`; RemoteProtocolError `bad_segment` when damaged.

    The seal is returned as found; the caller compares it with `seal_of`.
    """
    body = HEADER_BYTES + 16
    if len(data) < body + 4 + 32 + FOOTER.size or trailer_bytes(data[-FOOTER.size :]) != len(data):
        raise RemoteProtocolError("trailer is cut", code="bad_segment")
    if data[4:body] != b"uuid" + TRAILER_UUID:
        raise RemoteProtocolError("not a trailer", code="bad_segment")
    (text_bytes,) = struct.unpack_from(">I", data, body)
    at = body + 4 + text_bytes
    if text_bytes > MAX_FACTS_BYTES or at + 32 + FOOTER.size > len(data):
        raise RemoteProtocolError("trailer is cut", code="bad_segment")
    facts = _build(SegmentFacts, _load(data[body + 4 : at]))
    if len(facts.previous_seal) != 64 or len(facts.body_sha256) != 64:
        raise RemoteProtocolError("seal is damaged", code="bad_segment")
    return Trailer(facts, data[at : at + 32], data[at + 32 : len(data) - FOOTER.size])


def _dump(value: SegmentHeader | SegmentFacts) -> bytes:
    return json.dumps(asdict(value), separators=(",", ":"), sort_keys=True, ensure_ascii=True).encode()


def _load(text: bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise RemoteProtocolError("facts are not JSON", code="bad_segment") from exc
    if not isinstance(values, dict):
        raise RemoteProtocolError("facts are no object", code="bad_segment")
    return values


def _items(values: dict[str, Any], name: str) -> list[Any]:
    items = values.get(name)
    if not isinstance(items, list):
        raise RemoteProtocolError("facts lack a list", code="bad_segment", field=name)
    return items


T = TypeVar("T", StoredTrack, StoredGap, SegmentHeader, SegmentFacts)


def _build(kind: type[T], values: Any) -> T:
    """Return `kind` from `values` when its fields are all there with the declared types; further fields are ignored."""
    if not isinstance(values, dict):
        raise RemoteProtocolError("facts are no object", code="bad_segment")
    taken: dict[str, Any] = {}
    for field in fields(kind):
        if field.name not in values:
            raise RemoteProtocolError("facts lack a field", code="bad_segment", field=field.name)
        value = values[field.name]
        if field.type is float and type(value) is int:
            value = float(value)
        if field.type in (int, str, float, bool) and type(value) is not field.type:
            raise RemoteProtocolError("fact has the wrong type", code="bad_segment", field=field.name)
        taken[field.name] = value
    if kind is SegmentFacts:
        _check_hex(taken)
    return kind(**taken)


def _check_hex(taken: dict[str, Any]) -> None:
    for name in ("previous_seal", "body_sha256"):
        try:
            bytes.fromhex(taken[name])
        except ValueError as exc:
            raise RemoteProtocolError("seal is damaged", code="bad_segment") from exc
