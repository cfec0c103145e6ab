"""A memory without a language model: rows answer, else the nearest turns are shown as such."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from memory import Memory, Turn
from memory.errors import ModelError
from memory.evidence.messages import NEAREST_HEAD
from memory.program import MemoryProgram
from memory.program.quotations import NO_TURNS, answer_lines
from memory.records import ABSTAIN

ROOT = Path(__file__).parents[2]
OPTIONAL = ("dspy", "litellm", "openai", "optuna", "sqlalchemy", "xllamacpp", "huggingface_hub")


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    memory = Memory(tmp_path / "tom.db")
    memory.add("I live in Oslo. My cat is called Mia.", said_at="2017-05-08")
    memory.add("We painted the kitchen yellow with Ida.", said_at="2017-05-09")
    return memory


def test_rows_answer_a_plain_question(memory: Memory) -> None:
    answer = memory.ask("Where do I live?")
    assert (answer.text, answer.turns, answer.basis, answer.calls) == ("Oslo", (1,), "rows", 0)
    assert answer.sql
    assert answer.citations


def test_other_questions_get_the_nearest_turns_and_never_an_abstention(memory: Memory) -> None:
    answer = memory.ask("Which colour has the kitchen?")
    assert answer.basis == "quotes"
    assert answer.text.startswith(NEAREST_HEAD)
    assert "painted the kitchen yellow" in answer.text
    assert ABSTAIN not in answer.text
    assert 2 in [quoted.turn_id for quoted in answer.quotations]
    assert answer.turns == ()  # a quotation is no citation
    assert "\n".join(answer_lines(answer)) == answer.text  # each once


def test_an_empty_memory_says_that_it_holds_nothing(tmp_path: Path) -> None:
    answer = Memory(tmp_path / "new.db").ask("Where do I live?")
    assert (answer.text, answer.basis) == (NO_TURNS, "none")


def test_a_chat_without_a_model_answers_and_acknowledges(memory: Memory) -> None:
    reply = memory.reply(Turn("user", "Where do I live?"))
    assert "".join(reply) == "Oslo"
    told = memory.reply(Turn("user", "I painted the hall, too."))
    assert "".join(told) == "This asks nothing, and was not stored."
    quoting = memory.reply(Turn("user", "Which colour has the kitchen?"))
    assert "".join(quoting).startswith(NEAREST_HEAD)


def test_templates_store_facts_and_a_digest_asks_no_model(memory: Memory) -> None:
    assert not memory.has_model
    assert not memory.stores_facts
    assert memory.digest().calls == 0
    assert [fact.value for fact in memory.facts()] == ["Oslo", "Mia"]


def test_what_needs_a_model_says_how_to_name_one(memory: Memory) -> None:
    with pytest.raises(ModelError, match="give --model"):
        _ = memory.model
    with pytest.raises(ModelError, match="a compiled program runs on a model"):
        Memory(memory.store, program=MemoryProgram()).ask("Where do I live?")


def test_the_first_example_imports_nothing_of_models(tmp_path: Path) -> None:
    """As after `pip install .`: README's example runs where these packages do not exist."""
    code = f"""
import sys
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Missing())
from memory import Memory

memory = Memory("tom.db")
memory.add("I live in Oslo. My cat is called Mia.", said_at="2017-05-08")
print(memory.ask("Where do I live?").text)
print(memory.ask("What is the cat afraid of?").basis)
print(memory.context("What does Mia eat?").text)
"""
    run = [sys.executable, "-c", code]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:3] == ["Oslo", "quotes", "<memory>"]


def test_the_base_install_has_no_packages_that_only_some_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    base = " ".join(project["project"]["dependencies"])
    assert not [name for name in ("optuna", "xllamacpp", "sqlalchemy", "alembic") if name in base]
    assert "!=1.82.7" in base  # malicious versions of litellm
    assert "!=1.82.8" in base
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert wheel == ["memory", "sql_memory"]


def test_a_chat_quotes_nothing_of_the_same_minute(memory: Memory) -> None:
    now = "2026-05-08T13:56"
    memory.add([Turn("Tom", "I fry my noodles with leek.", "s", "2026-05-07T09:00")])
    memory.add([Turn("Tom", "The noodles in the cupboard are mine.", "s", f"{now}:01")])
    asked = Turn("Tom", "What noodles can I cook tonight?", "s", f"{now}:40")
    [asked_id] = memory.add([asked])
    reply = memory.reply(memory.get(asked_id))
    [*_] = reply
    assert reply.answer is not None
    quoted = [quotation.text for quotation in reply.answer.quotations]
    assert any("leek" in text for text in quoted)
    assert not any("cupboard" in text for text in quoted)
    memory.forget([turn.id for turn in memory if turn.said_at < now])
    assert "".join(memory.reply(memory.get(asked_id))) == (
        "Nothing said before this minute could answer."
    )
