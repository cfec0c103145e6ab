"""Turns in the order in which they are said: whom "she" means, and what a short answer answers."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from memory.records import Turn
from memory.statements.answers import as_sentence, last_question
from memory.statements.clause import person_name
from memory.statements.clauses import Telling, ToldPart
from memory.statements.extract import Told, told
from memory.statements.instructions import ASSISTANT
from memory.statements.references import (
    Context,
    context_of_question,
    is_person_name,
    people_mentioned,
)

_PRONOUN = re.compile(r"\b(?:he|she|his|her|him)\b", re.IGNORECASE)
_LONGEST_TEXT = 2_000  # characters
_REACTION = 4  # words: "oh nice"


@dataclass
class _Session:
    """What the turns of a session so far leave to the next."""

    context: Context = field(default_factory=Context)
    speaker: str = ""
    question: str = ""


class Conversation:
    """Reads turns in order, each with the one of its session before it.

    Arguments:
        speakers: the names of those who speak in the memory.
    """

    def __init__(self, speakers: Collection[str] = ()) -> None:
        self._speakers = tuple(speakers)
        self._sessions: dict[str, _Session] = {}

    def read(self, turn: Turn) -> Told:
        """What a turn tells, read after the turns before it."""
        session = self._sessions.setdefault(turn.session, _Session())
        before = self._context_before(turn)
        news = told(turn, self._speakers, before)
        if session.question and turn.speaker != session.speaker:
            news = self._with_answer(news, session.question, turn, before)
        self._remember(session, turn, news)
        return news

    def parts(self, turn: Turn) -> list[ToldPart]:
        """The parts of a turn with their clauses, read after the turns before it."""
        telling = Telling(turn.text[:_LONGEST_TEXT], self._speakers, self._context_before(turn))
        parts = [*telling.parts()]
        session = self._sessions.setdefault(turn.session, _Session())
        self._remember(session, turn, Told(context=telling.context))
        return parts

    def _context_before(self, turn: Turn) -> Context:
        """Who "he" and "she" may be at the beginning of a turn."""
        session = self._sessions.setdefault(turn.session, _Session())
        text = turn.text[:_LONGEST_TEXT]
        pronoun = _PRONOUN.search(text)
        leading = text[: pronoun.start()] if pronoun else ""
        if people_mentioned(leading, self._speakers) or turn.kind != "message":
            return Context()  # "he" may be somebody of this turn
        return Context(
            _as_own(session.context.he, turn.speaker), _as_own(session.context.she, turn.speaker)
        )

    def _with_answer(self, news: Told, question: str, turn: Turn, before: Context) -> Told:
        sentence = as_sentence(question, turn.text)
        if not sentence or ASSISTANT.fullmatch(turn.speaker.strip()):
            return news
        answer = told(replace(turn, text=sentence), self._speakers, before)
        known = {(fact.subject, fact.attribute) for fact in news.statements}
        more = [fact for fact in answer.statements if (fact.subject, fact.attribute) not in known]
        endings = dict.fromkeys((*news.endings, *answer.endings))
        return Told((*news.statements, *more), tuple(endings), news.context)

    def _remember(self, session: _Session, turn: Turn, news: Told) -> None:
        speaker = turn.speaker.strip()
        question = last_question(turn.text) if turn.kind == "message" else ""
        context = news.context
        if question:
            context = context_of_question(question, context, self._speakers)
        context = Context(
            _as_named(context.he, speaker, self._speakers),
            _as_named(context.she, speaker, self._speakers),
        )
        # Of two who were mentioned, nobody can tell which "he" is; further back it is rarely he.
        people = people_mentioned(turn.text[:_LONGEST_TEXT], self._speakers)
        is_reaction = len(turn.text.split()) <= _REACTION and not question
        goes_on = not people and (is_reaction or bool(_PRONOUN.search(turn.text)))
        session.context = context if len(people) == 1 or goes_on else Context()
        session.speaker, session.question = turn.speaker, question


def _as_own(person: str, speaker: str) -> str:
    """A person as the speaker of a turn calls them: "my cat" for Ana's own cat."""
    owner = f"{speaker.strip()}'s "
    return f"my {person.removeprefix(owner)}" if person.startswith(owner) else person


def _as_named(person: str, speaker: str, speakers: Collection[str]) -> str:
    """A person of one's turn as another's turn may mean them; no speaker, who would say "I"."""
    if person.startswith("your "):
        return f"my {person.removeprefix('your ')}"
    name = person_name(person, speaker)
    if "'s " in name:
        return name
    firsts = {name_of.split()[0] for name_of in speakers if name_of.split()}
    is_speaker = name.split(" ")[0] in firsts
    return name if name and not is_speaker and is_person_name(name) else ""
