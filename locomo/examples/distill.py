"""A file of supervised examples: planned, made by a teacher, written, read.

Each line is {"messages": [...]}: a prompt as the student is shown it, then the right answer as the
student would write it (`from_teacher.py` makes them). Beside `FILE.jsonl` lies `FILE.card.json`.
"""

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event, Lock

from pydantic import TypeAdapter, ValidationError
from rich.progress import Progress

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.examples.from_teacher import (
    ChatMessages,
    Distillation,
    ExampleAttempt,
    PlannedExample,
    answer,
    retrieve,
    sendable,
    store,
)
from locomo.examples.jsonl import ExamplesCard, read_examples_card, save_examples
from locomo.harness import build_memories, fingerprint, program_state
from locomo.tasks.modules import TARGETS, Target, draw
from memory import InputError
from memory.files import write_whole
from memory.program.signatures import NO_FACT

# Of the examples for answering, at most so many have their evidence taken out: who has always
# seen it answers confidently without. With the questions of category 5 at most so many abstain:
# who does so in a third of the examples gives up where it should answer.
ABSENT, ABSTAINING = 0.15, 0.2


@dataclass(frozen=True)
class DistillationSummary:
    """Examples by target, what was dropped and why (`retrieve: no row came`), model calls.

    The calls are those for the examples, without those that built the memories.
    """

    examples: dict[str, int]
    dropped: dict[str, int]
    calls: int


_LINE = TypeAdapter(ExampleAttempt)


class _Lines:
    """The part file: what was made is on disk at once, and is not made again."""

    def __init__(self, path: Path, made_by: str, resume: bool) -> None:
        self._path, self._lock = path, Lock()
        self.ended = Event()
        self.made: dict[str, ExampleAttempt] = {}
        header = json.dumps({"made_by": made_by})
        if resume and path.exists():
            first, *lines = path.read_text("utf-8", "replace").split("\n")
            if first != header:
                raise InputError(
                    f"{path} was begun with other options or another version; start again "
                    "without --resume"
                )
            for line in lines:
                with suppress(ValidationError):  # a last line that a kill cut is made again
                    one = _LINE.validate_json(line)
                    self.made[one.key] = one
        kept = [header, *map(_json, self.made.values())]
        write_whole(path, "".join(f"{line}\n" for line in kept).encode())

    def add(self, line: ExampleAttempt) -> None:
        """Keep a line; ends the thread when the others were ended. Raises InputError."""
        if self.ended.is_set():
            raise KeyboardInterrupt
        with self._lock:
            self.made[line.key] = line
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(_json(line) + "\n")
            except OSError as error:
                raise InputError(f"cannot write {self._path}: {error.strerror}") from error


def _json(line: ExampleAttempt) -> str:
    return sendable(json.dumps(asdict(line), ensure_ascii=False))


def distill(
    conversations: Sequence[Conversation],
    distillation: Distillation,
    output: Path,
    cache: Path,
    numbers: Mapping[Target, int],
    bar: Progress,
    threads: int = 4,
    seed: int = 0,
    resume: bool = False,
    data: str = "",
    held_out: Sequence[str] = (),
) -> DistillationSummary:
    """Make a distillation's examples and write them to `output`, a JSONL file, with their card.

    Arguments:
        cache: where the teacher's memories are built, for retrieve.
        numbers: examples to try, by target; 0 or none: all.
        resume: go on with the file's part, if the same command left one.
        data: sha256 of the data file, for the card.
        held_out: ids of conversations that must not be learnt from.

    What was made is kept when this is interrupted. Raises InputError when there is nothing to
    learn from, a target has no right answer, or the file cannot be written; ModelError.
    """
    _check(conversations, distillation, output, held_out)
    ordered = [target for target in TARGETS if target in distillation.targets]
    plan = {t: _plan(t, conversations, distillation, numbers.get(t, 0), seed) for t in ordered}
    made_by = _fingerprint(distillation, plan, data, held_out, seed)
    part = output.with_name(output.name + ".part")
    if resume and not part.exists() and output.exists():
        card = read_examples_card(output)
        if card.made_by == made_by:
            return DistillationSummary(card.examples, {}, 0)
    lines = _Lines(part, made_by, resume)
    for target, wanted in plan.items():
        _make(distillation, target, wanted, lines, cache, threads, bar)
    card = ExamplesCard(
        targets=list(plan),
        model=distillation.teacher.model.name,
        data=data,
        conversations=[one.id for one in conversations],
        held_out=list(held_out),
        examples={},
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        made_by=made_by,
    )
    distilled = _finish(plan, lines.made, output, card, seed)
    part.unlink()
    return distilled


