"""Whether noted facts may decide: those that rules read in plain sentences are few.

A list or a count of half of them is wrong, and so is a state that a later turn has replaced in
words that no rule reads. Such facts decide only where no other turn speaks of the same; facts by a
person or by a model's digest decide without this.
"""

import sys
from collections.abc import Callable, Collection, Sequence

from memory.program.fact_questions import FactQuestion
from memory.program.fact_select import LIGHT_WORDS, DatedFact
from memory.program.fact_words import all_forms, are_forms, root_of
from memory.program.messages import is_evidence
from memory.records import Rows, Turn
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.sql import quoted
from memory.statements import stated

# Of these an item that is missing makes the answer wrong.
_OF_ALL = ("list", "count", "first", "last", "change")
_ASKS_SEVERAL = r"^\W*(?:what|which)(?: \w+)? \w+[^\Ws]s (?:has|have|did|does|do)\b"
_LASTS = r"\b(?:has|have) [^?]*\bbeen \w+ing\b"  # "How long has she been learning Greek?"
_MOST_WORDS = 6
_MOST_TURNS = 200
_AGE_MONTHS = 10  # after which an age that somebody told is likely to be past


def are_complete(
    question: FactQuestion,
    facts: Sequence[DatedFact],
    sources: Sequence[DatedFact],
    *,
    read: Callable[[str], Rows],
    by_rules: Collection[int],
    today: str,
) -> bool:
    """Whether the facts about a question may decide it.

    Arguments:
        question: the question.
        facts: all facts about it.
        sources: those of them that an answer rests on.
        read: runs a SELECT.
        by_rules: the ids of those that rules have noted.
        today: the day of the question (ISO).
    """
    if not by_rules:
        return True
    decisive = facts if question.kind in _OF_ALL else sources
    if any(fact.id not in by_rules for fact in decisive):
        return True  # what a person has stored, corrected or ended decides
    if not sources:
        return False  # "0": nothing was read, which says little
    if len(sources) == 1 and question.kind == "list" and question.says(_ASKS_SEVERAL):
        return False  # "Which pets has Anna had?" of one who has told of one
    if sources[-1].attribute == "age":
        return _months_between(sources[-1].day, today) < _AGE_MONTHS
    lasts = question.says(_LASTS)
    if question.kind == "how long" and question.is_past and not (lasts or sources[-1].ended_on):
        return False  # "How long did ...?" asks for what has an end
    is_over = all(fact.ended_on and fact.ended_on <= today for fact in sources)
    if is_over and not question.is_past and question.kind != "yes or no":
        return False  # what came after it may be told in other words
    if len(sources) == 1 and _is_settled(question, sources[0]):
        return True
    newest = max(fact.turn_id for fact in sources)
    if question.kind == "last" and not question.span:
        return not _another_speaks(question, facts, after=newest, read=read)
    if question.kind == "first" and not question.span:
        return not _another_speaks(question, facts, before=newest, read=read)
    is_about_all = question.kind in _OF_ALL or question.is_by_subject or bool(question.span)
    if is_about_all or len(sources) > 1:
        return not _another_speaks(question, facts, read=read)
    return not _another_speaks(question, facts, after=newest, read=read)


def are_part(
    question: FactQuestion, sources: Sequence[DatedFact], *, read: Callable[[str], Rows]
) -> bool:
    """Whether the one noted fact that there is may be told as a part of the list asked for."""
    is_one = len(sources) == 1 and question.kind == "list" and question.says(_ASKS_SEVERAL)
    is_of_now = is_one and not question.span and not sources[0].ended_on
    return is_of_now and not _another_speaks(question, sources, read=read)


def _is_settled(question: FactQuestion, fact: DatedFact) -> bool:
    """Whether nothing that was said before or after a fact changes what it answers.

    A state held until its end, whatever came then; and what somebody did stays done.
    """
    if question.kind in _OF_ALL:
        return False
    if question.span and fact.ended_on:
        return fact.day <= question.span[1] < fact.ended_on
    is_deed = bool(fact.date) and not fact.ended_on
    return question.kind == "yes or no" and question.is_past and not question.span and is_deed


def _another_speaks(
    question: FactQuestion,
    facts: Sequence[DatedFact],
    *,
    read: Callable[[str], Rows],
    after: int = 0,
    before: int = sys.maxsize,
) -> bool:
    """Whether a turn between two others, by or about the subjects, speaks of the same.

    Turns with one of the facts, and those that repeat them, do not count.
    """
    attribute_words = [
        word for fact in facts for word in telling_words(fact.attribute.replace("_", " "))
    ]
    topic_words = [
        word
        for word in dict.fromkeys((*question.telling, *attribute_words))
        if word not in LIGHT_WORDS and len(word) > 2
    ][:_MOST_WORDS]
    stems = dict.fromkeys(_stem(form) for word in topic_words for form in all_forms(word))
    if not stems:
        return False
    likes = " OR ".join(f"LOWER(text) LIKE {quoted(f'%{stem}%')}" for stem in stems)
    rows = read(
        f"SELECT id, speaker, text FROM turns WHERE {likes} ORDER BY id DESC LIMIT {_MOST_TURNS}"
    ).rows
    with_facts = {fact.turn_id for fact in facts}
    names = {word for fact in facts for word in words(fact.names)}
    forms = [form for word in topic_words for form in all_forms(word)]

    def speaks(speaker: str, text: str) -> bool:
        text_words = set(words(text))
        return (
            (question.is_by_subject or not names.isdisjoint((*words(speaker), *text_words)))
            and any(are_forms(form, word) for form in forms for word in text_words)
            and not _repeats(Turn(text=text, speaker=speaker), facts)
        )

    return any(
        after < turn_id < before
        and turn_id not in with_facts
        and is_evidence(text)
        and speaks(speaker, text)
        for *_, turn_id, speaker, text in rows
    )


def _repeats(turn: Turn, facts: Sequence[DatedFact]) -> bool:
    """Whether a turn states what facts hold already: the same is stored once."""
    attributes = {fact.attribute for fact in facts}
    values = {fact.value.casefold() for fact in facts}
    same = [statement for statement in stated(turn) if statement.attribute in attributes]
    return bool(same) and all(statement.value.casefold() in values for statement in same)


def _stem(word: str) -> str:
    """What the forms of a word begin with."""
    root = "".join(letter for letter in root_of(word) if letter.isascii() and letter.isalnum())
    return root[:-2] if len(root) > 6 else root


def _months_between(first: str, last: str) -> int:
    if len(first) < len("2025-01"):
        return _AGE_MONTHS
    return 12 * (int(last[:4]) - int(first[:4])) + int(last[5:7]) - int(first[5:7])
