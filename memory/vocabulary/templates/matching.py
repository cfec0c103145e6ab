"""Turns matched with the templates of a vocabulary: which facts they assert, and why not."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from unicodedata import normalize

from memory.records import Assertion, Fact, Turn
from memory.text.dates import is_past_before
from memory.vocabulary import INSTRUCTION, LENGTH, STANDING, Attribute, Vocabulary
from memory.vocabulary.entities import Relation, relation_words
from memory.vocabulary.orders import LONGEST_ORDER, orders_in
from memory.vocabulary.template_syntax import VALUES, Placeholder
from memory.vocabulary.templates.clauses import (
    Clause,
    Sentence,
    goes_on,
    joined,
    leads_on,
    own_with_marks,
    refusal_of,
    retraction,
    sentences,
    unasserted,
    variants,
)
from memory.vocabulary.templates.date_phrases import date_of, may_lie_ahead, recent_date
from memory.vocabulary.templates.forms import (
    FIRST_QUOTATION,
    LAST_QUOTATION,
    fits,
    fits_attribute,
    form_of,
    is_closed,
    is_name,
    is_quotation,
    list_items,
)
from memory.vocabulary.templates.made_once import made_once
from memory.vocabulary.templates.patterns import Match, Row, Table, pattern, words_of
from memory.vocabulary.templates.words import language_words

_MOST_ASSERTIONS = 40  # of a turn
_LONGEST = 300  # characters of a clause
_MOST_JOINED = 4  # pieces of a sentence as one clause
_CORRECTION_WORDS = 6  # of the next sentence, which may correct the one before
_NO_VALUES = frozenset({"i", "no", "sorry", "oops", "whoops", "wait", "actually"})
_BOTH_SIDES = re.compile(r"(?P<one>[^,]+?)(?:, (?P<other>[^,]+?),?)?")


@dataclass(frozen=True)
class StatementForm:
    """What a template of `says` or `ends` is for."""

    attribute: Attribute
    is_end: bool = False


@dataclass(frozen=True)
class Found:
    """A clause in the form of a template, and what it asserts.

    `introduces` has the relation and the name of "my sister Elena", or "" for both.
    """

    clause: str
    template: str
    assertions: tuple[Assertion, ...]
    introduces: tuple[str, str] = ("", "")
    literal_words: int = 0  # of the clause that are the template's own

    @property
    def is_end(self) -> bool:
        return self.assertions[-1].is_end


@dataclass(frozen=True)
class Reading:
    """What a turn asserts, and the reasons for which clauses of it assert nothing."""

    found: tuple[Found, ...] = ()
    refusals: tuple[str, ...] = ()

    @property
    def assertions(self) -> tuple[Assertion, ...]:
        """What all matched clauses assert, each once."""
        asserted = (assertion for match in self.found for assertion in match.assertions)
        return tuple(dict.fromkeys(asserted))[:_MOST_ASSERTIONS]


# Invisible characters: zero width, soft hyphens, marks of direction. The joiners of emoji and of
# Persian stay, and so do overrides of the direction, which show another text.
_UNSEEN = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202c\u2060\u2066-\u2069\ufeff]")


def _as_written(text: str) -> str:
    """A text as a person sees it: composed characters, without zero-width ones."""
    return normalize("NFC", _UNSEEN.sub("", text))


@dataclass(frozen=True)
class Somebody:
    """Whom a fact is about: the subject, and how the speaker is related to them."""

    subject: str
    relation: str = ""
    name: str = ""


class Templates:
    """The templates of a vocabulary's statements, ready to be matched."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._table = Table(
            (template, StatementForm(attribute, field == "ends"))
            for attribute in vocabulary.attributes
            for field in ("says", "ends")
            for template in getattr(attribute, field)
        )

    def read(self, turn: Turn) -> Reading:
        """What the clauses of a turn assert, and what it asks for in all answers."""
        if not turn.speaker.strip():
            return Reading(refusals=("it names no speaker",))
        if not turn.text.isascii():
            turn = replace(turn, text=_as_written(turn.text))
        reading = self._of_templates(turn)
        orders = [*self._orders(turn, reading)]
        return replace(reading, found=(*reading.found, *orders)) if orders else reading

    def _orders(self, turn: Turn, reading: Reading) -> Iterator[Found]:
        """The standing orders of a turn that no template has read as one."""
        attribute = self.vocabulary.canonical(INSTRUCTION)
        own, quotations = own_with_marks(turn.text, with_code=True)
        orders = orders_in(own) if attribute else []
        if not orders or refusal_of(turn.text, turn.speaker):
            return
        wished = [match for match in reading.found if match.assertions[-1].attribute in STANDING]
        for order in orders:
            value = with_quotations(order.text, quotations)
            if len(value) > LONGEST_ORDER or retraction(order.after):
                continue
            sentence = _without_marks(order.sentence)
            if not any(_without_marks(match.clause) in sentence for match in wished):
                assertion = Assertion(turn.speaker.strip(), INSTRUCTION, value)
                yield Found(order.sentence, "", (assertion,))

    def _of_templates(self, turn: Turn) -> Reading:
        rows = self._table.candidates(words_of(turn.text))
        if not rows:
            return Reading(refusals=("no template has its words",))
        if refusal := refusal_of(turn.text, turn.speaker):
            return Reading(refusals=(refusal,))
        found: list[Found] = []
        refusals: list[str] = []
        read = list(sentences(turn.text))
        for sentence, following in zip_longest(read, read[1:], fillvalue=Sentence("")):
            if sentence.refusal:
                refusals.append(f"{sentence.refusal}: {sentence.text!r:.80}")
                continue
            matched = list(self._matched(sentence, turn, rows))
            if len(read) > 1:  # "Tell me a joke. Keep it short."
                matched = [match for match in matched if not _is_of_one_answer(match)]
            # "I don't speak Finnish, I made that up" takes back what was said before.
            is_end = all(match.is_end for match in matched)
            if reason := matched and (
                _doubt(sentence, matched)
                or (not is_end and retraction(sentence.text.partition(matched[-1].clause)[2]))
                or retraction(following.text)
                or self._correction(sentence, following, matched)
            ):
                refusals.append(f"{reason!r} makes it no statement: {sentence.text!r:.80}")
            elif matched:
                found += matched
            else:
                refusals.append(f"no template matches the whole clause: {sentence.text!r:.80}")
        return Reading(tuple(found), tuple(dict.fromkeys(refusals)))

    def _correction(self, sentence: Sentence, following: Sentence, matched: Sequence[Found]) -> str:
        """The word that corrects a value in the same breath: "Bath, no sorry, Bristol"."""
        _, _, behind = sentence.text.partition(matched[-1].clause)
        closed = [form for match in matched for form in self._forms_of_one(match)]
        for text in (behind, " ".join(following.text.split()[:_CORRECTION_WORDS])):
            tokens = [_bare(word) for word in text.split()]
            slips = [word for word in tokens if words_of(word) & language_words().corrections]
            if slips and any(
                word[:1].isupper() and not words_of(word) & _NO_VALUES for word in tokens
            ):
                return slips[0]
            values = {value for _, value in closed}
            for rival in tokens:
                if rival.casefold() not in values and any(fits(rival, form) for form, _ in closed):
                    return rival
        return ""

    def _forms_of_one(self, match: Found) -> Iterator[tuple[str, str]]:
        """The forms of words of which only one is a person's at a time, with those of a match."""
        for assertion in match.assertions:
            attribute = self.vocabulary.canonical(assertion.attribute)
            if attribute and (attribute.kind == "one value" or attribute.one_of):
                form = attribute.one_of or attribute.form
                if is_closed(form):
                    yield form, assertion.value.casefold()

    def _matched(
        self, sentence: Sentence, turn: Turn, rows: list[Row[StatementForm]]
    ) -> Iterator[Found]:
        """The clauses of a sentence that match, from its beginning on.

        Only other such clauses and what leads on to them may be before them (`leads_on`).
        """
        pieces = sentence.pieces
        start = unread = 0
        while start < len(pieces):
            found, end = self._longest(pieces, start, sentence, turn, rows)
            if found and (unread == start or leads_on("".join(pieces[unread:start]))):
                yield from found
                unread = end
            start = end

    def _longest(
        self,
        pieces: Sequence[str],
        start: int,
        sentence: Sentence,
        turn: Turn,
        rows: list[Row[StatementForm]],
    ) -> tuple[list[Found], int]:
        """The matches of the longest clause that begins with a piece, and the piece behind it."""
        for end in range(min(start + _MOST_JOINED, len(pieces)), start, -1):
            text = joined(pieces, start, end)
            found = self._of_clause(text, sentence, turn, rows) if len(text) <= _LONGEST else []
            # "hazelnuts and sesame, known since I was nine": a part of a list is none.
            if found and not (goes_on(pieces, end) and any("{values" in m.template for m in found)):
                return found, end
        return [], start + 1

    def _of_clause(
        self, text: str, sentence: Sentence, turn: Turn, rows: list[Row[StatementForm]]
    ) -> list[Found]:
        words = words_of(text)
        likely = [row for row in rows if row.may_match(words)]
        for clause in variants(text, turn.said_at) if likely else ():
            found = [match for row in likely if (match := self._match(row, clause, sentence, turn))]
            if found:
                return [match for ends in (False, True) for match in _closest(found, ends)]
        return []

    def _match(
        self, row: Row[StatementForm], clause: Clause, sentence: Sentence, turn: Turn
    ) -> Found | None:
        match = pattern(row.template).match(clause.text)
        if match is None:
            return None
        form = row.value
        if not all(fits(text, part.form) for part, text in match.texts if part.name == "text"):
            return None
        date = _date(match, clause, turn.said_at, can_end=bool(form.attribute.ends))
        if date is None:
            return None
        who = match.text("who")
        about = Somebody(turn.speaker.strip()) if who is None else somebody(who, turn.speaker)
        values = _values(match, form.attribute, sentence)
        if about is None or values is None:
            return None
        asserted = [
            Assertion(about.subject, form.attribute.name, value, date, form.is_end)
            for value in values
        ]
        return Found(
            clause.text,
            row.template,
            (*self._relations(about, turn), *asserted),
            (about.relation, about.name),
            match.literal_words,
        )

    def _relations(self, about: Somebody, turn: Turn) -> Iterator[Assertion]:
        """That Elena is the speaker's sister, where the vocabulary has a name for that."""
        names = (about.relation, f"has_{about.relation}") if about.name else ()
        known = [attribute for name in names if (attribute := self.vocabulary.canonical(name))]
        for attribute in known[:1]:
            yield Assertion(turn.speaker.strip(), attribute.name, about.name)


