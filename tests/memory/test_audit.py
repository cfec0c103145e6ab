"""The hygiene audit, what it proposes, and what the store finds wrong with its own file."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

from memory import InputError, Turn, open_store
from memory.cli import audit as audit_command
from memory.cli import settings as settings_command
from memory.facts.audit import Finding, audit
from memory.store.files import integrity
from memory.store.files.integrity import version_fault
from memory.store.forgetting.preview import forget, matching_turns
from memory.store.sqlite.store import SqliteStore
from memory.store.waiting.pending_windows import claim_window, fail_window
from tests.conftest import CAT, DOG, INSERT, MOVED
from tests.support.older_version import older_version
from tests.support.rows import connection_of, rows_of

BOTH_STORES = "slow"

Run = Callable[..., Result]
EVERYTHING = "SELECT * FROM facts ORDER BY id"
BERGEN = INSERT + "('anna', 'lives in', 'Bergen', '2018-03', 5)"
app = typer.Typer()
app.command()(settings_command.settings)
app.command()(audit_command.audit)


@pytest.fixture
def run(store: SqliteStore, path: Path) -> Run:
    def command(*arguments: str, say: str = "") -> Result:
        return CliRunner().invoke(app, ["audit", *arguments, "--db", str(path)], input=say)

    return command


def found(store: SqliteStore, kind: str) -> list[Finding]:
    return audit(store, [kind])


def values(*rows: tuple[object, ...]) -> str:
    """INSERT of (subject, attribute, value, happened_on, turn)."""
    return INSERT + ", ".join(str(row) for row in rows)


# ----------------------------------------------------------------------- contradictions


def test_two_values_at_the_same_time_are_a_contradiction(store: SqliteStore) -> None:
    store.write(f"{MOVED}; {CAT}; {DOG}; {BERGEN}", cause="test")
    assert found(store, "contradiction") == [
        Finding(
            "contradiction",
            "Anna lives_in: Oslo (fact 1, 2017-05-06) and Bergen (fact 4, 2018-03) at the same"
            " time",
            facts=(1, 4),
            turns=(1, 5),
            sql="UPDATE facts SET ended_on = '2018-03' WHERE id = 1",
        )
    ]


@pytest.mark.parametrize(
    "second",
    [
        "('Anna', 'lives_in', 'Oslo, Norway', '2018', 5)",  # says more
        "('Ben', 'lives_in', 'Bergen', '2018', 5)",  # of somebody else
        "('Anna', 'has_pet', 'dog', '2018', 5), ('Anna', 'has_pet', 'cat', '2018', 5)",  # several
        "('Anna', 'lives_in', 'OSLO!', '2018', 5)",  # the same
    ],
)
def test_what_can_be_true_together_is_none(store: SqliteStore, second: str) -> None:
    store.write(f"{MOVED}; {INSERT}{second}", cause="test")
    assert found(store, "contradiction") == []


# --------------------------------------------------------------------------- duplicates


def test_what_is_said_already_is_a_duplicate(store: SqliteStore) -> None:
    rows = [("anna", "has pet", "Cat: Miso", "", 5), ("Anna", "has_pet", "cat miso", "", 1)]
    store.write(f"{CAT}; {values(*rows)}; {DOG}", cause="test")
    [finding] = found(store, "duplicate")
    assert (finding.facts, finding.sql) == ((1, 2, 3), "DELETE FROM facts WHERE id IN (2, 3)")


# -------------------------------------------------------------------------- unsupported


@pytest.mark.parametrize(
    ("turn", "value", "supported"),
    [
        ("I adopted a dog, Rufus.", "adopting an animal", True),
        ("I adopted a dog, Rufus.", "dogs", True),
        ("I adopted a dog, Rufus.", "a red bicycle", False),
        ("We paid 900 for it", "900 euros", True),
        ("We paid 900 for it", "90 crowns", False),
        ("I am 31 now", "31", True),
        ("I'm over the moon", "the", True),  # nothing to judge by
        ("Ich wohne in Köln", "Koln", True),
        ("我搬到了北京", "北京", True),
        ("我搬到了北京", "上海", False),
        ("昨日、京都へ行きました", "京都", True),
        ("Я переехала в Москву", "Москва", True),
        ("Jag är här", "😀", True),
    ],
)
def test_a_value_without_a_word_of_its_turn_is_unsupported(
    store: SqliteStore, turn: str, value: str, supported: bool
) -> None:
    store.add([Turn("Cleo", "hm"), Turn("Cleo", turn), Turn("Cleo", "hm")])
    store.write(values(("Cleo", "says", value, "", 7)), cause="test")
    assert [one.facts for one in found(store, "unsupported")] == ([] if supported else [(1,)])


# ------------------------------------------------------------------------ the other kinds


def test_names_that_an_older_version_stored_as_they_came_are_counted(
    store: SqliteStore, run: Run
) -> None:
    assert found(store, "names") == []
    with older_version():
        [ada] = store.add([Turn("Ada\u200b", "I am here.", tags={"file": "a\u2028b"})])
        [ben, *_] = store.add(
            [
                Turn("Ben", "So am I.", session="one\n[1] Ada: two"),
                Turn("Ben", "And I.", source="x" * 600),
                Turn("Ben", "Me too.", said_at="2026-01-02\x85"),
            ]
        )
        store.write(f"{INSERT}('Ben', 'likes', 'tea\x0bcake', '', {ben})", cause="test")
    store.add([Turn("Cleo", "Here I am.", tags={"file": "a b", "n": "1"})])
    [finding] = found(store, "names")
    assert finding.turns == (ada, ben, ben + 1, ben + 2)
    assert finding.facts == (1,)
    assert finding.text == (
        f"4 turns ({ada}, {ben}, {ben + 1}, {ben + 2}) and 1 fact (1) of an older version with line"
        " breaks, unseen characters or long texts in their names; they are cleaned when shown"
    )
    assert f"names: {finding.text}" in run("--kind", "names").stdout
    # Forgotten turns leave gaps.
    turns = matching_turns(store, ids=[ada, ben, ben + 1])
    forget(store, turns, lambda gone: True)
    [finding] = found(store, "names")
    assert finding.turns == (ben + 2,)


def test_what_was_said_does_not_steer_the_terminal(run: Run, store: SqliteStore) -> None:
    store.write(f"{INSERT}('Ben', 'says', '\x1b[2Jboo', '', 4)", cause="test")
    assert "\x1b" not in found(store, "unsupported")[0].text
    assert "unsupported: Ben says: [2Jboo" in run().stdout


def test_windows_that_failed_are_named_with_their_error(store: SqliteStore) -> None:
    window = claim_window(store, 3)
    assert window is not None
    assert found(store, "pending") == [], "somebody is at work on it"
    fail_window(store, window, "the model wrote\na poem")
    [finding] = found(store, "pending")
    assert "after 1 attempt: the model wrote a poem" in finding.text
    assert "digest --replay" in finding.text
    assert finding.turns == (1, 2, 3)


# ------------------------------------------------------------------------------- --fix

FACTS = st.lists(
    st.tuples(
        st.sampled_from(["Ann", "ann", "Bo"]),
        st.sampled_from(["lives_in", "likes"]),
        st.sampled_from(["Oslo", "oslo", "Oslo, Norway", "Bergen", "Rome", "?"]),
        st.sampled_from(["", "2016", "2017", "2017-05", "2017-05-06", "2017-05-06/2017-05-07"]),
        st.integers(1, 5),
    ),
    min_size=1,
    max_size=14,
)


@pytest.mark.slow
@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(FACTS)
def test_what_was_fixed_is_not_found_again_and_can_be_undone(
    store: SqliteStore, facts: list[tuple[object, ...]]
) -> None:
    if store.facts():
        store.write("DELETE FROM facts WHERE id > 0", cause="test", by_person=True)
    store.write(values(*facts), cause="test")
    before = store.read(EVERYTHING).rows
    proposed = [one for one in audit(store, ["contradiction", "duplicate"]) if one.sql]
    done = [store.write(one.sql, cause="audit", by_person=True) for one in proposed]
    assert audit(store, ["contradiction", "duplicate"]) == []
    left = {(str(f.subject).lower(), f.attribute) for f in store.facts() if not f.ended_on}
    assert left == {(str(f[0]).lower(), f[1]) for f in facts}, "something stays true of each"
    for change in reversed(done):
        store.undo(change.id)
    assert store.read(EVERYTHING).rows == before
    assert store.check() == []


def both(store: SqliteStore) -> None:
    store.write(f"{MOVED}; {CAT}; {CAT}; {BERGEN}", cause="test")


@pytest.mark.parametrize(
    ("say", "changes"),
    [("yes\nno\n", 1), ("n\ny\n", 1), ("all\n", 2), ("what?\nquit\n", 0), ("y\n", 1), ("", 0)],
)
def test_fix_asks_before_each_change(run: Run, store: SqliteStore, say: str, changes: int) -> None:
    both(store)
    out = run("--fix", say=say)
    assert out.exit_code == 0, out.output
    assert len(store.changes()) == 1 + changes
    assert "UPDATE facts SET ended_on = '2018-03' WHERE id = 1" in out.stdout
    assert ("to undo: memory undo" in out.stdout) == (changes > 0)


def test_fix_with_yes_asks_nothing_and_the_second_time_finds_nothing(
    run: Run, store: SqliteStore
) -> None:
    both(store)
    out = run("--fix", "--yes", "--kind", "contradiction", "--kind", "duplicate").stdout
    assert "changes 2, 3; to undo: memory undo 3" in out
    assert [change.cause for change in store.changes()[1:]] == [
        "audit: contradiction",
        "audit: duplicate",
    ]
    again = run("--fix", "--yes", "--kind", "contradiction", "--kind", "duplicate").stdout
    assert again == "found nothing\n"


def test_without_fix_nothing_is_changed(run: Run, store: SqliteStore) -> None:
    both(store)
    out = run().stdout
    assert "contradiction: Anna lives_in" in out
    assert "found: contradiction 1, duplicate 1, unsupported 1; --fix offers 2 changes" in out
    assert run("--kind", "duplicate").stdout.endswith("found: duplicate 1; --fix offers 1 change\n")
    lines = [json.loads(line) for line in run("--json", "--kind", "duplicate").stdout.splitlines()]
    assert [(line["kind"], line["facts"]) for line in lines] == [("duplicate", [2, 3])]
    assert len(store.changes()) == 1
    assert isinstance(run("--kind", "typos").exception, InputError)


# ------------------------------------------------------------------------- the file itself


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "says"),
    [
        ("DELETE FROM recent WHERE turn_id = 1200", "turn 1200 is not in the columns"),
        ("DELETE FROM pieces WHERE first_turn = 65", "vectors of the turns from 1 on are missing"),
        ("UPDATE pieces SET vectors = x'00' WHERE first_turn = 65", "from 1 on are missing"),
        ("UPDATE blocks SET codes = x'00'", "from 1 on are missing"),
        ("INSERT INTO pieces VALUES (1200, x'00')", "from 1200 on belong to nothing"),
        ("UPDATE recent SET columns = (SELECT columns FROM recent LIMIT 1)", "not in the order"),
        (
            "INSERT INTO turns_words (turns_words, rowid, text) VALUES ('delete', 3, "
            "'small but my cat miso loves the window')",
            "turn 3 is not in the full-text index",
        ),
        (
            "INSERT INTO turns_words (turns_words, rowid, text) VALUES ('delete', 5, 'dogs')",
            "the full-text index lacks words of turn 5",
        ),
        (
            "INSERT INTO turns_words (rowid, text) VALUES (5000, 'ghost')",
            "turn 5000 is not there any more, but in the full-text index",
        ),
        (
            "INSERT INTO facts_words (rowid, value) VALUES (50, 'ghost')",
            "fact 50 is not there any more, but in the full-text index",
        ),
        ("DELETE FROM facts_log WHERE fact_id = 1", "fact 1 is not as the journal says"),
        ("UPDATE facts_log SET after = '[1]' WHERE fact_id = 1", "fact 1 is not as the journal"),
        (
            "INSERT INTO facts_log (change_id, fact_id, after) VALUES (1, 50, '[50]')",
            "fact 50 is gone, which the journal does not say",
        ),
        ("UPDATE changes SET first_turn = 4, last_turn = 2", "a window from turn 4 to 2"),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM turns WHERE id = 2",
            "turn 2 is not there any more, but in",
        ),
        ("PRAGMA foreign_keys = OFF; DELETE FROM turns WHERE id = 1", "row 1 of facts names a row"),
    ],
)
def test_what_is_wrong_with_the_file_is_named(
    store: SqliteStore, path: Path, damage: str, says: str
) -> None:
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
    store.add([Turn("Anna", f"Number {n}") for n in range(1200)])
    for statement in damage.split("; "):
        connection_of(store).execute(statement)
    wrong = store.check()
    assert any(says in line for line in wrong), wrong
    assert {finding.text for finding in found(store, "index")} == {*wrong}


def test_a_damaged_page_is_named(store: SqliteStore, path: Path) -> None:
    find = "SELECT rootpage - 1 FROM sqlite_master WHERE name = 'facts_by_subject'"
    [(page,)], [(page_bytes,)] = rows_of(store, find), rows_of(store, "PRAGMA page_size")
    start = page * page_bytes
    store.close()
    content = bytearray(path.read_bytes())
    content[start : start + 16] = b"\xff" * 16
    path.write_bytes(content)
    with open_store(path, read_only=True) as damaged:
        assert "the file is damaged" in damaged.check()[0]


@pytest.mark.parametrize(
    ("version", "is_faulty"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
    ],
)
def test_a_version_of_sqlite_that_may_lose_pages_is_named(
    version: tuple[int, int, int], is_faulty: bool
) -> None:
    assert version_fault(version).startswith("SQLite " + ".".join(map(str, version))) == is_faulty


def test_the_command_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrity, "version_fault", lambda: "SQLite 3.40.1 can")
    path = tmp_path / "a.db"
    open_store(path).close()
    noted = CliRunner().invoke(app, ["audit", "--db", str(path)])
    assert "note: SQLite 3.40.1 can" in noted.stderr
    [line] = CliRunner().invoke(app, ["audit", "--json", "--db", str(path)]).stdout.splitlines()
    note = json.loads(line)
    assert (note["kind"], note["text"]) == ("note", "SQLite 3.40.1 can")
    assert note.keys() == asdict(Finding("index", "")).keys()
    only_duplicates = CliRunner().invoke(app, ["audit", "--kind", "duplicate", "--db", str(path)])
    assert "note" not in only_duplicates.stderr
