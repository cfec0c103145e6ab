"""What a person adds, corrects and ends decides the answer, whichever door it comes through.

By rows; where no template asks for it, it stands first among the nearest turns, with what was
before. Of attributes without any template it is among those turns, or the old value is marked.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
import pytest
from starlette.testclient import TestClient

from memory import Memory, Store, facts, open_store
from memory.cli.chat.background import Background
from memory.cli.chat.commands import obey
from memory.cli.chat.screen import Screen
from memory.cli.chat.session import Chat
from memory.evidence.messages import NEAREST_HEAD
from memory.models import load_model
from memory.program import AnswerQuestion
from memory.program.quotations import answer_lines
from memory.records import ABSTAIN
from memory.store.namespaces import create, location_of
from memory.store.turns.turn_validation import local_now
from tests.support.commands import run
from tests.support.facts_by_hand import CASES, OVER, QUOTED, TURNS, ByHand
from tests.support.mcp_clients import text_of, use
from tests.support.page_client import finished, hidden, page_client, shown
from tests.support.serving import serving, token

NAME = "hand"


@dataclass(frozen=True)
class Door:
    """How one door adds, corrects, ends and asks: `ask` gives what a person is shown."""

    add: Callable[[ByHand], object]
    correct: Callable[[ByHand, int], object]
    end: Callable[[int], object]
    ask: Callable[[str], str]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    create(NAME)
    with opened() as store:
        store.add(TURNS)
    return tmp_path


@contextmanager
def opened() -> Iterator[Store]:
    with open_store(location_of(NAME)) as store:
        yield store


@pytest.fixture(autouse=True)
def _no_model_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def abstain(*args: object, **kwargs: object) -> dspy.Prediction:
        return dspy.Prediction(answer=ABSTAIN, calls=0)

    monkeypatch.setattr(AnswerQuestion, "forward", abstain)


def first_shown(text: str) -> str:
    """The answer, or the first of the nearest turns, in small letters."""
    _, found, nearest = text.partition(NEAREST_HEAD)
    lines = [line for line in (nearest if found else text).splitlines() if line.strip()]
    return lines[0].lower()


@contextmanager
def by_python() -> Iterator[Door]:
    model = load_model("local")
    with opened() as store, Memory(store, model=model) as memory:
        yield Door(
            add=lambda case: facts.add(
                store,
                subject=case.subject,
                attribute=case.attribute,
                value=case.value,
                happened_on=case.on,
            ),
            correct=lambda case, number: facts.supersede(store, number, case.new_value),
            end=lambda number: facts.end(store, number),
            ask=lambda question: "\n".join(answer_lines(memory.ask(question))),
        )


@contextmanager
def by_command() -> Iterator[Door]:
    def add(case: ByHand) -> None:
        on = ["--on", case.on] if case.on else []
        run("facts", "add", case.subject, case.attribute, case.value, *on, "-n", NAME)

    def ask(question: str) -> str:
        return run("ask", question, "-n", NAME)

    yield Door(
        add=add,
        correct=lambda case, number: run(
            "facts", "edit", number, "--value", case.new_value, "-n", NAME
        ),
        end=lambda number: run("facts", "edit", number, "--ended-on", local_now()[:10], "-n", NAME),
        ask=ask,
    )


@contextmanager
def by_page() -> Iterator[Door]:
    with page_client(load_model("local")) as client:
        base = f"/m/{NAME}"

        def post(path: str, **fields: object) -> None:
            response = client.post(f"{base}{path}", data=fields)
            assert response.status_code == 200, shown(response.text)

        def seen(number: int) -> str:
            return hidden(client.get(f"{base}/facts/{number}").text, "seen")

        def ask(question: str) -> str:
            response = client.post(f"{base}/ask", data={"question": question})
            return shown(finished(client, str(response.url)))

        yield Door(
            add=lambda case: post(
                "/facts",
                subject=case.subject,
                attribute=case.attribute,
                value=case.value,
                happened_on=case.on,
            ),
            correct=lambda case, number: post(
                f"/facts/{number}", edit="supersede", value=case.new_value, seen=seen(number)
            ),
            end=lambda number: post(f"/facts/{number}", edit="end", on="", seen=seen(number)),
            ask=ask,
        )


@contextmanager
def by_api() -> Iterator[Door]:
    with serving(load_model("local"), signed_in=False) as client:
        client.headers.update(token(NAME))
        yield _api_door(client)


def _api_door(client: TestClient) -> Door:
    def post(path: str, **fields: object) -> Any:
        response = client.post(f"/api/{NAME}{path}", json=fields)
        assert response.status_code == 200, response.text
        return response.json()

    return Door(
        add=lambda case: post(
            "/facts",
            subject=case.subject,
            attribute=case.attribute,
            value=case.value,
            happened_on=case.on,
        ),
        correct=lambda case, number: post(f"/facts/{number}/correction", value=case.new_value),
        end=lambda number: post(f"/facts/{number}/end"),
        ask=lambda question: _shown_by_api(post("/ask", question=question)),
    )


def _shown_by_api(answer: Any) -> str:
    """An answer of the API as a program shows it."""
    if not answer["nearest"]:
        return str(answer["answer"])
    lines = [f"{turn['text']} {turn['mark']}" for turn in answer["nearest"]]
    return "\n".join([NEAREST_HEAD, *lines])


@contextmanager
def by_mcp() -> Iterator[Door]:
    from memory.server.handles import Handles
    from memory.server.mcp_server import mcp_server

    handles = Handles(load_model("local"))
    server = mcp_server(handles, NAME)

    def call(tool: str, **arguments: Any) -> str:
        text = use(server, lambda client: text_of(client, tool, **arguments))
        assert not text.startswith("error"), text
        return text

    def add(case: ByHand) -> None:
        fact = {"subject": case.subject, "attribute": case.attribute, "value": case.value}
        turn = {"text": f"{case.subject}, {case.attribute}: {case.value}"}  # no template's form
        call("remember", turns=[turn], facts=[{**fact, "on": case.on}])

    yield Door(
        add=add,
        correct=lambda case, number: call("correct_fact", fact_id=number, value=case.new_value),
        end=lambda number: call("correct_fact", fact_id=number, kind="is over"),
        ask=lambda question: call("ask_memory", question=question),
    )
    handles.close()


@contextmanager
def by_chat() -> Iterator[Door]:
    import io

    from rich.console import Console

    screen_text = io.StringIO()
    model = load_model("local")
    with opened() as store:
        background = Background(str(location_of(NAME)), model, since=1, digests=False)
        screen = Screen(Console(file=screen_text, width=300), lambda prompt: "", attended=False)
        chat = Chat(Memory(store, model=model), background, screen, NAME, speaker="Zoë")

        def say(text: str) -> str:
            before = len(screen_text.getvalue())
            obey(chat, text)
            return screen_text.getvalue()[before:]

        # A model of this size corrects nothing that is said: a person edits the fact.
        yield Door(
            add=lambda case: say(
                f"/fact {case.subject} | {case.attribute} | {case.value}"
                + (f" | {case.on}" if case.on else "")
            ),
            correct=lambda case, number: facts.supersede(chat.memory.store, number, case.new_value),
            end=lambda number: facts.end(chat.memory.store, number),
            ask=say,
        )
        background.end()


DOORS = {
    "Python": by_python,
    "command": by_command,
    "page": by_page,
    "API": by_api,
    "MCP": by_mcp,
    "chat": by_chat,
}


def _current(case: ByHand, value: str) -> int:
    with opened() as store:
        [fact] = [
            fact
            for fact in store.facts()
            if (fact.subject, fact.value) == (case.subject, value) and not fact.ended_on
        ]
    return fact.id


@pytest.mark.slow
@pytest.mark.parametrize(
    "door",
    [pytest.param(name, marks=() if name == "Python" else pytest.mark.slow) for name in DOORS],
)
def test_what_a_person_adds_corrects_and_ends_decides_the_answer(home: Path, door: str) -> None:
    misses = []
    cases = [*CASES, *QUOTED]
    with DOORS[door]() as through:

        def shown_of(case: ByHand) -> str:
            """What has to have the fact: the answer or the first turn, or anything if quoted."""
            text = through.ask(case.question)
            return text.lower() if case in QUOTED else first_shown(text)

        for case in cases:
            through.add(case)
        for case in cases:
            if case.answer not in (answer := shown_of(case)):
                misses.append(("added", case.question, answer))
        for case in cases:
            through.correct(case, _current(case, case.value))
        for case in cases:
            answer = shown_of(case)
            marked = case in QUOTED and f"{case.answer} until" in answer
            if case.corrected not in answer and not marked:
                misses.append(("corrected", case.question, answer))
        for case in cases:
            through.end(_current(case, case.new_value))
        for case in cases:
            answer = first_shown(through.ask(case.question))
            if case.corrected in answer and not any(text in answer for text in OVER):
                misses.append(("ended", case.question, answer))
    assert misses == []


@pytest.mark.few(4)
@pytest.mark.parametrize("case", [*CASES, *QUOTED], ids=lambda case: case.attribute)
def test_a_person_who_asks_about_themselves_is_answered_by_the_fact(
    home: Path, case: ByHand
) -> None:
    first_person = (
        case.question.replace(f"{case.subject}'s", "my")
        .replace(f"does {case.subject}", "do I")
        .replace(f"is {case.subject}", "am I")
        .replace(f"has {case.subject}", "have I")
        .replace(case.subject, "I")
    )
    assert case.subject not in first_person
    with by_python() as through, opened() as store:
        through.add(case)
        with Memory(store, model="local") as memory:
            answer = memory.ask(first_person, asker=case.subject)
    assert case.answer in first_shown("\n".join(answer_lines(answer)))
