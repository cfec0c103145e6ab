"""What the command lines let a user choose, without the libraries that the choice needs later."""

from collections.abc import Collection
from typing import Literal

from memory import InputError

EMBEDDER = "wordllama"  # the packaged one
EvaluationMode = Literal["compare", "analyze"]
Interval = Literal["clustered", "independent"]
Optimizer = Literal["simba", "miprov2", "gepa"]
Target = Literal["answer", "retrieve", "store", "refine"]
TARGETS: tuple[Target, ...] = ("retrieve", "answer", "store")  # the order in which "all" goes
MODULES: tuple[Target, ...] = (*TARGETS, "refine")
Reward = Literal["memory", "gated", "unpadded", "sql-memory", "memupdate", "planted"]
# Rewards that compare a window's facts with each speaker's alone need these written first.
_BY_SPEAKER = ("gated", "sql-memory")


def compares_speakers(reward: Reward, targets: Collection[str]) -> bool:
    """Whether a reward needs what the module writes when it is shown one speaker at a time."""
    return reward in _BY_SPEAKER and "store" in targets


def check_reward(reward: Reward, target: str, rehearsal: bool = False) -> None:
    """Raise InputError for a reward that does not apply to this target, or outside a rehearsal."""
    if reward in _BY_SPEAKER and target not in ("retrieve", "store"):
        raise InputError(f"--reward {reward} is for --target retrieve or --target store")
    if reward in ("unpadded", "memupdate") and target != "refine":
        raise InputError(f"--reward {reward} is for --target refine")
    if reward == "planted" and not (rehearsal and target == "answer"):
        raise InputError(
            "--reward planted is for a rehearsal of --target answer: it says nothing of a memory"
        )
