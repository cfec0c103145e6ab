"""The rows of `turns` in a namespace: read, inserted, found by their outside id."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from memory.records import Minted, Tags, Turn, records_of
from memory.store.database import Connection, HasConnections
from memory.store.turns.turn_validation import IMPORTED, OF_OURS, SESSIONS, source_label

# In the order that `to_turns` expects.
COLUMNS = ("id", "kind", "session", "speaker", "text", "said_at", "source")
BEYOND_ALL_IDS = 2**62


def turn_checksum(
    turn_id: int, kind: str, session: str, speaker: str, text: str, said_at: str, source: str
) -> int:
    """A number of 48 bits that is another one when anything in a turn is changed.

    The schema calls it. SQLite adds up the checksums of 256 turns, which fit into 63 bits.
    """
    written = "\0".join((str(turn_id), kind, session, speaker, text, said_at, source))
    return int.from_bytes(hashlib.blake2b(written.encode(), digest_size=6).digest())


@dataclass(frozen=True)
class Insertion:
    """What became of the turns given to `insert_turns`.

    `ids` has the id of every turn given. `stored` are the turns that are new, numbered, and
    `positions` their indices among those given.
    """

    ids: list[int]
    stored: list[Turn]
    positions: list[int]


def read_turns(
    conn: Connection, first: int = 1, last: int | None = None, limit: int | None = None
) -> list[Turn]:
    """The turns with ids from first to last (None: to the end), in order, at most `limit`."""
    rows = conn.run(
        "turns_between",
        first=min(first, BEYOND_ALL_IDS),
        last=BEYOND_ALL_IDS if last is None else min(last, BEYOND_ALL_IDS),
        most=BEYOND_ALL_IDS if limit is None else limit,
    )
    return to_turns(rows)


def count_turns(conn: Connection) -> int:
    """How many turns there are."""
    [(count,)] = conn.run("count_turns").fetchall()
    return int(count)


def to_turn(row: Sequence[Any]) -> Turn:
    """The turn in a row of COLUMNS."""
    [turn] = to_turns([row])
    return turn


def to_turns(
    rows: Iterable[Sequence[Any]], tags: Mapping[int, Tags] = MappingProxyType({})
) -> list[Turn]:
    """The turns in rows of COLUMNS, with their tags by turn id."""
    return records_of(
        Turn,
        [
            {
                "speaker": speaker,
                "text": text,
                # As `is_minted_session` and `is_minted_source` say, without a call for each turn.
                # In a damaged file a column may hold no text.
                "session": (
                    Minted(session)
                    if isinstance(session, str) and session.startswith(SESSIONS)
                    else session
                ),
                "said_at": said_at,
                "source": (
                    Minted(source)
                    if isinstance(source, str)
                    and (source.startswith(IMPORTED) or OF_OURS.search(source))
                    else source
                ),
                "kind": kind,
                "id": turn_id,
                "tags": tags.get(turn_id) or {},
            }
            for turn_id, kind, session, speaker, text, said_at, source in rows
        ],
    )


def insert_turns(conn: Connection, turns: Sequence[Turn], once: bool) -> Insertion:
    """Number and insert turns inside the caller's transaction.

    With `once`, a turn whose source is in the table, or stands before it in `turns`, is not
    inserted again.
    """
    id_of_source = ids_by_source(conn, [turn.source for turn in turns]) if once else {}
    sources = set(id_of_source)
    positions = []
    for position, turn in enumerate(turns):
        if once and turn.source:
            if turn.source in sources:
                continue
            sources.add(turn.source)
        positions.append(position)

    # Not max(id): the number of a turn that was forgotten is never given to another.
    last = conn.last_id("turns")
    stored = [
        replace(turns[position], id=number) for number, position in enumerate(positions, last + 1)
    ]
    conn.insert_rows(
        "turns",
        COLUMNS,
        [(t.id, t.kind, t.session, t.speaker, t.text, t.said_at, t.source) for t in stored],
    )
    conn.reserve_ids("turns", last + len(stored))

    id_of_position = {position: turn.id for position, turn in zip(positions, stored, strict=True)}
    id_of_source |= {turn.source: turn.id for turn in stored}
    ids = [id_of_position.get(n) or id_of_source[turn.source] for n, turn in enumerate(turns)]
    return Insertion(ids, stored, positions)


def ever_had_turns(conn: Connection) -> bool:
    """Whether a turn was ever stored, also where all are forgotten."""
    return conn.last_id("turns") > 0


def known_sources(store: HasConnections, sources: Sequence[str]) -> dict[str, int]:
    """The turns with these outside ids: source -> turn id (the oldest of several)."""
    labels = {source: source_label(source) for source in sources}
    with store.reading() as conn:
        # Dates from an older version are stored as given.
        ids = ids_by_source(conn, [*dict.fromkeys([*labels.values(), *labels])])
    known = {source: ids.get(source) or ids.get(name) for source, name in labels.items()}
    return {source: turn_id for source, turn_id in known.items() if turn_id}


def ids_by_source(conn: Connection, sources: Sequence[str]) -> dict[str, int]:
    """The turns with these outside ids: source -> turn id, the oldest of several."""
    given = [str(source) for source in sources if source]
    return dict(conn.run("turns_by_source", sources=given).fetchall())
