"""What a compile can do in a number of minutes: fewer questions first, then fewer candidates."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from locomo.choices import Optimizer
from locomo.prompts.job import CompileJob
from locomo.prompts.optimizers import CANDIDATES, LEAST_CANDIDATES, LEAST_EXAMPLES
from locomo.tasks.modules import draw
from memory import InputError
from memory.system import write_whole

# Questions that a gain is measured on, at least: of fewer than ten there is no verdict.
LEAST_VALIDATION = 12
_SMALLER = 0.85  # a step
# A forecast is of the most, and a busy machine is slow for a while: what would take several times
# the minutes is begun, and may end early.
_MOST_OVER = 3


@dataclass(frozen=True)
class Extent:
    """How much a compile does: questions to learn from and to measure on, rounds, candidates."""

    train: int
    validation: int
    rounds: int
    candidates: int


_EXTENT = TypeAdapter(Extent)


def extent_of(job: CompileJob) -> Extent:
    """How much a job does."""
    return Extent(
        train=max(map(len, job.train.values())),
        validation=len(job.validation),
        rounds=job.options.rounds,
        candidates=job.options.number_of_candidates,
    )


def resized(job: CompileJob, extent: Extent) -> CompileJob:
    """The job with this extent: examples drawn from its own, by its seed."""
    options = replace(job.options, rounds=extent.rounds, candidates=extent.candidates)
    train = {name: draw(drawn, extent.train, options.seed) for name, drawn in job.train.items()}
    validation = draw(job.validation, extent.validation, options.seed)
    return replace(job, options=options, train=train, validation=validation)


def write_extent(path: Path, extent: Extent) -> None:
    """Keep what was planned, for a run that goes on."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(extent)).encode())


def read_extent(path: Path) -> Extent | None:
    """What `write_extent` kept; None where it kept nothing."""
    return _EXTENT.validate_json(path.read_bytes()) if path.is_file() else None


def fitting(
    requested: Extent, optimizer: Optimizer, minutes: float, needs: Callable[[Extent], float]
) -> Extent:
    """The largest extent, at most the one requested, that is done in these minutes.

    Arguments:
        needs: the minutes of an extent.

    A forecast is of the most that may be asked, so the least extent is begun where it may take
    longer. Raises InputError where it would take more than three times the minutes.
    """
    least = requested
    for extent in _smaller(requested, optimizer):
        if needs(extent) <= minutes:
            return extent
        least = extent
    if needs(least) > _MOST_OVER * minutes:
        raise InputError(
            f"{minutes:.0f} minutes are too few: {_words(least)} may take {needs(least):.0f};"
            " give more --minutes"
        )
    return least


def _smaller(extent: Extent, optimizer: Optimizer) -> Iterator[Extent]:
    """An extent, and ever smaller ones."""
    yield extent
    while extent.train > LEAST_EXAMPLES or extent.validation > LEAST_VALIDATION:
        extent = replace(
            extent,
            train=_fewer(extent.train, LEAST_EXAMPLES),
            validation=_fewer(extent.validation, LEAST_VALIDATION),
        )
        yield extent
    least = LEAST_CANDIDATES if optimizer in CANDIDATES else extent.candidates
    while extent.rounds > 1 or extent.candidates > least:
        if extent.rounds > 1:
            extent = replace(extent, rounds=extent.rounds - 1)
        else:
            extent = replace(extent, candidates=extent.candidates - 1)
        yield extent


def _fewer(number: int, least: int) -> int:
    return min(number, max(least, int(number * _SMALLER)))


def planned(extent: Extent, requested: Extent, minutes: float, needed: float) -> str:
    """What is done in these minutes, how many it needs, and what is left out, in words."""
    line = f"{minutes:.0f} minutes: {_words(extent)}"
    if extent != requested:
        line += f"; asked for were {_words(requested)}"
    if needed > minutes:
        line += f". All of it may take {needed:.0f} minutes; what is found by then is measured"
    return line


def _words(extent: Extent) -> str:
    candidates = f", {extent.candidates} candidates" if extent.candidates else ""
    return (
        f"{extent.train} questions to learn from, {extent.validation} to measure on,"
        f" {extent.rounds} rounds{candidates}"
    )
