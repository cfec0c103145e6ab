"""Facts that texts may be about, by their turns and the names in them, for a ranking of facts."""

from collections.abc import Sequence

from memory.records import Fact
from memory.store.changes.journal import to_fact
from memory.store.database import HasConnections

ALIAS = "alias"  # the attribute of a second name: subject, alias, the other name


def candidate_facts(
    store: HasConnections, turn_ids: Sequence[int], names: Sequence[Sequence[str]], most: int
) -> tuple[dict[int, Fact], set[int]]:
    """Facts by id, and which of them are about a person that one of the names is an alias of.

    Arguments:
        store: the memory.
        turn_ids: the facts of these turns.
        names: in lower case; facts whose subject has one, that say that it is a second name, or
            whose entity has it.
        most: facts of the turns, and of each list of names for each of these reasons, the newest.
    """
    with store.reading() as conn, conn.together():
        of_turns = conn.run("newest_facts_of_turns", turn_ids=[*turn_ids], most=most)
        of_names = []
        of_aliases = []
        for listed in names:
            of_names += [
                conn.run("newest_facts_about", names=[*listed], most=most),
                conn.run("newest_facts_with_value", attribute=ALIAS, names=[*listed], most=most),
            ]
            of_aliases.append(conn.run("newest_facts_of_aliases", names=[*listed], most=most))
    called = [row for rows in of_aliases for row in rows]
    others = [row for rows in (of_turns, *of_names) for row in rows]
    # Most facts are found for several reasons.
    by_id = {row[0]: row for row in (*others, *called)}
    return {fact_id: to_fact(row) for fact_id, row in by_id.items()}, {row[0] for row in called}
