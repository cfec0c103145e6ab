"""The names that a turn gives people in templates: "my sister Elena", "call me Bo".

Each person who is introduced gets a separate entity, `Elena (Anna's sister)`, because another
person in the memory may be an Elena too.
"""

from collections.abc import Collection, Iterator, Sequence

from memory.records import Assertion, Turn
from memory.vocabulary import CALLED, Vocabulary
from memory.vocabulary.entities import Relation, key, names_somebody, relation_named, relation_words
from memory.vocabulary.templates.matching import Found

OWN_NAMES = frozenset({"name", "nickname", "alias", CALLED})


def aliases_in(
    turn: Turn, matches: Sequence[Found], vocabulary: Vocabulary, speakers: Collection[str]
) -> list[tuple[str, str]]:
    """The names that the matched clauses of a turn give, in order, each with the entity it means.

    `speakers` are the memory's speakers. If a person is introduced by a speaker's name, it is
    unknown whether they are that speaker, so the name is unclear in this turn.
    """
    taken = set(map(key, speakers))
    aliases: dict[tuple[str, str], None] = {}
    for relation, name in _introduced(turn, matches, vocabulary):
        is_several = relation in relation_words().several
        entity = f"{name} ({Relation(turn.speaker.strip(), relation, is_several)})"
        aliases |= dict.fromkeys([(f"my {relation}", entity), (name, entity)])
        if key(name) in taken:
            aliases[name, name] = None
    for name in _own_names(turn, matches):
        if key(name) not in taken:
            aliases[name, turn.speaker.strip()] = None
    return list(aliases)


def names_given(matches: Sequence[Found]) -> Iterator[str]:
    """The names that may be introduced, for a look whether speakers have them."""
    for match in matches:
        yield from (assertion.value for assertion in match.assertions)
        yield match.introduces[1]


def _introduced(
    turn: Turn, matches: Sequence[Found], vocabulary: Vocabulary
) -> Iterator[tuple[str, str]]:
    """The relation and the name of each person who is introduced."""
    for match in matches:
        relation, name = match.introduces
        if name:
            yield relation, name
        for assertion in match.assertions:
            relation = _relation_of(assertion, vocabulary)
            if relation and _is_of_speaker(assertion, turn) and names_somebody(assertion.value):
                yield relation, assertion.value


def _relation_of(assertion: Assertion, vocabulary: Vocabulary) -> str:
    """The relation that an attribute is for: "sister" of has_sister."""
    if assertion.is_end:
        return ""
    names = map(relation_named, vocabulary.names_of(assertion.attribute))
    return next(filter(None, names), "")


def _is_of_speaker(assertion: Assertion, turn: Turn) -> bool:
    return key(assertion.subject) == key(turn.speaker)


def _own_names(turn: Turn, matches: Sequence[Found]) -> Iterator[str]:
    for match in matches:
        for assertion in match.assertions:
            is_own = _is_of_speaker(assertion, turn) and assertion.attribute in OWN_NAMES
            if is_own and key(assertion.value) != key(turn.speaker):
                yield assertion.value
