"""Between JSON and messages: the only place of this folder that reads what a page sent.

Pure; called by the session for each message and by the api's gate for each frame. Refuses with `bad_message`,
`too_long` or `unknown_type`, and never with anything else, whatever the bytes are. Deep nesting, lone surrogates,
NaN and numbers of a thousand digits end here.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from media.base.errors import ErrorKind, HubError
from streams.session.fields import MAX_NUMBER
from streams.session.messages import PAGE_MESSAGES, Chair, PageMessage

MAX_FRAME_CHARS = 64 << 10
MAX_OFFER_FRAME_CHARS = (256 << 10) + 4096
"""An offer with its JSON around it."""

MAX_ENVELOPE_CHARS = 1 << 20

_OFFERS = frozenset({"publish", "slots"})
_OPTIONAL: dict[type[Any], frozenset[str]] = {}
_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {kind: TypeAdapter(kind) for kind in PAGE_MESSAGES.values()}


def _refused(code: str, message: str, **context: object) -> HubError:
    return HubError(ErrorKind.INVALID, message, code=code, **context)


def read_frame(text: str) -> dict[str, Any]:
    """Return the object in a text frame; HubError INVALID `too_long` or `bad_message`."""
    if len(text) > MAX_OFFER_FRAME_CHARS:
        raise _refused("too_long", "the frame is too long")
    found = _object(text)
    if len(text) > MAX_FRAME_CHARS and found.get("type") not in _OFFERS:
        raise _refused("too_long", "the frame is too long")
    return found


def read_envelope(text: str) -> dict[str, Any]:
    """Return the object in a frame between api and worker; HubError INVALID `bad_message`."""
    if len(text) > MAX_ENVELOPE_CHARS:
        raise _refused("too_long", "the frame is too long")
    return _object(text, allow_inf_nan=True)  # what a page may not say is refused where it is read


def _object(text: str, *, allow_inf_nan: bool = False) -> dict[str, Any]:
    try:
        found = from_json(text, allow_inf_nan=allow_inf_nan)
    except ValueError:
        raise _refused("bad_message", "the frame is not JSON") from None
    if not isinstance(found, dict):
        raise _refused("bad_message", "the frame is not a JSON object")
    return found


def request_id(found: Mapping[str, Any]) -> int | None:
    """Return the id of a message whatever else is wrong with it, or None."""
    number = found.get("id")
    return number if type(number) is int and 0 <= number <= MAX_NUMBER else None


def parse_message(found: Mapping[str, Any]) -> PageMessage:
    """Return the message in `found`; HubError INVALID `unknown_type`, `bad_message` or `too_long`, with `field`."""
    name = found.get("type")
    kind = PAGE_MESSAGES.get(name) if isinstance(name, str) else None
    if kind is None:
        raise _refused("unknown_type", "there is no such message", field="type")
    try:
        message: PageMessage = _ADAPTERS[kind].validate_python(dict(found))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part)[:40] for part in first["loc"][:3])
        code = "too_long" if first["type"] == "string_too_long" else "bad_message"
        raise _refused(code, f"{field}: {first['msg']}"[:200], field=field) from None
    if isinstance(message, Chair) and (missing := message.missing()):
        raise _refused("bad_message", f"{missing}: needed by {message.action}", field=missing)
    return message


def to_wire(message: Any) -> dict[str, Any]:
    """Return an answer or event as the mapping that becomes JSON: type first, fields that are not there left out."""
    body = {"type": message.type}
    optional = _optional(type(message))
    for field in fields(message):
        value = getattr(message, field.name)
        if field.name != "type" and not (value is None and field.name in optional):
            body[field.name] = _plain(value)
    return body


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        optional = _optional(type(value))
        named = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: _plain(item) for name, item in named if item is not None or name not in optional}
    return value


def _optional(kind: type[Any]) -> frozenset[str]:
    """Return the fields that are left out when they are None: those whose default is None."""
    found = _OPTIONAL.get(kind)
    if found is None:
        found = _OPTIONAL[kind] = frozenset(field.name for field in fields(kind) if field.default is None)
    return found
