"""Whether a turn says what a model made of it: the value of a fact, and its person.

Words are compared, not meanings. A turn says a word in any of its forms, a number in words or
figures, and a date that was computed from it. What the turn answers to, and what else the model was
shown, completes it: "the rowing club" for "I joined it". No one's word is a name, a number or a
term that was shown nowhere.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from memory.records import Turn
from memory.text.amounts import number, number_words
from memory.text.dates import resolve_dates
from memory.text.turn_lines import turn_forms
from memory.text.words import forms_of, is_among, words
from memory.vocabulary.entities import key, names_somebody, relation_named, relation_words
from memory.vocabulary.rewording import is_name, small_words
from memory.vocabulary.templates.parts import own_text
from memory.vocabulary.templates.words import language_words

_NEAR = 3  # turns before a turn, which it may answer to
# A value may have words of the model's own ("sick" for "gave my lunch to the sea") next to as many
# of the turn's; one for this many where each item is asked for.
_SAID_BESIDE_OWN = 2
_LONGEST_AMOUNT = 6  # words: "two hundred and thirty five thousand"
_ENDS = ".,;:!?()[]\"'~"
_MOST_NAMED = 5  # words in a reason
_ALIKE = 2  # letters that begin a name and its short form: Alexander and Alex, Maria and Mary
_ITEM_END = re.compile(r"[,;/&()\u3001]|\b(?:and|or|und|oder|et|ou|y|o|e)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(
    r"(?<=[.!?\u2026\uff01\uff1f\u3002])[\"'\u201d\u2019)]*\s+|\n+|,\s+(?=i\b)", re.IGNORECASE
)
_ISO_DATE = re.compile(r"\b\d{4}-\d\d(?:-\d\d)?\b")
_YEAR = re.compile(r"(?:19|20)\d\d")  # memory.facts.given_years knows which years a turn gives
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|er|ère|e|º|ª)")
_SPLIT_DIGITS = re.compile(r"\d+|[^\W\d]+")
# Whether a word means about the same as one of others.
IsSimilar = Callable[[str, Collection[str]], bool]


@dataclass(frozen=True)
class Spoken:
    """What some turns say: the forms of their words, their amounts, and the words themselves."""

    forms: frozenset[str] = frozenset()
    amounts: frozenset[float] = frozenset()
    words: frozenset[str] = frozenset()

    @classmethod
    def of(cls, text: str) -> "Spoken":
        """What a text says."""
        all_words = _pieces(words(text))
        signs = {sign for sign in _same_words() if not sign.isalnum() and sign in text}
        return cls(frozenset(forms_of(all_words)), amounts_in(text), frozenset(all_words) | signs)

    def __or__(self, second: "Spoken") -> "Spoken":
        return Spoken(
            self.forms | second.forms, self.amounts | second.amounts, self.words | second.words
        )

    def says(self, word: str) -> bool:
        """Whether a word, in any form or under another name, is among them."""
        if is_among(word, self.forms):
            return True
        relation = relation_named(word)
        return any(same in self.words for same in _same_words().get(word, ())) or bool(
            relation and any(relation_named(spoken) == relation for spoken in self.words)
        )

    def says_number(self, word: str) -> bool:
        """Whether an amount, or these figures, are among them."""
        return number(word) in self.amounts or (word.isdecimal() and word in self.words)


@dataclass(frozen=True)
class Shown:
    """What a model was shown with a turn, from the turn outwards.

    `turn` is what it says itself, `near` also what it may answer to, `all` everything.
    """

    turn: Spoken
    near: Spoken
    all: Spoken


class ShownTurns:
    """The turns that a model was shown, and what else, to compare facts of these turns with."""

    def __init__(self, turns: Sequence[Turn], context: str = "") -> None:
        self._turns = turns
        self._spoken = {turn.id: spoken_in(turn) for turn in turns}
        self._all = Spoken.of(context)
        for spoken in self._spoken.values():
            self._all |= spoken

    def with_turn(self, turn: Turn) -> Shown:
        """What was shown with one of the turns."""
        of_turn = near = self._spoken[turn.id]
        for earlier in self._turns:
            if earlier.session == turn.session and turn.id - _NEAR <= earlier.id < turn.id:
                near |= self._spoken[earlier.id]
        return Shown(of_turn, near, self._all)


def spoken_in(turn: Turn) -> Spoken:
    """What a turn says, its speaker's name, its day and the dates computed from it among it."""
    computed = resolve_dates(turn.text, turn.said_at, iso=True, spans=True)
    spoken = Spoken.of(f"{turn.speaker} {computed}")
    return Spoken(spoken.forms | turn_forms(turn), spoken.amounts, spoken.words)


