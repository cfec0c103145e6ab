"""The sentence that decides a question, quoted with who said it and when, and how sure that is.

Weights are learnt: which of the best turns' sentences answers and how often the best one does
(`python -m tests.benchmarks.deciding_sentences`), and how often what the packaged model says is
right.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from memory.dates import COUNT, named_day, resolve_dates
from memory.program.answer_checks import AskedFor, tells_what_came_after
from memory.program.grounding import is_question, suits
from memory.program.sentence_features import Sentence
from memory.program.spoken_days import days_in, spoken
from memory.program.told_days import places_named
from memory.program.told_of import is_told_of_others
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words

# Quoted from this likelihood on. Left out by chat, .7 of what is quoted from .5 on is right.
LEAST_QUOTED = 0.55
LEAST_QUOTED_DAY = 0.45
# Of 1,172 questions of everyday chats 10 of 11 sentences from .4 to .55 for a person are right, and
# half of the others. A number before what is counted is right in 4 of 4 from .25 on, the only
# length of time in 4 of 5 from .35 on (docs/log.md).
LEAST_QUOTED_PERSON = 0.4
LEAST_QUOTED_COUNT = 0.25
LEAST_QUOTED_LENGTH = 0.35
# What the packaged model says counts from this likelihood on. Of what is true now, or was at a time
# that the question names, it tells what some turn says: there it has to be surer.
LEAST_SAID = 0.25
LEAST_SAID_OF_A_TIME = 0.35
# Of 1,101 questions of everyday chats, of persons 5 are right and 11 wrong, 3 and 4 from .45 on, of
# places 9 and 9, 6 and 1; of money 4 and 12, all those from .45 to .6 wrong: it was corrected.
LEAST_SAID_OF_KIND = {"person": 0.45, "place": 0.45}
LEAST_SAID_OF_MONEY = 0.6
# One sentence answers these; not a list, a count, a length, yes or no.
_QUOTED_KINDS = ("date", "person", "place", "amount", "age", "value")
_OF_SEVERAL = r"\b(?:changed?|first|last|latest|earliest|all|both|each|every|why)\b"
_NOT_ONE = re.compile(rf"{_OF_SEVERAL}|^\W*how (?!much|old|far)", re.I)
# How many there have been grows, and "included" and "by May" count what one sentence does not.
_NOT_COUNTED = re.compile(
    rf"{_OF_SEVERAL}|\b(?:has|have|altogether|in total|so far|includ\w+|except|by|until"
    r"|without)\b",
    re.IGNORECASE,
)
_UNTIL_THEN = re.compile(
    r"\b(?:so far|already|this (?:week|month|year)|will|going to|'ll|stays?|hopes?|maybe|at least"
    r"|more than|another|more)\b",
    re.IGNORECASE,
)
_NUMBER_WORDS = "|".join(word for word in COUNT if word not in ("a", "an"))
_NUMBER = (
    rf"(?<![\w.,:-])(?:\d+(?:[.,]\d+)?|{_NUMBER_WORDS}"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|hundred"
    r"|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)(?:-\w+)?)(?![\w:])"
)
_NUMBERED = re.compile(rf"(?P<number>{_NUMBER}) (?P<noun>(?:[\w'-]+ ?){{1,3}})", re.IGNORECASE)
_TIME_SPAN = re.compile(
    rf"{_NUMBER}(?: and a half)?[ -](?:minute|hour|day|night|week|fortnight|month|year)s?"
    r"(?: and a half)?\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(
    r"\bhow many (?P<noun>(?:\w+ ){0,3}?\w+?)(?= (?:do|does|did|is|are|was|were|had|will|can|in|of"
    r"|to|on|at|from|for|with|there|\w+ed)\b|\?|$)",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"\b(?:wants?|wanted|needs?|would|might|if|maybe|perhaps|hop(?:e|es|ing)|wish|almost|nearly)\b",
    re.IGNORECASE,
)
_ASKS_AHEAD = re.compile(
    r"\W*(?:when(?:'s| is| are| does| do| will)"
    r"|(?:on )?(?:what|which) (?:day|date) (?:is|do|does|will))\b"
    r"(?!.*\b(?:birthday|born)\b)",
    re.IGNORECASE,
)
_OF_MONEY = re.compile(
    r"\b(?:costs?|pa(?:y|ys|id|ying)|sell|sold|spen[dt]|earns?|owes?|rent|price|charged?|worth|gets?|got"
    r"|money|salary|wages?)\b|[$\u00a3\u20ac]",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:since|in) ((?:19|20)\d\d)\b", re.IGNORECASE)
_NOW = re.compile(r"\b(?:now|currently|today|still)\b", re.IGNORECASE)
WEIGHTS_FILE = Path(__file__).with_name("sentence_weights.json")


@dataclass(frozen=True)
class Scored:
    """The best sentence, the features of how it stands out, and the likelihood that it answers."""

    sentence: Sentence
    values: Mapping[str, float]
    likelihood: float


@cache
def _weights() -> Mapping[str, Mapping[str, float]]:
    weights: dict[str, dict[str, float]] = json.loads(WEIGHTS_FILE.read_text("utf-8"))
    return weights


def best_sentence(sentences: Sequence[Sentence]) -> Scored | None:
    """The sentence that most likely answers; None of none."""
    if not sentences:
        return None
    weights = _weights()
    scores = [weighted(sentence.values, weights["sentence"]) for sentence in sentences]
    best = max(range(len(scores)), key=scores.__getitem__)
    values = {**sentences[best].values, **standing_out(scores, sentences, best)}
    return Scored(sentences[best], values, likelihood(values, weights["answers"]))


def standing_out(
    scores: Sequence[float], sentences: Sequence[Sentence], best: int
) -> dict[str, float]:
    """How far the best sentence is ahead of those of other turns, and its share of all."""
    turn = sentences[best].turn.id
    others = [
        score for score, sentence in zip(scores, sentences, strict=True) if sentence.turn.id != turn
    ]
    total = sum(math.exp(score - scores[best]) for score in scores)
    return {
        "lead": scores[best] - max(others, default=scores[best] - 3.0),
        "share": 1 / total,
        "score": scores[best],
    }


def weighted(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The sum of the features by their weights; one that is missing is 0."""
    return sum(weight * values.get(name, 0.0) for name, weight in weights.items())


