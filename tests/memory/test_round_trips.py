"""How many statements and round trips a question takes: a few, however many turns it shows."""

import json
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory.store.sqlite.store import SqliteStore
from tests.conftest import INSERT
from tests.support.round_trips import protocol_messages, round_trips
from tests.support.rows import connection_of
from tests.support.scripted import Pairs, answer, scripted_model, sql

CHATS = Path(__file__).parents[2] / "data" / "chats.json"
BUDGET = 19_000  # tokens, which the turns of these chats fill
# Of SQLite, transactions and the full-text index's own included: later words and hidden turns
# are read, too.
MOST_STATEMENTS = 58
MOST_ROUND_TRIPS = 32  # to Postgres: 29, and each pool may ask whether its connection stands


@pytest.fixture(scope="module")
def turns() -> list[Turn]:
    """What was said in our chats, as one memory."""
    said = []
    for number, chat in enumerate(json.loads(CHATS.read_text("utf-8"))):
        for session, messages in chat["conversation"].items():
            if isinstance(messages, list):
                name = f"{number} {session}"
                said += [Turn(m["speaker"], m["text"], name) for m in messages if m["text"].strip()]
    return said


def fill(store: Store, turns: list[Turn]) -> None:
    store.add(turns)
    rows = ", ".join(f"('Anna', 'likes_{n}', 'thing {n}', '', {n * 7})" for n in range(1, 60))
    store.write(f"{INSERT}{rows}, ('Anna', 'has', 'a cat', '', 7)", cause="test")


def ask(store: Store) -> None:
    """A question to a hosted model, which fills the budget."""
    select = "SELECT attribute, value, turn_id FROM facts WHERE subject = 'Anna' LIMIT 9"
    script: Pairs = [([], sql(select)), ([], answer("Nobody", "1"))]
    model = scripted_model(script, budget=BUDGET)
    told = Memory(store, model=model).ask("Who has a cat?")
    assert told.tokens > 0.9 * BUDGET
    assert len(told.shown) > 300


def test_a_question_takes_few_statements_in_sqlite(path: Path, turns: list[Turn]) -> None:
    with open_store(path) as store:
        fill(store, turns)
        assert isinstance(store, SqliteStore)
        store.read("SELECT 1 AS opens_the_models_connection")
        [reader] = store._model_readers._spare
        statements: list[str] = []
        for conn in (connection_of(store), reader):
            conn.set_trace_callback(statements.append)
        ask(store)
        for conn in (connection_of(store), reader):
            conn.set_trace_callback(None)
        # The statements after a dash are those that the full-text index makes for itself.
        own = [statement for statement in statements if not statement.startswith("-- ")]
        assert 10 < len(own) <= MOST_STATEMENTS, own


def test_a_digest_reads_the_turns_of_a_window_once(path: Path) -> None:
    with open_store(path) as store:
        store.add([Turn("Anna", f"I saw thing {n}.", "s", "2017-05-08") for n in range(1, 5)])
        assert isinstance(store, SqliteStore)
        insert = f"{INSERT}('Anna', 'has', 'thing 3', '', 3)"
        memory = Memory(store, model=scripted_model([([], sql(insert))]))
        statements: list[str] = []
        connection_of(store).set_trace_callback(statements.append)
        assert memory.digest().facts == 1
        connection_of(store).set_trace_callback(None)
        lines = [" ".join(statement.split()) for statement in statements]
        assert sum("text, said_at" in line and "BETWEEN 1 AND 4" in line for line in lines) == 1
        assert sum("FROM tags" in line and "[1, 2, 3, 4]" in line for line in lines) == 1


@pytest.mark.slow
def test_a_question_takes_few_round_trips_to_postgres(turns: list[Turn]) -> None:
    from tests.support.postgres_server import new_namespace

    with open_store(new_namespace()) as store:
        fill(store, turns)
        # The first search reads vectors, and the first SELECT checks a new connection.
        store.search("Who has a cat?", 400)
        store.read("SELECT 1 AS opens_the_models_connection")
        with protocol_messages() as messages:
            ask(store)
    assert 5 < round_trips(messages) <= MOST_ROUND_TRIPS, messages
