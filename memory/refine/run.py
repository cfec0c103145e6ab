"""Refines a memory: measures it, changes a draft, and undoes the operations that do not help.

Nothing is written before everything is measured. The agent works on a draft and does not see the
questions. Half of the questions, from all over the memory, decide which operations are undone.
Each source turn of an operation that has no question yet adds one to these: a fact of a turn
without a question could not be shown to help. The other half, which decides nothing, measures
whether the remaining operations are worth writing.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean

import dspy

from memory.errors import InputError
from memory.evidence.lines import CATALOG_TOKENS
from memory.models import Model
from memory.models.costs import Cost, priced
from memory.program.estimates import CHARACTERS_A_TOKEN, estimate
from memory.program.program import MemoryProgram
from memory.program.refine import MOST_OPERATIONS, AskAboutTurns, RefineMemory, ToolUse
from memory.records import Change, Fact, Turn
from memory.refine.questions import (
    QUESTIONS_A_CALL,
    READER_TOKENS,
    FactReader,
    MeasuredQuestion,
    QuestionWindow,
    scores_by_question,
    windows_all_over,
    windows_of,
    written_questions,
)
from memory.refine.revisions import Revision
from memory.refine.tools import RefiningTools, tool_functions
from memory.refine.workbench import Draft, FactSet, Operation, cause_of, write
from memory.store import Store
from memory.text.tokens import trim

LEAST_QUESTIONS = 4
QUESTIONS = 20
_TRIAL_QUESTIONS = 5  # at most, to judge an operation
_SHOWN_FACTS = 8  # in the prompt of an episode
# Tokens of a window of turns, of a question about it, and of the history of half an episode.
_WINDOW_TOKENS, _QUESTION_TOKENS, _HISTORY_TOKENS = 600, 40, 3_000


@dataclass(frozen=True)
class Refinement:
    """The operations of a refinement, and the scores before and after.

    `before` and `after` are means over the held-out questions, 0 to 1; `decided` has both means
    over the deciding questions. `kept` operations became changes of the memory; `taken_back` ones
    did not help. `uses` are all tool calls of the episode, in order.
    """

    held_out: tuple[MeasuredQuestion, ...]
    deciding: tuple[MeasuredQuestion, ...]
    before: float
    after: float
    decided: tuple[float, float]
    kept: tuple[Operation, ...]
    taken_back: tuple[Operation, ...]
    uses: tuple[ToolUse, ...]
    facts_before: tuple[Fact, ...]
    facts_after: tuple[Fact, ...]
    changes: tuple[Change, ...] = ()
    note: str = ""

    @property
    def tools(self) -> Mapping[str, int]:
        """How often each tool was used."""
        return dict(Counter(use.tool for use in self.uses).most_common())


@dataclass(frozen=True)
class Progress:
    """Callbacks: for each stage, with its number of steps, and for each step."""

    stage: Callable[[str, int], object] = lambda name, steps: None
    step: Callable[[str], object] = lambda line: None


def forecast(
    store: Store, model: Model, operations: int = MOST_OPERATIONS, questions: int = QUESTIONS
) -> Cost:
    """The highest cost of a refinement: each operation is a call, and each changes facts.

    Answers from the same facts are cached, so a memory larger than a question's budget costs far
    less.
    """
    windows = len(windows_all_over(store.turns(), questions))
    windows += -(-operations // QUESTIONS_A_CALL)
    answers = 2 * (questions + operations) + 2 * operations * _TRIAL_QUESTIONS
    program = MemoryProgram()  # refined with: a large model's
    assert program.refine
    return (
        priced(
            model,
            calls=windows,
            tokens_in=windows * 2 * _WINDOW_TOKENS,
            tokens_out=windows * QUESTIONS_A_CALL * _QUESTION_TOKENS,
        )
        + estimate(model, "answer", program.answer, calls=answers, inputs=answers * READER_TOKENS)
        + estimate(
            model,
            "refine",
            program.refine,
            calls=operations,
            inputs=operations * (tools_tokens() + _HISTORY_TOKENS),
        )
    )


def tools_tokens() -> int:
    """About how many tokens the descriptions of the six tools take in each prompt."""
    return sum(len(str(dspy.Tool(tool))) for tool in tool_functions()) // CHARACTERS_A_TOKEN


def refine(
    store: Store,
    model: Model,
    program: MemoryProgram,
    operations: int = MOST_OPERATIONS,
    questions: int = QUESTIONS,
    *,
    judged: bool = False,
    progress: Progress | None = None,
) -> Refinement:
    """Let a model improve a memory's facts; keep the operations that help to answer questions.

    Arguments:
        operations: the most tool calls, including ones that only read.
        questions: how many the model writes from turns, to measure with.
        judged: whether the model compares answers with the right ones, instead of F1 of words.
        progress: called for each stage and step.

    Each kept operation becomes one change of the journal, with its reason. If it is interrupted,
    either all changes or none are written. Raises InputError for the packaged model, for fewer
    than LEAST_QUESTIONS questions, and if the turns do not yield that many; ModelError when the
    model cannot be used.
    """
    check(program, questions)
    assert program.refine
    assert program.question
    progress = progress or Progress()
    weights = program.feature_weights
    compare = program.compare if judged else None
    reader = FactReader(store, model, program.answer, compare, weights=weights)
    write = partial(_written, store, model, program.question, progress)
    written = write(windows_all_over(store.turns(), questions))
    if len(written) < LEAST_QUESTIONS:
        raise InputError(
            f"{model.name} wrote {len(written)} questions that turns answer, and"
            f" {LEAST_QUESTIONS} are needed to measure: does this memory hold enough?"
        )
    deciding, held_out = written[::2], written[1::2]
    draft = Draft(store, weights=weights)
    start = draft.start
    uses = _episode(store, model, program.refine, draft, operations, progress)
    deciding = _with_questions_of(write, deciding, _turns_touched(draft))
    progress.stage("answering from facts, before", len(deciding) + len(held_out))
    before = scores_by_question(reader, [*held_out, *deciding], start, lambda: progress.step(""))
    helping, taken_back = _helping(reader, deciding, draft, progress)
    state = start.after_all(helping) or start
    progress.stage("answering from facts, after", len(held_out))
    after = scores_by_question(reader, held_out, state, lambda: progress.step(""))
    refinement = Refinement(
        held_out=tuple(held_out),
        deciding=tuple(deciding),
        before=fmean(before[question.text] for question in held_out),
        after=fmean(after.values()),
        decided=(
            fmean(before[question.text] for question in deciding),
            reader.mean(deciding, state),
        ),
        kept=tuple(helping),
        taken_back=tuple(taken_back),
        uses=tuple(uses),
        facts_before=tuple(start.facts.values()),
        facts_after=tuple(state.facts.values()),
    )
    return _carried_out(store, refinement)


def _written(
    store: Store,
    model: Model,
    write: AskAboutTurns,
    progress: Progress,
    windows: Sequence[QuestionWindow],
) -> list[MeasuredQuestion]:
    progress.stage("writing questions", len(windows))
    return written_questions(store, model, write, windows, lambda: progress.step(""))


def _with_questions_of(
    write: Callable[[Sequence[QuestionWindow]], list[MeasuredQuestion]],
    deciding: Sequence[MeasuredQuestion],
    turns: Sequence[Turn],
) -> list[MeasuredQuestion]:
    """The deciding questions, and one more about each turn that has none yet."""
    question_turn_ids = {question.turn_id for question in deciding}
    windows = windows_of([turn for turn in turns if turn.id not in question_turn_ids])
    added = write(windows) if windows else []
    by_text = {question.text: question for question in [*deciding, *added]}
    return list(by_text.values())


def _turns_touched(draft: Draft) -> list[Turn]:
    """The source turns of an episode's operations."""
    turn_ids = set[int]()
    for operation in draft.operations:
        turn_ids |= {fact.turn_id for fact in operation.facts}
    return draft.turns_by_id(sorted(turn_ids))


