"""What a person says to an answer in a chat: "No, that's wrong: Porto" corrects its fact.

"The first one is right" settles which of two facts that contradict each other is true.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from memory.contradictions import right_one, settle
from memory.errors import EditConflict
from memory.facts import change_of, correct, end, history, is_current, read_facts
from memory.program.disputes import statement_of, touched
from memory.program.fact_answers import answer_by_facts
from memory.program.messages import asks_memory, question_of
from memory.records import Fact, Turn
from memory.search.asker import as_asked
from memory.store import Store
from memory.store.turn_validation import local_now

_WRONG = r"(?:that(?:'s| is| was)? (?:wrong|false|not (?:right|true|correct))|wrong|not true)"
_CORRECTION = re.compile(
    rf"\W*(?:(?:no|nope)\W+{_WRONG}|{_WRONG}|no)\s*[:,.;!-]+\s*"
    r"(?:(?:it|that)(?:'s| is| was) (?:actually )?)?(?P<value>\S[^?]*?)\W*",
    re.IGNORECASE,
)
_END = re.compile(
    r"\W*(?:no\W+)?(?:not any ?more|no longer|(?:that|it)(?:'s| is| has)? (?:over|ended))"
    r"(?: (?:since|in|on) (?P<on>\d{4}(?:-\d\d){0,2}))?\W*",
    re.IGNORECASE,
)
# "No, I live in Porto" is a statement, "No, thank you" an answer.
_IS_SENTENCE = re.compile(
    r"(?:i|i'm|we|you|he|she|they|it|this|that|there|my|thanks?|sorry|never|not|don't|please)\b",
    re.IGNORECASE,
)
_LONGEST_VALUE = 60  # characters
_LONGEST_CAUSE = 60


@dataclass(frozen=True)
class Correction:
    """What a message says of the last answer: its true value, or since when it is over.

    `value` is "" for an end, and `on` (ISO) is "" for today.
    """

    value: str = ""
    on: str = ""


def read_correction(text: str) -> Correction | None:
    """The correction in a message, None for any other message."""
    text = " ".join(text.replace("\u2019", "'").split())
    if match := _END.fullmatch(text):
        return Correction(on=match["on"] or "")
    match = _CORRECTION.fullmatch(text)
    if not match or len(match["value"]) > _LONGEST_VALUE or _IS_SENTENCE.match(match["value"]):
        return None
    return Correction(value=match["value"])


def correct_by_message(store: Store, message: Turn, recent: Sequence[Turn]) -> str | None:
    """Correct, end or settle what the last answer rests on, as a message says.

    A fact that somebody else has changed since that answer is left as it is: the reply says what
    they wrote, and the same message once more is put over it.

    Arguments:
        message: the message, with its speaker.
        recent: the turns before it; the question is the speaker's last one.

    Returns what to reply, None where the message is no correction or no fact decided the answer.
    Raises InputError for a value that the attribute does not take.
    """
    if (settled := _settled_by(store, message, recent)) is not None:
        return settled
    correction = read_correction(message.text)
    before = [
        turn
        for turn in recent
        # A correction after a correction is one of the same answer.
        if turn.speaker == message.speaker and read_correction(turn.text) is None
    ]
    if correction is None or not before or not asks_memory(before[-1].text):
        return None
    question = before[-1]
    answer = answer_by_facts(
        as_asked(question_of(question.text), question.speaker, question.said_at),
        question.said_at,
        read=store.read,
        vocabulary=store.vocabulary(),
        asker=question.speaker,
        noted=store.noted,
    )
    if answer is None:
        return None
    ids = ", ".join(map(str, answer.fact_ids)) or "0"
    facts = [
        fact
        for fact in read_facts(store, f"WHERE id IN ({ids})")
        if is_current(fact, local_now()[:10]) or fact.happened_on > local_now()[:10]
    ]
    if len(facts) != 1:
        return f"That answer rests on {len(facts)} facts; ask for one of them, then correct it."
    [fact] = facts
    if recent[-1].speaker != message.speaker and _was_changed_since(store, fact, recent[-1].text):
        return _conflict(store, fact)
    try:
        return _carried_out(store, fact, correction, message.speaker)
    except EditConflict as conflict:
        return _conflict(store, conflict.fact) if conflict.fact else str(conflict)


def _settled_by(store: Store, message: Turn, recent: Sequence[Turn]) -> str | None:
    """What a message settles: "The first one is right" after facts that contradict each other.

    The pair is the one that the speaker's last question was about; None where that is not one.
    """
    if not recent or recent[-1].speaker == message.speaker or "?" not in recent[-1].text:
        return None
    questions = [turn for turn in recent if turn.speaker == message.speaker]
    if not questions or not asks_memory(questions[-1].text):
        return None
    pairs = store.contradictions()
    if not pairs:
        return None
    last = questions[-1]
    question = as_asked(question_of(last.text), last.speaker, last.said_at)
    answer = answer_by_facts(
        question,
        last.said_at,
        read=store.read,
        vocabulary=store.vocabulary(),
        asker=last.speaker,
        noted=store.noted,
        contradictions=lambda: pairs,
    )
    decisive = [
        pair for pair in pairs if answer and {*answer.fact_ids} == {fact.id for fact in pair.facts}
    ]
    meant = decisive or touched(question, pairs, [last.speaker])
    if len(meant) != 1 or (right := right_one(message.text, meant[0])) is None:
        return None
    [pair] = meant
    settle(store, pair.first.id, pair.second.id, right=right, by=message.speaker)
    if right == "both":
        return "I have noted that both are true."
    true, wrong = pair.facts if right == pair.first.id else pair.facts[::-1]
    return f"I have noted that: {statement_of(true)}. I have deleted: {statement_of(wrong)}."


def _carried_out(store: Store, fact: Fact, correction: Correction, speaker: str) -> str:
    """Correct or end a fact, and say so."""
    if correction.value:
        correct(store, fact.id, value=correction.value, by=speaker)
        return f"I have corrected that: {_line(fact, correction.value)}."
    end(store, fact.id, correction.on, by=speaker)
    return f"I have noted that this is over: {_line(fact, fact.value)}."


def _was_changed_since(store: Store, fact: Fact, reply: str) -> bool:
    """Whether a reply names what the newest change of a fact replaced, and not the fact itself."""
    reply = reply.casefold()
    if fact.value.casefold() in reply:
        return False
    return any(
        edit.before is not None
        and edit.before.attribute == fact.attribute
        and edit.before.value.casefold() in reply
        for edit in store.journal(history(store, fact.id)[-1].change_id)
    )


def _conflict(store: Store, fact: Fact) -> str:
    change = change_of(store, history(store, fact.id)[-1].change_id)
    cause = f" ({' '.join(change.cause.split())[:_LONGEST_CAUSE]})" if change else ""
    return (
        f"Somebody else has changed that: {_line(fact, fact.value)}{cause}."
        " If that is not true either, say it once more."
    )


def _line(fact: Fact, value: str) -> str:
    return f"{fact.subject} {fact.attribute.replace('_', ' ')} {value}"
