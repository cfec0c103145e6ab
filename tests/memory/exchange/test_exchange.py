"""Reading memories from elsewhere: every turn once, every omission named, nothing guessed."""

import json
import shutil
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory.exchange import Skipped, character_folders, read_export
from memory.exchange.documents.chunking import CHUNK_TOKENS
from memory.text.tokens import count_tokens
from memory.text.written_dates import clean_date
from tests.support.foreign_exports import (
    DAY,
    character,
    chatgpt,
    chatgpt_message,
    claude,
    claude_message,
    parts,
    said,
    write,
)

LTM = [("Anna", "I moved to Oslo."), ("Miku", "How is Oslo, Anna?"), ("Anna", 'It "rains", a lot.')]


# ---------------------------------------------------------------- dates


@pytest.mark.parametrize(
    ("given_as", "date"),
    [
        (1494251760, "2017-05-08T13:56:00Z"),
        (1494251760.9, "2017-05-08T13:56:00Z"),
        (1494251760123, "2017-05-08T13:56:00Z"),
        ("1494251760", "2017-05-08T13:56:00Z"),
        (-1683554160, "1916-08-26T10:04:00Z"),
        (20170508, "2017-05-08"),
        (2017, "2017"),
        *((few, "") for few in (0, -5, -1.0, 12345, "-5", "0000-00-00", "2024-13-45")),
        ("2017-05-08 13:56:00", "2017-05-08T13:56:00"),
        ("2017-05-08T13:56", "2017-05-08T13:56"),
        ("2017-05-08T13:56+02:00", "2017-05-08T13:56+02:00"),
        ("2017-12-31T23:30:00-07:00", "2017-12-31T23:30:00-07:00"),
        ("2025-01-02T03:04:05.123456Z", "2025-01-02T03:04:05Z"),
        (" 2017-05-08 ", "2017-05-08"),
        ("2017-05", "2017-05"),
        ("2017", "2017"),
        ("8 May 2017", "2017-05-08"),
        ("Mon, 08 May 2017 13:56:07 +0200", "2017-05-08T13:56:07+02:00"),
        *((none, "") for none in ("", "0000", "2017-13", "8 May", "2017-02-30")),
        *((none, "") for none in (None, True, [], float("nan"), float("inf"), 10**400, 1e18)),
        ("0001-01-01T00:00:00+05:00", ""),
    ],
)
def test_a_date_is_iso_text_as_exact_as_it_was_given(given_as: object, date: str) -> None:
    assert clean_date(given_as) == date


@given(st.one_of(st.text(), st.floats(), st.integers(), st.datetimes(timezones=st.timezones())))
def test_a_clean_date_stays_as_it_is(given_as: object) -> None:
    date = clean_date(str(given_as) if not isinstance(given_as, (int, float)) else given_as)
    assert clean_date(date) == date


# ---------------------------------------------------------------- long_term_memory


def test_a_characters_messages_keep_name_text_and_date(tmp_path: Path) -> None:
    export = read_export(character(tmp_path / "miku_hatsune", LTM))
    assert (export.format, export.total, export.notes) == ("ltm", 3, ())
    turns, skipped = parts(export)
    assert turns == parts(read_export(tmp_path / "miku_hatsune" / "long_term_memory.db"))[0]
    assert [(t.speaker, t.text) for t in turns] == LTM
    assert [t.said_at for t in turns] == ["2017-05-08T13:56:00"] * 2 + ["2017-05-09T13:56:00"]
    assert [t.session for t in turns] == ["2017-05-08", "2017-05-08", "2017-05-09"]
    assert turns[0].source.startswith("ltm:miku_hatsune:0:")
    assert skipped == []


def test_ids_that_begin_again_at_0_are_other_sources(tmp_path: Path) -> None:
    before = parts(read_export(character(tmp_path / "a" / "miku", LTM)))[0]
    after = parts(read_export(character(tmp_path / "b" / "miku", [("Anna", "A new beginning.")])))[
        0
    ]
    assert after[0].source not in {turn.source for turn in before}


