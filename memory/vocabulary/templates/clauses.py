"""The clauses of a turn that its speaker asserts: no question, no quotation, no text of others."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from memory.text.word_classes import is_infinitive
from memory.vocabulary.entities import relation_words
from memory.vocabulary.orders import orders_in
from memory.vocabulary.sentences import sentences_of
from memory.vocabulary.template_syntax import spellings
from memory.vocabulary.templates.copies import name_of_other, question_about_text
from memory.vocabulary.templates.date_phrases import date_of, dates_at_ends
from memory.vocabulary.templates.forms import (
    FIRST_QUOTATION,
    LAST_QUOTATION,
    without_person_spoken_to,
)
from memory.vocabulary.templates.parts import introduces_own, parts_of
from memory.vocabulary.templates.patterns import (
    Table,
    first_search,
    in_full,
    is_one_of,
    table_of,
    words_of,
)
from memory.vocabulary.templates.words import language_words

_QUOTATIONS = f"{FIRST_QUOTATION}-{LAST_QUOTATION}"
_LONGEST_TURN = 20_000  # characters that are read: people tell of themselves at the beginning
# "I'm vegan... or was" goes on behind its dots.
_SENTENCE_END = re.compile(
    r"(?<=[.!?\u2026])(?<!\b\d\.)(?<!\b\d\d\.)(?<!\b[A-Z]\.)"
    r"(?!(?<=\.\.|.\u2026)\s+[a-z\u00df-\u00ff])[\"')\u201d]*\s+|;\s+"
)
_COLON = re.compile(r":(?=[\s*_]|\Z)")
# Each run of marks is looked at once, from its beginning.
_EDGES = re.compile(rf"^[^\w{_QUOTATIONS}#+]++|(?<![^\w{_QUOTATIONS}+%])[^\w{_QUOTATIONS}+%]++$")
_NO_WORD = re.compile(r"[^\w'&/#-]+")
_FILLER_MARKS = ",!.\u2013-"  # behind each word of a greeting
_MOST_FILLER_WORDS = 8
_PART_OF_OTHERS = "\0"
_BULLET = re.compile(r"^\s*(?:[-*\u2022+]|\d{1,2}[.)])\s+")
_VERSE_LINES = 4
_MOST_VERSE_WORDS = 10


@dataclass(frozen=True)
class Sentence:
    """A sentence, the parts that may be separate clauses, and why it asserts nothing.

    `quotations` has the turn's quotations so far; each is replaced by one character.
    """

    text: str
    pieces: tuple[str, ...] = ()
    refusal: str = ""
    quotations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Clause:
    """A clause without what adds nothing to it, and the date that stood at an end of it.

    `date` is what the words of `phrase` mean, as ISO text; "" for what cannot be known.
    """

    text: str
    date: str = ""
    phrase: str = ""


def refusal_of(text: str, speaker: str = "") -> str:
    """Why a turn asserts nothing at all, "" if it may."""
    text = text[:_LONGEST_TURN]
    request = first_search(_table("requests"), text)
    # "Always translate foreign words" is of all answers, and of no text.
    if request and not begins_order(text):
        return f"it asks to treat a text or to play a role: {request!r}"
    if frame := first_search(_table("frames"), text):
        return f"it plays or supposes something: {frame!r}"
    return form_of_others(text, speaker)


def begins_order(text: str) -> bool:
    """Whether the first sentence of a text is a standing order."""
    first = next(iter(sentences_of(text)), None)
    return first is not None and bool(orders_in(first.text))


def form_of_others(text: str, speaker: str = "") -> str:
    """Why a whole turn is not in its speaker's own words, "" if it may be."""
    lines = [line.strip() for line in text[:_LONGEST_TURN].splitlines() if line.strip()]
    if _is_verse(lines):
        return "it is verse"
    if name := name_of_other(text[:_LONGEST_TURN], speaker):
        return f"it has another's name: {name!r}"
    if question := question_about_text(text[:_LONGEST_TURN]):
        return f"it asks about a text: {question!r:.80}"
    return ""


def plays_somebody(text: str) -> str:
    """The words that begin or continue a play in a turn; "" if there are none."""
    return first_search(_table("plays"), text[:_LONGEST_TURN])


