"""What a question brings up, before it is laid out: turns, what is outdated of them, facts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from memory.evidence.fact_lists import completed
from memory.evidence.lines import named_turns, quoted_turns
from memory.evidence.messages import is_quotation, is_withdrawn, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.standing import Standing
from memory.records import Fact, Hit, Rows, Turn

# Of a ranking: more than fit any budget.
RANKED_TURNS = 400
# Whether the best turns are outdated is looked up: at least so many, and as many as may be shown.
_MARKED_TURNS, _LEAST_TURN = 40, 50  # tokens


@dataclass(frozen=True)
class Recollection:
    """What a question brings up: the asker's wishes, rows, turns with their marks, current facts.

    `turns` are by their ids, those of the ranking first, best first; then the turns that `rows`
    name. `marks` say by the id of a turn what of it is outdated or disputed. `facts` are the
    current ones of the best turns, best first; or all about one person or thing, where the question
    asks what is known of it (`is_overview`).
    """

    question: UserQuestion
    hits: Sequence[Hit]
    rows: Sequence[Rows]
    standing: Standing
    turns: Mapping[int, Turn]
    marks: Mapping[int, str]
    facts: Sequence[Fact]
    is_overview: bool = False

    @property
    def ranked(self) -> list[Turn]:
        """The turns of the ranking, best first."""
        return self.in_order(hit.turn_id for hit in self.hits)

    @property
    def ranks(self) -> dict[int, int]:
        """The rank of each turn, 0 for the best."""
        return {hit.turn_id: rank for rank, hit in enumerate(self.hits)}

    @property
    def quoted(self) -> list[int]:
        """The turns whose text SELECTs returned."""
        return quoted_turns(self.rows)

    def in_order(self, turn_ids: Iterable[int]) -> list[Turn]:
        """The turns with these ids that are there, in their order."""
        return [self.turns[turn_id] for turn_id in turn_ids if turn_id in self.turns]


def recollect(
    question: UserQuestion,
    reader: MemoryReader,
    hits: Sequence[Hit],
    rows: Sequence[Rows] = (),
    wording: Callable[[Turn], Turn] = lambda turn: turn,
    budget: int = 0,
    periods: bool = False,
) -> Recollection:
    """What a question brings up.

    Arguments:
        hits: what a search found, in the order in which turns are to be shown.
        rows: the results of SELECTs.
        wording: how a turn is put.
        budget: in tokens, for what is shown of it.
        periods: whether marks say when that began which has ended.
    """
    best = [hit.turn_id for hit in hits]
    named = sorted({turn_id for result in rows for turn_id in named_turns(result)})
    # A row may name a turn that is not there, and another process may have forgotten one.
    turns = {
        turn.id: wording(turn)
        for turn in reader.turns_by_id(list(dict.fromkeys([*best, *named])), missing_ok=True)
    }
    most = max(_MARKED_TURNS, budget // _LEAST_TURN)
    to_mark = dict.fromkeys([*best[:most], *named])
    recalled = reader.recalled(
        [turns[turn_id] for turn_id in to_mark if turn_id in turns],
        question.ranked_text,
        question.today,
        periods=periods,
    )
    overview = reader.overview(question)
    return Recollection(
        question,
        hits,
        [completed(result, recalled.stored) for result in rows],
        standing=reader.standing(question.text, *question.askers),
        turns=turns,
        marks=recalled.marks,
        facts=recalled.in_force if overview is None else overview,
        is_overview=overview is not None,
    )


def telling_first(turns: Iterable[Turn]) -> list[Turn]:
    """These turns in their order, quotations and withdrawn corrections last.

    A quotation holds nothing that the turns it quotes do not, and a withdrawn correction nothing
    true.
    """
    # Sorting keeps the order of equals.
    originals = originals_first(turns)
    return sorted(originals, key=lambda turn: is_quotation(turn.text) or is_withdrawn(turn.text))