def likelihood(values: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The logistic function of the weighted features; the weight of "always" is added."""
    return 1 / (1 + math.exp(-weighted({**values, "always": 1.0}, weights)))


def answer_values(text: str, logprobs: Any, best: Scored | None) -> dict[str, float]:
    """The features of what the packaged model said: how sure it was, and whether `best` says so.

    `logprobs` are those of its tokens, in OpenAI's form, where they are known.
    """
    tokens = logprobs.content if logprobs else []
    token_logprobs = [token.logprob for token in tokens] or [0.0]
    first = [other.logprob for other in tokens[0].top_logprobs] if tokens else []
    telling = telling_words(text)
    forms = (
        forms_of(words(resolve_dates(best.sentence.text, best.sentence.turn.said_at)))
        if best
        else set()
    )
    return {
        "lead_of_first": token_logprobs[0]
        - max((value for value in first if value != token_logprobs[0]), default=-9.0),
        "said_by_best": sum(is_among(word, forms) for word in telling) / max(len(telling), 1),
        "best_answers": best.likelihood if best else 0.0,
        "asks_date": best.values["asks_date"] if best else 0.0,
    }


def quotation(sentence: Sentence) -> str:
    """A sentence with who said it and when: `Anna, 3 March 2025: "We moved to Porto."`."""
    day = named_day(sentence.turn.said_at)
    when = f", {spoken(day)}" if day else ""
    return f"{sentence.turn.speaker}{when}: \u201c{sentence.text}\u201d"


def quoted_answer(question: AskedFor, best: Scored | None) -> str:
    """The best sentence as an answer, the day or year first where one is asked; "" if unsure."""
    if best is None:
        return ""
    text = best.sentence.text
    if tells_what_came_after(text, question):
        return ""
    if is_question(text):
        return ""
    if is_told_of_others(question, text, [best.sentence.turn]):
        return ""
    if question.kind == "length" and _is_elsewhere(text, question):
        return ""
    if question.kind in ("count", "length"):
        number = number_told(question, best)
        return f"{number} ({quotation(best.sentence)})" if number else ""
    if question.kind not in _QUOTED_KINDS or _NOT_ONE.search(question.text):
        return ""
    if question.kind != "date":
        if not suits(text, question.text):
            return ""  # "How much was the house?" by "We've signed for a house"
        least = LEAST_QUOTED_PERSON if question.kind == "person" else LEAST_QUOTED
        return quotation(best.sentence) if best.likelihood >= least else ""
    day = named_day(best.sentence.turn.said_at)
    if best.likelihood < LEAST_QUOTED_DAY or day is None:
        return ""
    if _WISH.search(text):
        return ""  # "she wants a tooth out" is not the day on which it was
    asks_past = not re.search(r"\b(?:will|is|are)\b", question.text, re.IGNORECASE)
    days = {told.day for told in days_in(text, day, asks_past)}
    if _ASKS_AHEAD.match(question.text) and any(told < day for told in days):
        return ""  # "When is the wedding?" asks for no day that had passed
    years = [] if _ASKS_AHEAD.match(question.text) else _YEAR.findall(text)
    dates = {spoken(day) for day in days} or {*years}
    return f"{dates.pop()} ({quotation(best.sentence)})" if len(dates) == 1 else ""


def _is_elsewhere(text: str, question: AskedFor) -> bool:
    """Whether a sentence names a place, and neither that nor any other of the question's.

    "I was six weeks in hospital" tells no length of work at the mill.
    """
    places, places_of_question = places_named(text), places_named(question.text)
    forms = forms_of(words(text))
    is_same = any(is_among(place, forms) for place in places_of_question)
    return bool(places and places_of_question) and not is_same


def is_dated_anew(question: AskedFor, best: Scored | None, cited: Sequence[int]) -> bool:
    """Whether the best sentence tells a day, and later than the turns that another one is of.

    What was put off is told again.
    """
    if question.kind != "date" or best is None or not cited:
        return False
    return best.sentence.turn.id > max(cited) and bool(quoted_answer(question, best))


def number_told(question: AskedFor, best: Scored) -> str:
    """The one number before what a question counts, or the one length of time; "" if unsure.

    "How many potatoes did Tunde plant?" by "I planted 14 potatoes": 14.
    """
    text = best.sentence.text
    if _NOT_COUNTED.search(question.text) or _UNTIL_THEN.search(text):
        return ""
    if question.kind == "length":
        lengths = _TIME_SPAN.findall(text)
        return lengths[0] if len(lengths) == 1 and best.likelihood >= LEAST_QUOTED_LENGTH else ""
    counted = _COUNTED.search(question.text)
    if counted is None or best.likelihood < LEAST_QUOTED_COUNT:
        return ""
    noun = words(counted["noun"])[-1]
    numbers = [
        match["number"]
        for match in _NUMBERED.finditer(text)
        if is_among(noun, forms_of(words(match["noun"])))
    ]
    return numbers[0] if len(numbers) == 1 else ""


def is_sure(text: str, logprobs: Any, question: AskedFor, best: Scored | None) -> bool:
    """Whether what the packaged model says is likely enough to be right.

    What a rule reads as yes or no ("Yes: I'm allergic to cats") is sure, whatever the model said.
    """
    if text.startswith(("Yes: ", "No: ")):
        return True
    is_of_a_time = question.is_bounded or _NOW.search(question.text)
    is_of_money = question.kind == "amount" and _OF_MONEY.search(question.text)
    least = max(
        LEAST_SAID_OF_A_TIME if is_of_a_time else LEAST_SAID,
        LEAST_SAID_OF_KIND.get(question.kind, 0.0),
        LEAST_SAID_OF_MONEY if is_of_money else 0.0,
    )
    return likelihood(answer_values(text, logprobs, best), _weights()["says"]) >= least
