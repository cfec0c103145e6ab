"""Reading plain files: JSON lines and CSV; files that were cut off, are wrong or too large."""

import csv
import io
import json
import os
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any
from unicodedata import category

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memory.errors import InputError
from memory.exchange import Skipped, input_files, read_export
from memory.exchange import items as items_module
from memory.exchange.imports import import_turns
from memory.records import Turn
from memory.store import open_store
from memory.text.speakers import speaker_label
from tests.support.foreign_exports import character, chatgpt, chatgpt_message, parts, write

LINE = '{"speaker": "Anna", "text": "I moved."}\n'
HEADER = "speaker,text,session,said_at,source,kind\n"

# A text of characters that nobody sees, such as a soft hyphen, is no turn.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40).filter(
    lambda text: any(not c.isspace() and category(c) != "Cf" for c in text)
)
spoken = st.sampled_from(
    ['"a", "b"\n\r\n;', "\N{ZERO WIDTH JOINER}\N{RAINBOW}", "שלום, «Anna»\t", "=1+1"]
)
rows = st.lists(st.fixed_dictionaries({"speaker": texts, "text": texts | spoken}), min_size=1)


def test_a_line_has_tags(tmp_path: Path) -> None:
    tags = {"project": "move", "topic": ["flat", "rent"]}
    line = json.dumps({"speaker": "Anna", "text": "I moved.", "tags": tags})
    wrong = json.dumps({"speaker": "Anna", "text": "I moved.", "tags": {"project": 3}})
    path = write(tmp_path / "a.jsonl", text=f"{line}\n{wrong}\n")
    with open_store(tmp_path / "anna.db") as store:
        import_turns(store, read_export(path))
        [turn] = store.turns()
    assert turn.tags == {**tags, "imported_as": "jsonl:Anna"}


def test_a_line_is_a_turn(tmp_path: Path) -> None:
    full = {
        "speaker": "Anna",
        "text": "I moved.",
        "session": "s1",
        "said_at": "2017-05-08 13:56",
        "source": "D1:3",
        "kind": "document",
    }
    late = {"speaker": "Bo", "text": "When?", "said_at": 1494251760}
    vague = {"speaker": "Bo", "text": "I see.", "said_at": "one May evening"}
    path = write(
        tmp_path / "a.jsonl", text="\n".join(map(json.dumps, (full, late, vague))) + "\n\n"
    )
    turns, skipped = parts(read_export(path))
    source = turns[0].source
    assert re.fullmatch(r"jsonl:[0-9a-f]{16}/D1:3", source)
    first = Turn("Anna", "I moved.", "s1", "2017-05-08T13:56", source, "document")
    assert (turns[0], skipped) == (first, [])
    assert [turn.said_at for turn in turns[1:]] == ["2017-05-08T13:56:00Z", "one May evening"]
    assert turns[1].source.startswith("jsonl:")


def test_chat_messages_are_lines_or_a_list(tmp_path: Path) -> None:
    chat = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello, Anna."},
        {"role": "tool", "content": "12 degrees"},
        {"role": "user", "content": [{"type": "image_url"}]},
    ]
    as_lines = write(tmp_path / "a.jsonl", text="".join(json.dumps(m) + "\n" for m in chat))
    for path in (as_lines, write(tmp_path / "a.json", *chat)):
        export = read_export(path, user="Anna")
        assert export.format == "jsonl"
        turns, skipped = parts(export)
        assert [(t.kind, t.speaker, t.text) for t in turns] == [
            ("message", "Anna", "Hello."),
            ("message", "Assistant", "Hello, Anna."),
            ("tool", "Tool", "12 degrees"),
            ("message", "Anna", "[image]"),
        ]
        assert [skip.why for skip in skipped] == ["system message"]


