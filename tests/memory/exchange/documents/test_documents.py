"""Documents as turns: where they are cut, what they say of their place; tool uses."""

import json
import os
import re
import shlex
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from shlex import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory import InputError, Memory, Turn, open_store
from memory.exchange.documents import (
    add_chunks,
    child_process,
    chunking,
    chunks,
    document_chunks,
    readers,
    tool_use,
)
from memory.exchange.documents.chunking import chunk_text
from memory.store.sqlite.store import SqliteStore
from memory.text.tokens import count_tokens
from tests.support import commands
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"
MANUAL = """---
status: draft
---
# The pump

It moves water.

## Upkeep

Oil the valve every 90 days.

```sh
# no heading
pump --oil
```

### In winter

Drain the pump before frost.

## Spare parts
"""
HTML = """<html><head><title>The  pump</title><script>evil()</script></head><body>
<h1>Upkeep <i>of it</i></h1><p>Oil the
 <b>val</b>ve.<br>Every 90 days.</p><!-- hidden -->
<table><tr><td>part</td><td>price</td></tr><tr><td>valve</td><td>3</td></tr></table>
<pre>pump
  --oil</pre><ul><li>one</li><li>two</li></ul><h2>Spare parts</h2></body></html>
"""


def pdf(*pages: str, title: str = "The pump") -> bytes:
    """A PDF with a line of text on each page."""
    numbers = [5 + 2 * n for n in range(len(pages))]
    kids = " ".join(f"{n} 0 R" for n in numbers)
    objects = {
        1: "<</Type/Catalog/Pages 2 0 R>>",
        2: f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        4: f"<</Title<{title.encode('utf-16').hex()}>>>",
    }
    for n, text in zip(numbers, pages, strict=True):
        said = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET"
        objects[n] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents {n + 1} 0 R"
            "/Resources<</Font<</F1 3 0 R>>>>>>"
        )
        objects[n + 1] = f"<</Length {len(said)}>>stream\n{said}\nendstream"
    out, places = "%PDF-1.4\n", []
    for number, body in sorted(objects.items()):
        places.append(len(out))
        out += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    end = f"trailer<</Size {size}/Root 1 0 R/Info 4 0 R>>\nstartxref\n{len(out)}\n%%EOF"
    return f"{out}xref\n0 {size}\n0000000000 65535 f \n{table}{end}".encode()


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# Where a text is cut

TEXTS = st.text(st.sampled_from("ab .!?\n日本。-1)\t"), max_size=400)


@settings(max_examples=300)
@given(TEXTS, st.integers(4, 40), st.integers(0, 30))
def test_chunks_hold_the_whole_text_in_order_and_cut_no_word(
    text: str, size: int, overlap: int
) -> None:
    pieces = chunk_text(text, size, overlap)
    assert all(chunk == text[start:end] for chunk, start, end in pieces)
    assert all(count_tokens(chunk) <= size for chunk, _, _ in pieces if " " in chunk)
    covered = 0
    for _, start, end in pieces:
        assert not text[covered:start].strip()
        assert end > covered  # each goes further
        covered = end
    assert not text[covered:].strip()
    for _, start, end in pieces:
        for at in (start, end):
            cut = text[max(at - 1, 0) : at + 1]
            assert len(cut) < 2 or not (cut.isascii() and cut.isalnum())


def test_each_chunk_begins_with_the_end_of_the_one_before() -> None:
    text = " ".join(f"Sentence {n} is about the pump." for n in range(40))
    pieces = chunk_text(text, 60, 20)
    for (_, _, before), (chunk, start, _) in pairwise(pieces):
        assert start < before
        assert count_tokens(text[start:before]) <= 20
        assert chunk.startswith("Sentence")


def test_a_chunk_ends_with_a_paragraph_where_that_leaves_it_half_full() -> None:
    text = "One two three four. Five six seven.\n\nEight nine ten. Eleven twelve thirteen fourteen."
    assert chunk_text(text, 18, 0)[0][0].endswith("seven.")


# What a chunk says of its place


