"""The protocol as one JSON Schema: `python -m streams.session.schema` writes `protocol.json` beside this file.

Pure but for `main`. Made of the declarations in `messages` and `events`, so that neither side can drift; a test fails
when the written file is not what this returns.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from streams.session.codes import CAN_RESUME, CLOSE_NUMBERS, ErrorCode
from streams.session.events import ANSWERS, EVENTS
from streams.session.messages import ACTION_FIELDS, PAGE_MESSAGES

WRITTEN = Path(__file__).with_name("protocol.json")


def protocol_schema() -> dict[str, Any]:
    """Return the schema: every message in `$defs`, and which of them the page says, and which answer or tell."""
    kinds = [*PAGE_MESSAGES.values(), *ANSWERS.values(), *EVENTS.values()]
    inputs = [(kind.__name__, "validation", TypeAdapter(kind)) for kind in kinds]
    _, definitions = TypeAdapter.json_schemas(inputs, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    defs = definitions["$defs"]
    for made in defs.values():
        _strip(made)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "the session protocol",
        "page": [kind.__name__ for kind in PAGE_MESSAGES.values()],
        "answers": [kind.__name__ for kind in ANSWERS.values()],
        "events": [kind.__name__ for kind in EVENTS.values()],
        "errors": list(ErrorCode.__args__),  # type: ignore[attr-defined]
        "closings": {
            code: {"close": number, "can_resume": code in CAN_RESUME} for code, number in CLOSE_NUMBERS.items()
        },
        "chair": {action: {"needs": list(needs), "may": list(may)} for action, (needs, may) in ACTION_FIELDS.items()},
        "$defs": dict(sorted(defs.items())),
    }


def _strip(made: Any) -> None:
    """Take away what pydantic adds for people: titles and docstrings."""
    for item in made.values() if isinstance(made, dict) else made if isinstance(made, list) else ():
        _strip(item)
    if isinstance(made, dict):
        for word in ("title", "description"):
            if isinstance(made.get(word), str):
                del made[word]


def written() -> str:
    """Return the text of the file."""
    return json.dumps(protocol_schema(), indent=1, sort_keys=False, ensure_ascii=True) + "\n"


def main() -> None:
    """Write the file."""
    WRITTEN.write_text(written())
    sys.stdout.write(f"{WRITTEN}\n")


if __name__ == "__main__":
    main()
