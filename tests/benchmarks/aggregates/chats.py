"""Facts of our own conversations in data/, and what is asked about them."""

import json
import sqlite3
from functools import cache
from pathlib import Path

from locomo.dataset.format import Conversation, load_conversations
from locomo.examples.gold import NOTHING, load_gold
from tests.benchmarks.aggregates.questions import Aggregate, Spec, computed
from tests.benchmarks.aggregates.talk import StatedFact

_DATA = Path(__file__).parents[3] / "data"
_COLUMNS = ("subject", "attribute", "value", "happened_on", "ended_on")


@cache
def chat(name: str) -> tuple[Conversation, tuple[StatedFact, ...]]:
    """A conversation of data/everyday or data/train by its file's name, and its gold facts."""
    everyday = _DATA / "everyday" / "development" / f"{name}.json"
    if everyday.is_file():
        [conversation] = load_conversations(everyday)
        given = json.loads((_DATA / "everyday" / "facts.json").read_text("utf-8"))[name]
        rows = [[*(fact[column] or "" for column in _COLUMNS), fact["turn"]] for fact in given]
        return conversation, tuple(StatedFact(*row) for row in rows)
    [gold] = load_gold(_DATA / "train" / f"{name}.json")
    db = sqlite3.connect(":memory:")
    db.execute(
        "CREATE TABLE facts (id INTEGER PRIMARY KEY, subject, attribute, value, happened_on,"
        " ended_on, turn_id)"
    )
    for _, sql in sorted(gold.store.items()):
        if sql != NOTHING:
            db.executescript(sql)
    rows = db.execute(f"SELECT {', '.join(_COLUMNS)}, turn_id FROM facts ORDER BY id").fetchall()
    db.close()
    turns = gold.conversation.turns
    return gold.conversation, tuple(
        StatedFact(*(cell or "" for cell in row[:-1]), turns[row[-1] - 1].source) for row in rows
    )


def of_chats() -> list[Aggregate]:
    """The questions about conversations of data/, computed from their gold facts."""
    return [computed(spec, chat(spec.memory)[1]) for spec in SPECS]


def _specs(memory: str, *asked: tuple[str, str, str, str]) -> tuple[Spec, ...]:
    return tuple(
        Spec(memory, kind, text, tuple(subject.split(" + ")), attribute)
        for kind, text, subject, attribute in asked
    )


def _between(memory: str, text: str, subject: str, attribute: str, first: str, before: str) -> Spec:
    kind = "count between" if text.startswith("How") else "between"
    return Spec(memory, kind, text, (subject,), attribute, first, before)


