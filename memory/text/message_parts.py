"""The content of a chat's message: a text, or parts such as pictures, thoughts or tools.

A part is an object of JSON, or an object of a client library with the same fields.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from memory.text.fence import without_block

# Reasons to leave something out, as reports count them.
THOUGHTS = "the model's thinking"
TOOLS = "a tool's call or result in a chat"
INVISIBLE = "it has no text that can be seen"

# Kinds of parts that are no one's words, and the reason that reports count them under.
_NOT_SAID = {
    **dict.fromkeys(("thinking", "redacted_thinking", "reasoning"), THOUGHTS),
    **dict.fromkeys(("tool_use", "tool_result", "function_call", "function_call_output"), TOOLS),
}
# Prefixes and suffixes of a kind of part: `input_image`, `image_url`, `image_asset_pointer`.
_AROUND_KIND = re.compile(r"^(input|output)_|_(url|asset_pointer)$")


def field_of(part: object, name: str) -> Any:
    """A field of an object of JSON, or of a client library's object; None if it has none."""
    return part.get(name) if isinstance(part, Mapping) else getattr(part, name, None)


def part_text(part: object) -> str:
    """The text of a part of a message, or its kind in brackets if it has no text: `[image]`."""
    if isinstance(part, str):
        return part
    if part is None or isinstance(part, (bool, int, float, list, tuple)):
        return ""
    return _own_text(part) or _mark(part)


def _own_text(part: object) -> str:
    text = field_of(part, "text")
    text = field_of(part, "refusal") if text is None else text
    return text if isinstance(text, str) else ""


def _mark(part: object) -> str:
    """The kind of a part in brackets; empty for a part that is a text, though a blank one."""
    if isinstance(field_of(part, "text"), str):
        return ""
    kind = str(field_of(part, "type") or field_of(part, "content_type") or "attachment")
    return f"[{_AROUND_KIND.sub('', kind).replace('_', ' ')}]"


def joined_parts(parts: Iterable[object], reasons: set[str]) -> str:
    """The texts of a message's parts, a line each; adds to `reasons` why it leaves out others."""
    texts = []
    for part in parts:
        reason = reason_not_said(part)
        if reason:
            reasons.add(reason)
        else:
            texts.append(part_text(part))
    return "\n".join(text for text in texts if text.strip())


def content_text(content: Any) -> str | None:
    """The text of a message's content, which may be parts; None for what holds no text.

    Parts give their texts, a line each. Without text, they give their kind: "[image]". A block of a
    memory in it is no one's words and left out (`without_block`).
    """
    if content is None or isinstance(content, str):
        return without_block(content or "")
    is_part = isinstance(content, Mapping) or hasattr(content, "type")
    if not is_part and not isinstance(content, (list, tuple)):
        return None
    parts = [part for part in ([content] if is_part else content) if not reason_not_said(part)]
    texts = [text for part in parts if (text := part if isinstance(part, str) else _own_text(part))]
    return without_block("\n".join(texts or filter(None, map(part_text, parts))))


def reason_not_said(part: object) -> str | None:
    """Why a part of a message is no one's words; None for a part that a person may have said."""
    return None if isinstance(part, str) else _NOT_SAID.get(str(field_of(part, "type")))
