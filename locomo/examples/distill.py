"""Distillation: plans supervised examples and has a teacher make them; keeps everything paid for.

`from_teacher.py` makes one example, `jsonl.py` writes the file of all.
"""

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path

from rich.progress import Progress

from locomo.choices import TARGETS, Target
from locomo.dataset.format import ABSTENTION, Conversation
from locomo.examples.from_teacher import (
    ChatMessages,
    Distillation,
    ExampleAttempt,
    PlannedExample,
    make_answer_examples,
    make_retrieve_example,
    make_store_examples,
)
from locomo.examples.gold import NOTHING
from locomo.examples.jsonl import ExamplesCard, save_examples
from locomo.harness import build_memories
from locomo.ledger import BudgetSpent, Ledger
from locomo.parallel import run_parallel
from locomo.tasks.modules import draw
from memory import InputError

# The largest share of examples for answering without their evidence: a model that has always seen
# evidence answers confidently without. A choice.
ABSENT = 0.15
# Together with the questions of category 5, at most this many abstain. A model that did so in 34 %
# of its examples gave up where it should answer (the log, "a supervised start on LoCoMo with many
# abstentions"); a fifth is a choice.
ABSTAINING = 0.2


@dataclass(frozen=True)
class DistillationSummary:
    """Examples by target, what was dropped and why (`retrieve: no row came`), model calls.

    `left_out` are targets without any example, and why. The calls are for the examples, without the
    ones that built the memories.
    """

    examples: dict[str, int]
    dropped: dict[str, int]
    left_out: dict[str, str]
    calls: int


@dataclass(frozen=True)
class ExamplesRun:
    """How a file of examples is made.

    Arguments:
        output: the JSONL file.
        cache: where the teacher's memories are built, for retrieve.
        numbers: examples to try, by target; 0 or missing: all.
        resume: take the teacher's answers to an earlier run from its ledger, OUTPUT.calls.
        data: sha256 of the data file, for the card.
        held_out: ids of conversations that it must not learn from.
    """

    output: Path
    cache: Path
    numbers: Mapping[Target, int]
    threads: int = 4
    seed: int = 0
    resume: bool = False
    data: str = ""
    held_out: Sequence[str] = ()


