"""Models of sentence-transformers on this machine: loaded quietly, with errors in one line."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep transformers, if it is imported, from drawing a bar for a model that it loads."""
    bars = sys.modules.get("transformers.utils.logging")
    if bars is None or not bars.is_progress_bar_enabled():
        yield
        return
    bars.disable_progress_bar()
    try:
        yield
    finally:
        bars.enable_progress_bar()


def explain_loading(model: str, repository: str, error: Exception) -> str:
    """What to do about a model that cannot be loaded, in one line.

    `model` is the name or the folder that was given, `repository` where the model hub has it.
    """
    folder = Path(model)
    if folder.is_dir():
        reason = " ".join(str(error).split())
        return f"{folder} holds no model of sentence-transformers ({reason:.200})"
    if folder.is_absolute() or model.startswith((".", "~")):
        return f"there is no folder {model}; give the whole path of the folder that holds the model"
    return (
        f"{model} is not on this machine; give the path of its folder, or fetch it once with:"
        f" hf download {repository}"
    )
