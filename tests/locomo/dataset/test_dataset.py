"""Reading LoCoMo's file, with its traps; fetching the official one whole or not at all."""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locomo.dataset import format as dataset
from locomo.dataset.download import Source, download
from memory import InputError, Turn
from tests.support.local_http import Handler, local_http
from tests.support.locomo_records import DATE, question, record, turn, write


def load_one(path: Path, raw: dict[str, Any]) -> dataset.Conversation:
    return dataset.load_conversations(write(path / "file.json", raw))[0]


def test_a_turn_keeps_its_source_session_and_date(tmp_path: Path) -> None:
    assert load_one(tmp_path, record()).turns == (
        Turn("Ann", "I moved to Lyon.", "session_1", "2017-05-08T13:56", "D1:1"),
    )


def test_sessions_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    raw = record(
        session_10=[turn("D10:1"), turn("D10:2")],
        session_9=[turn("D9:1")],
        session_11_date_time=DATE,  # a date without a session, as in the official file
    )
    turns = load_one(tmp_path, raw).turns
    assert [t.source for t in turns] == ["D9:1", "D10:1", "D10:2"]
    assert [t.session for t in turns] == ["session_9", "session_10", "session_10"]


def test_a_shared_picture_is_part_of_what_was_said(tmp_path: Path) -> None:
    said = [
        turn("D1:1", "Look!", blip_caption="a red kite"),
        turn("D1:2", "", blip_caption="a cat"),
    ]
    turns = load_one(tmp_path, record(session_1=said)).turns
    assert turns[0].text == "Look! [shares a picture: a red kite]"
    assert turns[1].text == "[shares a picture: a cat]"


def test_an_empty_turn_is_left_out_and_counted(tmp_path: Path) -> None:
    said = [turn("D1:1", " \n"), turn("D1:2", "", blip_caption=" "), turn("D1:3", "Hi")]
    conversation = load_one(tmp_path, record(session_1=said))
    assert [t.source for t in conversation.turns] == ["D1:3"]
    assert conversation.empty_turns == 2
    assert conversation.dropped_evidence == 1  # the question's D1:1 is no turn now


@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("1:56 pm on 8 May, 2017", "2017-05-08T13:56"),
        ("12:48 am on 1 February, 2017", "2017-02-01T00:48"),
        ("12:09 pm on 13 September, 2017", "2017-09-13T12:09"),
        ("9:05 AM on 29 Feb 2024", "2024-02-29T09:05"),
        ("9:05 am on 29 February, 2017", ""),
        ("13:05 pm on 1 March, 2017", ""),
        ("0:05 am on 1 March, 2017", ""),
        ("1:75 pm on 1 March, 2017", ""),
        ("1:05 pm on 1 Marzo, 20233", ""),
        ("1:05 pm on 1 Foo, 2017", ""),
        ("last Tuesday", ""),
        ("", ""),
        (None, ""),
        (20170508, ""),
    ],
)
def test_a_date_is_read_or_kept_as_said(tmp_path: Path, said: object, iso: str) -> None:
    conversation = load_one(tmp_path, record(session_1=[turn()], session_1_date_time=said))
    [told] = conversation.turns
    assert told.said_at == (iso or (said if isinstance(said, str) else ""))
    assert dataset.is_dated(told) == bool(iso)


@pytest.mark.parametrize(
    ("written", "evidence", "dropped"),
    [
        (["D1:1"], ("D1:1",), 0),
        (["D1:1; D2:3"], ("D1:1", "D2:3"), 0),
        (["D2:3 D1:1", "D1:1"], ("D2:3", "D1:1"), 0),
        (["D02:03"], ("D2:3",), 0),
        (["D"], (), 1),
        (["D:2:3"], (), 1),
        (["D1:1; D9:17"], ("D1:1",), 1),
        (["D1:11"], (), 1),
        ([], (), 0),
        (None, (), 0),
    ],
)
def test_evidence_is_repaired_or_dropped_and_counted(
    tmp_path: Path, written: object, evidence: tuple[str, ...], dropped: int
) -> None:
    raw = record(
        session_1=[turn("D1:1")], session_2=[turn("D2:03")], qa=[question(evidence=written)]
    )
    conversation = load_one(tmp_path, raw)
    assert conversation.questions[0].evidence == evidence
    assert conversation.dropped_evidence == dropped


def test_gold_of_category_5_is_abstention_whatever_the_file_says(tmp_path: Path) -> None:
    trap = question(5, adversarial_answer="Nice")
    conversation = load_one(tmp_path, record(qa=[question(), trap, {**trap, "answer": "Nice"}]))
    assert [(q.index, q.category, q.answer) for q in conversation.questions[1:]] == [
        (1, 5, ""),
        (2, 5, ""),
    ]
    assert "Nice" not in repr(conversation)


def test_what_no_database_stores_is_replaced(tmp_path: Path) -> None:
    said = [turn("D1:1", "a\x00b\ud800c 👋🏽 שלום", speaker="\udfffAnn")]
    conversation = load_one(tmp_path, record(session_1=said, qa=[question(answer="\ud83d!")]))
    assert conversation.turns[0].text == "a\ufffdb\ufffdc 👋🏽 שלום"
    assert conversation.turns[0].speaker == "\ufffdAnn"
    assert conversation.questions[0].answer == "\ufffd!"


