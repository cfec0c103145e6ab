"""What models, prompts of others and people are shown of a few small memories.

`tests/memory/test_expected_prompts.py` compares it with what
the files in `tests/memory/expected_prompts` hold.
After a change that is meant, `python -m tests.support.expected_prompts` writes them anew.
"""

import hashlib
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from locomo.dataset.format import load_conversations
from memory import Answer, Memory, Store, Turn, memory_tools, open_store
from memory.agents.blocks import prompt_block, start_block
from memory.facts import edit
from memory.models import Model
from memory.models.in_process import GgufAdapter
from memory.models.sizes import SMALL_BUDGET, Size
from memory.program import AskMemory, MemoryProgram
from memory.program.program_card import Form
from memory.records import SqlUse
from memory.refine.questions import (
    FactReader,
    MeasuredQuestion,
    windows_all_over,
    written_questions,
)
from memory.refine.workbench import Draft
from memory.store.configuration.settings import set_setting
from tests.support.scripted import scripted_model, scripted_packaged_model

TESTS = Path(__file__).parent.parent
EXPECTED = TESTS / "memory" / "expected_prompts"
DATA = TESTS.parent / "data"
NOW = datetime(2024, 6, 20, 12)

# What the recorded model answers, by the first field that a prompt asks for.
SELECTS = """\
SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts ORDER BY id LIMIT 30;
SELECT s.turn_id, t.said_at, t.speaker, t.text FROM search('move home work', 5) s
JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC;
SELECT COUNT(*) AS facts FROM facts;
SELECT turn_id, last_turn_id, summary FROM summaries ORDER BY turn_id LIMIT 2"""
LOOK = """\
SELECT COUNT(*) AS turns FROM turns;
open 3, 999
search cake candles"""
ANSWERS = {
    "look": LOOK,
    "answer": "Oslo\n\n[[ ## turns ## ]]\n1",
    "reply": "In Oslo, I think.\n\n[[ ## turns ## ]]\n1",
    "edits": "none",
    "summary": "Anna moved, and Ben was glad.",
    "questions": "1 | Where did Anna move? | Oslo",
    "same": "True",
}


class Recorder:
    """A DSPy engine that keeps what it is asked, and answers whatever fits the field."""

    def __init__(self, selects: str = SELECTS) -> None:
        self.selects = selects
        self.prompts: list[tuple[str, str]] = []  # a system message, and the others

    def complete(self, request: Request) -> Response:
        system = request.system or ""
        if not isinstance(system, str):
            system = "".join(part.text for part in system)
        others = "\n".join(f"<{m.role}>\n{m.text or ''}" for m in request.messages)
        self.prompts.append((system, others))
        usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
        return Response(
            id=None,
            model="recorded",
            message=Message.assistant([TextPart(self._answer(system, others))]),
            finish_reason="stop",
            usage=usage,
        )

    def _answer(self, system: str, others: str) -> str:
        if "[[ ## completed ## ]]" not in system:
            return "Oslo"  # short prompts, without markers
        field = others.rpartition("starting with the field `[[ ## ")[2].partition(" ## ]]")[0]
        if field == "sql":
            text = "-- none" if "[[ ## known ## ]]" in others else self.selects
        elif field == "kept":
            turn = others.partition("[[ ## answers ## ]]\n[")[2].partition("]")[0]
            text = f"[{turn}] a plan in three parts"
        else:
            text = ANSWERS[field]
        return f"[[ ## {field} ## ]]\n{text}\n\n[[ ## completed ## ]]"


def recording_model(
    recorder: Recorder, form: Form = "full", budget: int = 2_000, window: int = 16
) -> Model:
    """A hosted model whose prompts a recorder keeps."""
    size: Size = "small" if form == "brief" else "large"
    model = scripted_model([], window=window, budget=budget, size=size)
    return replace(model, lm=_lm(recorder))


def recording_memory(
    store: Store,
    recorder: Recorder,
    form: Form = "full",
    sql: SqlUse = "always",
    budget: int = 2_000,
) -> Memory:
    """A memory asked with a hosted model whose prompts a recorder keeps."""
    model = recording_model(recorder, form, budget)
    program = AskMemory(sql=sql) if form == "full" else None
    return Memory(store, model=model, program=program)


def small_model(recorder: Recorder) -> Model:
    """The packaged model, untuned, whose prompts a recorder keeps; but its answers are tuned."""
    model = scripted_packaged_model([])
    adapter = GgufAdapter(frozenset({"answer"}))
    limits = replace(model.limits, budget=SMALL_BUDGET)
    return replace(model, name="local-base", lm=_lm(recorder), adapter=adapter, limits=limits)


def _lm(recorder: Recorder) -> dspy.LM:
    return dspy.LM("local/recorded", engine=recorder, cache=False, num_retries=0)


