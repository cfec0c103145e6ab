"""Facts as people read and correct them, and what becomes of the past."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from memory import Change, Fact, InputError, Memory, SqlError, Turn, open_store
from memory.__main__ import app
from memory.facts import add, correct, edits_since, end, fact_of, find, history, remove, supersede
from memory.facts.additions import add_turns
from memory.records import WITHDRAWN
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.facts.fact_texts import LONGEST
from memory.store.facts.vocabulary_table import set_vocabulary
from memory.store.sqlite.store import SqliteStore
from memory.store.waiting.pending_windows import claim_window
from memory.text.characters import label
from memory.vocabulary import Attribute
from memory.vocabulary.fact_lines import fact_line, is_current
from tests.conftest import CAT, DOG, INSERT, MOVED
from tests.support.scripted import ScriptedLM, answer, scripted_model, sql

BOTH_STORES = "slow"

Run = Callable[..., Result]
EVERYTHING = "SELECT * FROM facts ORDER BY id"


@pytest.fixture
def told(store: SqliteStore) -> SqliteStore:
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="digest by test", window=(1, 5))
    return store


@pytest.fixture
def run(told: SqliteStore, path: Path) -> Run:
    def command(*arguments: str) -> Result:
        return CliRunner().invoke(app, [*arguments, "--db", str(path)])

    return command


def short(store: SqliteStore) -> list[tuple[object, ...]]:
    return [
        (f.id, f.value, f.happened_on or "", f.ended_on or "", f.turn_id) for f in store.facts()
    ]


# ---------------------------------------------------------------------------- correcting


def test_what_was_true_ends_and_what_is_true_rests_on_the_correction(told: SqliteStore) -> None:
    change = supersede(told, 1, "Bergen", since="2018-03", by="Anna")
    assert short(told)[0] == (1, "Oslo", "2017-05-06", "2018-03", 1)
    assert short(told)[-1] == (4, "Bergen", "2018-03", "", 6)
    turn = told.turn(6)
    assert (turn.speaker, turn.text) == (
        "Anna",
        "Correction: since 2018-03 Anna lives in Bergen, not Oslo.",
    )
    assert (change.cause, change.facts) == ("edit by Anna", 2)


def test_a_correction_is_one_change_and_undone_as_one(told: SqliteStore) -> None:
    before = told.read(EVERYTHING).rows
    edits: list[Callable[[], Change]] = [
        lambda: supersede(told, 1, "Bergen"),
        lambda: correct(told, 1, value="Oslo, Norway"),
        lambda: end(told, 1, "2018"),
        lambda: remove(told, 1),
    ]
    for edit in edits:
        change = edit()
        assert told.read(EVERYTHING).rows != before
        told.undo(change.id)
        assert told.read(EVERYTHING).rows == before


def test_what_never_was_true_is_put_right_in_place(told: SqliteStore) -> None:
    correct(told, 3, value="cat Rufus", subject="Bob", attribute="owns", happened_on="", by="Ben")
    fact = fact_of(told, 3)
    assert (fact.subject, fact.attribute, fact.value) == ("Bob", "owns", "cat Rufus")
    assert (fact.happened_on, fact.turn_id) == ("", 4)
    assert len(told.turns()) == 5


def test_a_correction_is_not_digested_once_more(told: SqliteStore) -> None:
    supersede(told, 1, "Bergen")
    assert claim_window(told, 16) is None


def test_a_correction_leaves_undigested_turns_to_the_digest(told: SqliteStore) -> None:
    told.add([Turn("Ben", "I bought a boat.")])
    supersede(told, 1, "Bergen")
    assert claim_window(told, 16) == (6, 7)


def test_of_two_who_supersede_a_fact_at_once_one_is_refused(
    told: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(turns: list[Turn], add: Callable[..., list[int]] = told.add) -> list[int]:
        with open_store(path) as other:
            supersede(other, 1, "Rome", since="2018")
        return add(turns)

    monkeypatch.setattr(told, "add", slow)
    with pytest.raises(InputError, match=r"fact 1 already ended on 2018.*Rome"):
        supersede(told, 1, "Bergen", since="2019")
    assert [fact[1:4] for fact in short(told) if fact[0] not in (2, 3)] == [
        ("Oslo", "2017-05-06", "2018"),
        ("Rome", "2018", ""),
    ]
    assert told.turn(7).text.startswith("(withdrawn) Correction:")


@pytest.mark.parametrize(
    "edit",
    [
        lambda store: correct(store, 1, value="Osaka"),
        lambda store: end(store, 1, "2018-03"),
        lambda store: remove(store, 1),
    ],
)
def test_what_somebody_else_changed_just_now_is_not_overwritten(
    told: SqliteStore, path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[..., Change]
) -> None:
    def slow(*args: Any, write: Callable[..., Change] = told.write, **named: Any) -> Change:
        with open_store(path) as other:
            correct(other, 1, value="Rome")
        return write(*args, **named)

    seen = told.changes()[-1].id
    assert edits_since(told, 1, seen) == []
    monkeypatch.setattr(told, "write", slow)
    with pytest.raises(InputError, match="changed fact 1"):
        edit(told)
    assert short(told)[0] == (1, "Rome", "2017-05-06", "", 1)
    [theirs] = edits_since(told, 1, seen)
    assert theirs.before
    assert theirs.before.value == "Oslo"


def test_a_person_notes_what_a_turn_tells(told: SqliteStore) -> None:
    change = add(
        told,
        turn_id=5,
        subject="Anna",
        attribute="allergic_to",
        value="dogs",
        happened_on="2017",
        by="Ben",
    )
    assert (change.cause, change.window) == ("edit by Ben", None)
    assert fact_of(told, 4) == told.facts()[-1]
    assert short(told)[-1] == (4, "dogs", "2017", "", 5)
    for fields in ({"value": " "}, {"attribute": ""}, {"happened_on": "May"}, {"turn_id": 9}):
        sound = {"turn_id": 5, "subject": "Anna", "attribute": "likes", "value": "tea"}
        with pytest.raises(InputError):
            add(told, **(sound | fields))
    assert len(told.facts()) == 4


def test_a_person_adds_what_no_turn_says(told: SqliteStore) -> None:
    fact = {"subject": "anna", "attribute": "Is allergic to", "value": "nuts "}
    change = add(told, **fact, happened_on="2017", by="Ben")
    said = told.turn(6)
    assert (said.speaker, said.session) == ("Ben", "corrections")
    assert said.text == "Anna allergic to nuts since 2017."
    assert change.window == (6, 6), "no model reads it again"
    stored = fact_of(told, 4)
    assert (stored.subject, stored.attribute, stored.value) == ("Anna", "allergic_to", "nuts")
    assert (stored.happened_on, stored.turn_id) == ("2017", 6)
    told.undo(change.id)
    assert told.turn(6).text.startswith(WITHDRAWN)
    add(told, subject="Ben", attribute="visited", value="Rome", happened_on="2024-05")
    assert told.turn(7).text == "Ben visited Rome in 2024-05."


def test_what_is_refused_stores_no_turn(told: SqliteStore) -> None:
    sound = {"subject": "Anna", "attribute": "likes", "value": "tea"}
    for fields, says in (
        ({"value": " "}, "needs a value"),
        ({"happened_on": "May"}, "'May' is not a date"),
        ({"value": "x" * 30_000}, "cannot be stored"),
        ({"attribute": "home", "value": "OSLO"}, "fact 1 already says this: Anna lives_in Oslo"),
    ):
        with pytest.raises(InputError, match=says):
            add(told, **(sound | fields))
    assert len(told.turns()) == 5


def test_an_addition_keeps_to_the_vocabulary_before_a_turn_is_stored(told: SqliteStore) -> None:
    mood = Attribute("mood", "one value", ("feels",), ("good", "bad"))
    set_vocabulary(told, [mood], replaces=True, strict=True)
    for attribute, value, says in (
        ("feels", "so so", "mood is one of good, bad, not 'so so'"),
        ("plays", "chess", "plays.* strict"),
    ):
        with pytest.raises(InputError, match=says):
            add(told, subject="Anna", attribute=attribute, value=value, new_attribute=True)
    assert len(told.turns()) == 5
    add(told, subject="Anna", attribute="Feels", value="GOOD")
    with pytest.raises(InputError, match="not 'fine'"):
        supersede(told, 4, "fine")
    add(told, subject="Anna", attribute="mood", value="bad")
    assert [(fact.attribute, fact.value) for fact in find(told, "mood")] == [("mood", "bad")]
    assert len(told.turns()) == 7


def test_an_attribute_near_to_others_is_offered_and_not_doubled(told: SqliteStore) -> None:
    add(told, subject="Anna", attribute="favourite tea", value="Assam")
    near = "no fact has the attribute 'preferred_tea', and some have favourite_tea: use that name"
    with pytest.raises(InputError, match=near):
        add(told, subject="Ben", attribute="preferred_tea", value="Mint")
    add(told, subject="Ben", attribute="Favourite-Tea", value="Mint")
    add(told, subject="Ben", attribute="preferred_tea", value="Rooibos", new_attribute=True)
    add(told, subject="Ben", attribute="preferred_tea", value="Sencha")
    assert [(fact.attribute, fact.value) for fact in told.facts()[3:]] == [
        ("favourite_tea", "Assam"),
        ("favourite_tea", "Mint"),
        ("preferred_tea", "Rooibos"),
        ("preferred_tea", "Sencha"),
    ]


def test_a_new_value_of_one_ends_the_old_and_an_earlier_one_ends_where_it_began(
    told: SqliteStore,
) -> None:
    home = {"subject": "Anna", "attribute": "lives_in"}
    change = add(told, **home, value="Bergen", happened_on="2018-02")
    add(told, **home, value="Porto", happened_on="2015")
    add(told, **home, value="Rome", turn_id=5)  # said in 2017
    current = [
        (f.value, f.happened_on, f.ended_on or "") for f in told.facts() if "live" in f.attribute
    ]
    assert current == [
        ("Oslo", "2017-05-06", "2018-02"),
        ("Bergen", "2018-02", ""),
        ("Porto", "2015", "2017-05-06"),
        ("Rome", "", "2018-02"),
    ]
    assert told.turn(6).text == "Anna lives in Bergen since 2018-02, no longer Oslo."
    assert told.turn(7).text == "Anna lives in Porto since 2015 until 2017-05-06."
    assert change.facts == 2


def test_a_fact_that_changes_as_it_is_to_be_ended_leaves_nothing_half_done(
    told: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = told.write

    def slow(*arguments: Any, **options: Any) -> Change:
        monkeypatch.setattr(told, "write", write)
        correct(told, 1, value="Rome")
        return write(*arguments, **options)

    monkeypatch.setattr(told, "write", slow)
    with pytest.raises(InputError, match="changed fact 1"):
        add(told, subject="Anna", attribute="lives_in", value="Bergen")
    assert [fact.value for fact in find(told, "lives")] == ["Rome"]


def test_the_command_adds_a_fact_to_a_new_memory_too(tmp_path: Path) -> None:
    def command(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["facts", *arguments, "--db", str(tmp_path / "new.db")])
        assert result.exit_code == 0, result.output
        return result.stdout

    added = command("add", "Anna", "home", "Oslo", "--on", "2017-05")
    assert added.startswith("+ Anna lives_in: Oslo since 2017-05 (fact 1, turn 1)\nchange 1;")
    [line] = command("add", "Anna", "has_pet", "cat", "--turn", "1", "--json").splitlines()
    assert json.loads(line)["edits"][0]["after"]["turn_id"] == 1
    assert "Anna     has_pet    cat" in command("Anna")


def test_a_kill_between_turn_and_change_leaves_only_the_turn(
    told: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    before = told.read(EVERYTHING).rows
    monkeypatch.setattr(told, "write", kill)
    with pytest.raises(KeyboardInterrupt):
        supersede(told, 1, "Bergen")
    assert told.read(EVERYTHING).rows == before
    assert told.turn(6).text == "Correction: Anna lives in Bergen, not Oslo."
    assert told.check() == []


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1)


@pytest.mark.slow
@settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(TEXT.filter(str.strip) | st.sampled_from(["'); DELETE FROM facts; --", "```", "it''s", "'"]))
def test_any_text_is_stored_as_a_line_that_a_reader_sees(told: SqliteStore, value: str) -> None:
    line = label(value, LONGEST["value"])
    before = fact_of(told, 3).value
    if not line:
        with pytest.raises(InputError, match="write what a reader can see"):
            correct(told, 3, value=value)
    elif before != line:
        correct(told, 3, value=value)
    assert fact_of(told, 3).value == (line or before)
    assert len(told.facts()) == 3


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda store: supersede(store, 9, "Bergen"), "no fact 9"),
        (lambda store: end(store, 9, "2018"), "no fact 9"),
        (lambda store: remove(store, 9), "no fact 9"),
        (lambda store: correct(store, 9, value="x"), "no fact 9"),
        (lambda store: history(store, 9), "never was a fact 9"),
        (lambda store: supersede(store, 2, "a dog"), "already ended on 2018"),
        (lambda store: end(store, 2, "2019"), "already ended on 2018"),
        (lambda store: supersede(store, 1, "Bergen", since="last May"), "'last May' is not a date"),
        (lambda store: end(store, 1, "2017-02-30"), "'2017-02-30' is not a date"),
        (lambda store: end(store, 1, "20170230"), "is not a date"),
        (lambda store: correct(store, 1, happened_on="2017-13"), "'2017-13' is not a date"),
        (lambda store: end(store, 1, "2017-04"), "began on 2017-05-06; it cannot end on 2017-04"),
        (lambda store: supersede(store, 1, " "), "empty"),
        (lambda store: supersede(store, 1, "x" * 30_000), "cannot be stored: .* too long"),
        (lambda store: correct(store, 1, value="x\0"), "cannot be stored"),
        (lambda store: supersede(store, 1, "Oslo"), "already says this: Anna lives_in Oslo"),
        (lambda store: correct(store, 1, value="Oslo"), "already says this"),
        (lambda store: correct(store, 1), "already says this"),
        (lambda store: correct(store, 1, subject=" "), "needs a subject"),
    ],
)
def test_what_cannot_be_corrected_is_refused_and_nothing_changes(
    told: SqliteStore, change: Callable[[SqliteStore], object], says: str
) -> None:
    end(told, 2, "2018")
    before = told.read(EVERYTHING).rows
    with pytest.raises(InputError, match=says):
        change(told)
    assert told.read(EVERYTHING).rows == before
    assert len(told.turns()) == 5


# ------------------------------------------------------------------------------- finding


def test_facts_are_found_by_their_words_and_the_ended_ones_on_request(told: SqliteStore) -> None:
    supersede(told, 1, "Bergen")
    assert [fact.value for fact in find(told, "anna")] == ["cat Miso", "Bergen"]
    assert next(fact.value for fact in find(told, "anna", ended=True)) == "Oslo"
    assert [fact.id for fact in find(told, "ann PETS")] == []
    assert [fact.id for fact in find(told, "anna has")] == [2]
    assert [fact.value for fact in find(told, "lives in", point=1)] == ["Oslo"]


def test_a_fact_has_a_history_even_when_it_is_gone(told: SqliteStore) -> None:
    correct(told, 1, value="Oslo, Norway")
    remove(told, 1)
    assert [(e.before and e.before.value, e.after and e.after.value) for e in history(told, 1)] == [
        (None, "Oslo"),
        ("Oslo", "Oslo, Norway"),
        ("Oslo, Norway", None),
    ]


# ----------------------------------------------------------------- what a digest may not do


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE facts SET value = 'Bergen' WHERE id = 1",
        "UPDATE facts SET subject = 'Ben' WHERE id = 1",
        "UPDATE facts SET attribute = 'likes' WHERE id = 1",
        "UPDATE facts SET turn_id = 6 WHERE id = 1; UPDATE facts SET value = 'X' WHERE id = 1",
        "UPDATE facts SET turn_id = 6, value = 'Bergen' WHERE id = 1",
    ],
)
def test_a_digest_cannot_reword_what_was_said_before(told: SqliteStore, statement: str) -> None:
    told.add([Turn("Anna", "I live in Bergen now.", said_at="2018-03-01")])
    with pytest.raises(SqlError, match="subject = 'Anna' AND attribute = 'lives_in'") as refused:
        told.write(statement, cause="digest", window=(6, 6))
    advice = str(refused.value).split(": ", 1)[1].removesuffix("; INSERT INTO facts ...")
    told.write(
        f"{advice}; {INSERT}('Anna', 'lives_in', 'Bergen', '2018-03', 6)",
        cause="digest",
        window=(6, 6),
    )
    assert [fact[1:4] for fact in short(told)[::3]] == [
        ("Oslo", "2017-05-06", "2017-05"),
        ("Bergen", "2018-03", ""),
    ]


def test_a_digest_may_correct_its_own_facts_and_people_all(told: SqliteStore) -> None:
    told.add([Turn("Anna", "I live in Bergen now.")])
    told.write(
        f"{INSERT}('Anna', 'moved', 'Bregen', NULL, 6);"
        "UPDATE facts SET value = 'Bergen' WHERE attribute = 'moved'",
        cause="digest",
        window=(6, 6),
    )
    told.write("UPDATE facts SET value = 'Bergen' WHERE id = 1", cause="edit")
    assert [fact[1] for fact in short(told)] == ["Bergen", "cat Miso", "dog Rufus", "Bergen"]


# ----------------------------------------------------------------- questions about the past


@pytest.mark.parametrize(
    ("question", "said"),
    [("Where did Anna live in 2017?", "Oslo"), ("Where does Anna live?", "Bergen")],
)
def test_questions_about_the_past_are_shown_the_past(
    told: SqliteStore, question: str, said: str
) -> None:
    supersede(told, 1, "Bergen", since="2018")
    select = (
        "SELECT turn_id, subject, value, happened_on, ended_on FROM facts"
        " WHERE attribute = 'lives_in'"
    )
    shown = [
        "Anna | lives_in: Oslo (happened 2017-05-06, until 2018) [1]; Bergen (happened 2018) [6]",
        "since 2018 Anna lives in Bergen",
    ]
    model = scripted_model([([question], sql(select)), ([question, *shown], answer(said, "1, 6"))])
    assert Memory(told, model=model).ask(question).text == said
    assert isinstance(model.lm, ScriptedLM)
    model.lm.assert_done()


# ------------------------------------------------------------------------ what is current

TODAY = "2026-11-21"


@pytest.mark.parametrize(
    ("happened_on", "ended_on", "current"),
    [
        ("", "", True),
        ("2026", "", True),
        ("2026-11", "", True),
        (TODAY, "", True),
        (f"{TODAY}/2026-11-22", "", True),
        ("2026-11-22/2026-11-23", "", False),
        ("2026-11-22", "", False),
        ("2027", "", False),
        ("next summer", "", True),
        ("2014", "2031", True),
        ("2014", "2026-12", True),
        ("2014", "2026-11-22", True),
        ("2014", TODAY, False),
        ("2014", "2026-11", False),
        ("2014", "2026", False),
        ("2014", "last year", False),
        ("2027", "2031", False),
    ],
)
def test_current_is_what_has_begun_and_not_ended(
    happened_on: str, ended_on: str, current: bool
) -> None:
    fact = Fact("Anna", "lives_in", "Oslo", 1, happened_on=happened_on, ended_on=ended_on)
    assert is_current(fact, TODAY) is current


def test_what_ends_later_is_true_until_then(told: SqliteStore) -> None:
    end(told, 1, on="2931")
    assert [fact.id for fact in find(told)] == [1, 2, 3]
    with pytest.raises(InputError, match="began on"):
        end(told, 1, on="2016")
    supersede(told, 1, "Bergen", since="2930-05")  # earlier than what was planned
    assert [(f.id, f.ended_on) for f in find(told)] == [(1, "2930-05"), (2, ""), (3, "")]
    assert [f.id for f in find(told, ended=True)] == [1, 2, 3, 4]


# ------------------------------------------------------------------------------ commands


def test_facts_lists_what_is_true_now(run: Run) -> None:
    assert run("facts", "edit", "1", "--value", "Bergen", "--since", "2018").exit_code == 0
    assert run("facts", "Anna").stdout.splitlines() == [
        "id  subject  attribute  value     since  until  turn",
        "2   Anna     has_pet    cat Miso                3",
        "4   Anna     lives_in   Bergen    2018          6",
    ]
    header, anna, *_ = run("facts", "--all").stdout.splitlines()
    assert header.split() == ["id", "subject", "attribute", "value", "since", "until", "turn"]
    assert anna.split() == ["1", "Anna", "lives_in", "Oslo", "2017-05-06", "2018", "1"]
    assert anna.index("Oslo") == header.index("value")
    assert anna.index("2018") == header.index("until")
    assert "Oslo       2017-05-06         1" in run("facts", "--as-of", "1").stdout
    [line] = run("facts", "berg", "--json").stdout.splitlines()
    assert json.loads(line)["happened_on"] == "2018"
    assert "--all" in run("facts", "oslo").stderr
    assert run("facts", "paris").stderr == "no such facts\n"


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        (["--value", "Bergen", "--since", "2018"], [("Oslo", "2018"), ("Bergen", "")]),
        (["--was-wrong", "--value", "Bergen"], [("Bergen", "")]),
        (["--was-wrong", "--subject", "Ann"], [("Oslo", "")]),
        (["--ended-on", "2018"], [("Oslo", "2018")]),
        (["--delete"], []),
    ],
)
def test_edit_changes_a_fact_and_says_how_to_undo_it(
    run: Run, told: SqliteStore, arguments: list[str], after: list[tuple[str, str]]
) -> None:
    out = run("facts", "edit", "1", *arguments)
    assert out.exit_code == 0, out.output
    now = [fact for fact in told.facts() if fact.attribute == "lives_in"]
    assert [(fact.value, fact.ended_on or "") for fact in now] == after
    assert "change 2; to undo: memory undo 2 --db" in out.stdout


# ---------------------------------------------------------------------------- the turn's own date


TOLD_OVER_YEARS = [
    ("Anna", "I moved to Hull.", "2023-05-15", ["Hull"]),
    ("Ben", "I live in Leeds now.", "2024-03-10", ["Hull", "Leeds"]),
    ("Anna", "I've moved to York.", "2025-09-10", ["Leeds", "York"]),
]


@pytest.fixture
def imported(address: str) -> Iterator[Store]:
    with open_store(address) as store:
        add_turns(
            store, [Turn(speaker, text, said_at=day) for speaker, text, day, _ in TOLD_OVER_YEARS]
        )
        yield store


def test_a_fact_of_a_template_holds_from_the_day_of_its_turn(imported: Store) -> None:
    assert find(imported, point="2022") == []
    for _, _, day, values in TOLD_OVER_YEARS:
        assert [fact.value for fact in find(imported, point=day)] == values
        assert [fact.value for fact in find(imported, point=day[:4])] == values
    with imported.as_of("2024") as past:
        assert [fact.value for fact in find(past)] == ["Hull", "Leeds"]
    assert [edit.moment for edit in edits_of(imported)][:2] == ["2023-05-15", "2024-03-10"]


def test_a_plan_is_for_its_day_and_a_state_since_its_day() -> None:
    home = Fact("Anna", "lives_in", "Oslo", 3, "2017-05", id=1)
    trip = Fact("Anna", "plans_to", "see Rome", 4, "2024-05-03", id=2)
    goal = Fact("Anna", "goal", "run a marathon", 5, "2024-10", id=3)
    assert fact_line(home) == "Anna lives_in: Oslo since 2017-05 (fact 1, turn 3)"
    assert fact_line(trip) == "Anna plans_to: see Rome, on 3 May 2024 (fact 2, turn 4)"
    assert fact_line(goal) == "Anna goal: run a marathon, in Oct 2024 (fact 3, turn 5)"
