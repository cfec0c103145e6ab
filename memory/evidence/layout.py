"""Facts and turns as lines within a budget of tokens: the one layout of all doors."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, islice, tee, zip_longest
from typing import Protocol, Self

from memory.evidence.lines import (
    LOOKED_HEAD,
    NO_STORY,
    OF_FACTS,
    PORTRAIT_HEAD,
    ROWS_HEAD,
    TURNS_HEAD,
    Story,
    dated_line,
    marked,
    marked_line,
)
from memory.evidence.wishes import NO_STANDING, Standing
from memory.records import Turn
from memory.text.dates import spoken_date
from memory.text.fence import fenced
from memory.text.passages import CUT, excerpt, is_larger
from memory.text.tokens import (
    CHARACTERS_PER_TOKEN,
    TRIMMED,
    count_tokens,
    line_tokens,
    token_counts,
    trim,
)

# A turn longer than this, and than half of the room left, shows the sentences that the question
# asks for: evidence shown at 500 tokens .697 -> .722 in chats with an assistant (docs/log.md).
# Turns of LoCoMo's seven conversations are as long in 1 of 100.
LONG_TURN = 100  # tokens
_SHORT = 2_000  # characters of a turn whose line is kept for other questions
# In a budget with room for a dozen of them, turns are only cut above this: nine of ten messages of
# people who talk to an assistant are shorter.
_LONG_WITH_ROOM, _DOZEN = 160, 12
_HEAD_TOKENS = 30  # of a line: its id, its date and a speaker's name
_MOST_MISSES = 20  # turns that do not fit; a shorter one may follow
# A note in brackets at the end of a turn, such as the caption of a picture; shorter ones stay.
_NOTE = re.compile(r"\[[^\[\]\n]{24,}\]\s*\Z")
NOTE_TOLD = re.compile(r"\[as in turn \d+\]")  # in place of another turn's note


class FactLine(Protocol):
    """A row, or several facts, as a line."""

    @property
    def line(self) -> str:
        """Its text."""

    @property
    def turn_ids(self) -> Collection[int]:
        """The turns that it is from."""

    @property
    def fact_ids(self) -> Collection[int]:
        """The facts that it tells, where it knows them."""

    @property
    def replaces_turns(self) -> bool:
        """Whether its turns can be left out."""

    @property
    def source(self) -> int:
        """The number of the SELECT that brought it."""

    def is_in(self, turn_ids: Collection[int]) -> bool:
        """Whether these turns, shown whole, say all of it."""

    def within(self, tokens: int) -> Self | None:
        """As much of it as fits a number of tokens; None for nothing."""


@dataclass(frozen=True)
class Evidence:
    """The part of a memory that is shown, section by section, in order.

    `standing` holds the asker's wishes and the contradictions, `looked` what a model looked up,
    `story` a short account of events; `facts` and `turns` are lines. `people` are lines about
    people that a message names, `portrait` turns where the asker tells what lasts. `turn_ids`
    are the turns in any of them, `lined` the facts of lines, `marked` the turns that facts call
    outdated or disputed, and `cut` the turns that are shown in part.
    """

    standing: Standing = NO_STANDING
    looked: tuple[str, ...] = ()
    story: Story = NO_STORY
    facts: tuple[str, ...] = ()
    turns: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    portrait: tuple[str, ...] = ()
    turn_ids: tuple[int, ...] = ()
    lined: tuple[int, ...] = ()
    marked: frozenset[int] = frozenset()
    cut: frozenset[int] = frozenset()

    @property
    def fact_lines(self) -> int:
        """How many lines are facts or rows, or turns that facts tell or mark."""
        standing = self.standing
        of_facts = (self.looked, self.facts, self.marked)
        lines = (standing.lines, standing.profile_lines, standing.pair_lines, *of_facts)
        return sum(map(len, lines))

    @property
    def fact_ids(self) -> tuple[int, ...]:
        """The facts in any of them: wishes, the profile, contradictions, lines."""
        return tuple(dict.fromkeys([*(fact.id for fact in self.standing.all_facts), *self.lined]))

    @cached_property
    def text(self) -> str:
        """The parts under their headings; "" if there are none."""
        return _joined(self.standing.wishes, self._quoted)

    @cached_property
    def tokens(self) -> int:
        """The size of the text."""
        return count_tokens(self.text)

    @cached_property
    def fenced(self) -> str:
        """The text for another model's prompt: everything but the wishes is quoted in a fence."""
        return _joined(self.standing.wishes, fenced(self._quoted))

    @property
    def _quoted(self) -> str:
        return _joined(
            _section(LOOKED_HEAD, self.looked),
            self.standing.about_asker,
            "\n".join(self.people),
            _section(PORTRAIT_HEAD, self.portrait),
            self.standing.disputes,
            self.story.text,
            _section(ROWS_HEAD, self.facts),
            _section(TURNS_HEAD, self.turns),
        )


