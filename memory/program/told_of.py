"""Whether a sentence of a chat is said of the person who is asked about.

The question is known, so that a sentence may be taken which a rule for storing would leave: it
asks only whether what stands before a word ("sold", "moved out") may be that person.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from memory.dates import MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.answer_checks import PERSON, AskedFor, has_word
from memory.program.fact_questions import FactQuestion
from memory.program.fact_words import all_forms, are_forms, is_past_verb
from memory.program.spoken_days import spoken
from memory.records import Turn
from memory.search.word_forms import forms_of
from memory.search.words import words
from memory.statements.clause import tells_of_another
from memory.statements.word_lists import word_lists

_FIRST = re.compile(r"\b(?:i|we|me|my|us|our)\b", re.IGNORECASE)
_SECOND = re.compile(r"\byou\b", re.IGNORECASE)
_THIRD = re.compile(r"\b(?:he|she|they|him|her)\b", re.IGNORECASE)
_NAME = re.compile(r"(?<=[\w,;:] )(?P<name>[A-Z][a-z][\w-]*)")
_FIRST_NAME = re.compile(
    r"(?:^|[.!?\n] ?)\W*(?P<name>[A-Z][a-z][\w-]*)(?:(?P<short>'\w+)| (?P<next>[a-z]+)|)"
)
_ONLY_WORD = re.compile(r"\W*(?P<name>[A-Z][a-z][\w-]*)(?: (?:also|just|once|[a-z]+ly))*\s+")
_AUXILIARIES = frozenset(words("is was has had will can does did and says said"))
_ANYBODY = re.compile(rf"{_FIRST.pattern}|{_SECOND.pattern}|{_THIRD.pattern}", re.IGNORECASE)
# What one is without, or does no more, is told in other words.
_SAME = tuple(
    frozenset(group.split())
    for group in (
        "smoke smoked smoking smokes smoker cigarette cigarettes fag fags tobacco nicotine",
        "drink drank drinking drinks beer beers alcohol wine booze",
    )
)
_NO_NAMES = frozenset(
    words(
        "the and but so yes no ok oh well just also still never today yesterday actually we our my"
        " got moved finally then now it its that this they he she you right anyway sold left quit"
    )
)


# Whom a question asks about: "What is Milo allergic to?", "When did user have flu?".
_ASKED_OF = re.compile(
    r"\b(?:do|does|did|is|are|am|was|were|has|had|will|can|what's|when's|where's)"
    r" (?P<name>[^\W\d_][\w-]*)(?!'s)\b",
    re.IGNORECASE,
)
# Who may be the one of whom a clause tells: somebody's relative, a name, a pronoun.
_PERSON_BEFORE = re.compile(
    rf"\b(?:my|our|his|her|their) (?:\w+ )?{PERSON.pattern}|\b(?:I|we|my|our|you|he|she|they)\b"
    r"|(?<=[\w,;:] )(?-i:[A-Z][a-z][\w-]*)"
    r"|^\W*(?-i:[A-Z][a-z][\w-]*)(?='s\b| (?:is|was|has|had|[a-z]+ed|[a-z]+(?<!s)s)\b)",
    re.IGNORECASE,
)
_CLAUSE_START = re.compile(
    r"[,;:(]\s|\s-+\s|\b(?:and|but|so|because|since|as|while|though)\s", re.I
)


@dataclass(frozen=True)
class Person:
    """Whom a question is about: the words of a name, and who or what of theirs ("mother").

    `with_them` are further words of the question, which name nobody else: who lives with them.
    """

    name: frozenset[str]
    kin: str = ""
    with_them: frozenset[str] = frozenset()


@dataclass(frozen=True)
class SaidSentence:
    """A sentence of a turn, what stands in it before the word in question, and what was before."""

    turn: Turn
    sentence: str
    lead: str
    earlier: Sequence[str]  # sentences of the same turn
    before: Sequence[Turn]  # the turns right before it in its session


def is_told_of(person: Person, spoken_sentence: SaidSentence) -> bool:
    """Whether a sentence is said of a person, by themselves or of them."""
    speaker = set(words(spoken_sentence.turn.speaker))
    is_own = person.name <= speaker
    if person.kin:
        has_kin = person.kin in words(
            " ".join((*spoken_sentence.earlier[-1:], spoken_sentence.sentence))
        )
        return has_kin and (is_own or person.name <= set(words(spoken_sentence.sentence)))
    if person.name <= set(words(spoken_sentence.lead)):
        return True
    named = names_in(spoken_sentence.lead)
    if is_own:
        if named - speaker - person.with_them and not _FIRST.search(spoken_sentence.lead):
            return False
        pronouns = [*_ANYBODY.finditer(spoken_sentence.lead)]
        if not pronouns:
            return True
        if re.fullmatch("my|our", pronouns[-1][0], re.IGNORECASE):
            # "My brother sold" tells of him, "my last day" of oneself.
            return not set(words(spoken_sentence.lead[pronouns[-1].end() :])) - person.with_them
        return bool(_FIRST.fullmatch(pronouns[-1][0]))
    if _SECOND.search(spoken_sentence.lead):
        return bool(spoken_sentence.before) and person.name <= set(
            words(spoken_sentence.before[-1].speaker)
        )
    if _THIRD.search(spoken_sentence.lead) and not named:
        texts = [*(turn.text for turn in spoken_sentence.before[-1:]), *spoken_sentence.earlier]
        people = {name for text in texts for name in names_in(text)}
        is_named = person.name <= {word for text in texts for word in words(text)}
        return is_named and not people - person.name - speaker - person.with_them
    return False


def is_told_of_others(question: AskedFor, answer: str, turns: Sequence[Turn]) -> bool:
    """Whether what turns tell is said of others than whom a question asks about, wherever it is.

    "Theo had whooping cough", said by Anna, answers nothing about Anna. The sentences that count
    have a word of the question, and one of the answer where some have both.
    """
    match = _ASKED_OF.search(question.text)
    speakers = {word for turn in turns for word in words(turn.speaker)}
    if match is None or not (match["name"][0].isupper() or match["name"].lower() in speakers):
        return False
    name = match["name"].lower()
    passages = [
        SaidSentence(turn, sentence, _clause_before(sentence, position), earlier, ())
        for turn in turns
        for earlier, sentence in _with_those_before(turn.text)
        if (position := _first_met(question.telling, sentence)) is not None
    ]
    of_answer = set(words(answer))
    tellings = [
        passage for passage in passages if of_answer & set(words(passage.sentence))
    ] or passages
    return bool(tellings) and all(_is_of_another(name, sentence) for sentence in tellings)


def _is_of_another(name: str, passage: SaidSentence) -> bool:
    """Whether the clause before a word names somebody else as the one it is said of."""
    if name in words(passage.lead):
        return False
    people = [
        match
        for match in _PERSON_BEFORE.finditer(passage.lead)
        if _ANYBODY.fullmatch(match[0].strip()) or not _is_no_name(match[0].strip().lower())
    ]
    # "Theo" of "Theo broke his wrist"
    first = next((name for name in names_in(passage.lead) if not _is_no_name(name)), "")
    last = people[-1][0].strip() if people else first.capitalize()
    # "Friends helped me move" tells of me.
    behind = passage.lead[people[-1].end() :] if people else ""
    is_first = bool(_FIRST.fullmatch(last) or _FIRST.search(behind))
    if name in words(passage.turn.speaker):
        # "They put my tooth back to Friday": who they are is not said.
        is_nobody = last.lower() == "they" or bool(_SECOND.fullmatch(last))
        return (bool(last) and not is_first and not is_nobody) or tells_of_another(passage.sentence)
    if not is_first:
        return last[:1].isupper() and not _ANYBODY.fullmatch(last)
    return name not in words(passage.sentence)


def _is_no_name(word: str) -> bool:
    """Whether a word has a capital for another reason: a day, or what begins sentences."""
    return word in (*MONTHS, *WEEKDAYS, "it") or word in word_lists().no_names


def _with_those_before(text: str) -> Iterator[tuple[Sequence[str], str]]:
    parts = sentences(text)
    for number, sentence in enumerate(parts):
        yield parts[:number], sentence


def _first_met(telling: Sequence[str], sentence: str) -> int | None:
    """Where the first word stands that a question has too, in any form."""
    said = [*re.finditer(r"[\w'-]+", sentence)]
    same = (
        match.start()
        for match in said
        if any(are_forms(word, match[0].lower()) for word in telling)
    )
    alike = (
        match.start()
        for match in said
        if any(has_word(word, forms_of(words(match[0]))) for word in telling)
    )
    # "Brother" begins as "broke" does: what begins alike counts where no form stands.
    return next(chain(same, alike), None)


def _clause_before(sentence: str, position: int) -> str:
    """What stands before a word in its clause; in the sentence, where its clause begins with it."""
    before = sentence[:position]
    start = max((match.end() for match in _CLAUSE_START.finditer(before)), default=0)
    return before[start:] if before[start:].strip() else before


def after_pronouns(lead: str) -> str:
    """The words behind the last pronoun, of which something may be said: "the van" of "the van"."""
    pronouns = [*_ANYBODY.finditer(lead)]
    return lead[pronouns[-1].end() :] if pronouns else lead


def names_in(text: str) -> set[str]:
    """The words of a text that may be names, in small letters."""
    names = {match["name"].lower() for match in _NAME.finditer(text)}
    # The first word of a sentence is one where a verb follows: "Nora came", not "Twelve girls".
    names |= {
        match["name"].lower()
        for match in _FIRST_NAME.finditer(text)
        if match["short"] or match["next"] in _AUXILIARIES or is_past_verb(match["next"] or "")
    }
    # So is the only word before a verb.
    if (alone := _ONLY_WORD.fullmatch(text)) and not alone["name"].endswith("ly"):
        names.add(alone["name"].lower())
    return names - _NO_NAMES


def words_of_person(question: FactQuestion) -> frozenset[str]:
    """The words that say whom a question is about: "emeka" and "mother" of "Emeka's mother"."""
    return frozenset(words(" ".join(question.names[0]))) if question.names else frozenset()


def forms_of_thing(word: str) -> frozenset[str]:
    """The forms of a word, and other words for the same habit."""
    same = next((group for group in _SAME if word in group), frozenset[str]())
    return frozenset(all_forms(word)) | same


def quoted_of(turn: Turn, sentence: str) -> str:
    """A sentence of a turn with who said it and when."""
    day = named_day(turn.said_at)
    when = f", {spoken(day)}" if day else ""
    return f"{turn.speaker}{when}: \u201c{sentence.strip()}\u201d"
