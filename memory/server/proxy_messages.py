"""What the proxy reads in three protocols and adds to them: OpenAI's two, and Anthropic's.

Nothing here knows a memory or a connection. A request that cannot be read goes on as it is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from memory.program.thinking import without_thinking
from memory.recall.messages import content_text

CHAT = "chat/completions"
RESPONSES = "responses"
MESSAGES = "messages"
PROTOCOLS = (CHAT, RESPONSES, MESSAGES)


@dataclass(frozen=True)
class Conversation:
    """A request as the memory sees it.

    `messages` are in OpenAI's form, `position` is that of the user's last message among them, and
    `speaker` its `name`. `user` is the field by which an application says whose request it is.
    """

    messages: Sequence[Mapping[str, Any]]
    position: int
    text: str
    speaker: str
    user: str

    @property
    def session(self) -> str:
        """A name for the conversation: that of its first message, which each request repeats."""
        users = [text_of(message) for message in self.messages if message.get("role") == "user"]
        digest = sha256(json.dumps([self.user, users[:1]]).encode()).hexdigest()
        return f"proxy {digest[:16]}"

    def source(self, session: str, role: str, day: str) -> str:
        """An outside id of the last message, or of its answer: a repeated request has the same.

        Another chat that begins with the same words, or the same on another day, has another.
        """
        said = [
            [message["role"], message["content"]] for message in self.messages[: self.position + 1]
        ]
        digest = sha256(json.dumps(said).encode()).hexdigest()[:16]
        return f"{session}:{day}:{self.position}:{role}:{digest}"


def read_conversation(protocol: str, body: Any) -> Conversation | None:
    """The conversation of a request; None where there is no text of a user in it."""
    if not isinstance(body, dict):
        return None
    messages = body.get("input") if protocol == RESPONSES else body.get("messages")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        return None
    plain = [
        {"role": item.get("role", ""), "content": text_of(item), "name": _text(item.get("name"))}
        for item in messages
    ]
    positions = [n for n, item in enumerate(plain) if item["role"] == "user" and item["content"]]
    if not positions:
        return None
    last = plain[positions[-1]]
    metadata = body.get("metadata")
    of_metadata = metadata.get("user_id") if isinstance(metadata, dict) else ""
    return Conversation(
        plain,
        positions[-1],
        text=last["content"],
        speaker=last["name"],
        user=_text(body.get("user")) or _text(of_metadata),
    )


def with_block(protocol: str, body: Mapping[str, Any], position: int, block: str) -> dict[str, Any]:
    """The request with a block at the end of a message: the user's last one.

    There it changes nothing of what was sent before, which servers have cached, and is a message of
    the system in no protocol: what it quotes is data.
    """
    field = "input" if protocol == RESPONSES else "messages"
    messages = body[field]
    if isinstance(messages, str):
        return {**body, field: f"{messages}\n\n{block}"}
    content = messages[position]["content"]
    if isinstance(content, str):
        content = f"{content}\n\n{block}"
    else:
        kind = "input_text" if protocol == RESPONSES else "text"
        content = [*content, {"type": kind, "text": block}]
    message = {**messages[position], "content": content}
    return {**body, field: [*messages[:position], message, *messages[position + 1 :]]}


def answer_text(protocol: str, content: bytes) -> str:
    """The text of an answer, whole or streamed, without thoughts; of a cut one what came of it."""
    try:
        whole = json.loads(content)
    except ValueError:
        text = "".join(_piece(protocol, event) for event in _events(content))
    else:
        text = _whole(protocol, whole) if isinstance(whole, dict) else ""
    return without_thinking(text).strip()


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whose content may come in parts; pictures are left out."""
    return (content_text(message.get("content")) or "").strip()


def _events(content: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of server-sent events; what is no such object is passed over."""
    for line in content.decode("utf-8", "replace").splitlines():
        if not line.startswith("data:"):
            continue
        try:
            event = json.loads(line.removeprefix("data:"))
        except ValueError:  # [DONE], or the place where it was cut
            continue
        if isinstance(event, dict):
            yield event


def _piece(protocol: str, event: Mapping[str, Any]) -> str:
    if protocol == CHAT:
        return _choice(event, "delta")
    if protocol == RESPONSES:
        is_text = event.get("type") == "response.output_text.delta"
        return _text(event.get("delta")) if is_text else ""
    delta = event.get("delta")
    is_text = event.get("type") == "content_block_delta" and isinstance(delta, dict)
    return _text(delta.get("text")) if is_text and isinstance(delta, dict) else ""


def _whole(protocol: str, answer: Mapping[str, Any]) -> str:
    if protocol == CHAT:
        return _choice(answer, "message")
    if protocol == MESSAGES:
        return text_of(answer)
    output = answer.get("output")
    items = output if isinstance(output, list) else []
    return "\n".join(text_of(item) for item in items if isinstance(item, dict))


def _choice(answer: Mapping[str, Any], field: str) -> str:
    """The text of the first choice: others are not what the conversation goes on with."""
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and not choice.get("index"):
            message = choice.get(field)
            return _text(message.get("content")) if isinstance(message, dict) else ""
    return ""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
