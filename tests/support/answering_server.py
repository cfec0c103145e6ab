"""A server on localhost with OpenAI's protocol; its model answers every module of a memory."""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# What it says in each field that a prompt may ask for; it selects all facts. What happened "how
# often" it looks up first, where it may.
FIELDS = {
    "sql": "SELECT turn_id, subject, attribute, value FROM facts",
    "answer": "Oslo",
    "turns": "1",
    "reply": "How nice!",
    "look": "",
    # Of judges: everything is right.
    "reason": "The answer says it.",
    "correct": "True",
    "points": "1",
    "order": "1, 2, 3",
}
STORE = (
    "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    " ('Anna', 'has_pet', 'cat Miso', {turn_id})"
)


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = _reply(str(request["messages"][-1]["content"]))
        message = {"role": "assistant", "content": text}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": request["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100},
        }
        if request.get("stream"):
            self._send("text/event-stream", _stream(answer, text))
        else:
            self._send("application/json", json.dumps(answer))

    def do_GET(self) -> None:
        models = {"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model"}]}
        self._send("application/json", json.dumps(models))

    def _send(self, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None: ...


def _stream(answer: dict[str, object], text: str) -> str:
    chunk = {**answer, "object": "chat.completion.chunk"}
    deltas = [({"role": "assistant", "content": text}, None), ({}, "stop")]
    events = [
        {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in deltas
    ]
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def _reply(prompt: str) -> str:
    if "Say yes." in prompt:
        return "yes"
    if "new_instruction" in prompt:  # of an optimizer, which asks for JSON
        return json.dumps(dict.fromkeys(re.findall(r"`(\w*instruction)`", prompt), "Be short."))
    if "How often" in prompt and "look" in prompt.rpartition("Respond with")[2]:
        return reply(prompt, {**FIELDS, "look": FIELDS["sql"], "answer": "", "turns": ""}, _store)
    return reply(prompt, FIELDS, _store)


def _store(turns: str) -> str:
    turn_ids = re.findall(r"^\[(\d+)\]", turns, re.MULTILINE)
    return STORE.format(turn_id=turn_ids[-1])


def reply(prompt: str, fields: Mapping[str, str], store: Callable[[str], str]) -> str:
    """The fields that a prompt asks for, in the form it asks for them.

    `store` writes the SQL for the turns of a window.
    """
    wanted = re.findall(r"\[\[ ## (\w+) ## \]\]", prompt.rpartition("Respond with")[2])
    names = [name for name in wanted if name != "completed"]
    assert names, prompt
    values = dict(fields)
    if "[[ ## window ## ]]" in prompt and "sql" in names:
        turns = prompt.rpartition("[[ ## window ## ]]")[2].partition("[[ ## ")[0]
        values["sql"] = store(turns)
    parts = [f"[[ ## {name} ## ]]\n{values[name]}" for name in names]
    return "\n\n".join([*parts, "[[ ## completed ## ]]"])


@contextmanager
def answering_server() -> Iterator[str]:
    """A server at work; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
