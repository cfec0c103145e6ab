"""Who speaks in turns: persons, and the assistants of chats, exports and other programs."""

import re

_ASSISTANT = re.compile(
    r"(?:(?:ai|virtual|personal) )?assistant|ai|(?:chat ?)?bot|chatgpt|gpt|claude|gemini|copilot"
    r"|codex|opencode|system|tool",
    re.IGNORECASE,
)
_VERSION = re.compile(r"(?<![\s_-])[\s_-]*v?\d.*$", re.IGNORECASE | re.DOTALL)  # Claude 3, gpt-4o


def is_assistant(name: str) -> bool:
    """Whether a name is one that chats, exports and other programs give an assistant."""
    return bool(_ASSISTANT.fullmatch(_VERSION.sub("", name.strip())))
