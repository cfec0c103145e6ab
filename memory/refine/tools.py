"""The six tools that refine a memory, for an agent and for `RefineMemory`.

They take text and numbers and return text. Errors that a model can fix are InputError or SqlError;
the message says how.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from memory.errors import InputError
from memory.evidence.lines import dated_line
from memory.records import Fact
from memory.refine.near_facts import near_facts, turn_scores
from memory.refine.revisions import (
    Revision,
    created,
    merged,
    split_up,
    updated,
)
from memory.refine.workbench import FactSet, Workbench
from memory.text.words import words
from memory.vocabulary.fact_lines import fact_line
from memory.vocabulary.statements import why_unstated

_RANKED_TURNS = 200
_MOST_SHOWN = 20
_MOST_FINDINGS = 10


class RefiningTools:
    """Six tools on one workbench. A call that changes facts makes one change, with its reason.

    Arguments:
        workbench: a memory, or a draft of it.
    """

    def __init__(self, workbench: Workbench) -> None:
        self._workbench = workbench
        self._draws = 0

    def functions(self) -> list[Callable[..., str]]:
        """The tools, as functions with types and docstrings."""
        return [
            self.search_memory,
            self.manage_memory,
            self.delete_memory,
            self.sample_memory,
            self.merge_memory,
            self.split_memory,
        ]

    def search_memory(
        self,
        query: str,
        top_k: int = 5,
        type: Literal["any", "fact", "turn"] = "any",
        threshold: float = 0.0,
    ) -> str:
        """Find facts and turns about something, the nearest first, with their numbers.

        Args:
            query: what to look for, in words that the speakers may have used.
            top_k: how many facts, and how many turns, at most.
            type: "fact" for what is stored as facts, "turn" for what was said, "any" for both.
            threshold: leave out what is less near than this, from 0 to 1 (the best there can be).
        """
        if not query.strip():
            raise InputError("the query is empty; say what to look for")
        if not 0 <= threshold <= 1:
            raise InputError(f"threshold {threshold:g}: give one from 0 to 1")
        if type not in ("any", "fact", "turn"):
            raise InputError(f"there is no type {type!r}; there are any, fact and turn")
        number = min(max(top_k, 1), _MOST_SHOWN)
        hits = self._workbench.search(query, _RANKED_TURNS)
        lines: list[str] = []
        if type != "turn":
            state = self._workbench.fact_set()
            ranked = near_facts(query, state.facts.values(), state.turn_ids, hits)
            near = [(fact, score) for fact, score in ranked if score >= threshold][:number]
            lines += [f"{_line(fact, state)} near {score:.2f}" for fact, score in near if score]
        if type != "fact":
            scores = turn_scores(hits)
            turn_ids = [hit.turn_id for hit in hits if scores[hit.turn_id] >= threshold]
            turns = self._workbench.turns_by_id(turn_ids[:number])
            lines += [dated_line(turn, spans=True) for turn in turns]
        return "\n".join(lines) or "Nothing is as near as that; search with other words."

    def manage_memory(
        self,
        action: Literal["create", "update", "analyze"],
        reason: str = "",
        fact_id: int = 0,
        subject: str = "",
        attribute: str = "",
        value: str = "",
        turn_id: int = 0,
        happened_on: str = "",
        ended_on: str = "",
    ) -> str:
        """Create a fact that a turn tells, update a fact, or analyze what the facts lack.

        Args:
            action: "create" needs subject, attribute, value and turn_id; "update" needs fact_id
                and what is new; "analyze" needs nothing and changes nothing.
            reason: why; the journal keeps it. Needed to create and to update.
            fact_id: the fact to update, by its number.
            subject: who or what the fact is about, by name.
            attribute: short snake_case, such as lives_in or has_pet.
            value: the fact in the turn's own words, complete without the rest.
            turn_id: the number of the turn that tells a new fact.
            happened_on: when, as exact as known: 2011-03-05, 2011-03 or 2011.
            ended_on: since when it is true no more; the fact stays on record.
        """
        texts = {
            "subject": subject,
            "attribute": attribute,
            "value": value,
            "happened_on": happened_on,
            "ended_on": ended_on,
        }
        new = {name: text.strip() for name, text in texts.items() if text.strip()}
        if action == "analyze":
            return self._analysis()
        if action == "create":
            if not turn_id:
                raise InputError("a new fact needs the turn that tells it: give `turn_id`")
            self._workbench.turns_by_id([turn_id])  # raises when there is no such turn
            fact = Fact(
                subject=subject.strip(),
                attribute=attribute.strip(),
                value=value.strip(),
                turn_id=turn_id,
                happened_on=happened_on.strip(),
                ended_on=ended_on.strip(),
            )
            self._refuse_repeated(fact)
            turn_ids = [turn_id]
            revision = created(fact, self._workbench.said(turn_ids))
        elif action == "update":
            state = self._workbench.fact_set()
            old = _fact(fact_id, state)
            turn_ids = sorted(state.turn_ids[fact_id])
            revision = updated(old, turn_ids, self._workbench.said(turn_ids), **new)
        else:
            raise InputError(f"there is no action {action!r}; there are create, update, analyze")
        self._refuse_unstated(revision, turn_ids)
        return self._done(f"manage_memory {action}", reason, revision)

    def delete_memory(self, fact_id: int, reason: str = "") -> str:
        """Delete a fact that is wrong, says nothing, or is there twice.

        What was true once is no reason: give it an end with manage_memory and ended_on.

        Args:
            fact_id: the fact's number.
            reason: why; the journal keeps it.
        """
        return self._done(
            "delete_memory", reason, Revision(removed=(_fact(fact_id, self._workbench.fact_set()),))
        )

    def sample_memory(
        self, strategy: Literal["random", "diverse", "recent"] = "diverse", number: int = 5
    ) -> str:
        """Look at some facts, to see what this memory holds.

        Args:
            strategy: "random"; "diverse" for facts as unlike each other as there are; "recent"
                for those of the newest turns.
            number: how many facts.
        """
        state = self._workbench.fact_set()
        facts = sorted(state.facts.values(), key=lambda fact: fact.id)
        number = min(max(number, 1), _MOST_SHOWN)
        if strategy == "recent":
            chosen = sorted(facts, key=lambda fact: (-fact.turn_id, -fact.id))[:number]
        elif strategy == "random":
            self._draws += 1  # each call draws other facts, the same in each run
            drawn = random.Random(f"{len(facts)}/{self._draws}")  # noqa: S311
            chosen = drawn.sample(facts, min(number, len(facts)))
        elif strategy == "diverse":
            chosen = _unlike_each_other(facts, number)
        else:
            raise InputError(f"there is no strategy {strategy!r}: random, diverse or recent")
        lines = [_line(fact, state) for fact in chosen]
        return "\n".join(lines) or "This memory has no facts yet."

    def merge_memory(
        self,
        fact_ids: list[int],
        strategy: Literal["summarize", "concatenate", "extract_common"],
        reason: str = "",
        value: str = "",
        attribute: str = "",
    ) -> str:
        """Make one fact of two to five about one subject. It rests on the turns of all of them.

        Args:
            fact_ids: the numbers of the facts, two to five.
            strategy: "summarize" with a value of yours, "concatenate" to keep all that they say,
                "extract_common" to keep only the words that all of them have.
            reason: why; the journal keeps it.
            value: for "summarize": what they say together, in their own words.
            attribute: of the new fact; by default the one most of them have.
        """
        state = self._workbench.fact_set()
        facts = [_fact(fact_id, state) for fact_id in fact_ids]
        turn_ids = sorted(frozenset[int]().union(*(state.turn_ids[fact.id] for fact in facts)))
        forms_by_turn = self._workbench.said(turn_ids)
        revision = merged(facts, strategy, forms_by_turn, value=value, attribute=attribute.strip())
        self._refuse_unstated(revision, turn_ids)
        return self._done("merge_memory", reason, revision)

    def split_memory(
        self,
        fact_id: int,
        strategy: Literal["temporal", "thematic", "speaker"],
        reason: str = "",
        parts: list[str] | None = None,
        labels: list[str] | None = None,
    ) -> str:
        """Make two or three facts of one about several things.

        Args:
            fact_id: the fact's number.
            strategy: "temporal" by when, "thematic" by what, "speaker" by whom it is about.
            reason: why; the journal keeps it.
            parts: the values of the new facts, two or three; by default the fact's own value, cut
                where it tells of another thing.
            labels: for the parts: a date each (temporal), an attribute each (thematic), or a
                subject each (speaker).
        """
        state = self._workbench.fact_set()
        fact = _fact(fact_id, state)
        turn_ids = sorted(state.turn_ids[fact_id])
        speakers = {turn.id: turn.speaker for turn in self._workbench.turns_by_id(turn_ids)}
        revision = split_up(
            fact,
            strategy,
            self._workbench.said(turn_ids),
            speakers,
            parts=parts or (),
            labels=labels or (),
        )
        self._refuse_unstated(revision, turn_ids)
        return self._done("split_memory", reason, revision)

    def _refuse_repeated(self, new: Fact) -> None:
        for fact in self._workbench.fact_set().facts.values():
            if _comparable(fact) == _comparable(new) and not fact.ended_on:
                raise InputError(f"fact {fact.id} says so already; leave it, or update it")

    def _refuse_unstated(self, revision: Revision, turn_ids: Sequence[int]) -> None:
        """Raise InputError for a new or reworded fact that none of its turns states."""
        turns = self._workbench.turns_by_id(turn_ids)
        reworded = [
            new
            for old, new in revision.changed
            if (old.subject, old.attribute, old.value) != (new.subject, new.attribute, new.value)
        ]
        for fact in (*revision.added, *reworded):
            reasons = [why_unstated(fact, turn) for turn in turns]
            if all(reasons):
                raise InputError(f"turn {turn_ids[0]} does not state {fact.value!r}: {reasons[0]}")

    def _done(self, tool: str, reason: str, revision: Revision) -> str:
        if not reason.strip():
            raise InputError("give a reason: the journal keeps it with the change")
        number, ids = self._workbench.apply(tool, reason, revision)
        lines = [f"- {fact_line(fact)}" for fact in revision.removed]
        lines += [f"~ {fact_line(after)}" for _, after in revision.changed]
        state = self._workbench.fact_set()
        lines += [f"+ {_line(state.facts[fact_id], state)}" for fact_id in ids]
        return "\n".join([f"Done as {number}.", *lines])

    def _analysis(self) -> str:
        """Counts of the facts, and their problems."""
        state = self._workbench.fact_set()
        facts = list(state.facts.values())
        if not facts:
            return "This memory has no facts yet: search_memory finds turns to create some of."
        subjects = Counter(fact.subject for fact in facts)
        attributes = Counter(fact.attribute for fact in facts)
        characters = sum(len(fact.value) for fact in facts) // len(facts)
        longest = sorted(facts, key=lambda fact: -len(fact.value))[:3]
        lines = [
            f"facts: {len(facts)}, ended: {sum(bool(fact.ended_on) for fact in facts)}, without a"
            f" date: {sum(not fact.happened_on for fact in facts)}, characters each: {characters}",
            f"subjects: {_counts(subjects)}",
            f"attributes: {_counts(attributes)}",
            *(f"long: {_line(fact, state)}" for fact in longest),
        ]
        findings = self._workbench.findings()
        lines += [f"{finding.kind}: {finding.text}" for finding in findings[:_MOST_FINDINGS]]
        if len(findings) > _MOST_FINDINGS:
            lines.append(f"and {len(findings) - _MOST_FINDINGS} more like these")
        return "\n".join(lines)


def tool_functions() -> list[Callable[..., str]]:
    """The six tools, for their names and descriptions only: they have no memory."""
    return RefiningTools(workbench=None).functions()  # type: ignore[arg-type]


def _fact(fact_id: int, state: FactSet) -> Fact:
    """The fact with this id. Raises InputError when there is none."""
    if fact_id not in state.facts:
        raise InputError(
            f"there is no fact {fact_id}; search_memory and sample_memory give the numbers"
        )
    return state.facts[fact_id]


def _line(fact: Fact, state: FactSet) -> str:
    """A fact with all its source turns."""
    sources = sorted(state.turn_ids[fact.id] - {fact.turn_id})
    also = f" also of turn {', '.join(map(str, sources))}" if sources else ""
    return f"{fact_line(fact)}{also}"


def _comparable(fact: Fact) -> tuple[str, ...]:
    return tuple(
        " ".join(words(text)) or text
        for text in (fact.subject, fact.attribute, fact.value, fact.happened_on)
    )


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counter.most_common(12))


def _unlike_each_other(facts: Sequence[Fact], number: int) -> list[Fact]:
    """Facts that share the fewest words: each is the most unlike those chosen before it."""
    fact_words = {
        fact.id: {*words(f"{fact.subject} {fact.attribute} {fact.value}")} for fact in facts
    }
    chosen: list[Fact] = []
    nearest = dict.fromkeys(fact_words, 0.0)
    waiting = {fact.id: fact for fact in facts}
    while waiting and len(chosen) < number:
        fact = waiting.pop(min(waiting, key=lambda fact_id: (nearest[fact_id], fact_id)))
        chosen.append(fact)
        chosen_words = fact_words[fact.id]
        for fact_id in waiting:
            both = chosen_words | fact_words[fact_id]
            likeness = len(chosen_words & fact_words[fact_id]) / len(both) if both else 1.0
            nearest[fact_id] = max(nearest[fact_id], likeness)
    return chosen
