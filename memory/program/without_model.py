"""Answers and replies without a language model: rows of facts decide, or the nearest turns show.

DSPy is not imported here, which takes more than a second.
"""

from collections.abc import Collection, Generator, Sequence

from memory.evidence.block import RANKED_TURNS
from memory.evidence.gate import MOST_TURNS, opening
from memory.evidence.messages import NEAREST_HEAD, NO_MODEL, is_evidence, is_question
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.room import NOBODY, people_meant
from memory.program.lookup import look_up
from memory.program.quotations import NO_TURNS, quotation_line, quotations_of
from memory.program.replies import ChatMessage
from memory.records import Answer, Hit, Quotation, Turn
from memory.text.tokens import count_tokens, trim
from memory.vocabulary.fact_lines import fact_text

_CHAT_CANDIDATES = 200  # of the ranking: a chat itself has many questions and quotations
_MOST_FACTS = 5  # named for a message
_MINUTE = len("2017-05-08T13:56")
_NOTHING_BEFORE = "Nothing said before this minute could answer."


def answer_without_model(
    question: UserQuestion, reader: MemoryReader
) -> tuple[Answer, Sequence[Hit]]:
    """The answer that rows of facts decide, else the nearest turns; and the ranking's hits."""
    hits = reader.search(question.ranked_text, RANKED_TURNS)
    if decided := _decided(question, reader, hits):
        return decided, hits
    return _quoting(quotations_of(question, hits, reader)), hits


def reply_without_model(
    message: ChatMessage, reader: MemoryReader, budget: int
) -> Generator[str, None, Answer]:
    """A reply in one piece: what rows decide, or the nearest turns.

    A message that asks nothing is acknowledged by its number, if stored, with its facts; a
    question that the memory has nothing about by how to choose a model.
    """
    turn = message.turn
    text = trim(turn.text, budget)
    question = UserQuestion(text, asker=turn.speaker, today=turn.said_at)
    if not is_question(text):
        answer = _answer(_kept(turn, reader))
    elif decided := _decided(question, reader):
        answer = decided
    else:
        ranked = reader.search(question.ranked_text, _CHAT_CANDIDATES)
        now = {turn.id, *_of_the_minute(turn, ranked, reader)}
        hits = [hit for hit in ranked if hit.turn_id not in now]
        nearest = quotations_of(question, hits, reader, without=message.character)
        is_small_talk = bool(nearest) and not touches(question, reader, {turn.id})
        if is_small_talk:
            answer = _answer(NO_MODEL)
        elif len(now) > 1 and not nearest:
            answer = _answer(_NOTHING_BEFORE)
        else:
            answer = _quoting(nearest)
    yield answer.text
    return answer


def _of_the_minute(turn: Turn, hits: Sequence[Hit], reader: MemoryReader) -> set[int]:
    """The ids of turns of a chat in the minute of its message, which are still in sight there."""
    minute = turn.said_at[:_MINUTE]
    if len(minute) < _MINUTE:
        return set()
    turns = reader.turns_by_id([hit.turn_id for hit in hits], missing_ok=True)
    return {
        near.id
        for near in turns
        if near.session == turn.session and near.said_at[:_MINUTE] == minute
    }


def touches(question: UserQuestion, reader: MemoryReader, without: Collection[int]) -> bool:
    """Whether the gate opens to a message, if only a little; turns in `without` are shown anyway.

    The asker's own questions do not count: "how are you?" is near to itself when asked again.
    """
    hits = reader.search(question.ranked_text, RANKED_TURNS)
    ids = [hit.turn_id for hit in hits if hit.turn_id not in without][:MOST_TURNS]
    turns = [
        turn
        for turn in reader.turns_by_id(ids, missing_ok=True)
        if is_evidence(turn.text) or turn.speaker != question.asker
    ]
    different = list({(turn.speaker, turn.text): turn for turn in turns}.values())
    with reader.store.searched() as searched:  # in here no other connection is opened
        people = people_meant(searched.index, question.text, frozenset()) if searched else NOBODY
    message = people.text or question.text
    names = len(people.named)
    turn_count = reader.store.count_turns()
    return opening(message, different, names=names, memory_turns=turn_count) != "closed"


def _decided(
    question: UserQuestion, reader: MemoryReader, hits: Sequence[Hit] = ()
) -> Answer | None:
    by_facts = look_up(question, reader, hits)
    if by_facts is None:
        return None
    return Answer(
        text=by_facts.text,
        turns=by_facts.turn_ids,
        sql=by_facts.sql,
        rows=by_facts.rows,
        tokens=count_tokens(by_facts.text),
        calls=0,
        shown=by_facts.turn_ids,
        basis="rows",
        sources=tuple(reader.turns_by_id(by_facts.turn_ids, missing_ok=True)),
    )


def _quoting(quotations: Sequence[Quotation]) -> Answer:
    """The nearest turns as an answer, without citing them; or that there are none."""
    if not quotations:
        return _answer(NO_TURNS)
    lines = [NEAREST_HEAD, *map(quotation_line, quotations)]
    return _answer("\n".join(lines), quotations)


def _answer(text: str, quotations: Sequence[Quotation] = ()) -> Answer:
    return Answer(
        text=text,
        turns=(),
        sql=(),
        rows=(),
        tokens=count_tokens(text),
        calls=0,
        shown=tuple(quoted.turn_id for quoted in quotations),
        basis="quotes" if quotations else "none",
        quotations=tuple(quotations),
    )


def _kept(turn: Turn, reader: MemoryReader) -> str:
    """What was stored of a message: its turn, and the facts in it."""
    if not turn.id:
        return "This asks nothing, and was not stored."
    facts = [fact_text(fact) for fact in reader.facts_from([turn.id])[:_MOST_FACTS]]
    return f"Kept as turn {turn.id}{': ' if facts else ''}{'; '.join(facts)}."
