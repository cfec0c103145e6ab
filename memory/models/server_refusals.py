"""What a server refuses in a request, and what it may accept instead.

OpenAI renamed the limit of an answer; servers know one name, the other or both, and some models
choose their own temperature. Every server reports the longest prompt in its own way.
"""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from dspy.utils import exceptions as lm_errors

_LIMITS = ("max_completion_tokens", "max_tokens")
_TOO_LONG = re.compile(
    r"context.?(?:length|size|window)|too long|too many tokens|prompt is too large"
    r"|tokens?\b.{0,80}(?:exceed|maximum|must be <=)|exceed.{0,80}\btokens?\b",
    re.IGNORECASE | re.DOTALL,
)
_CONTEXT = re.compile(r"context.?(?:length|size|window)\D{0,40}(\d{3,7})", re.IGNORECASE)
_TOO_LARGE = 413
_LEAST_CONTEXT = 1_024  # tokens
# Of a small context the answer gets a quarter: a memory needs the room for the prompt.
_ANSWER_SHARE = 4


def is_context_size(tokens: int) -> bool:
    """Whether a number of tokens is such as contexts have: 4,096, 6,144, 8,192 and so on."""
    if tokens < _LEAST_CONTEXT:
        return False
    odd = tokens // (tokens & -tokens)  # without its powers of two
    return odd in (1, 3)


def lacks_path(address: str) -> bool:
    """Whether an address is only a host's: `http://127.0.0.1:11434`."""
    parts = urlsplit(address)
    return bool(parts.hostname) and parts.path in ("", "/")


def is_too_long(error: BaseException) -> bool:
    """Whether a server refused a prompt, or a prompt and the room for its answer, for its size."""
    if getattr(error, "status", None) == _TOO_LARGE:
        return True
    return isinstance(error, lm_errors.ContextWindowExceededError) or (
        isinstance(error, lm_errors.LMInvalidRequestError) and bool(_TOO_LONG.search(error.message))
    )


def accepted_instead(
    error: lm_errors.LMInvalidRequestError, settings: Mapping[str, Any]
) -> tuple[str, dict[str, Any]]:
    """The settings of a request that a server refused, and the settings to use instead.

    ("", {}) if no other settings would help. A refusal without a word is of the limit's name:
    servers that check for unknown fields answer in their own form, which the client drops.
    """
    name = next((name for name in _LIMITS if settings.get(name)), "")
    limit = settings.get(name) if name else None
    if is_too_long(error):
        context = _CONTEXT.search(error.message)
        room = int(context[1]) // _ANSWER_SHARE if context else 0
        if limit and 0 < room < limit:
            return "room", {name: room}
        return "", {}
    refused = _named(error.message) or (name if not error.message.strip() else "")
    if refused == "temperature":
        return refused, {"temperature": None}
    if refused in _LIMITS and limit:
        # Clients send a limit by its newer name, whichever of the two it was given by.
        newer, older = _LIMITS
        other = older if refused == newer or not error.message.strip() else newer
        return refused, {**dict.fromkeys(_LIMITS), other: limit}
    return "", {}


def _named(message: str) -> str:
    """The setting that a refusal names first; the accepted one comes after it."""
    places = {name: message.find(name) for name in (*_LIMITS, "temperature")}
    named = {place: name for name, place in places.items() if place >= 0}
    return named[min(named)] if named else ""