# --- the memories -----------------------------------------------------------------------------

FRIENDS = [
    Turn("Anna", "I moved to Oslo last Saturday!", "one", "2017-05-08T13:56"),
    Turn("Ben", "Wow. How is the new flat?", "one", "2017-05-08T13:57"),
    Turn("Anna", "Small, but my cat Miso loves the window.", "one", "2017-05-08"),
    Turn("Ben", "I adopted a dog, Rufus.", "two", "2017-06-12T09:00"),
    Turn("Anna", "Lovely! I am allergic to dogs though.", "two", "2017-06-12"),
    Turn("Ben", "Then visit us in the garden, we barbecue every Sunday.", "two", "2017-06-12"),
    Turn("Anna", "I moved to Bergen yesterday, for the job at the harbour.", "three", "2017-09-03"),
    Turn("Ben", "The wedding is on the 12th of May.", "three", "2017-09-04"),
    Turn("Ben", "The wedding is on the 19th of May.", "three", "2017-09-11"),
    Turn("Anna", "Always answer in short sentences, please.", "three", "2017-09-12"),
    Turn("Anna", "I have never flown.", "four", "2018-02-01"),
    Turn("Anna", "I flew to Rome in May 2016.", "four", "2018-02-03"),
]
FRIENDS_FACTS = """
INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id) VALUES
 ('Anna', 'lives_in', 'Oslo', '2017-05-06', '2017-09-02', 1),
 ('Anna', 'has_pet', 'cat Miso', NULL, NULL, 3),
 ('Ben', 'has_pet', 'dog Rufus', '2017-06', NULL, 4),
 ('Anna', 'allergic_to', 'dogs', NULL, NULL, 5),
 ('Anna', 'lives_in', 'Bergen', '2017-09-02', NULL, 7),
 ('Anna', 'works_at', 'the harbour', '2017-09', NULL, 7),
 ('Anna', 'instruction', 'answer in short sentences', NULL, NULL, 10),
 ('Anna', 'never', 'flown', NULL, NULL, 11),
 ('Anna', 'travelled_to', 'Rome', '2016-05', NULL, 12);
INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute)
 VALUES (11, 'never', 12, 'travelled_to');
INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES
 (1, 3, 'Anna moved to Oslo and got a cat, and Ben was glad.'),
 (4, 6, 'Ben adopted Rufus; Anna is allergic, he invited her to the garden.'),
 (7, 10, 'Anna moved to Bergen for the harbour; Ben moved his wedding.')
"""


def of_file(path: str, turns: int) -> list[Turn]:
    """The first turns of a conversation in `data`."""
    [conversation, *_] = load_conversations(DATA / path)
    return [replace(turn, source="") for turn in conversation.turns[:turns]]


@contextmanager
def memory_of(
    turns: Sequence[Turn], sql: str = "", settings: Mapping[str, Any] | None = None
) -> Iterator[Store]:
    """A memory of these turns with facts of SQL."""
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "memory.db") as store:
        store.add(turns)
        if sql:
            store.write(sql, cause="digest by test", window=(1, len(turns)))
        for name, value in (settings or {}).items():
            set_setting(store, name, value)
        yield store


Texts = dict[str, str]
Group = Callable[[], Texts]


def prompts_of(recorder: Recorder, name: str, texts: Texts) -> None:
    """Take what was recorded, numbered."""
    for number, (system, others) in enumerate(recorder.prompts, 1):
        key = hashlib.sha256(system.encode()).hexdigest()[:12]
        texts.setdefault(f"system {key}", system)
        texts[f"{name}, call {number}"] = f"(system {key})\n{others}"
    recorder.prompts.clear()


def friends() -> Texts:
    """Two friends: facts that ended, contradict each other, and are to be followed."""
    texts: Texts = {}
    recorder = Recorder()
    with memory_of(FRIENDS, FRIENDS_FACTS, {"user": "Anna"}) as store:
        for form in ("full", "brief"):
            memory = recording_memory(store, recorder, form)
            for question in (
                "Where does Anna live?",
                "Which pets do the friends have?",
                "When is Ben's wedding?",
                "Has Anna ever flown to Rome?",
                "Summarize what happened to Anna.",
            ):
                memory.ask(question, asker="Anna", now=NOW)
                prompts_of(recorder, f"ask {form}: {question}", texts)
        tight = recording_memory(store, recorder, sql="when it pays", budget=130)
        for question in ("Which pets do they have?", "What did Anna do first, what then?"):
            tight.ask(question)
            prompts_of(recorder, f"ask in 130 tokens: {question}", texts)
        packaged = Memory(store, model=small_model(recorder))
        for question in ("Who loves the window?", "What do they do every Sunday?"):
            packaged.ask(question, asker="Ben")
            prompts_of(recorder, f"ask packaged: {question}", texts)
        _replies(store, recorder, texts)
        _blocks(store, texts)
        _corrections(store, recorder, texts)
        _questions(store, recorder, texts)
    return texts


