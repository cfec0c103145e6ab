"""People in a text, and "he" and "she" as the one person named before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from memory.text.amounts import number_words
from memory.text.sentences import Word, sentences, written
from memory.text.word_classes import closed_classes, is_known, may_be_verb
from memory.text.words import STOP_WORDS
from memory.vocabulary.entities.names import as_spoken, key, names_somebody, relation_words

_MY = "my"  # of the speaker, in the language of `relations.toml`
_LONGEST_ADDRESS = 2  # words: "Dear Ana, ..."
_VERB_ENDINGS = frozenset({"", "s", "ll", "d"})  # of a name that begins a sentence: "Ella's here."
_BEFORE_PEOPLE = frozenset({"with", "for", "by", "like"})  # other prepositions stand before places


@dataclass(frozen=True)
class Person:
    """A person as a text names them; `pronoun` is "he", "she", or "" where the name says neither.

    `is_known` is False for "your sister" and "her sister": whose sister the text does not say.
    """

    name: str
    pronoun: str = ""
    is_known: bool = True


def is_name(run: Sequence[Word]) -> bool:
    """Whether words are a person's or a thing's name, two names, or "Mum"."""
    first = run[0].head
    known = relation_words()
    if len(run) == 1 and first in known.names:
        return True
    if not first[:1].isalpha() or first in STOP_WORDS or first in known.no_names:
        return False
    if first.split("-")[0] in number_words().numbers:
        return False
    if len(run) > 2 and run[-2].head == "and":
        last_name = run[-1].bare
        return is_name(run[:-2]) and (last_name == "I" or names_somebody(last_name))
    return names_somebody(written(run))


def with_names(text: str, speaker: str, before: Sequence[tuple[str, str]] = ()) -> str:
    """A text where "he" and "she" are names: "My sister lives in Leith" for "She lives ...".

    A pronoun is replaced if exactly one person that it may mean is named before it in the text,
    or, if no one is, in the nearest text of `before` (speaker and text, the last one last) that
    names someone. Others stay.
    """
    earlier = [_people_of(said_before, whose, speaker) for whose, said_before in reversed(before)]
    named: list[Person] = []
    tokens: list[str] = []
    is_changed = False
    for words, is_question in sentences(text):
        here = dict(_people(words))
        for at, word in enumerate(words):
            token = word.token
            person = here.get(at)
            if _is_subject(words, at) and not is_question:
                person = _meant(word.head, speaker, [named, *earlier])
                if person:
                    token = person.name + ("'" + word.ending if word.ending else "")
                    is_changed = True
            if person:
                named.append(person)
            tokens.append(token)
    return " ".join(tokens) if is_changed else text


def count_people(words: Sequence[Word]) -> int:
    """How often a sentence names people."""
    return sum(1 for _ in _people(words))


def _meant(pronoun: str, speaker: str, groups: Sequence[Sequence[Person]]) -> Person | None:
    """The one person that a speaker's pronoun may mean, in the first group that has any."""
    for people in groups:
        possible = {
            key(p.name): p
            for p in people
            if p.pronoun in ("", pronoun) and key(p.name) != key(speaker)
        }
        if any(not p.pronoun for p in possible.values()):
            return None  # a name does not say whether "he" may be its bearer
        if len(possible) == 1:
            [person] = possible.values()
            return person if person.is_known else None
        if possible:
            return None
    return None


def _people_of(text: str, speaker: str, listener: str) -> list[Person]:
    """The people of another turn, by names that mean the same when the listener says them."""
    people = []
    is_other = key(speaker) != key(listener)
    for words, _ in sentences(text):
        for _, person in _people(words):
            of, _, relative = person.name.partition(" ")
            if is_other and key(of) in relation_words().addressed:  # "your mother": mine
                people.append(Person(f"{_MY} {relative}", person.pronoun))
                continue
            spoken = as_spoken(person.name, speaker) if is_other else None
            people.append(replace(person, name=str(spoken or person.name)))
    return people


def _is_subject(words: Sequence[Word], at: int) -> bool:
    """Whether a word is "he" or "she" before a verb."""
    word, after = words[at], words[at + 1 : at + 3]
    if word.head not in closed_classes().persons or word.is_last or not after:
        return False
    return bool(word.ending) or any(may_be_verb(word_after.head) for word_after in after)


def _people(words: Sequence[Word]) -> Iterator[tuple[int, Person]]:
    """Where a sentence names people: by names and as relatives, not places."""
    at = 0
    while at < len(words):
        run = _person(words, at)
        if run and not _is_addressed(words, at, at + len(run)):
            yield at, _as_person(run)
        at += len(run) or 1


def _person(words: Sequence[Word], at: int) -> Sequence[Word]:
    """The words that name a person from a word on; empty if they name no one."""
    known = relation_words()
    word = words[at]
    end = at + 1
    if _owns_relative(words, at):
        end += 1
    elif word.head not in known.names and not _is_persons_name(words, at):
        return ()
    while end < len(words) and words[end].is_name and not words[end - 1].is_last:
        if words[end - 1].ending == "s" or not is_name([words[end]]):
            break
        end += 1
    return words[at:end]


def _owns_relative(words: Sequence[Word], at: int) -> bool:
    """Whether a relative follows: "my sister", "Ella's brother", also "my Callum"."""
    known = relation_words()
    word, after = words[at], words[at + 1 : at + 2]
    if not after or word.is_last:
        return False
    if word.head in known.possessives and after[0].is_name and is_name(after):
        return True
    is_owner = word.head in known.possessives | closed_classes().possessives or (
        word.is_name and word.ending == "s"
    )
    return is_owner and after[0].head in known.relations


def _is_persons_name(words: Sequence[Word], at: int) -> bool:
    """Whether a name is a person's, not a place's ("in Leith") or a thing's ("his XL")."""
    classes = closed_classes()
    word = words[at]
    if not word.is_name or not is_name([word]):
        return False
    if at == 0:  # a name, no "Yeah she's" and no "Nineteen towels"
        after = words[1].head if len(words) > 1 and not word.is_last else ""
        goes_on = (
            bool(word.ending)
            or after in classes.prepositions
            or (may_be_verb(after) and after not in classes.pronouns)
        )
        return goes_on and not is_known(word.head) and word.ending in _VERB_ENDINGS
    before = words[at - 1].head
    is_thing = before in classes.determiners | classes.possessives
    return not is_thing and before not in classes.prepositions - _BEFORE_PEOPLE


def _as_person(run: Sequence[Word]) -> Person:
    known, classes = relation_words(), closed_classes()
    relation = next((known.relations[w.head] for w in run if w.head in known.relations), "")
    if not relation:
        relation = known.names.get(run[0].head, "")
    pronoun = next((p for p, relations in known.genders.items() if relation in relations), "")
    return Person(written(run), pronoun, run[0].head not in classes.possessives)


def _is_addressed(words: Sequence[Word], at: int, end: int) -> bool:
    """Whether a name is spoken to: alone between marks, or after one word ("Dear Ana, ...")."""
    first = at
    while first and not words[first - 1].is_last:
        first -= 1
    if _owns_relative(words, at):  # "My sister? She ..."
        return False
    return (words[end - 1].is_last or end == len(words)) and end - first <= _LONGEST_ADDRESS
