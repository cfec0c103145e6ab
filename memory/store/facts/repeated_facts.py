"""Facts that a digest writes although they exist: each is stored once.

A model sees the known facts, the window's own among them, and repeats some. The
existing fact stays, with its id. A date that it lacks is filled in if its own turn has it.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from memory.records import Fact
from memory.store.changes import journal
from memory.store.database import Connection
from memory.store.facts.assertions import KnownFact
from memory.store.facts.rights import provenance_of
from memory.text.written_dates import dates_agree
from memory.vocabulary import STANDING, Attribute, Vocabulary, name_key

_CLOSING = " .,;!"


def drop_repeated(
    conn: Connection, change_id: int, vocabulary: Vocabulary
) -> list[tuple[Fact, Fact]]:
    """Delete the new facts of a change that repeat others; return each with the one it repeats.

    Part of the change that was begun last.
    """
    images = journal.net_images(conn, change_id)
    new = {after["id"]: after["attribute"] for before, after in images if after and not before}
    if not new:
        return []
    names = {name for attribute in new.values() for name in vocabulary.names_of(attribute)}
    rows = conn.run("facts_beside", fact_ids=sorted(new), attributes=sorted(names)).fetchall()
    # Facts of one attribute of one person or thing; by id, so that what was there comes first.
    groups = defaultdict[tuple[str, str], list[KnownFact]](list)
    provenance = provenance_of(conn, [row[0] for row in rows])
    for *columns, said_at, who in rows:
        fact = journal.to_fact(columns)
        known = KnownFact(fact, said_at, provenance[fact.id])
        groups[who, name_key(vocabulary.name_of(known.fact.attribute))].append(known)

    repeated: list[tuple[Fact, Fact]] = []
    for group in groups.values():
        attribute = vocabulary.canonical(group[0].fact.attribute)
        stored: list[KnownFact] = []
        for known in group:
            old = _repeated(known, stored, attribute) if known.fact.id in new else None
            if old is None:
                stored.append(known)
                continue
            dated = _dated(old.fact, known.fact)
            stored[stored.index(old)] = replace(old, fact=dated)
            repeated.append((known.fact, dated))
            if dated != old.fact:
                conn.facts.date(dated.id, dated.happened_on or None, dated.ended_on or None)
    if repeated:
        conn.facts.delete([fact.id for fact, _ in repeated])
    conn.facts.log()
    return repeated


def repeats_left(
    conn: Connection, turn_ids: Collection[int], facts: Iterable[Fact], vocabulary: Vocabulary
) -> list[int]:
    """The facts to store in place of some turns' facts, which other turns repeat.

    A digest stored each of these once, with the first turn. When that turn goes, the first of the
    others has the fact, unless it has ended since: the end is not that of the repetition.

    Arguments:
        turn_ids: the turns that go.
        facts: the existing facts.
    """
    by_saying = defaultdict[tuple[str, ...], list[Fact]](list)
    for fact in facts:
        by_saying[_saying(fact, vocabulary)].append(fact)
    going = {
        saying: same[-1].ended_on
        for saying, same in by_saying.items()
        if all(fact.turn_id in turn_ids for fact in same)
    }
    repeats: dict[tuple[str, ...], int] = {}
    for (image,) in conn.run("repeats").fetchall() if going else ():
        fact = journal.to_fact(json.loads(image))
        saying = _saying(fact, vocabulary)
        if fact.turn_id not in turn_ids and going.get(saying) == fact.ended_on:
            repeats.setdefault(saying, fact.id)
    return sorted(repeats.values())


def _saying(fact: Fact, vocabulary: Vocabulary) -> tuple[str, ...]:
    """What a fact says, however it is spelled."""
    attribute = name_key(vocabulary.name_of(fact.attribute))
    return name_key(fact.subject), attribute, _plain(fact.value)


def _repeated(
    new: KnownFact, stored: Sequence[KnownFact], attribute: Attribute | None
) -> KnownFact | None:
    """The fact, of those with the same attribute, that a new one repeats."""
    value, turn_id = _plain(new.fact.value), new.fact.turn_id
    # A person's own words are stored next to the same words of others, which they outrank.
    same = [
        known
        for known in stored
        if _plain(known.fact.value) == value and not new.provenance.outranks(known.provenance)
    ]
    for known in same:
        if known.fact.turn_id == turn_id and _says_the_same(new.fact, known.fact, attribute):
            return known
    if attribute is not None and attribute.name in STANDING:
        return None  # the turn says whose words they are
    kind = attribute.kind if attribute is not None else ""
    if kind == "one value":  # what was said in between has taken the place of the first
        same = [known for known in same if known is stored[-1]]
    return next((known for known in same if _adds_nothing(new, known, kind == "event")), None)


def _says_the_same(new: Fact, old: Fact, attribute: Attribute | None) -> bool:
    """Whether two facts of one turn with one value are one: a state is, an event of one date."""
    is_state = attribute is not None and attribute.is_state
    return is_state or not new.happened_on or dates_agree(new.happened_on, old.happened_on)


def _adds_nothing(new: KnownFact, old: KnownFact, is_event: bool) -> bool:
    """Whether a fact of another turn is over at the same time, and dated no better.

    A date that this turn gives makes another fact: it goes when that turn is forgotten. What
    happened on another day, or is so again after it had ended, is another fact.
    """
    if new.fact.ended_on != old.fact.ended_on:
        return False
    if is_event:
        return bool(old.start) and old.start.startswith(new.start)
    return old.fact.happened_on.startswith(new.fact.happened_on)


def _dated(old: Fact, new: Fact) -> Fact:
    """The fact that was there, with the dates that only its repetition has."""
    return replace(
        old,
        happened_on=old.happened_on or new.happened_on,
        ended_on=old.ended_on or new.ended_on,
    )


def _plain(value: str) -> str:
    plain = " ".join(value.casefold().split())
    return plain.strip(_CLOSING) or value
