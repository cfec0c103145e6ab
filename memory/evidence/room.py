"""The room of a message: who is meant, and which of a memory's turns a prompt gets, best first.

"I" is the asker, by all of their names; a person is named in any spelling that the memory has of
its speakers and in its facts. This is read once for a message, the same at every door.

There is room, so little is decided: a turn too many costs thirty tokens, one too few the answer.
A memory whose asker has said little is shown whole. Else come the asker's turns nearest to the
attribute that a question asks for, the ranking, and a portrait: what the asker said that lasts, in
their own words (decision 320). `memory.evidence.prompt_block` lays them out.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy import float32
from numpy.typing import NDArray

from memory.evidence.gate import Opening
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.wishes import profile_of
from memory.facts.changes import sentences_about
from memory.facts.latest_word import latest_words
from memory.records import Fact, Turn
from memory.search.embed import embed, load_embedder
from memory.search.index import Index
from memory.search.speakers_turns import (
    NO_TURNS,
    SpeakersTurns,
    likeness,
    questions_of,
    sequels_of,
    turns_of_speakers,
)
from memory.store import Store
from memory.store.facts.fact_reads import facts_now_about
from memory.store.facts.standing_facts import names_of_askers
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.files.united import first_store
from memory.store.turns.turn_validation import WRITTEN_AS
from memory.text.characters import one_line
from memory.text.speakers import is_assistant
from memory.text.tokens import TextCache
from memory.text.words import count_words
from memory.vocabulary import Attribute
from memory.vocabulary.templates import question_templates_of

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


NARROW_TURNS = 5
MOST_TURNS = 20  # of the ranking; study and figures: docs/figures.md, "What a block holds"
# Tokens of turns and of the portrait, without a budget. A portrait within a budget takes a share.
TURN_TOKENS, PORTRAIT_TOKENS, PORTRAIT_SHARE = 1_000, 300, 0.15
OTHERS = 3  # turns of others, where all that the asker said is shown
_ATTRIBUTE_TURNS, _PORTRAIT_TURNS = 6, 24
_LONGEST = 1_000  # characters of a turn that are compared, and words that are counted
_WORDS_OF_TOKENS = 0.7  # a thousand tokens are about as many words
# A reply of few words says nothing without its question. A turn's short sequel often corrects it.
REPLY_WORDS = 10
_SEQUEL_WORDS, _SEQUEL_DAYS, _WITH_SEQUEL = 12, 2, 5


@dataclass(frozen=True)
class Room:
    """The turns for a message and its portrait, each with the ones to keep first.

    A turn may be in both: what has no room among the turns may have some in the portrait.
    """

    turns: Sequence[Turn] = ()
    portrait: Sequence[Turn] = ()


NO_ROOM = Room()


@dataclass(frozen=True)
class Around:
    """What a memory's index says of a message before anything is ranked.

    Who is meant, the turns of the asker and of the people named, how many turns there are, and the
    attribute that the message asks for in a template, if any.
    """

    people: People = NOBODY
    own: SpeakersTurns = NO_TURNS
    named: SpeakersTurns = NO_TURNS
    turns: int = 0
    attribute: Attribute | None = None


def around(question: UserQuestion, reader: MemoryReader, tokens: int = TURN_TOKENS) -> Around:
    """Who a message is about and which turns are theirs; `tokens` is the size of the room."""
    store = reader.store
    vocabulary = reader.vocabulary()
    askers = frozenset(names_of_askers(store, *question.askers))
    questions = question_templates_of(vocabulary).read(question.text, question.today or store.today)
    attribute = vocabulary.canonical(questions[0].attribute) if questions else None
    words = int(tokens * _WORDS_OF_TOKENS)
    with store.searched() as searched:  # in here no other connection is opened
        if searched is None:
            return Around()
        people = people_meant(searched.index, question.text, askers)
        sentences = _vectors(searched.embedder, sentences_about(attribute) if attribute else ())
        own = turns_of_speakers(
            searched.index,
            people.asker,
            words=words,
            sentences=None if people.named else sentences,
            most_lasting=_PORTRAIT_TURNS,
            selection=searched.selection,
        )
        named = turns_of_speakers(
            searched.index,
            people.named,
            words=0,
            sentences=sentences,
            most_lasting=_PORTRAIT_TURNS,
            selection=searched.selection,
        )
        return Around(people, own, named, searched.turns, attribute)


@lru_cache(maxsize=100)
def _vectors(embedder: str, sentences: tuple[str, ...]) -> NDArray[float32] | None:
    """The vectors of sentences; None for none."""
    return load_embedder(embedder)(sentences) if sentences else None


def room_of(
    question: UserQuestion,
    reader: MemoryReader,
    about: Around,
    ranked: Sequence[Turn],
    *,
    opening: Opening,
    most: int,
    can_be_shown: Callable[[Turn], bool],
    told: Collection[int] = (),
) -> Room:
    """The turns that a message gets.

    Arguments:
        ranked: the turns of the ranking, best first, each text once.
        most: how many turns of the ranking.
        can_be_shown: whether a turn may be shown at all, by the running session for instance.
        told: the turns of the profile's facts; a short one says no more in the portrait.
    """
    if opening == "closed":
        return NO_ROOM
    wanted = [*about.own.lasting, *about.named.lasting]
    if opening == "open":
        wanted += [*about.own.everything, *about.own.nearest, *about.named.nearest]
    turns = {turn.id: turn for turn in ranked}
    missing = [turn_id for turn_id in dict.fromkeys(wanted) if turn_id not in turns]
    turns |= {turn.id: turn for turn in reader.turns_by_id(missing, missing_ok=True)}

    def read(turn_ids: Iterable[int]) -> list[Turn]:
        return [turns[turn_id] for turn_id in turn_ids if turn_id in turns]

    if opening == "narrow":
        chosen = [*ranked[:NARROW_TURNS]]
    elif about.own.everything:
        asker_ids = {*about.own.everything}
        by_others = [turn for turn in ranked if turn.id not in asker_ids]
        machines = [turn for turn in by_others if is_assistant(turn.speaker)]
        left_out = {turn.id for turn in machines[OTHERS:]}
        by_others = [turn for turn in by_others[:most] if turn.id not in left_out]
        chosen = [
            *by_others[:OTHERS],
            *(turn for turn in ranked if turn.id in asker_ids),
            *reversed(read(about.own.everything)),
            *by_others[OTHERS:],
        ]
    else:
        near = read([*about.own.nearest, *about.named.nearest])
        nearest = _most_like(near, about.attribute)
        chosen = [*ranked[:1], *nearest, *ranked[1:most]]
    sequels = 0 if opening == "narrow" else _WITH_SEQUEL
    chosen = with_companions(reader, _once(filter(can_be_shown, chosen)), can_be_shown, sequels)
    lasting = _once(filter(can_be_shown, read([*about.own.lasting, *about.named.lasting])))
    # A name in other white space may be someone else's.
    own = [turn for turn in lasting if WRITTEN_AS not in turn.tags]
    portrait = [turn for turn in own if not (turn.id in told and _is_short(turn))]
    return each_once(chosen, portrait)


def each_once(chosen: Sequence[Turn], portrait: Sequence[Turn]) -> Room:
    """The room of these, where what lasts is told once, by the newest turn that says it.

    A short reply or a question that others repeat stays: it belongs to what is next to it.
    """
    # Without a function for the key: hundreds of turns of each message pass here.
    lasting = {(turn.speaker, turn.text): turn for turn in portrait}
    for turn in chosen:
        words = turn.speaker, turn.text
        if words in lasting and lasting[words].id < turn.id:
            lasting[words] = turn
    turns = {lasting.get((turn.speaker, turn.text), turn).id: turn for turn in chosen}
    newest = {turn.id: turn for turn in lasting.values()}
    return Room([newest.get(turn_id, turn) for turn_id, turn in turns.items()], [*newest.values()])


def _most_like(turns: Sequence[Turn], attribute: Attribute | None) -> list[Turn]:
    """Of turns that are near to an attribute by their context, the nearest by their own words."""
    if attribute is None or not turns:
        return []
    vectors = np.array([_vector_of[turn.text[:_LONGEST]] for turn in turns])
    words = np.array([count_words(turn.text, most=_LONGEST) for turn in turns])
    # Not @, which wakes a thread per core (see `cosines` in memory.search.index).
    cosines = np.einsum("ij,kj->ik", vectors, _packaged_vectors(sentences_about(attribute)))
    worths = likeness(cosines, words)
    return [turns[place] for place in np.argsort(-worths, kind="stable")[:_ATTRIBUTE_TURNS]]


@lru_cache(maxsize=100)
def _packaged_vectors(sentences: tuple[str, ...]) -> NDArray[float32]:
    return embed(sentences)


# The next question of the same attribute is near to the same turns.
_vector_of = TextCache(lambda text: embed([text])[0], most=2_000, longest=1_000)


def _is_short(turn: Turn) -> bool:
    return count_words(turn.text, most=_LONGEST) <= REPLY_WORDS


def _once(turns: Iterable[Turn]) -> list[Turn]:
    """These turns in order, each text of a speaker once."""
    first: dict[tuple[str, str], Turn] = {}
    for turn in turns:
        first.setdefault((turn.speaker, turn.text), turn)
    return [*first.values()]


def with_companions(
    reader: MemoryReader,
    turns: Sequence[Turn],
    can_be_shown: Callable[[Turn], bool] = lambda turn: True,
    sequels: int = _WITH_SEQUEL,
) -> list[Turn]:
    """These turns, each short reply behind the question that it answers.

    The first `sequels` are followed by the next short turn of their speaker, which often corrects
    what was said.
    """
    ids = [turn.id for turn in turns]
    if not ids or first_store(reader.store) is not reader.store:  # several memories have no index
        return [*turns]
    with reader.store.searched() as searched:
        if searched is None:
            return [*turns]
        question_of = questions_of(searched.index, ids, REPLY_WORDS)
        first = ids[:sequels]
        sequel_of = sequels_of(searched.index, first, _SEQUEL_WORDS, _SEQUEL_DAYS)
    known = {turn.id: turn for turn in turns}
    missing = sorted({*question_of.values(), *sequel_of.values()} - known.keys())
    beside = reader.turns_by_id(missing, missing_ok=True) if missing else []
    known |= {turn.id: turn for turn in beside if can_be_shown(turn)}
    order: dict[int, None] = {}
    for turn in turns:
        for beside_id in (question_of.get(turn.id), turn.id, sequel_of.get(turn.id)):
            if beside_id not in known:
                continue
            other = known[beside_id]
            is_repeated = (other.speaker, other.text) == (turn.speaker, turn.text)
            if beside_id in ids or not is_repeated:
                order.setdefault(beside_id)
    return [known[turn_id] for turn_id in order]
