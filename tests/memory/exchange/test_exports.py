"""Exporting: what is written is whole, reads as it was said, and gives an equal memory."""

import csv
import re
import resource
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from memory import InputError, Turn, open_store
from memory.exchange.exports import ExportCounts, export_memory
from memory.exchange.formats import read_export
from memory.exchange.imports import dump_records, import_turns, load_dump
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import create, location_of, path_of
from memory.store.sqlite.store import SqliteStore
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.commands import run

BOTH_STORES = "slow"
ODD = [
    "=1+1",
    "+41 79",
    "-5 degrees",
    "@SUM(A1)",
    'say "hi", Ben\nsecond line',
    "a lone \r return",
    " spaces around ",
    "🦊 ü",
]


# CSV


def test_a_csv_has_the_columns_of_a_character_and_every_text_as_it_was(
    store: SqliteStore, tmp_path: Path
) -> None:
    store.add([Turn("Anna", text, said_at="2017") for text in ODD])
    store.add([Turn("tool", "ran", kind="tool"), Turn("manual", "oil it", kind="document")])
    path = tmp_path / "anna.csv"
    assert export_memory(store, path, "csv", "anna") == ExportCounts(5 + len(ODD), 2)
    with path.open(encoding="utf-8", newline="") as file:
        rows = [*csv.reader(file)]
    assert rows[0] == ["id", "name", "message", "timestamp"]
    assert rows[1] == ["1", "Anna", SAID[0].text, "2017-05-08T13:56"]
    assert [row[2] for row in rows[6:]] == [*(f"'{text}" for text in ODD[:4]), *ODD[4:]]


FORMULAS = [
    "=1+1",
    "+47 123",
    "-5 degrees",
    "@Ben: hi",
    "\t=1",
    "'=quoted",
    "''=twice",
    "'tis fine",
    " =1",
    "\uff1d1+1",
    "\u200b@x",
]


def test_no_cell_is_a_formula_and_our_own_csv_reads_back_as_it_was(
    store: SqliteStore, tmp_path: Path
) -> None:
    path = tmp_path / "anna.csv"
    with open_store(tmp_path / "formulas.db") as formulas:
        formulas.add([Turn("=Anna", text, said_at="=1+1") for text in FORMULAS])
        export_memory(formulas, path, "csv", "anna")
    with path.open(encoding="utf-8", newline="") as file:
        _, *rows = csv.reader(file)
    assert not [cell for row in rows for cell in row if cell.lstrip()[:1] in {*"=+-@\t\r\uff1d"}]
    with open_store(tmp_path / "again.db") as again:
        import_turns(again, read_export(path))
        assert [(turn.speaker, turn.text, turn.said_at) for turn in again.turns()] == [
            ("=Anna", text, "=1+1") for text in FORMULAS
        ]


# JSON lines


def test_json_lines_give_an_equal_memory(store: SqliteStore, tmp_path: Path) -> None:
    store.add([Turn("Anna", text) for text in ODD])
    store.write(MOVED, cause="test")
    store.undo(store.write(DOG, cause="test").id)
    set_setting(store, "user", "Anna")
    path, again = tmp_path / "anna.jsonl", tmp_path / "again.jsonl"
    assert export_memory(store, path, "jsonl", "anna") == ExportCounts(5 + len(ODD))
    with open_store(tmp_path / "new.db") as new:
        assert load_dump(new, path).turns == 5 + len(ODD)
        assert load_dump(new, path).already == 5 + len(ODD)
        assert (new.turns(), new.facts(), new.changes()) == (
            store.turns(),
            store.facts(),
            store.changes(),
        )
        export_memory(new, again, "jsonl", "anna")
    assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ('{"sql-memory": 1}\n{"table": "tur', "line 2 is not JSON: the file was changed or cut"),
        ('{"sql-memory": 1}\n[1]\n', "line 2 is no record"),
        ('{"sql-memory": 3}\n', "a newer one; upgrade"),
        ('{"id": 1}\n', "no dump"),
        ("\x00", "line 1 is not JSON"),
    ],
)
def test_a_line_that_is_no_record_is_named(lines: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "dump.jsonl"
    path.write_text(lines)
    with pytest.raises(InputError, match=says):
        list(dump_records(path))


# Markdown


def headings_and_texts(path: Path) -> tuple[list[str], list[str]]:
    """Of a document as a reader of Markdown shows it; nothing else may be in it but tables."""
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text("utf-8"))
    kinds = {token.type for token in tokens if not re.match("table|t[hrd]|thead|tbody", token.type)}
    assert kinds <= {"heading_open", "heading_close", "inline", "paragraph_open", "paragraph_close"}
    headings, texts = [], []
    for n, token in enumerate(tokens):
        if token.type != "inline":
            continue
        inline = token.children or []
        marks = {one.type for one in inline}
        assert marks <= {"text", "text_special", "strong_open", "strong_close", "hardbreak"}
        said = "".join("\n" if one.type == "hardbreak" else one.content for one in inline)
        (headings if tokens[n - 1].type == "heading_open" else texts).append(said)
    return headings, texts


def test_markdown_has_sessions_turns_and_facts_with_their_turns(
    store: SqliteStore, tmp_path: Path
) -> None:
    store.write(f"{MOVED}; {CAT}", cause="test")
    path = tmp_path / "anna.md"
    assert export_memory(store, path, "md", "anna") == ExportCounts(5)
    headings, texts = headings_and_texts(path)
    assert headings == [
        "anna",
        "session_1 (Mon 08 May 2017)",
        "session_2 (Mon 12 Jun 2017)",
        "Facts",
    ]
    assert texts[0] == "[1] Anna (2017-05-08 13:56): I moved to Oslo last Saturday!"
    assert texts[-6:] == ["Anna", "has_pet", "cat Miso", "", "", "[3]"]


