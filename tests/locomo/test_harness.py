"""The benchmark's machine: memories built once, questions asked once, nothing seen by others."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locomo import harness
from locomo.dataset.format import Conversation, load_conversations
from locomo.harness import Setup, build_memory, is_built
from locomo.systems import ask_memory, ask_newest
from memory import InputError, Memory, MemoryProgram, open_store
from memory.errors import ModelError
from memory.models import Model
from tests.support.benchmark_records import longmemeval_question
from tests.support.locomo_records import write
from tests.support.scripted import answer, scripted_model, sql, window
from tests.support.talk import ANN, FACT, fact_of, talk, talker, talks


def tiny(folder: Path, **changed: Any) -> Conversation:
    [conversation] = load_conversations(talks(folder / "talk.json", talk(**changed)))
    return conversation


def setup(model: Model, budget: int = 2_000) -> Setup:
    return Setup(model, MemoryProgram(), budget, sql="always")


def taught() -> MemoryProgram:
    """A program with other instructions."""
    program = MemoryProgram()
    predict = program.store.predict
    predict.signature = predict.signature.with_instructions("Store what was said as facts.")
    return program


# --- building -----------------------------------------------------------------------------------


def test_a_memory_is_built_once_and_found_again_by_the_same_makers(tmp_path: Path) -> None:
    model, engine = talker()
    first = build_memory(tiny(tmp_path), setup(model), tmp_path / "memories")
    assert (first.turns, first.facts, first.failed, first.calls, first.tokens) == (6, 3, 0, 3, 30)
    made = first.path.read_bytes()
    assert build_memory(tiny(tmp_path), setup(model), tmp_path / "memories") == first
    assert first.path.read_bytes() == made
    assert engine.calls() == {"store": 3}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "program", "changed"),
    [
        ({"name": "another"}, MemoryProgram(), {}),
        ({"api_base": "http://127.0.0.1:8000/v1"}, MemoryProgram(), {}),
        ({"window": 3}, MemoryProgram(), {}),
        ({}, taught(), {}),
        ({}, MemoryProgram(), {"session_1": [*ANN[:2], {**ANN[2], "text": "My cat Miso?"}]}),
        ({}, MemoryProgram(), {"session_1_date_time": "1:56 pm on 9 May, 2017"}),
    ],
    ids=["model", "address", "window", "program", "text", "date"],
)
def test_other_makers_make_another_memory(
    tmp_path: Path, model: dict[str, Any], program: MemoryProgram, changed: dict[str, Any]
) -> None:
    first = build_memory(tiny(tmp_path), setup(talker()[0]), tmp_path / "memories")
    other, engine = talker(**model)
    made_by = Setup(other, program, 2_000)
    second = build_memory(tiny(tmp_path, **changed), made_by, tmp_path / "memories")
    assert second.path != first.path
    assert engine.calls()["store"] == second.calls


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["api.py", "weights.json", "kinds.txt", "0016_schema.sql"])
def test_another_version_of_the_code_makes_another_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    first = build_memory(tiny(tmp_path), setup(talker()[0]), tmp_path / "memories")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / name).write_text("# another version")
    monkeypatch.setattr(harness, "files", lambda package: tmp_path / "package")
    second = build_memory(tiny(tmp_path), setup(talker()[0]), tmp_path / "memories")
    assert second.path != first.path


@pytest.mark.slow
def test_a_memory_that_was_deleted_is_built_again(tmp_path: Path) -> None:
    first = build_memory(tiny(tmp_path), setup(talker()[0]), tmp_path / "memories")
    first.path.unlink()
    model, engine = talker()
    assert build_memory(tiny(tmp_path), setup(model), tmp_path / "memories").facts == 3
    assert engine.calls() == {"store": 3}


@pytest.mark.slow
def test_an_interrupted_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """Five times Ctrl-C in the second window: more often than a window that fails is tried."""

    def stop(prompt: str) -> str:
        if "[3]" in window(prompt):
            raise KeyboardInterrupt
        return fact_of(prompt)

    interrupted, engine = talker(store=stop)
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            build_memory(tiny(tmp_path), setup(interrupted), tmp_path / "memories")
    assert ["[1]" in window(prompt) for prompt in engine.prompts_for("store")].count(True) == 1
    model, engine = talker()
    built = build_memory(tiny(tmp_path), setup(model), tmp_path / "memories")
    assert engine.calls() == {"store": 2}
    assert (built.facts, built.failed, built.turns) == (3, 0, 6)
    assert (built.calls, built.tokens) == (3, 30)  # the interrupted build's own call is in it
    with open_store(built.path, read_only=True) as store:
        assert [turn.source for turn in store.turns()] == [
            *("D1:1", "D1:2", "D1:3", "D2:1", "D2:2", "D2:3")
        ]
    assert {path.suffix for path in built.path.parent.iterdir()} <= {
        *(".db", ".db-wal", ".db-shm", ".json", ".lock")
    }


@pytest.mark.slow
def test_a_window_that_cannot_be_stored_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    def refused(prompt: str) -> str:
        first = prompt.split("[[ ## window ## ]]\n[")[1].split("]")[0]
        return sql("DROP TABLE turns") if first == "3" else fact_of(prompt)

    model, engine = talker(store=refused)
    built = build_memory(tiny(tmp_path), setup(model), tmp_path / "memories")
    assert (built.facts, built.failed, built.calls) == (2, 1, 1 + 2 * 3 + 1)
    assert engine.calls() == {"store": 8}
    assert not is_built(built.path)
    whole = build_memory(tiny(tmp_path), setup(talker()[0]), tmp_path / "memories")
    assert (whole.facts, whole.failed, whole.calls) == (3, 0, 9)
    assert is_built(whole.path)


@pytest.mark.slow
def test_a_memory_of_which_nothing_could_be_stored_is_refused(tmp_path: Path) -> None:
    model, _ = talker(store=lambda prompt: "<html>Bad gateway</html>")
    with pytest.raises(ModelError, match="none of the 3 windows"):
        build_memory(tiny(tmp_path), setup(model), tmp_path / "memories")
    assert build_memory(tiny(tmp_path), setup(talker()[0]), tmp_path / "memories").failed == 0


# --- asking -------------------------------------------------------------------------------------


def test_a_question_is_asked_of_a_memory_that_it_cannot_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = tiny(tmp_path)
    built = build_memory(conversation, setup(talker()[0]), tmp_path / "memories")
    before, refused = built.path.read_bytes(), []
    ask = Memory.ask

    def write_then_ask(memory: Memory, question: str, **known: Any) -> Any:
        for attempt in (
            lambda: memory.store.write(FACT.format(1), cause="a test"),
            lambda: memory.add(conversation.turns[0]),
        ):
            with pytest.raises(Exception, match=r"reading only|write-protected"):
                attempt()
            refused.append(attempt)
        return ask(memory, question, **known)

    monkeypatch.setattr(Memory, "ask", write_then_ask)
    for reply in ("SELECT turn_id, value FROM facts", FACT.format(1), "DELETE FROM facts"):
        model, _ = talker(retrieve=lambda prompt, reply=reply: sql(reply))
        result = ask_memory(conversation, conversation.questions[0], setup(model), built.path)
        assert result.answer == "Lyon"
    assert len(refused) == 6
    assert built.path.read_bytes() == before
    with sqlite3.connect(built.path) as conn:
        assert conn.execute("SELECT count(*) FROM facts").fetchone() == (3,)


def test_a_result_says_what_was_shown_cited_and_what_no_fact_names(tmp_path: Path) -> None:
    said = [*ANN, *({**ANN[0], "dia_id": f"D1:{n}", "text": "Hm. " * 30} for n in range(4, 40))]
    conversation = tiny(tmp_path, session_1=said)
    model, _ = talker(window=39, answer=lambda prompt: answer("Lyon", "1, 99"))
    built = build_memory(conversation, setup(model), tmp_path / "memories")
    asked = replace(conversation.questions[0], evidence=("D1:1", "D1:39"))
    result = ask_memory(conversation, asked, setup(model, 128), built.path)
    assert (result.score, result.recall, result.cited) == (1.0, 0.5, ("D1:1",))
    assert result.without_fact == ("D1:39",)
    assert result.sql == ("SELECT turn_id, value FROM facts",)
    assert (result.rows, result.calls) == (2, 2)
    assert 0 < result.tokens <= 128


def test_a_small_models_program_answers_from_the_newest_turns(tmp_path: Path) -> None:
    """It compares its answer with a memory, which the system without one has to bring."""
    conversation = tiny(tmp_path)
    model = scripted_model([(["Which city did Ann move to?"], "Lyon")], size="small")
    small = Setup(model, MemoryProgram("brief"), 2_000, sql="never")
    result = ask_newest(conversation, conversation.questions[0], small)
    assert (result.answer, result.calls) == ("Lyon", 1)


def test_no_secret_and_nothing_private_is_shown_without_a_memory(tmp_path: Path) -> None:
    """A trace keeps what is shown, and the model may be a hosted one."""
    token = "ghp_abcdefghijklmnopqrstuvwxyz1234567890"
    text = f"The token is {token}, <private>and I am ill</private>, in Lyon."
    conversation = tiny(tmp_path, session_1=[{**ANN[0], "text": text}])
    prompts: list[str] = []

    def seen(prompt: str) -> str:
        prompts.append(prompt)
        return answer("Lyon", "1")

    ask_newest(conversation, conversation.questions[0], setup(talker(answer=seen)[0]))

    assert "The token is [withheld], [private], in Lyon." in prompts[0]
    assert token not in prompts[0]
    assert "I am ill" not in prompts[0]


def test_the_newest_turns_and_the_memory_have_the_same_budget_in_a_models_own_tokens(
    tmp_path: Path,
) -> None:
    pairs = [f"{first}{second}" for first in "abcdefgh" for second in "klmnopqrst"][:79]
    said = [
        {**ANN[0], "dia_id": f"D1:{n}", "text": f"So we talked of {pair}. " * 2}
        for n, pair in enumerate(pairs, 1)
    ]
    conversation = tiny(tmp_path, session_1=said)
    question = conversation.questions[0]
    tokens: dict[str, list[int]] = {}
    for name in ("a/model", "openai/gpt-4o-mini"):
        known = setup(talker(window=79, name=name)[0], 500)
        path = build_memory(conversation, replace(known, turns_only=True), tmp_path / name).path
        results = (
            ask_newest(conversation, question, known),
            ask_memory(conversation, question, replace(known, sql="never"), path),
        )
        assert all(result.tokens <= 500 for result in results)
        tokens[name] = [len(numbers(result.shown)) for result in results]
    for before, after in zip(*tokens.values(), strict=True):
        assert before < after


def numbers(shown: str) -> list[int]:
    """The numbers in `Result.shown`."""
    ends = [run.partition("-") for run in shown.split()]
    return [n for low, _, high in ends for n in range(int(low), int(high or low) + 1)]


def test_a_question_is_asked_by_its_asker_on_its_day(tmp_path: Path) -> None:
    file = write(tmp_path / "longmemeval.json", longmemeval_question(question="Where do I live?"))
    [conversation] = load_conversations(file)
    model, engine = talker()
    built = build_memory(conversation, setup(model), tmp_path / "memories")
    [question] = conversation.questions
    results = [
        ask_memory(conversation, question, setup(model), built.path),
        ask_newest(conversation, question, setup(model)),
    ]
    for prompt in engine.prompts_for("answer"):
        assert "[[ ## asker ## ]]\nuser\n" in prompt
        assert "[[ ## today ## ]]\nTue 30 May 2017\n" in prompt
    assert len(engine.prompts_for("answer")) == 2
    assert {result.question_type for result in results} == {"knowledge-update"}
    assert results[0].recall == 1.0


@pytest.mark.slow
def test_two_conversations_do_not_see_each_other(tmp_path: Path) -> None:
    """Though they have the same speakers, words and sources, and one of them changed a word."""
    moved = {**ANN[0], "text": "I moved to Oslo last Saturday."}
    file = talks(tmp_path / "two.json", talk("a"), talk("b", session_1=[moved, *ANN[1:]]))
    model, engine = talker(retrieve=lambda p: sql("SELECT id AS turn_id, text FROM turns"))
    for conversation, own, other in zip(
        load_conversations(file), ("Lyon", "Oslo"), ("Oslo", "Lyon"), strict=True
    ):
        built = build_memory(conversation, setup(model), tmp_path / "memories")
        for question in conversation.questions:
            ask_memory(conversation, question, setup(model), built.path)
            ask_newest(conversation, question, setup(model))
        prompts = [prompt for kind, prompt in engine.prompts if kind in ("store", "answer")]
        assert sum(own in prompt for prompt in prompts) == 9  # one before a window, one in its fact
        assert not any(other in prompt for prompt in prompts)
        engine.prompts.clear()


@pytest.mark.parametrize(
    ("budget", "says"), [(63, "at least 64"), (0, "at least 64"), (31_489, "at most 31488")]
)
def test_a_budget_that_fits_nothing_is_refused(budget: int, says: str) -> None:
    with pytest.raises(InputError, match=says):
        setup(talker()[0], budget).check()
    setup(talker()[0], 64).check()
    setup(talker()[0], 31_488).check()