def check(program: MemoryProgram, questions: int) -> None:
    """Raise InputError for the program of a model that cannot refine, or for too few questions."""
    if program.refine is None:
        raise InputError(
            "the packaged model is too small to refine a memory; give a larger one, as in"
            " --model openai/gpt-4o-mini"
        )
    if questions < LEAST_QUESTIONS:
        raise InputError(f"{questions} questions measure nothing; give {LEAST_QUESTIONS} or more")


def memory_in_short(store: Store, draft: Draft, tokens: int = CATALOG_TOKENS) -> str:
    """The start of an episode: the catalog, and facts that differ as much as possible."""
    sample = RefiningTools(draft).sample_memory("diverse", _SHOWN_FACTS)
    return f"{store.catalog(tokens)}\nSome facts:\n{trim(sample, tokens)}"


def _episode(
    store: Store,
    model: Model,
    module: RefineMemory,
    draft: Draft,
    operations: int,
    progress: Progress,
) -> list[ToolUse]:
    """The tool calls of an episode. The draft has their changes."""
    progress.stage("refining", operations)
    with model.active():
        prediction = module(
            memory=memory_in_short(store, draft),
            tools=RefiningTools(draft).functions(),
            operations=operations,
            progress=lambda use: progress.step(f"{use.tool}: {use.result.splitlines()[0]}"),
        )
    return list(prediction.uses)