def test_a_chunk_of_markdown_names_its_headings_and_lines(tmp_path: Path) -> None:
    turns = chunks(write(tmp_path, "manual.md", MANUAL))
    version = turns[0].source.split(":")[0]
    assert [(turn.text, turn.source.removeprefix(f"{version}:")) for turn in turns] == [
        ("The pump\nIt moves water.", "line 6"),
        (
            "The pump > Upkeep\nOil the valve every 90 days.\n\n"
            "```sh\n# no heading\npump --oil\n```",
            "lines 10-15",
        ),
        ("The pump > Upkeep > In winter\nDrain the pump before frost.", "line 19"),
        ("The pump\nSpare parts", "line 21"),
    ]
    assert {(turn.speaker, turn.session, turn.kind) for turn in turns} == {
        ("The pump", "manual.md", "document")
    }


@pytest.mark.slow
def test_a_chunk_of_html_reads_as_a_browser_shows_it(tmp_path: Path) -> None:
    first, last = chunks(write(tmp_path, "page.html", HTML))
    assert first.text == (
        "Upkeep of it\nOil the valve.\nEvery 90 days.\n\npart | price\nvalve | 3\n\npump\n  --oil"
        "\n\none\ntwo"
    )
    assert (first.speaker, last.text) == ("The pump", "Upkeep of it\nSpare parts")
    assert first.source.endswith(":lines 2-6")


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("text", "speaker", "expected"),
    [
        ("---\ntitle: 'A trip'\ntags:\n- a\n  b: 1\n---\nWe leave.", "A trip", "We leave."),
        ("---\n---\n# Trip\nWe leave.", "Trip", "Trip\nWe leave."),
        (
            "- [A](#a)\n  1. [B](#b)\n\n- [C](c.md) is read first",
            "x.md",
            "- [C](c.md) is read first",
        ),
    ],
)
def test_front_matter_and_contents_are_no_chunks(
    text: str, speaker: str, expected: str, tmp_path: Path
) -> None:
    [turn] = chunks(write(tmp_path, "x.md", text))
    assert (turn.speaker, turn.text) == (speaker, expected)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["Anna: Hi\nBen: Oh\nAnna: Bye", "We leave."])
def test_text_between_rules_is_no_front_matter(text: str, tmp_path: Path) -> None:
    turns = chunks(write(tmp_path, "x.md", f"---\n{text}\n\n---\nOslo."))
    assert text in "\n".join(turn.text for turn in turns)


@pytest.mark.slow
@pytest.mark.parametrize(
    "navigation",
    [
        "<nav><h2>Products</h2><ul><li><a>Pumps</a></li><li><a>Valves</a></li></ul></nav>",
        "<header><a>Home</a> <a>Blog</a></header>",
        "<div class='page-sidebar x'><a>Docs</a><p><a>API</a></p></div>",
        "<div role='navigation'><button>Menu</button></div>",
        "<a class=skip-link href='#main'>Skip to content</a>",
    ],
)
def test_navigation_is_no_chunk(navigation: str, tmp_path: Path) -> None:
    page = f"{navigation}<main><h1>Pump</h1>Oil it.</main>{navigation}"
    [turn] = chunks(write(tmp_path, "x.html", page))
    assert turn.text == "Pump\nOil it."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<nav><a>Home</a><p>The pump moves water.</nav>", "The pump moves water."),
        ("<ul><li><a>The first paper</a></li></ul>", "The first paper"),
        ("<aside>A note: see <a>the manual</a>.</aside>", "A note: see the manual."),
        ("<div class=menu>Soup 3, pie 5, <a>cake</a> 4</div>", "Soup 3, pie 5, cake 4"),
    ],
)
def test_text_with_links_is_a_chunk(page: str, text: str, tmp_path: Path) -> None:
    [turn] = chunks(write(tmp_path, "x.html", page))
    assert text in turn.text


@pytest.mark.slow
def test_a_chunk_of_a_pdf_names_its_page(tmp_path: Path) -> None:
    turns = chunks(write(tmp_path, "pump.pdf", pdf("Oil the valve.", "Drain it.")))
    assert [(turn.text, turn.source.split(":")[1]) for turn in turns] == [
        ("Oil the valve.", "page 1"),
        ("Drain it.", "page 2"),
    ]
    assert turns[0].speaker == "The pump"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["long.txt", "long.html", "long.pdf"])
