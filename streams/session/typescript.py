"""The protocol as TypeScript types: `python -m streams.session.typescript` writes `web/src/session/protocol.ts`.

Pure but for `main`. Made of the same schema as `protocol.json`, so that the console is compiled against what workers
judge by; a test fails when the written file is not what this returns.
"""

import json
import sys
import textwrap
from pathlib import Path
from typing import Any, get_args

from streams.session.codes import ClosingCode, ErrorCode
from streams.session.fields import Connection, MediaKind, OwnTrack, Role, RollCallMark, Speech, TrackRef
from streams.session.messages import ACTION_FIELDS, PROTOCOL_VERSION, ChairAction
from streams.session.schema import protocol_schema

WRITTEN = Path(__file__).resolve().parents[2] / "web" / "src" / "session" / "protocol.ts"

HEAD = """// Made by `python -m streams.session.typescript` of streams/session; a test keeps it current. Do not edit.
// What the messages mean: streams/SIGNALING.md.
"""

WIDTH = 118

ALIASES: dict[tuple[str, ...], str] = {
    get_args(TrackRef): "TrackName",
    get_args(OwnTrack): "OwnTrack",
    get_args(Connection): "ConnectionName",
    get_args(MediaKind): "MediaKind",
    get_args(Role): "Role",
    get_args(Speech): "Speech",
    get_args(RollCallMark): "RollCallMark",
    get_args(ChairAction): "ChairActionName",
    get_args(ErrorCode): "ErrorCode",
    get_args(ClosingCode): "ClosingCode",
}
"""Closed lists of words that have a name of their own."""

EVENT_OF = "export type EventOf<T extends ServerEvent['type']> = Extract<ServerEvent, { type: T }>\n"


def typescript() -> str:
    """Return the text of the file."""
    schema = protocol_schema()
    page = set(schema["page"])
    parts = [HEAD, f"export const PROTOCOL_VERSION = {PROTOCOL_VERSION}\n"]
    parts += [_union(name, list(members), quoted=True) for members, name in ALIASES.items()]
    parts += [_interface(name, made, name in page) for name, made in schema["$defs"].items()]
    parts.append(_union("PageMessage", schema["page"]))
    parts.append(_union("Answer", schema["answers"]))
    parts.append(_union("ServerEvent", schema["events"]))
    parts.append(EVENT_OF)
    parts.append(_chair_actions(schema["$defs"]["Chair"]["properties"]))
    closings = ",\n".join(
        f"  {code}: {{ close: {end['close']}, canResume: {_literal(end['can_resume'])} }}"
        for code, end in schema["closings"].items()
    )
    shape = "{ close: number; canResume: boolean }"
    parts.append(f"export const CLOSINGS: Record<ClosingCode, {shape}> = {{\n{closings},\n}}\n")
    return "\n".join(parts)


def _union(name: str, members: list[str], *, quoted: bool = False) -> str:
    words = [_literal(member) if quoted else member for member in members]
    line = f"export type {name} = " + " | ".join(words)
    if len(line) > WIDTH:
        line = "\n".join(textwrap.wrap(line, WIDTH, subsequent_indent="  "))
    return line + "\n"


def _chair_actions(properties: dict[str, Any]) -> str:
    """Return the union of what `chair` may carry: actions with the same fields stand together."""
    groups: dict[tuple[tuple[str, ...], tuple[str, ...]], list[str]] = {}
    for action, needs_and_may in ACTION_FIELDS.items():
        groups.setdefault(needs_and_may, []).append(action)
    lines = ["export type ChairAction ="]
    for (needs, may), actions in groups.items():
        fields = "".join(f"; {name}: {_type(properties[name], may_be_null=False)}" for name in needs)
        fields += "".join(f"; {name}?: {_type(properties[name], may_be_null=name == 'source')}" for name in may)
        names = " | ".join(_literal(action) for action in actions)
        lines += textwrap.wrap(
            f"| {{ action: {names}{fields} }}", WIDTH, initial_indent="  ", subsequent_indent="      "
        )
    return "\n".join([*lines, ""])


def _interface(name: str, made: dict[str, Any], is_of_page: bool) -> str:
    lines = [f"export interface {name} {{"]
    required = set(made.get("required", ()))
    for field, kind in made.get("properties", {}).items():
        is_left_out = field not in required and (is_of_page or ("default" in kind and kind["default"] is None))
        shown = _type(kind, may_be_null=not is_left_out)
        lines.append(f"  {field}{'?' if is_left_out else ''}: {shown}")
    return "\n".join([*lines, "}", ""])


def _type(kind: dict[str, Any], *, may_be_null: bool = True) -> str:
    if "const" in kind:
        return _literal(kind["const"])
    if "enum" in kind:
        if alias := ALIASES.get(tuple(kind["enum"])):
            return alias
        return " | ".join(_literal(value) for value in kind["enum"])
    if "anyOf" in kind:
        shown = [_type(each) for each in kind["anyOf"]]
        return " | ".join(word for word in shown if may_be_null or word != "null")
    if "$ref" in kind:
        return str(kind["$ref"]).rpartition("/")[2]
    return _structure(kind)


def _structure(kind: dict[str, Any]) -> str:
    match kind.get("type"):
        case "array":
            inner = _type(kind["items"])
            return f"({inner})[]" if " " in inner else f"{inner}[]"
        case "object":
            return _mapping(kind)
        case "integer" | "number":
            return "number"
        case "boolean" | "string" | "null" as word:
            return str(word)
    raise AssertionError(kind)


def _mapping(kind: dict[str, Any]) -> str:
    values = kind.get("additionalProperties") or next(iter(kind.get("patternProperties", {}).values()), None)
    shown = _type(values) if isinstance(values, dict) else "unknown"
    keys = kind.get("propertyNames")
    if keys and "enum" in keys:
        return f"Partial<Record<{_type(keys)}, {shown}>>"
    return f"Record<string, {shown}>"


def _literal(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else json.dumps(value)


def main() -> None:
    """Write the file."""
    WRITTEN.parent.mkdir(parents=True, exist_ok=True)
    WRITTEN.write_text(typescript())
    sys.stdout.write(f"{WRITTEN}\n")


if __name__ == "__main__":
    main()
