"""The commands that ask a memory: ask, search, sql, digest."""

import json
import os
import re
import shlex
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from memory import InputError, Memory, Store, Turn, __main__, open_store
from memory.__main__ import app
from memory.store import namespaces
from memory.store.changes.journal import MOST_ENDED
from memory.store.configuration.declared_settings import Settings
from memory.worker.waiting import waiting
from tests.conftest import CAT, DOG, INSERT, MOVED
from tests.support.commands import run as run_command
from tests.support.scripted import (
    Pairs,
    ScriptedLM,
    UnsoldModel,
    answer,
    patch_load_model,
    scripted_model,
    sql,
)
from tests.support.talk import talker

BOTH_STORES = "slow"

Run = Callable[..., Result]


@pytest.fixture
def run(store: Store, memory_options: list[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a memory of five turns, with a model that says what it is told to say."""

    def command(name: str, *arguments: str, script: Pairs = (), window: int = 16) -> Result:
        model = scripted_model(script, window=window)
        patch_load_model(monkeypatch, lambda name, *_, **settings: model)
        done = CliRunner().invoke(app, [name, *arguments, *memory_options])
        assert isinstance(model.lm, ScriptedLM)
        if done.exit_code == 0:
            model.lm.assert_done()
        return done

    return command


# -------------------------------------------------------------------------------- ask

PETS = "SELECT turn_id, subject, value FROM facts\nWHERE attribute = 'has_pet'"
PETS_SCRIPT = [([], sql(PETS)), (["cat Miso"], answer("a cat and a dog", "3, 4"))]


def test_an_answer_is_printed_with_its_turns_and_why_with_the_sql_and_its_rows(
    run: Run, store: Store
) -> None:
    store.write(f"{CAT}; {DOG}", cause="test")
    assert run("ask", "Which pets do they have?", script=PETS_SCRIPT).stdout.splitlines()[:-1] == [
        "a cat and a dog",
        "  [3] (Mon 08 May 2017) Anna: Small, but my cat Miso loves the window.",
        "  [4] (Mon 12 Jun 2017) Ben: I adopted a dog, Rufus.",
    ]
    out = run("ask", "Which pets do they have?", "--why", script=PETS_SCRIPT).stdout
    assert re.sub(r"\d\.\d", "0.0", out).splitlines() == [
        "a cat and a dog",
        "  [3] (Mon 08 May 2017) Anna: Small, but my cat Miso loves the window.",
        "    found by the ranking, rank 3 (words 0.0, length 0.0, meaning 0.0), by SQL",
        "  [4] (Mon 12 Jun 2017) Ben: I adopted a dog, Rufus.",
        "    found by the ranking, rank 2 (words 0.0, length 0.0, meaning 0.0), by SQL",
        "",
        "SQL:",
        f"  {' '.join(PETS.split())}",
        "    2 rows",
        "2 calls, 0 + 0 tokens, 0.0 s; SQL: 1 call, 0 + 0 tokens, 2 rows, 0 turns more",
    ]


def test_an_answer_for_programs_is_one_object_with_whole_turns_and_rows(
    run: Run, store: Store
) -> None:
    store.write(f"{CAT}; {DOG}", cause="test")
    record = json.loads(run("ask", "Which pets?", "--json", script=PETS_SCRIPT).stdout)
    assert (record["answer"], record["calls"]) == ("a cat and a dog", 2)
    assert [(turn["id"], turn["source"]) for turn in record["turns"]] == [(3, "D1:3"), (4, "D2:1")]
    assert [citation["rank"] for citation in record["citations"]] == [2, 1]
    steps = [(step["name"], step["calls"], step["rows"]) for step in record["steps"]]
    assert steps == [("search", 0, 0), ("select", 1, 2), ("answer", 1, 0)]
    assert record["seconds"] > 0
    [ran] = record["sql"]
    assert ran["statement"] == " ".join(PETS.split())
    assert ran["rows"] == [[3, "Anna", "cat Miso"], [4, "Ben", "dog Rufus"]]


def test_a_question_about_the_past_is_asked_of_the_memory_as_it_was(run: Run) -> None:
    now = [(["turns: 5"], sql("-- none")), (["Rufus"], answer("Miso and Rufus", "3, 4"))]
    assert run("ask", "Any pets?", script=now).stdout.startswith("Miso and Rufus\n")
    then = [(["turns: 3"], sql("-- none")), (["Miso"], answer("Miso and Rufus", "3, 4"))]
    out = run("ask", "Any pets?", "--as-of", "2017-05", script=then).stdout
    assert "[3]" in out
    assert "[4]" not in out, "what was not said yet cannot be cited"


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("arguments", "day"),
    [
        (["--now", "2017-06-09"], "2017-05"),
        (["--as-of", "2017-06"], "2017-05"),
        (["--as-of", "2017-05-20"], "2017-04"),
        (["--as-of", "2017-05-20", "--now", "2024-03-01"], "2024-02"),
        ([], f"{date.today().replace(day=1) - timedelta(days=1):%Y-%m}"),
    ],
)
def test_a_question_counts_from_today_or_from_the_day_it_is_asked_for(
    run: Run, arguments: list[str], day: str
) -> None:
    expected = [f"last month ({day})?", "[[ ## asker ## ]]\nBen\n"]
    script = [(expected, sql("-- none")), (expected, answer("a dog"))]
    run("ask", "What did I adopt last month?", "--speaker", "Ben", *arguments, script=script)


def test_the_one_who_asks_is_the_user_of_the_chat_where_nobody_is_named(
    run: Run, store: Store
) -> None:
    Settings(store).set("user", "Anna")
    expected = ["[[ ## asker ## ]]\nAnna\n"]
    run("ask", "Where do I live?", script=[(expected, sql("-- none")), (expected, answer("Oslo"))])


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ask", " "], "the question is empty"),
        (["ask", "When?", "--now", "2017-06"], "write 2017-06-01"),
        (["search", " "], "is empty"),
        (["search", "Oslo", "--where", "mood=good"], "there are speaker, session, kind, source"),
        (["search", "Oslo", "--where", "Anna"], "write speaker=Anna or tags.project=move"),
        (["search", "Oslo", "--where", "since=May"], "is a date as in 2017-05-08"),
        (["admin", "sql", " "], "write a SELECT"),
        (["admin", "sql", "DROP TABLE facts"], "here only a SELECT is allowed"),
        (["admin", "sql", "SELECT * FROM sqlite_master"], "there are turns, facts and search()"),
        (
            ["admin", "sql", "SELECT t.id, f.id FROM turns t, facts f", "--json"],
            "give each its own name with AS",
        ),
    ],
)
def test_what_cannot_be_asked_is_one_line_that_says_so(
    run: Run, arguments: list[str], says: str
) -> None:
    error = run(*arguments).exception
    assert isinstance(error, InputError)
    assert says in str(error)
    assert len(str(error).splitlines()) == 1


# ---------------------------------------------------------------------- how often?

RAN = [
    Turn("Anna", "I went running in the rain.", said_at="2017-05-02"),
    Turn("Anna", "Running again, by the river.", said_at="2017-05-09"),
    Turn("Ben", "I prefer to swim.", said_at="2017-05-10"),
    Turn("Anna", "Went for a run with Ben.", said_at="2017-05-17"),
    Turn("Anna", "Ten kilometres of running!", said_at="2017-05-30"),
    Turn("Anna", "First run of June.", said_at="2017-06-01"),
]
IN_MAY = "FROM facts WHERE attribute = 'went_running' AND happened_on LIKE '2017-05%'"
COUNTED = (
    f"SELECT COUNT(*) AS runs_in_may {IN_MAY};\nSELECT turn_id, value, happened_on {IN_MAY};\n"
    "SELECT id, said_at, text FROM turns WHERE lower(text) LIKE '%run%' AND said_at LIKE '2017-05%'"
)


def test_how_often_is_counted_by_sql_and_shown_with_the_rows_beside_it(
    address: str,
) -> None:
    runs = [n for n, turn in enumerate(RAN, 1) if turn.speaker == "Anna"]
    values = (
        f"('Anna', 'went_running', '{RAN[n - 1].text}', '{RAN[n - 1].said_at}', {n})" for n in runs
    )
    script = [
        (["[1] (Tue 02 May 2017) Anna: I went running"], sql(f"{INSERT}{', '.join(values)};")),
        (["How often did I go running in May?", "went_running(5)"], sql(COUNTED)),
        (
            ["What the memory's facts say:\nruns_in_may: 4\n", "by the river"],
            answer("4 times", "1, 2, 4, 5"),
        ),
    ]
    model = scripted_model(script)
    with Memory(address, model=model) as memory:
        memory.add(RAN)
        memory.digest()
        reply = memory.ask("How often did I go running in May?")
        assert (reply.text, reply.turns) == ("4 times", (1, 2, 4, 5))
        assert reply.rows[0].rows == ((4,),)
        assert [len(rows.rows) for rows in reply.rows] == [1, 4, 4]
        assert isinstance(model.lm, ScriptedLM)
        model.lm.assert_done()
        assert "| 2017-06-01" not in model.lm.script.prompts[-1], "the run of June is not a row"


def test_a_count_is_printed_under_its_statement(run: Run, store: Store) -> None:
    count = sql("SELECT COUNT(*) AS times FROM turns WHERE speaker = 'Anna'")
    script = [([], count), (["times: 3"], answer("3 times"))]
    out = run("ask", "How often did Anna speak?", "--why", script=script).stdout
    assert out.splitlines()[-3:-1] == ["    1 row", "    times: 3"]


# ------------------------------------------------------------------------ search and sql


def test_a_search_gives_the_best_turns_without_a_model(run: Run) -> None:
    lines = run("search", "Ben adopted a dog", "-k", "2").stdout.splitlines()
    assert lines[0] == "[4] (Mon 12 Jun 2017) Ben: I adopted a dog, Rufus."
    assert len(lines) == 2
    [hit] = map(
        json.loads, run("search", "Ben adopted a dog", "-k", "1", "--json").stdout.splitlines()
    )
    assert (hit["turn_id"], hit["speaker"], hit["session"]) == (4, "Ben", "session_2")
    assert hit["score"] > 0


def test_a_search_finds_only_the_turns_that_a_filter_lets_pass(run: Run) -> None:
    where = ("--where", "speaker=Ben", "--where", "speaker=Cleo", "--where", "until=2017-05")
    [line] = run("search", "Ben adopted a dog", *where).stdout.splitlines()
    assert line.startswith("[2] ")
    nothing = run("search", "dog", "--where", "kind=tool")
    assert (nothing.stdout, nothing.stderr.strip()) == ("", "no turn passes --where")


@pytest.mark.parametrize(
    ("option", "printed"),
    [
        ([], "speaker  said\nAnna     3\nBen      2\n"),
        (["--json"], '{"speaker": "Anna", "said": 3}\n{"speaker": "Ben", "said": 2}\n'),
    ],
)
def test_a_select_is_printed_for_people_and_programs(
    run: Run, option: list[str], printed: str
) -> None:
    select = "SELECT speaker, COUNT(*) AS said FROM turns GROUP BY speaker ORDER BY speaker"
    assert run("admin", "sql", select, *option).stdout_bytes.decode() == printed


def test_rows_that_were_left_out_are_told_of(run: Run, store: Store) -> None:
    store.add([Turn("Anna", f"Number {n}.") for n in range(200)])
    done = run("admin", "sql", "SELECT id FROM turns")
    assert len(done.stdout.splitlines()) == 201
    assert done.stderr == "only the first 200 rows; there are more\n"


@pytest.mark.parametrize(("place", "code"), [("pipe", 1), ("/dev/full", 2)])
def test_what_cannot_be_printed_is_no_traceback(
    place: str,
    code: int,
    store: Store,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if place == "pipe":
        read, write = os.pipe()
        os.close(read)  # as `| head` when it has read enough
    elif Path(place).exists():
        write = os.open(place, os.O_WRONLY)
    else:
        pytest.skip("no full device here")
    monkeypatch.setattr("sys.argv", ["memory", "admin", "sql", "SELECT 1", "--db", str(path)])
    with open(write, "w") as out:
        monkeypatch.setattr("sys.stdout", out)
        with pytest.raises(SystemExit) as end:
            __main__.run()
    assert end.value.code == code
    assert len(capsys.readouterr().err.splitlines()) == code - 1


# ------------------------------------------------------------------------------- digest


def test_a_digest_counts_what_waits_and_says_what_it_did(run: Run, store: Store) -> None:
    script = [(["[1]"], sql(f"{MOVED}; {CAT}")), *[(["[4]"], sql("DROP TABLE facts"))] * 3]
    lines = run("digest", script=script, window=3).stdout.splitlines()
    assert lines[0] == (
        "windows: 1 stored, 1 failed, 1 waiting; 2 facts changed (0 ended, 0 removed) by 4 calls"
        " of scripted (0 + 0 tokens, price unknown)"
    )
    assert lines[1].startswith("turns 4-5 failed 1 time: DROP")
    store.add([Turn("Ben", f"Number {n}.") for n in range(4)])
    memory = Memory(store, model=scripted_model([], window=3))
    calls = waiting(store, memory.model, replay=False).cost.calls
    assert calls == 3, "one left over, four turns in windows of 3"
    again = run("digest", "--max-calls", "1", script=[(["[4]"], sql(DOG))], window=3).stdout
    assert again.startswith("windows: 1 stored, 0 failed, 2 waiting; 1 fact changed (")


def test_a_digest_of_which_nothing_was_stored_fails(run: Run, store: Store) -> None:
    script = [([], sql("DROP TABLE facts"))] * 3
    done = run("digest", "--max-calls", "3", script=script, window=9)
    assert done.exit_code == 1
    assert done.stdout.startswith("windows: 0 stored, 1 failed, 1 waiting;")


def test_what_a_digest_will_take_and_took_is_said(run: Run, store: Store) -> None:
    done = run("digest", "--max-calls", "9", script=[([], sql(MOVED)), ([], sql(DOG))], window=3)
    assert re.fullmatch(
        r"scripted at scripted: 5 turns to digest; about 2 calls,"
        r" \d,\d{3} \+ 300 tokens, price unknown without repairs; stops after 9 calls",
        done.stderr.splitlines()[0],
    )
    assert done.stdout.endswith(" 2 calls of scripted (0 + 0 tokens, price unknown)\n")
    assert "about" not in run("digest").stderr, "nothing waits"


@pytest.mark.parametrize("flags", [["--yes"], ["--max-calls", "1"], []])
def test_without_a_terminal_no_paid_call_is_made_unasked(
    run: Run, store: Store, flags: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UnsoldModel, "price", (1e-6, 2e-6))
    done = run("digest", *flags, script=[([], sql(MOVED))])
    if flags:
        assert done.stdout.startswith("windows: 1 stored")
    else:
        assert isinstance(done.exception, InputError)
        assert "--max-calls" in str(done.exception)
        assert not store.changes()


def test_what_was_paid_until_an_interruption_is_said(
    store: Store, memory_options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(prompt: str) -> str:
        if "[4]" in prompt:
            raise KeyboardInterrupt
        return sql(MOVED)

    model, _ = talker(window=3, store=interrupted)
    patch_load_model(monkeypatch, lambda name, *_, **settings: model)
    done = CliRunner().invoke(app, ["digest", *memory_options])
    assert done.exit_code == 130
    assert done.stderr.splitlines()[-1] == "cost so far: 1 call, 7 + 3 tokens, price unknown"


def held_window(store: Store) -> Pairs:
    """Facts of turn 1, and a script that ends more of them than a model may by itself."""
    rows = ", ".join(f"('Anna', 'likes', 'thing {n}', NULL, 1)" for n in range(MOST_ENDED + 1))
    store.write(INSERT + rows, cause="test", window=(1, 3))
    end_all = "UPDATE facts SET ended_on = '2017-06' WHERE subject = 'Anna'"
    return [(["[4]"], sql(f"{end_all}; {DOG}")), (["no later turn of Anna's"], sql("-- none"))]


def test_what_is_held_is_shown_with_the_commands_that_apply_or_skip_it(
    run: Run, store: Store, memory_options: list[str]
) -> None:
    lines = run("digest", script=held_window(store)).stdout.splitlines()
    options = shlex.join(["4-5", *memory_options])
    why = "stays: no later turn of Anna's in the window says that it is over"
    facts = "; ".join(f"fact {n} (Anna likes thing {n - 1}) {why}" for n in (1, 2, 3))
    expected = [
        f"turns 4-5 are stored, except for what is held for a person: {facts}; and 6 more",
        *(
            f"    UPDATE facts SET ended_on = '2017-06' WHERE id = {n} AND ended_on IS NULL"
            + ";" * (n < MOST_ENDED + 1)
            for n in range(1, MOST_ENDED + 2)
        ),
        f"  to apply it: memory digest --apply {options}",
        f"  to skip it: memory digest --skip {options}",
    ]
    assert lines[0].startswith("windows: 1 stored, 0 failed, 0 waiting; 1 fact changed (")
    assert lines[1:] == expected
    assert run("facts", "log").stdout.splitlines()[: len(expected)] == expected
    again = run("digest", "--replay")
    assert again.stdout.startswith("windows: 0 stored, 0 failed, 0 waiting;"), "its facts are there"
    assert "9 facts  digest applied by user, turns 4-5" in run("digest", "--apply", "4-5").stdout
    assert len(run("digest").stdout.splitlines()) == 1


def test_what_is_held_can_be_left_out(run: Run, store: Store) -> None:
    run("digest", script=held_window(store))
    assert "0 facts  digest skipped by user, turns 4-5" in run("digest", "--skip", "4-5").stdout
    assert all(not fact.ended_on for fact in store.facts())
    assert store.pending() == []


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--apply", "4-5", "--skip", "4-5"], "not both"),
        (["--apply", "four"], "its first and last turn: 12-27"),
        (["--skip", "1-2"], "not a pending window"),
        (["--apply", "9-99999999999999999999"], "its first and last turn: 12-27"),
    ],
)
def test_only_a_window_that_waits_is_decided(
    run: Run, store: Store, arguments: list[str], words: str
) -> None:
    run("digest", script=held_window(store))
    refused = run("digest", *arguments)
    assert isinstance(refused.exception, InputError)
    assert words in str(refused.exception)
    assert store.pending()[0].statement


# -------------------------------------------------------------------------------- several memories


@pytest.fixture
def both(home: str) -> None:
    """Namespaces of Anna, of a team and of Eve."""
    for name, turn in (
        ("anna", Turn("Anna", "I moved to Oslo last Saturday!", "s", "2017-05-08")),
        ("our team", Turn("Cleo", "We meet in the Oslo office on Friday.", "s", "2017-06-01")),
        ("eve", Turn("Eve", "Nobody in Oslo may know this.", "s", "2017-06-02")),
    ):
        with open_store(namespaces.create(name)) as store:
            store.add([turn])


@pytest.mark.usefixtures("both")
def test_a_search_of_several_memories_names_them() -> None:
    found = run_command("search", "Who is in Oslo?", "-n", "anna", "-n", "our team").splitlines()
    assert sorted(found) == [
        "[1] anna (Mon 08 May 2017) Anna: I moved to Oslo last Saturday!",
        "[1] our team (Thu 01 Jun 2017) Cleo: We meet in the Oslo office on Friday.",
    ]
    lines = run_command("search", "Oslo", "-n", "anna", "-n", "our team", "--json").splitlines()
    records = [json.loads(line) for line in lines]
    assert {(record["memory"], record["turn_id"]) for record in records} == {
        ("anna", 1),
        ("our team", 1),
    }
    alone = json.loads(run_command("search", "Oslo", "-n", "anna", "--json"))
    assert "memory" not in alone


@pytest.mark.usefixtures("both")
def test_an_answer_from_several_memories_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    count = "SELECT COUNT(*) AS turns FROM turns"
    said: list[tuple[list[str], str]] = [
        ([], sql(count)),
        (["[100001] our team"], answer("in the Oslo office", "100001")),
    ]
    patch_load_model(monkeypatch, lambda name, *_, **settings: scripted_model(said))
    options = ("-n", "anna", "-n", "our team")
    out = run_command("ask", "Where do we meet?", *options, "--why")
    assert re.sub(r" \(words.*\)", "", out).splitlines()[:-1] == [
        "in the Oslo office",
        "  [1] our team (Thu 01 Jun 2017) Cleo: We meet in the Oslo office on Friday.",
        "    found by the ranking, rank 1",
        "",
        "SQL:",
        f"  {count}",
        "    2 rows",
        "    memory: anna | turns: 1",
        "    memory: our team | turns: 1",
    ]
    record = json.loads(run_command("ask", "Where do we meet?", *options, "--json"))
    assert record["citations"][0]["memory"] == record["turns"][0]["memory"] == "our team"
    said[1] = (["[1] anna"], answer("No information available"))
    past = run_command("ask", "Where?", *options, "--as-of", "2017-05-31", "--json")
    assert json.loads(past)["sql"][0]["rows"] == [["anna", 1], ["our team", 0]]


@pytest.mark.usefixtures("both")
def test_lists_of_memories_that_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_command("search", "Oslo", "-n", "anna", "-n", "anna", says="named twice")
    run_command("search", "Oslo", "-n", "anna", "-n", "our temm", says="no namespace 'our temm'")
    run_command("search", "Oslo", "-n", "anna", "--db", tmp_path / "a.db", says="two memories")
    # A name in the environment is one name, whatever it holds.
    monkeypatch.setenv("MEMORY_NAMESPACE", "our team")
    assert run_command("search", "Oslo").startswith("[1] (Thu 01 Jun 2017) Cleo:")
