"""Whose words: texts of others are stored, and nothing that they say of the person."""

import json
from pathlib import Path

import pytest

from memory import Store, Turn, open_store
from memory.agents.sessions import HookCall, capture
from memory.exchange import read_export
from memory.exchange.imports import import_turns
from memory.facts.additions import add_turns
from memory.store.namespaces import location_of
from tests.support.agent_transcripts import ClaudeCodeSession
from tests.support.foreign_exports import (
    chatgpt,
    chatgpt_message,
    claude,
    claude_message,
    write,
)
from tests.support.others_words import OTHERS_WORDS, PLAY, STATED

OWN = {("lives_in", "Hamburg"), ("allergic_to", "nuts")}


def stated(store: Store, first: int = 1) -> set[tuple[str, str]]:
    return {(fact.attribute, fact.value) for fact in store.facts() if fact.turn_id >= first}


@pytest.mark.parametrize("text", OTHERS_WORDS.values(), ids=OTHERS_WORDS)
def test_words_of_others_state_nothing_of_who_shows_them(path: Path, text: str) -> None:
    with open_store(path) as store:
        add_turns(store, [Turn("User", text, said_at="2026-03-01")])
        assert stated(store) == set()


def test_a_persons_own_words_state_what_they_say(path: Path) -> None:
    with open_store(path) as store:
        add_turns(store, [Turn("User", f"Hi!\n\n{STATED}", said_at="2026-03-01")])
        assert stated(store) == OWN


def test_in_a_session_of_a_play_nobody_speaks_of_themselves(path: Path) -> None:
    with open_store(path) as store:
        add_turns(store, [Turn("User", text, session="play") for text in PLAY])
        add_turns(store, [Turn("User", "I live in Hamburg.", session="play")])
        assert stated(store) == set()
        add_turns(store, [Turn("User", STATED, session="another")])
        assert stated(store) == OWN


@pytest.mark.parametrize(
    "advice",
    [
        "Role-play the interview with a friend.",
        "Stay in character on the stage, and pretend to be calm.",
    ],
)
def test_an_assistant_that_advises_a_play_begins_none(path: Path, advice: str) -> None:
    with open_store(path) as store:
        add_turns(store, [Turn("assistant", advice, session="advice")])
        add_turns(store, [Turn("User", STATED, session="advice")])
        assert stated(store) == OWN


@pytest.mark.parametrize("form", ["chatgpt", "claude", "messages"])
def test_imports_of_chats_with_assistants_know_whose_words_they_are(
    tmp_path: Path, form: str
) -> None:
    texts = [*OTHERS_WORDS.values(), *PLAY]
    if form == "chatgpt":
        chats = [
            chatgpt("c-1", "A", *(chatgpt_message(n, "user", text) for n, text in enumerate(texts)))
        ]
        chats.append(chatgpt("c-2", "B", chatgpt_message(1, "assistant", STATED)))
    elif form == "claude":
        chats = [
            claude("c-1", "A", *(claude_message(n, "human", text) for n, text in enumerate(texts)))
        ]
        chats.append(claude("c-2", "B", claude_message(1, "assistant", STATED)))
    else:
        chats = [{"messages": [{"role": "user", "content": text} for text in texts]}]
        chats.append({"messages": [{"role": "assistant", "content": STATED}]})
    with open_store(tmp_path / "a.db") as store:
        report = import_turns(store, read_export(write(tmp_path / "chats.json", *chats)))
        assert report.turns == len(texts) + 1
        assert stated(store) == set()


def test_hooks_know_whose_words_they_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    session = ClaudeCodeSession(tmp_path / "claude", tmp_path, "5d3c0a5e-0001")
    for text in (*OTHERS_WORDS.values(), *PLAY):
        session.prompt(text)
    call = HookCall(
        agent="claude-code",
        event="Stop",
        session=session.session,
        folder=str(tmp_path),
        transcript=str(session.path),
        options={"state": str(tmp_path / "state"), "namespace": "shop"},
    )
    assert capture(call) == f"{len(OTHERS_WORDS) + len(PLAY)} turns stored"
    with open_store(location_of("shop")) as store:
        assert stated(store) == set()
        assert json.dumps(STATED)[1:-1] in json.dumps([turn.text for turn in store.turns()])
