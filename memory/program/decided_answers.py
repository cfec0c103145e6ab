"""What is answered without a model: by facts, or by turns that rules read for the question."""

import re
from datetime import date

from memory.dates import MONTHS
from memory.program.answer_checks import NUMBER, says_more_than_asked
from memory.program.asked_deeds import read_deed
from memory.program.corrected_turns import CorrectedTurns
from memory.program.ended_states import Present, is_still_so
from memory.program.fact_answers import FactAnswer, answer_by_facts
from memory.program.fact_words import are_forms
from memory.program.model import MemoryReader
from memory.program.told_things import answer_by_things
from memory.program.turn_company import answer_with_whom
from memory.program.turn_corrections import answer_by_corrections
from memory.program.turn_days import answer_when
from memory.program.turn_lengths import answer_how_long
from memory.program.turn_parts import answer_by_parts
from memory.program.turn_spans import answer_span
from memory.program.turn_states import answer_by_states
from memory.program.turn_still import answer_still
from memory.program.turn_values import answer_by_values
from memory.program.turn_yes_no import answer_yes_or_no
from memory.program.work_questions import answer_about_work
from memory.search.words import words

_ASKS_AMOUNT = re.compile(
    r"\W*(?:how much\b"
    r"|what (?:does|did|do|will) .+ (?:earn|pay|cost|charge)\b(?!.* (?:for|with)\W*$)"
    r"|what (?:is|was|were) the (?:price|cost|rent)\b)",
    re.IGNORECASE,
)
_FURTHER = re.compile(r"(?<=\w) (?:about|to|for|from|with|of|in|on|at|by)\b")
_DAY = re.compile(rf" (?:since |until )?(?:\d{{1,2}} )?(?:{'|'.join(MONTHS)}) \d{{4}}", re.I)
_ASKS_NAME = re.compile(r"\bthe names? of\b|\bwhat (?:is|are) [\w-]+'s [\w-]+ called\b", re.I)


def decided_answer(
    question: str, today: str, *, reader: MemoryReader, asker: str = ""
) -> FactAnswer | None:
    """The answer of facts (`fact_answers`), or of turns that tell a list, a length, a home or work.

    What is read from turns for the question goes before facts that rules noted: of a list they are
    a part, and of what may change not always the newest. A state that both tell from the same turns
    is told by the facts, with when it ended.
    Whatever a person has corrected, ended or added decides.

    Arguments:
        question: in the third person ("Where does Anna live?").
        today: the day of the question (ISO); "" for the day it is.
        reader: the memory.
        asker: who asks, whose "we" it is.
    """
    turns = CorrectedTurns(reader)
    by_facts = _by_facts(question, today, reader, asker)
    if by_facts and not by_facts.is_noted:
        return by_facts
    if by_facts and (
        _is_of_another_deed(question, by_facts, turns, asker)
        or _names_nobody(question, by_facts)
        or _only_repeats(question, by_facts)
    ):
        by_facts = None
    present = Present(
        question, today[:10] or date.today().isoformat(), asker, reader.read, turns.of
    )
    answer = _by_turns(present, by_facts) or by_facts
    return is_still_so(present, answer, by_facts) if answer else None


def _by_turns(present: Present, by_facts: FactAnswer | None) -> FactAnswer | None:
    """What turns tell, read for the question; None where what facts say is to be told."""
    for answer in (
        answer_by_corrections,
        answer_when,
        answer_by_things,
        answer_by_states,
        answer_by_values,
        answer_still,
        answer_how_long,
        answer_span,
        answer_yes_or_no,
        answer_with_whom,
        answer_by_parts,
    ):
        by_turns = answer(
            present.question,
            present.today,
            read=present.read,
            asker=present.asker,
            corrected=present.corrected,
        )
        if by_turns is None or _is_no_name(present.question, by_turns):
            continue
        if _ASKS_AMOUNT.match(present.question) and not _is_amount(by_turns):
            continue
        if answer is answer_by_states and _rests_on(by_facts, by_turns):
            continue
        if answer is answer_by_parts and by_facts and _are_more(by_facts, by_turns):
            continue
        return by_turns
    return None


def _is_of_another_deed(
    question: str, answer: FactAnswer, turns: CorrectedTurns, asker: str
) -> bool:
    """Whether facts say yes by a turn that tells another deed: "took the bus", for medicine."""
    deed = read_deed(question, asker) if answer.text.startswith("Yes") else None
    if deed is None:
        return False
    sources = turns.turns_by_id(answer.turn_ids, missing_ok=True)
    return not any(deed.is_told_in(turn) for turn in sources)


def _names_nobody(question: str, answer: FactAnswer) -> bool:
    """Whether somebody is asked for, and an answer tells the deed instead: "to Oman together"."""
    if not re.match(r"\W*whom?\b", question, re.IGNORECASE):
        return False
    first = words(answer.text)[:1]
    query = words(question)[1:]
    is_deed = any(are_forms(first[0], word) for word in query) if first else True
    return is_deed or bool(re.match(r"(?:to|in|at|on|for|from|with)\b", answer.text))


def _only_repeats(question: str, answer: FactAnswer) -> bool:
    """Whether something is asked for, and an answer has only the question's word for it, or none.

    "a record to feel better" does not say which record it was, and no words say what was paid.
    """
    if _ASKS_AMOUNT.match(question) and not _is_amount(answer):
        return True
    if not re.match(r"\W*(?:what|which)\b", question, re.IGNORECASE):
        return False
    items = [item for item in re.split(r"[;,]", answer.text) if not _DAY.match(item)]
    things = " ".join(_FURTHER.split(item)[0] for item in items)
    return not says_more_than_asked(things, question)


def _is_amount(answer: FactAnswer) -> bool:
    """Whether an answer has a number, and is no list of things."""
    return bool(NUMBER.search(answer.text)) and ";" not in answer.text


def _is_no_name(question: str, answer: FactAnswer) -> bool:
    """Whether a name is asked for, and an answer has none: "cough" is nobody's name."""
    return bool(_ASKS_NAME.search(question)) and not re.search(r"[A-Z\d]", answer.text)


def _rests_on(by_facts: FactAnswer | None, by_turns: FactAnswer) -> bool:
    """Whether facts tell a state from the turns that were read for it: they know it as well."""
    return by_facts is not None and set(by_turns.turn_ids) <= set(by_facts.turn_ids)


def _are_more(by_facts: FactAnswer, by_part: FactAnswer) -> bool:
    """Whether facts name several things, or what the part of a sentence does and more."""
    is_same = set(words(by_part.text)) <= set(words(by_facts.text))
    return is_same or len(by_facts.fact_ids) > 1


def _by_facts(question: str, today: str, reader: MemoryReader, asker: str) -> FactAnswer | None:
    if not reader.read("SELECT id FROM facts LIMIT 1").rows:
        return None
    return answer_about_work(question, read=reader.read, asker=asker) or answer_by_facts(
        question,
        today,
        read=reader.read,
        vocabulary=reader.vocabulary(),
        asker=asker,
        noted=reader.noted,
        contradictions=reader.contradictions,
    )
