"""The turns that an answering model may be shown: the ranking's and those that SELECTs quote."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import zip_longest

from memory.program.messages import is_quotation, is_withdrawn, originals_first
from memory.program.model import MemoryReader, Ranked
from memory.prompts.lines import named_turns
from memory.records import Hit, Rows, Turn

# Of a ranking: more than fit any budget.
RANKED_TURNS = 400
# More than fit most budgets: whether these are outdated is looked up.
_MARKED_TURNS = 40


def ranked_turns(
    question: str,
    hits: Sequence[Hit],
    rows: Sequence[Rows],
    reader: MemoryReader,
    today: str = "",
) -> Ranked:
    """The turns of a ranking and of rows, read once; the best and those of rows marked.

    The marks are those of `today` (ISO), or of now.
    """
    return with_marks(Ranked(hits, {}, {}), question, rows, reader, today)


def with_turns(ranked: Ranked, reader: MemoryReader) -> Ranked:
    """A ranking with its turns; nothing is said of what they tell."""
    turns = ranked.turns_with((hit.turn_id for hit in ranked.hits), reader)
    return replace(ranked, turns=turns)


def with_marks(
    ranked: Ranked, question: str, rows: Sequence[Rows], reader: MemoryReader, today: str
) -> Ranked:
    """A ranking with its turns and those of rows, the best and these marked.

    The marks are those of `today` (ISO), or of now. Turns that it has are not read again.
    """
    named = sorted({turn_id for result in rows for turn_id in named_turns(result)})
    # A row may name a turn that is not there, and another process may have forgotten one.
    best = [hit.turn_id for hit in ranked.hits]
    turns = ranked.turns_with([*best, *named], reader)
    to_mark = dict.fromkeys([*best[:_MARKED_TURNS], *named])
    marked = [turns[turn_id] for turn_id in to_mark if turn_id in turns]
    return Ranked(ranked.hits, turns, reader.marks(marked, question, today))


def turns_to_show(
    ranked: Ranked, quoted: Iterable[int], reader: MemoryReader, without: Collection[int]
) -> list[Turn]:
    """The turns of the ranking and those with the `quoted` ids in turn, the best first."""
    chosen = [turn_id for turn_id in _alternate(ranked.hits, quoted) if turn_id not in without]
    turns = ranked.turns_with(chosen, reader)
    return telling_first(turns[turn_id] for turn_id in chosen if turn_id in turns)


def telling_first(turns: Iterable[Turn]) -> list[Turn]:
    """These turns in their order, quotations and withdrawn corrections last.

    A quotation holds nothing that the turns it quotes do not, and a withdrawn correction nothing
    true.
    """
    # Sorting keeps the order of equals.
    originals = originals_first(turns)
    return sorted(originals, key=lambda turn: is_quotation(turn.text) or is_withdrawn(turn.text))


def ranks_of(hits: Sequence[Hit]) -> dict[int, int]:
    """The rank of each turn, 0 for the best."""
    return {hit.turn_id: rank for rank, hit in enumerate(hits)}


def _alternate(hits: Sequence[Hit], quoted: Iterable[int]) -> list[int]:
    """A ranked turn, a quoted one, and so on, each turn once."""
    pairs = zip_longest((hit.turn_id for hit in hits), quoted)
    turn_ids = [turn_id for pair in pairs for turn_id in pair if turn_id is not None]
    return list(dict.fromkeys(turn_ids))