def _bare(word: str) -> str:
    return word.strip(".,;:!?()\"'")


def _is_of_one_answer(match: Found) -> bool:
    """Whether a length is wished of "it", which other sentences of the turn may ask for."""
    return match.assertions[-1].attribute == LENGTH and "it" in words_of(match.clause)


def _closest(found: list[Found], ends: bool) -> list[Found]:
    """The matches of statements, or of ends, with most words of their templates; equal ones once.

    "From now on answer in German" says more than "from now on ...".
    """
    of_kind = [match for match in found if match.is_end == ends]
    most = max((match.literal_words for match in of_kind), default=0)
    closest = [match for match in of_kind if match.literal_words == most]
    return list({match.assertions: match for match in closest}.values())


def _values(match: Match, attribute: Attribute, sentence: Sentence) -> tuple[str, ...] | None:
    """The values of a match, "" for an end without one; None if one has another form."""
    for placeholder, text in match.texts:
        if placeholder.name in VALUES:
            parts = _parts(text, attribute, placeholder)
            if parts is None:
                return None
            if not all(fits_attribute(part, attribute, placeholder) for part in parts):
                return None
            return tuple(_in_words(part, sentence, attribute) for part in parts)
    return ("",)


def _parts(text: str, attribute: Attribute, placeholder: Placeholder) -> Sequence[str] | None:
    """The values that a text lists; None for what may be no list."""
    if placeholder.name == "values":
        return list_items(text, is_closed(form_of(attribute, placeholder)))
    return (text,)


