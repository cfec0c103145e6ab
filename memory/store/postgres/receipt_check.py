"""Whether what a receipt of `forget` names is gone from a namespace of Postgres."""

from collections.abc import Iterator

from memory.records import Forgotten
from memory.store.forgetting import receipt_check
from memory.store.forgetting.forget import recorded_copies
from memory.store.forgetting.receipt_check import ReceiptCheck
from memory.store.postgres import faults
from memory.store.postgres.address import read_address
from memory.store.postgres.connection import NamespaceConnection, postgres_errors
from memory.store.postgres.pool import begin
from memory.store.postgres.store import looked_at, number_of

_OUT_OF_REACH = (
    "dead rows until the server vacuums them, its write-ahead log, replicas and backups; files sent"
    " elsewhere, copies made by hand, and what a hosted model was sent"
)
# Columns of text and of bytes of the tables that all namespaces share.
_COLUMNS = """
SELECT relname, attname, atttypid = 'bytea'::regtype
FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
WHERE relnamespace = 'memory'::regnamespace AND relkind IN ('r', 'p')
    AND atttypid IN ('text'::regtype, 'bytea'::regtype) AND attnum > 0 AND NOT attisdropped
    AND EXISTS (
        SELECT FROM pg_attribute AS key
        WHERE key.attrelid = pg_class.oid AND key.attname = 'namespace'
    )
ORDER BY relname, attnum
"""

# What the server keeps of columns by itself, in the way that it writes arrays; bytes as hex.
_STATISTICS = """
SELECT tablename, attname
FROM pg_stats
WHERE schemaname = 'memory' AND (
    position(%(text)s IN lower(concat(most_common_vals, histogram_bounds, most_common_elems))) > 0
    OR position(%(bytes)s IN concat(most_common_vals, histogram_bounds)) > 0
)
ORDER BY tablename, attname
"""


def check_namespace(location: str, receipt: Forgotten, text: str = "") -> ReceiptCheck:
    """Look for what a receipt names in a namespace's tables, its backups and its copies.

    `location` is the namespace's address. `text` is looked for in every column of text and of bytes
    of every table, and in the files.
    Raises InputError for a receipt of another memory, StoreError when there is no such namespace.
    """
    address = read_address(location)
    with (
        postgres_errors(address.location, address.conninfo),
        (own := looked_at(address, may_set_up=False).own).connection() as conn,
    ):
        begin(conn, "ISOLATION LEVEL REPEATABLE READ READ ONLY")
        namespace = NamespaceConnection(own, number_of(conn, address, may_make=False))
        with namespace.bound(conn):
            receipt_check.refuse_other_receipt(namespace, address.location, receipt)
            remains = receipt_check.overwriting_due(namespace, address.location)
            check = _check_tables(namespace, receipt, text)
            copies = recorded_copies(namespace)
    files = receipt_check.check_files(
        [name for name in receipt.files if name != address.location],
        [*receipt.unreached, *receipt.copies, *copies],
        receipt=receipt,
        text=text,
    )
    return ReceiptCheck(
        remains=(
            *remains,
            *(f"{address.location}: {line}" for line in check.remains),
            *files.remains,
        ),
        unchecked=(
            *(f"{address.location}: {line}" for line in check.unchecked),
            *files.unchecked,
            *receipt_check.without_words(text),
            _OUT_OF_REACH,
        ),
        files=(address.location, *files.files),
    )


def _check_tables(namespace: NamespaceConnection, receipt: Forgotten, text: str) -> ReceiptCheck:
    """What the tables of a namespace hold of a receipt's turns, and of a text."""
    remains = [*receipt_check.rows_left(namespace, receipt), *faults.find_faults(namespace)]
    if not text:
        return ReceiptCheck(tuple(remains))
    remains += receipt_check.rows_with(namespace, text)
    return ReceiptCheck(
        (*remains, *_columns_with(namespace, text), *_statistics_with(namespace, text))
    )


def _statistics_with(namespace: NamespaceConnection, text: str) -> Iterator[str]:
    """The columns whose server statistics, over all namespaces, hold a text."""
    written = text.lower().replace("\\", "\\\\").replace('"', '\\"')
    values = {"text": written, "bytes": text.encode().hex()}
    for table, column in namespace.connection.execute(_STATISTICS, values).fetchall():
        yield f"the server's statistics hold {text!r} of {table}.{column} (ANALYZE memory.{table})"


def _columns_with(namespace: NamespaceConnection, text: str) -> Iterator[str]:
    """The columns of text and bytes that hold a text, whichever table they are of."""
    for table, column, is_bytes in namespace.connection.execute(_COLUMNS).fetchall():
        condition = (
            f"position(convert_to(%(text)s, 'UTF8') IN {column}) > 0"
            if is_bytes
            else f'position(lower(%(text)s COLLATE "C") IN lower({column} COLLATE "C")) > 0'
        )
        [(rows,)] = namespace.execute(
            f"SELECT count(*) FROM memory.{table} WHERE namespace = %(namespace)s AND {condition}",
            text=text,
        ).fetchall()
        if rows:
            yield f"{rows} rows of the table {table} hold {text!r} in the column {column}"
