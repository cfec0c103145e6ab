"""The retrieval command: recall of evidence turns without a model, on a real store."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from locomo.commands import run_command
from locomo.dataset.format import load_conversations
from locomo.retrieval.__main__ import app
from locomo.retrieval.chart import Curve, recall_chart, recall_curve, token_costs
from locomo.retrieval.explain import share_line
from locomo.retrieval.measure import recalls, retrieve
from locomo.retrieval.shown import evidence_shown, is_shown, shown_table
from memory import Turn, open_store
from memory.evidence.layout import lay_out
from tests.support.benchmark_records import longmemeval_question
from tests.support.locomo_records import DATE, question, record, turn, write

SAMPLE = Path(__file__).parents[3] / "data" / "sample.json"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Two sessions, and a question of category 2, one without evidence and one of category 5."""
    sessions = {
        "session_1": [turn("D1:1"), turn("D1:2", "Lyon! How is your cat?", speaker="Bo")],
        "session_1_date_time": DATE,
        "session_2": [turn("D2:1", "My sister plays the violin."), turn("D2:2", "She is good.")],
        "session_2_date_time": "9:00 am on 12 June, 2017",
    }
    qa = [
        question(2, question="Who plays the violin?", evidence=["D2:1", "D1:2"]),
        question(4, evidence=[]),
        question(5, question="Where does Bo live?", adversarial_answer="Lyon"),
    ]
    return write(tmp_path / "two.json", record("conv-1", qa, **sessions), record("conv-2"))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["retrieval", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run_command(app)
    return int(ended.value.code or 0)


def test_one_conversation_is_written_with_a_ranking_for_every_question(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = source.with_name("out.json")
    assert run(monkeypatch, "--data", source, "--conversation", "conv-1", "--json", out) == 0
    results = json.loads(out.read_bytes())
    assert set(results) == {"turns", "ingest_s", "search_ms", "ranked"}
    assert results["turns"] == 4
    assert len(results["search_ms"]) == len(results["ranked"]) == 3
    assert results["ranked"]["0"][0] == "D2:1"
    assert {frozenset(ranked) for ranked in results["ranked"].values()} == {
        frozenset({"D1:1", "D1:2", "D2:1", "D2:2"})
    }
    lines = [line.replace("|", " ").split() for line in capsys.readouterr().out.splitlines()]
    assert ["2", "1.000", "1.000", "1.000", "1.000", "1"] in lines
    assert not any(line[:1] in (["4"], ["5"]) for line in lines[:-1])


def test_recall_leaves_out_category_5_and_questions_without_evidence(source: Path) -> None:
    conversation = load_conversations(source)[0]
    assert recalls(
        [conversation], {conversation.id: retrieve(conversation, source.parent, 1)}, [1]
    ) == {2: [[0.5]]}


def test_results_of_longmemeval_are_shown_by_question_type(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    unmarked = longmemeval_question("q-2", question_type="multi-session")
    unmarked["haystack_sessions"] = [[{"role": "user", "content": "Hello!"}], []]
    unanswerable = longmemeval_question("q-3_abs")
    file = write(source, longmemeval_question(), unmarked, unanswerable)
    assert run(monkeypatch, "--data", file) == 0
    turns, sessions = capsys.readouterr().out.split("recall of evidence sessions")
    assert "knowledge-update" in turns
    assert "multi-session" not in turns  # no turn is marked, but a session holds the answer
    assert "multi-session" in sessions


def test_a_question_is_searched_as_its_asker_means_it(source: Path) -> None:
    places = ["I live in Lyon now.", "I live in Oslo now."]
    turns = [
        {"role": role, "content": text}
        for role, text in zip(["assistant", "user"], places, strict=True)
    ]
    raw = longmemeval_question(haystack_sessions=[[], turns])
    [conversation] = load_conversations(write(source, raw))
    assert conversation.questions[0].standalone_question == "Where does user live now?"
    [question] = conversation.questions
    for asker, source_of_asker in (("user", "D1:2"), ("assistant", "D1:1")):
        folder = source.parent / asker
        folder.mkdir()
        asked = replace(conversation, questions=(replace(question, asker=asker),))
        assert retrieve(asked, folder, 1).ranked == {"0": [source_of_asker]}


def test_several_files_are_searched_as_one(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    second_file = write(source.with_name("other.json"), record("conv-3"))
    out = source.with_name("out.json")
    flags = ("--data", source, "--data", second_file, "--json", out, "--k", "1")
    assert run(monkeypatch, *flags) == 0
    results = json.loads(out.read_bytes())
    assert results.keys() == {"conv-1", "conv-2", "conv-3"}
    assert results["conv-1"]["ranked"]["0"] == ["D2:1"]


# --- why these turns --------------------------------------------------------------------------


def test_an_explanation_shows_each_turn_with_its_shares_and_whether_it_is_evidence(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    arguments = ("--data", source, "--conversation", "conv-1", "--k", "3")
    assert run(monkeypatch, *arguments, "--explain", "Who plays the violin?") == 0
    output = capsys.readouterr().out
    lines = [line.split() for line in output.splitlines()]
    first_line, *further_lines = (line for line in lines if line[:1] and line[0].isdigit())
    with open_store(source.with_name("m.db")) as store:
        store.add(load_conversations(source)[0].turns)
        best = store.search("Who plays the violin?", 4)
    expected = "1 {:.2f} 2017-06-12 Ann yes My sister plays the violin."
    assert " ".join(first_line) == expected.format(best[0].score)
    assert share_line(best[0])
    assert all(part in output for part in share_line(best[0]).split("   "))
    assert len(further_lines) == 2
    assert ("evidence D1:2 is number 4" in output) == (best[3].turn_id == 2)


def test_a_memory_that_exists_is_explained_and_left_as_it_is(
    source: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = source.with_name("m.db")
    with open_store(path) as store:
        store.add([*load_conversations(source)[0].turns, load_conversations(source)[0].turns[0]])
        count = len(store.turns())
    assert run(monkeypatch, "--memory", path, "--explain", "Who plays the violin?") == 0
    assert "My sister plays the violin." in capsys.readouterr().out
    with open_store(path) as store:
        assert len(store.turns()) == count


# --- the chart --------------------------------------------------------------------------------


def test_a_curve_gives_recall_and_tokens_of_the_best_turns(source: Path) -> None:
    conversation = load_conversations(source)[0]
    rankings = {conversation.id: {"0": ["D1:2", "D1:1", "D2:1"]}}
    drawn = recall_curve("x", [conversation], rankings=rankings, k=5)
    costs = token_costs(conversation.turns)
    assert drawn.recall.tolist() == [0.5, 0.5, 1.0]
    assert (
        drawn.tokens.tolist()
        == np.cumsum([costs[s] for s in rankings[conversation.id]["0"]]).tolist()
    )


def test_the_tokens_of_turns_are_those_that_a_model_is_shown() -> None:
    turns = load_conversations(SAMPLE)[0].turns
    turns = tuple(replace(turn, id=n) for n, turn in enumerate(turns, 1))
    context = lay_out([], turns, 10**9)
    assert sum(token_costs(turns).values()) == pytest.approx(context.tokens, rel=0.01)


def test_a_curve_of_recall_has_its_number_of_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr("matplotlib.pyplot.close", drawn.append)
    curve = Curve("this memory", 17, recall=np.array([0.5, 0.8]), tokens=np.array([30.0, 60.0]))
    recall_chart([curve], tmp_path / "recall.png", "20 questions")
    [figure] = drawn
    [text] = figure.axes[0].get_legend().get_texts()
    assert text.get_text() == "this memory, n = 17"


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "name"), [("--json", "missing/../two.json/x"), ("--json", ""), ("--chart", "d.png")]
)
def test_a_file_that_cannot_be_written_is_refused_before_the_search(
    source: Path, option: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.with_name("d.png").mkdir()
    monkeypatch.setattr(
        "locomo.retrieval.__main__.retrieve", lambda *_, **__: pytest.fail("searched")
    )
    assert run(monkeypatch, "--data", source, option, source.parent / name) == 2


@pytest.mark.parametrize(
    ("systems", "message"),
    [
        ("[]", "give what"),
        ('{"mem0": {"title": "mem0", "conversations": {}}}', "no 'conv-1'"),
        (
            '{"mem0": {"title": "mem0", "conversations": {"conv-1": {"ranked": {"0": ["D9:9"]}}}}}',
            "no 'D9:9'",
        ),
    ],
)
def test_peers_that_were_measured_on_something_else_are_refused(
    source: Path,
    systems: str,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    peers = source.with_name("peers.json")
    peers.write_text(systems)
    chart = source.with_name("c.png")
    assert run(monkeypatch, "--data", source, "--chart", chart, "--peers", peers) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "missing.json"], "missing.json does not exist"),
        (["--data", "{source}", "--conversation", "conv-9"], "it has conv-1, conv-2"),
        (["--data", "{source}", "--k", "0"], "--k"),
        (["--data", "{source}", "--json", "{source}/x.json"], "cannot write"),
        (["--data", "{source}", "--data", "{source}"], "rename one"),
        (["--data", "{source}", "--explain", "Who?"], "--conversation"),
        (["--data", "{source}", "--explain", "Who?", "--fit"], "--explain"),
        (["--data", "{source}", "--explain", "Who?", "--memory", "m.db"], "not both"),
        (["--explain", "Who?", "--memory", "missing.db"], "missing.db"),
        (["--data", "{source}", "--memory", "m.db"], "--explain"),
        (["--data", "{source}", "--chart", "c.jpg"], ".png"),
        (["--data", "{source}", "--peers", "p.json"], "--chart"),
        (["--data", "{source}", "--chart", "{source}.png", "--peers", "missing"], "missing"),
        (["--data", "{source}", "--weights", "w.json"], "--fit"),
        (["--data", "{source}", "--embedder", "no-such"], "no-such"),
        ([], "--data"),
    ],
)
def test_bad_input_ends_with_one_clear_error(
    source: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, *(part.format(source=source) for part in arguments)) == 2
    assert message in capsys.readouterr().err


SOUP = "Sure, here is how. " + "Stir the soup well. " * 60


def test_evidence_in_a_long_turn_is_shown_where_the_answer_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = {
        "session_1": [
            turn("D1:1", "How do I bake bread?"),
            turn("D1:2", SOUP + "Bake the bread at 180 degrees.", speaker="Bo"),
        ],
        "session_1_date_time": DATE,
    }
    asked = question(4, question="At how many degrees do I bake?", answer="180", evidence=["D1:2"])
    file = write(tmp_path / "soup.json", record("conv-1", [asked], **sessions))
    [conversation] = load_conversations(file)
    shown = evidence_shown(conversation, [300, 2_000])
    assert shown[300].evidence == [(0.0, 1.0)]
    assert shown[300].long_evidence == [(0, 1)]
    assert shown[2_000].evidence == [(1.0, 1.0)]
    assert shown_table([shown, shown]).row_count == 2

    assert run(monkeypatch, "--data", file, "--shown", "300") == 0
    line = next(text for text in capsys.readouterr().out.splitlines() if "0.000" in text)
    assert "1.000" in line


def test_a_cut_turn_that_holds_no_word_of_the_answer_counts_as_not_shown() -> None:
    cut = Turn("Bo", SOUP + "Bake the bread at 180 degrees.", id=1)
    context = lay_out([], [cut], 200, question="How do I bake?")
    assert is_shown(cut, context, "180 degrees")
    assert not is_shown(cut, context, "medium heat")
    assert not is_shown(replace(cut, id=2), context, "180 degrees")
    assert is_shown(cut, lay_out([], [cut], 2_000), "medium heat")