def _in_words(text: str, sentence: Sentence, attribute: Attribute) -> str:
    """The stored form of a value: a quotation's own text, an allowed value as listed."""
    if is_quotation(text):
        text = sentence.quotations[ord(text) - ord(FIRST_QUOTATION)][1:-1].strip(" .,")
    else:
        text = with_quotations(text, sentence.quotations)
    return attribute.allowed(text) or text


def with_quotations(text: str, quotations: Sequence[str]) -> str:
    """A text with its quotations, marks and all, in the place of the characters for them."""
    for number, quotation in enumerate(quotations):
        text = text.replace(chr(ord(FIRST_QUOTATION) + number), quotation)
    return text


def _without_marks(text: str) -> str:
    """A text without the characters for quotations, whose numbers differ with code among them."""
    return "".join(each for each in text if not FIRST_QUOTATION <= each <= LAST_QUOTATION)


def somebody(text: str, speaker: str) -> Somebody | None:
    """The person that "my sister", "my sister Elena" or "Elena, my sister," means, or None."""
    sides = _BOTH_SIDES.fullmatch(text)
    if sides is None:
        return None
    one, other = sides["one"], sides["other"]
    for side, name in ((one, other), (other, one)):
        known = _relation(side, name) if side else None
        if known:
            relation, name = known
            if name:
                return Somebody(name, relation, name)
            # With several friends it is unknown which one it is.
            if relation in relation_words().several:
                return None
            return Somebody(str(Relation(speaker.strip(), relation, several=False)), relation)
    return None


