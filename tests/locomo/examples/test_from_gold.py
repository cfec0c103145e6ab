"""Examples of gold conversations: what each module should have said, and when to say nothing."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from locomo.choices import Target
from locomo.examples import answers_from_gold, from_gold
from locomo.examples.answers_from_gold import AnswerExample
from locomo.examples.from_gold import supervised_examples
from locomo.examples.gold import NOTHING, Gold, load_gold
from locomo.examples.selects import ROWS_SELECT, canonical_selects, widened
from locomo.harness import Setup
from memory import Memory, load_model, open_store
from memory.models import packaged_gguf
from memory.models.row_grammar import row_grammar
from memory.program import plain_program
from memory.program.brief_store import shown_turn
from memory.records import ABSTAIN
from memory.sql import quoted
from tests.support.gbnf import expression_of
from tests.support.locomo_records import DATE, question, record, turn
from tests.support.scripted import scripted_model

COLUMNS = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES"
TURNS = [
    turn("D1:1", "I moved to Lyon last Friday."),
    turn("D1:2", "How nice!", speaker="Bo"),
    turn("D1:3", "I adopted a dog, and I call him 'Rufus'.", speaker="Bo"),
    turn("D1:4", "My sister's cat is Miso, she is nine, grey, shy and fat."),
]
GOLD_SQL = {
    "D1:1": f"{COLUMNS}\n ('Ann', 'moved', 'to Lyon', '2017-05-05', 1);",
    "D1:2": NOTHING,
    "D1:3": f"{COLUMNS} ('Bo', 'has_pet', 'dog, called ''Rufus''', '2017-05-01', 3);",
    "D1:4": f"{COLUMNS} "
    + ", ".join(
        f"('Miso', 'is', '{value}', '', 4)" for value in ("a cat", "nine", "grey", "shy", "fat")
    ),
}
MOVED = "SELECT turn_id, value FROM facts WHERE subject = 'Ann' AND attribute = 'moved';"
QUESTIONS = [
    question(4, question="Which city did Ann move to?", evidence=["D1:1"], retrieve=MOVED),
    question(2, question="When did Ann move?", answer="5 May 2017", evidence=["D1:1"]),
    question(5, question="Which city did Bo move to?", evidence=["D1:1"]),
    question(4, question="Who is nine?", answer="Miso", evidence=["D1:4"]),
]


def gold_of(
    folder: Path,
    questions: Sequence[Any] = QUESTIONS,
    turns: Sequence[Any] = TURNS,
    **fields: Any,
) -> list[Gold]:
    """A small conversation with gold, as it is read from a file."""
    sessions = {"session_1": list(turns), "session_1_date_time": DATE}
    conversation = {**record("small", list(questions), **sessions), **fields}
    (folder / "small.json").write_text(json.dumps([conversation]))
    return load_gold(folder / "small.json")


def student(budget: int = 360) -> Setup:
    model = load_model("local-base")
    return Setup(model, plain_program(model), budget)


def prompts_and_answers(examples: Sequence[list[dict[str, str]]]) -> list[tuple[str, str]]:
    """The last message that each example shows, and its right answer."""
    return [(messages[1]["content"], messages[-1]["content"]) for messages in examples]


def sql_examples(golds: Sequence[Gold], target: Target) -> list[tuple[str, str]]:
    """What a model that writes SQL is shown, a turn or a question, and its right SQL."""
    model = load_model("openai/m")
    setup = Setup(model, plain_program(model), 360)
    shown = {"store": "window", "retrieve": "question"}[target]
    return [
        (field_of(prompt, shown), field_of(answer, "sql"))
        for prompt, answer in prompts_and_answers(
            supervised_examples(golds, setup, [target])[target]
        )
    ]


def field_of(text: str, name: str) -> str:
    """A field of a prompt, or of an answer, between the marks that DSPy puts around it."""
    return text.split(f"[[ ## {name} ## ]]\n", 1)[1].split("\n\n[[ ##", 1)[0]


def answer_examples(golds: Sequence[Gold], setup: Setup | None = None) -> list[AnswerExample]:
    """All examples for answering."""
    supervised = supervised_examples(golds, setup or student(), ["answer"])
    examples = []
    for prompt, answer in prompts_and_answers(supervised["answer"]):
        memory, question_text = prompt.split("\nQuestion: ")
        examples.append(AnswerExample(memory, question_text, answer))
    return examples


def chances(monkeypatch: pytest.MonkeyPatch, **always: float) -> None:
    """What is left to chance happens always or never, by default never."""
    names = ("GOLD_ROWS", "STRAY_ROWS", "FACTS_ONLY", "SWAPPED_SPEAKER", "MISSED_EVIDENCE")
    assert set(always) <= set(names)
    for name in names:
        monkeypatch.setattr(answers_from_gold, name, always.get(name, 0.0))
    monkeypatch.setattr(answers_from_gold, "BUDGETS", (1.0,))


# --- store --------------------------------------------------------------------------------------


def test_a_turns_facts_are_one_insert_that_the_database_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(from_gold, "TURNS_WITHOUT_FACTS", 1.0)
    golds = gold_of(tmp_path, store=GOLD_SQL)
    examples = sql_examples(golds, "store")
    stored = {int(line[1]): sql for line, sql in examples}
    assert sorted(stored) == [1, 2, 3, 4]
    assert stored[2] == NOTHING
    with open_store(tmp_path / "own.db") as store:
        store.add(golds[0].conversation.turns)
        for n, sql in stored.items():
            store.write(sql, cause="test", window=(n, n))
        facts = [(f.turn_id, f.subject, f.attribute, f.value) for f in store.facts()]
    assert sorted(facts)[:2] == [
        (1, "Ann", "moved", "to Lyon"),
        (3, "Bo", "has_pet", "a dog"),
    ]
    assert len(facts) == 2 + from_gold.MAX_FACTS_PER_TURN  # of Miso's five


@pytest.mark.parametrize(
    ("chance", "without_facts"), [(1.0, {2}), (0.0, set())], ids=["nothing told", "by chance"]
)
def test_who_sees_a_turn_alone_is_not_taught_what_other_turns_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chance: float, without_facts: set[int]
) -> None:
    monkeypatch.setattr(from_gold, "TURNS_WITHOUT_FACTS", chance)
    by_others = {
        "D1:1": f"{COLUMNS} ('Ann', 'moved', 'to Lyon', '', 1), ('Ann', 'left', 'Rome', '', 1);",
        "D1:3": f"{COLUMNS} ('Rufus', 'is', 'a shy beagle', '', 3);",
        "D1:4": f"{COLUMNS} ('Cleo', 'has_pet', 'Miso', '', 4);",
    }
    golds = gold_of(tmp_path, store={**GOLD_SQL, **by_others})
    examples = sql_examples(golds, "store")
    stored = {int(line[1]): sql for line, sql in examples}
    assert {*stored} == {1, *without_facts}
    assert "Lyon" in stored[1]
    assert "Rome" not in stored[1]


@pytest.mark.parametrize(
    ("gold", "copied"),
    [
        ("we bought an old boat of Kim", "We bought Kim's boat"),
        ("the harbour keeps a boat", "the harbour keeps its boat"),  # of one sentence
        ("a sailing boat of wood", ""),  # a quarter of its words are there
    ],
)
def test_a_value_is_taught_as_the_turns_own_words_quoted_as_sql_needs_them(
    tmp_path: Path, gold: str, copied: str
) -> None:
    turns = [turn("D1:1", "We bought Kim's boat, so the harbour keeps its boat. Kim's glad!")]
    store = {"D1:1": f"{COLUMNS} ('Ann', 'did', {quoted(gold)}, '', 1);"}
    golds = gold_of(tmp_path, [question(5, evidence=["D1:1"])], turns, store=store)
    examples = sql_examples(golds, "store")
    [sql] = [sql for _, sql in examples] or [""]
    assert sql == (f"{COLUMNS} ('Ann', 'did', {quoted(copied)}, '', 1);" if copied else "")
    assert all(line.endswith("keeps its boat. Kim's glad!") for line, _ in examples)


# --- store, of a little model -------------------------------------------------------------------

CHAT = [
    turn("D1:1", "I moved to Lyon last Friday, and my sister Nina plays the flute."),
    turn("D1:2", "That is wonderful news for you!", speaker="Bo"),
    turn("D1:3", "She adopted a small dog last week."),
    turn("D1:4", "I love letters like this one.", speaker="Bo"),
    turn("D1:5", "I bake bread and I sell honey on Sundays. If only they paid.", speaker="Bo"),
    turn("D1:6", "We will see each other again there."),
]
CHAT_ROWS = {
    "D1:1": {
        "facts": [
            {"row": "Ann | moved to | Lyon", "words": ["Lyon"]},
            {
                "row": "my sister Nina | plays | the flute",
                "words": ["flute"],
                "subjects": ["Nina", "my sister"],
            },
            {"row": "Ann | is a | musician", "words": ["sister Nina plays"], "subjects": ["Bo"]},
        ]
    },
    "D1:3": {
        "facts": [{"row": "Nina | adopted | a small dog", "words": ["dog"], "subjects": ["Nina"]}]
    },
    "D1:5": {
        "facts": [
            {"row": "Bo | bakes | bread", "words": ["bread"]},
            {"row": "Bo | sells | honey on Sundays", "words": ["honey"]},
        ]
    },
}
RIGHT_ROWS = {
    "Ann: I moved to Lyon last Friday, and my sister Nina plays the flute.": (
        "Ann | moved to | Lyon last Friday\nmy sister Nina | plays | the flute"
    ),
    "Ann: my sister Nina adopted a small dog last week.": (
        "my sister Nina | adopted | a small dog last week"
    ),
    "Bo: I bake bread and I sell honey on Sundays. If only they paid.": (
        "Bo | bake | bread\nBo | sell | honey on Sundays"
    ),
}


def little() -> Setup:
    model = load_model(f"gguf:{packaged_gguf()}")
    return Setup(model, plain_program(model), 300)


def test_a_little_model_learns_to_quote_gold_facts_and_to_leave_small_talk(tmp_path: Path) -> None:
    golds = gold_of(tmp_path, turns=CHAT, rows=CHAT_ROWS)
    left_out: Counter[str] = Counter()
    supervised = supervised_examples(golds, little(), ["store", "retrieve"], left_out=left_out)
    examples = dict(prompts_and_answers(supervised["store"]))
    small_talk = {f"{CHAT[n]['speaker']}: {CHAT[n]['text']}": "none" for n in (3, 5)}
    assert examples == RIGHT_ROWS | small_talk  # without what the model is not asked about
    assert left_out == {"store": 1}  # no row is about Bo
    assert not supervised["retrieve"]
    # The prompt is the one of a tuned model, which has no examples.
    assert [message["role"] for message in supervised["store"][0]] == [
        "system",
        "user",
        "assistant",
    ]


def test_what_a_little_model_learns_to_write_is_allowed_and_stored(tmp_path: Path) -> None:
    golds = gold_of(tmp_path, turns=CHAT, rows=CHAT_ROWS)
    examples = dict(prompts_and_answers(supervised_examples(golds, little(), ["store"])["store"]))
    for shown, rows in examples.items():
        assert expression_of(row_grammar(shown)).fullmatch(rows)
    turns = golds[0].conversation.turns
    shown_turns = [shown_turn(turn, turns[max(n - 2, 0) : n]) for n, turn in enumerate(turns)]
    said = [([shown], examples.get(shown, "none")) for shown in shown_turns if shown]
    model = scripted_model(said, window=1, size="small")
    with Memory(tmp_path / "own.db", model=model) as memory:
        memory.add(golds[0].conversation.turns)
        templates = {fact.id for fact in memory.store.facts()}
        memory.digest()
        facts = {(f.subject, f.value) for f in memory.store.facts() if f.id not in templates}
    assert {("Ann", "Lyon last Friday"), ("Bo", "bread"), ("Bo", "honey on Sundays")} <= facts


# --- retrieve -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gold", "selects"),
    [
        (MOVED, ["{} subject = 'Ann' AND attribute = 'moved' LIMIT 30;"]),
        (
            "SELECT value FROM facts WHERE subject = 'Bo' ORDER BY happened_on DESC LIMIT 5;",
            ["{} subject = 'Bo' ORDER BY happened_on DESC LIMIT 30;"],
        ),
        (
            "SELECT COUNT(*) AS n FROM facts WHERE attribute = 'ran'",
            [
                "{} attribute = 'ran' LIMIT 30;",
                "SELECT COUNT(*) AS n FROM facts WHERE attribute = 'ran';",
            ],
        ),
        ("SELECT id, text FROM turns WHERE speaker = 'Ann';", []),
    ],
    ids=["rows", "order", "count", "turns"],
)
def test_gold_selects_have_one_form(gold: str, selects: list[str]) -> None:
    assert canonical_selects(gold) == [select.format(ROWS_SELECT) for select in selects]


def test_a_question_is_answered_by_selects_that_bring_the_gold_rows(tmp_path: Path) -> None:
    golds = gold_of(tmp_path, store=GOLD_SQL)
    [(asked_question, sql)] = sql_examples(golds, "retrieve")
    assert asked_question == "Which city did Ann move to?"
    with open_store(tmp_path / "own.db") as store:
        store.add(golds[0].conversation.turns)
        store.write(GOLD_SQL["D1:1"], cause="test", window=(1, 1))
        assert [row[:4] for row in store.read(sql).rows] == [(1, "Ann", "moved", "to Lyon")]
        assert "OR lower(value) LIKE '%lyon%')" in widened(sql, "Who went to Lyon?", store)
        assert widened(sql, "Who went to Rome?", store) == sql


# --- answer -------------------------------------------------------------------------------------


def test_what_the_context_holds_is_answered_and_category_5_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chances(monkeypatch)
    examples = answer_examples(gold_of(tmp_path))
    right_answers = {raw["question"]: raw.get("answer", ABSTAIN) for raw in QUESTIONS}
    assert {example.question for example in examples} == {*right_answers}
    for example in examples:
        assert example.answer == right_answers[example.question]
        assert "Ann: I moved to Lyon last Friday (5 May 2017)." in example.memory


def test_the_same_question_of_another_person_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chances(monkeypatch, SWAPPED_SPEAKER=1.0)
    examples = answer_examples(gold_of(tmp_path, QUESTIONS[:2]))
    refused = [example for example in examples if example.answer == ABSTAIN]
    swapped = {example.question for example in refused}
    assert {"Which city did Bo move to?", "When did Bo move?"} >= swapped != set()
    for example in refused:
        original = example.memory, example.question.replace("Bo", "Ann")
        assert original in [(candidate.memory, candidate.question) for candidate in examples]


@pytest.mark.parametrize(
    "raw_question",
    [
        question(4, question="Did Ann and Bo move to Lyon?", evidence=["D1:1"]),  # names both
        question(3, question="Would Ann like Lyon?", evidence=["D1:1"]),
        question(4, question="Which city was moved to?", evidence=["D1:1"]),
        question(4, question="Where did Bo move?", evidence=["D1:1"]),  # Ann says it
    ],
    ids=["both", "opinion", "nobody", "of another"],
)
def test_a_person_is_not_exchanged_where_the_answer_may_stay_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raw_question: Any
) -> None:
    chances(monkeypatch, SWAPPED_SPEAKER=1.0)
    examples = answer_examples(gold_of(tmp_path, [raw_question]))
    assert {example.answer for example in examples} == {"Lyon"}


BEST = "I keep my pet snake at home, and I keep my other pet, a lizard, at home, as I keep any pet."
HIDDEN = [turn("D1:1", "I adopted Rufus.", speaker="Bo"), turn("D1:2", BEST, speaker="Bo")]


@pytest.mark.parametrize(
    ("chance", "answer", "evidence", "expected"),
    [
        (1.0, "Rufus", ["D1:1"], [ABSTAIN]),
        (0.0, "Rufus", ["D1:1"], []),
        (1.0, "home", ["D1:1"], []),  # another turn may say it too
        (1.0, "Rufus", ["D1:1", "D1:2"], []),  # half of it is there
    ],
    ids=["missed", "by chance", "said elsewhere", "half"],
)
def test_what_the_context_misses_is_refused_at_times(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chance: float,
    answer: str,
    evidence: list[str],
    expected: list[str],
) -> None:
    chances(monkeypatch, MISSED_EVIDENCE=chance)
    fields = {"question": "Which pet does Bo keep?", "answer": answer, "evidence": evidence}
    examples = answer_examples(
        gold_of(tmp_path, [question(4, **fields)], HIDDEN), student(budget=64)
    )
    assert [example.answer for example in examples] == expected
    assert all("Rufus" not in example.memory for example in examples)


@pytest.mark.parametrize(
    ("category", "answer", "expected"),
    [
        (1, "Rufus, a snake, a lizard", ["a snake, a lizard"]),
        (1, "a snake and Rufus", []),  # no list
        (4, "Rufus, a snake", []),
    ],
)
def test_of_a_list_is_answered_what_the_context_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, category: int, answer: str, expected: list[str]
) -> None:
    chances(monkeypatch, MISSED_EVIDENCE=1.0)
    fields = {"question": "Which pet does Bo keep?", "answer": answer, "evidence": ["D1:1", "D1:2"]}
    examples = answer_examples(
        gold_of(tmp_path, [question(category, **fields)], HIDDEN), student(budget=64)
    )
    assert [example.answer for example in examples] == expected


@pytest.mark.parametrize("facts_only", [True, False])
def test_rows_of_facts_stand_before_the_turns_or_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts_only: bool
) -> None:
    chances(monkeypatch, GOLD_ROWS=1.0, FACTS_ONLY=float(facts_only))
    examples = answer_examples(gold_of(tmp_path, QUESTIONS[:1], store=GOLD_SQL))
    assert {example.answer for example in examples} == {"Lyon"}
    for example in examples:
        assert "[1] Ann | moved | to Lyon | 2017-05-05" in example.memory
        assert ("What was said:" not in example.memory) is facts_only