def _replies(store: Store, recorder: Recorder, texts: Texts) -> None:
    memory = recording_memory(store, recorder)
    recent = store.turns(10, 11)
    for number, text in enumerate(("Where do I live, by the way?", "Thanks, that is all."), 1):
        message = Turn("Anna", text, "five", "2024-06-20")
        reply = memory.reply(message, recent, character="Sam", persona="kind", known_as=["Annie"])
        assert "".join(reply)
        prompts_of(recorder, f"reply {number}", texts)


def _blocks(store: Store, texts: Texts) -> None:
    memory = Memory(store)
    for message in (
        "Where does Anna live now?",
        "When is the wedding?",
        "What is two plus two?",
        "What shall I cook for Anna and Ben in the garden on Sunday?",
    ):
        block = memory.context(message, speaker="Anna", now=NOW)
        texts[f"context: {message}"] = block.text
        texts[f"context in 200 tokens: {message}"] = memory.context(
            message, speaker="Anna", now=NOW, budget=200, gate=False
        ).text
    templates = {"ltm_reads": {"max_cosine_distance": 2.0, "num_memories_to_fetch": 3}}
    texts["context in templates"] = memory.context(
        "Where does Anna live now?", config=templates, speaker="Anna", now=NOW
    ).text
    texts["context beside a session"] = memory.context(
        [{"role": "user", "content": "Where is the wedding?"}], session="three", now=NOW
    ).text
    tools = {tool.__name__: tool for tool in memory_tools(memory, groups=("operations",))}
    for query in ("Where does Anna live?", "wedding", "pets"):
        texts[f"recall tool: {query}"] = tools["recall"](query=query)
    texts["hooks, start"] = start_block(store, None, session="six", speaker="Anna", tokens=400)
    texts["hooks, prompt"] = prompt_block(
        store, None, "Where does Anna live?", session="six", speaker="Anna", tokens=400
    )


def _corrections(store: Store, recorder: Recorder, texts: Texts) -> None:
    answer = Answer("Anna lives in Bergen.", (7,), (), (), 0, 1, (7,))
    memory = Memory(store, model=recording_model(recorder))
    memory.correct(Turn("Anna", "No, I moved away.", said_at="2024-06-20"), answer)
    prompts_of(recorder, "correction", texts)


def _questions(store: Store, recorder: Recorder, texts: Texts) -> None:
    model, program = recording_model(recorder), MemoryProgram()
    assert program.question
    written_questions(store, model, program.question, windows_all_over(store.turns(), 2))
    reader = FactReader(store, model, program.answer, program.compare)
    draft = Draft(store)
    reader.score(MeasuredQuestion("Where does Anna live?", "Bergen", 7), draft.start)
    prompts_of(recorder, "refine", texts)


def digests() -> Texts:
    """Digests of a chat with an assistant, which gives long answers, and of two friends."""
    texts: Texts = {}
    recorder = Recorder()
    assistant = of_file("assistants/home-gym.json", 24)
    for form in ("full", "brief"):
        with memory_of(assistant) as store:
            Memory(store, model=recording_model(recorder, form, window=8)).digest(max_calls=5)
            prompts_of(recorder, f"digest {form}, assistant", texts)
    with memory_of(FRIENDS[:7], settings={"user": "Anna"}) as store:
        store.write(
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
            " ('Anna', 'lives_in', 'Oslo', '2017-05-06', 1);"
            " INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES"
            " (1, 3, 'Anna moved to Oslo and got a cat.')",
            cause="digest by test",
            window=(1, 3),
        )
        edit(store, store.facts()[0].id, "was wrong", value="Moss", by="Anna")
        Memory(store, model=recording_model(recorder, window=4)).digest()
        prompts_of(recorder, "digest after a correction", texts)
    # A correction has the day on which it is made.
    day = re.compile(r"(?<=corrected by Anna on )[-\d]+")
    return {name: day.sub("2024-06-20", text) for name, text in texts.items()}


GROUPS: Sequence[Group] = (friends, digests)


def file_of(texts: Texts) -> str:
    """Texts under their names, as a file keeps them."""
    return "".join(f"======== {name}\n{text}\n" for name, text in texts.items())


if __name__ == "__main__":
    EXPECTED.mkdir(exist_ok=True)
    for group in GROUPS:
        texts = group()
        (EXPECTED / f"{group.__name__}.txt").write_text(file_of(texts), "utf-8")
        print(f"{group.__name__}: {len(texts)} texts")