def _make(
    distillation: Distillation,
    target: Target,
    wanted: Sequence[PlannedExample],
    lines: _Lines,
    cache: Path,
    threads: int,
    bar: Progress,
) -> None:
    """Make what is left to be made for a target, with a line on the bar."""
    left = [one for one in wanted if one.key not in lines.made]
    done = len(wanted) - len(left)
    shown = bar.add_task(f"examples: {target}", total=len(wanted), completed=done)
    keep = partial(_kept, lines, partial(bar.advance, shown))
    by_conversation: dict[str, list[PlannedExample]] = {}
    for one in left:
        by_conversation.setdefault(one.conversation.id, []).append(one)
    if target == "retrieve":
        asked = [some[0].conversation for some in by_conversation.values()]
        built = build_memories(asked, distillation.teacher, cache, threads, bar) if asked else {}
        paths = [(one, built[one.conversation.id].path) for one in left]
        jobs = [partial(retrieve, distillation, one, path, keep) for one, path in paths]
    elif target == "store":  # also the windows that are made: the others see their facts
        some_of = [[o for o in wanted if o.conversation.id == id_] for id_ in by_conversation]
        jobs = [partial(store, distillation, some, dict(lines.made), keep) for some in some_of]
    else:
        jobs = [partial(answer, distillation, some, keep) for some in by_conversation.values()]
    _run(jobs, threads, lines.ended)


def _kept(lines: _Lines, advance: Callable[[], None], line: ExampleAttempt) -> None:
    lines.add(line)
    advance()


def _check(
    conversations: Sequence[Conversation],
    distillation: Distillation,
    output: Path,
    held_out: Sequence[str],
) -> None:
    if not conversations or not distillation.targets:
        raise InputError("there is no training conversation, or no target, to make examples of")
    if both := [one.id for one in conversations if one.id in held_out]:
        raise InputError(f"{', '.join(both)}: to learn from and held out; give each one part")
    if output.is_dir():
        raise InputError(f"{output} is a folder; give a file for the examples")


def _plan(
    target: Target,
    conversations: Sequence[Conversation],
    distillation: Distillation,
    number: int,
    seed: int,
) -> list[PlannedExample]:
    """What is to be made for a target, in file order. Raises InputError when there is nothing."""
    window = distillation.student.model.window
    every = []
    for one in conversations:
        if target == "store":
            every += [PlannedExample(target, one, n) for n in range(1, len(one.turns) + 1, window)]
        every += [
            PlannedExample(target, one, question.index)
            for question in one.questions
            if target != "store"
            and question.evidence
            and (target == "answer" or question.category != ABSTENTION)
        ]
    if not every:
        raise InputError(f"the training conversations have no question with evidence for {target}")
    return _answers(every, number, seed) if target == "answer" else draw(every, number, seed)


def _answers(every: Sequence[PlannedExample], number: int, seed: int) -> list[PlannedExample]:
    """Questions that are answered, and as many to abstain from as ABSENT and ABSTAINING allow."""
    told = [one for one in every if one.question.category != ABSTENTION]
    told = draw(told, number and max(round(number * (1 - ABSTAINING)), 1), seed)
    absent = int(len(told) * ABSENT / (1 - ABSENT))
    refused = [one for one in every if one.question.category == ABSTENTION]
    asked = int(len(told) * ABSTAINING / (1 - ABSTAINING)) - absent
    some = told + (draw(refused, asked, seed) if asked else [])
    return some + [replace(one, absent=True) for one in draw(told, absent, seed) if absent]


def _fingerprint(
    distillation: Distillation, plan: Mapping[Target, Sequence[PlannedExample]], *more: object
) -> str:
    teacher, student = distillation.teacher, distillation.student
    used = {one.conversation.id: one.conversation for some in plan.values() for one in some}
    return fingerprint(
        *([asdict(one) for one in used.values()], [o.key for some in plan.values() for o in some]),
        *(
            teacher.model.name,
            teacher.model.api_base,
            teacher.budget,
            program_state(teacher.program),
        ),
        *(student.model.name, student.model.window, student.budget, program_state(student.program)),
        *(distillation.example(target, {}, {}) for target in plan),
        *more,
    )


def _run(jobs: Sequence[Callable[[], None]], threads: int, ended: Event) -> None:
    """Do all jobs; the first that fails, or Ctrl-C, ends the others at their next line."""
    with ThreadPoolExecutor(threads) as pool:
        waiting = [pool.submit(job) for job in jobs]
        try:
            for future in as_completed(waiting):
                future.result()
        except BaseException:
            ended.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _finish(
    plan: Mapping[Target, Sequence[PlannedExample]],
    made: Mapping[str, ExampleAttempt],
    output: Path,
    card: ExamplesCard,
    seed: int,
) -> DistillationSummary:
    """Write the examples, mixed, and their card. Raises InputError for a target without any."""
    dropped: Counter[str] = Counter()
    examples: list[ChatMessages] = []
    counts: dict[str, int] = {}
    for target, wanted in plan.items():
        lines = [made[one.key] for one in wanted if one.key in made]
        right = [line.messages for line in lines if not line.dropped]
        why = Counter(f"{target}: {line.dropped}" for line in lines if line.dropped)
        if not right or all(line.sql == NO_FACT for line in lines if not line.dropped):
            reasons = "; ".join(f"{reason} {n}" for reason, n in why.items())
            raise InputError(
                f"{len(wanted)} tried for {target}, none is right ({reasons or 'nothing to store'})"
                ": give a teacher that can do it, or leave the target out"
            )
        dropped, counts[target] = dropped + why, len(right)
        examples += right
    random.Random(seed).shuffle(examples)  # noqa: S311
    save_examples(output, examples, card.model_copy(update={"examples": counts}))
    return DistillationSummary(counts, dict(dropped), sum(line.calls for line in made.values()))


# --- reading ----------------------------------------------------------------------------------
