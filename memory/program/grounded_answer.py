"""The packaged model's answer, held to the turns that it was shown."""

from memory.program.grounding import ground
from memory.program.messages import ABSTAIN, is_evidence
from memory.program.model import MemoryReader, Retrieval
from memory.prompt import row_lines
from memory.records import Turn
from memory.search.attribution import is_by_named
from memory.search.words import words

_TURNS_BEFORE = 2  # of 1 to 3; 3 supported no more right answers of LoCoMo's seven conversations


def grounded_answer(
    text: str, question: str, retrieval: Retrieval, reader: MemoryReader
) -> tuple[str, list[int]]:
    """A model's answer held to the turns that it was shown, and the ids of those that say it.

    Where the question names somebody whose turns are shown, one of theirs must be among them, or
    one that a fact was made of.
    """
    hits, shown_ids = retrieval.hits, retrieval.context.turn_ids
    ranked_ids = dict.fromkeys([*(hit.turn_id for hit in hits), *shown_ids])
    shown = reader.turns_by_id([turn_id for turn_id in ranked_ids if turn_id in shown_ids])
    turns = [turn for turn in shown if is_evidence(turn.text)]

    row_pairs = row_lines(retrieval.rows, {})

    def context_of(turn: Turn) -> str:
        lines = [line for line, turn_id in row_pairs if turn_id == turn.id]
        return " ".join([*lines, *_replied_to(turn, question, reader)])

    answer, sources = ground(text, question, turns, context_of)
    cited = [turn.id for turn in sources]
    ids_by_named = {hit.turn_id for hit in hits if is_by_named(hit)}
    ids_of_facts = {turn_id for _, turn_id in row_pairs}
    is_somebody_named = any(turn.id in ids_by_named for turn in turns)
    if cited and is_somebody_named and (ids_by_named | ids_of_facts).isdisjoint(cited):
        return ABSTAIN, []
    return answer, cited


def _replied_to(turn: Turn, question: str, reader: MemoryReader) -> list[str]:
    """The texts just before a turn, which it may reply to, where the question names its speaker.

    For other speakers they supported wrong answers: people tell of one thing after another.
    """
    if {*words(question)}.isdisjoint(words(turn.speaker)):
        return []
    earlier = reader.turns(turn.id - _TURNS_BEFORE, turn.id - 1)
    return [before.text for before in earlier if before.session == turn.session]
