"""The catalog of a namespace: what it holds, in a few lines for a prompt."""

from memory.store.database import Connection
from memory.tokens import first_lines


def catalog(conn: Connection, tokens: int) -> str:
    """Speakers, dates and sessions, then subjects with their commonest attributes.

    At most `tokens` tokens: what matters most comes first, and whole lines are left out at the end.
    """
    # A date counts that begins with a year: `said_at` may hold any text.
    turns, sessions, first, last = conn.execute(
        "SELECT count(*), count(DISTINCT session), min(said_at) FILTER (WHERE dated),"
        " max(said_at) FILTER (WHERE dated)"
        " FROM (SELECT session, said_at, glob('[12][0-9][0-9][0-9]*', said_at) AS dated"
        " FROM turns) AS dates"
    ).fetchone()
    speakers = conn.execute(
        "SELECT speaker, count(*) FROM turns GROUP BY speaker ORDER BY 2 DESC, 1 LIMIT 20"
    )
    lines = [
        f"turns: {turns} in {sessions} sessions, {first or 'no date'} to {last or 'no date'}",
        "speakers: " + ", ".join(f"{name}({count})" for name, count in speakers),
    ]
    attributes: dict[str, list[str]] = {}
    for subject, attribute, count in conn.execute(
        "SELECT subject, attribute, count(*) FROM facts GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    ):
        attributes.setdefault(subject, []).append(f"{attribute}({count})")
    lines += [f"facts of {subject}: " + ", ".join(names) for subject, names in attributes.items()]
    return first_lines(lines, tokens)
