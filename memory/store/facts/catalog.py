"""The catalog of a namespace: what it holds, in a few lines for a prompt."""

from memory.store.database import Connection
from memory.text.characters import label
from memory.text.tokens import count_tokens, first_lines, trim


def catalog(conn: Connection, tokens: int) -> str:
    """Speakers, dates and sessions, then subjects with their commonest attributes.

    At most `tokens` tokens: what matters most comes first. Lines are left out at the end; the first
    that does not fit tells the names that do, with `...` behind them.
    """
    with conn.together():
        of_turns = conn.run("catalog_of_turns")
        speakers = conn.run("catalog_of_speakers")
        facts = conn.run("catalog_of_facts")
    turns, sessions, first, last = of_turns.fetchone()
    lines = [
        f"turns: {turns} in {sessions} sessions, {first or 'no date'} to {last or 'no date'}",
        "speakers: " + ", ".join(f"{label(name)}({count})" for name, count in speakers),
    ]
    attributes: dict[str, list[str]] = {}
    for subject, attribute, count in facts:
        attributes.setdefault(label(subject), []).append(f"{label(attribute)}({count})")
    lines += [f"facts of {subject}: " + ", ".join(names) for subject, names in attributes.items()]
    told = first_lines(lines, tokens)
    left_out = lines[len(told.splitlines()) :]
    if not told or not left_out:
        return told
    names, comma, _ = trim(left_out[0], tokens - count_tokens(f"{told}\n...")).rpartition(", ")
    return f"{told}\n{names}, ..." if comma else told
