"""Standing answers: questions kept with their answers, made anew when what they rest on changes.

A model makes them; to read them takes none.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

from memory.errors import InputError
from memory.records import Answer, StandingAnswer, Turn
from memory.search.answer_kinds import asks_for_story
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.speakers import is_assistant
from memory.store import Store
from memory.store.points_in_time import now
from memory.tokens import line_tokens, trim

ANSWER_TOKENS = 300
SHOWN_HEAD = "Answers kept in memory:"
# Of a prompt: at most this many, in this share of its budget.
_MOST_SHOWN, _SHOWN_TOKENS, _SHARE_OF_BUDGET = 2, 250, 4
_TURNS_READ, _FACTS_READ = 500, 200  # the newest, for what is new about a question
_PROFILE = re.compile(
    r"^\W*(?:what (?:is|are|was)|what's|who (?:is|are|was)|who's|tell me about|describe"
    r"|what do (?:you|we|i) know (?:about|of)|(?:a )?profile of|everything about) "
    r"(?P<name>(?-i:[^\W\d_a-z])[\w'\u2019-]*(?: (?-i:[^\W\d_a-z])[\w'\u2019-]*){0,3}?)(?:'s)?"
    r"(?: like| as a person)?\W*$",
    re.IGNORECASE,
)


def profile_of(name: str) -> str:
    """The question whose answer is a person's profile."""
    return f"What is {name} like?"


def person_asked_for(question: str) -> str:
    """The name in a question for a person as a whole ("What is Anna like?"); else ""."""
    match = _PROFILE.match(question)
    return match["name"] if match else ""


def people(store: Store) -> list[str]:
    """Who spoke most, whom a profile may be kept of; assistants and tools are left out."""
    rows = store.read(
        "SELECT speaker, COUNT(*) AS turns FROM turns WHERE kind = 'message'"
        " GROUP BY speaker ORDER BY turns DESC, speaker LIMIT 50"
    ).rows
    characters = {str(setting.value).casefold() for setting in store.settings("character")}
    return [
        speaker
        for speaker, _ in rows
        if speaker.casefold() not in characters
        and not is_assistant(speaker)
        and person_asked_for(profile_of(speaker))
    ]


def standing_answers(store: Store) -> list[StandingAnswer]:
    """The standing answers of a memory, by question; `stale` says what happened since. No model.

    Stale is one whose cited facts have changed, and one of which newer turns, or facts of newer
    turns, have the words.
    """
    return _with_staleness(store, store.answers())


def _with_staleness(store: Store, answers: Sequence[StandingAnswer]) -> list[StandingAnswer]:
    if not answers:
        return []
    last, _ = store.newest()
    first = min(answer.last_turn for answer in answers) + 1
    turns = store.turns(max(first, last - _TURNS_READ + 1)) if first <= last else []
    words = {turn.id: forms_of(telling_words(turn.text)) for turn in turns}
    of_facts = _words_of_facts(store, [turn.id for turn in turns])
    return [_checked(answer, turns, words, of_facts) for answer in answers]


def _checked(
    answer: StandingAnswer,
    turns: Sequence[Turn],
    words: dict[int, set[str]],
    of_facts: dict[int, set[str]],
) -> StandingAnswer:
    if not answer.text:
        return replace(answer, stale="not answered yet")
    if answer.stale:
        return answer
    newer = [
        turn
        for turn in turns
        if turn.id > answer.last_turn
        and _speaks_of(answer.question, words[turn.id], of_facts.get(turn.id, set()))
    ]
    if not newer:
        return answer
    dates = sorted(turn.said_at[:10] for turn in newer if turn.said_at)
    since = f" since {dates[0]}" if dates else ""
    number = f"{len(newer)} newer turns speak" if len(newer) > 1 else "a newer turn speaks"
    return replace(answer, stale=f"{number} of it{since}")


def _speaks_of(question: str, words: Collection[str], of_facts: Collection[str]) -> bool:
    """Whether words, with those of facts, are of what a question asks for.

    More than half of its own words. Of a person as a whole, the name in a fact: not each message
    that a person writes tells of them.
    """
    if name := person_asked_for(question):
        return all(is_among(word, of_facts) for word in telling_words(name))
    own_words = telling_words(question)
    share = sum(is_among(word, words) or is_among(word, of_facts) for word in own_words)
    return share > len(own_words) / 2 or (asks_for_story(question) and 2 * share == len(own_words))


def _words_of_facts(store: Store, turn_ids: Sequence[int]) -> dict[int, set[str]]:
    """The forms of the words of each turn's facts."""
    words: dict[int, set[str]] = {}
    if not turn_ids:
        return words
    rows = store.read(
        "SELECT turn_id, subject, entity, attribute, value FROM facts"
        f" WHERE turn_id >= {min(turn_ids)} ORDER BY id DESC LIMIT {_FACTS_READ}"
    ).rows
    for turn_id, *texts in rows:
        text = " ".join(text or "" for text in texts).replace("_", " ")
        words.setdefault(turn_id, set()).update(forms_of(telling_words(text)))
    return words


def answers_for(store: Store, message: str, budget: int | None = None) -> list[StandingAnswer]:
    """The standing answers whose question a message touches, the nearest first."""
    forms = forms_of(telling_words(message))
    ranked = []
    for answer in store.answers():
        own_words = telling_words(person_asked_for(answer.question) or answer.question)
        share = sum(is_among(word, forms) for word in own_words) / max(len(own_words), 1)
        if answer.text and (share > 0.5 or (share == 0.5 and asks_for_story(answer.question))):
            ranked.append((share, answer))
    ranked.sort(key=lambda pair: -pair[0])
    tokens = _SHOWN_TOKENS if budget is None else min(_SHOWN_TOKENS, budget // _SHARE_OF_BUDGET)
    tokens -= line_tokens(SHOWN_HEAD)
    chosen = []
    # Most messages touch no question: what is new is read for those that do.
    for answer in _with_staleness(store, [answer for _, answer in ranked[:_MOST_SHOWN]]):
        if (size := line_tokens(answer_line(answer))) <= tokens:
            tokens -= size
            chosen.append(answer)
    return chosen


def answers_block(answers: Sequence[StandingAnswer]) -> str:
    """Answers as lines of a prompt under their heading; "" for none."""
    return "\n".join([SHOWN_HEAD, *map(answer_line, answers)]) if answers else ""


def answer_line(answer: StandingAnswer) -> str:
    """`What is Anna like? (as of 2024-05-03; a newer turn speaks of it) She ... [12, 31]`."""
    stale = f"; {answer.stale}" if answer.stale else ""
    turns = f" {list(answer.turns)}" if answer.turns else ""
    text = "; ".join(" ".join(line.split()) for line in answer.text.splitlines())
    return f"{answer.question} (as of {answer.answered_at[:10]}{stale}) {text}{turns}"


def made_answer(
    store: Store,
    question: str,
    asker: str,
    *,
    model: str,
    ask: Callable[[str], Answer],
) -> StandingAnswer:
    """A question's answer of now, not yet kept."""
    question = " ".join(question.split())
    if not question:
        raise InputError("the question is empty")
    last_turn, last_change = store.newest()
    fresh = StandingAnswer(
        question,
        asker=asker,
        model=model,
        answered_at=now(),
        last_turn=last_turn,
        last_change=last_change,
    )
    answer = ask(question)
    text = trim(answer.text.strip(), ANSWER_TOKENS)
    return replace(fresh, text=text, turns=answer.turns, seen=answer.shown)
