"""What the command lines let a user choose, without the libraries that the choice needs later."""

from collections.abc import Collection
from typing import Literal, get_args

from memory import InputError

EMBEDDER = "wordllama"  # the packaged one
EvaluationMode = Literal["compare", "analyze"]
# What answers the questions of an evaluation, each with a step more than the one before it.
SystemName = Literal["newest", "full", "ranking", "facts", "memory"]
SYSTEMS: tuple[SystemName, ...] = ("newest", "ranking", "facts", "memory")
# Papers leave out category 5 of LoCoMo: 1,540 of its questions remain.
Categories = Literal["all", "1-4"]
FactSource = Literal["model", "templates"]
CompiledFactSource = Literal["model", "templates", "gold"]
Interval = Literal["clustered", "independent"]
Optimizer = Literal["simba", "miprov2", "gepa", "bootstrap"]
Target = Literal["answer", "retrieve", "store", "refine"]
TARGETS: tuple[Target, ...] = ("retrieve", "answer", "store")  # the order of "all"
MODULES: tuple[Target, ...] = (*TARGETS, "refine")
Reward = Literal["memory", "rows", "gated", "unpadded", "sql-memory", "memupdate", "planted"]
# Rewards that compare a window's facts with each speaker's alone need these written first.
_BY_SPEAKER = ("gated", "sql-memory")


def systems_named(names: str) -> tuple[SystemName, ...]:
    """The systems of a comma-separated list, in the order of their steps.

    Raises InputError for an unknown name, and if the memory itself is missing.
    """
    chosen = {name.strip() for name in names.split(",")}
    known: tuple[SystemName, ...] = get_args(SystemName)
    if unknown := sorted(chosen - {*known}):
        raise InputError(f"--systems {unknown[0]!r} is unknown; choose among {','.join(known)}")
    if "memory" not in chosen:
        raise InputError("--systems needs memory: the others are compared with it")
    return tuple(name for name in known if name in chosen)


def compares_speakers(reward: Reward, targets: Collection[str]) -> bool:
    """Whether a reward needs what the module writes when it is shown one speaker at a time."""
    return reward in _BY_SPEAKER and "store" in targets


def check_reward(reward: Reward, target: str, rehearsal: bool = False) -> None:
    """Raise InputError for a reward that does not apply to this target, or outside a rehearsal."""
    if reward in _BY_SPEAKER and target not in ("retrieve", "store"):
        raise InputError(f"--reward {reward} is for --target retrieve or --target store")
    if reward in ("unpadded", "memupdate") and target != "refine":
        raise InputError(f"--reward {reward} is for --target refine")
    if reward == "rows" and target != "store":
        raise InputError("--reward rows is for --target store: it compares facts with gold rows")
    if reward == "planted" and not (rehearsal and target == "answer"):
        raise InputError(
            "--reward planted is for a rehearsal of --target answer: it says nothing of a memory"
        )