def test_a_message_in_parts_is_joined_and_its_tool_calls_are_counted(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    chat: list[dict[str, Any]] = [
        {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
        {"role": "user", "content": [{"type": "text", "text": "Where is this?"}, picture]},
        {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
        {"role": "tool", "tool_call_id": "c1", "name": "weather", "content": "12 degrees"},
        {"role": "assistant", "content": "In Oslo.", "reasoning_content": "A fjord.", "id": "m1"},
        {"role": "user", "name": "Ben", "content": [{"type": "input_text", "text": "Thanks."}]},
        {"type": "function_call", "call_id": "c2", "name": "weather", "arguments": "{}"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm."}]},
        {"role": "assistant", "content": [{"type": "refusal", "refusal": "I cannot."}, "Sorry."]},
        {"role": "user", "content": None},
    ]
    path = write(tmp_path / "a.jsonl", text="".join(json.dumps(m) + "\n" for m in chat))
    turns, skipped = parts(read_export(path, user="Anna"))
    assert [(t.kind, t.speaker, t.text) for t in turns] == [
        ("message", "Anna", "Where is this?\n[image]"),
        ("tool", "weather", "12 degrees"),
        ("message", "Assistant", "In Oslo."),
        ("message", "Ben", "Thanks."),
        ("message", "Assistant", "I cannot.\nSorry."),
    ]
    assert [(skip.where, skip.why) for skip in skipped] == [
        ("line 1", "system message"),
        ("line 10", "text: Input should be a valid string"),
        ("2 messages", "a tool's call or result in a chat"),
        ("2 messages", "the model's thinking"),
    ]


@pytest.mark.parametrize("name", ["said_at", "timestamp", "created_at", "time", "date", "ts"])
@pytest.mark.parametrize(
    ("value", "said_at"),
    [
        ("2017-05-08T15:56:00+02:00", "2017-05-08T15:56:00+02:00"),
        (1494251760, "2017-05-08T13:56:00Z"),
        (1494251760123, "2017-05-08T13:56:00Z"),
        (None, ""),
    ],
)
def test_a_date_may_have_the_name_that_other_programs_give_it(
    tmp_path: Path, name: str, value: object, said_at: str
) -> None:
    line = json.dumps({"role": "user", "content": "I moved.", name: value})
    [turn], skipped = parts(read_export(write(tmp_path / "a.jsonl", text=line)))
    assert (turn.said_at, skipped) == (said_at, [])
    table = f"role;content;{name}\nuser;I moved.;{value or ''}\n"
    [turn], skipped = parts(read_export(write(tmp_path / "a.csv", text=table), user="Anna"))
    assert (turn.speaker, turn.said_at, skipped) == ("Anna", said_at, [])


def test_two_dates_of_one_line_are_refused(tmp_path: Path) -> None:
    line = {"speaker": "Anna", "text": "x", "timestamp": "2017", "created_at": "2024"}
    with pytest.raises(InputError, match="'created_at'"):
        read_export(write(tmp_path / "a.jsonl", text=json.dumps(line)))
    with pytest.raises(InputError, match="speaker, text, ts, date"):
        read_export(write(tmp_path / "a.csv", text="speaker,text,ts,date\nAnna,x,2017,2024\n"))


@pytest.mark.parametrize("claimed", ["2024-13-45", "-5", "0000-00-00", "0", "2024-02-30T25:61"])
def test_a_date_of_no_calendar_is_left_out_and_named(tmp_path: Path, claimed: str) -> None:
    lines = [{"speaker": "Anna", "text": text, "said_at": claimed} for text in "ab"]
    lines[1]["said_at"] = "05/08/2017"
    table = "".join(f"Anna,{line['text']},{line['said_at']}\n" for line in lines)
    for path in (
        write(tmp_path / "a.jsonl", text="\n".join(map(json.dumps, lines))),
        write(tmp_path / "a.csv", text="speaker,text,said_at\n" + table),
    ):
        export = read_export(path)
        turns, skipped = parts(export)
        assert [(turn.text, turn.said_at) for turn in turns] == [("a", ""), ("b", "05/08/2017")]
        place = "line 1" if path.suffix == ".jsonl" else "line 2"
        assert [skip.where for skip in skipped] == [f"{place}: {claimed}"]
        assert skipped[0].why == "not a date of the calendar; its turn has none"
        assert export.notes[0].startswith("1 dates are no ISO text ('05/08/2017')")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"speaker": "Anna", "te', "not JSON: the file may be cut off"),
        ("nothing\n", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ("[]\n", "not an object"),
        ('{"speaker": "Anna"}', "text: Field required"),
        ('{"speaker": "Anna", "text": 5}', "text: Input should be a valid string"),
        ('{"speaker": "Anna", "text": " "}', "no text"),
        ('{"speaker": "", "text": "x"}', "no speaker"),
        ('{"speaker": "A", "text": "x", "kind": "joke"}', "kind: Input should be 'message', "),
        ("[" * 100_000 + "\n", "not JSON: maximum recursion depth exceeded"),
    ],
)
def test_a_line_that_is_no_turn_is_skipped_and_the_rest_kept(
    tmp_path: Path, line: str, why: str
) -> None:
    turns, skipped = parts(read_export(write(tmp_path / "a.jsonl", text=LINE * 2 + line)))
    assert len(turns) == 2
    assert [skip.where for skip in skipped] == ["line 3"]
    assert skipped[0].why.startswith(why)


def test_equal_lines_are_turns_of_their_own_and_the_same_each_time(tmp_path: Path) -> None:
    first = parts(read_export(write(tmp_path / "a.jsonl", text=LINE * 3)))[0]
    other = '{"role":"user","content":"x"}\n'
    longer = parts(read_export(write(tmp_path / "b.jsonl", text=LINE * 2 + other + LINE * 2)))[0]
    assert {turn.source for turn in first} < {turn.source for turn in longer}


def test_a_source_of_a_file_names_a_turn_only_with_its_words(tmp_path: Path) -> None:
    line = '{"speaker": "Anna", "text": "%s", "source": "s"}\n'
    text = "".join(line % words for words in "aba")
    turns, skipped = parts(read_export(write(tmp_path / "a.jsonl", text=text)))
    assert [turn.text for turn in turns] == ["a", "b"]
    assert skipped == [Skipped(turns[0].source, "something before it has the same source")]


# ---------------------------------------------------------------- CSV


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_extensions_table_is_read_with_and_without_a_header(
    tmp_path: Path, delimiter: str, mark: str
) -> None:
    table = io.StringIO()
    cells = csv.writer(table, delimiter=delimiter)
    cells.writerow([0, "Anna", 'I said "no",\r\nthen left.', "2017-05-08 13:56:00"])
    cells.writerow([1, "Miku", "Why; though?", "2017-05-09 00:00:00"])
    without = write(tmp_path / "miku.csv", text=mark + table.getvalue())
    header = delimiter.join(("id", "Name", "message", "timestamp")) + "\r\n"
    with_header = write(tmp_path / "b.csv", text=mark + header + table.getvalue())
    for path in (without, with_header):
        export = read_export(path)
        assert export.format == "csv"
        turns, skipped = parts(export)
        assert skipped == []
        assert [(t.speaker, t.text, t.session, t.said_at) for t in turns] == [
            ("Anna", 'I said "no",\r\nthen left.', "2017-05-08", "2017-05-08T13:56:00"),
            ("Miku", "Why; though?", "2017-05-09", "2017-05-09T00:00:00"),
        ]
    assert parts(read_export(without))[0] == parts(read_export(with_header))[0]


def test_our_columns_may_come_in_any_order_and_be_left_out(tmp_path: Path) -> None:
    text = "Text,kind,SPEAKER,said_at\nx,,Anna,2017-05\ny,tool,Bo,\nz,joke,Bo,\na,b\n\nq,,Bo,2024\n"
    turns, skipped = parts(read_export(write(tmp_path / "a.csv", text=text)))
    assert [(t.kind, t.speaker, t.text, t.said_at) for t in turns] == [
        ("message", "Anna", "x", "2017-05"),
        ("tool", "Bo", "y", ""),
        ("message", "Bo", "q", "2024"),
    ]
    assert skipped == [
        Skipped("line 4", "kind 'joke' is not message, document, tool"),
        Skipped("line 5", "2 columns where 4 belong"),
    ]


def test_a_cell_may_be_long(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", text="speaker,text\nAnna," + "x" * 200_000)
    assert [len(turn.text) for turn in parts(read_export(path))[0]] == [200_000]


def test_a_quotation_mark_without_an_end_is_named(tmp_path: Path) -> None:
    text = 'speaker,text\nAnna,"a\nb"\nBo,"c"d\nBo,e\nAnna,"f\ng\n'
    turns, skipped = parts(read_export(write(tmp_path / "a.csv", text=text)))
    assert [turn.text for turn in turns] == ["a\nb", "e"]
    assert skipped == [
        Skipped("line 4", "',' expected after '\"'"),
        Skipped("line 6", "a quotation mark opens here and nothing closes it"),
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ";"), ("a.csv", "\t"), ("a.jsonl", "")])
def test_a_file_in_utf_16_is_read(
    tmp_path: Path, encoding: str, name: str, delimiter: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = {"speaker": "Zo\xeb", "text": "na\xefve \N{RAINBOW}"}
    text = json.dumps(line, ensure_ascii=False)
    if delimiter:
        text = f"{delimiter.join(line)}\r\n{delimiter.join(line.values())}\r\n"
    mark = "" if encoding == "utf-16" else "\ufeff"
    path = tmp_path / name
    path.write_bytes((mark + text).encode(encoding))
    monkeypatch.setattr(input_files, "_CHUNK", 3)
    [turn], skipped = parts(read_export(path))
    assert ({"speaker": turn.speaker, "text": turn.text}, skipped) == (line, [])


# ---------------------------------------------------------------- properties


@given(rows)
@example([{"speaker": "\N{MODIFIER LETTER SMALL H}", "text": "0"}])  # looks like h
@example([{"speaker": "'=", "text": "'+1"}])  # as our exports write a formula
def test_whatever_is_said_survives_both_formats(
    tmp_path_factory: pytest.TempPathFactory, said_rows: list[dict[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("said")
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["speaker", "text"])
    writer.writeheader()
    writer.writerows(said_rows)
    (folder / "a.jsonl").write_bytes("".join(json.dumps(row) + "\n" for row in said_rows).encode())
    (folder / "a.csv").write_bytes(table.getvalue().encode())
    for name in ("a.jsonl", "a.csv"):
        turns, skipped = parts(read_export(folder / name))
        labels = [{**row, "speaker": speaker_label(row["speaker"])} for row in said_rows]
        named = [row for row in labels if row["speaker"]]
        assert [{"speaker": t.speaker, "text": t.text} for t in turns] == named
        assert parts(read_export(folder / name))[0] == turns
        assert len(skipped) == len(said_rows) - len(named)


@given(back=st.integers(0, 2000), chunk=st.integers(1, 300))
@example(back=1, chunk=300)
def test_a_list_is_cut_anywhere_and_all_before_the_cut_is_read(
    tmp_path_factory: pytest.TempPathFactory, back: int, chunk: int
) -> None:
    chats = [
        chatgpt(f"c{n}", f"{n} \N{RAINBOW}", chatgpt_message(1, "user", "x")) for n in range(4)
    ]
    whole = json.dumps(chats, ensure_ascii=False)
    first = len(json.dumps(chats[:1], ensure_ascii=False))
    cut = max(first, len(whole) - back)
    path = write(tmp_path_factory.mktemp("cut") / "conversations.json", text=whole[:cut])
    input_files._CHUNK, before = chunk, input_files._CHUNK
    try:
        turns, skipped = parts(read_export(path))
    finally:
        input_files._CHUNK = before
    assert [t.source for t in turns] == [f"chatgpt:c{n}:m1" for n in range(len(turns))]
    assert len(skipped) == (cut < len(whole))
    ends = [len(json.dumps(chats[:n], ensure_ascii=False)) - 1 for n in range(1, 5)]
    assert len(turns) == sum(end <= cut for end in ends)


# ---------------------------------------------------------------- limits


def test_a_text_too_long_for_a_turn_becomes_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items_module, "MAX_TURN_CHARACTERS", 10)
    line = '{"speaker": "Anna", "text": "%s", "source": "s"}'
    items = read_export(write(tmp_path / "a.jsonl", text=line % ("0123456789" * 2 + "ab"))).items
    named = [(t.source.partition("/")[2], t.text) for t in items if isinstance(t, Turn)]
    assert named == [
        ("s", "0123456789"),
        ("s#2", "0123456789"),
        ("s#3", "ab"),
    ]


def test_what_the_store_would_change_is_changed_before_it_is_looked_up(tmp_path: Path) -> None:
    line = r'{"speaker": "Anna", "text": "a\u0000", "source": "\ud800\u0000"}'
    path = write(tmp_path / "a.jsonl", text=line)
    with open_store(tmp_path / "anna.db") as store:
        assert [import_turns(store, read_export(path)).turns for _ in range(2)] == [1, 0]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_file_is_never_held_in_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(input_files, "_CHUNK", 2**16)
    text = "x" * 2000
    said = [json.dumps({"speaker": "Anna", "text": text, "source": f"{n}"}) for n in range(1_000)]
    table = "speaker,text\n" + f"Anna,{text}\n" * 1_000
    content = {"a.jsonl": "\n".join(said), "a.json": f"[{','.join(said)}]", "a.csv": table}
    (tmp_path / name).write_text(content[name])
    del said, table, content
    tracemalloc.start()
    assert sum(1 for _ in read_export(tmp_path / name).items) == 1_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.4 * (tmp_path / name).stat().st_size


def test_a_dump_of_ours_is_only_recognised(tmp_path: Path) -> None:
    path = write(tmp_path / "anna.jsonl", text='{"sql-memory": 1}\n{"table": "turns"}\n')
    export = read_export(path)
    assert (export.format, list(export.items)) == ("dump", [])


# ---------------------------------------------------------------- bad input


def packed(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def damaged_archive(path: Path) -> Path:
    packed(path, "conversations.json", json.dumps([chatgpt("c", "t")] * 9).encode())
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF
    return raw(path, content)


def damaged_database(path: Path) -> Path:
    folder = character(path, [("Anna", f"{n} " + "x" * 900) for n in range(200)])
    file = folder / "long_term_memory.db"
    content = bytearray(file.read_bytes())
    content[20_000:60_000] = b"\xff" * 40_000
    file.write_bytes(content)
    return folder


def other_database(path: Path) -> Path:
    with open_store(path):
        pass
    return path


def raw(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


BAD: dict[str, tuple[Any, str]] = {
    "pipe": (lambda p: pipe(p / "a"), "a: read twice, so it must be a file or folder"),
    "missing": (lambda p: p / "none", "none: no such file or folder"),
    "folder": (lambda p: p, ": an empty folder"),
    "damaged": (lambda p: damaged_database(p / "miku"), "long_term_memory.db: the file is damaged"),
    "ours": (lambda p: other_database(p / "a.db"), "no such table: long_term_memory"),
    "empty": (lambda p: write(p / "a.jsonl", text=" \n"), "a.jsonl: the file is empty"),
    "nothing": (lambda p: write(p / "a.json"), "a.json: JSON with nothing in it"),
    "other": (lambda p: write(p / "a.json", {"a": 1, "b": 2}), "a.json: JSON with a, b, in"),
    "cut": (lambda p: write(p / "a.json", text='[{"mapping": '), "a.json: element 1: not JSON"),
    "key": (
        lambda p: write(p / "a.jsonl", text=LINE + '{"speaker": "A", "txt": "x"}'),
        "a.jsonl: line 2: unknown key 'txt'; known are speaker, text, session, said_at, source,",
    ),
    "header": (
        lambda p: write(p / "a.csv", text="who;what\nAnna;x\n"),
        "a.csv: the columns are who, what; wanted are speaker and text at least",
    ),
    "twice": (lambda p: write(p / "a.csv", text="speaker,text,text\n"), "the columns are speaker,"),
    "latin-1": (
        lambda p: raw(p / "a.csv", HEADER.encode() + b"Bj\xf6rn,x"),
        "a.csv: not UTF-8 at byte 44; save it as UTF-8",
    ),
    "late": (
        lambda p: raw(p / "a.jsonl", LINE.encode() + b"x" * 2**20 + b"\xf0\x9f"),
        "a.jsonl: not UTF-8 at byte 1,048,617; save it as UTF-8",
    ),
    "UTF-16": (
        lambda p: raw(p / "a.csv", HEADER.encode("utf-16") + b"x"),
        f"a.csv: not UTF-16 at byte {2 * len(HEADER) + 3};",
    ),
    "archive": (lambda p: packed(p / "a.zip", "x.txt", b""), "a.zip: x.txt: the file is empty"),
    "damage": (lambda p: damaged_archive(p / "a.zip"), "cannot read conversations.json in"),
    "no zip": (lambda p: write(p / "a.zip", text="PK\x03\x04 no"), "a.zip: File is not a zip file"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_whole_with_its_name_and_place(tmp_path: Path, case: str) -> None:
    make, message = BAD[case]
    with pytest.raises(InputError) as refused:
        read_export(make(tmp_path))
    assert message in str(refused.value)
