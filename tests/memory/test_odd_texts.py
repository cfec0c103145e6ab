"""Texts that are huge, or not written as most are: stored, found and read, or refused plainly."""

from pathlib import Path

import pytest

from memory import InputError, Memory, Turn
from memory.agents.projects import project_of
from memory.exchange import read_export
from memory.exchange.imports import import_turns
from memory.exchange.transcripts import AGENTS, read_transcript
from memory.facts.additions import add_turns
from memory.store import Store
from memory.store.turns.turn_validation import MAX_TURN_CHARACTERS
from tests.support.agent_transcripts import ClaudeCodeSession
from tests.support.foreign_exports import write


def facts(store: Store) -> list[tuple[str, str]]:
    return [(fact.attribute, fact.value) for fact in store.facts()]


@pytest.mark.slow
def test_a_text_of_five_megabytes_is_refused_or_imported_in_parts(tmp_path: Path) -> None:
    text = "lorem ipsum dolor " * 290_000 + "zebra"
    with Memory(tmp_path / "a.db") as memory:
        with pytest.raises(InputError, match=r"5,220,005 characters; split it, at most 4,000,000"):
            memory.add(Turn("Ana", text))
        path = write(tmp_path / "a.json", {"speaker": "Ana", "text": text})
        assert import_turns(memory.store, read_export(path)).turns == 2
        assert len(memory.store.turn(1).text) == MAX_TURN_CHARACTERS
        assert memory.search("zebra", k=1)[0].turn_id == 2


def test_many_short_messages_are_stored_and_found(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as memory:
        memory.add([Turn("Ana", f"note about item{number}") for number in range(5_000)])
        assert memory.search("item3777", k=1)[0].turn_id == 3_778


@pytest.mark.parametrize(
    ("text", "query"),
    [
        (
            "\u05d4\u05db\u05dc\u05d1 \u05e9\u05dc\u05d9 \u05e8\u05e7\u05e1",
            "\u05e8\u05e7\u05e1",
        ),  # Hebrew: my dog Rex
        ("My pass\u200bport is in the drawer\ufeff.", "passport"),
        ("Je pre\u0301fe\u0300re le cafe\u0301.", "pr\u00e9f\u00e8re caf\u00e9"),
        ("Je pr\u00e9f\u00e8re le caf\u00e9.", "pre\u0301fe\u0300re cafe\u0301"),
    ],
)
def test_words_are_found_however_they_are_encoded(path: Path, text: str, query: str) -> None:
    with Memory(path) as memory:
        memory.add([Turn("Ana", "The boiler is old."), Turn("Ana", text), Turn("Ana", "Rain.")])
        assert memory.search(query, k=1)[0].turn_id == 2
        assert memory.store.turn(2).text == text


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("I'm alle\u200brgic to nu\u00adts.", ("allergic_to", "nuts")),
        ("\u2067I live in Orle\u0301ans.\u2069", ("lives_in", "Orl\u00e9ans")),
    ],
)
def test_a_statement_is_read_as_a_person_sees_it(
    path: Path, text: str, fact: tuple[str, str]
) -> None:
    with Memory(path) as memory:
        add_turns(memory.store, [Turn("Ana", text, said_at="2026-03-01")])
        assert facts(memory.store) == [fact]


def test_a_text_that_shows_another_than_it_holds_states_nothing(path: Path) -> None:
    with Memory(path) as memory:
        add_turns(memory.store, [Turn("Ana", "I live in \u202eolsO\u202c.")])
        assert facts(memory.store) == []


def test_a_text_that_nobody_can_see_is_no_text(path: Path) -> None:
    with Memory(path) as memory, pytest.raises(InputError, match="has no text"):
        memory.add(Turn("Ana", "\u200b \ufeff\u2060"))


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("C:\\Users\\Ana M\u00fcller\\web shop", "web shop"),
        ("C:/Users/Ana/shop", "shop"),
        ("\\\\server\\share\\shop", "shop"),
        ("\\\\server\\share\\", "share"),
        ("D:\\", "D"),
    ],
)
def test_a_folder_of_windows_is_a_project_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, name: str
) -> None:
    """Whatever folder the import runs in: it is another machine's."""
    (tmp_path / ".git").mkdir()
    monkeypatch.chdir(tmp_path)
    namespace = project_of(folder).namespace
    assert namespace.rpartition("-")[0] == name
    assert project_of(folder.upper()).namespace[-6:] == namespace[-6:]
    session = ClaudeCodeSession(tmp_path / "claude", "x", "5d3c0a5e-0001")
    session.folder = folder
    session.prompt("Mend it.")
    [turn] = read_transcript(AGENTS["claude-code"], session.path).turns
    assert (turn.session, turn.tags["project"]) == (f"{name} (a5e-0001)", name)
