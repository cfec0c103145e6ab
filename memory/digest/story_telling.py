"""Rewrites the summaries of turns whose facts were corrected, and the summaries above them.

A line of kind `month` summarizes the lines of a past month, or a hundred of them, if they span more
than one day.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from memory.errors import InputError, PromptTooLong
from memory.evidence.lines import known_fact_line, turn_lines
from memory.evidence.messages import is_withdrawn
from memory.evidence.outline import outlined
from memory.evidence.story import dated_lines
from memory.records import Summary
from memory.store import Store
from memory.store.summaries import set_summary
from memory.text.tokens import spread_lines

if TYPE_CHECKING:  # DSPy takes more than a second to import
    from memory.models import Model
    from memory.program.digest import TellStory

MOST_RETOLD = 8  # in one digest: a call each
_LINES_OF_A_MONTH = 12  # a month of fewer needs no summary: its lines are shown
_MOST_LINES = 100  # under one line above them, in a busy month or without dates
_LINES_TOKENS = 3_000
_FACTS_TOKENS = 500


def retell(store: Store, model: "Model", tell: "TellStory", most: int) -> int:
    """Let a model write up to `most` of the waiting summaries; returns its calls."""
    from dspy.utils.exceptions import AdapterParseError

    calls = 0
    for old, new in _due(store):
        if calls >= most:
            break
        lines = _lines(store, new)
        if not lines:
            continue
        facts = store.digested_facts(range(new.turn_id, new.last_turn_id + 1))
        calls += 1
        try:
            with model.active():
                known = spread_lines([*map(known_fact_line, facts)], _FACTS_TOKENS)
                text = tell(lines, known).summary
        except (AdapterParseError, PromptTooLong):
            continue  # it waits for the next digest
        if not text:
            continue
        written = Summary(new.turn_id, new.last_turn_id, new.kind, text)
        try:
            set_summary(store, written, instead_of=old, by=f"digest by {model.name}")
        except InputError:
            continue  # another process was faster
    return calls


def _due(store: Store) -> Iterator[tuple[Summary | None, Summary]]:
    """The waiting summaries, sessions first: the old row, and the one to write."""
    summaries = store.summaries()
    sessions = [summary for summary in summaries if summary.kind == "session"]
    yield from ((summary, summary) for summary in sessions if not summary.text)
    above = {
        (summary.turn_id, summary.last_turn_id): summary
        for summary in summaries
        if summary.kind == "month"
    }
    for lines in _months(sessions, _dates(store, sessions)):
        new = Summary(lines[0].turn_id, max(line.last_turn_id for line in lines), "month", "")
        old = above.pop((new.turn_id, new.last_turn_id), None)
        if old is None:  # written from other lines, before a window was digested again
            old = next((other for other in above.values() if _overlap(other, new)), None)
            if old:
                del above[old.turn_id, old.last_turn_id]
            yield old, new
        elif not old.text:
            yield old, old
    yield from ((old, old) for old in above.values() if not old.text)


def _months(sessions: Sequence[Summary], said_at: Mapping[int, str]) -> Iterable[Sequence[Summary]]:
    """The lines that one line above them summarizes: a past month, or a hundred.

    Lines are taken in the order of their turns. Late imports make their own run, and lines without
    a date belong to the month before them.
    """
    runs: list[tuple[str, list[Summary]]] = []
    for summary in sessions:
        month = said_at.get(summary.turn_id, "")[:7] or (runs[-1][0] if runs else "")
        if not runs or runs[-1][0] != month:
            runs.append((month, []))
        runs[-1][1].append(summary)
    for number, (_, run) in enumerate(runs, start=1):
        for start in range(0, len(run), _MOST_LINES):
            lines = run[start : start + _MOST_LINES]
            is_over = number < len(runs) or len(lines) == _MOST_LINES
            days = {
                said_at.get(number, "")[: len("2017-05-08")]
                for line in lines
                for number in (line.turn_id, line.last_turn_id)
            }
            # One day does not make a month; without dates there is no telling.
            if is_over and len(lines) >= _LINES_OF_A_MONTH and (len(days) > 1 or days == {""}):
                yield lines


def _overlap(summary: Summary, other: Summary) -> bool:
    return summary.turn_id <= other.last_turn_id and other.turn_id <= summary.last_turn_id


def _lines(store: Store, summary: Summary) -> str:
    """The sources of a summary: its turns, or the lines of its month."""
    if summary.kind == "session":
        turns = [
            turn
            for turn in store.turns(summary.turn_id, summary.last_turn_id)
            if not is_withdrawn(turn.text)
        ]
        return turn_lines(outlined(turns), _LINES_TOKENS, iso=True, spans=True)
    sessions = [
        other
        for other in store.summaries()
        if other.kind == "session"
        and other.text
        and summary.turn_id <= other.turn_id
        and other.last_turn_id <= summary.last_turn_id
    ]
    return spread_lines(dated_lines(store, sessions), _LINES_TOKENS)


def _dates(store: Store, summaries: Sequence[Summary]) -> dict[int, str]:
    ends = {number for line in summaries for number in (line.turn_id, line.last_turn_id)}
    return {turn.id: turn.said_at for turn in store.turns_by_id(sorted(ends), missing_ok=True)}
