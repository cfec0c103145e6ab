"""What a refining episode took from a memory: facts told before that no fact tells now."""

from memory import Fact
from memory.refine import FactSet
from memory.text import forms_of, is_among, telling_words


def lost_share(before: FactSet, after: FactSet) -> float:
    """The mean share of a fact that is no longer told, 0 to 1; 0 without facts.

    Facts of the same turns tell a fact as far as together they have its words (a split, a merge, an
    update), and so does another fact about its subject with all of them (a duplicate). A fact that
    ended still exists.
    """
    if not before.facts:
        return 0.0
    lost = 0.0
    for id_, fact in before.facts.items():
        if after.facts.get(id_) == fact:
            continue
        sources = before.turn_ids[id_]
        of_its_turns = [
            _text(remaining)
            for id_, remaining in after.facts.items()
            if after.turn_ids[id_] & sources
        ]
        of_its_subject = [
            _text(remaining)
            for remaining in after.facts.values()
            if remaining.subject.casefold() == fact.subject.casefold()
        ]
        if not any(_share_covered(fact, text) == 1 for text in of_its_subject):
            lost += 1 - _share_covered(fact, " ".join(of_its_turns))
    return lost / len(before.facts)


def _text(fact: Fact) -> str:
    return f"{fact.subject} {fact.attribute.replace('_', ' ')} {fact.value}"


def _share_covered(fact: Fact, text: str) -> float:
    value_words = telling_words(fact.value)
    # Every fact about a subject has its name.
    value_words = telling_words(fact.value, telling_words(fact.subject)) or value_words
    forms = forms_of(telling_words(text))
    number = sum(is_among(word, forms) for word in value_words)
    return number / len(value_words) if value_words else 1.0
