"""What a question looks up in a memory: nothing twice."""

from memory import Store, Turn
from memory.evidence.reader import MemoryReader
from memory.store.sqlite.store import SqliteStore
from tests.support.rows import connection_of


def test_a_question_is_searched_once_and_a_filter_each_time(store: Store) -> None:
    assert isinstance(store, SqliteStore)
    store.add([Turn("Anna", "My cat Miso loves the window.")])
    reader = MemoryReader(store)
    statements: list[str] = []
    hits = reader.search("Who has a cat?", 9)
    connection_of(store).set_trace_callback(statements.append)
    assert reader.search("Who has a cat?", 9) == hits
    assert statements == []
    by_ben = reader.search("Who has a cat?", 9, {"speaker": "Ben"})
    assert statements
    assert {hit.turn_id for hit in by_ben} < {hit.turn_id for hit in hits}
