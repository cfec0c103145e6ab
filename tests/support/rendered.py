"""A SELECT as the policy renders it, with a test's hits for search()."""

from collections.abc import Callable

from memory.sql import Hits, check_select
from memory.sql.rendering import Dialect

Search = Callable[[str, int], Hits]


def rendered(sql: str, search: Search, dialect: Dialect = "sqlite") -> str:
    """The text of a checked SELECT for a database. Raises SqlError when it is refused."""
    select = check_select(sql)
    return select.render([search(call.text, call.k) for call in select.searches], dialect)