SPECS = (
    *_specs(
        "colleagues-lisbon",
        ("count", "How many driving lessons has Lidia had in all?", "Lidia", "had_driving_lesson"),
        ("first", "When was Lidia's first driving lesson?", "Lidia", "had_driving_lesson"),
        ("last", "When was Lidia's last driving lesson?", "Lidia", "had_driving_lesson"),
        ("count", "How often has Henrik been to the doctor?", "Henrik", "visited_doctor"),
        ("last", "When was Henrik last at the doctor's?", "Henrik", "visited_doctor"),
        ("list", "Which books has Henrik read?", "Henrik", "read_book"),
        ("last", "Which book did Henrik read last?", "Henrik", "read_book"),
        ("list", "Which trips has Lidia made?", "Lidia", "made_trip"),
        ("changes", "Where has Henrik lived, one after the other?", "Henrik", "lives_in"),
        ("changes", "Which jobs has Lidia had, one after the other?", "Lidia", "works_as"),
    ),
    *_specs(
        "flat-three-melbourne",
        ("list", "Which films has Kit watched?", "Kit", "watched_film"),
        ("count", "How many films has Kit watched?", "Kit", "watched_film"),
        ("first", "Which film did Kit watch first?", "Kit", "watched_film"),
        ("last", "Which film did Kit watch last?", "Kit", "watched_film"),
        ("count", "How often has Soraya been swimming?", "Soraya", "went_swimming"),
        ("last", "When did Soraya last go swimming?", "Soraya", "went_swimming"),
        ("count", "How often has Kit been to the physio?", "Kit", "visited_physio"),
        ("changes", "Where has Soraya worked, one after the other?", "Soraya", "works_at"),
    ),
    *_specs(
        "friends-tamsin-ravi",
        ("count", "How often has Tamsin been running in all?", "Tamsin", "went_running"),
        ("first", "When did Tamsin first go running?", "Tamsin", "went_running"),
        ("last", "When did Tamsin last go running?", "Tamsin", "went_running"),
        ("list", "Which books has Ravi read?", "Ravi", "read_book"),
        ("count", "How many books has Ravi read?", "Ravi", "read_book"),
        ("changes", "Where has Ravi lived, one after the other?", "Ravi", "lives_in"),
        ("changes", "Where has Tamsin worked, one after the other?", "Tamsin", "works_at"),
    ),
    *_specs(
        "siblings-seventieth",
        ("count", "How often has Marcus been camping?", "Marcus", "went_camping"),
        ("last", "When did Marcus last go camping?", "Marcus", "went_camping"),
        ("count", "How often has Mom been to the doctor?", "Mom", "visited_doctor"),
        ("changes", "Where has Joss worked, one after the other?", "Joss", "works_at"),
    ),
    *_specs(
        "migraine-log",
        ("count", "How many migraines has Marjolaine noted?", "Marjolaine", "migraine"),
        ("last", "When was Marjolaine's last migraine?", "Marjolaine", "migraine"),
        ("changes", "Which preventives has Marjolaine taken?", "Marjolaine", "takes_preventive"),
    ),
    *_specs(
        "birders-two",
        ("list", "Which birds has Nosipho seen?", "Nosipho", "saw"),
        ("list", "Which birds has Eneko seen?", "Eneko", "saw"),
        ("changes", "How did Nosipho's life list grow?", "Nosipho", "life_list_southern_africa"),
    ),
    *_specs(
        "coach-runner",
        ("list", "What has Josphat recommended to Corinne?", "Josphat", "recommended"),
        ("list", "Which training runs has Corinne told of?", "Corinne", "trained"),
    ),
    *_specs(
        "penpals-slow",
        ("list", "Which words has Steinunn taught Graeme?", "Steinunn", "taught_word"),
        ("list", "Which words have they taught each other?", "Steinunn + Graeme", "taught_word"),
        ("list", "Which gifts has Graeme given?", "Graeme", "gift"),
    ),
    *_specs(
        "colleagues-lab",
        ("changes", "How did the nitrate in well S-4 change?", "well S-4", "nitrate"),
    ),
    *_specs(
        "diary-founder",
        ("list", "Which meetings has Ebun had?", "Ebun", "meeting"),
        ("count", "How many meetings of Ebun are in the diary?", "Ebun", "meeting"),
        (
            "changes",
            "How did the blood pressure of Ebun's father change?",
            "Ebun's father",
            "blood_pressure",
        ),
        ("changes", "How did Tutu's crates a day change?", "Tutu", "crates_a_day"),
    ),
    *_specs(
        "guild-four",
        ("list", "What happened in Raivis's driving tests?", "Raivis", "driving_test"),
        ("changes", "Where has Yosra lived, one after the other?", "Yosra", "lives_in"),
    ),
    _between(
        "friends-tamsin-ravi",
        *("How often did Tamsin go running in May 2025?", "Tamsin", "went_running"),
        *("2025-05", "2025-06"),
    ),
    _between(
        "migraine-log",
        *("How many migraines did Marjolaine have in November 2023?", "Marjolaine", "migraine"),
        *("2023-11", "2023-12"),
    ),
    _between(
        "migraine-log",
        *("How many migraines did Marjolaine have from September to October 2022?", "Marjolaine"),
        *("migraine", "2022-09", "2022-11"),
    ),
    _between(
        "diary-founder",
        *("Which meetings did Ebun have from February to April 2025?", "Ebun", "meeting"),
        *("2025-02", "2025-05"),
    ),
)
