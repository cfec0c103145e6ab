"""Standing instructions and preferences in the store: facts about the people who said them.

What a document, a tool, an assistant or a character said, or one person about another, is none,
whatever a model made of it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from memory.records import Contradiction, Fact, Setting, Turn
from memory.store.changes.journal import to_fact
from memory.store.configuration import settings
from memory.store.configuration.settings import ROLES, asker_in, rows_of_user
from memory.store.database import Connection, Cursor, HasConnections
from memory.store.facts import vocabulary_table
from memory.store.facts.contradictions import MOST_OPEN, open_pairs
from memory.store.facts.rights import currency_values, joined_names
from memory.store.protocol import Store
from memory.store.turns.turn_validation import local_now
from memory.vocabulary import STANDING, Vocabulary
from memory.vocabulary.rewording import SaidByOthers, foreign_words

_MOST = 200  # the newest
_MOST_OF_EACH = 30  # facts of one attribute of a profile
_NEAR = 48  # turns: a digest shows as many at once
_MOST_NAMED = 5  # words in a reason


def names_of_askers(store: HasConnections, *askers: str) -> set[str]:
    """All names of those who ask, as `asker_of` knows them; of the memory's user without any."""
    with store.reading() as conn:
        with conn.together():
            user, pairs = rows_of_user(conn), joined_names(conn)
        return _all_names(user.fetchall(), _joined_names(pairs.fetchall()), askers)


@dataclass(frozen=True)
class StandingFact:
    """A stored instruction or preference; `reason` says why it does not count, or ""."""

    fact: Fact
    reason: str = ""


def facts_of_persons(store: HasConnections, askers: Sequence[str] | None) -> list[Fact]:
    """Standing instructions and preferences, newest first. Ended ones are among them.

    Those of the persons who ask, as `asker_of` knows them, by all names of theirs; with None those
    of everybody, for a list that names each.

    Only messages by the person that a fact is about count. A name is compared exactly: others may
    have a similar name, or say that they go by it. Only a person joins names.
    """
    with store.reading() as conn:
        standing_facts = _read(conn, _persons(conn, askers))
    return [standing.fact for standing in standing_facts if not standing.reason]


@dataclass(frozen=True)
class AskersFacts:
    """What a memory knows of the persons who ask; ended facts are among both.

    `wishes` are `facts_of_persons`. `profile` are the facts that they said of themselves under
    attributes that the vocabulary marks, newest first. `contradictions` are all open ones of the
    memory (`open_contradictions`), which are read in the same round trip. `current_ids` has the ids
    of the wishes and the profile's facts that are current today, as `current_among` has them.
    """

    wishes: tuple[Fact, ...]
    profile: tuple[Fact, ...]
    vocabulary: Vocabulary
    contradictions: Sequence[Contradiction]
    current_ids: frozenset[int]

    def current(self, facts: Iterable[Fact], without: Collection[int] = ()) -> list[Fact]:
        """Those of these facts that are current, and not from the turns in `without`."""
        return [
            fact for fact in facts if fact.id in self.current_ids and fact.turn_id not in without
        ]


def facts_of_askers(store: Store, askers: Sequence[str]) -> AskersFacts:
    """The wishes and the profile of those who ask, by the rules of `facts_of_persons`."""
    with store.reading() as conn:
        with conn.together():
            asked = _ask_persons(conn)
            unsettled = conn.run("unsettled_pairs")
        pairs = unsettled.fetchall()  # another thread may close a connection that was given back
        persons = _persons_of(*asked, askers)
        wishes = [standing.fact for standing in _read(conn, persons) if not standing.reason]
        marked = persons.values(persons.vocabulary.profile_names, _MOST_OF_EACH)
        rows = conn.run("profile_facts", **marked).fetchall() if persons.names else []
        profile = [to_fact(row) for row in rows]
        current: list[tuple[int]] = []
        if fact_ids := [fact.id for fact in (*wishes, *profile)]:
            values = persons.currency_on(store.today)
            current = conn.run("current_among", fact_ids=fact_ids, **values).fetchall()
    return AskersFacts(
        tuple(wishes),
        tuple(profile),
        persons.vocabulary,
        open_pairs(pairs)[:MOST_OPEN],
        frozenset([fact_id for (fact_id,) in current]),
    )


def facts_without_effect(store: HasConnections) -> list[StandingFact]:
    """Facts with the attributes of instructions and preferences that count as none, and why."""
    with store.reading() as conn:
        everybody = _persons(conn, None)
        by_subjects = _read(conn, everybody)
        by_others = _read(conn, everybody, by_others=True)
    standing_facts = [standing for standing in (*by_subjects, *by_others) if standing.reason]
    return [standing for standing in standing_facts if not standing.fact.ended_on]


