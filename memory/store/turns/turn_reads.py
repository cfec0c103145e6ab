"""Turns as the product reads them: named statements that return all that match, as records."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from memory.records import Turn
from memory.store.database import Connection, HasConnections
from memory.store.files.united import stores_by_name
from memory.store.protocol import Store, Turns
from memory.store.turns.turn_validation import IMPORTED_AS
from memory.store.turns.turns_table import BEYOND_ALL_IDS, to_turns


class Size(NamedTuple):
    """How much a memory holds."""

    turns: int
    facts: int


class Session(NamedTuple):
    """A session: its name, the id of its first turn, and how many turns it has."""

    name: str
    first: int
    turns: int


class Outlines(NamedTuple):
    """What a digest reads of long turns.

    Of turns by `assistants` (names in lower case) an `outline`, in characters; of another
    message at most the `longest` characters.
    """

    assistants: Sequence[str] = ()
    outline: int = BEYOND_ALL_IDS
    longest: int = BEYOND_ALL_IDS


def size_of(store: HasConnections) -> Size:
    """How many turns and facts there are."""
    with store.reading() as conn:
        return Size(*conn.run("size").fetchone())


def count_names(store: HasConnections) -> tuple[int, int]:
    """How many subjects facts have, and how many speakers turns have."""
    with store.reading() as conn:
        subjects, speakers = conn.run("count_names").fetchone()
    return subjects, speakers


def last_turn(store: HasConnections) -> int:
    """The highest id of a turn; 0 without turns."""
    with store.reading() as conn:
        [(last,)] = conn.run("last_turn").fetchall()
    return int(last)


def has_turns(store: HasConnections, first: int, last: int) -> bool:
    """Whether there is a turn with an id from first to last."""
    with store.reading() as conn:
        [(lowest, _)] = conn.run("turn_bounds", first=first, last=last).fetchall()
    return lowest is not None


def batches_of_turns(store: Turns, limit: int) -> Iterator[list[Turn]]:
    """All turns in the order of their ids, at most `limit` at a time."""
    first: int | None = 1
    while first is not None:
        if turns := store.turns(first, first + limit - 1):
            yield turns
        with store.reading() as conn:  # forgotten turns may have left a gap
            bounds = conn.run("turn_bounds", first=first + limit, last=BEYOND_ALL_IDS).fetchone()
        first = bounds[0]


def turns_after(store: Turns, turn_id: int, limit: int) -> list[Turn]:
    """The first turns with higher ids than this one, at most `limit`."""
    with store.reading() as conn:
        rows = conn.run(
            "turn_ids_between", first=turn_id + 1, last=BEYOND_ALL_IDS, most=limit
        ).fetchall()
    return store.turns_by_id([turn_id for (turn_id,) in rows], missing_ok=True)


def turns_with_letters(store: Turns, letters: str) -> list[Turn]:
    """The turns with some small letters in a row, in either case, and all that are not ASCII."""
    with store.reading() as conn:
        ids = [turn_id for (turn_id,) in conn.run("turns_with_letters", letters=letters)]
    return store.turns_by_id(ids, missing_ok=True)


def passing_turns(
    store: Turns,
    *,
    speakers: Sequence[str] = (),
    sessions: Sequence[str] = (),
    tag: str = "",
    tag_values: Sequence[str] = (),
    since: str = "",
    until: str = "",
    after: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[Turn]:
    """A page of the turns that pass a filter, in the order of their ids.

    Pages are found by id, so that one of a large memory takes no longer than one of a small one.

    Arguments:
        speakers, sessions: exact names, one for each turn; () for all.
        tag: a key, for which a turn has one of `tag_values`; "" for all turns.
        since, until: ISO dates as exact as known, "" for all turns. A turn whose date is less exact
            than the bound passes.
        after, before: ids; the first turns after the one, or else the last ones before the other,
            which is by default the end.
        limit: turns at most.
    """
    values = {
        "by_all": int(not speakers),
        "speakers": [*speakers],
        "key": tag,
        "values": [*tag_values],
        "since": since,
        "until": until,
        "after": after or 0,
        "before": BEYOND_ALL_IDS if before is None else before,
        "most": limit,
    }
    with store.reading() as conn:
        match after is None, not sessions:
            case True, True:
                rows = conn.run("last_passing_turns", **values)
            case False, True:
                rows = conn.run("first_passing_turns", **values)
            case True, False:
                rows = conn.run("last_passing_turns_of_sessions", sessions=[*sessions], **values)
            case _:
                rows = conn.run("first_passing_turns_of_sessions", sessions=[*sessions], **values)
        ids = sorted(turn_id for (turn_id,) in rows)
    return store.turns_by_id(ids, missing_ok=True)


# --- sessions -------------------------------------------------------------------------------------


def sessions_before(store: HasConnections, limit: int, before: int | None = None) -> list[Session]:
    """The sessions that began last, before this turn, the latest first."""
    with store.reading() as conn:
        rows = conn.run(
            "sessions_before", before=BEYOND_ALL_IDS if before is None else before, most=limit
        )
        return [Session(*row) for row in rows]


def count_turns_of_session(store: HasConnections, session: str) -> int:
    """How many turns a session has."""
    with store.reading() as conn:
        [(count,)] = conn.run("count_turns_of_session", session=session).fetchall()
    return int(count)


def last_session(store: Turns, *, without: str, among: int, limit: int) -> list[Turn]:
    """The newest turns, at most `limit`, of the named session with the latest date.

    Only sessions of the last `among` turns count, and not the session `without`.
    """
    after = last_turn(store) - among
    with store.reading() as conn:
        row = conn.run("newest_session", after=after, without=without).fetchone()
    return newest_turns(store, row[0], limit) if row else []


def newest_of_session(store: HasConnections, session: str, limit: int) -> list[Turn]:
    """The newest turns of a session in their order, without their tags."""
    with store.reading() as conn:
        rows = conn.run("newest_of_session", session=session, most=limit).fetchall()
    return to_turns(reversed(rows))


def newest_turns(store: Turns, session: str, limit: int) -> list[Turn]:
    """The newest turns of a session in their order, with their tags."""
    ids = [turn.id for turn in newest_of_session(store, session, limit)]
    return store.turns_by_id(ids, missing_ok=True)


def messages_before(store: HasConnections, turn_id: int, limit: int) -> list[tuple[str, str]]:
    """Speaker and text of the newest messages of a turn's session before it, newest first."""
    with store.reading() as conn:
        rows = conn.run("messages_before", turn_id=turn_id, most=limit)
        return [(speaker, text) for speaker, text in rows]