def _relation(text: str, name: str | None) -> tuple[str, str] | None:
    """The relation of "my dear sister Elena", and the name in or next to it ("" for none)."""
    words = text.split(" ")
    known = relation_words()
    if words[0].casefold() not in known.possessives:
        return None
    rest = words[1:]
    while rest and rest[0].casefold() in known.adjectives:
        rest = rest[1:]
    relation = known.relations.get(rest[0].casefold()) if rest else None
    if relation is None:
        return None
    name = " ".join(rest[1:]) or name or ""
    if len(rest) > 1 and text.endswith(","):
        return None
    return (relation, name) if not name or is_name(name) else None


def _doubt(sentence: Sentence, found: list[Found]) -> str:
    """The word that makes a sentence no statement, outside of what matched: "if", "he says"."""
    text = sentence.text
    for match in found:
        text = text.replace(match.clause, " ")
    return unasserted(text)


def _date(match: Match, clause: Clause, said_at: str, can_end: bool) -> str | None:
    """The date of a match, from the template or the clause; None for an impossible date.

    A date after its turn makes a plan, not a state. "I moved on 1 May" means the last 1 May if that
    is not long ago, and if the state can end: a birth may be in any year.
    """
    phrase = match.text("date")
    date = clause.date if phrase is None else date_of(phrase, said_at)
    if date == "" and can_end and is_past_before(clause.text):
        date = recent_date(phrase or clause.phrase, said_at)
    if date == "" and may_lie_ahead(phrase or clause.phrase):
        return None
    start = (date or "").partition("/")[0]
    return None if start and said_at and start > said_at[: len(start)] else date


@made_once
def templates_of(vocabulary: Vocabulary) -> Templates:
    """The templates of a vocabulary, made once for each."""
    return Templates(vocabulary)


def assertions_in(turn: Turn, vocabulary: Vocabulary) -> list[Assertion]:
    """What the whole clauses of a person's message assert by the templates, in their order."""
    return list(templates_of(vocabulary).read(turn).assertions)


def template_of(fact: Fact, turn: Turn, vocabulary: Vocabulary) -> str:
    """The template that matches a turn's fact; "" if today's vocabulary has none."""
    for found in templates_of(vocabulary).read(turn).found:
        for assertion in found.assertions:
            is_same = (assertion.subject, assertion.value) == (fact.subject, fact.value)
            if is_same and assertion.attribute == vocabulary.name_of(fact.attribute):
                return found.template
    return ""
