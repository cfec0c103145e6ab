"""What a question brings up, before the layout: turns, what is outdated in them, facts."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from memory.evidence.fact_lists import completed
from memory.evidence.lines import named_turns, quoted_turns
from memory.evidence.messages import ADDING_NOTHING, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.wishes import Standing
from memory.facts.latest_word import LatestWord, latest_words
from memory.records import Fact, Hit, Rows, Turn

# Of a ranking: more than fit any budget.
RANKED_TURNS = 400
_MOST_LATEST = 12  # facts of an overview whose latest word is looked for
# Marks are looked up for at least this many of the best turns, and for as many as may be shown.
_MARKED_TURNS, _LEAST_TURN = 40, 50  # tokens


@dataclass(frozen=True)
class Recollection:
    """What a question brings up: the asker's wishes, rows, turns with their marks, current facts.

    `turns` are by id: first the ranking's, best first, then the turns that `rows` name. `marks` say
    by a turn's id what in it is outdated or disputed. `facts` are the current ones of the best
    turns, best first; or all about one person or thing, if the question asks what is known of it
    (`is_overview`); then `later` has the latest words on the first of them, by the facts' ids.
    """

    question: UserQuestion
    hits: Sequence[Hit]
    rows: Sequence[Rows]
    standing: Standing
    turns: Mapping[int, Turn]
    marks: Mapping[int, str]
    facts: Sequence[Fact]
    is_overview: bool = False
    later: Mapping[int, LatestWord] = field(default_factory=dict)

    @property
    def ranked(self) -> list[Turn]:
        """The turns of the ranking, best first."""
        return self.in_order([hit.turn_id for hit in self.hits])

    @property
    def ranks(self) -> dict[int, int]:
        """The rank of each turn, 0 for the best."""
        return {hit.turn_id: rank for rank, hit in enumerate(self.hits)}

    @property
    def quoted(self) -> list[int]:
        """The turns whose text SELECTs returned."""
        return quoted_turns(self.rows)

    def in_order(self, turn_ids: Iterable[int]) -> list[Turn]:
        """The turns with these ids that exist, in order."""
        return [self.turns[turn_id] for turn_id in turn_ids if turn_id in self.turns]


def recollect(
    question: UserQuestion,
    reader: MemoryReader,
    hits: Sequence[Hit],
    rows: Sequence[Rows] = (),
    wording: Callable[[Turn], Turn] | None = None,
    budget: int = 0,
    periods: bool = False,
) -> Recollection:
    """What a question brings up.

    Arguments:
        hits: what a search found, in the order to show turns.
        rows: the results of SELECTs.
        wording: how a turn is worded; by default as said.
        budget: in tokens, for the part that is shown.
        periods: whether marks say when an ended state began.
    """
    best = [hit.turn_id for hit in hits]
    named = sorted({turn_id for result in rows for turn_id in named_turns(result)})
    # A row may name a turn that does not exist, and another process may have forgotten one.
    read = reader.turns_by_id(list(dict.fromkeys([*best, *named])), missing_ok=True)
    turns = {turn.id: wording(turn) if wording else turn for turn in read}
    most = max(_MARKED_TURNS, budget // _LEAST_TURN)
    hits = _once(hits, turns)
    best = [hit.turn_id for hit in hits]
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
        later=latest_words(
            reader.store, (overview or ())[:_MOST_LATEST], question.today[:10], reader.without
        ),
    )


def _once(hits: Sequence[Hit], turns: Mapping[int, Turn]) -> list[Hit]:
    """The hits, each text of a speaker once."""
    once: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        if turn := turns.get(hit.turn_id):
            once.setdefault((turn.speaker, turn.text), hit)
    return [*once.values()]


def telling_first(turns: Iterable[Turn]) -> list[Turn]:
    """These turns in their order, quotations and withdrawn corrections last.

    A quotation adds nothing to the turns that it quotes, and a withdrawn correction is not true.
    """
    originals = originals_first(turns)
    adds_nothing = [turn for turn in originals if turn.text.startswith(ADDING_NOTHING)]
    if not adds_nothing:
        return originals
    last = {turn.id for turn in adds_nothing}
    return [*(turn for turn in originals if turn.id not in last), *adds_nothing]
