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
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from rich.progress import Progress

from locomo.dataset.format import ABSTENTION, Conversation
from locomo.examples.from_teacher import (
    Lesson,
    Made,
    Messages,
    Wanted,
    answer,
    retrieve,
    sendable,
    store,
)
from locomo.harness import build_all, fingerprint, state
from locomo.tasks.modules import TARGETS, Target, drawn
from memory import InputError
from memory.files import write_whole
from memory.program.signatures import NO_FACT

# Of the examples for answering, at most so many have their evidence taken out: who has always
# seen it answers confidently without. With the questions of category 5 at most so many abstain:
# who does so in a third of the examples gives up where it should answer.
ABSENT, ABSTAINING = 0.15, 0.2
_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExamplesCard(BaseModel):
    """What a file of examples was made from.

    `model` is the teacher's name, `data` the sha256 of the data file, `conversations` the ids
    learnt from, `held_out` those that may not be; `examples` counts them by target; `made_by`
    is a fingerprint of the options and the code.
    """

    model_config = _STRICT

    targets: list[Target]
    model: str
    data: str
    conversations: list[str]
    held_out: list[str]
    examples: dict[str, int]
    made_at: str
    made_by: str = ""


class _Message(BaseModel):
    model_config = _STRICT

    role: Literal["system", "user", "assistant"]
    content: str


class _Example(BaseModel):
    model_config = _STRICT

    messages: list[_Message]


@dataclass(frozen=True)
class Distilled:
    """Examples by target, what was dropped and why (`retrieve: no row came`), model calls.

    The calls are those for the examples, without those that built the memories.
    """

    examples: dict[str, int]
    dropped: dict[str, int]
    calls: int


_LINE = TypeAdapter(Made)


class _Lines:
    """The part file: what was made is on disk at once, and is not made again."""

    def __init__(self, path: Path, made_by: str, resume: bool) -> None:
        self._path, self._lock = path, Lock()
        self.ended = Event()
        self.made: dict[str, Made] = {}
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

    def add(self, line: Made) -> None:
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


def _json(line: Made) -> str:
    return sendable(json.dumps(asdict(line), ensure_ascii=False))