def _helping(
    reader: FactReader, questions: Sequence[MeasuredQuestion], draft: Draft, progress: Progress
) -> tuple[list[Operation], list[Operation]]:
    """The operations that help to answer the questions, and the others, in order.

    Each is left out for a trial, newest first. An operation does not help if the questions that it
    affects are answered as well without it. An operation that a later one needs stays.
    """
    helping = list(draft.operations)
    taken_back: list[Operation] = []
    progress.stage("taking back what does not help", len(helping))
    for operation in reversed(draft.operations):
        remaining = [candidate for candidate in helping if candidate is not operation]
        without = draft.start.after_all(remaining)
        whole = draft.start.after_all(helping)
        if without is not None and whole is not None:
            trial = _trial_questions(reader, questions, operation, whole, without)
            if reader.mean(trial, without) >= reader.mean(trial, whole):
                helping = remaining
                taken_back.insert(0, operation)
        progress.step("")
    return helping, taken_back


def _trial_questions(
    reader: FactReader,
    questions: Sequence[MeasuredQuestion],
    operation: Operation,
    whole: FactSet,
    without: FactSet,
) -> list[MeasuredQuestion]:
    """The questions that an operation affects, those about its own turns first."""
    affected = [
        question
        for question in questions
        if reader.context(question.text, whole) != reader.context(question.text, without)
    ]
    turn_ids = {fact.turn_id for fact in operation.facts}
    affected.sort(key=lambda question: question.turn_id not in turn_ids)
    return affected[:_TRIAL_QUESTIONS]


def _carried_out(store: Store, refinement: Refinement) -> Refinement:
    """Write the kept operations to the memory, unless the held-out questions score worse."""
    kept = refinement.kept
    if kept and refinement.after < refinement.before:
        return replace(
            refinement,
            kept=(),
            taken_back=(*refinement.taken_back, *kept),
            after=refinement.before,
            facts_after=refinement.facts_before,
            note="what helped the questions that decided made answers to the others worse: all of"
            " it is taken back",
        )
    changes = carry_out(store, kept)
    return replace(refinement, changes=tuple(changes))


def carry_out(store: Store, operations: Sequence[Operation]) -> list[Change]:
    """Write a draft's operations to the memory, each as a change with its reason; all or none.

    Raises InputError if one of their facts was changed in the meantime.
    """
    real_ids: dict[int, int] = {}
    last_before = max((change.id for change in store.changes()), default=0)
    causes = {cause_of(operation.tool, operation.reason) for operation in operations}

    def own_changes() -> list[Change]:
        # Read from the journal: Ctrl-C may come after a change and before its number is known.
        later = [change for change in store.changes() if change.id > last_before]
        return [change for change in later if change.cause in causes and not change.undone_at]

    try:
        for operation in operations:
            revision = _with_ids(operation.revision, real_ids)
            _refuse_changed(store, revision)
            _, ids = write(store, cause_of(operation.tool, operation.reason), revision)
            drafted = (fact.id for fact in operation.revision.added)
            real_ids.update(zip(drafted, ids, strict=True))
    except BaseException:
        for change in reversed(own_changes()):
            store.undo(change.id)
        raise
    return own_changes()


def _with_ids(revision: Revision, real_ids: Mapping[int, int]) -> Revision:
    """A revision with the ids of its facts in the memory."""

    def real(fact: Fact) -> Fact:
        return replace(fact, id=real_ids.get(fact.id, fact.id))

    return Revision(
        added=revision.added,
        changed=tuple((real(before), real(after)) for before, after in revision.changed),
        removed=tuple(map(real, revision.removed)),
    )


def _refuse_changed(store: Store, revision: Revision) -> None:
    present = {fact.id: replace(fact, recorded_at="") for fact in store.facts()}
    for fact in (*revision.removed, *(before for before, _ in revision.changed)):
        if present.get(fact.id) != replace(fact, recorded_at=""):
            raise InputError(
                f"fact {fact.id} was changed meanwhile; nothing was written, refine again"
            )
