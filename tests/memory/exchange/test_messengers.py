"""Chats of messengers, lists of messages, projects and tables with other people's columns."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, open_store
from memory.exchange import read_export
from memory.exchange.date_order import DateOrderError
from tests.support.commands import run
from tests.support.foreign_exports import (
    chatgpt,
    chatgpt_message,
    claude,
    claude_message,
    parts,
    said,
    write,
)

IPHONE = (
    "[12/05/2024, 09:15:22] Ana: \u200eMessages and calls are end-to-end encrypted.\n"
    "\u200e[12/05/2024, 09:15:22] Ana: I moved to Bilbao\nwith my dog\n"
    "[12/05/2024, 9:16:01\u202fPM] Ben: On Friday: 8 pm \u200e<This message was edited>\n"
    "[13/05/2024, 21:00:10] Ben: The sea \u200e<attached: 0001-PHOTO.jpg>\n"
    "\u200e[13/05/2024, 21:00:11] Ben: \u200eimage omitted\n"
    "[13/05/2024, 21:00:12] \u200e~\u202fCleo: Hi\n"
)


def rows(path: Path, **options: Any) -> list[tuple[str, str, str]]:
    turns, _ = parts(read_export(path, **options))
    return [(turn.said_at, turn.speaker, turn.text) for turn in turns]


def twice(path: Path, *arguments: str) -> list[Any]:
    """The turns of a file imported two times."""
    db = path.parent / "a.db"
    for again in ("", "0 new turns"):
        assert again in run("import", path, "--db", db, *arguments)
    with open_store(db) as store:
        return store.turns()


def test_an_iphones_chat_has_its_messages_without_notices(tmp_path: Path) -> None:
    path = write(tmp_path / "WhatsApp Chat - Ana.txt", text=IPHONE)
    assert rows(path) == [
        ("2024-05-12T09:15:22", "Ana", "I moved to Bilbao\nwith my dog"),
        ("2024-05-12T21:16:01", "Ben", "On Friday: 8 pm"),
        ("2024-05-13T21:00:10", "Ben", "The sea [file: 0001-PHOTO.jpg]"),
        ("2024-05-13T21:00:12", "Cleo", "Hi"),
    ]
    assert twice(path)[2].session == "WhatsApp Chat - Ana 2024-05-13"
    _, skipped = parts(read_export(path))
    assert [(s.where, s.why) for s in skipped] == [
        ("2 messages", "notices and attachments without words"),
    ]
    archive = tmp_path / "Ana.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(path, "_chat.txt")
    assert rows(archive) == rows(path)


@pytest.mark.parametrize(
    ("line", "said_at"),
    [
        ("5/13/24, 1:25 PM - Ana: Hi", "2024-05-13T13:25"),
        ("13/05/2024, 12:05 am - Ana: Hi", "2024-05-13T00:05"),
        ("2024-05-13, 3:02 p.m. - Ana: Hi", "2024-05-13T15:02"),
        ("05.08.23, 12:30 - Ana: Hi", "2023-08-05T12:30"),
        ("[2024/05/13 08:00:01] Ana: Hi", "2024-05-13T08:00:01"),
        ("24/3/14, 13:59:59: Ana: Hi", "2014-03-24T13:59:59"),
        ("[05.08.23, 5:52:02\u202fPM] Ana: Hi", "2023-08-05T17:52:02"),
    ],
)
def test_dates_are_read_as_phones_write_them(tmp_path: Path, line: str, said_at: str) -> None:
    notice = line.replace("Ana: Hi", "Ana added Ben")
    path = write(tmp_path / "c.txt", text=f"{notice}\n{line}\n")
    assert rows(path) == [(said_at, "Ana", "Hi")]


@pytest.mark.parametrize(
    ("moment", "edited", "deleted", "omitted"),
    [
        (
            "8/14/24, 9:06 PM",
            "This message was edited",
            "You deleted this message",
            "Media omitted",
        ),
        (
            "03.08.24, 12:30",
            "Diese Nachricht wurde bearbeitet.",
            "Diese Nachricht wurde gelöscht.",
            "Medien ausgeschlossen",
        ),
        (
            "14/8/24, 9:06 p. m.",
            "Se editó este mensaje.",
            "Eliminaste este mensaje.",
            "Multimedia omitido",
        ),
        ("14/08/2024 21:06", "Mensagem editada", "Mensagem apagada", "Mídia oculta"),
        (
            "14/08/2024, 21:06",
            "Ce message a été modifié",
            "Ce message a été supprimé",
            "Médias omis",
        ),
        (
            "14/08/24, 21:06",
            "Questo messaggio è stato modificato",
            "Hai eliminato questo messaggio",
            "Media omessi",
        ),
        (
            "14-08-2024 21:06",
            "Dit bericht is bewerkt",
            "Dit bericht is verwijderd",
            "Media weggelaten",
        ),
        ("14.08.2024 21:06", "Bu mesaj düzenlendi", "Bu mesaj silindi", "Medya dahil edilmedi"),
        ("14.08.2024, 21:06", "Сообщение изменено", "Данное сообщение удалено", "Без медиафайлов"),
        (
            "14.08.2024, 21:06",
            "Wiadomość edytowana",
            "Ta wiadomość została usunięta",
            "pominięto multimedia",
        ),
        ("14/08/24 21.06", "Pesan ini diedit", "Pesan ini telah dihapus", "Media tidak disertakan"),
        ("14/08/24, 9:06 pm", "यह मैसेज एडिट किया गया था", "यह मैसेज मिटा दिया गया है", "मीडिया के बिना"),
        (
            "\u200f\u0661\u0664\u200f/\u0668\u200f/\u0662\u0660\u0662\u0664\u060c"
            " \u0669:\u0660\u0666 \u0645",
            "تم تعديل هذه الرسالة",
            "تم حذف هذه الرسالة",
            "تم استبعاد الوسائط",
        ),
        ("14.8.2024, 21:06", "ההודעה הזו נערכה", "הודעה זו נמחקה", "המדיה לא נכללה"),
        (
            "2024/08/14 21:06",
            "このメッセージは編集されました",
            "このメッセージは削除されました",
            "メディアは含まれていません",
        ),
        (
            "2024. 8. 14. 오후 9:06",
            "이 메시지가 수정되었습니다",
            "삭제된 메시지입니다",
            "미디어 파일을 생략한 대화내용",
        ),
        ("2024/8/14 下午9:06", "此消息已编辑", "此消息已删除", "省略多媒体文件"),
        (
            "14.8.2024 klo 21.06",
            "Tätä viestiä muokattiin",
            "Tämä viesti poistettiin",
            "Media jätettiin pois",
        ),
        (
            "21:06, 14/08/2024",
            "Tin nhắn này đã được chỉnh sửa",
            "Tin nhắn này đã bị xóa",
            "Bỏ qua tệp phương tiện",
        ),
    ],
)
def test_what_whatsapp_writes_itself_is_known_in_many_languages(
    tmp_path: Path, moment: str, edited: str, deleted: str, omitted: str
) -> None:
    chat = (
        f"{moment} - Ana: I live in Bath. <{edited}>\n{moment} - Ben: {deleted}\n"
        f"{moment} - Ben: <{omitted}>\n{moment} - Ben: {omitted}\n{moment} - Ben: I have a dog <3\n"
    )
    path = write(tmp_path / "c.txt", text=chat)
    turns, skipped = parts(read_export(path))
    assert [(turn.speaker, turn.text) for turn in turns] == [
        ("Ana", "I live in Bath."),
        ("Ben", "I have a dog <3"),
    ]
    day = ["2024-08-03", "2024-08-14"]
    assert all(turn.said_at[:10] in day for turn in turns)
    assert all("T21:06" in turn.said_at or "T12:30" in turn.said_at for turn in turns)
    assert {item.why: item.where for item in skipped} == {
        "deleted messages": "1 message",
        "notices and attachments without words": "2 messages",
    }


def test_words_like_a_notice_stay_words_and_a_quoted_colon_names_nobody(tmp_path: Path) -> None:
    chat = (
        "13.08.2024, 9:00 - Ana: I deleted this message by mistake, sorry\n"
        "13.08.2024, 9:01 - Ana: use std::vector<int>\n"
        '13.08.2024, 9:02 - Ana changed the subject from "Trip: Rome" to "Trip: Bari"\n'
        "13.08.2024, 9:03 - Ana: IMG-20240813-WA0001.jpg (Datei angehängt)\nThe sea\n"
        "13.08.2024, 9:04 - Ana: report.pdf (see page 2)\n"
    )
    path = write(tmp_path / "c.txt", text=chat)
    assert [text for _, _, text in rows(path)] == [
        "I deleted this message by mistake, sorry",
        "use std::vector<int>",
        "[file: IMG-20240813-WA0001.jpg]\nThe sea",
        "report.pdf (see page 2)",
    ]


def test_equal_messages_of_one_minute_stay_two(tmp_path: Path) -> None:
    path = write(
        tmp_path / "c.txt", text="13/05/2024, 9:00 - Ana: Ha\n13/05/2024, 9:00 - Ana: Ha\n"
    )
    assert len(twice(path)) == 2


def test_dates_that_may_be_two_days_are_asked_for_or_seen_from_their_order(tmp_path: Path) -> None:
    one = write(tmp_path / "one.txt", text="05/08/2024, 9:00 - Ana: Ha\n")
    with pytest.raises(DateOrderError, match="--dates day-first"):
        read_export(one)
    run("import", one, "--db", tmp_path / "a.db", says="'05/08/2024'")
    assert not (tmp_path / "a.db").exists()
    assert rows(one, dates="day-first")[0][0] == "2024-08-05T09:00"
    assert [turn.said_at for turn in twice(one, "--dates", "month-first")] == ["2024-05-08T09:00"]
    several = "05/11/2024, 9:00 - Ana: Ha\n06/01/2024, 9:00 - Ana: Ho\n"
    assert rows(write(tmp_path / "b.txt", text=several))[1][0] == "2024-06-01T09:00"
    run("import", one, "--dates", "us", says="day-first or month-first")


def test_a_telegram_chat_and_all_chats_are_read(tmp_path: Path) -> None:
    def message(number: int, **fields: Any) -> dict[str, Any]:
        date = {"date": "2025-07-11T15:36:11", "date_unixtime": "1752219371"}
        named = {"from": "Mino", "from_id": "user1"}
        return {"id": number, "type": "message", **date, **named, "text": "Hi", **fields}

    link = [{"type": "link", "text": "https://a.org"}, " is ", {"type": "bold", "text": "good"}]
    chat = {
        "name": "Mino",
        "type": "personal_chat",
        "id": 7,
        "messages": [
            message(1),
            message(2, text=link),
            message(3, text="", media_type="sticker"),
            message(4, text="Sea", photo="photos/1.jpg"),
            message(5, text="I am Lu.", forwarded_from="Lu"),
            message(6, type="service", text=""),
            message(7, **{"from": None}),
        ],
    }
    everything = {"about": "Here is the data", "chats": {"about": "", "list": [chat]}}
    (folder := tmp_path / "ChatExport").mkdir()
    write(folder / "result.json", text=json.dumps(everything))
    path = write(tmp_path / "one.json", text=json.dumps(chat))
    assert (
        rows(folder)
        == rows(path)
        == [
            ("2025-07-11T15:36:11+08:00", speaker, text)
            for speaker, text in (
                ("Mino", "Hi"),
                ("Mino", "https://a.org is good"),
                ("Mino", "[photo] Sea"),
                ("Mino", "Forwarded from Lu:\n> I am Lu."),
                ("user1", "Hi"),
            )
        ]
    )
    stored = twice(path)
    assert (stored[0].session, stored[0].source) == ("Mino 2025-07-11", "telegram:7:1")
    assert stored[3].tags == {"imported_as": "telegram:user1"}
    assert {skipped.why for skipped in parts(read_export(path))[1]} == {
        "no text",
        "notices of the program",
    }


def test_a_file_with_a_chats_ids_takes_no_messages_place(tmp_path: Path) -> None:
    """Anyone can write a file with the ids of messages that are still to come."""

    def chat(*texts: str) -> Path:
        sent = {"type": "message", "date": "2025-07-11T15:36:11", "from": "Mino"}
        messages = [
            {"id": number, "from_id": "user1", "text": text, **sent}
            for number, text in enumerate(texts)
        ]
        value = {"name": "Mino", "type": "personal_chat", "id": 7, "messages": messages}
        return write(tmp_path / "result.json", text=json.dumps(value))

    options = ("--db", tmp_path / "a.db")
    run("import", chat("The key is under the mat.", "Bye."), *options)
    real = chat("I moved to Porto.", "Bye.")
    said = run("import", real, *options)
    assert "1 new turn, 1 already stored" in said
    assert "1 message: stored with other words under the same id" in " ".join(said.split())
    assert "0 new turns, 2 already stored" in run("import", real, *options)
    with open_store(tmp_path / "a.db") as store:
        texts = [turn.text for turn in store.turns()]
    assert texts == ["The key is under the mat.", "Bye.", "I moved to Porto."]


def test_lists_of_messages_are_conversations(tmp_path: Path) -> None:
    tool = {"role": "assistant", "content": None, "tool_calls": [{"id": "t"}]}
    first = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hi", "weight": 0},
        {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
        tool,
    ]
    second = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hey"}]
    named = {"id": "c-1", "title": "Tea", "created_at": "2025-01-02", "messages": second}
    lines = [{"messages": first}, {"messages": second}, {"messages": second}, named]
    path = write(tmp_path / "a.jsonl", text="".join(json.dumps(line) + "\n" for line in lines))
    turns = twice(path)
    assert [turn.text for turn in turns] == ["Hi", "Hello", *["Hi", "Hey"] * 3]
    assert [turn.speaker for turn in turns] == ["User", "Assistant"] * 4
    assert (turns[-1].session, turns[-1].said_at) == ("Tea (c-1)", "2025-01-02")
    assert turns[0].session != turns[2].session
    assert {skipped.why for skipped in parts(read_export(path))[1]} == {
        "system message",
        "a tool's call or result in a chat",
    }
    grown = {"messages": [*first, {"role": "user", "content": "Bye"}]}
    write(path, text=json.dumps(grown))
    assert "1 new turn, 2 already" in run("import", path, "--db", tmp_path / "a.db")


def test_of_claudes_conversations_the_current_branch_is_read(tmp_path: Path) -> None:
    root = "00000000-0000-4000-8000-000000000000"

    def message(number: int, text: str, parent: str, sender: str = "human") -> dict[str, Any]:
        return claude_message(number, sender, text) | {"parent_message_uuid": parent}

    tree = [
        message(1, "I live in Arezzo.", root),
        message(2, "Noted.", "u1", "assistant"),
        message(3, "I live in Lucca.", root),
        message(4, "I see.", "u3", "assistant"),
        message(5, "Lost.", "u99"),
    ]
    chat = claude("c-1", "A", *tree)
    for leaf, texts in (
        ({"current_leaf_message_uuid": "u4"}, ["I live in Lucca.", "I see.", "Lost."]),
        ({"current_leaf_message_uuid": "u2"}, ["I live in Arezzo.", "Noted.", "Lost."]),
    ):
        export = read_export(write(tmp_path / "c.json", chat | leaf))
        turns, skipped = parts(export)
        assert [turn.text for turn in turns] == texts
        assert [(s.where, s.why) for s in skipped] == [
            ("2 messages", "on a branch that was replaced by another")
        ]
    without = chat | {"chat_messages": tree[:4]}
    assert [turn.text for turn in parts(read_export(write(tmp_path / "d.json", without)))[0]] == [
        "I live in Lucca.",
        "I see.",
    ]
    old = claude("c-2", "B", claude_message(1, "human", "Hi"), claude_message(2, "human", "Ho"))
    assert len(twice(write(tmp_path / "e.json", old))) == 2


def test_claudes_projects_are_documents(tmp_path: Path) -> None:
    docs = [{"uuid": "d-1", "filename": "bees.md", "content": "Bees sleep in March."}]
    project = {"uuid": "p-1", "name": "Bees", "prompt_template": "Be short.", "docs": docs}
    starter = {"uuid": "p-2", "name": "How to", "is_starter_project": True, "docs": docs}
    write(tmp_path / "conversations.json", claude("c-1", "A", claude_message(1, "human", "Hi")))
    alone = write(tmp_path / "projects.json", project, starter)
    expected = [("document", "User", "Be short."), ("document", "bees.md", "Bees sleep in March.")]
    assert said(read_export(alone)) == expected
    assert said(read_export(tmp_path)) == [("message", "User", "Hi"), *expected]
    assert len(twice(alone)) == 2


def test_the_marks_of_chatgpts_citations_are_left_out(tmp_path: Path) -> None:
    text = (
        "Bread\ue200cite\ue202turn0search1\ue202turn2view3\ue201 is old\u30103\u2020source\u3011."
        ' In \ue200entity\ue202["city","Oslo","capital"]\ue201 \ue203people\ue204 bake.'
    )
    chat = chatgpt("c-1", "A", chatgpt_message(1, "assistant", text))
    assert said(read_export(write(tmp_path / "c.json", chat))) == [
        ("message", "ChatGPT", "Bread is old. In Oslo people bake.")
    ]


def test_a_table_of_excel_says_what_separates_its_cells(tmp_path: Path) -> None:
    text = "\ufeffsep=;\r\nspeaker;text;date\r\nAna;Hi, you;13/05/2024\r\nBen;Ho;05/06/2024\r\n"
    assert rows(write(tmp_path / "a.csv", text=text)) == [
        ("2024-05-13", "Ana", "Hi, you"),
        ("2024-06-05", "Ben", "Ho"),
    ]


def test_other_names_of_columns_are_mapped(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", text="Date,Sender,Message,Likes\n2024-05-13,Ana,Hi,3\n")
    run("import", path, "--db", tmp_path / "a.db", says="Name others with --map")
    assert [turn.speaker for turn in twice(path, "--map", "speaker=Sender")] == ["Ana"]
    lines = write(tmp_path / "a.jsonl", text='{"von": "Ana", "text": "Hi", "likes": 3}\n')
    assert rows(lines, columns={"speaker": "von"}) == [("", "Ana", "Hi")]
    run("import", path, "--map", "speaker", says="write OURS=THEIRS")
    with pytest.raises(InputError, match="there is no 'author'"):
        read_export(path, columns={"author": "Sender"})


TABLE = "When,Sender,Message\n{},Ana,Hi\n{},Ben,Ho\n"
MAPPED = {"said_at": "When", "speaker": "Sender", "text": "Message"}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ("13/05/2024", "05/06/2024", ["2024-05-13", "2024-06-05"]),
        ("05/06/2024", "05/13/2024 9:15", ["2024-05-06", "2024-05-13T09:15"]),
        ("03/05/2024", "01/06/2024", ["2024-05-03", "2024-06-01"]),
    ],
)
def test_a_mapped_column_of_dates_shows_their_order(
    tmp_path: Path, name: str, first: str, second: str, read: list[str]
) -> None:
    text = TABLE.format(first, second)
    if name.endswith("jsonl"):
        items = ((first, "Ana", "Hi"), (second, "Ben", "Ho"))
        keys = ("When", "Sender", "Message")
        text = "\n".join(json.dumps(dict(zip(keys, item, strict=True))) for item in items)
    path = write(tmp_path / name, text=text)
    assert [said_at for said_at, _, _ in rows(path, columns=MAPPED)] == read


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_dates_that_show_no_order_are_read_as_one_says(tmp_path: Path, name: str) -> None:
    line = '{"When": "05/06/2024", "Sender": "Ana", "Message": "Hi"}\n'
    table = "When,Sender,Message\n05/06/2024,Ana,Hi\n"
    path = write(tmp_path / name, text=table if name.endswith("csv") else line)
    dates = {"day-first": "2024-06-05", "month-first": "2024-05-06", "": "05/06/2024"}
    for order, date in dates.items():
        assert rows(path, columns=MAPPED, dates=order) == [(date, "Ana", "Hi")]


def test_text_of_windows_is_read_with_its_encoding(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("speaker,text\nJürgen,Grüße für 5 €\n".encode("cp1252"))
    run("import", path, "--db", tmp_path / "a.db", says="--encoding cp1252")
    assert twice(path, "--encoding", "cp1252")[0].text == "Grüße für 5 €"
    run("import", path, "--encoding", "cp12", says="there is no encoding 'cp12'")
