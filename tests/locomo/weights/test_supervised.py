"""Examples of gold conversations as train.py asks for them: from where, how many, held out."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from locomo.choices import TARGETS
from locomo.examples.jsonl import ExamplesCard, read_examples, read_examples_card
from locomo.weights import supervised
from locomo.weights.launch import shipped_start
from locomo.weights.options import TrainOptions, command_line
from locomo.weights.supervised import check_tuning, write_gold_examples
from memory import InputError
from memory.system.progress import progress_bar
from tests.support.locomo_records import DATE, question, record, turn, write

INSERT = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
ROWS = "SELECT turn_id, value FROM facts WHERE attribute = 'moved' LIMIT 30;"


def chat(name: str, gold: bool = True, sql: str = "") -> dict[str, Any]:
    """A conversation of ten turns and questions, in which a town has the conversation's name."""
    turns = [turn(f"D1:{n}", f"I moved to {name} {n}.") for n in range(1, 11)]
    more: dict[str, Any] = {"retrieve": ROWS} if gold else {}
    questions = [
        question(4, question=f"Where did Ann move, {n}?", answer=name, evidence=[f"D1:{n}"], **more)
        for n in range(1, 11)
    ]
    whole = record(name, questions, session_1=turns, session_1_date_time=DATE)
    if gold:
        wanted = sql or f"{INSERT} ('Ann', 'moved', 'to {name}', '', {{0}});"
        whole["store"] = {f"D1:{n}": wanted.format(n) for n in range(1, 11)}
    return whole


def taught(folder: Path, data: Path, **changed: Any) -> tuple[ExamplesCard, list[str]]:
    """The card of the examples made for a model that writes SQL, and their lines."""
    output = folder / "examples.jsonl"
    large = TrainOptions(mode="sft", target="all", num_train=0, data=data, model="Qwen/Qwen2.5-72B")
    options = replace(large, **changed)
    with progress_bar(Console(file=io.StringIO())) as bar:
        card = write_gold_examples(options, output, bar)
    assert read_examples_card(output) == card
    assert len(read_examples(output)) == sum(card.examples.values())
    return card, output.read_text().splitlines()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of two conversations, with one more that is held out."""
    (tmp_path / "data" / "validation").mkdir(parents=True)
    for name in ("Lyon", "Rome", "validation/Oslo"):
        write(tmp_path / "data" / f"{name}.json", chat(name.split("/")[-1]))
    return tmp_path / "data"


def test_a_folder_teaches_all_but_its_validation(tmp_path: Path, data: Path) -> None:
    card, lines = taught(tmp_path, data)
    assert (card.conversations, card.held_out) == (["Lyon", "Rome"], ["Oslo"])
    assert (card.targets, card.model) == (list(TARGETS), "gold")
    assert (card.examples["store"], card.examples["retrieve"]) == (20, 20)
    assert not [line for line in lines if "Oslo" in line]
    first = [json.loads(line)["messages"] for line in lines]
    assert {tuple(message["role"] for message in messages) for messages in first} == {
        ("system", "user", "assistant")
    }


@pytest.mark.slow
def test_all_sql_is_one_adapters(tmp_path: Path, data: Path) -> None:
    card, lines = taught(tmp_path, data, target="sql")
    assert card.targets == ["retrieve", "store"]
    assert card.examples == {"retrieve": 20, "store": 20}
    answers = [json.loads(line)["messages"][-1]["content"] for line in lines]
    written = [answer.removeprefix("[[ ## sql ## ]]\n") for answer in answers]
    assert {sql.split()[0] for sql in written} == {"SELECT", "INSERT"}
    assert sum(sql.startswith("SELECT") for sql in written) == 20
    conversation = chat("Rome") | {"store": {}}
    only_selects = write(
        tmp_path / "one.json", conversation, {**conversation, "sample_id": "again"}
    )
    assert taught(tmp_path, only_selects, target="sql")[0].targets == ["retrieve"]


def test_a_plain_file_teaches_answering_only(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.json", chat("Lyon", False), chat("Rome", False))
    assert taught(tmp_path, plain)[0].targets == ["answer"]
    with pytest.raises(InputError, match="field `store`"):
        taught(tmp_path, plain, target="store")
    for target in ("retrieve", "sql"):
        with pytest.raises(InputError, match="gold SELECTs"):
            taught(tmp_path, plain, target=target)


def test_nothing_is_learnt_from_and_held_out(tmp_path: Path, data: Path) -> None:
    write(data / "validation" / "again.json", chat("Rome"))
    with pytest.raises(InputError, match="Rome also in validation"):
        taught(tmp_path, data)


@pytest.mark.slow
def test_what_cannot_be_used_is_told(tmp_path: Path, data: Path) -> None:
    write(data / "Rome.json", chat("Rome", sql="DROP TABLE facts; -- {0}"))
    with pytest.raises(InputError, match="dataset check"):
        taught(tmp_path, data)
    with pytest.raises(InputError, match="cannot be split"):
        taught(tmp_path, write(tmp_path / "one.json", chat("Rome")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no .json file"):
        taught(tmp_path, tmp_path / "empty")
    with pytest.raises(InputError, match="does not exist"):
        taught(tmp_path, tmp_path / "nowhere")


def test_a_command_line_tells_no_places_and_no_secrets() -> None:
    words = ["/home/ann/memory/train.py", "--data", "/home/ann/my chats", "--start=/home/ann/a"]
    words += ["--helper-api-base", "http://ann:secret@10.0.0.7:8000/v1?key=secret", "--seed", "7"]
    assert command_line(words) == (
        "train.py --data 'my chats' --start=a --helper-api-base http://10.0.0.7 --seed 7"
    )
    for address in ("http://ann:secret@h/v1?key=1", "http://ann:sec=ret@h/v1"):
        assert command_line([f"--helper-api-base={address}"]) == "--helper-api-base=http://h"


def test_what_tuning_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "NEEDS", ("json", "no_such_package"))
    with pytest.raises(InputError, match="needs no_such_package"):
        check_tuning()


@pytest.mark.parametrize(
    ("target", "start"), [("answer", "answer"), ("sql", None), ("store", None), ("all", None)]
)
def test_a_rehearsal_starts_from_the_adapter_that_comes_with_the_package(
    target: Any, start: str | None
) -> None:
    folder = shipped_start(TrainOptions(target=target).targets)
    assert (folder and folder.name) == start
