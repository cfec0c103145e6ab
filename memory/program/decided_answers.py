"""What is answered without a model: by facts, or by turns that rules read for the question."""

import re

from memory.program.corrected_turns import CorrectedTurns
from memory.program.fact_answers import FactAnswer, answer_by_facts
from memory.program.model import MemoryReader
from memory.program.turn_lengths import answer_how_long
from memory.program.turn_lists import answer_by_turns
from memory.program.turn_states import answer_by_states
from memory.program.turn_still import answer_still
from memory.program.work_questions import answer_about_work

# "What are the names of Anna's cats?" asks for several.
_ASKS_NAMES = re.compile(
    r"\W*what (?:are|were) (?:all )?(?:the names of )?[\w' ,-]*(?<!s's )\b\w{2,}(?<!['s])s\b"
    r"(?: [\w' ,-]*)?(?:called|named)?\W*$|\W*what are the names of\b",
    re.IGNORECASE,
)


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
    corrected = CorrectedTurns(reader).of
    by_facts = _by_facts(question, today, reader, asker)
    if by_facts and not by_facts.is_noted:
        return by_facts
    for answer in (answer_by_turns, answer_by_states, answer_still, answer_how_long):
        by_turns = answer(question, today, read=reader.read, asker=asker, corrected=corrected)
        if by_turns and not (answer is answer_by_states and _rests_on(by_facts, by_turns)):
            return by_turns
    return None if by_facts and _is_part(question, by_facts) else by_facts


def _is_part(question: str, by_facts: FactAnswer) -> bool:
    """Whether one noted thing answers a question for several: it is a part of what was told."""
    return bool(_ASKS_NAMES.match(question)) and not re.search(r"[,;]| and ", by_facts.text)


def _rests_on(by_facts: FactAnswer | None, by_turns: FactAnswer) -> bool:
    """Whether facts tell a state from the turns that were read for it: they know it as well."""
    return by_facts is not None and set(by_turns.turn_ids) <= set(by_facts.turn_ids)


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
