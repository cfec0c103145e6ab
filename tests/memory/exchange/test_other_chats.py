"""Chats of other messengers and of programs that talk to models, as these programs export them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from memory import InputError
from memory.exchange import read_export
from memory.exchange.reading_errors import UnreadableExport
from tests.support.commands import run
from tests.support.foreign_exports import parts, write


def as_json(path: Path, value: object) -> Path:
    return write(path, text=json.dumps(value))


def as_lines(path: Path, *values: object) -> Path:
    return write(path, text="".join(json.dumps(value) + "\n" for value in values))


def write_all(folder: Path, files: dict[str, object]) -> Path:
    for name, value in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        as_json(path, value)
    return folder


def said(path: Path, **options: Any) -> list[tuple[str, str, str]]:
    turns, _ = parts(read_export(path, **options))
    return [(turn.said_at, turn.speaker, turn.text) for turn in turns]


def left_out(path: Path) -> dict[str, str]:
    _, skipped = parts(read_export(path))
    return {item.why: item.where for item in skipped}


def as_meta_writes(text: str) -> str:
    return text.encode().decode("latin-1")


def meta_message(number: int, sender: str, **fields: Any) -> dict[str, Any]:
    named = {"sender_name": as_meta_writes(sender), "timestamp_ms": 1714550400000 + number * 60_000}
    return {**named, "is_geoblocked_for_viewer": False, **fields}


def meta_chat(*messages: dict[str, Any]) -> dict[str, Any]:
    people = [{"name": as_meta_writes("Zoë")}, {"name": "Ben"}]
    return {
        "participants": people,
        "messages": [*messages],
        "title": "Ben",
        "thread_path": "inbox/ben_1",
    }


def test_messengers_texts_get_their_characters_back_and_come_oldest_first(tmp_path: Path) -> None:
    words = as_meta_writes("I live in Málaga now 😀")
    newest = meta_chat(
        meta_message(9, "Ben", content="Ben sent an attachment.", share={"link": "https://a.org"}),
        meta_message(8, "Ben", photos=[{"uri": "photos/1.jpg"}]),
        meta_message(7, "Ben", content="Ben left the group."),
        meta_message(6, "Ben", is_unsent=True),
        meta_message(5, "Ben", content="Zoë left the group.", reactions=[{"reaction": "x"}]),
    )
    oldest = meta_chat(
        meta_message(2, "Ben", content="Look", photos=[{"uri": "photos/2.jpg"}]),
        meta_message(1, "Zoë", content=words),
    )
    inbox = "your_facebook_activity/messages/inbox/ben_1"
    folder = write_all(
        tmp_path / "facebook",
        {f"{inbox}/message_1.json": newest, f"{inbox}/message_10.json": oldest},
    )
    assert said(folder) == [
        ("2024-05-01T08:01:00Z", "Zoë", "I live in Málaga now 😀"),
        ("2024-05-01T08:02:00Z", "Ben", "[photo] Look"),
        ("2024-05-01T08:05:00Z", "Ben", "Zoë left the group."),
    ]
    assert left_out(folder) == {
        "attachments without words": "2 messages",
        "notices of the program": "1 message",
        "deleted messages": "1 message",
    }
    encrypted = {
        "participants": ["Zoë", "Ben"],
        "threadName": "Ben_12",
        "messages": [
            {"senderName": "Zoë", "text": "Olá 😀", "timestamp": 1714550400000, "type": "text"}
        ],
    }
    turns, _ = parts(read_export(as_json(tmp_path / "Ben_12.json", encrypted)))
    assert [(turn.session, turn.text) for turn in turns] == [("Ben 2024-05-01", "Olá 😀")]


def test_a_discord_channel_has_nicknames_files_and_forwarded_words(tmp_path: Path) -> None:
    def message(number: int, **fields: Any) -> dict[str, Any]:
        author = {"id": "7", "name": "zoe", "nickname": "Zoë", "isBot": False}
        common = {"type": "Default", "timestamp": "2024-05-01T10:00:00+02:00", "author": author}
        return {"id": str(number), **common, "content": "", "attachments": [], **fields}

    channel = {
        "guild": {"id": "1", "name": "Crew"},
        "channel": {"id": "2", "name": "general"},
        "messages": [
            message(1, content="I live in Málaga"),
            message(2, attachments=[{"fileName": "plan.pdf"}]),
            message(3, forwardedMessage={"content": "See you", "attachments": []}, type="Reply"),
            message(4, type="GuildMemberJoin", content="Joined the server."),
            message(5),
        ],
        "messageCount": 5,
    }
    path = as_json(tmp_path / "Crew.json", channel)
    day = "2024-05-01T10:00:00+02:00"
    assert said(path) == [
        (day, "Zoë", "I live in Málaga"),
        (day, "Zoë", "[file: plan.pdf]"),
        (day, "Zoë", "Forwarded:\n> See you"),
    ]
    assert set(left_out(path)) == {"notices of the program", "attachments without words"}
    write_all(tmp_path / "all", {"a.json": channel, "b.json": {**channel, "messages": []}})
    assert len(said(tmp_path / "all")) == 3


def test_a_slack_workspace_has_the_names_of_its_people(tmp_path: Path) -> None:
    day = [
        {"type": "message", "user": "U1", "text": "Hi <@U2> &amp; all", "ts": "1714550400.000100"},
        {
            "type": "message",
            "user": "U2",
            "text": "",
            "ts": "1714550401.0",
            "files": [{"name": "a.pdf"}],
        },
        {"type": "message", "subtype": "channel_join", "user": "U2", "text": "joined", "ts": "1.0"},
        {
            "type": "message",
            "subtype": "tombstone",
            "text": "This message was deleted.",
            "ts": "2.0",
        },
        {
            "type": "message",
            "subtype": "bot_message",
            "username": "CI",
            "text": "<https://a.org|ok>",
            "ts": "1714550402.0",
        },
    ]
    files: dict[str, object] = {
        "users.json": [
            {"id": "U1", "name": "zoe", "profile": {"display_name": "Zoë"}},
            {"id": "U2", "name": "ben", "deleted": True, "profile": {"real_name": "Ben B"}},
        ],
        "channels.json": [{"id": "C1", "name": "general", "members": ["U1"]}],
        "dms.json": [{"id": "D1", "members": ["U1", "U2"]}],
        "general/2024-05-01.json": day,
        "D1/2024-05-01.json": day[:1],
    }
    folder = write_all(tmp_path / "Crew Slack export", files)
    turns, _ = parts(read_export(folder))
    assert [(turn.session, turn.speaker, turn.text) for turn in turns] == [
        ("Zoë, Ben B 2024-05-01", "Zoë", "Hi @Ben B & all"),
        ("general 2024-05-01", "Zoë", "Hi @Ben B & all"),
        ("general 2024-05-01", "Ben B", "[file: a.pdf]"),
        ("general 2024-05-01", "CI (bot)", "ok (https://a.org)"),
    ]
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in files:
            packed.write(folder / name, name)
    assert said(archive) == said(folder)


def test_signals_export_names_who_wrote(tmp_path: Path) -> None:
    def item(**fields: Any) -> dict[str, Any]:
        return {"chatItem": {"chatId": "5", "authorId": "2", "dateSent": "1714550400000", **fields}}

    path = as_lines(
        tmp_path / "main.jsonl",
        {"version": "1", "backupTimeMs": "1714550400000"},
        {"account": {"givenName": "Ana"}},
        {"recipient": {"id": "1", "self": {}}},
        {"recipient": {"id": "2", "contact": {"profileGivenName": "Ben", "e164": "123"}}},
        {"chat": {"id": "5", "recipientId": "2"}},
        item(incoming={}, standardMessage={"text": {"body": "Hi 😀"}}),
        item(authorId="1", outgoing={}, standardMessage={"text": {"body": "I live in Bath"}}),
        item(incoming={}, remoteDeletedMessage={}),
        item(directionless={}, updateMessage={"simpleUpdate": {"type": "JOINED_SIGNAL"}}),
    )
    day = "2024-05-01T08:00:00Z"
    assert said(path) == [(day, "Ben", "Hi 😀"), (day, "Ana", "I live in Bath")]
    line = {"date": "2024-05-01 10:00", "sender": "Me", "body": "Hi", "reactions": []}
    (tmp_path / "Ben").mkdir()
    assert said(as_lines(tmp_path / "Ben" / "data.json", line), user="Ana")[0][1:] == ("Ana", "Hi")


def test_open_webuis_current_branch_is_read_without_thoughts(tmp_path: Path) -> None:
    def message(identity: str, parent: str | None, role: str, content: str) -> dict[str, Any]:
        return {
            "id": identity,
            "parentId": parent,
            "role": role,
            "content": content,
            "timestamp": 1714550400,
        }

    thoughts = '<details type="reasoning" done="true">\n<summary>Thought</summary>\nhm</details>\n'
    tree = {
        "a": message("a", None, "user", "I live in Málaga now 😀"),
        "b": message("b", "a", "assistant", "Wrong."),
        "c": message("c", "a", "assistant", f"{thoughts}Nice."),
    }
    chat = {"title": "Home", "history": {"currentId": "c", "messages": tree}}
    path = as_json(tmp_path / "chat-export.json", [{"id": "1", "title": "Home", "chat": chat}])
    day = "2024-05-01T08:00:00Z"
    assert said(path, user="Zoë") == [
        (day, "Zoë", "I live in Málaga now 😀"),
        (day, "Assistant", "Nice."),
    ]
    assert set(left_out(path)) == {
        "on a branch that was replaced by another",
        "the model's thinking",
    }


@pytest.mark.parametrize(
    ("date", "said_at"),
    [
        ("June 14, 2025 12:35pm", "2025-06-14T12:35"),
        ("2024-3-14 @12h 35m 20s 123ms", "2024-03-14T12:35:20"),
        ("2025-09-01T10:00:00.000Z", "2025-09-01T10:00:00Z"),
        (1714550400000, "2024-05-01T08:00:00Z"),
    ],
)
def test_sillytaverns_chats_have_the_dates_of_all_its_versions(
    tmp_path: Path, date: Any, said_at: str
) -> None:
    path = as_lines(
        tmp_path / "Sera.jsonl",
        {"user_name": "Zoë", "character_name": "Sera", "chat_metadata": {}},
        {"name": "Zoë", "is_user": True, "send_date": date, "mes": "I live in Málaga"},
        {
            "name": "Sera",
            "is_user": False,
            "send_date": date,
            "mes": "Nice.",
            "swipes": ["Oh.", "Nice."],
            "extra": {"memory": "Zoë lives in Málaga.", "qvink_memory": {"memory": "short"}},
        },
        {"name": "SillyTavern System", "is_system": True, "mes": "Help", "extra": {"type": "help"}},
    )
    assert said(path) == [
        (said_at, "Zoë", "I live in Málaga"),
        (said_at, "Sera", "Nice."),
        ("", "Summary", "Zoë lives in Málaga."),
    ]
    assert set(left_out(path)) == {
        "on a branch that was replaced by another",
        "the program's own summaries",
        "notices of the program",
    }


def test_logs_of_text_generation_webui_name_the_character_by_its_folder(tmp_path: Path) -> None:
    log = {
        "internal": [["<|BEGIN-VISIBLE-CHAT|>", "Hello"], ["I live in Bath", "Nice"]],
        "visible": [["", "Hello"], ["I live in Bath", "Nice"]],
        "metadata": {"user_1": {"timestamp": "Jul 12, 2025 14:30"}},
    }
    folder = write_all(tmp_path, {"logs/chat/Sera/20240501-12-34-56.json": log})
    expected = [
        ("2024-05-01T12:34:56", "Sera", "Hello"),
        ("2025-07-12T14:30", "Zoë", "I live in Bath"),
        ("2024-05-01T12:34:56", "Sera", "Nice"),
    ]
    assert said(folder / "logs", user="Zoë") == expected
    assert said(folder / "logs/chat/Sera/20240501-12-34-56.json", user="Zoë") == expected


def test_groks_conversations_are_read_without_its_cards(tmp_path: Path) -> None:
    moment = {"$date": {"$numberLong": "1714550400000"}}
    answer = 'Nice.<grok:render type="citation"><argument>1</argument></grok:render>'
    export = {
        "conversations": [
            {
                "conversation": {"id": "1", "title": "Home"},
                "responses": [
                    {
                        "response": {
                            "_id": "a",
                            "sender": "human",
                            "message": "I live in Bath",
                            "create_time": moment,
                        }
                    },
                    {
                        "response": {
                            "_id": "b",
                            "sender": "ASSISTANT",
                            "message": answer,
                            "create_time": moment,
                        }
                    },
                ],
            }
        ]
    }
    path = as_json(tmp_path / "prod-grok-backend.json", export)
    day = "2024-05-01T08:00:00Z"
    assert said(path) == [(day, "User", "I live in Bath"), (day, "Grok", "Nice.")]


def test_geminis_activity_is_read_oldest_first_and_other_activity_left_out(tmp_path: Path) -> None:
    def activity(minute: int, title: str, **fields: Any) -> dict[str, Any]:
        common = {"header": "Gemini Apps", "products": ["Gemini Apps"]}
        return {**common, "title": title, "time": f"2024-05-01T08:{minute:02}:00.000Z", **fields}

    answer = [{"html": "<p>Nice &amp; warm.</p><ul><li>Sea</li></ul>"}]
    path = as_json(
        tmp_path / "MyActivity.json",
        [
            activity(5, "Used Gemini Apps"),
            activity(4, "Frage ohne bekanntes Verb", safeHtmlItem=answer),
            activity(3, "Prompted I live in Málaga", safeHtmlItem=answer),
            activity(2, "Watched a film", header="YouTube", products=["YouTube"]),
        ],
    )
    assert said(path) == [
        ("2024-05-01T08:03:00Z", "User", "I live in Málaga"),
        ("2024-05-01T08:03:00Z", "Gemini", "Nice & warm.\nSea"),
        ("2024-05-01T08:04:00Z", "User", "Frage ohne bekanntes Verb"),
        ("2024-05-01T08:04:00Z", "Gemini", "Nice & warm.\nSea"),
    ]
    conversation = {
        "title": "Home",
        "creation_time": "2024-05-01T08:00:00Z",
        "conversation_turns": [
            {"user_turn": {"prompt": "Hi", "turn_index": 0}},
            {"system_turn": {"text": [{"data": "Hello"}], "turn_index": 1}},
        ],
    }
    single = as_json(tmp_path / "conversation_1.txt", conversation)
    assert [turn[1:] for turn in said(single)] == [("User", "Hi"), ("Gemini", "Hello")]


def test_an_export_with_nothing_to_store_is_refused(tmp_path: Path) -> None:
    notice = {"id": "1", "type": "GuildMemberJoin", "content": "Joined.", "author": {"name": "z"}}
    channel = {"guild": {"name": "Crew"}, "channel": {"name": "g"}, "messages": [notice]}
    path = as_json(tmp_path / "c.json", channel)
    with pytest.raises(InputError, match=r"nothing in it to store .*1 message: notices of the"):
        read_export(path)
    run("import", path, "--db", tmp_path / "a.db", says="c: nothing in it to store")
    assert not (tmp_path / "a.db").exists()
    unknown = as_json(tmp_path / "u.json", {"messages": [{"from_whom": "Ana", "words": "Hi"}]})
    with pytest.raises(InputError, match="other than"):
        read_export(unknown)


def test_a_folder_of_an_unknown_kind_is_named_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    write(tmp_path / "photos" / "1.jpg", text="x")
    with pytest.raises(InputError, match=r"photos: a folder of 1 files \(1 .jpg: 1.jpg\)"):
        read_export(tmp_path / "photos")
    (tmp_path / "meta" / "ben_1").mkdir(parents=True)
    write(tmp_path / "meta" / "ben_1" / "message_1.html", text="<html></html>")
    with pytest.raises(UnreadableExport, match="choose JSON"):
        read_export(tmp_path / "meta")
    page = write(tmp_path / "MyActivity.html", text="<html></html>")
    run("import", page, "--db", tmp_path / "a.db", says="choose JSON")
