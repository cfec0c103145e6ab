"""A server on localhost with OpenAI's protocol whose model stores one fact for each turn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support.local_http import Handler, completion, local_http
from tests.support.scripted import rows_saying, sql, window

Refusal = tuple[int, dict[str, str]]  # a status and headers


class FactServer:
    """Answers each window with a fact a turn; `prompts` has all that it was asked.

    `refuse` may give a status instead, `before_answer` is called before an answer is sent; `reply`
    writes another text than facts.
    """

    def __init__(self) -> None:
        self.prompts: list[str] = []
        self.refuse: Callable[[int], Refusal | None] = lambda number: None
        self.before_answer: Callable[[], object] = lambda: None
        self.reply: Callable[[str], str] = facts_of
        self.address = ""

    def answer(self, request: dict[str, Any]) -> tuple[int, dict[str, str], object]:
        """The status, headers and body of an answer."""
        prompt = str(request["messages"][-1]["content"])
        self.prompts.append(prompt)
        if refusal := self.refuse(len(self.prompts)):
            return (*refusal, {"error": {"message": "refused", "code": "x"}})
        self.before_answer()
        return 200, {}, completion(self.reply(prompt), request["model"])


def facts_of(prompt: str) -> str:
    """A fact for each turn of a window."""
    rows = ", ".join(rows_saying("said", window(prompt)))
    return sql(f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows}")


@contextmanager
def serving_facts() -> Iterator[FactServer]:
    """A model's server at work."""
    served = FactServer()

    class Answers(Handler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, headers, body = served.answer(self.asked())
            self.send(body, status, headers)

    with local_http(Answers) as address:
        served.address = f"{address}/v1"
        yield served
