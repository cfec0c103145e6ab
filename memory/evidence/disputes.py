"""Facts that contradict each other, laid out for a question."""

from collections.abc import Iterable, Sequence

from memory.records import Contradiction
from memory.text.characters import one_line
from memory.text.dates import short_day
from memory.text.tokens import trim
from memory.text.word_forms import forms_of, is_among, telling_words
from memory.text.words import words

# Words of a question that ask without saying what for.
_ASKING = frozenset(
    words("ever when what which who where how often many much long year day date time exactly tell")
)
_LEAST_TOUCHED = 0.5  # of a question's words, in a pair that is shown with it
_MOST_SHOWN = 3


def touched(
    question: str, pairs: Sequence[Contradiction], askers: Iterable[str] = ()
) -> list[Contradiction]:
    """The pairs that a question may be about; pairs with most of its words come first."""
    shares = {
        number: _share(question, pair, askers)
        for number, pair in enumerate(pairs)
        if _is_about(question, pair, askers)
    }
    ranked = sorted(shares, key=lambda number: -shares[number])
    return [pairs[number] for number in ranked if shares[number] >= _LEAST_TOUCHED][:_MOST_SHOWN]


def pair_line(pair: Contradiction, tokens: int) -> str:
    """`[3] (1 Feb 2024) Anna | never: flown <-> [9] (3 Feb 2024) Anna | travelled_to: Rome ...`.

    Each fact takes at most this many tokens.
    """
    sides = []
    for fact, said_at in zip(pair.facts, pair.said_at, strict=True):
        day = f"(said {short_day(said_at)}) " if said_at else ""
        happened = f" (happened {fact.happened_on})" if fact.happened_on else ""
        told = f"{day}{fact.subject} | {fact.attribute}: {fact.value}{happened}"
        sides.append(trim(f"[{fact.turn_id}] {one_line(told)}", tokens))
    return " <-> ".join(sides)


def _is_about(question: str, pair: Contradiction, askers: Iterable[str]) -> bool:
    """Whether a question names a pair's subject, its asker is the subject, or no asker is known."""
    subjects = {fact.subject.casefold() for fact in pair.facts}
    names = [name for name in askers if name]
    if subjects & {name.casefold() for name in names} or not names:
        return True
    return any({*words(subject)} <= {*words(question)} for subject in subjects)


def _share(question: str, pair: Contradiction, askers: Iterable[str]) -> float:
    """The share of a question's telling words that a pair contains."""
    names = {word for name in askers for word in words(name)}
    names |= {word for fact in pair.facts for word in words(fact.subject)}
    sought = [word for word in telling_words(question) if word not in names | _ASKING]
    pair_words = {
        word
        for fact in pair.facts
        for word in words(f"{fact.attribute} {fact.value}".replace("_", " "))
    }
    pair_forms = forms_of(pair_words)
    covered = sum(is_among(word, pair_forms) for word in sought)
    return covered / len(sought) if sought else 0.0