def test_chunks_at_one_place_are_told_apart(name: str, tmp_path: Path) -> None:
    text = " ".join(f"Part {n} of the pump is red." for n in range(80))
    turns = chunks(write(tmp_path, name, pdf(text) if name.endswith("pdf") else text))
    assert len({turn.source for turn in turns}) == len(turns) > 2
    assert turns[1].source.endswith(" 1 part 2")


# What is no document


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.md", "", "there is no text in it"),
        ("blank.html", "<p> </p>", "there is no text in it"),
        ("scan.pdf", pdf(""), "no text in it; are its pages pictures"),
        ("latin.txt", "caf\xe9".encode("latin-1"), "not UTF-8 at byte 4"),
        ("wide.txt", "text".encode("utf-16"), "a binary file"),
        ("binary.md", b"\x00\x01\x02", "a binary file"),
        ("picture.png", b"\x89PNG", "ends in .md, .txt, .html"),
        ("broken.pdf", b"%PDF-1.4\nnothing", "a damaged PDF"),
        ("cut.pdf", pdf("Oil the valve.")[:300], "a damaged PDF"),
    ],
)
def test_what_is_no_document_is_refused(
    name: str, content: str | bytes, says: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=says):
        chunks(write(tmp_path, name, content))


@pytest.mark.slow
def test_a_damaged_pdf_is_one_line_without_its_readers_words(tmp_path: Path) -> None:
    broken = write(tmp_path, "broken.pdf", b"%PDF-1.4\nnothing")
    # In a process of its own: here, the test's own handler keeps what is logged off stderr.
    command = ["add", str(broken), "--kind", "document", "--db", str(tmp_path / "a.db")]
    done = subprocess.run(
        [sys.executable, "-m", "memory", *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {broken}: a damaged PDF, or none\n"


@pytest.mark.slow
def test_a_protected_pdf_is_refused(tmp_path: Path) -> None:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(write(tmp_path, "open.pdf", pdf("Oil the valve."))))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    with pytest.raises(InputError, match="protected by a password"):
        chunks(tmp_path / "locked.pdf")


@pytest.mark.parametrize("name", ["a.html", "a.pdf"])
def test_without_the_extra_its_name_is_told(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "find_spec", lambda module: None)
    with pytest.raises(InputError, match="uv sync --extra documents"):
        chunks(write(tmp_path, name, "text"))


def test_a_byte_order_mark_and_line_ends_of_windows_are_no_text(tmp_path: Path) -> None:
    [turn] = chunks(write(tmp_path, "a.md", "\ufeff# The pump\r\n\r\nIt moves\r\nwater.\r\n"))
    assert turn.text == "The pump\nIt moves\nwater."


# In a memory


@pytest.mark.slow
def test_the_same_file_twice_changes_nothing_and_a_changed_one_is_a_new_version(
    address: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "it's a manual.md", MANUAL)
    with open_store(address) as store:
        first = add_chunks(store, chunks(path))
        path.touch()
        again = add_chunks(store, chunks(path))
        assert (first.new, first.already, first.other_versions) == (4, 0, ())
        assert (again.new, again.already, again.other_versions) == (0, 4, ())
        old = chunks(path)[0].source.split(":")[0]
        path.write_text(MANUAL.replace("90", "60"))
        changed = add_chunks(store, chunks(path))
        assert (changed.new, changed.already, changed.other_versions) == (4, 0, (old,))


def test_a_changed_file_replaces_its_earlier_version_in_what_is_shown(tmp_path: Path) -> None:
    """Also back again; another file of the same name replaces nothing."""
    rest = "\n\n".join(f"Section {n}: the corridor {n} is painted green." for n in range(20))

    def add(code: str) -> None:
        text = f"# Handbook\n\nThe gate code is {code}.\n\n{rest}"
        add_chunks(memory.store, chunks(write(tmp_path, "handbook.md", text)))

    def codes() -> list[str]:
        lines = memory.context("What is the gate code?", gate=False).text.splitlines()
        return [line for line in lines if "gate code is" in line]

    with Memory(tmp_path / "a.db") as memory:
        add("4417")
        add("9023")
        assert len(memory.search("gate code", 1)) == 1
        assert "9023" in memory.search("gate code", 1)[0].text
        [new] = [line for line in codes() if "9023" in line]
        old = [line for line in codes() if "4417" in line]
        assert "(document)" in new
        assert all("(older version)" in line for line in old)
        assert "9023" in memory.ask("What is the gate code?").text.splitlines()[1]
        add("4417")
        assert "4417" in memory.search("gate code", 1)[0].text
        memory.undo()  # of the mark of the newer one
        before = memory.store.count_turns()
        write(tmp_path, "handbook.md", "Cooking for beginners: boil an egg for six minutes.")
        add_chunks(memory.store, chunks(tmp_path / "handbook.md"))
        egg = memory.store.turns()[before:]
        assert not any("older_version" in turn.tags for turn in egg)
        memory.forget([turn.id for turn in memory.store.turns()])
        with memory.store.reading() as conn:
            assert conn.run("turn_with_key", key="older_version").fetchone() is None


def test_when_the_newest_version_is_forgotten_the_one_before_counts_again(tmp_path: Path) -> None:
    """Nothing has the hash of the forgotten one, by which a guess of its text could be proved."""
    path = tmp_path / "a.db"
    with Memory(path) as memory:
        for code in ("4417", "9023"):
            text = f"The gate code is {code}. The gate is at the end of the corridor."
            add_chunks(memory.store, chunks(write(tmp_path, "handbook.txt", text)))
        memory.add(("Ada", "The corridor is green."))
        earlier, newest, _ = memory.store.turns()
        chosen = {"tags": {"older_version": str(memory.get(earlier.id).tags["older_version"])}}
        assert [hit.turn_id for hit in memory.search("gate code", 1, chosen)] == [earlier.id]
        memory.forget(newest.id, replies=False)
        assert [hit.turn_id for hit in memory.search("gate code", 1)] == [earlier.id]
    version = newest.source.partition(":")[0].encode()
    assert not any(version in file.read_bytes() for file in tmp_path.glob("a.db*"))


def test_a_document_is_found_and_cited_like_what_was_said(
    store: SqliteStore, tmp_path: Path
) -> None:
    add_chunks(store, chunks(write(tmp_path, "manual.md", MANUAL)))
    question = "How often does the valve need oil?"
    best = store.turn(store.search(question, 1)[0].turn_id)
    assert "every 90 days" in best.text
    script = [
        ([question], sql("SELECT id, text FROM turns WHERE kind = 'document'")),
        ([f"[{best.id}]", "Oil the valve every 90 days"], answer("Every 90 days", str(best.id))),
    ]
    reply = Memory(store, model=scripted_model(script)).ask(question)
    assert (reply.text, reply.turns) == ("Every 90 days", (best.id,))


# Tool uses


def test_what_was_tried_last_and_whether_it_worked_is_answerable(store: SqliteStore) -> None:
    store.add(
        [
            tool_use("search_flights", {"to": "Oslo"}, "no seats", False, "s1", "2017-05-08T10:00"),
            tool_use("search_flights", {"to": "Bergen"}, "3 flights.", True, "s2", "2017-05-09"),
            tool_use("mail", {}, {"id": 7}, True, "s2", "2017-05-09", by="assistant"),
        ]
    )
    rows = store.read(
        "SELECT text FROM turns WHERE kind = 'tool' AND speaker = 'search_flights'"
        " ORDER BY id DESC LIMIT 1"
    ).rows
    assert rows == (('search_flights({"to": "Bergen"}) -> 3 flights. It worked.',),)
    hits = store.search("Did I search flights to Oslo, and did it work?", 2)
    texts = [store.turn(hit.turn_id).text for hit in hits]
    assert 'search_flights({"to": "Oslo"}) -> no seats. It failed.' in texts
    last = store.turns()[-1]
    assert (last.speaker, last.text) == ("assistant", 'mail() -> {"id": 7}. It worked.')


def test_a_tool_use_is_cut_but_for_its_outcome() -> None:
    turn = tool_use("fetch", {"url": "a " * 9_000}, "b " * 90_000, False)
    assert count_tokens(turn.text) < 700
    assert turn.text.endswith(" ... It failed.")
    with pytest.raises(InputError, match="name"):
        tool_use(" ", {}, None, True)


# The command


def run(options: list[str], *arguments: object, says: str = "", given: str | None = None) -> str:
    return commands.run("add", *arguments, *options, says=says, given=given)


def test_a_message_is_added_as_said_now_or_then(address: str, memory_options: list[str]) -> None:
    now = datetime.now(UTC)
    assert run(memory_options, "I moved to Oslo", "--speaker", "Anna") == "turn 1\n"
    then = ["--session", "s1", "--said-at", "2017-05-08 13:56"]
    assert (
        run(memory_options, "-", "--speaker", "Ben", "--json", *then, given="Wow!\n")
        == '{"turn": 2}\n'
    )
    assert run(memory_options, "Nobody is named.") == "turn 3\n"
    with open_store(address) as store:
        first, second, third = store.turns()
    assert third.speaker == "User", "the memory's owner, by the name that is not known yet"
    assert (first.speaker, first.text, first.session) == ("Anna", "I moved to Oslo", "")
    assert abs(datetime.fromisoformat(first.said_at) - now) < timedelta(minutes=1)
    assert second == Turn("Ben", "Wow!", "s1", "2017-05-08T13:56", id=2)


@pytest.mark.slow
def test_what_is_no_message_is_refused_and_makes_no_memory(path: Path, tmp_path: Path) -> None:
    file = ["--db", str(path)]
    anna = ("--speaker", "Anna")
    run(file, "\u200b", says="has no text")
    run(file, " ", *anna, says=r"\(Anna\) has no text")
    run(file, "hello", *anna, "--tag", f"key={'x' * 300}", says="is too long")
    run(file, "hello", "there", *anna, says="give one message, in quotes")
    run(file, "hello", *anna, "--said-at", "yesterday", says="'yesterday' is not a date")
    run(file, "hello", *anna, "--kind", "tool", says="give message or document")
    run(file, tmp_path / "a.md", *anna, "--kind", "document", says="leave them out for documents")
    run(file, write(tmp_path, "a.md", ""), "--kind", "document", says="no text")
    good = write(tmp_path, "good.md", MANUAL)
    run(file, good, tmp_path / "missing.md", "--kind", "document", says="cannot read")
    assert not path.exists()


@pytest.mark.slow
def test_a_file_is_a_document_and_its_name_is_no_message(
    memory_options: list[str], address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "page.html", HTML)
    write(tmp_path, "chat.jsonl", "{}")
    write(tmp_path, "hello", "")
    anna = ("--speaker", "Anna")
    run(memory_options, "page.html", *anna, says="leave out --speaker")
    run(memory_options, "manual.md", *anna, says="leave out --speaker")
    run(memory_options, "manual.md", says="no such file")
    run(memory_options, "page.html", "manual.md", says="no such file")
    run(memory_options, "chat.jsonl", says="memory import chat.jsonl")
    run(memory_options, "hello", says="memory import hello")
    assert run(memory_options, "page.html") == "page.html: 2 new chunks, 0 already stored\n"
    for message in ("I read notes.md", "hello", "x" * 5_000, "Is it page.html?"):
        run(memory_options, message, *anna)
    run(memory_options, "page.html", *anna, "--kind", "message")
    with open_store(address) as store:
        assert [turn.kind for turn in store.turns()] == ["document"] * 2 + ["message"] * 5


def test_an_import_of_documents_names_their_command(path: Path, tmp_path: Path) -> None:
    for name, content in (("notes.md", "---\ntitle: x\n---\n"), ("x y.pdf", pdf("Oil it."))):
        file = write(tmp_path, name, content)
        says = f"for documents: memory add {quote(str(file))}"
        commands.run("import", file, "--db", path, says=re.escape(says))
    commands.run("import", tmp_path, "--db", path, says=re.escape(f"memory add {tmp_path}/*"))
    assert not path.exists()


@pytest.mark.slow
def test_documents_are_added_and_older_versions_named(
    memory_options: list[str], tmp_path: Path
) -> None:
    manual, page = write(tmp_path, "manual.md", MANUAL), write(tmp_path, "page.html", HTML)
    output = run(memory_options, manual, page, "--kind", "document")
    assert (
        output
        == f"{manual}: 4 new chunks, 0 already stored\n{page}: 2 new chunks, 0 already stored\n"
    )
    manual.write_text(MANUAL.replace("90", "60"))
    output = run(memory_options, manual, "--kind", "document")
    assert re.search(r"an older version or .*: manual.md@[0-9a-f]{8}\n", output)
    forget = shlex.join(["memory", "forget", "--session", "manual.md", *memory_options])
    assert f"`{forget}` removes all of them" in output
    line = json.loads(run(memory_options, page, "--kind", "document", "--json"))
    assert line == {"file": str(page), "new": 0, "already": 2, "others": []}


# --- documents that are written to take long ---------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "limit"),
    [
        ("x.html", "<h1>x" * 5_000, "4,000 elements inside each other"),
        ("x.html", "<div>" * 50_000, "4,000 elements inside each other"),
        ("x.html", "<!--" * 1_250_001, "5,000,000 characters"),
        ("x.md", "- a\n" * 200_001, "200,000 lines or elements"),
        ("x.txt", "\n" * 200_001 + "a", "200,000 lines or elements"),
        ("x.txt", "a " * 2_500_001, "5,000,000 characters"),
    ],
)
def test_a_document_that_has_too_much_is_refused_by_the_limits_name(
    name: str, text: str, limit: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=f"{name}: more than {limit}; split it"):
        chunks(path)


