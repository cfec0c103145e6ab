"""The systems of an ablation: the whole memory, others that lack one module, a rule."""

import re
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

from locomo.ablation.first_attempts import RecordingStore
from locomo.dataset.format import Conversation, Question, is_dated
from locomo.harness import Result, Setup
from locomo.metrics import f1, normalize
from locomo.systems import FactsOnly, MemorySystem, System, result_of
from memory import Turn, open_store
from memory.program import Model
from memory.program.costs import Cost
from memory.program.messages import ABSTAIN

WHOLE, UNTUNED, FACTS = "memory", "untuned", "facts only"
TURNS = "without retrieve"  # without rows of facts, turns are all that is shown

# Words that questions share with any turn.
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "of to in on at for from with by as is are was were be been do does did has have had will"
        " would can could should what which who whom whose when where why how that this these those"
        " it its he she they his their her him them i you we my your our me us not about if so any"
        " or but",
    )
)


@dataclass(frozen=True)
class Rule:
    """Answers without a model: by `rule_answer`, from the turn that the ranking puts first."""

    stored_by: Setup

    @property
    def model(self) -> None:
        """No model answers."""
        return

    def cost(self, conversation: Conversation, question: Question) -> Cost:
        """It calls no model."""
        return Cost()

    def ask(self, conversation: Conversation, question: Question, path: Path) -> Result:
        """One question, over a read-only handle of its own."""
        start = time.monotonic()
        with open_store(path, read_only=True) as store:
            [hit] = store.search(question.text, 1)
        best_turn = conversation.turns[hit.turn_id - 1]
        text = rule_answer(question.text, best_turn)
        result = result_of(
            conversation,
            question,
            system="rule",
            answer=text,
            turn_ids=[hit.turn_id],
            start=start,
        )
        return replace(result, cited=() if text == ABSTAIN else (best_turn.source,))


def rule_answer(question: str, turn: Turn) -> str:
    """The turn's sentence that shares most words with the question; its date where "when" is asked.

    An abstention when no sentence shares a word. Words are stemmed; those like "did" do not count.
    """
    question_words = set(normalize(question).split()) - _EMPTY_WORDS
    sentences = [part.strip() for part in re.findall(r"[^.!?\n]+[.!?]*", turn.text)] or [turn.text]
    shared = [sum(f1(word, sentence) > 0 for word in question_words) for sentence in sentences]
    if not max(shared):
        return ABSTAIN
    if question.strip().lower().startswith("when") and is_dated(turn):
        said_on = date.fromisoformat(turn.said_at[:10])
        return f"{said_on.day} {said_on:%B %Y}"
    return sentences[shared.index(max(shared))]


@dataclass(frozen=True)
class _AnsweredBy:
    """An answering module that always asks `model`, whichever model is active."""

    model: Model
    module: Callable[..., Any]

    @property
    def predict(self) -> Any:
        """The prompt of the module, for an estimate of its cost."""
        return cast(Any, self.module).predict

    def __call__(self, **inputs: Any) -> Any:
        with self.model.active():
            return self.module(**inputs)


def ablation_systems(setup: Setup, untuned: Setup, attempts: Path) -> dict[str, System]:
    """The systems to compare, by name: the whole memory first.

    "without store" and "without answer" leave that work to the untuned model, "without retrieve"
    shows no rows. When both setups keep `turns_only`, there are neither facts nor rows, so only the
    untuned model and a rule are compared. `attempts` records the first SQL for each stored window.
    """
    stored, untuned_stored = _recorded(setup, attempts), _recorded(untuned, attempts)
    if setup.turns_only:
        return {
            WHOLE: MemorySystem(setup, stored, retrieves=False),
            UNTUNED: MemorySystem(untuned, untuned_stored, retrieves=False),
            "rule": Rule(stored),
        }
    program = cast(Any, copy(setup.program))
    program.answer = _AnsweredBy(untuned.model, setup.program.answer)
    return {
        WHOLE: MemorySystem(setup, stored),
        UNTUNED: MemorySystem(untuned, untuned_stored),
        "rule": Rule(stored),
        "without store": MemorySystem(setup, untuned_stored),
        TURNS: MemorySystem(setup, stored, retrieves=False),
        "without answer": MemorySystem(replace(setup, program=program), stored),
        FACTS: MemorySystem(setup, stored, memory_type=FactsOnly),
    }


def _recorded(setup: Setup, attempts: Path) -> Setup:
    """The same setup, whose storing module records whether its first SQL is accepted."""
    program = cast(Any, copy(setup.program))
    program.store = RecordingStore(setup.program.store, attempts)
    return replace(setup, program=program)
