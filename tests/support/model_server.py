"""A server on localhost with OpenAI's protocol; tests decide its model's answers."""

import json
import random
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from tests.support.local_http import Handler, completion, local_http
from tests.support.obedient import KINDS, RULES, Obedient

CARE = "Take care, {} of 10."
SLOW_S = 0.01, 0.05  # an answer takes so long
DEADLINE_S = 120


@dataclass(frozen=True)
class Answered:
    """An answer that was sent: its id, the kind of prompt (see obedient.py), the request."""

    id: str
    kind: str
    body: str


class ModelServer:
    """Takes the care with answers that its instructions ask for, and proposes some care or other.

    What it says depends on a request alone, not on earlier ones. `answered` has every answer but
    those to probes, in the order in which they were sent.
    """

    def __init__(self) -> None:
        self.answered: list[Answered] = []
        self.probes = 0
        self.unexpected: list[str] = []  # prompts that it has no answer to
        self.address = ""
        self._under_way, self._changed = 0, threading.Condition()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """An answer is under way until the block ends."""
        with self._changed:
            self._under_way += 1
        try:
            yield
        finally:
            with self._changed:
                self._under_way -= 1
                self._changed.notify_all()

    def came_to(self, probes: int, answered: int) -> bool:
        """Whether so many probes and others were answered."""
        return self.probes >= probes and len(self.answered) >= answered

    def settle(self) -> None:
        """Wait until no answer is under way."""
        with self._changed:
            assert self._changed.wait_for(lambda: not self._under_way, DEADLINE_S)

    def answer(self, request: dict[str, Any]) -> tuple[object, int]:
        """The body and the status of an answer."""
        body = json.dumps(request, sort_keys=True)
        try:
            kind, text = _kind_and_reply(request, crc32(body.encode()))
        except BaseException as error:  # noqa: BLE001 - nobody would see it in this thread
            self.unexpected.append(repr(error))
            return {"error": {"message": "unexpected prompt", "code": "400"}}, 400
        with self._changed:
            id_ = f"chatcmpl-{self.probes + len(self.answered)}"
            if kind == "probe":
                self.probes += 1
            else:
                self.answered.append(Answered(id_, kind, body))
        return completion(text, request["model"], id_=id_), 200


def _kind_and_reply(request: dict[str, Any], chance: int) -> tuple[str, str]:
    """The kind of a request, and what is said to it."""
    system = str(request["messages"][0]["content"])
    prompt = str(request["messages"][-1]["content"])
    kind = next(name for name, sign in KINDS.items() if sign in prompt)
    care = [int(n) for n in re.findall(CARE.format(r"(\d+)"), system)]
    question = prompt.split(KINDS["retrieve"])[-1]
    knows = kind != "answer" or max(care, default=0) > crc32(question.encode()) % 10
    lucky = bool(request["temperature"]) and chance % 3 == 0
    text = Obedient({"answer"}, {}).reply(kind, prompt, knows or lucky)
    return kind, text.replace(RULES["answer"], CARE.format(3 + chance % 7))


@contextmanager
def serving_model() -> Iterator[ModelServer]:
    """A model's server at work."""
    served = ModelServer()

    class Answers(Handler):
        def do_POST(self) -> None:
            request = self.asked()
            with served.counted():
                time.sleep(random.uniform(*SLOW_S))
                self.send(*served.answer(request))

    with local_http(Answers) as address:
        served.address = f"{address}/v1"
        yield served