def test_what_somebody_said_cannot_break_the_document(address: str, tmp_path: Path) -> None:
    evil = "# no heading\n\n<script>x</script>\n| a | b |\n|---|---|\n```\n---\n1. one\n    code"
    turns = [Turn("*Anna*\n# x", evil, session="s\n# |`"), Turn("Ben", "I am after that.")]
    with open_store(address) as store:
        store.add(turns)
        store.write(f"{INSERT}('A', 'in', 'Oslo | <b>\n# x', NULL, 1)", cause="test")
        export_memory(store, tmp_path / "a.md", "md", "# <a>")
    headings, texts = headings_and_texts(tmp_path / "a.md")
    assert headings == ["# <a>", "s # |`", "No session", "Facts"]
    assert texts[0] == "[1] *Anna* # x (written_as: '*Anna*\\n# x'): # no heading"
    assert texts[1] == (
        "<script>x</script>\n| a | b |\n|---|---|\n```\n---\n1. one\n\u00a0\u00a0\u00a0\u00a0code"
    )
    assert "Oslo | <b> # x" in texts


# Whole or not at all


@pytest.mark.parametrize("format", ["csv", "jsonl", "md"])
def test_a_full_disk_leaves_the_older_file(format: str, store: SqliteStore, tmp_path: Path) -> None:
    store.add([Turn("Anna", f"{n} " * 400) for n in range(40)])
    target = tmp_path / f"anna.{format}"
    target.write_text("older")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(InputError, match="cannot write"):
            export_memory(store, target, format, "anna")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert target.read_text() == "older"
    assert not list(tmp_path.glob(".*.part"))


def test_turns_pass_through_in_pieces(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("memory.exchange.exports._TURNS_AT_ONCE", 2)
    export_memory(store, tmp_path / "a.CSV", "csv", "anna")
    assert len((tmp_path / "a.CSV").read_text().splitlines()) == 6


# The command


def test_a_file_that_is_there_is_only_written_over_when_somebody_says_so(
    store: SqliteStore, memory_options: list[str], tmp_path: Path
) -> None:
    target = tmp_path / "anna.csv"
    target.write_text("mine")
    run("export", target, *memory_options, says="nothing was changed")
    assert target.read_text() == "mine"
    assert "5 turns" in run("export", target, *memory_options, "--yes")
    assert target.read_text().startswith("id,name,message,timestamp")
    line = run("export", target, *memory_options, "--yes", "--json")
    assert line == f'{{"file": "{target}", "turns": 5, "left_out": 0}}\n'


def test_a_memory_is_never_replaced_by_its_own_export(store: SqliteStore, path: Path) -> None:
    for target in (path, path.with_name("anna.db-wal")):
        line = ("export", target, "--format", "csv", "--db", path, "--yes")
        run(*line, says="is the memory itself")
    assert len(store.turns()) == 5


@pytest.mark.slow
def test_what_cannot_be_exported_is_said_before_anything_is_made(
    store: SqliteStore, path: Path, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    for target, says in (
        (tmp_path / "missing" / "a.csv", "an existing folder"),
        (tmp_path, "give --format csv, jsonl, md, or one of these suffixes"),
        (tmp_path / "a.xml", "give --format csv"),
    ):
        run("export", target, "--db", path, says=says)
    run("export", tmp_path / "a.csv", "--db", tmp_path / "none.db", says="there is no memory")
    run("export", tmp_path, "--all", "--db", path, says="leave --namespace and --db out")
    assert set(tmp_path.iterdir()) == before


def test_a_csv_that_is_imported_says_what_was_said(
    store: SqliteStore, memory_options: list[str], tmp_path: Path
) -> None:
    store.add([Turn("Anna", text, said_at="2017-05-08T13:56:01") for text in ODD])
    target, new = tmp_path / "anna.csv", tmp_path / "new.db"
    run("export", target, *memory_options)
    run("import", target, "--db", new)
    with open_store(new) as imported:
        assert [(t.speaker, t.text.strip(), t.said_at) for t in imported.turns()] == [
            (t.speaker, t.text.strip(), t.said_at) for t in store.turns()
        ]


@pytest.mark.slow
def test_all_namespaces_go_into_a_folder_under_safe_names(home: str, tmp_path: Path) -> None:
    run("export", tmp_path / "out", "--all", says="no namespace to export")
    for name in ("anna", "../up", "Miku 🦊"):
        create(name)
        with open_store(location_of(name)) as store:
            store.add([Turn(name, f"I am {name}.")])
    (tmp_path / "file").touch()
    run("export", tmp_path / "file" / "out", "--all", says="cannot make the folder")
    run("export", tmp_path / "out", "--all")
    files = [*(tmp_path / "out").iterdir()]
    assert sorted(file.name for file in files) == sorted(
        f"{path_of(name).stem}.csv" for name in ("anna", "../up", "Miku 🦊")
    )
    assert not (tmp_path / "up.csv").exists()
    run("export", tmp_path / "out", "--all", says="nothing was changed")
    run("export", tmp_path / "out", "--all", "--format", "xml", says="give --format csv")
    run("export", tmp_path / "out", "--all", "--format", "jsonl")
