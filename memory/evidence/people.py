"""Who is meant: the asker, and the people that a message names.

Read once for a message, the same at every door: "I" is the asker, by all of their names,
and a person is named in any spelling that a memory knows of its speakers, or as facts have it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from memory.evidence.profile import profile_of
from memory.evidence.question import UserQuestion
from memory.facts.latest_word import latest_words
from memory.records import Fact
from memory.search.index import Index
from memory.store import Store
from memory.store.facts.fact_reads import facts_now_about
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.text.characters import one_line

_MOST_NAMED, _MOST_WORDS = 3, 60
_PROFILE_TOKENS = 90  # of a person that a message names
_EDGES = " \t\n.,;:!?()[]\"'\u2019\u201c\u201d\u00bf\u00a1@#"
_POSSESSIVES = ("'s", "\u2019s")


@dataclass(frozen=True)
class People:
    """Who a message is about.

    `asker` are the asker's names, as turns have them; `named` the speakers that it
    names, without the asker and without assistants; `text` is the message without names of
    speakers.
    """

    asker: frozenset[str]
    named: tuple[str, ...]
    text: str


NOBODY = People(frozenset(), (), "")


def people_meant(index: Index, text: str, askers: frozenset[str]) -> People:
    """Who a message is about; `askers` are all of the asker's names."""
    numbers, plain = index.names.take_out(text)
    assistants = index.names.assistants
    named = [
        name
        for name, number in index.names.numbers.items()
        if number in numbers and number not in assistants and name not in askers
    ]
    return People(askers, tuple(named[:_MOST_NAMED]), plain)


def without_name(text: str, name: str) -> str:
    """A message without the name of the assistant that it is written to: `@Dot hello`."""
    place = text.casefold().find(name.casefold()) if name else -1
    if place < 0 or len(text.casefold()) != len(text):
        return text
    before, after = text[:place].rstrip("@ "), text[place + len(name) :]
    if (before[-1:].isalnum() and text[place - 1].isalnum()) or after[:1].isalnum():
        return text
    return f"{before} {after.lstrip(' ,:')}".strip()


def lines_about_others(
    store: Store, question: UserQuestion, people: People, without: Collection[int] = ()
) -> list[str]:
    """The profiles of the people that a message names, each under a heading.

    Nothing of them is from the turns in `without`.
    """
    names = {*people.named, *_names_in(question.text)} - people.asker
    facts = facts_now_about(store, sorted(names), question.today) if names else []
    facts = [fact for fact in facts if fact.turn_id not in without]
    if not facts:
        return []
    vocabulary = vocabulary_of(store)
    of_person: dict[str, list[Fact]] = {}
    for fact in reversed(facts):
        if vocabulary.profile_part(fact.attribute):
            of_person.setdefault(fact.subject, []).append(fact)
    lines: list[str] = []
    for person, known in [*of_person.items()][:_MOST_NAMED]:
        latest = latest_words(store, known, question.today, without)
        profile = profile_of(known, vocabulary, tokens=_PROFILE_TOKENS, latest=latest)
        if profile:
            lines += [f"About {one_line(person)}:", *(line for _, line in profile)]
    return lines


def _names_in(text: str) -> Iterator[str]:
    """What could be a name in a text: its words, and two together, as written and with capitals."""
    words = [_bare(word) for word in text.split()[:_MOST_WORDS]]
    for place, word in enumerate(words):
        for name in (word, " ".join(words[place : place + 2])):
            if name:
                yield name
                yield name.title()


def _bare(word: str) -> str:
    bare = word.strip(_EDGES)
    return next((bare[: -len(end)] for end in _POSSESSIVES if bare.endswith(end)), bare)
