"""SELECTs as models write them, on both databases: equal rows, or advice that works when obeyed."""

from collections.abc import Iterator

import pytest

from memory import SqlError, Store, open_store
from tests.memory.sql.model_selects import ANSWERED, REFUSED, TODAY, fill
from tests.support.postgres_server import new_namespace


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Store]]:
    """The same memory in SQLite and in Postgres, on a certain day."""
    path = tmp_path_factory.mktemp("selects") / "anna.db"
    with (
        open_store(path) as sqlite,
        open_store(new_namespace()) as postgres,
        pytest.MonkeyPatch.context() as patch,
    ):
        for store in (sqlite, postgres):
            fill(store)
            patch.setattr(type(store), "today", TODAY)
        yield [sqlite, postgres]


def test_what_models_write_gives_these_rows_in_both_databases(stores: list[Store]) -> None:
    for select, expected in ANSWERED.items():
        rows, postgres_rows = (store.read(select).rows for store in stores)
        assert rows == expected, select
        assert repr(rows) == repr(postgres_rows), select


def test_what_is_refused_says_what_to_write_and_that_runs(stores: list[Store]) -> None:
    for select, (advice, obeyed) in REFUSED.items():
        for store in stores:
            with pytest.raises(SqlError) as refused:
                store.read(select)
            assert advice in str(refused.value), select
        rows, postgres_rows = (sorted(map(repr, store.read(obeyed).rows)) for store in stores)
        assert rows == postgres_rows, obeyed


def test_the_table_is_large() -> None:
    assert len(ANSWERED) >= 120
    assert len(REFUSED) >= 40
