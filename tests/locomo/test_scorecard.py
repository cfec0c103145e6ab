"""The scorecard: each table shows what it is for, and a memory that fails shows up in it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from locomo.dataset.format import Conversation, Question
from locomo.published import tables
from locomo.scorecard import contradictions, costs, evidence
from locomo.scorecard.__main__ import Section, app
from locomo.scorecard.chatter import chatter
from locomo.scorecard.contradictions import CASES, WAYS, Outcome, Way, contradict
from locomo.scorecard.forgetting import PLACES, Trace, forget_everywhere, forgetting_table
from locomo.scorecard.scratch import Scratch, scratch
from memory import InputError, Memory, Turn
from memory.records import TurnIds
from tests.conftest import SAID

SAMPLE = Path(__file__).parents[2] / "data" / "sample.json"
THE_COPY, THE_FILE = "copy of the memory", "file of the memory"
CONVERSATION = Conversation(
    "anna",
    tuple(SAID),
    (
        Question(0, "Where did Anna move to?", "Oslo", 4, ("D1:1",)),
        Question(1, "What is the name of Ben's dog?", "Rufus", 4, ("D2:1",)),
        Question(2, "What is Anna's car?", "", 5, ("D1:2",)),
        Question(3, "Who is Miso?", "a cat", 4, ()),
    ),
    dropped_evidence=0,
)


@pytest.fixture
def home() -> Iterator[Scratch]:
    with scratch() as home:
        yield home


def nothing(*arguments: Any, **options: Any) -> None:
    """Takes the place of what a faulty memory leaves undone."""


# --- forgetting -------------------------------------------------------------------------------


def places_found(traces: list[Trace]) -> set[str]:
    return {trace.place.name for trace in traces if trace.after}


def test_what_is_forgotten_is_in_no_place_but_a_copy_that_the_receipt_names(home: Scratch) -> None:
    traces = forget_everywhere(home)
    assert [trace.before for trace in traces] == [True] * len(PLACES)
    assert places_found(traces) == {THE_COPY}
    [copy] = [trace for trace in traces if trace.is_named]
    assert copy.place.name == THE_COPY


def test_a_place_where_nothing_was_found_before_counts_as_not_tried() -> None:
    place = PLACES[0]
    table = forgetting_table([Trace(place, False, False), Trace(place, None, None)])
    assert [*table.columns[3].cells] == ["not tried"] * 2
    assert [*table.columns[2].cells] == ["-", "not tried"]


# --- contradictions ---------------------------------------------------------------------------


@pytest.mark.few(3)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_the_value_said_last_is_in_force_and_the_other_on_record(way: Way, home: Scratch) -> None:
    outcome = contradict(home, way, CASES[0])
    assert outcome == Outcome(way, True, True, on_record=True, undone=True)


def test_a_memory_that_does_not_take_the_second_value_shows_up(home: Scratch) -> None:
    outcome = contradict(home, Way("nothing", nothing), CASES[0])
    assert outcome == Outcome(outcome.way, False, False, on_record=True, undone=None)
    table = contradictions.contradictions_table([outcome])
    assert [next(iter(column.cells)) for column in table.columns] == [
        *("nothing", "0", "0", "1", "-", "1")
    ]


# --- time and bytes ---------------------------------------------------------------------------


def test_the_next_search_finds_what_was_just_added(home: Scratch) -> None:
    measured = costs.time_to_readable(home, SAID, adds=4)
    assert (measured.turns, measured.is_found) == (5, (True,) * 4)
    assert all(0 < ms < 60_000 for ms in measured.ms)


def test_a_memory_that_indexes_later_shows_up(
    home: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting: list[Turn] = []
    add = Memory.add

    def add_later(memory: Memory, turns: Any, said_at: str) -> Any:
        """Each turn is stored with the next one."""
        ready, waiting[:] = [*waiting], [turns[0]]
        if ready:
            add(memory, ready, said_at=said_at)
        return TurnIds([999])

    with monkeypatch.context() as patch:
        patch.setattr(Memory, "add", add_later)
        measured = costs.time_to_readable(home, SAID, adds=4)
    assert measured.is_found == (False,) * 4
    assert [*costs.readable_table([measured]).columns[2].cells] == ["0.000"]
    assert [*costs.times_table([measured]).columns[0].cells] == ["5"]


# --- evidence ---------------------------------------------------------------------------------


def test_evidence_is_counted_for_the_tokens_that_show_it(home: Scratch) -> None:
    blocks = evidence.blocks_shown(home, CONVERSATION)
    filled = evidence.filled_contexts(CONVERSATION)
    # Two questions have evidence that counts.
    assert len(blocks) == 2 * len(evidence.BUDGETS)
    assert {block.evidence for block in blocks} == {1.0}
    assert all(0 < block.tokens <= block.budget for block in blocks)
    table = evidence.tokens_table(blocks, [filled])
    rows = [*zip(*(column.cells for column in table.columns), strict=True)]
    tokens = blocks[0].tokens / 2 + blocks[len(evidence.BUDGETS)].tokens / 2
    assert rows[0] == ("500", "1.000", f"{tokens:,.0f}", f"{1000 / tokens:.3f}", "1.000", "2")


def test_recall_is_measured_again_after_each_amount_of_chatter(home: Scratch) -> None:
    recalls = evidence.recalled_in_noise(home, CONVERSATION)
    assert [noisy.factor for noisy in recalls] == [0, 0, 1, 1, 3, 3, 10, 10]
    assert {noisy.recall for noisy in recalls} == {1.0}


def test_a_memory_that_takes_the_newest_turns_loses_what_it_had(
    home: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = Memory.search

    def newest(memory: Memory, question: str, k: int = 10) -> Any:
        hits = search(memory, question, 100)
        return sorted(hits, key=lambda hit: -hit.turn_id)[:k]

    monkeypatch.setattr(Memory, "search", newest)
    table = evidence.noise_table(evidence.recalled_in_noise(home, CONVERSATION))
    assert [*table.columns[0].cells] == ["none", "1x the turns", "3x the turns", "10x the turns"]
    assert [*table.columns[1].cells] == ["1.000", "1.000", "0.000", "0.000"]
    assert [*table.columns[2].cells] == ["0.000", "0.000", "1.000", "1.000"]


def test_chatter_is_the_same_each_time_and_never_of_the_chat_that_is_asked_about() -> None:
    turns = chatter(300)
    assert turns[:100] == chatter(100)
    chats = {turn.session.split()[0] for turn in turns}
    assert len(chats) > 3
    chat = min(chats)
    assert all(not turn.session.startswith(f"{chat} ") for turn in chatter(300, without=[chat]))
    with pytest.raises(InputError, match="not 1,000,000"):
        chatter(1_000_000)


# --- the command ------------------------------------------------------------------------------


def test_what_was_made_is_gone_after_an_interruption_and_the_home_is_as_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = os.environ["MEMORY_HOME"]
    folders: list[Path] = []

    def interrupted() -> None:
        with scratch() as home, Memory(home.new_name()) as memory:
            memory.add("I live in Oslo.")
            folders.append(home.folder)
            assert [*home.folder.glob("*.db")]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not folders[0].exists()
    assert os.environ["MEMORY_HOME"] == before
    monkeypatch.delenv("MEMORY_HOME")
    with scratch():
        assert "MEMORY_HOME" in os.environ
    assert "MEMORY_HOME" not in os.environ


def test_a_section_is_printed_alone() -> None:
    done = CliRunner().invoke(app, ["--only", "bytes"])
    assert done.exit_code == 0, done.output
    [table] = tables(done.stdout.splitlines())
    assert table[0] == ["turns", "bytes of text", "bytes on disk", "a turn", "a byte of text"]
    assert [row[0] for row in table[1:]] == ["315", "3,315"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "missing.json"], "missing.json does not exist"),
        (["--data", "no_evidence.json"], "names its evidence; give --only"),
        (["--data", str(SAMPLE), "--data", str(SAMPLE)], "'river-and-tomas' is given twice"),
        (["--store", "mysql://localhost/memory"], "--store mysql: give postgresql://"),
    ],
)
def test_bad_input_is_one_line_before_any_work(
    arguments: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    turn = {"speaker": "Anna", "dia_id": "D1:1", "text": "I live in Oslo."}
    record = {"sample_id": "anna", "conversation": {"session_1": [turn]}, "qa": []}
    Path("no_evidence.json").write_text(json.dumps([record]))
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, InputError)
    assert says in str(done.exception)
    assert done.stdout == ""


@pytest.mark.slow
def test_the_whole_command_prints_a_table_for_each_section() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "locomo.scorecard", "--data", str(SAMPLE)],
        capture_output=True,
        text=True,
        check=True,
        timeout=180,
    )
    printed = [*tables(done.stdout.splitlines())]
    assert len(printed) == len(Section) + 1  # times stand apart
    forgotten, contradicted, written, times, sizes, shown, noisy = printed
    assert [row[0] for row in forgotten[1:]] == [place.name for place in PLACES]
    assert [row[0] for row in contradicted[1:]] == [way.name for way in WAYS]
    assert [row[2] for row in written[1:]] == ["1.000", "1.000"]
    assert len(times) == len(sizes) == 3
    assert [row[0] for row in shown[1:]] == ["500", "1,000", "2,000", "4,000"]
    assert noisy[1][1] == "0.827"


@pytest.mark.slow
def test_it_measures_in_postgres_and_leaves_nothing_there(monkeypatch: pytest.MonkeyPatch) -> None:
    from memory.store.namespaces import names
    from tests.support.postgres_server import new_database

    database = new_database()
    with scratch(database) as home:
        traces = forget_everywhere(home)
        outcomes = [contradict(home, way, CASES[0]) for way in WAYS]
        size = costs.size_on_disk(home, SAID)
        assert names()
    assert {trace.place.name for trace in traces if trace.before is None} == {THE_FILE}
    assert [trace.before for trace in traces].count(True) == len(PLACES) - 1
    assert places_found(traces) == {THE_COPY}
    assert [trace.place.name for trace in traces if trace.is_named] == [THE_COPY]
    assert sum(outcome.in_force for outcome in outcomes) == len(WAYS)
    assert size.disk > size.text
    monkeypatch.setenv("MEMORY_HOME", database)
    assert names() == []
