"""A model's server on localhost: streams, whole answers, errors and cut streams, as asked."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.local_http import Handler, local_http

UPSTREAM_KEY = "upstream-key-of-the-test"
REPLY = "Nice, the fjord is close."


@dataclass
class Upstream:
    """The server's address, what it was asked, and how it answers: stream, cut, or an error."""

    address: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    sent: bytes = b""  # of the last answer
    error: int = 0
    is_cut: bool = False
    reply: str = REPLY


def _chat_events(reply: str) -> bytes:
    words = [f"{word} " for word in reply.split(" ")]
    words[-1] = words[-1].rstrip()
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    lines = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]}
        for word in words
    ]
    lines.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    text = "".join(f"data: {json.dumps(line)}\n\n" for line in lines)
    # A comment, which must come through as it is.
    return f": hello\n\n{text}data: [DONE]\n\n".encode()


def _message_events(reply: str) -> bytes:
    """Anthropic's stream."""
    message = {**_whole("/messages", ""), "content": [], "stop_reason": None}
    block = {"type": "text", "text": ""}
    usage = {"output_tokens": 2}
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": word},
            }
            for word in reply.replace(" ", " |").split("|")
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
        {"type": "message_stop"},
    ]
    lines = [f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events]
    return "".join(lines).encode()


def _response_events(reply: str) -> bytes:
    """The stream of OpenAI's responses."""
    whole = _whole("/responses", reply)
    [item] = whole["output"]
    [part] = item["content"]
    place = {"output_index": 0, "item_id": item["id"], "content_index": 0}
    events = [
        {"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**item, "status": "in_progress", "content": []},
        },
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}},
        *(
            {"type": "response.output_text.delta", **place, "delta": word, "logprobs": []}
            for word in reply.replace(" ", " |").split("|")
        ),
        {"type": "response.output_text.done", **place, "text": reply, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]
    return "".join(
        f"event: {event['type']}\ndata: {json.dumps({**event, 'sequence_number': number})}\n\n"
        for number, event in enumerate(events)
    ).encode()


def _events(path: str, reply: str) -> bytes:
    """A stream in the protocol of a path."""
    if path.endswith("/messages"):
        return _message_events(reply)
    return _response_events(reply) if path.endswith("/responses") else _chat_events(reply)


def _whole(path: str, reply: str) -> dict[str, Any]:
    if path.endswith("/models"):
        return {"object": "list", "data": [{"id": "m", "object": "model", "created": 1}]}
    if path.endswith("/messages"):
        return {
            "id": "m1",
            "model": "m",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": reply}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 2},
        }
    if path.endswith("/responses"):
        content = [{"type": "output_text", "text": reply, "annotations": []}]
        message = {"id": "m1", "type": "message", "role": "assistant", "content": content}
        head = {"id": "r1", "object": "response", "created_at": 1, "model": "m"}
        return {
            **head,
            "status": "completed",
            "output": [{**message, "status": "completed"}],
            "parallel_tool_calls": True,
            "tool_choice": "auto",
            "tools": [],
        }
    message = {"role": "assistant", "content": reply}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
    return {**head, "choices": [choice]}


@contextmanager
def upstream_server() -> Iterator[Upstream]:
    """An upstream, until the block ends."""
    upstream = Upstream()

    class Answers(Handler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else each small piece waits 40 ms for the one before it

        def do_GET(self) -> None:
            self._answer({})

        def do_POST(self) -> None:
            content = self.content()
            upstream.contents.append(content)
            try:
                body = json.loads(content)
            except ValueError:
                body = {}
            self._answer(body if isinstance(body, dict) else {})

        def _answer(self, body: dict[str, Any]) -> None:
            upstream.requests.append(body)
            upstream.headers.append({k.lower(): v for k, v in self.headers.items()})
            upstream.paths.append(self.path)
            if upstream.error:
                data = b'{"error": {"message": "quota  spent", "type": "limit", "code": "x"}}'
                self._send(upstream.error, data, {"retry-after": "7"})
            elif body.get("stream"):
                data = _events(self.path, upstream.reply)
                data = data[: len(data) // 2] if upstream.is_cut else data
                self._stream(data)
            else:
                data = json.dumps(_whole(self.path, upstream.reply), indent=1).encode()
                self._send(200, data, {"x-request-id": "r7"})

        def _send(self, status: int, data: bytes, more: dict[str, str]) -> None:
            upstream.sent = data
            self.send(data, status, more)

        def _stream(self, data: bytes) -> None:
            upstream.sent = data
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for start in range(0, len(data), 37):
                piece = data[start : start + 37]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()
            if upstream.is_cut:
                self.close_connection = True
                self.connection.close()
            else:
                self.wfile.write(b"0\r\n\r\n")

    with local_http(Answers) as address:
        upstream.address = f"{address}/v1"
        yield upstream