def _joined(*parts: str) -> str:
    return "\n".join(filter(None, parts))


def _section(head: str, lines: Sequence[str]) -> str:
    return "\n".join((head, *lines)) if lines else ""


@dataclass(frozen=True)
class TurnForm:
    """How turns become lines.

    With a `question` a long turn shows the sentences that it asks for, in at most `longest` tokens,
    a turn in `near` in at most `longest_near`.
    `marks` says, by turn id, what is no longer so; `dates` and `spans` are `dated_line`'s. A turn
    in `opened` has at most `longest_opened`.
    """

    question: str = ""
    longest: int = LONG_TURN
    near: Collection[int] = ()
    longest_near: int = LONG_TURN
    marks: Mapping[int, str] = field(default_factory=dict)
    dates: bool = True
    spans: bool = False
    opened: Collection[int] = ()
    longest_opened: int = LONG_TURN

    def line(self, turn: Turn, tokens_left: int) -> str:
        """A turn's line in the room that is left."""
        mark = self.marks.get(turn.id, "")
        if turn.id in self.opened:
            limit = max(min(tokens_left - _HEAD_TOKENS, self.longest_opened), LONG_TURN)
            turn = replace(turn, text=excerpt(self.question, turn.text, limit))
        elif self.question:
            longest = self.longest_near if turn.id in self.near else self.longest
            limit = min(max(tokens_left // 2, LONG_TURN), longest)
            if is_larger(turn.text, limit, count_tokens):
                # The question names its asker ("user"), which is no reason to show a "user" in
                # their code.
                name = rf"\b{re.escape(turn.speaker)}\b" if turn.speaker else "$"
                text = excerpt(re.sub(name, " ", self.question), turn.text, limit)
                turn = replace(turn, text=text)
        return marked(dated_line(turn, self.dates, spans=self.spans), mark)

    def cut_line(self, turn: Turn, tokens_left: int) -> str:
        """The same, cut if it does not fit; its mark stays."""
        line = self.line(turn, tokens_left)
        room = tokens_left - 2
        if count_tokens(line) <= room:
            return line
        mark = marked("", self.marks.get(turn.id, ""))
        return trim(line.removesuffix(mark), max(room - count_tokens(mark), 0)) + mark


def longest_turn(budget: int) -> int:
    """How many tokens of text any turn may take when a question cuts long ones."""
    return min(max(budget // _DOZEN, LONG_TURN), _LONG_WITH_ROOM)


def longest_of(turns: Iterable[Turn], budget: int) -> int:
    """How many tokens of text each of these turns may take so that all of them fit.

    The whole budget if none has to be cut.
    """
    sizes = sorted([token_counts[turn.text] for turn in turns])
    room = budget - _HEAD_TOKENS * len(sizes)
    for number, size in enumerate(sizes):
        share = room // (len(sizes) - number)
        if size > share:
            return max(share, 1)
        room -= size
    return budget


def _fit_whole(turns: Iterable[Turn], budget: int) -> bool:
    """Whether all turns fit a budget whole."""
    for turn in turns:
        budget -= _HEAD_TOKENS
        # A text that cannot fit is not counted: millions of characters take long.
        if len(turn.text) > budget * CHARACTERS_PER_TOKEN:
            return False
        budget -= token_counts[turn.text]
    return budget >= 0


def lay_out(
    facts: Sequence[FactLine],
    ranked: Iterable[Turn],
    budget: int,
    *,
    brought: Sequence[Turn] = (),
    turns_first: float = 0.0,
    facts_share: float = 0.5,
    question: str = "",
    marks: Mapping[int, str] | None = None,
    longest: int | None = None,
    near: int = 0,
    spans: bool = False,
    by_day: bool = False,
    best_first: bool = False,
    opened: Collection[int] = (),
) -> Evidence:
    """Fill a budget with the best turn, facts, and more turns.

    The best turn is always shown, cut if necessary. Of the room left, ranked turns take the share
    `turns_first` before any fact, and facts take at most `facts_share` of what remains (all of it
    if there is no turn). More turns take the rest. Turns come in the order they were said, or
    `best_first`.

    Arguments:
        facts: lines of facts, best first. A fact that turns shown whole say is left out.
        ranked: turns, best first; no more are read than fit.
        budget: in tokens.
        brought: turns that a SELECT asked for; they alternate with ranked ones after the facts.
        question: if given, a long turn shows the sentences that it asks for, in at most `longest`
            tokens (by default `longest_turn`), and shorter turns may follow a turn that is too
            long. Without it, the first turn that does not fit ends the list.
        near: how many of the first turns are near to the question: these are shown whole, or as
            long as all of them fit (`longest_of`). Where all turns fit whole, all are.
        marks: what to note of turns, by their ids: that they are outdated.
        spans: whether relative dates are shown as spans (see `dated_line`).
        by_day: whether a line names the day of the turns after it, which then have no date.
        opened: the ids of turns that are shown whole, or as far as a share of half of the budget
            has room.
    """
    turns = _Turns(ranked)
    first = [*islice(turns, near)]
    if near and _fit_whole(turns, budget):
        first = [*turns]
    if longest is None:
        longest = longest_turn(budget)
    form = TurnForm(
        question,
        longest,
        near={turn.id for turn in first},
        longest_near=max(longest_of(first, budget), longest),
        marks=marks or {},
        dates=not by_day,
        spans=spans,
        opened=opened,
        longest_opened=budget // 2 // max(len(opened), 1) - _HEAD_TOKENS,
    )

    def laid_out(tokens: int) -> Evidence:
        return _laid_out(
            facts,
            turns,
            brought,
            tokens=tokens,
            turns_first=turns_first,
            facts_share=facts_share,
            form=form,
            best_first=best_first,
        )

    tokens = budget
    evidence = laid_out(tokens)
    # Lines may have a token more together than separately, and a day that others interrupt has two.
    while evidence.tokens > budget and tokens > 0:
        # With room for all of its lines the next one would be the same.
        of_lines = sum([token_counts[line + "\n"] for line in evidence.text.splitlines()])
        tokens = min(tokens, of_lines) - (evidence.tokens - budget)
        evidence = laid_out(tokens)
    return evidence


def _laid_out(
    facts: Sequence[FactLine],
    ranked: Iterable[Turn],
    brought: Sequence[Turn],
    *,
    tokens: int,
    turns_first: float,
    facts_share: float,
    form: TurnForm,
    best_first: bool,
) -> Evidence:
    tokens_left = tokens - line_tokens(TURNS_HEAD) - (line_tokens(ROWS_HEAD) if facts else 0)
    pairs: list[tuple[Turn, str]] = []
    days: set[str] = set()  # that have a line by now
    notes: dict[str, int] = {}  # told by now, with their turns
    if best := next(iter(ranked), None):
        if not form.dates and (day := spoken_date(best.said_at)):
            days.add(day)
            tokens_left -= line_tokens(f"{day}:")
        line = form.cut_line(best, tokens_left)
        note = _note_of(best)
        if note and note in line:
            notes[note] = best.id
        pairs.append((best, line))
        tokens_left -= line_tokens(line)
    if turns_first:
        room = int(tokens_left * turns_first)
        after_best = islice(ranked, 1, None)
        first, room_left = _fitting(after_best, room, form, days=days, notes=notes)
        pairs += first
        tokens_left -= room - room_left

    spoken = {turn.id for turn, _ in pairs}
    # A cut turn may lack just what a fact tells.
    whole = spoken - _cut(pairs)
    facts_left = int(tokens_left * facts_share) if pairs else tokens_left
    told: set[int] = set()  # turns that lines of facts replace
    named: set[int] = set()
    fact_ids: list[int] = []
    lines = []
    for fitting in _fitting_facts([fact for fact in facts if not fact.is_in(whole)], facts_left):
        lines.append(fitting.line)
        tokens_left -= line_tokens(fitting.line)
        named |= {*fitting.turn_ids}
        fact_ids += fitting.fact_ids
        if fitting.replaces_turns:
            told |= {*fitting.turn_ids}

    # A turn whose words a SELECT wanted is not replaced by its fact.
    wanted = [turn for turn in brought if turn.id not in spoken]
    others = ranked
    if wanted:
        others = alternate(wanted, (turn for turn in ranked if turn.id not in spoken | told))
    shown_elsewhere = spoken | (told - {turn.id for turn in wanted})
    further, _ = _fitting(
        others, tokens_left, form, days=days, notes=notes, without=shown_elsewhere
    )
    pairs += further
    if not best_first:
        by_id = sorted([(turn.id, place) for place, (turn, _) in enumerate(pairs)])
        pairs = [pairs[place] for _, place in by_id]
    return Evidence(
        facts=tuple(lines),
        turns=_in_form(pairs, form),
        turn_ids=tuple(sorted(named | {turn.id for turn, _ in pairs})),
        lined=tuple(fact_ids),
        marked=frozenset([t.id for t, _ in pairs if form.marks.get(t.id, "").startswith(OF_FACTS)]),
        cut=_cut(pairs),
    )


def _cut(pairs: Sequence[tuple[Turn, str]]) -> frozenset[int]:
    """The turns whose lines lack a part of them."""
    return frozenset(
        turn.id
        for turn, line in pairs
        for mark in (CUT, TRIMMED)
        if mark in line and mark not in turn.text
    )


def _fitting_facts(facts: Sequence[FactLine], tokens: int) -> list[FactLine]:
    """The facts that fit a number of tokens, whole or in part, in their order.

    The results of several SELECTs share the room equally; what one leaves goes to the others.
    """
    of_source: dict[int, list[int]] = {}
    for place, fact in enumerate(facts):
        of_source.setdefault(fact.source, []).append(place)
    sizes = [line_tokens(fact.line) for fact in facts]
    # The smallest result first: what it leaves is known before a larger one is laid out.
    smallest_first = sorted(of_source.values(), key=lambda places: sum(sizes[n] for n in places))
    fitting: dict[int, FactLine] = {}
    for waiting, places in zip(range(len(smallest_first), 0, -1), smallest_first, strict=True):
        room = tokens // waiting
        for place in places:
            if cut := facts[place].within(room):
                fitting[place] = cut
                size = line_tokens(cut.line)
                room -= size
                tokens -= size
    return [fitting[place] for place in sorted(fitting)]


def _fitting(
    turns: Iterable[Turn],
    tokens: int,
    form: TurnForm,
    *,
    days: set[str],
    notes: dict[str, int],
    without: Collection[int] = (),
) -> tuple[list[tuple[Turn, str]], int]:
    """The turns that fit a number of tokens, with their lines, and the tokens left.

    Each turn once, and none in `without`; none after _MOST_MISSES misses. `days` has the
    days with a line already, and gets the days that these turns need; `notes` likewise, each shown
    once.
    """
    pairs: list[tuple[Turn, str]] = []
    misses_left = _MOST_MISSES if form.question else 1
    seen = {*without}
    whole = min(form.longest, form.longest_near, LONG_TURN)  # no turn of as many tokens is cut
    for turn in turns:
        if turn.id in seen:
            continue
        seen.add(turn.id)
        note = _note_of(turn) if turn.text.endswith("]") else ""
        if note in notes:
            turn = replace(turn, text=turn.text.replace(note, f"[as in turn {notes[note]}]"))
        if len(turn.text) <= _SHORT and token_counts[turn.text] <= whole:
            line = marked_line(turn, form.marks.get(turn.id, ""), form.dates, form.spans)
        else:
            line = form.line(turn, tokens)
        size = token_counts[line + "\n"]
        day = "" if form.dates else spoken_date(turn.said_at)
        if day and day not in days:
            size += token_counts[f"{day}:\n"]
        if size <= tokens:
            days.add(day)
            tokens -= size
            pairs.append((turn, line))
            if note and note in line:
                notes[note] = turn.id
        else:
            misses_left -= 1
        if not misses_left:
            break
    return pairs, tokens


def _note_of(turn: Turn) -> str:
    """The note in brackets that a person's turn ends with, such as a picture's caption, or ""."""
    match = _NOTE.search(turn.text)
    return match[0] if match else ""


def _in_form(pairs: Sequence[tuple[Turn, str]], form: TurnForm) -> tuple[str, ...]:
    """The lines of turns; without their dates, a line that names the day of those after it."""
    if form.dates:
        return tuple([line for _, line in pairs])
    lines = []
    day_before = ""
    for turn, line in pairs:
        day = spoken_date(turn.said_at)
        if day and day != day_before:
            lines.append(f"{day}:")
        lines.append(line)
        day_before = day
    return tuple(lines)


def alternate(first: Iterable[Turn], second: Iterable[Turn]) -> Iterator[Turn]:
    """A turn of each in turn; a turn that both have comes twice."""
    return filter(None, chain.from_iterable(zip_longest(first, second)))


class _Turns:
    """Turns that are read as far as a caller looks, and again from the first."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        [self._from_first] = tee(turns, 1)

    def __iter__(self) -> Iterator[Turn]:
        return copy(self._from_first)
