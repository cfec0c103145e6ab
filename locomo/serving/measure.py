"""How well a model serves: stored, retrieved and answered by itself, beside another and a rule.

python -m locomo.serving --model FOLDER --against local [--data FILE-OR-FOLDER] [--turns-only]
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, cast

import dspy
from rich.progress import Progress

from locomo.dataset.format import Conversation, Question, is_dated
from locomo.examples.gold import Gold
from locomo.harness import (
    BuiltMemory,
    FactsOnly,
    Result,
    Setup,
    ask_memory,
    build_memories,
    fingerprint,
    result_of,
)
from locomo.metrics import f1, normalize
from locomo.serving.figures import (
    VALID,
    FactsOf,
    Figure,
    NotedStore,
    fact_figures,
    first_attempts,
    mean,
    retrieval_accepted,
    storing_seconds,
    turn_facts,
)
from memory import (
    Memory,
    MemoryProgram,
    Model,
    Turn,
    open_store,
)
from memory.program.signatures import ABSTAIN

TUNED, UNTUNED, RULE = "tuned", "untuned", "rule"
FACTS, TURNS = "facts only", "without retrieve"  # without rows, turns are all that is shown
# Words that questions share with any turn.
_EMPTY_WORDS = (
    "of to in on at for from with by as is are was were be been do does did has have had will would"
    " can could should what which who whom whose when where why how that this these those it its he"
    " she they his her their him them i you we my your our me us not about if so any or but"
)
Asked = tuple[Conversation, Question]
Ask = Callable[[Conversation, Question], Result]


# --- readers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """Who answers: a model with its program, from memories (by conversation) that it may share."""

    model: Model
    program: MemoryProgram
    built: Mapping[str, BuiltMemory]
    kind: type[Memory] = Memory

    def __call__(self, conversation: Conversation, question: Question) -> Result:
        """Answer one question, over a read-only handle of its own."""
        setup = Setup(self.model, self.program, self.model.budget)
        path = self.built[conversation.id].path
        return ask_memory(conversation, question, setup, path, self.kind)


def by_rule(
    built: Mapping[str, BuiltMemory], conversation: Conversation, question: Question
) -> Result:
    """The answer that asks no model: see `rule`; of the turn that the ranking puts first."""
    start = time.monotonic()
    with open_store(built[conversation.id].path, read_only=True) as store:
        [hit] = store.search(question.text, 1)
    best = conversation.turns[hit.turn_id - 1]
    text = rule(question.text, best)
    result = result_of(conversation, question, "memory", text, [hit.turn_id], start)
    return replace(result, cited=() if text == ABSTAIN else (best.source,))


def rule(question: str, turn: Turn) -> str:
    """The turn's sentence that shares most words with the question; its date where "when" is asked.

    An abstention when none shares a word. Words are stemmed; those like "did" do not count.
    """
    asked = set(normalize(question).split()) - set(_EMPTY_WORDS.split())
    sentences = [part.strip() for part in re.findall(r"[^.!?\n]+[.!?]*", turn.text)] or [turn.text]
    shared = [sum(f1(word, sentence) > 0 for word in asked) for sentence in sentences]
    if not max(shared):
        return ABSTAIN
    if question.strip().lower().startswith("when") and is_dated(turn):
        said = date.fromisoformat(turn.said_at[:10])
        return f"{said.day} {said:%B %Y}"
    return sentences[shared.index(max(shared))]


def readers(tuned: "Stored", untuned: "Stored", turns_only: bool = False) -> dict[str, Ask]:
    """All who answer: the whole, the untuned, the rule, and the whole without one module each.

    Without store and without answer, the untuned model does that; without retrieve nobody does.
    Of turns only, nobody retrieves, and there is nothing to leave out.
    """
    plain, no_rows, untuned_answer = (cast(Any, MemoryProgram()) for _ in range(3))
    no_rows.retrieve = lambda **_: dspy.Prediction(sql=[], rows=[], calls=0, refusals=[])
    if turns_only:
        both = {TUNED: tuned, UNTUNED: untuned}
        asked = {name: Reader(one.model, no_rows, one.built) for name, one in both.items()}
        return {**asked, RULE: partial(by_rule, tuned.built)}
    untuned_answer.answer = partial(_run_by, untuned.model, plain.answer)
    return {
        TUNED: Reader(tuned.model, plain, tuned.built),
        UNTUNED: Reader(untuned.model, plain, untuned.built),
        RULE: partial(by_rule, tuned.built),
        "without store": Reader(tuned.model, plain, untuned.built),
        TURNS: Reader(tuned.model, no_rows, tuned.built),
        "without answer": Reader(tuned.model, untuned_answer, tuned.built),
        FACTS: Reader(tuned.model, plain, tuned.built, FactsOnly),
    }


def _run_by(model: Model, module: Callable[..., Any], **inputs: Any) -> Any:
    with model.active():
        return module(**inputs)


# --- storing ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """A model, the memories that it stored, by conversation, and the file of its first attempts."""

    model: Model
    built: Mapping[str, BuiltMemory]
    attempts: Path

    def figures(
        self, name: str, gold: Sequence[tuple[Gold, FactsOf]], answers: Sequence[Result]
    ) -> list[Figure]:
        """How well it stores, and, of its modules without a grammar, how often its SQL is valid."""
        turns, stored = [], list[float]()
        for one, wanted in gold:
            path = self.built[one.conversation.id].path
            turns += turn_facts(one, wanted, path)
            stored += first_attempts(self.attempts, path)
        found = fact_figures(name, turns) + storing_seconds(name, [*self.built.values()])
        accepted = {"store": stored, "retrieve": [retrieval_accepted(one) for one in answers]}
        free = getattr(self.model.adapter, "tuned", accepted)
        for module, values in accepted.items():
            found += mean(VALID, module, name, values if module in free else ())
        return found


def store_all(
    conversations: Sequence[Conversation],
    model: Model,
    cache: Path,
    threads: int,
    bar: Progress,
    turns_only: bool = False,
) -> Stored:
    """The memories of conversations, found in the cache or stored by a model; or their turns."""
    attempts = cache / "first-attempts.jsonl"
    if turns_only:
        return Stored(model, _turns_of(conversations, cache, bar), attempts)
    program = cast(Any, MemoryProgram())
    program.store = NotedStore(attempts)
    setup = Setup(model, program, model.budget)
    return Stored(model, build_memories(conversations, setup, cache, threads, bar), attempts)


def _turns_of(
    conversations: Sequence[Conversation], cache: Path, bar: Progress
) -> dict[str, BuiltMemory]:
    """Memories of turns alone, by conversation, found in the cache or made: no model is asked."""
    cache.mkdir(parents=True, exist_ok=True)
    made, line = dict[str, BuiltMemory](), bar.add_task("adding turns", total=len(conversations))
    for one in conversations:
        path = cache / f"turns-{fingerprint(one.id, [asdict(turn) for turn in one.turns])}.db"
        with open_store(path) as store:
            if not store.turns(1, 1):
                store.add(one.turns)
        made[one.id] = BuiltMemory(one.id, path, len(one.turns))
        bar.advance(line)
    return made


# --- the command ------------------------------------------------------------------------------
