"""The story of a memory: summaries as lines, in the order of their turns."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from memory.evidence.lines import LEAST_BUDGET
from memory.records import Summary, Turn
from memory.text.characters import one_line
from memory.text.dates import short_day
from memory.text.tokens import line_tokens

STORY_HEAD = "What happened, in short:"
# The share of a budget when a question asks for a summary or an order. Four such questions over a
# chat have .63 of the answers' words in 2,000 tokens at .8, .68 at .5, .70 at .35; of all numbers
# and names that the asker told, .57, .53 and .51 (docs/log.md).
STORY_SHARE = 0.5


class Turns(Protocol):
    """The turns that summaries are about."""

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """The turns with these ids."""


@dataclass(frozen=True)
class Story:
    """Lines of summaries that are shown, and the turns that they name."""

    lines: tuple[str, ...] = ()
    turn_ids: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The lines under a heading; "" for none."""
        return "\n".join([STORY_HEAD, *self.lines]) if self.lines else ""

    @property
    def tokens(self) -> int:
        """The size of the text before other lines."""
        return sum(map(line_tokens, (STORY_HEAD, *self.lines))) if self.lines else 0


NO_STORY = Story()


def story_line(summary: Summary, said_at: str = "") -> str:
    """`[12-15] (10 Jan 2024) Maria looked for a cello class`."""
    turns = (
        f"{summary.turn_id}"
        if summary.turn_id == summary.last_turn_id
        else f"{summary.turn_id}-{summary.last_turn_id}"
    )
    day = f"({short_day(said_at)}) " if said_at else ""
    return f"[{turns}] {day}{one_line(summary.text)}"


def story_of(
    summaries: Sequence[Summary],
    said_at: Mapping[int, str],
    ranks: Mapping[int, int],
    budget: int,
    selected: Collection[Summary] = (),
    sessions: Mapping[int, str] | None = None,
) -> Story:
    """The summaries: all if they fit a budget, else the best one of each session first.

    Arguments:
        summaries: a memory's summaries; any that wait to be rewritten are left out.
        said_at: the dates of their first turns.
        ranks: the ranks of turns in the search for a question, 0 the best.
        budget: in tokens, of the lines and their heading.
        selected: the summaries that a SELECT returned: they come before all others.
        sessions: the sessions of their first turns; any other turn is a session by itself.
    """
    tokens_left = budget - line_tokens(STORY_HEAD)
    lines = {
        summary: story_line(summary, said_at.get(summary.turn_id, ""))
        for summary in summaries
        if summary.text
    }

    def rank(summary: Summary) -> tuple[int, int]:
        covered = range(summary.turn_id, summary.last_turn_id + 1)
        best = min((ranks[turn_id] for turn_id in covered if turn_id in ranks), default=len(ranks))
        return best, summary.turn_id

    ranked = sorted(lines, key=rank)
    chosen = _first_that_fit([line for line in ranked if line in selected], lines, tokens_left)
    tokens_left -= sum(line_tokens(lines[summary]) for summary in chosen)
    others = [summary for summary in ranked if summary not in chosen]
    # Sorting is stable: the best of each session, then all others.
    best = _best_of_sessions([*chosen, *others], sessions or {})
    others.sort(key=lambda summary: summary not in best)
    chosen += _first_that_fit(others, lines, tokens_left)
    if budget < LEAST_BUDGET:
        return Story()
    chosen.sort(key=lambda summary: (summary.turn_id, -summary.last_turn_id))
    ends = {turn for summary in chosen for turn in (summary.turn_id, summary.last_turn_id)}
    return Story(tuple(lines[summary] for summary in chosen), tuple(sorted(ends)))


def _best_of_sessions(ranked: Sequence[Summary], sessions: Mapping[int, str]) -> set[Summary]:
    """The first summary of each session."""
    best: dict[str | int, Summary] = {}
    for summary in ranked:
        best.setdefault(sessions.get(summary.turn_id, summary.turn_id), summary)
    return {*best.values()}


def _first_that_fit(
    ranked: Sequence[Summary], lines: Mapping[Summary, str], tokens_left: int
) -> list[Summary]:
    chosen = []
    for summary in ranked:
        size = line_tokens(lines[summary])
        if size <= tokens_left:
            chosen.append(summary)
            tokens_left -= size
    return chosen


def dated_lines(store: Turns, summaries: Sequence[Summary]) -> list[str]:
    """Summaries as lines with their first turns' dates; none for any that wait."""
    firsts = sorted({summary.turn_id for summary in summaries})
    said_at = {turn.id: turn.said_at for turn in store.turns_by_id(firsts, missing_ok=True)}
    return [
        story_line(summary, said_at.get(summary.turn_id, ""))
        for summary in summaries
        if summary.text
    ]
