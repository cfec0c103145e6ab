"""The parts of a digest: modules that store a window, keep long answers, and tell a story."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dspy

from memory.evidence.lines import (
    CATALOG_TOKENS,
    NAME_TOKENS,
    cut_lines,
    deleted_fact_line,
    in_sessions,
    known_fact_line,
    turn_lines,
)
from memory.evidence.messages import is_withdrawn
from memory.evidence.outline import PROSE_TOKENS, outlined, without_code
from memory.evidence.reader import MemoryReader
from memory.facts.related import known_facts
from memory.program.predict import PromptedModule
from memory.program.signatures.full import NAMES_IN_WINDOW
from memory.program.signatures.further import SummarizeTurns
from memory.records import Change, Turn
from memory.store.facts.contradictions import open_contradictions
from memory.store.facts.digest_rights import edit_note, persons_edits
from memory.store.facts.fact_reads import facts_by_id
from memory.text.speakers import is_assistant, is_by_assistant
from memory.text.tokens import count_tokens, first_lines
from memory.text.turn_lines import turn_line
from memory.text.words import forms_of, is_among, telling_words
from memory.vocabulary import attribute_lines
from memory.vocabulary.entities import key

_MOST_RELATED = 100  # some of them are left out
_MOST_EDITS = 30  # by persons, of facts about the window's speakers
_TURNS_BEFORE_WINDOW = 3
_BEFORE_TOKENS = 300
_LINE_TOKENS = 30  # of a line of the window without its text
_SEARCHED_CHARACTERS = 500  # of one turn in a window; long ones are documents and pasted texts


@dataclass(frozen=True)
class WindowContext:
    """A window of turns and what else its model reads, by the inputs of the prompt.

    `turns` are the window's, without corrections that were undone, `before` the turns before it.
    """

    window: tuple[int, int]
    turns: Sequence[Turn]
    before: Sequence[Turn]
    inputs: Mapping[str, str]
    lines: Callable[[Sequence[Turn]], str]  # of turns, as the window shows them
    characters: tuple[int, int] = (0, 0)  # of people's own messages: given, and shown

    def inputs_of(self, turn_ids: Collection[int]) -> Mapping[str, str]:
        """The inputs with these turns of the window alone, to correct rows; all if there are none.

        What is known and the catalog tell what to leave out, which these rows do not need; their
        attributes are chosen already.
        """
        if not turn_ids:
            return self.inputs
        turns = [turn for turn in self.turns if turn.id in turn_ids]
        is_first = self.turns[0].id in turn_ids
        return {
            **dict.fromkeys(self.inputs, ""),
            "before": self.inputs["before"] if is_first else "",
            "window": self.lines(turns),
        }


@dataclass(frozen=True)
class WindowReading:
    """What a model reads with a window of turns.

    `known_tokens` are for the facts that it may be about. With `around` it reads, in sections by
    session, the turns before it, known facts, names and attributes too; without, one turn alone.
    """

    # Some sixty facts: .74 of the facts that a model needs with a window of 48 turns; .60 in
    # 1,500, .86 in 2,500 (the log).
    known_tokens: int = 2_000
    window: int = 48
    window_tokens: int = 8_000
    around: bool = True


LARGE_WINDOW = WindowReading()


def window_context(
    reader: MemoryReader,
    reading: WindowReading,
    window: tuple[int, int],
    window_turns: Sequence[Turn],
    *,
    tokens: int | None = None,
    share: float = 1.0,
    weights: Mapping[str, float] | None = None,
) -> WindowContext:
    """A window as its prompt shows it.

    Arguments:
        tokens: at most, of the window's turns.
        share: of the tokens that the rest of the prompt usually gets.
        weights: for the ranking that finds known facts.
    """
    # A correction that was undone becomes no fact, and does not inform others.
    turns = [turn for turn in window_turns if not is_withdrawn(turn.text)]

    window_tokens = reading.window_tokens if tokens is None else tokens

    def line_of_each(turns: Sequence[Turn]) -> list[str]:
        return cut_lines(
            _read_whole(turns, window_tokens) if reading.around else turns,
            window_tokens,
            dates=reading.around,
            iso=True,
            spans=reading.around,
        )

    def joined(turns: Sequence[Turn], lines: Sequence[str]) -> str:
        return in_sessions(turns, lines) if reading.around else "\n".join(lines)

    inputs = dict.fromkeys(("before", "known", "attributes"), "")
    before = _turns_before(reader, turns[0]) if turns else []
    if reading.around and turns:
        inputs = _around(
            reader, turns, before, tokens=reading.known_tokens, weights=weights, share=share
        )
    catalog = reader.catalog(int(CATALOG_TOKENS * share))
    lines = line_of_each(turns)
    inputs = {**inputs, "window": joined(turns, lines), "catalog": catalog}
    by_people = [
        (turn, line) for turn, line in zip(turns, lines, strict=True) if not is_by_assistant(turn)
    ]
    characters = (
        sum(len(turn.text) for turn, _ in by_people),
        sum(_shown_characters(turn, line, reading.around) for turn, line in by_people),
    )

    def window_lines(turns: Sequence[Turn]) -> str:
        return joined(turns, line_of_each(turns))

    return WindowContext(window, turns, before, inputs, window_lines, characters)


def _read_whole(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """Turns with people's own messages whole, or as much of each as all have room for."""
    prose = tokens
    while prose > PROSE_TOKENS:
        outlines = outlined(turns, prose)
        if sum(count_tokens(turn.text) + _LINE_TOKENS for turn in outlines) <= tokens:
            return outlines
        prose //= 2
    return outlined(turns)