def test_a_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    with path.open("wb") as file:
        file.truncate(10 * 2**30)  # takes no room on the disk, and would take 10 GB of memory
    with pytest.raises(InputError, match="more than 50,000,000 bytes"):
        chunks(path)


@pytest.mark.slow
def test_a_document_that_takes_too_long_or_has_too_many_chunks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.html"
    path.write_text("<h1>a</h1><p>b</p>" * 20)
    monkeypatch.setattr(document_chunks, "MOST_CHUNKS", 10)
    with pytest.raises(InputError, match="more than 10 chunks"):
        chunks(path)
    monkeypatch.setattr(readers, "MOST_NODES", 30)
    with pytest.raises(InputError, match="more than 30 lines or elements"):
        chunks(path)
    monkeypatch.setattr(readers, "MOST_SECONDS", -1.0)
    with pytest.raises(InputError, match="more than -1 seconds"):
        chunks(path)


@pytest.mark.slow
@pytest.mark.parametrize("brackets", [b"[", b"<<"])
def test_a_pdf_of_a_million_brackets_is_refused_in_one_line(
    tmp_path: Path, brackets: bytes
) -> None:
    path = tmp_path / "deep.pdf"
    content = b"%PDF-1.4\n1 0 obj\n" + brackets * 1_000_000 + b"\nendobj\n"
    table = b"xref\n0 2\n0000000000 65535 f \n0000000009 00000 n \n"
    trailer = b"trailer\n<</Size 2/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(content)
    path.write_bytes(content + table + trailer)
    with pytest.raises(InputError, match=r"deep\.pdf: ") as refused:
        chunks(path)
    assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_a_document_whose_reading_takes_too_much_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_process, "MOST_MEMORY", 100_000_000)
    path = tmp_path / "wide.html"
    path.write_text("<p>x</p>" * 95_000)
    with pytest.raises(InputError, match=r"wide.html: .*memory"):
        chunks(path)


def test_a_reader_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(child_process, "_START_SECONDS", 0.0)
    path = tmp_path / "slow.md"
    path.write_text("# A pump")
    with pytest.raises(InputError, match="more than 0 seconds"):
        chunks(path)


@pytest.mark.skipif(os.name != "posix", reason="pipes that are files")
@pytest.mark.parametrize("name", ["pipe.md", "pipe.pdf", "pipe.txt"])
def test_a_pipe_is_no_document(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="no regular file"):
        chunks(tmp_path / name)


@pytest.mark.slow
def test_a_heading_that_nobody_closed_ends_at_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "old.html"
    path.write_text("<h1>Pump<h2>Upkeep</h2><p>Oil it.")
    assert [turn.text for turn in chunks(path)] == ["Pump > Upkeep\nOil it."]


def test_a_part_that_cannot_fit_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting tokens takes long for millions of characters in one."""
    longest = 0

    def counted(text: str) -> int:
        nonlocal longest
        longest = max(longest, len(text))
        return count_tokens(text)

    monkeypatch.setattr(chunking, "count_tokens", counted)
    assert len(chunk_text("word " * 20_000)) > 300
    assert longest <= 150 * 16
