"""Readers: who answers questions, each from memories of the conversations."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from typing import Any, cast

import dspy

from locomo.dataset.format import Conversation, Question, is_dated
from locomo.harness import BuiltMemory, FactsOnly, Result, Setup, ask_memory, result_of
from locomo.metrics import f1, normalize
from locomo.serving.memories import StoredMemories
from memory import Memory, MemoryProgram, Turn, open_store
from memory.program import Model
from memory.program.messages import ABSTAIN

# The names of readers, as tables and files of answers have them.
TUNED_READER, UNTUNED_READER, RULE_READER = "tuned", "untuned", "rule"
FACTS_READER = "facts only"
TURNS_READER = "without retrieve"  # without rows of facts, turns are all that is shown

# Words that questions share with any turn.
_EMPTY_WORDS = frozenset(
    re.findall(
        r"\w+",
        "of to in on at for from with by as is are was were be been do does did has have had will"
        " would can could should what which who whom whose when where why how that this these those"
        " it its he she they his her their him them i you we my your our me us not about if so any"
        " or but",
    )
)

Reader = Callable[[Conversation, Question], Result]


@dataclass(frozen=True)
class ModelReader:
    """A model with its program, which answers from memories (by conversation).

    `memory_type` decides what of a memory is shown.
    """

    model: Model
    program: MemoryProgram
    memories: Mapping[str, BuiltMemory]
    memory_type: type[Memory] = Memory

    def __call__(self, conversation: Conversation, question: Question) -> Result:
        """Answer one question, over a read-only handle of its own."""
        # Questions are asked by several threads, and a handle belongs to one.
        setup = Setup(self.model, self.program, self.model.budget)
        path = self.memories[conversation.id].path
        return ask_memory(conversation, question, setup, path=path, kind=self.memory_type)


@dataclass(frozen=True)
class RuleReader:
    """Answers without a model: by `rule_answer`, from the turn that the ranking puts first."""

    memories: Mapping[str, BuiltMemory]

    def __call__(self, conversation: Conversation, question: Question) -> Result:
        """Answer one question, over a read-only handle of its own."""
        start = time.monotonic()
        with open_store(self.memories[conversation.id].path, read_only=True) as store:
            [hit] = store.search(question.text, 1)
        best_turn = conversation.turns[hit.turn_id - 1]
        text = rule_answer(question.text, best_turn)
        result = result_of(
            conversation,
            question,
            system="memory",
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


def all_readers(
    tuned: StoredMemories, untuned: StoredMemories, turns_only: bool = False
) -> dict[str, Reader]:
    """The readers to compare, by name: the tuned model with all modules, others with one replaced.

    Beside them stand the untuned model and a rule. In "without store" and "without answer" the
    untuned model does that work; in "without retrieve" no rows are shown. With `turns_only` there
    are neither facts nor rows, so no module is replaced.
    """
    # A program's modules are replaced below, which their types do not foresee.
    no_rows = cast(Any, MemoryProgram())
    no_rows.retrieve = lambda **_: dspy.Prediction(sql=[], rows=[], calls=0, refusals=[])
    rule = RuleReader(tuned.memories)
    if turns_only:
        return {
            TUNED_READER: ModelReader(tuned.model, no_rows, tuned.memories),
            UNTUNED_READER: ModelReader(untuned.model, no_rows, untuned.memories),
            RULE_READER: rule,
        }

    program = MemoryProgram()
    untuned_answer = cast(Any, MemoryProgram())
    untuned_answer.answer = partial(_run_with, untuned.model, program.answer)
    return {
        TUNED_READER: ModelReader(tuned.model, program, tuned.memories),
        UNTUNED_READER: ModelReader(untuned.model, program, untuned.memories),
        RULE_READER: rule,
        "without store": ModelReader(tuned.model, program, untuned.memories),
        TURNS_READER: ModelReader(tuned.model, no_rows, tuned.memories),
        "without answer": ModelReader(tuned.model, untuned_answer, tuned.memories),
        FACTS_READER: ModelReader(tuned.model, program, tuned.memories, memory_type=FactsOnly),
    }


def _run_with(model: Model, module: Callable[..., Any], **inputs: Any) -> Any:
    with model.active():
        return module(**inputs)