def _shown_characters(turn: Turn, line: str, dates: bool) -> int:
    """How many characters of a turn are in its line, at most as many as it has."""
    head = turn_line(replace(turn, text=""), dates)
    return min(len(turn.text), max(len(line) - len(head), 0))


def stored_window(
    change: Change,
    *,
    sql: str = "",
    calls: int = 0,
    refusals: Sequence[str] = (),
    unsaid: int = 0,
) -> dict[str, Any]:
    """What StoreTurns returns about a window."""
    return {
        "change": change,
        "sql": sql,
        "calls": calls,
        "refusals": list(refusals),
        "refused": list(change.set_aside),
        "unsaid": unsaid,
    }


def _turns_before(reader: MemoryReader, first: Turn) -> list[Turn]:
    """The turns before a window, of its session."""
    return [
        turn
        for turn in reader.store.turns(first.id - _TURNS_BEFORE_WINDOW, first.id - 1)
        if turn.session == first.session and not is_withdrawn(turn.text)
    ]


def _around(
    reader: MemoryReader,
    turns: Sequence[Turn],
    before: Sequence[Turn],
    *,
    tokens: int,
    weights: Mapping[str, float] | None,
    share: float,
) -> dict[str, str]:
    """What else a model sees with a window, in a share of the tokens that this usually gets.

    The turns before it, the known facts that it may be about, and the attributes that it may need.
    """
    store = reader.store
    texts = [f"{turn.speaker}: {turn.text[:_SEARCHED_CHARACTERS]}" for turn in turns]
    names = reader.name_lines("\n".join(texts), int(NAME_TOKENS * share))
    # The facts of the window's own turns first, from templates, tools and people.
    in_window = {turn.id for turn in turns}
    stated = [fact.fact for fact in store.facts_of_turns(sorted(in_window))]
    # An assistant's proposals do not end, and would take the room of what a person said. Ended
    # facts do not end again, unless the window mentions one, perhaps to say that it is true again.
    forms = forms_of(word for turn in turns for word in telling_words(turn.text))
    related = [
        fact
        for fact in known_facts(store, texts, _MOST_RELATED, weights=weights)
        if not is_assistant(fact.subject)
        and (not fact.ended_on or any(is_among(word, forms) for word in telling_words(fact.value)))
    ]
    # What persons edited binds a digest, so it is shown first.
    speakers = {key(turn.speaker) for turn in turns}
    edits = [edit for edit in persons_edits(store) if key(edit.fact.subject) in speakers]
    edits = list({edit.fact.id: edit for edit in reversed(edits[:_MOST_EDITS])}.values())[::-1]
    notes = {edit.fact.id: edit_note(edit) for edit in edits}
    edited = {edit.fact.id for edit in edits if edit.after}
    facts = {fact.id: fact for fact in [*facts_by_id(store, sorted(edited)), *stated, *related]}
    for pair in open_contradictions(store):
        for fact, other in (pair.facts, pair.facts[::-1]):
            if fact.id in facts:
                facts.setdefault(other.id, other)
                told = f"contradicts id {other.id}"
                notes[fact.id] = ", ".join(filter(None, (notes.get(fact.id), told)))
    lines = [known_fact_line(fact, notes.get(fact.id, "")) for fact in facts.values()]
    lines += [deleted_fact_line(edit.fact, edit_note(edit)) for edit in edits if not edit.after]
    known = first_lines(lines, int(tokens * share))
    return {
        "before": turn_lines(
            outlined(before), budget=int(_BEFORE_TOKENS * share), iso=True, spans=True
        ),
        "known": "\n".join(filter(None, [NAMES_IN_WINDOW, names, known]) if names else [known]),
        "attributes": attribute_lines(reader.vocabulary(), _own_words(turns)),
    }


def _own_words(turns: Sequence[Turn]) -> str:
    """What people say in some turns, without code; what the others say if no one does."""
    by_people = [turn for turn in turns if not is_by_assistant(turn)]
    return "\n".join(without_code(turn.text)[:_SEARCHED_CHARACTERS] for turn in by_people or turns)


class TellStory(PromptedModule):
    """Tells in a few sentences what happened in some turns."""

    def __init__(self) -> None:
        super().__init__(SummarizeTurns)

    def forward(self, lines: str, facts: str) -> dspy.Prediction:
        """A Prediction of summary (str), of lines and of facts that are right."""
        summary = self._predicted(lines=lines, facts=facts).summary
        return dspy.Prediction(summary=" ".join(str(summary or "").split()))
