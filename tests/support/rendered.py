"""A SELECT as the policy renders it, with a test's hits for search()."""

from collections.abc import Callable

from memory.records import CurrencyRules
from memory.sql import Hits, check_select
from memory.sql.in_force import reads_facts_now, select_with_facts_now
from memory.sql.rendering import Dialect
from memory.sql.today import reads_today, select_on
from memory.store.facts.rights import currency_values

Search = Callable[[str, int], Hits]


def rendered(sql: str, search: Search, dialect: Dialect = "sqlite") -> str:
    """The text of a checked SELECT for a database. Raises SqlError when it is refused."""
    select = check_select(sql)
    if reads_facts_now(select):
        rules = CurrencyRules(one_valued=("lives_in", "works_as"))
        values = {**currency_values(rules, "2017-06-30", ()), "edited": [0]}
        select = select_with_facts_now(select, values)
    if reads_today(select):
        select = select_on(select, "2017-06-30")
    return select.render([search(call.text, call.k) for call in select.searches], dialect)
