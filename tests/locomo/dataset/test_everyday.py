"""Everyday chats, open and held out: questions have a kind and what scores them, facts a turn."""

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset.format import ABSTENTION, load_conversations
from tests.benchmarks.everyday import outcome

TESTS = Path(__file__).parents[2]
EVERYDAY = TESTS.parent / "data" / "everyday"
FOLDERS = (
    EVERYDAY / "development",
    EVERYDAY / "fourteen_kinds",
    TESTS / "held_out" / "everyday",
)
CHATS = {chat.id: chat for folder in FOLDERS for chat in load_conversations(folder)}
RECORDS: dict[str, dict[str, Any]] = {
    record["sample_id"]: record
    for folder in FOLDERS
    for file in sorted(folder.glob("*.json"))
    for record in json.loads(file.read_text(encoding="utf-8"))
}
FACTS: dict[str, list[dict[str, Any]]] = json.loads(
    (EVERYDAY / "facts.json").read_text(encoding="utf-8")
) | {
    file.stem: json.loads(file.read_text(encoding="utf-8"))["facts"]
    for folder in FOLDERS
    for file in sorted(folder.glob("facts/*.json"))
}
ABSTAINING = {"never_told", "of_another"}
DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")

# Held-out chats are checked as well, and a failure must not print what they ask. So these tests
# compare numbers of questions and facts in their file, never texts, and call nothing inside an
# assert, since pytest prints arguments.


def test_every_chat_has_facts() -> None:
    assert CHATS.keys() == RECORDS.keys() == FACTS.keys()
    assert len(CHATS) == 12
    without_facts = [name for name, facts in FACTS.items() if not facts]
    assert without_facts == []


@pytest.mark.parametrize("name", CHATS)
def test_a_question_has_a_kind_and_evidence(name: str) -> None:
    questions = CHATS[name].questions
    kinds = [question["kind"] for question in RECORDS[name]["qa"]]
    dropped = CHATS[name].dropped_evidence
    assert dropped == 0
    assert len(kinds) == 25
    abstentions = _numbers(questions, lambda question: question.category == ABSTENTION)
    without_evidence = _numbers(questions, lambda question: not question.evidence)
    assert abstentions == [number for number, kind in enumerate(kinds) if kind in ABSTAINING]
    assert without_evidence == [number for number, kind in enumerate(kinds) if kind == "never_told"]


@pytest.mark.parametrize("name", CHATS)
def test_a_question_says_what_an_answer_must_hold(name: str) -> None:
    invalid = _numbers(RECORDS[name]["qa"], lambda question: not _has_valid_texts(question))
    assert invalid == []


def _has_valid_texts(question: dict[str, Any]) -> bool:
    """Whether `must` and `must_not` hold texts that differ; an abstention has neither."""
    if question["category"] == ABSTENTION:
        return not question.keys() & {"must", "must_not"}
    lists = [*question["must"], question["must_not"]]
    return bool(question["must"]) and (
        all(question["must"])
        and all(text == text.strip() != "" for texts in lists for text in texts)
        and all(len(set(texts)) == len(texts) for texts in lists)
    )


@pytest.mark.few(4)
@pytest.mark.parametrize("name", CHATS)
def test_gold_is_right_and_no_abstention_is(name: str) -> None:
    questions = [q for q in RECORDS[name]["qa"] if q["category"] != ABSTENTION]
    wrong = _numbers(questions, lambda question: not _is_right(question["answer"], question))
    assert wrong == []
    for empty in ("", "No information available", "I don't know."):
        right = _numbers(questions, lambda question, text=empty: _is_right(text, question))
        assert right == []
    # What repeats the question says nothing, also where the answer is "no".
    repeated = _numbers(questions, lambda question: _is_right(question["question"], question))
    assert repeated == []


def _numbers(items: Iterable[Any], condition: Callable[[Any], bool]) -> list[int]:
    return [number for number, item in enumerate(items) if condition(item)]


def _is_right(answer: str, question: dict[str, Any]) -> bool:
    scored = outcome(answer, question["category"], question["must"], question["must_not"])
    return scored == "right"


@pytest.mark.parametrize("name", CHATS)
def test_a_fact_names_turns_and_dates(name: str) -> None:
    sources = {turn.source for turn in CHATS[name].turns}

    def is_valid(fact: dict[str, Any]) -> bool:
        dates = [date for date in (fact["happened_on"], fact["ended_on"]) if date is not None]
        return (
            all(fact[column] for column in ("subject", "attribute", "value"))
            and {fact["turn"], fact.get("ended_turn", fact["turn"])} <= sources
            and all(DATE.fullmatch(date) for date in dates)
        )

    invalid = _numbers(FACTS[name], lambda fact: not is_valid(fact))
    assert invalid == []
