"""A server on localhost with OpenAI's protocol; its model answers every module of a memory."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.support.local_http import Handler, completion, local_http

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


class _Handler(Handler):
    def do_POST(self) -> None:
        request = self.asked()
        text = _reply(str(request["messages"][-1]["content"]))
        answer = completion(text, request["model"])
        if request.get("stream"):
            self.send(_stream(answer, text).encode(), headers={"content-type": "text/event-stream"})
        else:
            self.send(answer)

    def do_GET(self) -> None:
        self.send({"object": "list", "data": [{"id": "gpt-4o-mini", "object": "model"}]})


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
    with local_http(_Handler) as address:
        yield f"{address}/v1"
