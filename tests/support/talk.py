"""Two tiny conversations in LoCoMo's format, and a model that answers each kind of prompt."""

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from memory.models import Model
from tests.support.locomo_records import DATE, question, record, turn, write
from tests.support.scripted import UnexpectedPrompt, answer, model_over, rows_saying, sql, window

ANN = [
    turn("D1:1", "I moved to Lyon last Saturday."),
    turn("D1:2", "How nice! I adopted a dog, Rufus.", speaker="Bo"),
    turn("D1:3", "My cat Miso will not like him."),
]
LATER = [
    turn("D2:1", "I started to learn the violin.", speaker="Bo"),
    turn("D2:2", "I got a job at the town library."),
    turn("D2:3", "Congratulations, Ann!", speaker="Bo"),
]
QUESTIONS = [
    question(4, question="Which city did Ann move to?", evidence=["D1:1"]),
    question(2, question="When did Ann move?", answer="6 May 2017", evidence=["D1:1"]),
    question(5, question="What does Ann play?", adversarial_answer="violin", evidence=["D2:1"]),
]
FACT = (
    "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Ann', 'did', 'part {0}', {0});"
)
RIGHT = "[[ ## reason ## ]]\nso\n\n[[ ## correct ## ]]\nTrue\n\n[[ ## completed ## ]]"


def talk(id_: str = "tiny", qa: list[Any] | None = None, **changed: Any) -> dict[str, Any]:
    """A conversation of two sessions, six turns and three questions."""
    said = {
        "session_1": ANN,
        "session_1_date_time": DATE,
        "session_2": LATER,
        "session_2_date_time": "9:00 am on 12 June, 2017",
    }
    return record(id_, qa or QUESTIONS, **{**said, **changed})


def talks(path: Path, *records: Any) -> Path:
    """A data file of these conversations, of the tiny one by default."""
    return write(path, *(records or [talk()]))


# What each kind of prompt is known by, the most particular first.
KINDS = {
    "judge": "[[ ## given_answer ## ]]",
    "correct": "[[ ## edits ## ]]",
    "answer": "[[ ## evidence ## ]]",
    "retrieve": "[[ ## question ## ]]",
    "store": "[[ ## window ## ]]",
    "probe": "Say yes.",
    "small answer": "What was said:",  # a small model's prompt
}


def kind_of(prompt: str) -> str:
    """The kind of a prompt. Raises UnexpectedPrompt for any other."""
    kind = next((name for name, sign in KINDS.items() if sign in prompt), None)
    if kind is None:
        raise UnexpectedPrompt(prompt)
    return kind


def reply(prompt: str) -> str:
    """The plain reply to a prompt of any kind."""
    return _PLAIN[kind_of(prompt)](prompt)


def fact_of(prompt: str) -> str:
    """SQL of a fact that says the first turn that a prompt shows, and a word more.

    A fact that has only words of a turn is not shown beside it.
    """
    columns = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES"
    rows = rows_saying("did", window(prompt))
    if not rows:
        return sql("-- none")
    row, last = rows[0].rsplit("', ", 1)
    return sql(f"{columns} {row.rstrip('.!')} as told', {last};")


class Talker:
    """A DSPy engine that answers by the kind of prompt; many threads may ask it.

    `replies` hold, for some kinds, what is said in place of the plain reply: a function of the
    prompt, which may raise. `prompts` are those it was given, by kind.
    """

    def __init__(self, replies: Mapping[str, Callable[[str], str]]) -> None:
        self._replies = {**_PLAIN, **replies}
        self._lock = Lock()
        self.prompts: list[tuple[str, str]] = []

    def calls(self) -> dict[str, int]:
        return dict(Counter(kind for kind, _ in self.prompts))

    def prompts_for(self, kind: str) -> list[str]:
        return [prompt for of, prompt in self.prompts if of == kind]

    def complete(self, request: Request) -> Response:
        prompt = request.messages[-1].text or ""
        kind = kind_of(prompt)
        with self._lock:
            self.prompts.append((kind, prompt))
        text = self._replies[kind](prompt)
        usage = Usage(input_tokens=7, output_tokens=3, total_tokens=10)
        said = Message.assistant([TextPart(text)])
        return Response(id=None, model="talker", message=said, finish_reason="stop", usage=usage)


_PLAIN: dict[str, Callable[[str], str]] = {
    "probe": lambda prompt: "yes",
    "judge": lambda prompt: RIGHT,
    "correct": lambda prompt: "[[ ## edits ## ]]\nnone\n\n[[ ## completed ## ]]",
    "answer": lambda prompt: answer("Lyon", "1"),
    "small answer": lambda prompt: "Lyon",
    "retrieve": lambda prompt: sql("SELECT turn_id, value FROM facts"),
    "store": fact_of,
}


def talker(
    window: int = 2,
    name: str = "talker",
    api_base: str | None = None,
    **replies: Callable[[str], str],
) -> tuple[Model, Talker]:
    """A Model that talks, and its engine; by the packaged model's name it works as that one."""
    engine = Talker(replies)
    return model_over(engine, name, window=window, api_base=api_base), engine
