"""The exports of ChatGPT and Claude as their programs write them by 2026."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from memory.exchange import read_export
from tests.memory.exchange.test_exchange import parts, write
from tests.support.foreign_exports import chatgpt, chatgpt_message, claude, claude_message

PROJECT = "g-p-0123456789abcdef0123456789abcdef"


def lines(path: Path) -> list[tuple[str, str, str]]:
    turns, _ = parts(read_export(path, user="Anna"))
    return [(turn.kind, turn.speaker, turn.text) for turn in turns]


# ---------------------------------------------------------------- ChatGPT


def spoken(text: str, direction: str, *, is_live: bool) -> dict[str, Any]:
    recording = {"content_type": "audio_asset_pointer", "asset_pointer": "sediment://file_1"}
    live = {
        "content_type": "real_time_user_audio_video_asset_pointer",
        "frames_asset_pointers": [],
        "audio_asset_pointer": recording,
        "video_container_asset_pointer": None,
    }
    words = {"content_type": "audio_transcription", "text": text, "direction": direction}
    return {
        "content_type": "multimodal_text",
        "parts": [words if text else None, live if is_live else recording],
    }


@pytest.fixture
def chat() -> dict[str, Any]:
    hidden = {"is_visually_hidden_from_conversation": True}
    instructions = {
        "content_type": "user_editable_context",
        "user_profile": "I am Anna.",
        "user_instructions": "Be short.",
    }
    memory = {"content_type": "model_editable_context", "model_set_context": "1. Likes tea."}
    thoughts = {
        "content_type": "thoughts",
        "thoughts": [{"summary": "Looking", "content": "Where?", "chunks": []}],
        "source_analysis_msg_id": "m5",
    }
    code = {"content_type": "code", "language": "unknown", "text": '{"query": "Crete in May"}'}
    page = {
        "content_type": "sonic_webpage",
        "url": "https://example.org/crete",
        "domain": "example.org",
        "title": "Crete in spring",
        "text": "It has 24 degrees in May.",
        "snippet": "24 degrees",
    }
    quote = {
        "content_type": "tether_quote",
        "url": "https://example.org/ferry",
        "title": "Ferries",
        "text": "Two a day.",
    }
    browsed = {"content_type": "tether_browsing_display", "result": "", "summary": None}
    error = {"content_type": "system_error", "name": "tool_error", "text": "Timed out."}
    recap = {"content_type": "reasoning_recap", "content": "Thought for 8 seconds"}
    windows = {"content_type": "app_pairing_content", "workspaces": [{"title": "notes.md"}]}
    screen = {"content_type": "computer_output", "computer_id": "1", "screenshot": {}}
    picture = {"content_type": "image_asset_pointer", "asset_pointer": "sediment://file_2"}
    files = [
        {"id": "file_2", "name": "beach.png", "mime_type": "image/png"},
        {"id": "file_3", "name": "tickets.pdf", "mime_type": "application/pdf"},
    ]
    return chatgpt(
        "c-00000001",
        "Crete",
        chatgpt_message(1, "system", "", metadata=hidden),
        chatgpt_message(2, "user", instructions, metadata=hidden),
        chatgpt_message(3, "system", memory),
        chatgpt_message(4, "user", windows),
        chatgpt_message(5, "user", spoken("Is it warm in Crete?", "in", is_live=True)),
        chatgpt_message(6, "assistant", thoughts),
        chatgpt_message(7, "assistant", code, recipient="web.run"),
        chatgpt_message(8, "tool", page, name="web.run"),
        chatgpt_message(9, "tool", quote, name="browser"),
        chatgpt_message(10, "tool", browsed, name="browser"),
        chatgpt_message(11, "tool", error, name="browser"),
        chatgpt_message(12, "tool", screen, name="computer"),
        chatgpt_message(13, "assistant", recap),
        chatgpt_message(14, "assistant", spoken("Yes, 24 degrees.", "out", is_live=False)),
        chatgpt_message(
            15,
            "user",
            {"content_type": "multimodal_text", "parts": [picture, "Here?"]},
            metadata={"attachments": files},
        ),
        chatgpt_message(16, "user", spoken("", "in", is_live=True)),
        chatgpt_message(17, "assistant", "I live in Crete, too", metadata=hidden),
    ) | {
        "conversation_template_id": PROJECT,
        "gizmo_id": PROJECT,
        "is_do_not_remember": None,
        "memory_scope": "project_enabled",
        "voice": "juniper",
    }


CRETE = [
    ("message", "Anna", "Is it warm in Crete?"),
    ("tool", "ChatGPT", 'web.run({"query": "Crete in May"})'),
    ("tool", "web.run", "Crete in spring\nIt has 24 degrees in May."),
    ("tool", "browser", "Ferries\nTwo a day."),
    ("message", "ChatGPT", "Yes, 24 degrees."),
    ("message", "Anna", "[image]\nHere?\n[file: tickets.pdf]"),
    ("message", "Anna", "[audio]"),
]


def test_chatgpts_voice_pages_files_and_projects_are_read(
    chat: dict[str, Any], tmp_path: Path
) -> None:
    path = write(tmp_path / "conversations-000.json", chat)
    assert lines(path) == CRETE
    turns, skipped = parts(read_export(path))
    assert {turn.tags["project"] for turn in turns} == {PROJECT}
    assert {skip.why: skip.where for skip in skipped} == {
        "system message": "2 messages",
        "custom instructions": "1 message",
        "what another program had open": "1 message",
        "the model's thinking": "2 messages",
        "no text": "2 messages",
        "an error of the application": "1 message",
        "hidden in the conversation": "1 message",
    }


def test_a_conversation_of_a_gpt_is_of_no_project(chat: dict[str, Any], tmp_path: Path) -> None:
    chat |= {"conversation_template_id": "g-abc", "gizmo_id": "g-abc"}
    turns, _ = parts(read_export(write(tmp_path / "conversations.json", chat)))
    assert not any("project" in turn.tags for turn in turns)


def test_chatgpts_archive_in_numbered_files_is_read_whole(
    chat: dict[str, Any], tmp_path: Path
) -> None:
    more = [
        chatgpt(f"c-0000000{n}", "More", chatgpt_message(1, "user", f"Chat {n}.")) for n in (2, 3)
    ]
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for number, chats in enumerate([[chat], more]):
            archive.writestr(f"conversations-{number:03}.json", json.dumps(chats))
        for name in ("user.json", "group_chats.json", "shopping.json", "sora.json"):
            archive.writestr(name, "{}")
        archive.writestr("chat.html", "<html></html>")
    expected = [*CRETE, ("message", "Anna", "Chat 2."), ("message", "Anna", "Chat 3.")]
    assert lines(tmp_path / "export.zip") == expected
    (tmp_path / "wrapped.json").write_text(json.dumps({"conversations": [chat, *more]}))
    assert lines(tmp_path / "wrapped.json") == expected


# ---------------------------------------------------------------- Claude

MEMORIES = {
    "account_uuid": "a-1",
    "conversations_memory": "",
    "project_memories": {"p-1": "A hive in Oslo."},
    "memory_files": [
        None,
        {"path": "/people.md", "content": "Ben is a friend.", "updated_at": "2026-04-01T08:00:00Z"},
    ],
}
BEES = {
    "uuid": "p-1",
    "name": "Bees",
    "description": "",
    "docs": [None, {"filename": "hives.md", "content": "Three hives."}],
    "created_at": "2026-03-01T09:00:00Z",
}
DESIGN = {
    "uuid": "d-1",
    "title": "A poster",
    "created_at": "2026-05-01T09:00:00Z",
    "project": {"uuid": "x", "name": "Fair"},
    "messages": [
        None,
        {"uuid": "n1", "role": "user", "content": {"content": "A poster for the honey fair."}},
        {
            "uuid": "n2",
            "role": "assistant",
            "created_at": "2026-05-01T09:01:00Z",
            "content": {
                "contentBlocks": [
                    {"type": "thinking", "text": "Yellow?"},
                    {"type": "tool_call", "toolCall": {"name": "draw", "input": {"colour": "red"}}},
                    {"type": "user_interjection", "message": {"content": "Make it yellow."}},
                    {"type": "text", "text": "It is yellow now."},
                    {"type": "error", "message": "Overloaded"},
                ]
            },
        },
    ],
}
SAID = [
    ("document", "notes.md", "Oslo\nin May"),
    ("message", "Anna", "Find flights.\n[file: notes.md]\n[file: a.png]"),
    ("tool", "Claude", 'search({"q": "flights"}) -> 3 It worked.'),
    ("message", "Claude", "Three flights."),
    ("message", "Anna", "Take the first."),
    ("message", "Anna", "A poster for the honey fair."),
    ("tool", "Claude", 'draw({"colour": "red"})'),
    ("message", "Anna", "Make it yellow."),
    ("message", "Claude", "It is yellow now."),
    ("document", "Claude", "A hive in Oslo."),
    ("document", "Claude", "Ben is a friend."),
    ("document", "hives.md", "Three hives."),
]


@pytest.fixture
def talk() -> dict[str, Any]:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "summaries": [], "cut_off": False},
        {"type": "tool_use", "id": "t1", "name": "search", "input": {"q": "flights"}},
        {
            "type": "tool_result",
            "tool_use_id": "t1",
            "content": [{"type": "text", "text": "3"}],
            "structured_content": None,
        },
        {"type": "token_budget"},
        {"type": "text", "text": "Three flights.", "citations": [], "flags": None},
        None,
    ]
    note = {"file_name": "notes.md", "extracted_content": "Oslo\nin May"}
    heard = {"type": "voice_note", "title": "Note", "transcript": "Take the first."}
    messages = [
        claude_message(
            1, "human", "Find flights.", attachments=[note], files=[{"file_name": "a.png"}]
        ),
        claude_message(2, "assistant", "", blocks),
        claude_message(3, "human", "", [heard]) | {"attachments": None, "files": None},
    ]
    return claude("c-1", "Flights", *messages)


def packed(path: Path, **members: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name.replace('__', '/')}.json", json.dumps(content))
    return path


def test_claudes_export_in_one_archive_is_read_with_all_beside_it(
    talk: dict[str, Any], tmp_path: Path
) -> None:
    path = packed(
        tmp_path / "data-6f1d-1790000000-c0ff-batch-0000.zip",
        conversations=[talk],
        users=[{"uuid": "a-1", "full_name": "Anna"}],
        memories__a_1=MEMORIES,
        projects__p_1=BEES,
        design_chats__d_1=DESIGN,
    )
    export = read_export(path, user="Anna")
    assert export.format == "claude"
    assert export.notes == ("left out, no conversations: users.json",)
    assert lines(path) == SAID
    turns, skipped = parts(read_export(path, user="Anna"))
    sessions = {turn.text: turn.session for turn in turns}
    assert sessions["Make it yellow."] == "Fair / A poster (d-1)"
    assert sessions["A hive in Oslo."] == "Claude's memory of the project Bees"
    times = {turn.text: turn.said_at for turn in turns}
    assert times["A poster for the honey fair."] == "2026-05-01T09:00:00Z"
    assert times["It is yellow now."] == "2026-05-01T09:01:00Z"
    assert times["Ben is a friend."] == "2026-04-01T08:00:00Z"
    assert {skip.why for skip in skipped} == {
        *("the model's thinking", "an error of the application", "no content"),
    }


def test_claudes_export_in_several_archives_is_read_from_their_folder(
    talk: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "claude"
    packed(folder / "conversations-000.zip", conversations=[talk])
    packed(folder / "memories-000.zip", memories__a_1=MEMORIES)
    packed(folder / "projects-000.zip", projects__p_1=BEES)
    packed(folder / "design_chats-000.zip", design_chats__d_1=DESIGN)
    packed(folder / "light_metadata-000.zip", users=[])
    (folder / "manifest-1.json").write_text(json.dumps({"data_files": []}))
    assert lines(folder) == SAID
    alone = tmp_path / "alone"
    packed(alone / "memories-000.zip", memories__a_1=MEMORIES)
    assert lines(alone) == SAID[-3:-1]
    for name in ("memories", "projects", "design_chats"):
        assert lines(folder / f"{name}-000.zip")
    assert lines(write(tmp_path / "d.json", text=json.dumps(DESIGN))) == SAID[5:9]
