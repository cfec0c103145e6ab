"""A server on localhost that speaks OpenAI's protocol as oddly as real ones do."""

import gzip
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.answering_server import FIELDS, reply
from tests.support.local_http import Handler, completion, local_http
from tests.support.scripted import rows_saying

Request = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """One answer over HTTP. `cut_after` closes the connection after so many bytes of it."""

    body: object
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    zipped: bool = False

    @property
    def data(self) -> bytes:
        data = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        return gzip.compress(data) if self.zipped else data


# What a server says to a request; None leaves it to the model.
Behaviour = Callable[[Request], Sent | None]


@dataclass
class OddServer:
    """A server at work; it keeps the bodies that it got, and their `paths`, in their order."""

    behaviour: Behaviour
    requests: list[Request] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    address: str = ""
    listed: Mapping[str, object] = field(default_factory=dict)  # what a GET gets, by its path

    def answer(self, request: Request) -> Sent:
        """The behaviour's answer, else what a model that knows its facts says."""
        self.requests.append(request)
        if sent := self.behaviour(request):
            return sent
        return streamed(spoken(request)) if request.get("stream") else whole(spoken(request))


def spoken(request: Request) -> str:
    """What a model says to a request, in the form that the prompt asks for."""
    return reply(str(request["messages"][-1]["content"]), FIELDS, _store)


def _store(turns: str) -> str:
    columns = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    return f"{columns} {rows_saying('said', turns)[0]}"


def whole(content: str | None, finish: str = "stop", **message: Any) -> Sent:
    """An answer in one piece; `message` has what else is in the message."""
    return Sent(completion(content, finish=finish, **message))


def streamed(
    content: str, finish: str | None = "stop", piece: int = 20, cut_after: int | None = None
) -> Sent:
    """An answer in chunks, the last with the usage and no choice."""
    pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
    deltas: Sequence[tuple[dict[str, str], str | None]] = [
        ({"role": "assistant"}, None),
        *(({"content": part}, None) for part in pieces),
        ({}, finish),
    ]
    events: list[dict[str, object]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": end}]} for delta, end in deltas
    ]
    events.append({"choices": [], "usage": {"prompt_tokens": 70, "completion_tokens": 30}})
    kind = {"id": "1", "object": "chat.completion.chunk", "model": "m"}
    data = "".join(f"data: {json.dumps(kind | event)}\n\n" for event in events)
    headers = {"content-type": "text/event-stream"}
    return Sent(f"{data}data: [DONE]\n\n".encode(), headers=headers, cut_after=cut_after)


@contextmanager
def odd_server(
    behaviour: Behaviour, roots: Collection[str] = ("/v1",), path: str = "/chat/completions"
) -> Iterator[OddServer]:
    """A server that behaves so under a path behind each of some roots; others are not found."""
    odd = OddServer(behaviour)

    class Answers(Handler):
        def do_GET(self) -> None:
            self._send(Sent(odd.listed[self.path]) if self.path in odd.listed else Sent("", 404))

        def do_POST(self) -> None:
            request = self.asked()
            odd.paths.append(self.path)
            is_served = self.path in {f"{root}{path}" for root in roots}
            self._send(odd.answer(request) if is_served else Sent("404 page not found", 404))

        def _send(self, sent: Sent) -> None:
            encoding = {"content-encoding": "gzip"} if sent.zipped else {}
            with suppress(OSError):
                self.send(sent.data, sent.status, {**sent.headers, **encoding}, sent.cut_after)
            self.close_connection = self.close_connection or sent.cut_after is not None

    with local_http(Answers) as address:
        odd.address = f"{address}/v1"
        yield odd
