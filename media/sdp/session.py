"""Read session descriptions (RFC 8866) the way cameras write them, which is rarely the way the RFC does.

Called by `media.sdp.tracks` and by tests; pure. Everything a camera forgets, doubles or misspells outside the `m=`
line is forgiven; a line that cannot be understood is dropped. Refuses only what is too large to be a description.
Knows nothing of codecs or URLs.
"""

import re
from dataclasses import dataclass, field

from media.base.errors import RemoteProtocolError

MAX_SDP_BYTES = 64 << 10
"""The longest seen from an NVR is 9 kB."""
MAX_MEDIA = 64
MAX_ATTRIBUTES = 256
"""Attributes kept per section; more carry nothing we read."""

_LINE_ENDS = re.compile(r"[\r\n]+")
_LEADING_INT = re.compile(r"\s*(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Attribute:
    """One `a=` line; `value` is empty for a flag."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSection:
    """One `m=` section. `kind` and `protocol` are as written, `formats` the payload types as text."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: tuple[Attribute, ...] = ()
    bandwidth: tuple[str, ...] = ()
    connection: str = ""

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of all attributes called `name` (case-insensitive), in order."""
        return _values(self.attributes, name)

    def has(self, name: str) -> bool:
        """Tell whether an attribute called `name` is there."""
        return bool(self.values(name))


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionDescription:
    """A whole description; what was missing is empty."""

    origin: str = ""
    name: str = ""
    connection: str = ""
    attributes: tuple[Attribute, ...] = ()
    media: tuple[MediaSection, ...] = ()

    def values(self, name: str) -> tuple[str, ...]:
        """Return the values of all session-level attributes called `name` (case-insensitive), in order."""
        return _values(self.attributes, name)


@dataclass(slots=True)
class _Section:
    """A section being read; `media` is the text of its `m=` line, empty for the session level."""

    media: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    attributes: list[Attribute] = field(default_factory=list)
    bandwidth: list[str] = field(default_factory=list)

    def take(self, letter: str, value: str) -> None:
        if letter == "a":
            if len(self.attributes) < MAX_ATTRIBUTES:
                name, _, rest = value.partition(":")
                self.attributes.append(Attribute(name.strip(), rest.strip()))
        elif letter == "b":
            if len(self.bandwidth) < MAX_ATTRIBUTES:
                self.bandwidth.append(value)
        else:
            self.fields.setdefault(letter, value)  # cameras write `s=` twice; the first one is the name


def _values(attributes: tuple[Attribute, ...], name: str) -> tuple[str, ...]:
    wanted = name.lower()
    return tuple(a.value for a in attributes if a.name.lower() == wanted)


def parse(text: str | bytes) -> SessionDescription:
    """Return what `text` describes; a description without `m=` has no media.

    Forgiven: missing `v= o= s= t=`, doubled `s=`, bad `c=` and `o=`, blank lines, any line end, a BOM, trailing NULs,
    unknown letters, `m=` lines of which nothing can be read (dropped with their attributes).
    Raises RemoteProtocolError (`sdp_too_large`) above 64 kB or 64 media sections.
    """
    if len(text) > MAX_SDP_BYTES:
        raise RemoteProtocolError("session description is too large", code="sdp_too_large", size_bytes=len(text))
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    sections = [_Section()]
    for raw in _LINE_ENDS.split(plain.strip("\ufeff\x00 \t")):
        line = raw.strip()
        letter, equals, value = line[:1], line[1:2], line[2:].strip()
        if equals != "=":
            continue
        if letter.lower() == "m":
            if len(sections) > MAX_MEDIA:
                raise RemoteProtocolError("session description has too many media", code="sdp_too_large")
            sections.append(_Section(value))
        else:
            sections[-1].take(letter.lower(), value)
    head = sections[0]
    return SessionDescription(
        origin=head.fields.get("o", ""),
        name=head.fields.get("s", ""),
        connection=head.fields.get("c", ""),
        attributes=tuple(head.attributes),
        media=tuple(found for section in sections[1:] if (found := _media(section)) is not None),
    )


def _media(section: _Section) -> MediaSection | None:
    """Return the section as a value; None when its `m=` line has no format at all."""
    words = section.media.split()
    if len(words) < 2:
        return None
    kind, port = words[0].lower(), _LEADING_INT.match(words[1])
    protocol = words[2] if len(words) > 2 else "RTP/AVP"
    return MediaSection(
        kind=kind,
        port=int(port.group(1)) if port else 0,
        protocol=protocol,
        formats=tuple(words[3:]),
        attributes=tuple(section.attributes),
        bandwidth=tuple(section.bandwidth),
        connection=section.fields.get("c", ""),
    )