def unsaid_part(
    value: str,
    subject: str,
    attribute: str,
    view: Shown,
    *,
    is_strict: bool,
    is_similar: IsSimilar = lambda word, candidates: False,
) -> str:
    """What of a value a turn does not say: its words, quoted, or "this"; "" if it says it.

    Arguments:
        value, subject, attribute: the fact's.
        view: what the model was shown with the turn.
        is_strict: whether each item of the value has to be the turn's, or of what it answers to:
            for an allergy, a home, a phone number.
        is_similar: finds synonyms, where that is not asked.
    """
    whole = _ISO_DATE.sub(" ", value)
    telling = [word for word in telling_words(whole) if not _YEAR.fullmatch(word)]
    denied = [word for word in words(value) if word in _negations()]
    says_so = not _negations().isdisjoint(view.turn.words)
    if denied and not (
        says_so and (any(map(view.turn.says, telling)) if telling else not is_strict)
    ):
        return _quoted(denied)  # "Oslo no more" takes the place of Oslo, and "nothing" is no home
    of_attribute = telling_words(attribute.replace("_", " "))
    may_repeat = [*telling_words(subject), *([] if is_strict else of_attribute)]
    beside = Spoken(frozenset(forms_of(may_repeat)))
    amounts = _amounts(whole)
    has_amounts = bool(amounts) and all(view.near.amounts & readings for readings in amounts)
    shared, new = set[str](), list[str]()
    for word in telling:
        is_amount = number(word) is not None
        if view.near.says_number(word) or has_amounts if is_amount else view.near.says(word):
            shared.add(word)
        elif view.all.says(word) or beside.says(word):
            continue
        elif not (is_strict or is_name(word, value) or relation_named(word)) and is_similar(
            word, view.near.words
        ):
            shared.add(word)
        else:
            new.append(word)
    names_relative = any(map(relation_named, view.turn.words))  # "cousin" is not "brother"
    exact = [
        word
        for word in new
        if is_name(word, value.replace("-", " "))
        or number(word) is not None
        or (names_relative and relation_named(word))
    ]
    may_add = (
        len(new) == 1 and len(shared) >= _SAID_BESIDE_OWN if is_strict else len(new) <= len(shared)
    )
    if exact or (new and not may_add):
        return _quoted(new)
    items = [telling_words(item) for item in _ITEM_END.split(whole)]
    for item in filter(None, items):
        if {*item} <= {*new}:  # the model's own words are an item by themselves
            return _quoted(new)
        strange = [word for word in item if word not in shared and not _YEAR.fullmatch(word)]
        is_far = len(strange) == len(item) and not all(map(beside.says, item))
        if is_strict and (is_far or any(number(word) is not None for word in strange)):
            return _quoted(strange)
    is_own = any(map(view.turn.says, (*telling, *of_attribute)))
    return "" if is_own or not telling or 2 * len(shared) >= len(telling) else "this"


def _quoted(some_words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in some_words[:_MOST_NAMED])


def telling_words(text: str) -> list[str]:
    """The words of a text in order, without pronouns, prepositions and the like."""
    small = small_words() | _listed("ages")
    return [word for word in _pieces(words(text)) if word not in small]


