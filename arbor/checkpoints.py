"""Checkpoints and adapters on the server's disk: which may be named, resumed, merged, kept."""

import hashlib
import importlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

# One part of a path; it cannot lead out of its folder.
NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}")


def check_name(name: str | None) -> None:
    """Raise ValueError for a name that leads out of a folder: names become folders."""
    if name is not None and not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name: use letters, digits, . _ -")


def state_files(folder: Path) -> list[Path]:
    """The optimizer's state in a checkpoint: DeepSpeed's folder, or Hugging Face's file."""
    return [*folder.glob("global_step*"), *folder.glob("optimizer.pt")]


def drop_old_states(records: Iterable[Mapping[str, Any]]) -> None:
    """Keep the trainer's state in the two newest checkpoints of a job: it is large.

    A client goes on from the last checkpoint that it has; the newest may never have reached it.
    """
    for record in sorted(records, key=lambda record: float(record["timestamp"]))[:-2]:
        for path in state_files(Path(record["checkpoint_dir"])):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def check_state(folder: Path, storage: Path) -> None:
    """Raise ValueError unless a trainer can go on from this folder, which must be in the storage.

    DeepSpeed unpickles what it reads, so nothing from elsewhere may be named.
    """
    if not folder.resolve().is_relative_to(storage.resolve()):
        raise ValueError(f"{folder} is no checkpoint of this server: its storage is {storage}")
    if not (folder / "trainer_state.json").is_file() or not state_files(folder):
        raise ValueError(
            f"{folder} keeps no trainer's state to go on from: start anew from this adapter"
            " (--start) with other --checkpoints"
        )


def merged(folder: Path, target: Path) -> Path:
    """Merge an adapter into a whole model in a folder of `target`, which appears when complete.

    Raises ValueError when the base cannot be loaded.
    """
    # Named by its weights: another run may have left an adapter in a folder of the same name.
    weights = hashlib.sha256((folder / "adapter_model.safetensors").read_bytes()).hexdigest()
    whole = target / f"{folder.name}-{weights[:12]}"
    if whole.is_dir():
        return whole
    peft = importlib.import_module("peft")
    transformers = importlib.import_module("transformers")
    config = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    base = config["base_model_name_or_path"]
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForCausalLM.from_pretrained(base, torch_dtype="auto")
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{folder} is an adapter for {base}, which cannot be had: {error}"
        ) from error
    # Renamed when complete: a folder that exists is whole.
    part = whole.with_name(whole.name + ".part")
    peft.PeftModel.from_pretrained(model, folder).merge_and_unload().save_pretrained(part)
    tokenizer.save_pretrained(part)
    part.rename(whole)
    return whole
