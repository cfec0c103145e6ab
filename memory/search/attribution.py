"""Attribution: whether the person a question names said the answer, or somebody else did."""

import re
from collections.abc import Callable, Sequence

from memory.records import Hit, Turn
from memory.search.word_forms import telling_words
from memory.search.words import words

# How much higher another speaker's turn must score. On LoCoMo's seven conversations this doubts
# 41 % of the questions about what another person said and 3 % of all others; of the answerable
# questions about our chats, 0 to 8 % (docs/decisions.md, 46).
_LEAST_LEAD = 1.0

# Turns in the first person only: without this condition, more of the answerable questions about
# our chats were doubted.
_OF_ONESELF = re.compile(r"\b(?:I|my|me|mine|we|our|us)\b", re.IGNORECASE)
# Verbs that things share with people: a site goes live, a printer works, mould lives on a wall.
_SHARED_VERB = re.compile(
    r"\b(?:liv(?:e|es|ed|ing)|work(?:s|ed|ing)?|runs?|running)\b", re.IGNORECASE
)
_PERSON_DOES = re.compile(
    r"\b(?:I|we|I'm|we're|I've|we've)(?: \w+){0,2} (?:liv(?:e|ed|ing)|work(?:ed|ing)?|run|ran"
    r"|running)\b",
    re.IGNORECASE,
)
# "Where does Anna work?", "What is Anna?", "What is Anna's job?": not "What is Anna's dog called?".
_PERSON = r"[A-Z][\w-]+(?: [A-Z][\w-]+)?(?!['\u2019\w-])"
_ASKS_OF_PERSON = re.compile(
    r"^\W*(?i:(?:so|and|but) )?(?:"
    rf"(?i:where)(?i:'s| is| are| do| does| has| have) {_PERSON}(?: [\w-]+){{0,3}}\W*$"
    rf"|(?i:where)(?i: was| were| did| had) {_PERSON}[^?]*\b(?i:liv(?:e|ed|ing)|work(?:ed|ing)?)\b"
    rf"|(?i:what)(?i:'s| is| was) {_PERSON}(?i: now| by trade| by profession)?\W*$"
    rf"|(?i:what)(?i: do| does| did) {_PERSON} (?i:do|work as)"
    r"(?i: now| for a living| for work)?\W*$"
    r"|(?i:what|where)(?i:'s| is| was) [^?]*['\u2019]s (?i:current |new |old )?"
    r"(?i:job|work|occupation|profession|trade|address|home|house|flat|employer|workplace)\W*$)"
)
_NOW = frozenset(("now", "currently", "today", "still"))


def is_told_by_another(
    hits: Sequence[Hit],
    turns_by_id: Callable[[Sequence[int]], Sequence[Turn]],
    question: str = "",
) -> bool:
    """Whether somebody other than the person a question names said what fits it best.

    Compares the best turn by the named person with the best first-person turn by anybody else. The
    scores leave out the speaker feature. `turns_by_id` reads all turns in one call. With the
    `question`, a turn does not count that names a person of it, or has its verb in another sense.
    """
    by_named = [hit for hit in hits if is_by_named(hit)]
    if not by_named:
        return False
    least = max(map(_fit, by_named)) + _LEAST_LEAD
    better = [hit.turn_id for hit in hits if not is_by_named(hit) and _fit(hit) >= least]
    if not better:
        return False
    [of_named, *others] = turns_by_id([by_named[0].turn_id, *better])
    name = set(words(of_named.speaker))
    # "Elena moved to Porto, I miss her" is told of Elena.
    return any(
        _OF_ONESELF.search(turn.text)
        and name.isdisjoint(words(turn.text))
        and not _has_verb_of_thing(turn.text, question)
        for turn in others
    )


def nearest_by_named(
    hits: Sequence[Hit], turns_by_id: Callable[[Sequence[int]], Sequence[Turn]], question: str
) -> Turn | None:
    """The best turn by the person of whom a question asks where or what they are; None of none.

    A turn that has such a verb of a thing comes last: "The printer works again".
    """
    if not _ASKS_OF_PERSON.search(question):
        return None
    by_named = [hit for hit in hits if is_by_named(hit)]
    by_id = {turn.id: turn for turn in turns_by_id([hit.turn_id for hit in by_named])}
    turns = [by_id[hit.turn_id] for hit in by_named if hit.turn_id in by_id]
    return min(
        (turn for turn in turns if turn.kind == "message" and not turn.text.endswith("?")),
        key=lambda turn: _is_of_thing(turn.text),
        default=None,
    )


def _has_verb_of_thing(text: str, question: str) -> bool:
    """Whether a text has the verb of a question, as "live" or "work", of no person.

    "The printer works again, tell my boss" raises no doubt about "Where does Anna work?", whose
    only telling word beside the name is that verb.
    """
    verb = _SHARED_VERB.search(question)
    names = {name.lower() for name in re.findall(r"[A-Z][\w-]*", question)}
    if not verb or telling_words(question, names | _NOW) != [verb[0].lower()]:
        return False
    return _is_of_thing(text)


def _is_of_thing(text: str) -> bool:
    return bool(_SHARED_VERB.search(text)) and not _PERSON_DOES.search(text)


def is_by_named(hit: Hit) -> bool:
    """Whether the question that found this turn names its speaker."""
    return hit.shares["speaker"] > 0


def _fit(hit: Hit) -> float:
    return hit.score - hit.shares["speaker"]
