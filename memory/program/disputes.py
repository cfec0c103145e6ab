"""Facts that contradict each other, as they are shown with a question and as they answer it."""

from collections.abc import Iterable, Sequence

from memory.program.fact_words import are_forms
from memory.prompt import short_day, spoken_date
from memory.records import Contradiction, Fact
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.tokens import trim

# Words of a question that ask, and say nothing of what is asked for.
_ASKING = frozenset(
    words("ever when what which who where how often many much long year day date time exactly tell")
)
_LEAST_TOUCHED = 0.5  # of a question's words, in a pair that is shown with it
_MOST_SHOWN = 3


def touched(
    question: str, pairs: Sequence[Contradiction], askers: Iterable[str] = ()
) -> list[Contradiction]:
    """The pairs that a question may be about, those with most of its words first."""
    shares = {
        number: _share(question, pair, askers)
        for number, pair in enumerate(pairs)
        if _is_about(question, pair, askers)
    }
    ranked = sorted(shares, key=lambda number: -shares[number])
    return [pairs[number] for number in ranked if shares[number] >= _LEAST_TOUCHED][:_MOST_SHOWN]


def disputed(
    question: str, fact_ids: Sequence[int], pairs: Sequence[Contradiction], asker: str = ""
) -> Contradiction | None:
    """The pair that decides a question: one of its facts answers, or it has all words asked for.

    Arguments:
        question: in the third person.
        fact_ids: those of the facts that answer; none where facts do not decide.
        pairs: those that nobody has settled.
        asker: who asks.
    """
    for pair in pairs:
        if {*fact_ids} & {fact.id for fact in pair.facts}:
            return pair
    if fact_ids:
        return None
    whole = [
        pair
        for pair in pairs
        if _is_about(question, pair, [asker]) and _share(question, pair, [asker]) == 1
    ]
    return whole[0] if len(whole) == 1 else None


def question_of_pair(pair: Contradiction) -> str:
    """What is asked where a pair decides: both facts with their dates, and which is right."""
    first, second = (
        _told(fact, said_at) for fact, said_at in zip(pair.facts, pair.said_at, strict=True)
    )
    return f"I have two answers that cannot both be true: {first}, and {second}. Which is right?"


def pair_line(pair: Contradiction, tokens: int) -> str:
    """`[3] (1 Feb 2024) Anna | never: flown <-> [9] (3 Feb 2024) Anna | travelled_to: Rome ...`.

    Each fact takes at most so many tokens.
    """
    sides = []
    for fact, said_at in zip(pair.facts, pair.said_at, strict=True):
        day = f"(said {short_day(said_at)}) " if said_at else ""
        happened = f" (happened {fact.happened_on})" if fact.happened_on else ""
        value = " ".join(fact.value.split())
        told = f"[{fact.turn_id}] {day}{fact.subject} | {fact.attribute}: {value}{happened}"
        sides.append(trim(told, tokens))
    return " <-> ".join(sides)


def _told(fact: Fact, said_at: str) -> str:
    """`Anna travelled to Rome (May 2023), said on 3 Feb 2024`."""
    happened = f" ({_spoken(fact.happened_on)})" if fact.happened_on else ""
    day = f", said on {short_day(said_at)}" if said_at else ""
    return f"{statement_of(fact)}{happened}{day}"


def statement_of(fact: Fact) -> str:
    """`Anna has never flown`, `Anna travelled to Rome`."""
    value = " ".join(fact.value.split())
    if fact.attribute == "never":
        return f"{fact.subject} has never {value}"
    if fact.attribute in ("birthday", "maiden_name", "blood_type"):
        return f"{fact.subject}'s {fact.attribute.replace('_', ' ')} is {value}"
    return f"{fact.subject} {fact.attribute.replace('_', ' ')} {value}"


def _spoken(date: str) -> str:
    first, _, last = date.partition("/")
    days = [
        short_day(day) if len(day) == len("2023-05-07") else spoken_date(day)
        for day in (first, last)
    ]
    return " to ".join(filter(None, days))


def _is_about(question: str, pair: Contradiction, askers: Iterable[str]) -> bool:
    """Whether a question names the subject of a pair, or its asker is the subject, or nobody is."""
    subjects = {fact.subject.casefold() for fact in pair.facts}
    names = [name for name in askers if name]
    if subjects & {name.casefold() for name in names} or not names:
        return True
    return any({*words(subject)} <= {*words(question)} for subject in subjects)


def _share(question: str, pair: Contradiction, askers: Iterable[str]) -> float:
    """The share of what a question asks for that a pair has words of."""
    names = {word for name in askers for word in words(name)}
    names |= {word for fact in pair.facts for word in words(fact.subject)}
    sought = [word for word in telling_words(question) if word not in names | _ASKING]
    pair_words = {
        word
        for fact in pair.facts
        for word in words(f"{fact.attribute} {fact.value}".replace("_", " "))
    }
    covered = sum(any(are_forms(word, pair_word) for pair_word in pair_words) for word in sought)
    return covered / len(sought) if sought else 0.0
