"""Adds, describes and saves LoRA adapters of a student, and writes them for llama.cpp."""

import os
import platform
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy
from gguf import GGUFWriter
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors import SafetensorError

from locomo.tracking.record import RUN_FILE
from locomo.weights.gguf_model import LINEAR, permuted, permuted_heads
from locomo.weights.grpo import LORA_MODULES
from locomo.weights.student import Student
from memory.errors import InputError
from memory.models import CARD, GGUF, AdapterCard, is_adapter

Target = Literal["answer", "retrieve", "store"]
CHECKPOINT = "checkpoint"  # a folder: what a tuning goes on from
# Supervised tuning keeps these in an adapter's folder; they stay when the adapter is replaced.
_TUNING_FILES = (CHECKPOINT, "examples.jsonl", "examples.card.json", RUN_FILE)
_VERSIONED = ("sql-memory", "torch", "transformers", "peft", "trl", "gguf")


def add_lora(student: Student, rank: int, alpha: float) -> None:
    """Give a student a new adapter (LoRA, Hu et al. 2021) in fp32, without effect before training.

    Arguments:
        rank: the inner dimension of the product of the two matrices.
        alpha: the product is scaled by alpha / rank.

    Raises InputError for a rank that PEFT rejects.
    """
    try:
        config = LoraConfig(
            r=rank,
            lora_alpha=alpha,
            target_modules=list(LORA_MODULES),
            task_type="CAUSAL_LM",
        )
        student.model = get_peft_model(student.model, config).eval()
    except ValueError as error:
        raise InputError(f"no LoRA of rank {rank}: {error}") from error


def describe_adapter(
    student: Student,
    *,
    targets: Sequence[Target],
    made_by: str,
    data: str,
    conversations: Sequence[str],
    start: AdapterCard | None = None,
) -> AdapterCard:
    """The card of a student's current adapter. `data` is the sha256 of the training data.

    The card includes the conversations of the adapter that the tuning started from.
    """
    config = student.model.peft_config["default"]
    seen = start.conversations if start else []
    earlier_commands = list(start.before) if start else []
    if start and start.command:
        earlier_commands.append(start.command)
    return AdapterCard(
        base=student.base,
        base_sha256=student.base_sha256,
        targets=list(targets),
        rank=config.r,
        alpha=float(config.lora_alpha),
        made_by=made_by,
        data=data,
        conversations=list(dict.fromkeys([*seen, *conversations])),
        before=earlier_commands,
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
        versions={"python": platform.python_version()}
        | {name: version(name) for name in _VERSIONED},
    )


def check_adapter_output(folder: Path) -> None:
    """Raise InputError if no adapter can be saved: the folder has other files, or no permission."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        is_occupied = folder.exists() and (
            not folder.is_dir() or any(path.name not in _TUNING_FILES for path in folder.iterdir())
        )
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}") from error
    if is_occupied and not is_adapter(str(folder)):
        raise InputError(f"{folder} holds something else: name a new folder for the adapter")
    if not os.access(folder.parent, os.W_OK):
        raise InputError(f"cannot write in {folder.parent}: no permission")


def check_disk_space(student: Student, folder: Path) -> None:
    """Raise InputError before tuning if the disk has too little space for a student's adapter."""
    trainable = [weight for weight in student.model.parameters() if weight.requires_grad]
    # Each weight takes 4 bytes, 2 in GGUF, and 12 in a checkpoint, which has AdamW's two moments.
    # While files are replaced, all of them exist twice.
    needed = 36 * sum(weight.numel() for weight in trainable)
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise InputError(
            f"{folder.parent} has {free >> 20} MiB free, {needed >> 20} are needed: make room"
        )


def save_adapter(student: Student, folder: Path, card: AdapterCard) -> None:
    """Write an adapter in PEFT's format, its card, and for a model of a GGUF file also GGUF.

    Writes the whole folder or nothing. An older adapter in it is replaced; a checkpoint and
    examples stay. Raises InputError when the folder cannot be written.
    """
    check_adapter_output(folder)
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    old = part.with_suffix(".old")
    try:
        try:
            part.mkdir()
            for name in _TUNING_FILES:
                if (folder / name).is_dir():
                    shutil.copytree(folder / name, part / name)
                elif (folder / name).exists():
                    shutil.copyfile(folder / name, part / name)
            # By default PEFT asks the hub whether the vocabulary is that of the base. GRPO keeps
            # the start next to the adapter; the adapter is saved.
            student.model.save_pretrained(
                part, save_embedding_layers=False, selected_adapters=["default"]
            )
            (part / "README.md").unlink(missing_ok=True)
            if student.base_sha256:
                adapter_to_gguf(student, part / GGUF)
            (part / CARD).write_text(card.model_dump_json(indent=1) + "\n", "utf-8")
            # Synced before the rename, which could otherwise survive a crash without the contents.
            for path in part.iterdir():
                if path.is_file():
                    with path.open("rb+") as file:
                        os.fsync(file.fileno())
            if folder.exists():
                folder.rename(old)
            part.rename(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)
            if old.exists() and not folder.exists():
                old.rename(folder)
            shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"cannot write {folder}: {reason}; is the disk full?") from error


def adapter_to_gguf(student: Student, path: Path) -> None:
    """Write an adapter in llama.cpp's format, for use with the unmodified model.

    Format: convert_lora_to_gguf.py of llama.cpp. Raises InputError if the adapter has modules that
    llama.cpp does not know.
    """
    config = student.model.config
    heads = permuted_heads(config)
    writer = GGUFWriter(path, config.model_type)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", float(student.model.peft_config["default"].lora_alpha))
    state = get_peft_model_state_dict(student.model, save_embedding_layers=False)
    for name, weight in state.items():
        # base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
        *_, layer, block, linear, side, _ = name.split(".")
        stored = LINEAR.get(f"{block}.{linear}")
        if stored is None:
            raise InputError(f"llama.cpp takes no adapter of {block}.{linear}")
        if side == "lora_B" and stored in heads:
            weight = permuted(weight, heads[stored])
        matrix = weight.detach().cpu().numpy().astype(numpy.float16)
        writer.add_tensor(f"blk.{layer}.{stored}.weight.{side.lower()}", matrix)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