def visible_turns(
    store: Turns,
    hidden: str,
    *,
    session: str,
    speaker: str | None = None,
    is_prefix: bool = False,
    newest: int | None = None,
    marked: str = "",
) -> list[Turn]:
    """The turns of a session without a tag, in their order.

    Arguments:
        hidden: the key of the tag.
        session: its name.
        speaker: of documents in the session; None for all its turns.
        is_prefix: documents in all sessions whose names begin with `session`.
        newest: turns at most; by default all.
        marked: of a session's turns, those with a tag of this key.
    """
    with store.reading() as conn:
        if is_prefix:
            rows = conn.run("visible_documents_of_sessions", hidden=hidden, prefix=session)
        elif speaker is not None:
            rows = conn.run("visible_documents", hidden=hidden, session=session, speaker=speaker)
        else:
            limit = BEYOND_ALL_IDS if newest is None else newest
            rows = conn.run(
                "visible_turns_of_session",
                hidden=hidden,
                session=session,
                marked=marked,
                most=limit,
            )
        ids = [turn_id for (turn_id,) in rows]
    return store.turns_by_id(ids[::-1], missing_ok=True)


def versions_of_document(store: HasConnections, name: str, hash_letters: int) -> list[str]:
    """The versions of a document, "name@hash", in the order they came."""
    with store.reading() as conn:
        rows = conn.run("versions_of_document", session=name, hash=1 + hash_letters)
        return [version for (version,) in rows if version.startswith(f"{name}@")]