def distill(
    conversations: Sequence[Conversation],
    distillation: Distillation,
    run: ExamplesRun,
    bar: Progress,
) -> DistillationSummary:
    """Make a student's examples and write them to the run's file, with their card.

    Answers stay on disk if this is interrupted. A target without anything to learn from, or without
    a right answer, is left out. Raises InputError when no target is left, or the file cannot be
    written; ModelError.
    """
    output = run.output
    _check(conversations, distillation=distillation, output=output, held_out=run.held_out)
    plan, left_out = _plan(
        conversations, distillation=distillation, numbers=run.numbers, seed=run.seed
    )
    teacher = distillation.teacher
    asked = replace(teacher, model=replace(teacher.model, lm=teacher.model.lm.copy(cache=True)))
    distillation = replace(distillation, teacher=asked)
    # Only answers: the prompts contain private conversations.
    ledger = Ledger(
        output.with_name(f"{output.name}.calls"), resume=run.resume, with_requests=False
    )
    make = partial(
        _attempts, distillation, ledger=ledger, cache=run.cache, threads=run.threads, bar=bar
    )
    try:
        with ledger.active():
            attempts = {target: make(target, planned) for target, planned in plan.items()}
    except BudgetSpent as error:  # there is no budget: the answers cannot be written
        raise InputError(str(error)) from error
    card = ExamplesCard(
        targets=[],
        model=teacher.model.name,
        data=run.data,
        conversations=[conversation.id for conversation in conversations],
        held_out=list(run.held_out),
        examples={},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    summary = _finish(attempts, output=output, card=card, seed=run.seed)
    return replace(summary, left_out={**left_out, **summary.left_out})


def _attempts(
    distillation: Distillation,
    target: Target,
    planned: Sequence[PlannedExample],
    *,
    ledger: Ledger,
    cache: Path,
    threads: int,
    bar: Progress,
) -> list[ExampleAttempt]:
    """The attempts at the examples of a target, with a progress bar."""
    done = partial(bar.advance, bar.add_task(f"examples: {target}", total=len(planned)))
    by_conversation = _by_conversation(planned)
    jobs: list[Callable[[], list[ExampleAttempt]]]
    if target == "retrieve":
        memories = build_memories(
            [examples[0].conversation for examples in by_conversation.values()],
            distillation.teacher,
            cache=cache,
            threads=threads,
            bar=bar,
        )

        def retrieved(example: PlannedExample) -> list[ExampleAttempt]:
            path = memories[example.conversation.id].path
            attempt = make_retrieve_example(distillation, example, path)
            done()
            return [attempt]

        jobs = [partial(retrieved, example) for example in planned]
    else:
        make = make_store_examples if target == "store" else make_answer_examples
        jobs = [
            partial(make, distillation, examples, done) for examples in by_conversation.values()
        ]
    # A failure ends the ledger, so that no other thread goes on asking.
    return [*chain(*run_parallel(jobs, threads, ended=ledger.ended))]


def _by_conversation(planned: Sequence[PlannedExample]) -> dict[str, list[PlannedExample]]:
    by_conversation: dict[str, list[PlannedExample]] = {}
    for example in planned:
        by_conversation.setdefault(example.conversation.id, []).append(example)
    return by_conversation


def _check(
    conversations: Sequence[Conversation],
    distillation: Distillation,
    output: Path,
    held_out: Sequence[str],
) -> None:
    if not conversations or not distillation.targets:
        raise InputError("there are no training conversations, or no targets")
    ids = [conversation.id for conversation in conversations]
    if overlap := [id_ for id_ in ids if id_ in held_out]:
        raise InputError(f"{', '.join(overlap)}: to learn from and held out; give each one part")
    of_sql = [target for target in distillation.targets if target != "answer"]
    if of_sql and distillation.student_program.quotes_rows:
        raise InputError(
            f"{distillation.student.model.name} quotes and chooses rows, and a teacher writes SQL:"
            " distil --target answer, and tune storing on labelled rows (--mode sft --data"
            " data/rows --target store)"
        )
    if output.is_dir():
        raise InputError(f"{output} is a folder; give a file for the examples")


def _plan(
    conversations: Sequence[Conversation],
    distillation: Distillation,
    numbers: Mapping[Target, int],
    seed: int,
) -> tuple[dict[Target, list[PlannedExample]], dict[str, str]]:
    """The planned examples by target, and why targets are left out. Raises InputError for all."""
    plan: dict[Target, list[PlannedExample]] = {}
    left_out: dict[str, str] = {}
    for target in TARGETS:
        if target not in distillation.targets:
            continue
        try:
            plan[target] = _plan_target(
                target,
                conversations=conversations,
                window=distillation.student.model.limits.window,
                number=numbers.get(target, 0),
                seed=seed,
            )
        except InputError as error:
            left_out[target] = str(error)
    if not plan:
        raise InputError("; ".join(left_out.values()))
    return plan, left_out


def _plan_target(
    target: Target,
    conversations: Sequence[Conversation],
    window: int,
    number: int,
    seed: int,
) -> list[PlannedExample]:
    """The planned examples of a target, in file order. Raises InputError if there are none."""
    planned = []
    for conversation in conversations:
        if target == "store":
            first_turns = range(1, len(conversation.turns) + 1, window)
            planned += [PlannedExample(target, conversation, turn) for turn in first_turns]
            continue
        for question in conversation.questions:
            # The conversation does not answer category 5, so no SELECT for it can be right.
            refused = question.category == ABSTENTION and target == "retrieve"
            if question.evidence and not refused:
                planned.append(PlannedExample(target, conversation, question.index))
    if not planned:
        raise InputError(f"the training conversations have no question with evidence for {target}")
    if target == "answer":
        return _plan_answers(planned, number, seed)
    return draw(planned, number, seed)


def _plan_answers(
    planned: Sequence[PlannedExample], number: int, seed: int
) -> list[PlannedExample]:
    """Questions that are answered, and as many to abstain from as ABSENT and ABSTAINING allow."""
    answerable = [example for example in planned if example.question.category != ABSTENTION]
    unanswerable = [example for example in planned if example.question.category == ABSTENTION]
    to_answer = draw(answerable, number and max(round(number * (1 - ABSTAINING)), 1), seed)
    # A share s of all examples is s / (1 - s) of the others.
    absent_count = int(len(to_answer) * ABSENT / (1 - ABSENT))
    refused_count = int(len(to_answer) * ABSTAINING / (1 - ABSTAINING)) - absent_count
    # `draw` takes a number of 0 as all.
    refused = draw(unanswerable, refused_count, seed) if refused_count else []
    absent = draw(to_answer, absent_count, seed) if absent_count else []
    return [*to_answer, *refused, *(replace(example, absent=True) for example in absent)]


def _finish(
    attempts: Mapping[Target, Sequence[ExampleAttempt]],
    output: Path,
    card: ExamplesCard,
    seed: int,
) -> DistillationSummary:
    """Write the examples, mixed, and their card. Raises InputError when no target has any."""
    left_out: dict[str, str] = {}
    dropped: Counter[str] = Counter()
    examples: list[ChatMessages] = []
    counts: dict[str, int] = {}
    for target, tried in attempts.items():
        right = [attempt for attempt in tried if not attempt.dropped]
        reasons = Counter(f"{target}: {attempt.dropped}" for attempt in tried if attempt.dropped)
        # A teacher that never finds anything to store cannot teach storing.
        if not right or all(attempt.sql == NOTHING for attempt in right):
            why = "; ".join(f"{reason} {count}" for reason, count in reasons.items())
            left_out[target] = (
                f"{len(tried)} tried for {target}, none is right ({why or 'nothing to store'})"
                ": give a teacher that can do it, or leave the target out"
            )
            continue
        dropped += reasons
        counts[target] = len(right)
        examples += [attempt.messages for attempt in right]
    if not counts:
        raise InputError("; ".join(left_out.values()))
    random.Random(seed).shuffle(examples)  # noqa: S311
    update = {"targets": list(counts), "examples": counts}
    save_examples(output, examples, card.model_copy(update=update))
    calls = sum(attempt.calls for attempt in chain(*attempts.values()))
    return DistillationSummary(counts, dict(dropped), left_out, calls)