def own_with_marks(text: str, with_code: bool = False) -> tuple[str, list[str]]:
    """The writer's own words, with one character for each quotation, and the quotations.

    With `with_code` code within a sentence is a quotation, too. Other parts that are not theirs are
    each a line with a mark.
    """
    kept = ("quoted", "code") if with_code else ("quoted",)
    quotations: list[str] = []
    text = re.sub(f"[{_QUOTATIONS}]", "", text[:_LONGEST_TURN])
    own = []
    for part in parts_of(text):
        if part.kind == "own":
            own.append(text[part.start : part.end].replace("\u2019", "'"))
        elif part.kind in kept and part.is_inline:
            quotations.append(text[part.start : part.end])
            own.append(chr(min(ord(FIRST_QUOTATION) + len(quotations) - 1, ord(LAST_QUOTATION))))
        else:
            own.append(f"\n{_PART_OF_OTHERS}\n")
    return "".join(own), quotations


def sentences(text: str) -> Iterator[Sentence]:
    """The sentences of a turn."""
    own, quotations = own_with_marks(text)
    is_introduced = is_read = False
    for line in own.splitlines():
        if not line.strip():
            is_introduced = is_introduced and not is_read
            continue
        is_read = True
        if is_introduced and line != _PART_OF_OTHERS:
            continue  # the paragraph belongs to what stands before the colon
        is_introduced = False
        head, colon, rest = _split_at_colon(_BULLET.sub("", line))
        if colon and not introduces_own(head):
            yield Sentence(line.strip(), refusal=f"something stands before a colon: {head!r}")
            is_introduced, is_read = not rest, False
            continue
        for sentence in _SENTENCE_END.split(rest if colon else head):
            if not (clean := " ".join(sentence.split())):
                continue
            if clean.rstrip("!.)\"' ").endswith("?"):
                yield Sentence(clean, refusal="it is a question")
                continue
            yield Sentence(clean, tuple(_pieces(clean)), "", tuple(quotations))


def told_sentences(text: str) -> Iterator[str]:
    """The sentences of a turn that are no questions, as written."""
    for line in text.splitlines():
        for sentence in _SENTENCE_END.split(line):
            clean = " ".join(sentence.split())
            if clean and not clean.rstrip("!.)\"' ").endswith("?"):
                yield clean


def unasserted(text: str) -> str:
    """The word that keeps a sentence from asserting anything: a condition, another's speech."""
    return first_search(_table("unasserted"), text)


def supposes(sentence: str) -> bool:
    """Whether a sentence supposes, makes up or advises something: its dates are no one's."""
    return bool(first_search(_table("suppositions"), sentence))


def retraction(text: str) -> str:
    """A sentence that takes back the one before it ("just kidding"), "" for any other."""
    plain = " ".join(_NO_WORD.sub(" ", text).split())
    return plain if is_one_of(_table("retractions"), plain) else ""


def joined(pieces: Sequence[str], start: int, end: int) -> str:
    """Some pieces of a sentence as one clause."""
    # "the car" ends a sentence; "car" before a clause is French for "because".
    return _without_edges("".join(pieces[start:end]), joins=end < len(pieces))


def goes_on(pieces: Sequence[str], end: int) -> bool:
    """Whether what is in front of a piece may go on with it: "and", and no new clause."""
    if (
        end >= len(pieces)
        or pieces[end - 1].casefold().split()[-1] not in language_words().list_joins
    ):
        return False
    return words_of(pieces[end].partition(" ")[0]).isdisjoint(_openers())


@cache
def _openers() -> frozenset[str]:
    """Words with which a clause begins."""
    known = language_words()
    return known.subjects | known.reasons | relation_words().possessives


def leads_on(piece: str) -> bool:
    """Whether what follows some words is the speaker's: "that is kind, but", "I know, "."""
    known = language_words()
    words = _without_edges(piece, joins=False).casefold().split(" ")
    is_own = not words_of(words[0]).isdisjoint(known.speakers)
    return (is_own and words[-1] not in known.reports) or (
        words[-1] in known.joins and words[-1] not in known.list_joins
    )