def distill(
    conversations: Sequence[Conversation],
    lesson: Lesson,
    output: Path,
    cache: Path,
    numbers: Mapping[Target, int],
    bar: Progress,
    threads: int = 4,
    seed: int = 0,
    resume: bool = False,
    data: str = "",
    held_out: Sequence[str] = (),
) -> Distilled:
    """Make a lesson's examples and write them to `output`, a JSONL file, with their card.

    Arguments:
        cache: where the teacher's memories are built, for retrieve.
        numbers: examples to try, by target; 0 or none: all.
        resume: go on with the file's part, if the same command left one.
        data: sha256 of the data file, for the card.
        held_out: ids of conversations that must not be learnt from.

    What was made is kept when this is interrupted. Raises InputError when there is nothing to
    learn from, a target has no right answer, or the file cannot be written; ModelError.
    """
    _check(conversations, lesson, output, held_out)
    ordered = [target for target in TARGETS if target in lesson.targets]
    plan = {t: _plan(t, conversations, lesson, numbers.get(t, 0), seed) for t in ordered}
    made_by = _fingerprint(lesson, plan, data, held_out, seed)
    part = output.with_name(output.name + ".part")
    if resume and not part.exists() and output.exists():
        card = read_examples_card(output)
        if card.made_by == made_by:
            return Distilled(card.examples, {}, 0)
    lines = _Lines(part, made_by, resume)
    for target, wanted in plan.items():
        _make(lesson, target, wanted, lines, cache, threads, bar)
    card = ExamplesCard(
        targets=list(plan),
        model=lesson.teacher.model.name,
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
    lesson: Lesson,
    target: Target,
    wanted: Sequence[Wanted],
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
    by_conversation: dict[str, list[Wanted]] = {}
    for one in left:
        by_conversation.setdefault(one.conversation.id, []).append(one)
    if target == "retrieve":
        asked = [some[0].conversation for some in by_conversation.values()]
        built = build_all(asked, lesson.teacher, cache, threads, bar) if asked else {}
        paths = [(one, built[one.conversation.id].path) for one in left]
        jobs = [partial(retrieve, lesson, one, path, keep) for one, path in paths]
    elif target == "store":  # also the windows that are made: the others see their facts
        some_of = [[o for o in wanted if o.conversation.id == id_] for id_ in by_conversation]
        jobs = [partial(store, lesson, some, dict(lines.made), keep) for some in some_of]
    else:
        jobs = [partial(answer, lesson, some, keep) for some in by_conversation.values()]
    _run(jobs, threads, lines.ended)


def _kept(lines: _Lines, advance: Callable[[], None], line: Made) -> None:
    lines.add(line)
    advance()


def _check(
    conversations: Sequence[Conversation], lesson: Lesson, output: Path, held_out: Sequence[str]
) -> None:
    if not conversations or not lesson.targets:
        raise InputError("there is no training conversation, or no target, to make examples of")
    if both := [one.id for one in conversations if one.id in held_out]:
        raise InputError(f"{', '.join(both)}: to learn from and held out; give each one part")
    if output.is_dir():
        raise InputError(f"{output} is a folder; give a file for the examples")


def _plan(
    target: Target, conversations: Sequence[Conversation], lesson: Lesson, number: int, seed: int
) -> list[Wanted]:
    """What is to be made for a target, in file order. Raises InputError when there is nothing."""
    window = lesson.student.model.window
    every = []
    for one in conversations:
        if target == "store":
            every += [Wanted(target, one, n) for n in range(1, len(one.turns) + 1, window)]
        every += [
            Wanted(target, one, question.index)
            for question in one.questions
            if target != "store"
            and question.evidence
            and (target == "answer" or question.category != ABSTENTION)
        ]
    if not every:
        raise InputError(f"the training conversations have no question with evidence for {target}")
    return _answers(every, number, seed) if target == "answer" else drawn(every, number, seed)


def _answers(every: Sequence[Wanted], number: int, seed: int) -> list[Wanted]:
    """Questions that are answered, and as many to abstain from as ABSENT and ABSTAINING allow."""
    told = [one for one in every if one.question.category != ABSTENTION]
    told = drawn(told, number and max(round(number * (1 - ABSTAINING)), 1), seed)
    absent = int(len(told) * ABSENT / (1 - ABSENT))
    refused = [one for one in every if one.question.category == ABSTENTION]
    asked = int(len(told) * ABSTAINING / (1 - ABSTAINING)) - absent
    some = told + (drawn(refused, asked, seed) if asked else [])
    return some + [replace(one, absent=True) for one in drawn(told, absent, seed) if absent]


def _fingerprint(lesson: Lesson, plan: Mapping[Target, Sequence[Wanted]], *more: object) -> str:
    teacher, student = lesson.teacher, lesson.student
    used = {one.conversation.id: one.conversation for some in plan.values() for one in some}
    return fingerprint(
        *([asdict(one) for one in used.values()], [o.key for some in plan.values() for o in some]),
        *(teacher.model.name, teacher.model.api_base, teacher.budget, state(teacher.program)),
        *(student.model.name, student.model.window, student.budget, state(student.program)),
        *(lesson.example(target, {}, {}) for target in plan),
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
    plan: Mapping[Target, Sequence[Wanted]],
    made: Mapping[str, Made],
    output: Path,
    card: ExamplesCard,
    seed: int,
) -> Distilled:
    """Write the examples, mixed, and their card. Raises InputError for a target without any."""
    dropped: Counter[str] = Counter()
    examples: list[Messages] = []
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
    write_examples(output, examples, card.model_copy(update={"examples": counts}))
    return Distilled(counts, dict(dropped), sum(line.calls for line in made.values()))


def write_examples(output: Path, examples: Sequence[Messages], card: ExamplesCard) -> None:
    """Write examples as a JSONL file, and their card beside it. Raises InputError."""
    rows = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in examples]
    beside = card_path(output)
    beside.unlink(missing_ok=True)  # no card rather than that of another file
    write_whole(output, "".join(f"{row}\n" for row in rows).encode())
    write_whole(beside, card.model_dump_json(indent=2).encode("utf-8", "replace"))


# --- reading ----------------------------------------------------------------------------------


def card_path(examples: Path) -> Path:
    """Where the card of a file of examples lies."""
    return examples.with_suffix(".card.json")


def read_examples_card(examples: Path) -> ExamplesCard:
    """The card beside a file of examples. Raises InputError when it is missing or broken."""
    path = card_path(examples)
    try:
        return ExamplesCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; make the examples again") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise InputError(
            f"{path}, {where!r:.60}: {first['msg']}; make the examples again"
        ) from None


def check_examples(examples: Path) -> int:
    """How many examples a file holds. Raises InputError that names the first line that is none."""
    number = 0
    try:
        with examples.open("rb") as file:
            for number, line in enumerate(file, 1):
                messages = _Example.model_validate_json(line).messages
                if not messages or messages[-1].role != "assistant":
                    raise InputError(f"{examples}, line {number}: its last message is no answer")
    except OSError as error:
        raise InputError(f"{examples}: {error.strerror}") from error
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"]
        raise InputError(f"{examples}, line {number} is no example: {why:.200}") from None
    if not number:
        raise InputError(f"{examples} holds no example")
    return number