@dataclass(frozen=True)
class _Persons:
    """Whose facts are read: everybody's, or of all with these names; `groups` are joined names."""

    names: set[str]
    groups: Mapping[str, set[str]]
    vocabulary: Vocabulary
    are_all: bool

    def values(self, attributes: Sequence[str], most: int) -> dict[str, Any]:
        """What the statements take."""
        return {
            "attributes": [*attributes],
            "every": int(self.are_all),
            "names": sorted(self.names),
            "most": most,
            **self.currency_on(local_now()[:10]),
        }

    def currency_on(self, day: str) -> dict[str, Any]:
        """The values of facts_now.sql for a day (ISO)."""
        joined = [(name, other) for name, others in self.groups.items() for other in others]
        return currency_values(self.vocabulary.currency, day, joined)


def _persons(conn: Connection, askers: Sequence[str] | None) -> _Persons:
    with conn.together():
        asked = _ask_persons(conn)
    return _persons_of(*asked, askers)


def _ask_persons(conn: Connection) -> tuple[tuple[Cursor, Cursor], Cursor, Cursor]:
    """The statements of `_persons`, to be sent together with others."""
    definition = vocabulary_table.ask_definition(conn)
    return definition, rows_of_user(conn), joined_names(conn)


def _persons_of(
    definition: tuple[Cursor, Cursor], user: Cursor, pairs: Cursor, askers: Sequence[str] | None
) -> _Persons:
    vocabulary = vocabulary_table.definition_of(*definition).vocabulary
    groups = _joined_names(pairs.fetchall())
    names = _all_names(user.fetchall(), groups, askers or ())
    return _Persons(names, groups, vocabulary, are_all=askers is None)


def _read(conn: Connection, persons: _Persons, by_others: bool = False) -> list[StandingFact]:
    if not persons.are_all and not persons.names:
        return []
    vocabulary = persons.vocabulary
    names = [name for standing in STANDING for name in vocabulary.names_of(standing)]
    values = persons.values(names, _MOST)
    if by_others:
        rows = conn.run("facts_that_others_said", **values).fetchall()
    else:
        rows = conn.run("facts_that_subjects_said", **values).fetchall()
    if not rows:
        return []
    characters = characters_of(settings.setting_history(conn, "character"))
    standing_facts = []
    for *columns, speaker, text, kind in rows:
        fact = to_fact(columns)
        turn = Turn(speaker, text, kind=kind, id=fact.turn_id)
        subject = fact.subject if by_others else speaker
        reason = why_without_effect(
            replace(fact, subject=subject), turn, characters, partial(_is_said_near, conn, turn)
        )
        if by_others and not reason:
            reason = (
                f"a model wrote it down, it was imported, or the name only looks like {speaker}"
            )
        fact = replace(fact, attribute=vocabulary.name_of(fact.attribute))
        standing_facts.append(StandingFact(fact, reason))
    return standing_facts


def characters_of(history: Iterable[Setting]) -> set[str]:
    """Whom a chat has ever played: what they say is made up."""
    return {str(setting.value).casefold() for setting in history}


def why_without_effect(
    fact: Fact, turn: Turn, characters: Collection[str], said_by_others: SaidByOthers
) -> str:
    """Why a fact of a turn is no instruction or preference to follow; "" where it is one.

    Arguments:
        fact: with the speaker's name as its subject if it is about the speaker.
        turn: whose words it should be.
        characters: the characters that a chat plays, without capitals.
        said_by_others: whether a word was said by others near the turn.
    """
    if turn.kind != "message":
        return f"a {turn.kind} says it, no person"
    if turn.speaker.casefold() in {*characters, *ROLES}:
        return f"{turn.speaker} says it, no person"
    if turn.speaker != fact.subject:
        return f"{turn.speaker} says it, not {fact.subject}"
    if foreign := foreign_words(fact.value, turn.text, said_by_others, turn.speaker):
        listed = ", ".join(f"'{word}'" for word in foreign[:_MOST_NAMED])
        return f"turn {turn.id} does not say {listed}"
    return ""


def _is_said_near(conn: Connection, turn: Turn, beginnings: Sequence[str]) -> bool:
    near = {"first": turn.id - _NEAR, "last": turn.id + _NEAR, "speaker": turn.speaker}
    return any(
        conn.run("is_said_by_others", pattern=f"%{beginning}%", **near).fetchone()
        for beginning in beginnings
    )


def _all_names(
    user: Sequence[Sequence[Any]], groups: Mapping[str, set[str]], askers: Sequence[str]
) -> set[str]:
    names = {asker_in(user, asker) for asker in askers or ("",)} - {""}
    return names.union(*(groups.get(name, ()) for name in names))


def _joined_names(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """For each name that a person gave someone, all names of that someone."""
    groups: dict[str, set[str]] = {}
    for pair in pairs:
        joined = {*pair}.union(*(groups.get(name, ()) for name in pair))
        groups.update(dict.fromkeys(joined, joined))
    return groups