def _pieces(some_words: Iterable[str]) -> list[str]:
    """Words with figures and letters apart: "40mg" is two, "2nd" is 2."""
    pieces = list[str]()
    for word in some_words:
        if word.isalpha():
            pieces.append(word)
        elif ordinal := _ORDINAL.fullmatch(word):
            pieces.append(ordinal[1])
        else:
            pieces += _SPLIT_DIGITS.findall(word)
    return pieces


def amounts_in(text: str) -> frozenset[float]:
    """The amounts of a text, in words or figures."""
    return frozenset(
        amount for readings in _amounts(text) for amount in readings if amount is not None
    )


def _amounts(text: str) -> list[set[float | None]]:
    """For each amount of a text what it may be: "4 m" is four metres, or four million."""
    tokens = [token.lstrip("([\"'~") for token in text.replace("/", " ").split()]
    tokens = [token for token in tokens if token]
    amounts = list[set[float | None]]()
    at = 0
    while at < len(tokens):
        run = tokens[at : at + _LONGEST_AMOUNT]
        alone = tokens[at].rstrip(_ENDS)
        amount = number(" ".join(run))
        at += 1
        if amount is None:
            readings = {number(alone), number_words().scales.get(alone)}  # "per hundred"
        elif run[0][0].isalpha():
            readings = {amount}
            while len(run) > 1 and number(" ".join(run[:-1])) == amount:
                run.pop()
            at += len(run) - 1
        else:
            readings = {amount, number(alone)}
        if readings := readings - {None}:
            amounts.append(readings)
    return amounts


def ends_something(turn: Turn, of_fact: Collection[str]) -> bool:
    """Whether a sentence has a word of a fact, and one for an end: "sold", "no longer"."""
    return _has_beside(turn, of_fact, _endings())


def negates_something(turn: Turn, of_fact: Collection[str]) -> bool:
    """Whether a sentence has a word of a fact, and a negation."""
    return _has_beside(turn, of_fact, _negations())


def _has_beside(turn: Turn, of_fact: Collection[str], signs: Collection[str]) -> bool:
    # Of a person's message only what they wrote themselves: a pasted text ends nothing.
    text = own_text(turn.text) if turn.kind == "message" else turn.text
    return any(
        not {*words(sentence)}.isdisjoint(signs) and any(map(Spoken.of(sentence).says, of_fact))
        for sentence in _SENTENCE_END.split(text)
    )


def says_change(turn: Turn) -> bool:
    """Whether a turn has a word for an end or a change: "now", "instead", "sold"."""
    return not {*words(turn.text)}.isdisjoint(_endings() | _listed("changes"))


@cache
def _endings() -> frozenset[str]:
    return _negations() | frozenset(part for word in _listed("endings") for part in words(word))


@cache
def _negations() -> frozenset[str]:
    return frozenset(part for word in language_words().negations for part in words(word))


# --- who a fact is about --------------------------------------------------------------------------


def subject_meant(subject: str, turn: Turn, spellings: Mapping[str, str]) -> str:
    """The subject of a turn's fact by name: its speaker for "I" and "the user".

    `spellings` are the names of speakers by their keys. A word for no one in particular ("she")
    stays.
    """
    if key(subject) == key(turn.speaker):  # there may be Max and MAX
        return turn.speaker
    if known := spellings.get(key(subject)):
        return known
    is_speaker = key(subject) in relation_words().speaker or key(subject) in _listed("roles")
    return turn.speaker if is_speaker and turn.kind == "message" else subject


def says_own_name(name: str, turn: Turn) -> bool:
    """Whether the person called "user" says "I'm Craig" in a turn.

    Of other speakers the name is known.
    """
    if turn.kind != "message" or key(turn.speaker) not in _listed("roles"):
        return False
    says_name = rf"\bI(?:['\u2019]?m| am) {re.escape(name)}(?!['\u2019\w])"
    return bool(name) and re.search(says_name, own_text(turn.text), re.IGNORECASE) is not None