BAD_RECORDS = [
    ({**record(), "sample_id": 7}, ["conversation 1", "sample_id", "string", "got 7"]),
    ({"sample_id": "c", "qa": []}, ["'c'", "field conversation", "required"]),
    ({**record(), "conversation": []}, ["'conv-1'", "field conversation", "dictionary"]),
    ({**record(), "qa": {}}, ["'conv-1'", "field qa", "list"]),
    (record(session_1="hello"), ["field conversation.session_1:", "list", "'hello'"]),
    (record(session_2=[turn(), {"speaker": "A", "dia_id": "D1:2"}]), ["session_2.1.text"]),
    (record(session_1=[turn(speaker=None)]), ["session_1.0.speaker", "string", "None"]),
    (record(session_1=[turn(text=["a"])]), ["session_1.0.text", "string"]),
    (record(session_1=[turn(dia_id="")]), ["session_1.0.dia_id", "at least 1"]),
    (record(session_1=[]), ["field conversation", "session_1"]),
    (record(session_1=[turn(), turn()]), ["two turns", "'D1:1'"]),
    (record(session_1=[turn("D1:1"), turn("D1:01")]), ["two turns", "'D1:1'"]),
    (record(qa=[question(), question(7)]), ["qa.1.category", "1, 2, 3, 4 or 5", "got 7"]),
    (record(qa=[question(answer=None)]), ["qa.0.answer", "expected an answer"]),
    (record(qa=[question(answer="  ")]), ["qa.0.answer", "expected an answer"]),
    (record(qa=[question(answer=True)]), ["qa.0.answer", "text or a number", "True"]),
    (record(qa=[question(answer=["a"])]), ["qa.0.answer", "text or a number"]),
    (record(qa=[question(evidence="D1:1")]), ["qa.0.evidence", "list"]),
    (record(qa=[question(evidence=[3])]), ["qa.0.evidence.0", "string"]),
    (record(qa=[question(question="")]), ["qa.0.question"]),
]


@pytest.mark.parametrize(("raw", "says"), BAD_RECORDS)
def test_a_malformed_conversation_names_its_field(
    tmp_path: Path, raw: Any, says: list[str]
) -> None:
    with pytest.raises(InputError) as error:
        load_one(tmp_path, raw)
    assert all(part in str(error.value) for part in [*says, "file.json, conversation 1"])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"[{]", "not JSON: Expecting"),
        (b"\xff\xfe\xfa", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"[]", "has no conversations"),
        (b'{"sample_id": "conv-1"}', "expected a list of conversations"),
        (b"[1]", "expected a list of conversations"),
        (json.dumps([record(), record()]).encode(), "two conversations .* 'conv-1'"),
    ],
)
def test_a_malformed_file_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=says):
        dataset.load_conversations(path)


def test_a_missing_file_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"locomo\.dataset download"):
        dataset.load_conversations(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"holds no \.json file"):
        dataset.load_conversations(tmp_path)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for id_ in ("b", "a"):
        write(tmp_path / f"{id_}.json", record(id_, []))
    assert [conversation.id for conversation in dataset.load_conversations(tmp_path)] == ["a", "b"]


# --- the download, against a real server --------------------------------------------------------

CONTENT = b"x" * 100_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def official(url: str, **changed: Any) -> Source:
    """CONTENT as an official file at an address."""
    fields = {"size": len(CONTENT), "sha256": SHA256, "output": Path("file.json"), **changed}
    return Source(url=url, licence="MIT", **fields)


class Server(Handler):
    gets = 0
    sent = 0

    def do_GET(self) -> None:
        type(self).gets += 1
        if self.path == "/missing":
            self.send_error(404)
            return
        body = {"/good": CONTENT, "/short": CONTENT[:-1], "/long": CONTENT * 2}.get(
            self.path, b"y" * len(CONTENT)
        )
        self.send_response(200)
        if self.path == "/endless":
            self.end_headers()
            self.send_for_ever()
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:50] if self.path == "/cut" else body)

    def send_for_ever(self) -> None:
        try:
            for type(self).sent in range(0, 200_000_000, len(CONTENT)):
                self.wfile.write(CONTENT)
        except OSError:
            return


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "*")
    with local_http(Server) as address:
        yield address


def test_a_download_is_written_when_it_is_the_file(tmp_path: Path, server: str) -> None:
    output = tmp_path / "new" / "file.json"
    download(official(f"{server}/good"), output)
    assert output.read_bytes() == CONTENT
    asked = Server.gets
    download(official(f"{server}/good"), output)
    assert Server.gets == asked  # it is there already
    assert os.listdir(output.parent) == ["file.json"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/short", "gave 99,999 bytes where 100,000 were expected"),
        ("/long", "gave more bytes where 100,000 were expected"),
        ("/other", "another file: sha256"),
        ("/cut", "gave 50 bytes"),
        ("/missing", "404"),
    ],
)
def test_another_file_is_not_kept(tmp_path: Path, server: str, path: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        download(official(server + path), tmp_path / "file.json")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path, server: str) -> None:
    mine = write(tmp_path / "mine.json")
    before = mine.read_bytes()
    with pytest.raises(InputError, match="move it away"):
        download(official(f"{server}/good"), mine)
    assert mine.read_bytes() == before


# --- the commands -------------------------------------------------------------------------------
