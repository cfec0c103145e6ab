"""The parts of a digest: modules that store a window, keep long answers, and tell a story."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from memory.errors import SqlError
from memory.evidence.lines import (
    CATALOG_TOKENS,
    NAME_TOKENS,
    deleted_fact_line,
    known_fact_line,
    turn_lines,
)
from memory.evidence.messages import is_evidence, is_quotation, is_withdrawn
from memory.evidence.outline import outlined
from memory.evidence.reader import MemoryLike, MemoryReader, writing
from memory.facts.latest_word import latest_words
from memory.facts.related import known_facts
from memory.facts.window_writes import WindowWriter
from memory.program.fact_checks import dated, is_quoted
from memory.program.lm_in_use import lm_in_use
from memory.program.prompted import PromptedModule
from memory.program.repairs import with_repairs
from memory.program.signatures.forms import PROMPTS, Form, Prompts
from memory.program.signatures.full import NAMES_IN_WINDOW
from memory.program.signatures.further import SummarizeTurns
from memory.records import Change, Fact, Turn
from memory.store.facts.contradictions import open_contradictions
from memory.store.facts.digest_rights import edit_note, persons_edits
from memory.store.facts.fact_reads import facts_by_id
from memory.text.speakers import is_assistant
from memory.text.tokens import first_lines
from memory.text.word_forms import forms_of, is_among, telling_words
from memory.vocabulary import attribute_lines
from memory.vocabulary.entities import key

_MOST_RELATED = 100  # some of them are left out
_MOST_EDITS = 30  # by persons, of facts about the window's speakers
_TURNS_BEFORE_WINDOW = 3
_BEFORE_TOKENS = 300
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


class StoreTurns(PromptedModule):
    """Writes what a window of turns says as facts.

    `store = StoreTurns()` runs on the LM of `dspy.configure`, `dspy.context` or `set_lm`.
    `store(memory="anna")` stores the turns that no digest has stored yet, one window at a time;
    `store(turns=[...])` shows what it would store of these turns, and changes no memory.

    Arguments:
        prompts: the form of its prompt: "full", "short" or "tiny".
    """

    def __init__(self, prompts: Form = "full") -> None:
        super().__init__(PROMPTS[prompts].store, prompts)
        self.shows_dates = self.prompts.follows

    def forward(
        self,
        memory: MemoryLike | None = None,
        first: int = 0,
        last: int = 0,
        *,
        turns: Sequence[Turn | Mapping[str, Any]] = (),
        by: str = "StoreTurns",
        tokens: int | None = None,
        share: float = 1.0,
        weights: Mapping[str, float] | None = None,
        window_turns: Sequence[Turn] = (),
    ) -> dspy.Prediction:
        """Store one window as one change.

        Arguments:
            memory: a memory's name, its file's path, an open Store, or a Memory.
            first, last: the ids of the window's turns; by default the next ones to be stored.
            turns: turns to store in a temporary memory.
            by: the person storing them, for the journal.
            tokens: at most, of the window's turns.
            share: of the tokens that the rest of the prompt usually gets.
            weights: for the ranking that finds known facts.
            window_turns: the turns from `first` to `last`, if the caller has read them already.

        Returns a Prediction of change (Change), facts (list of Fact: what is stored of the window's
        turns now), sql (str), calls (int: model calls), refusals (list of str: what was refused
        before, and why), refused (list of str: which rows were set aside, and why) and unsaid (int:
        rows of a small model that are not in the words of their turns).
        Raises SqlError with its refusals when two repairs did not help; nothing is written then.
        """
        with lm_in_use(self), writing(memory, turns, weights) as reader:
            size = len(turns) if memory is None else self.prompts.window
            ids = (first, last) if last else reader.next_window(size)
            context = self._context(
                reader,
                ids,
                window_turns or reader.store.turns(*ids),
                tokens=tokens,
                share=share,
                weights=weights,
            )
            writer = WindowWriter(
                reader.store,
                context.turns,
                ids,
                f"digest by {by}",
                self._as_stored,
                before=context.before,
                known=context.inputs["known"].removeprefix(NAMES_IN_WINDOW),
                writes_aliases=self.prompts.follows,
                asks_again=self.prompts.follows,
            )
            stored = self._stored(context, writer)
            turn_ids = [turn.id for turn in context.turns]
            return dspy.Prediction(facts=list(reader.digested_facts(turn_ids)), **stored)

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        """Ask for SQL and run it; no call for a window without anyone's words."""
        if not any(self._may_hold_facts(turn) for turn in context.turns):
            return stored_window(writer.finish())

        def ask(feedback: str) -> str:
            return str(self._predicted(**context.inputs, feedback=feedback).sql)

        try:
            with self._traced():
                (change, unsaid), sql, refusals = with_repairs(ask, writer.write)
        except SqlError as error:
            if not writer.has_rows:
                raise
            # Nothing can be stored of the last answer; there are rows of the one before.
            return stored_window(
                writer.finish([str(error)]), calls=len(error.refusals), refusals=error.refusals
            )
        return stored_window(
            change, sql=sql, calls=len(refusals) + 1, refusals=refusals, unsaid=unsaid
        )

    def _may_hold_facts(self, turn: Turn) -> bool:
        """A tiny model makes facts of questions and refusals too, so it does not see these."""
        if self.prompts.follows:
            return not is_quotation(turn.text)
        return is_evidence(turn.text)

    def _as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        """A fact with its date; from a tiny model only what the turn says, word for word."""
        fact = dated(fact, turn)
        return fact if self.prompts.follows or is_quoted(fact, turn) else None

    def _context(
        self,
        reader: MemoryReader,
        window: tuple[int, int],
        window_turns: Sequence[Turn],
        *,
        tokens: int | None,
        share: float,
        weights: Mapping[str, float] | None,
    ) -> WindowContext:
        """The window as its prompt shows it."""
        prompts = self.prompts
        # A correction that was undone becomes no fact, and does not inform others.
        turns = [turn for turn in window_turns if not is_withdrawn(turn.text)]
        shown = outlined(turns) if prompts.follows else turns
        budget = prompts.window_tokens if tokens is None else tokens
        lines = turn_lines(
            shown,
            budget,
            dates=self.shows_dates,
            iso=True,
            spans=prompts.follows,
            sessions=prompts.session_heads,
        )
        inputs = dict.fromkeys(("before", "known", "attributes"), "")
        before = _turns_before(reader, turns[0]) if turns else []
        if prompts.follows and turns:
            inputs = _around(reader, turns, before, prompts, weights=weights, share=share)
        catalog = reader.catalog(int(CATALOG_TOKENS * share))
        return WindowContext(window, turns, before, {**inputs, "window": lines, "catalog": catalog})


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
    prompts: Prompts,
    *,
    weights: Mapping[str, float] | None,
    share: float,
) -> dict[str, str]:
    """What else a model sees with a window, in a share of the tokens that this usually gets.

    The turns before it, the known facts that it may be about, and the attributes that it may need.
    """
    store = reader.store
    texts = [f"{turn.speaker}: {turn.text[:_SEARCHED_CHARACTERS]}" for turn in turns]
    name_tokens = int(NAME_TOKENS * share) if prompts.with_names else 0
    names = reader.name_lines("\n".join(texts), name_tokens)
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
    for fact_id, word in latest_words(store, [*facts.values()]).items():
        if word.turn.id not in in_window:
            notes[fact_id] = ", ".join(filter(None, (notes.get(fact_id), word.text)))
    lines = [known_fact_line(fact, notes.get(fact.id, "")) for fact in facts.values()]
    lines += [deleted_fact_line(edit.fact, edit_note(edit)) for edit in edits if not edit.after]
    known = first_lines(lines, int(prompts.known_tokens * share))
    return {
        "before": turn_lines(
            outlined(before), budget=int(_BEFORE_TOKENS * share), iso=True, spans=True
        ),
        "known": "\n".join(filter(None, [NAMES_IN_WINDOW, names, known]) if names else [known]),
        "attributes": attribute_lines(reader.vocabulary(), "\n".join(texts), prompts.attributes),
    }


class TellStory(PromptedModule):
    """Tells in a few sentences what happened in some turns."""

    def __init__(self) -> None:
        super().__init__(SummarizeTurns)

    def forward(self, lines: str, facts: str) -> dspy.Prediction:
        """A Prediction of summary (str), of lines and of facts that are right."""
        with self._traced():
            summary = self._predicted(lines=lines, facts=facts).summary
        return dspy.Prediction(summary=" ".join(str(summary or "").split()))
