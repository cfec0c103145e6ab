"""Standing instructions and preferences as they are stored: facts of persons who said them.

What a document, a tool, an assistant or a character said, or one person about another, is none,
whatever a model made of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from memory.records import CORRECTIONS, Fact
from memory.store import settings, vocabulary_table
from memory.store.database import HasConnections
from memory.store.journal import to_fact
from memory.store.owner import ROLES, asker_in, rows_of_user
from memory.text.pasted import own_text, without_long_quotations
from memory.text.word_forms import forms_of, is_among
from memory.text.words import words
from memory.vocabulary import STANDING

_MOST = 200  # the newest


def names_of_askers(store: HasConnections, *askers: str) -> set[str]:
    """All names of those who ask, as `asker_of` knows them; of the memory's user without any."""
    with store.reading() as conn:
        with conn.together():
            user, pairs = rows_of_user(conn), conn.run("names_joined_by_persons")
        return _all_names(user.fetchall(), _joined_names(pairs.fetchall()), askers)


def facts_of_persons(store: HasConnections, askers: Sequence[str] | None) -> list[Fact]:
    """Standing instructions and preferences, newest first. Ended ones are among them.

    Those of the persons who ask, as `asker_of` knows them, by all names of theirs; with None those
    of everybody, for a list that names each.

    Only what the person whom a fact is about said counts, in a message. A name is compared exactly:
    others may be spelled like somebody, or say that they go by a name. Only a person joins names.
    """
    with store.reading() as conn:
        with conn.together():
            definition = vocabulary_table.ask_definition(conn)
            user, pairs = rows_of_user(conn), conn.run("names_joined_by_persons")
        vocabulary = vocabulary_table.definition_of(*definition).vocabulary
        groups = _joined_names(pairs.fetchall())
        names = _all_names(user.fetchall(), groups, askers or ())
        if askers is not None and not names:
            return []
        rows = conn.run(
            "facts_that_subjects_said",
            attributes=[name for standing in STANDING for name in vocabulary.names_of(standing)],
            every=int(askers is None),
            names=sorted(names),
            joined=[f"{name}\x1f{other}" for name, others in groups.items() for other in others],
            corrections=CORRECTIONS,
            most=_MOST,
        ).fetchall()
        if not rows:
            return []
        history = settings.setting_history(conn, "character")
    characters = {str(setting.value).casefold() for setting in history}
    facts = []
    for *columns, speaker, text in rows:
        fact = to_fact(columns)
        is_person = speaker.casefold() not in {*characters, *ROLES}
        if is_person and _has_words_of(fact.value, text):
            facts.append(replace(fact, attribute=vocabulary.name_of(fact.attribute)))
    return facts


def _all_names(
    user: Sequence[Sequence[Any]], groups: Mapping[str, set[str]], askers: Sequence[str]
) -> set[str]:
    names = {asker_in(user, asker) for asker in askers or ("",)} - {""}
    return names.union(*(groups.get(name, ()) for name in names))


def _has_words_of(value: str, text: str) -> bool:
    """Whether all words of a value stand in a text, in any form, and not in what was pasted."""
    forms = forms_of(words(without_long_quotations(own_text(text))))
    return all(is_among(word, forms) for word in words(value))


def _joined_names(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """For each name that a person gave to somebody all names of theirs."""
    groups: dict[str, set[str]] = {}
    for pair in pairs:
        joined = {*pair}.union(*(groups.get(name, ()) for name in pair))
        groups.update(dict.fromkeys(joined, joined))
    return groups