def variants(clause: str, said_at: str) -> Iterator[Clause]:
    """A clause without words that add nothing: unchanged, and without a date at one of its ends.

    Words behind it first: "now" is not part of a value ("I work as a teacher now").
    """
    known = language_words()
    bare = without_fillers(clause)
    to_nobody = without_person_spoken_to(bare)
    addressing = bare if to_nobody == bare else without_fillers(to_nobody)
    for text in dict.fromkeys((without_fillers(clause, before=False), clause, bare, addressing)):
        yield Clause(text)
    for text, phrase in dates_at_ends(addressing):
        is_passing = phrase.casefold().split(" ")[0] in known.passing
        if is_passing and words_of(text) & known.present:
            continue  # "I'm not vegetarian today", but "I moved today"
        date = date_of(phrase, said_at) or ""
        yield Clause(without_fillers(_without_edges(text, joins=False)), date, phrase)
    # Last: "I eat meat again" ends something by its last word.
    for word in filter(addressing.endswith, known.again):
        yield Clause(without_fillers(addressing.removesuffix(word)))


def _pieces(sentence: str) -> Iterator[str]:
    """A sentence cut at a comma or "and" behind which a clause or a predicate begins."""
    known = language_words()
    start = 0
    for cut in _cuts().finditer(sentence):
        word = sentence[cut.end() : cut.end() + 40].partition(" ")[0]
        begins_clause = words_of(word) & _openers()
        join = (cut["join"] or cut["other_join"] or "").casefold()
        begins_predicate = bool(join) and is_infinitive(word.casefold())  # "and need a chair"
        if begins_clause or begins_predicate or join in known.reasons:
            yield sentence[start : cut.end()]
            start = cut.end()
    yield sentence[start:]


@cache
def _cuts() -> re.Pattern[str]:
    """A comma, a dash, a bracket or dots, a word that joins, or both."""
    known = language_words()
    words = {*known.joins, *known.list_joins, *known.reasons}
    joins = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    marks = r"[,(\u2026]| [-\u2013\u2014]|\.\.+"
    return re.compile(
        rf"(?:{marks})\s*(?:(?P<join>{joins}) )?|\s(?P<other_join>{joins}) ", re.IGNORECASE
    )


def _without_edges(text: str, joins: bool = True) -> str:
    """A text without punctuation, an emoji or, with `joins`, a conjunction at its ends."""
    clean = _EDGES.sub("", text)
    while joins and (join := next(filter(clean.casefold().endswith, _joins_at_end()), "")):
        clean = _EDGES.sub("", clean[: -len(join)])
    return clean


@cache
def _joins_at_end() -> tuple[str, ...]:
    return tuple(f" {join}" for join in language_words().joins)


def without_fillers(text: str, before: bool = True) -> str:
    """A clause without a greeting before it, or "by the way" after it."""
    words = text.split(" ")
    while before and (count := _filler_words(words, at_end=False)):
        words = words[count:]
    while count := _filler_words(words, at_end=True):
        words = words[:-count]
        words[-1] = words[-1].rstrip(",")
    return " ".join(words)


def _filler_words(words: Sequence[str], at_end: bool) -> int:
    """How many words at one end of a clause add nothing: at most all but one."""
    fillers = _fillers(at_end)
    most = min(_MOST_FILLER_WORDS, len(words) - 1)
    written = [word.casefold() for word in (words[-most:] if at_end else words[:most])]
    shorts = language_words().contractions
    plain = [shorts.get(bare := word.strip(_FILLER_MARKS), bare) for word in written]
    for count in range(most, 0, -1):
        edge = slice(-count, None) if at_end else slice(count)
        if " ".join(plain[edge]) in fillers or " ".join(written[edge]) in fillers:
            return count  # "no," needs its comma
    return 0


@cache
def _fillers(at_end: bool) -> frozenset[str]:
    known = language_words()
    templates = (*(known.after if at_end else known.before), *known.comments)
    return frozenset(in_full(text) for template in templates for text in spellings(template))


def _split_at_colon(line: str) -> tuple[str, str, str]:
    match = _COLON.search(line)
    if match is None:
        return line, "", ""
    return _without_edges(line[: match.start()]), ":", line[match.end() :]


def _is_verse(lines: Sequence[str]) -> bool:
    """Lines that end in no sentence."""
    short = [
        line
        for line in lines
        if 2 <= len(line.split()) <= _MOST_VERSE_WORDS
        and not line.endswith((".", "!", "?", ":"))
        and not _BULLET.match(line)
    ]
    return len(lines) >= _VERSE_LINES and len(short) >= 0.75 * len(lines)


@cache
def _table(heading: str) -> Table[None]:
    """The templates of a heading of `languages.toml`."""
    templates: tuple[str, ...] = getattr(language_words(), heading)
    return table_of(templates)
