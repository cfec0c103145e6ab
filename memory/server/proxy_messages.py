"""What the proxy reads in, and adds to, three protocols: OpenAI's two, and Anthropic's.

Nothing here knows a memory or a connection. A request that cannot be read is passed on unchanged.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from memory.models.thinking import without_thinking
from memory.records import Minted
from memory.server.front_ends import own_words, task_of
from memory.text.message_parts import content_text

CHAT = "chat/completions"
RESPONSES = "responses"
MESSAGES = "messages"
PROTOCOLS = (CHAT, RESPONSES, MESSAGES)
_LAST_LINE = b"data: [DONE]"  # of OpenAI's streams; not all servers say why an answer ended
# Ends by a limit or a failure, in the three protocols.
_CUTS = {"length", "content_filter", "max_tokens", "incomplete", "failed", "cancelled"}


@dataclass(frozen=True)
class Conversation:
    """A request as the memory sees it.

    `messages` are in OpenAI's form, users' messages as they wrote them (`front_ends`); `position`
    is the index of the user's last message, and `speaker` its `name`. `user` is the field where
    an application says whose request it is, `task_of` the program whose own task it is, and `model`
    the model to answer.
    """

    messages: Sequence[Mapping[str, Any]]
    position: int
    text: str
    speaker: str
    user: str
    task_of: str = ""
    model: str = ""

    @property
    def session(self) -> str:
        """A name for the conversation: that of its first message, which each request repeats."""
        users = [text_of(message) for message in self.messages if message.get("role") == "user"]
        digest = sha256(json.dumps([self.user, users[:1]]).encode()).hexdigest()
        return f"proxy {digest[:16]}"

    def source(self, session: str, day: str, answer: str | None = None) -> Minted:
        """An outside id of the last message, or of an answer: a repeated request has the same.

        Another chat that begins with the same words, or the same on another day or of another named
        speaker, has another, and so have the answers before and after a tool was called, and an
        answer that was generated again.
        """
        role = "user" if answer is None else "assistant"
        end = self.position + 1 if answer is None else len(self.messages)
        said: list[Any] = [[each["role"], each["content"]] for each in self.messages[:end]]
        said += [self.speaker] if self.speaker else []
        said += [] if answer is None else [answer]
        digest = sha256(json.dumps(said).encode()).hexdigest()[:16]
        return Minted(f"{session}:{day}:{self.position}:{role}:{digest}")


def read_conversation(protocol: str, body: Any) -> Conversation | None:
    """The conversation of a request; None if it has no text of a user."""
    if not isinstance(body, dict):
        return None
    messages = body.get("input") if protocol == RESPONSES else body.get("messages")
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        return None
    plain = [
        {"role": item.get("role", ""), "content": _said(item), "name": _text(item.get("name"))}
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
        task_of=task_of(text_of(messages[positions[-1]])),
        model=_text(body.get("model")),
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


@dataclass(frozen=True)
class Answer:
    """What came of an answer, without thoughts, and whether its end is missing."""

    text: str
    is_cut: bool


def read_answer(protocol: str, content: bytes) -> Answer:
    """The answer in a server's response, whole or streamed.

    It is cut if the connection ended early, or if a limit on its length ended it.
    """
    try:
        whole = json.loads(content)
    except (ValueError, RecursionError):
        events = [*_events(content)]
        text = "".join(_piece(protocol, event) for event in events)
        ends = {end for event in events if (end := _end(protocol, event))}
        has_ended = bool(ends) or _LAST_LINE in content
    else:
        is_answer = isinstance(whole, dict)
        text = _whole(protocol, whole) if is_answer else ""
        ends = {_end(protocol, whole)} if is_answer else set()
        has_ended = True
    return Answer(without_thinking(text).strip(), is_cut=not has_ended or bool(ends & _CUTS))


def text_of(message: Mapping[str, Any]) -> str:
    """The text of a message, whose content may come in parts; `[image]` for a picture alone."""
    return (content_text(message.get("content")) or "").strip()


def _said(message: Mapping[str, Any]) -> str:
    text = text_of(message)
    return own_words(text) if message.get("role") == "user" else text


def _events(content: bytes) -> Iterator[dict[str, Any]]:
    """The JSON objects of server-sent events; anything else is skipped."""
    for line in content.decode("utf-8", "replace").splitlines():
        if not line.startswith("data:"):
            continue
        try:
            event = json.loads(line.removeprefix("data:"))
        except (ValueError, RecursionError):  # [DONE], or where it was cut
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


def _end(protocol: str, answer: Mapping[str, Any]) -> str:
    """Why an answer ended, as its protocol says it; empty if it has not."""
    if protocol == CHAT:
        return _text(_first_choice(answer).get("finish_reason"))
    if protocol == MESSAGES:
        delta = answer.get("delta")
        of_delta = _text(delta.get("stop_reason")) if isinstance(delta, dict) else ""
        return _text(answer.get("stop_reason")) or of_delta
    response = answer.get("response", answer)
    status = _text(response.get("status")) if isinstance(response, dict) else ""
    return status if status in ("completed", "incomplete", "failed", "cancelled") else ""


def _choice(answer: Mapping[str, Any], field: str) -> str:
    """The text of the first choice."""
    message = _first_choice(answer).get(field)
    return _text(message.get("content")) if isinstance(message, dict) else ""


def _first_choice(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The choice that the conversation goes on with."""
    choices = answer.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