def test_reading_a_character_leaves_its_folder_as_it_was(tmp_path: Path) -> None:
    folder = character(tmp_path / "miku", LTM)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}
    parts(read_export(folder))
    assert before == {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in folder.rglob("*")}
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_write_that_was_interrupted_is_taken_in_or_back(tmp_path: Path, mode: str) -> None:
    live = character(tmp_path / "live", LTM) / "long_term_memory.db"
    conn = sqlite3.connect(live, isolation_level=None)
    conn.execute(f"PRAGMA journal_mode = {mode}")
    conn.execute("PRAGMA cache_spill = 1")
    conn.execute("PRAGMA cache_size = 2")
    conn.execute("BEGIN IMMEDIATE")
    for number in range(10, 60):
        row = (number, "Anna", f"{number} " + "x" * 900, "2017-06-01 00:00:00")
        conn.execute("INSERT INTO long_term_memory VALUES(?,?,?,?)", row)
    if mode == "wal":
        conn.execute("COMMIT")
    killed = tmp_path / "killed"
    shutil.copytree(live.parent, killed)
    conn.close()
    before = {p: p.read_bytes() for p in killed.rglob("*") if p.is_file()}
    assert any(p.name.endswith(("-wal", "-journal")) for p in before)
    assert len(parts(read_export(killed))[0]) == (53 if mode == "wal" else 3)
    assert before == {p: p.read_bytes() for p in killed.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    ("damage", "note"),
    [
        (lambda zarr: shutil.rmtree(zarr), "long_term_memory_embeddings.zarr is missing"),
        (lambda zarr: (zarr / ".zarray").write_text("{"), "is broken (its .zarray)"),
        (lambda zarr: (zarr / ".zarray").write_text("[]"), "is broken (its .zarray)"),
        (lambda zarr: (zarr / ".zarray").write_bytes(b"\xff"), "is broken (its .zarray)"),
        (lambda zarr: (zarr / "0.0").unlink(), "lacks 1 of its 1 files"),
        (lambda zarr: character(zarr.parent, [], vectors=7), "has 7 vectors for 3 messages"),
    ],
)
def test_broken_vectors_are_noted_and_cost_no_text(tmp_path: Path, damage: Any, note: str) -> None:
    folder = character(tmp_path / "miku", LTM)
    damage(folder / "long_term_memory_embeddings.zarr")
    export = read_export(folder)
    assert len(export.notes) == 1
    assert note in export.notes[0]
    assert export.notes[0].endswith("no text is lost, all vectors are made anew")
    assert [(turn.speaker, turn.text) for turn in parts(export)[0]] == LTM


def test_a_row_that_is_no_message_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    folder = character(tmp_path / "miku", [*LTM, ("", "Who said this?"), ("Anna", " ")])
    with sqlite3.connect(folder / "long_term_memory.db") as conn:
        conn.execute("UPDATE long_term_memory SET message = CAST(x'6162ff' AS TEXT) WHERE id = 0")
        conn.execute("UPDATE long_term_memory SET message = x'00ff' WHERE id = 1")
    conn.close()
    turns, skipped = parts(read_export(folder))
    assert [turn.text for turn in turns] == ["ab\N{REPLACEMENT CHARACTER}", 'It "rains", a lot.']
    assert skipped == [
        Skipped("row 1", "no message"),
        Skipped("row 3", "nobody's name"),
        Skipped("row 4", "no message"),
    ]


def test_dates_of_no_calendar_in_other_memories_are_named(tmp_path: Path) -> None:
    folder = character(tmp_path / "miku", LTM)
    with sqlite3.connect(folder / "long_term_memory.db") as conn:
        conn.execute("UPDATE long_term_memory SET timestamp = '0000-00-00' WHERE id = 0")
    conn.close()
    memories = [
        {"id": "a", "memory": "Lives in Oslo", "created_at": "2024-13-45"},
        {"id": "b", "memory": "Has a cat", "updated_at": "-5", "created_at": "2024-05-08"},
    ]
    for path, place in (
        (folder, "row 0: 0000-00-00"),
        (write(tmp_path / "mem0.json", *memories), "mem0.json: element 1: 2024-13-45"),
    ):
        turns, skipped = parts(read_export(path))
        assert [skip.where for skip in skipped] == [place]
        assert [bool(turn.said_at) for turn in turns][:2] == [False, True]
    assert turns[1].said_at == "2024-05-08", "the other date that the memory has"


def test_the_characters_of_a_folder_are_found(tmp_path: Path) -> None:
    data = tmp_path / "user_data"
    folders = [character(data / "bot_memories" / name, LTM) for name in ("anon", "miku_hatsune")]
    folders += [character(data / "model_memories" / "Miku", LTM)]
    (data / "bot_memories" / "memories-will-be-saved-here.txt").touch()
    assert character_folders(data) == folders
    assert character_folders(data / "bot_memories") == folders[:2]
    assert character_folders(folders[0]) == folders[:1]
    assert character_folders(tmp_path / "none") == character_folders(tmp_path) == []
    legacy = character(data / "bot_memories", LTM)
    assert character_folders(legacy) == [legacy, *folders[:2]]


