"""Tool uses as turns: the call, its result, and whether it worked."""

import json
from collections.abc import Mapping
from typing import Any

from memory.errors import InputError
from memory.records import Turn
from memory.text.tokens import trim

# A model later needs the arguments of a call and its outcome, not a whole web page.
ARGUMENT_TOKENS = 200
RESULT_TOKENS = 400


def tool_use(
    name: str,
    arguments: Mapping[str, Any],
    result: object,
    worked: bool,
    session: str = "",
    said_at: str = "",
    by: str = "",
) -> Turn:
    """One use of a tool as a turn. It answers "what did I try, and did it work".

    Its text: `search_flights({"to": "Oslo"}) -> 3 flights found. It worked.`, with arguments and
    result cut at ARGUMENT_TOKENS and RESULT_TOKENS. `by` is who used the tool (by default the tool
    is the speaker), `session` the conversation it belongs to, `said_at` when (ISO text).

    Raises InputError when the tool has no name.
    """
    if not name.strip():
        raise InputError("a tool use needs the tool's name")
    call = trim(_plain(dict(arguments)), ARGUMENT_TOKENS) if arguments else ""
    outcome = trim(_plain(result).strip(), RESULT_TOKENS) or "nothing"
    full_stop = "" if outcome.endswith((".", "!", "?")) else "."
    verdict = "It worked." if worked else "It failed."
    return Turn(
        speaker=by or name,
        text=f"{name}({call}) -> {outcome}{full_stop} {verdict}",
        session=session,
        said_at=said_at,
        kind="tool",
    )


def _plain(value: object) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
