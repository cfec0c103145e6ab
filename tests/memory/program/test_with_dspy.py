"""The modules as somebody uses them who knows DSPy: any LM, any adapter, any of its functions."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.utils import DummyLM

from memory import AskMemory, Fact, Memory, Store, StoreTurns, Turn, open_store
from memory.errors import ModelError
from memory.program import AnswerQuestion, Checked, RetrieveRows, TemplateRows
from memory.program.chat import ReplyToMessage
from memory.store.namespaces import path_of
from tests.support.scripted import ScriptedLM, answer, sql

WHEN_IT_PAYS = True
QUESTION = "Where did Anna move to?"
SAID = [Turn("Anna", "I moved to Oslo."), Turn("Ben", "How is the flat?")]
FACT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'moved', 'Oslo', 1)"
ASKED = [([QUESTION], sql("-- none")), (["I moved to Oslo."], answer("Oslo", "1"))]
IN_JSON = [{"sql": "-- none"}, {"answer": "Oslo", "turns": "1"}]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where memories are by name; "anna" is one."""
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with Memory("anna") as memory:
        memory.add(SAID)
    return tmp_path


@pytest.fixture
def anna(home: Path) -> Iterator[Store]:
    with open_store(path_of("anna")) as store:
        yield store


class OwnLM(dspy.BaseLM):
    """An LM of somebody's own, by the contract of `dspy.BaseLM` alone."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__("mine", cache=False)
        self.texts = list(texts)

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        text = self.texts.pop(0)
        choice = {"message": {"content": text, "role": "assistant"}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 70, "completion_tokens": 30, "total_tokens": 100}
        return dspy.utils.dummies.dotdict(choices=[choice], usage=usage, model="mine")


def asked_with(lm: dspy.BaseLM, memory: Any = "anna", **settings: Any) -> dspy.Prediction:
    with dspy.context(lm=lm, **settings):
        return AskMemory()(question=QUESTION, memory=memory)


# --- any LM, anywhere ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["LM", "DummyLM", "BaseLM"])
def test_any_lm_that_dspy_takes_answers(home: Path, kind: str) -> None:
    lms = {"LM": ScriptedLM(ASKED), "DummyLM": DummyLM(IN_JSON), "BaseLM": OwnLM(texts())}
    prediction = asked_with(lms[kind])
    assert (prediction.answer, list(prediction.turns)) == ("Oslo", [1])


def texts() -> list[str]:
    return [text for _, text in ASKED]


def test_an_lm_is_found_where_it_was_set(home: Path) -> None:
    module = AskMemory()
    module.set_lm(ScriptedLM(ASKED))
    assert module(question=QUESTION, memory="anna").answer == "Oslo"
    with Memory("anna", model=ScriptedLM([ASKED[1]])) as memory:
        assert memory.ask(QUESTION).text == "Oslo"
    with Memory("anna", model=DummyLM(IN_JSON[1:])) as memory:
        assert memory.ask(QUESTION).text == "Oslo"
    with Memory("anna", model=OwnLM(texts()[1:])) as memory:
        assert memory.ask(QUESTION).text == "Oslo"


def test_without_an_lm_the_error_says_where_to_set_one(home: Path) -> None:
    with dspy.context(lm=None), pytest.raises(ModelError, match=r"dspy\.configure\(lm="):
        AskMemory()(question=QUESTION, memory="anna")


@pytest.mark.parametrize("as_", ["name", "path", "text", "store", "memory"])
def test_a_memory_is_a_name_a_path_a_store_or_a_memory(home: Path, as_: str, anna: Store) -> None:
    file = path_of("anna")
    with Memory(anna) as opened:
        memories = {
            "name": "anna", "path": file, "text": str(file), "store": anna, "memory": opened,
        }  # fmt: skip
        assert asked_with(ScriptedLM(ASKED), memories[as_]).answer == "Oslo"


# --- the adapter ----------------------------------------------------------------------------------


def test_the_adapter_that_somebody_set_is_used(home: Path) -> None:
    lm = OwnLM([json.dumps(fields) for fields in IN_JSON])
    assert asked_with(lm, adapter=dspy.JSONAdapter()).answer == "Oslo"
    assert "JSON" in str(lm.history[0]["messages"])


def test_without_an_adapter_it_is_ours_which_reads_bare_sql(home: Path) -> None:
    lm = ScriptedLM([([QUESTION], "SELECT id FROM turns;"), (["id"], answer("Oslo", "1"))])
    prediction = asked_with(lm)
    assert (prediction.answer, len(prediction.sql)) == ("Oslo", 1)


@pytest.mark.parametrize(
    ("adapter", "replies"),
    [
        (dspy.JSONAdapter(), ['{"sql": "-- none"}', '{"answer": "Oslo"}']),
        (
            dspy.XMLAdapter(use_json_adapter_fallback=False),
            ["<sql>\n-- none\n</sql>", "<answer>\nOslo\n</answer>"],
        ),
        (
            dspy.XMLAdapter(use_json_adapter_fallback=False),
            ["<sql>-- none</sql>", "Sure! <answer>Oslo</answer> <turns>1"],
        ),
        (
            dspy.ChatAdapter(use_json_adapter_fallback=False),
            ["[[ ## sql ## ]]\n-- none", "[[ ## answer ## ]]\nOslo"],
        ),
        (dspy.JSONAdapter(), ["<sql>-- none</sql>", answer("Oslo", "1")]),
        (None, ["-- none", "<answer>Oslo</answer>"]),
    ],
)
def test_a_reply_without_all_fields_is_read_whatever_the_adapter(
    home: Path, adapter: dspy.Adapter | None, replies: list[str]
) -> None:
    lm = OwnLM(replies)
    with dspy.context(trace=[]):
        prediction = asked_with(lm, adapter=adapter)
        assert (prediction.answer, list(prediction.turns), prediction.calls) == ("Oslo", [1], 2)
        outputs = [said for *_, said in dspy.settings.trace]
    assert outputs[-1].answer == "Oslo"  # as an optimizer sees it


def test_facts_and_replies_are_read_from_partial_replies_of_other_adapters(home: Path) -> None:
    with dspy.context(lm=OwnLM([f"Here it is: <sql>{FACT}</sql>"]), adapter=dspy.XMLAdapter()):
        assert [fact.value for fact in StoreTurns()(memory="anna").facts] == ["Oslo"]
    fields = {
        "character": "Bo",
        "persona": "",
        "known_as": "",
        "recent": "",
        "evidence": "[1] A: I",
    }
    with dspy.context(lm=OwnLM(['{"reply": "Hi!"}']), adapter=dspy.JSONAdapter()):
        assert ReplyToMessage()(**fields, message="Hello").reply == "Hi!"


# --- DSPy's functions -------------------------------------------------------------------------


def test_it_streams(home: Path) -> None:
    async def streamed() -> Any:
        program = dspy.streamify(AskMemory())
        with dspy.context(lm=ScriptedLM(ASKED)):
            async for part in program(question=QUESTION, memory="anna"):
                last = part
        return last

    assert asyncio.run(streamed()).answer == "Oslo"


def test_an_evaluation_with_rows_is_written_as_json(home: Path) -> None:
    example = dspy.Example(question=QUESTION, memory="anna", answer="Oslo")
    file = home / "evaluated.json"
    select = "SELECT speaker, text FROM turns WHERE id = 1"
    lm = DummyLM({QUESTION: {"sql": select, "answer": "Oslo", "turns": "1"}})
    with dspy.context(lm=lm):
        evaluate = dspy.Evaluate(
            devset=[example.with_inputs("question", "memory")],
            metric=_is_right,
            display_progress=False,
            save_as_json=str(file),
        )
        evaluate(AskMemory())
        voted = dspy.majority([AskMemory()(question=QUESTION, memory="anna")] * 3)
    [written] = json.loads(file.read_bytes())
    [rows] = written["rows"]
    assert rows["rows"] == [["Anna", "I moved to Oslo."]], rows
    assert json.loads(json.dumps(voted.toDict()))["rows"] == written["rows"]


def _is_right(gold: dspy.Example, pred: dspy.Prediction, trace: Any = None) -> bool:
    return bool(gold.answer == pred.answer)


def test_a_copy_and_a_saved_state_answer_the_same(home: Path, tmp_path: Path) -> None:
    module = AskMemory()
    predict = module.answer.predict
    predict.signature = predict.signature.with_instructions("Answer in capitals.")
    module.save(tmp_path / "ask.json")
    loaded = AskMemory()
    loaded.load(tmp_path / "ask.json")
    for same in (module.deepcopy(), loaded):
        assert same.answer.predict.signature.instructions == "Answer in capitals."
        with dspy.context(lm=ScriptedLM(ASKED)):
            assert same(question=QUESTION, memory="anna").answer == "Oslo"
    assert AskMemory().answer.predict.signature.instructions != "Answer in capitals."


def test_the_history_shows_what_was_sent_and_usage_is_counted(home: Path) -> None:
    lm = OwnLM(texts())
    with dspy.context(lm=lm, track_usage=True):
        module = AskMemory()
        prediction = module(question=QUESTION, memory="anna")
    assert QUESTION in str(lm.history[0]["messages"])
    assert "I moved to Oslo." in str(lm.history[1]["messages"])
    assert len(module.history) == 2
    usage = prediction.get_lm_usage()["mine"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (140, 60)


def test_what_is_forgotten_leaves_the_history_of_calls_and_what_they_cost_stays(
    address: str,
) -> None:
    lm = OwnLM(texts())
    module = AskMemory()
    with Memory(address) as memory:
        memory.add(SAID)
        with dspy.context(lm=lm):
            module(question=QUESTION, memory=memory)
        assert "Oslo" in str(lm.history)
        assert "Oslo" in str(module.history)
        memory.forget(1)
    kept = [lm.history, module.history, dspy.clients.base_lm.GLOBAL_HISTORY]
    assert not any("Oslo" in str(history) for history in kept)
    assert [call["model"] for call in lm.history] == ["mine", "mine"]
    lm.inspect_history(2)


def test_a_memory_that_is_asked_changes_nothing_in_dspy(home: Path) -> None:
    before = dspy.settings.adapter, dspy.settings.lm
    asked_with(ScriptedLM(ASKED))
    assert (dspy.settings.adapter, dspy.settings.lm) == before


# --- what it is made of -------------------------------------------------------------------------


def test_any_predictor_takes_the_place_of_ours(home: Path) -> None:
    module = AskMemory()
    for part in (module.retrieve, module.answer):
        part.predict = dspy.ChainOfThought(part.predict.signature)
    thought = "[[ ## reasoning ## ]]\nIt is in turn 1.\n\n"
    lm = ScriptedLM([([QUESTION], thought + sql("-- none")), ([], thought + answer("Oslo", "1"))])
    with dspy.context(lm=lm):
        prediction = module(question=QUESTION, memory="anna")
    assert (prediction.answer, prediction.turns) == ("Oslo", (1,))
    assert prediction.reasoning == "It is in turn 1."


@pytest.mark.parametrize("kind", [dspy.Refine, dspy.BestOfN])
def test_what_tries_a_part_several_times_takes_its_place(home: Path, kind: Any) -> None:
    retrieve = kind(RetrieveRows(), N=2, reward_fn=lambda _, said: len(said.rows), threshold=1.0)
    module = AskMemory(retrieve=retrieve)
    wrote = sql("SELECT id FROM turns WHERE id = 1;")
    with dspy.context(lm=ScriptedLM([([QUESTION], wrote), (["id"], answer("Oslo", "1"))])):
        prediction = module(question=QUESTION, memory="anna")
    assert (prediction.answer, len(prediction.rows)) == ("Oslo", 1)


def test_what_a_small_model_needs_is_composed(home: Path) -> None:
    module = AskMemory(retrieve=TemplateRows(), answer=Checked(AnswerQuestion()))
    with dspy.context(lm=ScriptedLM([([QUESTION], answer("Paris", "1"))])):
        prediction = module(question=QUESTION, memory="anna")
    assert prediction.answer == "No information available"


# --- StoreTurns -----------------------------------------------------------------------------------


def _statement(fact: Fact) -> tuple[str, str, str]:
    return fact.subject, fact.attribute, fact.value


def test_turns_are_stored_as_facts(home: Path, anna: Store) -> None:
    with dspy.context(lm=ScriptedLM([(["I moved to Oslo."], sql(FACT))])):
        prediction = StoreTurns()(memory="anna")
    assert ("Anna", "moved", "Oslo") in map(_statement, prediction.facts)
    assert ("Anna", "moved", "Oslo") in map(_statement, anna.facts())