# ---------------------------------------------------------------- ChatGPT


@pytest.fixture
def chats() -> list[dict[str, Any]]:
    image = {"content_type": "image_asset_pointer", "asset_pointer": "file-service://f", "width": 8}
    heard = {"content_type": "audio_transcription", "text": "Is it warm?", "direction": "in"}
    hidden = {"is_visually_hidden_from_conversation": True}
    profile = {"content_type": "user_editable_context", "user_profile": "I am Anna."}
    thoughts = {"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "c"}]}
    code = {"content_type": "code", "language": "python", "text": "print(2)"}
    output = {"content_type": "execution_output", "text": "2"}
    trip = chatgpt(
        "c-00000001",
        "Trip",
        chatgpt_message(1, "system", "", metadata=hidden),
        chatgpt_message(2, "user", profile, metadata=hidden),
        chatgpt_message(3, "user", "Where is it warm in May?"),
        chatgpt_message(4, "assistant", thoughts),
        chatgpt_message(5, "assistant", code, recipient="python"),
        chatgpt_message(6, "tool", output, name="python"),
        chatgpt_message(7, "assistant", "In Crete. \N{SUN BEHIND CLOUD}", create_time=None),
        chatgpt_message(8, "user", {"content_type": "multimodal_text", "parts": [image, heard]}),
        chatgpt_message(9, "assistant", ""),
        chatgpt_message(10, "tool", "GPT-4o returned 1 image.", metadata=hidden),
        replaced="In Rome.",
    )
    again = chatgpt("c-00000002", "Trip", chatgpt_message(1, "user", "Hello."))
    return [trip, again, chatgpt("c-00000003", None, chatgpt_message(1, "user", "Hi."))]


def test_chatgpts_conversations_are_their_last_branch(tmp_path: Path, chats: list[Any]) -> None:
    export = read_export(write(tmp_path / "conversations.json", *chats), user="Anna")
    assert export.format == "chatgpt"
    turns, skipped = parts(export)
    assert [(t.kind, t.speaker, t.text) for t in turns] == [
        ("message", "Anna", "Where is it warm in May?"),
        ("tool", "ChatGPT", "python(print(2))"),
        ("tool", "python", "2"),
        ("message", "ChatGPT", "In Crete. \N{SUN BEHIND CLOUD}"),
        ("message", "Anna", "[image]\nIs it warm?"),
        ("message", "Anna", "Hello."),
        ("message", "Anna", "Hi."),
    ]
    assert turns[0].source == "chatgpt:c-00000001:m3"
    assert turns[0].said_at == clean_date(DAY + 180)
    assert turns[3].said_at == "2017-05-08"
    assert {turn.session for turn in turns} == {
        *("Trip (00000001)", "Trip (00000002)", "untitled (00000003)")
    }
    alone = parts(read_export(write(tmp_path / "earlier.json", chats[0]), user="Anna"))[0]
    assert alone == turns[:5]  # whatever other conversations an export has
    assert {skip.why: skip.where for skip in skipped} == {
        "on a branch that was replaced by another": "1 message",
        "system message": "1 message",
        "custom instructions": "1 message",
        "the model's thinking": "1 message",
        "no text": "1 message",
        "hidden in the conversation": "1 message",
    }


def test_an_export_is_read_as_zip_folder_file_or_in_numbered_files(
    tmp_path: Path, chats: list[Any]
) -> None:
    alone = write(tmp_path / "conversations.json", *chats)
    (folder := tmp_path / "folder").mkdir()
    (tmp_path / "numbered").mkdir()
    shutil.copy(alone, folder)
    write(folder / "user.json", text="{}")
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(alone, "3f2a-2025/conversations.json")
        archive.writestr("3f2a-2025/shared_conversations.json", "[]")
    for number, chat in enumerate(chats):
        write(tmp_path / "numbered" / f"conversations-{number:03}.json", chat)
    expected = said(read_export(alone))
    for other in (folder, tmp_path / "export.zip", tmp_path / "numbered"):
        assert said(read_export(other)) == expected


def test_a_circle_or_a_lost_end_in_a_tree_is_survived(tmp_path: Path, chats: list[Any]) -> None:
    circle, lost, broken = chats[1], chats[2], chatgpt("c-4", "x", {"id": 5})
    circle["mapping"]["root"]["parent"] = "n0"
    lost["current_node"] = "nowhere"
    turns, skipped = parts(
        read_export(write(tmp_path / "c.json", circle, lost, broken, {"mapping": 1}, 5))
    )
    assert [turn.text for turn in turns] == ["Hello.", "Hi."]
    assert skipped[0].where == "c.json: element 3, message n0"
    assert skipped[1].where == "c.json: element 4"
    assert skipped[2] == Skipped("c.json: element 5", "not an object")


# ---------------------------------------------------------------- Claude


def test_claudes_blocks_become_text_tool_uses_and_documents(tmp_path: Path) -> None:
    use = {"type": "tool_use", "id": "t1", "name": "search", "input": {"q": "flüge"}}
    worked = {
        "type": "tool_result",
        "tool_use_id": "t1",
        "content": [{"type": "text", "text": "3"}],
    }
    failed = {"type": "tool_use", "id": "t2", "name": "book", "input": {}}
    why = {"type": "tool_result", "tool_use_id": "t2", "content": "full", "is_error": True}
    thinking = {"type": "thinking", "thinking": "Hm."}
    answer = {"type": "text", "text": "Three flights."}
    picture = {"file_name": "a.png"}
    note = {"file_name": "plan.md", "file_type": "txt", "extracted_content": "# Plan\nOslo"}
    talk = claude(
        "c-1",
        "Flights",
        claude_message(1, "human", "Find flights.", attachments=[note], files=[picture]),
        claude_message(
            2,
            "assistant",
            "This block is not supported on your current device yet.",
            [thinking, use, worked, failed, why, answer],
        ),
        claude_message(3, "human", "Thanks."),
    )
    old = claude("c-2", "", claude_message(4, "human", "Only text", []))
    turns, skipped = parts(read_export(write(tmp_path / "conversations.json", talk, old)))
    assert [(t.kind, t.speaker, t.text) for t in turns] == [
        ("document", "plan.md", "# Plan\nOslo"),
        ("message", "User", "Find flights.\n[file: plan.md]\n[file: a.png]"),
        ("tool", "Claude", 'search({"q": "flüge"}) -> 3 It worked.'),
        ("tool", "Claude", "book({}) -> full It failed."),
        ("message", "Claude", "Three flights."),
        ("message", "User", "Thanks."),
        ("message", "User", "Only text"),
    ]
    assert [turn.session for turn in turns[-2:]] == ["Flights (c-1)", "untitled (c-2)"]
    assert turns[1].source == "claude:c-1:u1"
    assert turns[1].said_at == "2025-01-02T03:01:05Z"
    assert skipped == [Skipped("1 message", "the model's thinking")]


@pytest.mark.parametrize("content", ["", " ", [], None, {}, [{"type": "text", "text": ""}]])
def test_an_empty_result_of_a_tool_says_nothing_of_its_success(
    content: object, tmp_path: Path
) -> None:
    blocks = []
    for name, is_error in (("save", False), ("mail", True)):
        blocks.append({"type": "tool_use", "id": name, "name": name, "input": {}})
        blocks.append(
            {"type": "tool_result", "tool_use_id": name, "content": content, "is_error": is_error}
        )
    talk = claude("c-1", "Notes", claude_message(1, "assistant", "", blocks))
    turns, _ = parts(read_export(write(tmp_path / "conversations.json", talk)))
    assert [turn.text for turn in turns] == [
        "save({}) -> an empty result.",
        "mail({}) -> an empty result. It failed.",
    ]


def test_a_long_attachment_becomes_chunks(tmp_path: Path) -> None:
    book = " ".join(f"The pump {n} needs oil." for n in range(300))
    note = {"file_name": "book.md", "extracted_content": book}
    talk = claude("c-1", "Pumps", claude_message(1, "human", "Read it.", attachments=[note]))
    *document_turns, _ = parts(read_export(write(tmp_path / "conversations.json", talk)))[0]
    assert len(document_turns) > 10
    assert {turn.kind for turn in document_turns} == {"document"}
    assert max(count_tokens(turn.text) for turn in document_turns) <= CHUNK_TOKENS
    assert document_turns[1].source == "claude:c-1:u1:file 1 part 2"


def test_claudes_memories_are_read_and_other_files_named(tmp_path: Path) -> None:
    talk = claude("c-1", "Tea", claude_message(1, "human", "I like tea."))
    memories = {
        "conversations_memory": "**Work**\n\nAnna keeps bees.",
        "project_memories": {"p-1": "A hive in Oslo.", "p-2": " "},
        "account_uuid": "a-1",
    }
    alone = write(tmp_path / "m.json", memories)
    (folder := tmp_path / "folder" / "memories").mkdir(parents=True)
    conversations = write(folder.parent / "conversations.json", talk)
    write(folder / "a-1.json", text=json.dumps(memories))
    write(folder.parent / "users.json", {"uuid": "a-1"})
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.write(conversations, "data/conversations.json")
        archive.write(alone, "data/memories.json")
        archive.writestr("data/projects/p-1.json", "{}")
        archive.writestr("data/users.json", "[]")
    expected = [
        ("document", "Claude", "Claude's memory", "**Work**\n\nAnna keeps bees."),
        ("document", "Claude", "Claude's memory of the project p-1", "A hive in Oslo."),
    ]
    export = read_export(alone)
    assert (export.format, export.notes) == ("claude", ())
    turns, skipped = parts(export)
    assert [(t.kind, t.speaker, t.session, t.text) for t in turns] == expected
    assert skipped == [Skipped("m.json: element 1: Claude's memory of the project p-2", "no text")]
    for path, unread in (
        (folder.parent, "users.json"),
        (tmp_path / "export.zip", "data/users.json"),
    ):
        export = read_export(path)
        assert (export.format, export.notes) == (
            "claude",
            (f"left out, no conversations: {unread}",),
        )
        message, *remembered = parts(export)[0]
        assert message.text == "I like tea."
        assert [turn.source for turn in remembered] == [turn.source for turn in turns]
    memories["conversations_memory"] = "Anna sold her bees."
    changed, same = parts(read_export(write(alone, memories)))[0]
    assert changed.source not in {turn.source for turn in turns}
    assert same.source == turns[1].source


# ---------------------------------------------------------------- mem0, LangMem


def test_mem0s_memories_are_said_by_their_user(tmp_path: Path) -> None:
    memory = {
        "id": "bf4d4092-cf91-4181-bfeb-b6fa2ed3061b",
        "memory": "Lives in Oslo",
        "created_at": "2024-07-26T02:08:17.123456-07:00",
        "updated_at": None,
        "user_id": "anna",
    }
    changed = {**memory, "memory": "Lives in Bergen", "updated_at": "2025-01-01T00:00:00Z"}
    agents = {"id": "2", "memory": "Is terse", "agent_id": "bot", "run_id": "r1"}
    results = write(
        tmp_path / "mem0.json", text=json.dumps({"results": [memory, agents]}, indent=1)
    )
    turns, _ = parts(read_export(results))
    assert [(t.speaker, t.text, t.session, t.said_at) for t in turns] == [
        ("anna", "Lives in Oslo", "mem0", "2024-07-26T02:08:17-07:00"),
        ("bot", "Is terse", "r1", ""),
    ]
    after, skipped = parts(
        read_export(write(tmp_path / "b.json", changed, {"id": "3", "memory": ""}))
    )
    assert after[0].said_at == "2025-01-01T00:00:00Z"
    assert after[0].source.split(":")[:2] == turns[0].source.split(":")[:2]
    assert after[0].source != turns[0].source
    assert skipped == [Skipped("b.json: element 2", "no text")]


def test_langmems_items_are_read_as_langgraph_gives_them(tmp_path: Path) -> None:
    from langgraph.store.memory import InMemoryStore

    store = InMemoryStore()
    store.put(("memories", "anna"), "k1", {"kind": "Memory", "content": {"content": "Likes tea"}})
    store.put(("memories", "anna"), "k2", {"content": "Likes rain"})
    store.put(("users",), "k3", {"kind": "User", "content": {"name": "Anna", "langs": ["no"]}})
    items = [item.dict() for item in store.search(("memories",)) + store.search(("users",))]
    items.append({"prefix": "memories.bo", "key": "k4", "value": {"food": "pizza"}})
    for path in (
        write(tmp_path / "items.json", *items),
        write(tmp_path / "items.jsonl", text="\n".join(map(json.dumps, items))),
    ):
        turns, skipped = parts(read_export(path))
        assert [(t.speaker, t.session, t.text) for t in turns] == [
            ("anna", "memories/anna", "Likes tea"),
            ("anna", "memories/anna", "Likes rain"),
            ("users", "users", 'name: Anna\nlangs: ["no"]'),
            ("bo", "memories/bo", "food: pizza"),
        ]
        assert turns[0].said_at == clean_date(items[0]["created_at"])
        assert skipped == []
