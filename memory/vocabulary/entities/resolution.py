"""Whom a name means in a fact of a turn: the aliases that count there, and never a guess.

A model and a person say with an alias that a name means an entity. These rules choose among the
aliases of a name; if they leave several entities, the name is unclear.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from memory.vocabulary.entities.names import (
    Relation,
    as_spoken,
    is_relative,
    key,
    names_somebody,
)


@dataclass(frozen=True)
class Source:
    """The turn that a fact or an alias comes from: its speaker and session."""

    turn_id: int
    speaker: str
    session: str


@dataclass(frozen=True)
class Alias:
    """A name that means an entity: as its source says or, without one, as a person says of all."""

    name: str
    entity: str
    source: Source | None


# Whether a person has spoken in the session of a turn by then.
TakesPart = Callable[[Source, str], bool]


class Names:
    """The aliases of a memory, or the ones that some names may need, and what names mean by them.

    Arguments:
        aliases: in the original words; a relation in a name ("my mother") is their speaker's.
        entities: the names of entities, whose spelling is used for names that equal them.
        takes_part: whether a person has spoken in the session of a turn by then.
        speakers: names under which people speak, and which mean these people.
    """

    def __init__(
        self,
        aliases: Iterable[Alias],
        entities: Collection[str],
        takes_part: TakesPart,
        speakers: Collection[str] = (),
    ) -> None:
        self._takes_part = takes_part
        self._speakers = {key(name): name.strip() for name in sorted(speakers)}
        self._aliases = defaultdict[str, list[Alias]](list)
        self._spelling: dict[str, str] = {}
        for name in sorted(entities):
            self._spelling.setdefault(key(name), name)
        for alias in map(self._of_speaker, aliases):
            speaker = alias.source.speaker if alias.source else ""
            spoken = as_spoken(alias.name, speaker, speakers=self._speakers)
            if spoken is None:
                continue
            self._spelling.setdefault(key(alias.entity), alias.entity.strip())
            self._aliases[key(str(spoken))].append(alias)
            if alias.source and key(alias.entity) != key(str(spoken)):
                # Where another name of it was given, an entity is known by its own, too.
                own_name = Alias(alias.entity, alias.entity, alias.source)
                self._aliases[key(alias.entity)].append(own_name)

    def _of_speaker(self, alias: Alias) -> Alias:
        """An alias of a relative who speaks says another name of that speaker.

        "Mum is Linda" makes Linda a name of Mum, and Mum stays who she is.
        """
        speaker = self._speakers.get(key(alias.name), "") if is_relative(alias.name) else ""
        if alias.source and speaker and key(alias.entity) not in self._speakers:
            return Alias(alias.entity, speaker, alias.source)
        return alias

    def spelling(self, entity: str) -> str:
        """An entity's name as the memory spells it: case and surrounding spaces do not matter."""
        return self._spelling.get(key(entity), entity.strip())

    def entity_of(self, subject: str, source: Source) -> str | None:
        """The entity that the subject of a fact means; None if that is unclear."""
        spoken = as_spoken(subject, source.speaker, speakers=self._speakers)
        return self._entity_of(spoken, source)

    def entity_of_value(self, value: str, source: Source) -> str | None:
        """The entity that a value names; None if it names no one, or it is unclear."""
        if key(value) in self._aliases or key(value) in self._spelling or names_somebody(value):
            spoken = as_spoken(value, source.speaker, is_value=True, speakers=self._speakers)
            return self._entity_of(spoken, source)
        return None

    def _entity_of(self, spoken: str | Relation | None, source: Source) -> str | None:
        if spoken is None:
            return None
        entity = self._meant(spoken, source)
        visited = {key(str(spoken))}
        # What a person said of the entity itself (merged, renamed) goes on from there.
        while entity is not None and key(entity) not in visited:
            visited.add(key(entity))
            successors = self._by_person(self._aliases.get(key(entity), ()))
            if len(successors) != 1:
                break
            [entity] = successors.values()
        return None if entity is None else self.spelling(entity)

    def _meant(self, spoken: str | Relation, source: Source) -> str | None:
        name = str(spoken)
        aliases = self._aliases.get(key(name), [])
        if isinstance(spoken, Relation) and spoken.several:
            # Another friend of Anna's may be "my friend" in another session.
            aliases = [alias for alias in aliases if _is_near(alias, source)]
        of_turn = [alias for alias in aliases if _turn_of(alias) == source.turn_id]
        if of_turn:
            return _only(_entities(of_turn))
        if by_person := self._by_person(aliases):
            return _only(by_person)
        if key(name) == key(source.speaker):
            # What others say of a name may be said of a namesake.
            own = [alias for alias in aliases if _speaker_of(alias) == source.speaker]
            return _only(_entities(own)) if own else name
        entities = _entities(aliases)
        if not entities:
            return name
        if len(entities) == 1:
            reaches = isinstance(spoken, Relation) or any(
                self._reaches(alias, source) for alias in aliases
            )
            return _only(entities) if reaches else name
        return _only(_entities(_nearest(aliases, source)))

    def _reaches(self, alias: Alias, source: Source) -> bool:
        """Whether an alias counts for a turn: who said it speaks there, or in that session.

        Elsewhere another person may have the name.
        """
        return alias.source is not None and (
            alias.source.speaker == source.speaker
            or alias.source.session == source.session
            or self._takes_part(source, alias.source.speaker)
        )

    def _by_person(self, aliases: Iterable[Alias]) -> dict[str, str]:
        return _entities(alias for alias in aliases if alias.source is None)


def _nearest(aliases: Sequence[Alias], source: Source) -> list[Alias]:
    """The aliases said nearest to a turn; empty if neither speaker nor session matches."""
    of_speaker = [alias for alias in aliases if _speaker_of(alias) == source.speaker]
    of_session = [alias for alias in aliases if _is_near(alias, source, any_speaker=True)]
    of_both = [alias for alias in of_speaker if alias in of_session]
    return of_both or of_speaker or of_session


def _is_near(alias: Alias, source: Source, any_speaker: bool = False) -> bool:
    """Whether an alias was said in a session, by the speaker of a turn there."""
    return alias.source is None or (
        alias.source.session == source.session
        and (any_speaker or alias.source.speaker == source.speaker)
    )


def _turn_of(alias: Alias) -> int:
    return alias.source.turn_id if alias.source else 0


def _speaker_of(alias: Alias) -> str | None:
    return alias.source.speaker if alias.source else None


def _entities(aliases: Iterable[Alias]) -> dict[str, str]:
    """The entities of some aliases, by their keys."""
    return {key(alias.entity): alias.entity.strip() for alias in aliases}


def _only(entities: dict[str, str]) -> str | None:
    return next(iter(entities.values())) if len(entities) == 1 else None