def chunks_of_document(conn: Connection, name: str) -> list[tuple[int, str, str]]:
    """The id, source and text of each turn of a document, of all its versions."""
    return [
        (number, source, text)
        for number, source, text in conn.run("turns_of_document", session=name)
    ]


# --- speakers -------------------------------------------------------------------------------------


def speakers_by_messages(store: HasConnections, limit: int) -> list[tuple[str, int]]:
    """Who speaks in messages, each with how many: those with the most."""
    with store.reading() as conn:
        return conn.run("speakers_of_messages", most=limit).fetchall()


def speakers_by_turns(store: HasConnections) -> list[tuple[str, int]]:
    """The twenty who speak most, each with how many turns."""
    with store.reading() as conn:
        return conn.run("catalog_of_speakers").fetchall()


def speakers_spelled(store: HasConnections, names: Iterable[str]) -> list[str]:
    """Which of these names speakers have, letter by letter."""
    with store.reading() as conn:
        return [name for (name,) in conn.run("speakers_spelled", names=[*names])]


def imported_people(store: HasConnections) -> list[tuple[str, str]]:
    """The ids of imported turns' speakers in other programs, each with a name, oldest first."""
    with store.reading() as conn:
        return conn.run("imported_people", imported_as=IMPORTED_AS).fetchall()


def all_speakers(store: HasConnections) -> list[str]:
    """Everyone who spoke."""
    with store.reading() as conn:
        return [name for _, name in conn.run("speakers_after", after=0)]


def speakers_not_imported(store: HasConnections, names: Sequence[str]) -> list[str]:
    """Which of these speakers have a turn that no import of other programs' files brought."""
    with store.reading() as conn:
        rows = conn.run("speakers_not_imported", names=[*names], imported_as=IMPORTED_AS)
        return [name for (name,) in rows]


def speakers_named(store: Store, spellings: Sequence[str]) -> list[str]:
    """The speakers with a name in any case, by `memory.vocabulary.entities.spellings` of it."""
    names: dict[str, None] = {}
    for part in stores_by_name(store).values():
        with part.reading() as conn:
            names |= {name: None for (name,) in conn.run("speakers_named", names=[*spellings])}
    return [*names]


# --- dates and characters -------------------------------------------------------------------------


def ends_of_turns(store: HasConnections) -> list[str]:
    """When the first and the last dated turn were said; [] without dated turns."""
    with store.reading() as conn:
        first, last = conn.run("ends_of_turns").fetchone()
    return [] if first is None else [first, last]


def span_of_dates(store: HasConnections) -> tuple[str, str]:
    """The earliest and the latest ISO date of a turn; "" where there is none."""
    with store.reading() as conn:
        earliest, latest = conn.run("span_of_dates").fetchone()
    return earliest or "", latest or ""


def date_of_last_message(store: HasConnections) -> str | None:
    """When the newest message was said, "" where that is not known; None without messages."""
    with store.reading() as conn:
        row = conn.run("date_of_last_message").fetchone()
    return str(row[0]) if row else None


def turns_by_period(store: HasConnections, characters: int, limit: int) -> list[tuple[str, int]]:
    """How many turns are of each year (4 characters of a date) or month (7), in their order."""
    with store.reading() as conn:
        rows = conn.run("dates_in_order", characters=characters, least=1, most=limit)
        return rows.fetchall()


def liveliest_days(store: HasConnections, limit: int) -> list[tuple[str, int]]:
    """The days with the most turns, each with how many."""
    day = len("2017-05-08")
    with store.reading() as conn:
        return conn.run("commonest_dates", characters=day, least=day, most=limit).fetchall()


def characters_read(
    store: HasConnections, first: int, last: int, outlines: Outlines
) -> tuple[int, int]:
    """How many turns have ids from first to last, and the characters that a digest reads."""
    with store.reading() as conn:
        turns, characters = conn.run(
            "characters_read",
            assistants=[*outlines.assistants],
            outline=outlines.outline,
            longest=outlines.longest,
            first=first,
            last=last,
        ).fetchone()
    return int(turns), int(characters)