def wrong_subject(
    subject: str, value: str, turn: Turn, view: Shown, spellings: Mapping[str, str]
) -> str:
    """Why a turn's fact is not about its subject; "" if it may be.

    That is for a pronoun, for a name that was shown nowhere, and for another speaker if the
    sentence that says the value says it of "I".
    """
    folded = key(subject)
    if folded == key(turn.speaker):
        return ""
    if folded not in spellings and (
        folded in relation_words().others
        or folded in relation_words().speaker
        or folded in _listed("roles")
    ):
        return f"'{subject}' names no one; write the name"
    names = telling_words(subject) or words(subject)
    if {*words(turn.speaker)} & {*words(subject)}:  # "Ann and Bo", "Ann's dog"
        return ""
    is_shown = any(map(view.all.says, names))
    if not is_shown and names_somebody(subject):
        return f"'{subject}' is named in no turn shown"
    if folded in spellings and _is_of_speaker(value, names, turn):
        return f"turn {turn.id} says it of its speaker, {turn.speaker}"
    return ""


def _is_of_speaker(value: str, names: Sequence[str], turn: Turn) -> bool:
    """Whether all sentences that say a value say it of "I", and name or address no one else."""
    sentences = [sentence for sentence in _SENTENCE_END.split(turn.text) if sentence.strip()]
    telling = telling_words(value)
    spoken = [Spoken(frozenset(forms_of(words(sentence)))) for sentence in sentences]
    shares = [sum(map(sentence.says, telling)) for sentence in spoken]
    largest = max(shares, default=0)
    first, third_persons = _pronouns()
    if not largest:  # the turn answers to what says it
        tokens = {*words(turn.text)}
        return bool(first & tokens) and not third_persons & tokens
    of_speaker = [
        bool(first & {*words(text)})
        and not third_persons & {*words(text)}
        and not any(map(words_said.says, names))
        for text, words_said, share in zip(sentences, spoken, shares, strict=True)
        if share == largest
    ]
    return bool(of_speaker) and all(of_speaker)


def gives_name(name: str, entity: str, turn: Turn) -> bool:
    """Whether a turn may say that a name is another one of a person.

    Its words name one of them, and the two names are alike ("Tom" and "Tommy"), or the sentence
    with the name is about names and, if the person speaks, about no relative.
    """
    name_words, entity_words = words(name), words(entity)
    beginnings = {word[:_ALIKE] for word in name_words}
    if any(word[:_ALIKE] in beginnings for word in entity_words):
        return True
    for sentence in _SENTENCE_END.split(turn.text):
        tokens = {*words(sentence)}
        is_of_relative = any(map(relation_named, tokens))
        if {*name_words} <= tokens and tokens & _naming():
            return key(entity) != key(turn.speaker) or not is_of_relative
    return False


@cache
def _naming() -> frozenset[str]:
    return frozenset(part for word in _listed("naming") for part in words(word))


@cache
def _pronouns() -> tuple[frozenset[str], frozenset[str]]:
    """The words for the speaker alone, and those for the hearer and for third persons."""
    listed = relation_words()

    def parts(names: Iterable[str]) -> frozenset[str]:
        return frozenset(part for name in names for part in words(name))

    first = parts((*listed.speaker, *listed.possessives, *language_words().speakers))
    third_persons = parts((*listed.addressed, *listed.others, *_HERS)) - _listed("things")
    return first - parts(_listed("plural")), third_persons


_HERS = ("his", "hers", "their", "theirs", "himself", "herself", "seine", "ihre", "son", "sa", "su")


@cache
def _listed(heading: str) -> frozenset[str]:
    text = str(_file()[heading])
    return frozenset(text.split(", ") if ", " in text else text.split())


@cache
def _same_words() -> Mapping[str, tuple[str, ...]]:
    """For each word of a line of `same` the others; "pound" is in two."""
    synonyms: dict[str, tuple[str, ...]] = {}
    for line in _file()["same"]:
        for word in line.split():
            synonyms[word] = (
                *synonyms.get(word, ()),
                *(same for same in line.split() if same != word),
            )
    return synonyms


@cache
def _file() -> Mapping[str, list[str] | str]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
