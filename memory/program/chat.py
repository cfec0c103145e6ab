"""A character of a chat: its replies to messages, and the corrections that messages make."""

import re
from collections.abc import Collection, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy

from memory.evidence.lines import turn_lines
from memory.evidence.messages import abstains, is_question
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.program.asking import Bill
from memory.program.heart import AskMemory
from memory.program.opened import OpenedMemory
from memory.program.predict import MemoryModule, PromptedModule
from memory.program.protocol import Gathered, Question, no_rows
from memory.program.quotations import quotations_of
from memory.program.replies import ChatMessage
from memory.program.signatures.further import CorrectFacts, ReplyInChat
from memory.program.streaming import stream
from memory.program.without_model import reply_without_model, touches
from memory.records import Answer, SqlUse, Turn
from memory.text.tokens import count_tokens, trim
from memory.text.turn_lines import turn_line
from memory.text.words import forms_of, is_among, telling_words

_MESSAGE_TOKENS = 2_000  # of the message to reply to, and of the conversation before it
# An id, a kind, a value and a date, as `CorrectFacts` asks for them.
_EDIT_LINE = re.compile(r"\W*(?:id )?(\d{1,18})\s*\|([^|\n]*)\|([^|\n]*)(?:\|([^|\n]*))?")


@dataclass(frozen=True)
class FactEdit:
    """An edit of a fact: its id, one of `memory.facts.EDIT_KINDS`, the value and the date."""

    fact_id: int
    kind: str
    value: str = ""
    on: str = ""


class ReplyToMessage(PromptedModule):
    """Replies to a message as a character, in its own words, from the evidence shown."""

    takes_persona = True

    def __init__(self) -> None:
        super().__init__(ReplyInChat)

    def forward(self, **inputs: Any) -> dspy.Prediction:
        """The whole reply; inputs and outputs as in ReplyInChat."""
        return self._predicted(**inputs)

    def pieces(
        self,
        message: ChatMessage,
        ask: AskMemory,
        reader: MemoryReader,
        *,
        budget: int,
        sql: SqlUse = "always",
    ) -> Generator[str, None, Answer]:
        """A reply in pieces as the model makes them; returns the whole.

        Its evidence is gathered as for a question. For a greeting or other small talk that does not
        touch the memory, the model sees only what always matters of its speaker, and writes no
        SELECT.
        """
        limit = min(budget, _MESSAGE_TOKENS)
        turn = replace(message.turn, text=trim(message.turn.text, limit))
        latest = _latest(message.recent, limit)
        question = UserQuestion(
            turn.text, turn.speaker, today=turn.said_at, known_as=tuple(message.known_as)
        )
        just_said = {turn.id, *(recent.id for recent in latest)}
        is_touched = touches(question, reader, just_said)
        asks = bool(is_question(turn.text) and telling_words(turn.text))
        bill = Bill(ask)
        opening = ask.opening(
            OpenedMemory(reader), budget, without=just_said, known_as=question.known_as
        )
        with opening as place, bill.kept():
            user_question = Question(turn.text, turn.speaker, turn.said_at)
            if is_touched or asks:
                gathered = ask.gathered(user_question, place, ask.sql or sql)
            else:
                gathered = Gathered((), no_rows(), place.shown(user_question, (), no_rows()))
        evidence = gathered.shown
        recent_lines = turn_lines(latest, limit, spans=True)
        inputs = {
            "character": message.character,
            "persona": message.persona,
            "known_as": ", ".join(message.known_as),
            "evidence": str(evidence),
            "recent": recent_lines,
            "message": turn_line(turn),
        }
        citable = {*evidence.turn_ids, *(recent.id for recent in latest)}
        with bill.answering():
            text, cited = yield from stream(self.predict, inputs, citable)
        retrieved = gathered.retrieved
        answer = Answer(
            text=text,
            turns=tuple(cited),
            sql=tuple(retrieved.sql),
            rows=tuple(retrieved.rows),
            tokens=evidence.tokens,
            calls=1 + retrieved.calls,
            shown=evidence.turn_ids,
            refusals=tuple(retrieved.refusals),
            basis="quotes" if abstains(text) else "model",
        )
        is_quoted = (asks and is_touched and not cited) and not _repeats(
            text, question.text, f"{evidence}\n{recent_lines}"
        )
        return replace(
            answer,
            sources=tuple(reader.turns_by_id(answer.turns, missing_ok=True)),
            steps=bill.steps(answer, gathered.hits),
            standing=evidence.standing,
            contradictions=evidence.contradictions,
            shown_facts=evidence.fact_ids,
            quotations=quotations_of(question, gathered.hits, reader, message.character)
            if is_quoted
            else (),
        )


def _repeats(reply: str, question: str, lines: str) -> bool:
    """Whether a reply without sources repeats what it was shown: two of its words in three.

    People read it as an answer, and quotations below it as a doubt.
    """
    in_question, in_lines = (forms_of(telling_words(text)) for text in (question, lines))
    new_words = [word for word in telling_words(reply) if not is_among(word, in_question)]
    repeated = sum(is_among(word, in_lines) for word in new_words)
    return bool(new_words) and 3 * repeated >= 2 * len(new_words)


class QuoteTurns(MemoryModule):
    """Replies with what rows decide, or with the nearest turns: the packaged model cannot talk."""

    takes_persona = False

    def pieces(
        self,
        message: ChatMessage,
        ask: AskMemory,
        reader: MemoryReader,
        *,
        budget: int,
        sql: SqlUse,
    ) -> Generator[str, None, Answer]:
        """The reply in one piece; calls no model."""
        return reply_without_model(message, reader, budget)


def _latest(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """The last turns that fit a number of tokens, in the order they were said."""
    latest: list[Turn] = []
    for turn in reversed(turns):
        tokens -= count_tokens(turn_line(turn) + "\n")
        if tokens < 0:
            break
        latest.insert(0, turn)
    return latest


class ReadCorrections(PromptedModule):
    """Reads what a message's speaker takes back of the last answer."""

    def __init__(self) -> None:
        super().__init__(CorrectFacts)

    def forward(
        self, facts: str, answer: str, message: str, fact_ids: Collection[int]
    ) -> dspy.Prediction:
        """The edits that a model reads in a message.

        Arguments:
            facts: lines of the facts that the last answer is based on.
            answer: that answer.
            message: what the listener said to it.
            fact_ids: the ids of the facts; edits of other facts are left out.

        Returns a Prediction of edits (list of FactEdit).
        """
        written = self._predicted(facts=facts, answer=answer, message=message).edits
        return dspy.Prediction(edits=list(_edits(str(written or ""), fact_ids)))


def _edits(text: str, fact_ids: Collection[int]) -> Iterator[FactEdit]:
    for match in _EDIT_LINE.finditer(text):
        number, kind, value, on = (part.strip(" \t.'\"`") for part in match.groups(""))
        if int(number) in fact_ids:
            yield FactEdit(int(number), kind, value, on)
