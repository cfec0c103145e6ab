"""Arbor's GRPO trainer with repairs; writes its measurements to metrics.jsonl.

`accelerate launch` runs this file in place of `--module arbor.training.grpo.trainer`. The class
Repair is defined here, so the trainer's process needs no other file of this folder.
"""

import importlib
import inspect
import json
import math
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import ModuleType
from typing import Any

KNOWN = "0.2.17"  # Arbor's last version; its repository is archived


class StartError(Exception):
    """The server cannot start; the message says what to do."""


@dataclass(frozen=True)
class Repair:
    """One defect of Arbor's last version: `apply` fixes it."""

    name: str
    apply: Callable[[], None]


def find_arbor() -> Path:
    """The folder of the installed package, made importable without its own __init__.

    Its __init__ imports the whole client. Raises StartError when arbor-ai is not installed, or in
    another version than the repairs know.
    """
    try:
        arbor = distribution("arbor-ai")
    except PackageNotFoundError as error:
        raise StartError("arbor-ai is not installed: run startup.sh") from error
    if arbor.version != KNOWN:
        raise StartError(f"arbor-ai {arbor.version} is installed; the repairs know {KNOWN} alone")
    package = Path(str(arbor.locate_file("arbor")))
    if "arbor" not in sys.modules:
        bare = ModuleType("arbor")
        bare.__path__ = [str(package)]
        sys.modules["arbor"] = bare
    return package


def applied(repairs: Iterable[Repair]) -> list[dict[str, str]]:
    """The repairs' names, each with "applied" (also before it is)."""
    return [{"name": repair.name, "state": "applied"} for repair in repairs]


def apply(repairs: Sequence[Repair]) -> list[dict[str, str]]:
    """Apply the repairs, in this order; returns their names."""
    for repair in repairs:
        repair.apply()
    return applied(repairs)


def end_of_turn(tokenizer: Any) -> int:
    """The token with which the chat template ends an answer; a base model's EOS differs."""
    chat = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "answer"}]
    tail = tokenizer.apply_chat_template(chat, tokenize=False).rpartition("answer")[2]
    ids: list[int] = tokenizer(tail, add_special_tokens=False)["input_ids"]
    special = set(tokenizer.all_special_ids)
    return next((i for i in ids if i in special), int(tokenizer.eos_token_id))


def drawn(
    ids: Sequence[int], mask: Sequence[int], end: int, limit: int | None, drops_cut: bool
) -> list[int]:
    """The mask of the tokens that the policy sampled, up to and including its end of turn.

    The chat template adds an end of turn, and often a newline, to every answer, even to one cut
    at `limit` tokens. With `drops_cut` the mask of a cut answer is empty (Yu et al. 2025, DAPO,
    section 3.4). `ids` and `mask` are padded on the right.
    """
    real = list(ids[: sum(mask)])
    length = real.index(end) + 1 if end in real else len(real)
    cut = end not in real or (limit is not None and length > limit)
    return [0 if cut and drops_cut else int(i < length) for i in range(len(ids))]


def measured(entry: Mapping[str, Any]) -> dict[str, float]:
    """The finite numbers of one log call; empty for a call that reports no step."""
    if not {"loss", "kl"} & set(entry):
        return {}
    numbers = {
        key: float(value)
        for key, value in entry.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }
    if "completions/mean_length" in numbers:
        numbers["completion_length"] = numbers["completions/mean_length"]
    return {**numbers, "step": int(entry["step"])}


def _trainer() -> Any:
    return importlib.import_module("arbor.training.grpo.trainer").ArborGRPOTrainer


def _rewrite(method: str, changes: Mapping[str, str]) -> None:
    """Compile a method again with parts of its code replaced: it is too long to copy."""
    trainer = _trainer()
    function = getattr(trainer, method)
    text = textwrap.dedent(inspect.getsource(function))
    for old, new in changes.items():
        if old not in text:
            # Better not to start than to run a trainer with half a repair.
            raise StartError(f"{method} of arbor-ai has changed: install arbor-ai==0.2.17")
        text = text.replace(old, new)
    # With the module's globals, so the new function sees the same names as the old one.
    names: dict[str, Any] = {}
    exec(compile(text, f"<repaired {method}>", "exec"), function.__globals__, names)  # noqa: S102
    setattr(trainer, method, names[method])


def _mask_prompts() -> None:
    """Limit the loss to the sampled tokens; the model still reads the whole prompt and answer."""
    trainer = _trainer()
    original = trainer.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        # Masked here by the same rule, so the trainer's own masking changes nothing.
        self.drops_cut = self.mask_truncated_completions
        self.mask_truncated_completions = False
        self.end = end_of_turn(self.processing_class)

    def drawn_masks(self: Any, batch: Mapping[str, Any]) -> list[list[int]]:
        limit = self.max_completion_length
        pairs = zip(batch["completion_ids"], batch["completion_mask"], strict=True)
        return [
            drawn(ids, mask, end=self.end, limit=limit, drops_cut=self.drops_cut)
            for ids, mask in pairs
        ]

    trainer.__init__ = __init__
    trainer.drawn_masks = drawn_masks
    old = "completion_mask = attention_mask[:, 1:]"
    total = "float(total_completion_tokens_global)"
    drawn_here = "self.drawn_masks(broadcast_data)[process_slice]"
    _rewrite(
        "_prepare_inputs",
        {
            old: f"completion_mask = torch.tensor({drawn_here}, device=attention_mask.device)",
            '"attention_mask": attention_mask,': (
                '"attention_mask": attention_mask, "completion_mask": completion_mask,'
            ),
            'int(sum(cm)) for cm in broadcast_data["completion_mask"]': (
                "sum(cm) for cm in self.drawn_masks(broadcast_data)"
            ),
            # A group of only cut answers has no tokens: 0 / 0 would make all weights NaN.
            total: f"max({total}, 1.0)",
        },
    )
    new = 'completion_mask = inputs["completion_mask"]'
    clamped = "/ completion_mask.sum().clamp(min=1.0)"
    _rewrite("compute_loss", {old: new, "/ completion_mask.sum()": clamped})


def _count_both_lengths() -> None:
    """Make max_seq_len the sum of the prompt's and the completion's lengths."""
    trainer = _trainer()
    original = trainer.__init__

    def __init__(self: Any, model: Any, args: Any, *more: Any, **kwargs: Any) -> None:
        # Given both lengths and no third, the trainer adds them; given the third, it drops one.
        if args.max_prompt_length is not None and args.max_completion_length is not None:
            args.max_seq_len = None
        original(self, model, args, *more, **kwargs)
        if args.max_seq_len is not None:
            self.max_seq_len = args.max_seq_len

    trainer.__init__ = __init__


def _keep_base_weights() -> None:
    """Restore the base at each sync: merging and unmerging in bfloat16 leaves rounding errors."""
    trainer = _trainer()
    original = trainer._move_model_to_vllm

    def _move_model_to_vllm(self: Any) -> None:
        frozen = {
            name: weight for name, weight in self.model.named_parameters() if ".base_layer." in name
        }
        if not hasattr(self, "_start_weights"):
            # On the CPU: the memory of a GPU is planned for one copy of the base.
            self._start_weights = {
                name: weight.detach().to("cpu", copy=True) for name, weight in frozen.items()
            }
        original(self)
        for name, weight in frozen.items():
            weight.data.copy_(self._start_weights[name])

    trainer._move_model_to_vllm = _move_model_to_vllm


def _accumulate_groups() -> None:
    """Make a batch of several groups change the weights once.

    The trainer takes its count of accumulated parts for the parts of one group, which may be too
    small to split that often. Hugging Face's count, which decides when the weights change, stays.
    The weights also change at the end of an epoch, so all groups must be in one epoch.
    """
    trainer = _trainer()
    original, begin = trainer._prepare_inputs, trainer.__init__
    module = importlib.import_module(trainer.__module__)
    dataset = module._ExternalBatchDataset

    def __init__(self: Any, model: Any, args: Any, *more: Any, **kwargs: Any) -> None:
        module._ExternalBatchDataset = lambda items: dataset(items * args.num_generations)
        begin(self, model, args, *more, **kwargs)

    def groups(self: Any) -> int:
        processes = int(os.environ.get("WORLD_SIZE", "1"))
        answers = self.per_device_train_batch_size * processes * self.args_accumulation
        return max(1, int(answers) // int(self.num_generations))

    def parts_of_a_group(self: Any) -> int:
        return max(1, self.args_accumulation // groups(self))

    def keep(self: Any, steps: int) -> None:
        self.args_accumulation = steps

    def _prepare_inputs(self: Any, inputs: Any) -> dict[str, Any]:
        part = original(self, inputs)
        # Each token of the batch has about the same weight: groups have similar lengths.
        tokens = part["total_completion_tokens"] * groups(self)
        return {**part, "total_completion_tokens": tokens}

    trainer.__init__ = __init__
    trainer.gradient_accumulation_steps = property(parts_of_a_group, keep)
    trainer._prepare_inputs = _prepare_inputs


def _checkpoint_between_groups() -> None:
    """Save a checkpoint when every group that was sent is learned from, not in the middle of one.

    The client knows how many groups it sent: its checkpoint holds as many.
    """
    trainer = _trainer()

    def is_idle(self: Any) -> bool:
        is_between = self._step % self.gradient_accumulation_steps == 0
        return is_between and self.async_requester.get_completed_count() == 0

    trainer.is_idle = is_idle
    asked = "if self._checkpoint_request_data is not None:"
    idle = "if self._checkpoint_request_data is not None and self.is_idle():"
    _rewrite("_service_checkpoint_requests", {asked: idle})


def _resume() -> None:
    """Go on from the checkpoint of the settings, with its optimizer, schedule and step number.

    The base is that of the first start, so KL counts from there. The weights go to vllm before the
    first batch is requested, because the step number is not 0.
    """
    trainer = _trainer()
    original = trainer.train

    def train(self: Any, *args: Any, **kwargs: Any) -> Any:
        if checkpoint := self.args.resume_from_checkpoint:
            # The data are numbers without meaning: there is nothing to skip.
            self.args.ignore_data_skip = True
            kwargs["resume_from_checkpoint"] = checkpoint
        return original(self, *args, **kwargs)

    trainer.train = train


REPAIRS = [
    Repair("completion mask", _mask_prompts),
    Repair("sequence length", _count_both_lengths),
    Repair("groups of a batch", _accumulate_groups),
    Repair("base weights", _keep_base_weights),
    Repair("checkpoint between groups", _checkpoint_between_groups),
    Repair("trainer's resume", _resume),
]


def _write_metrics() -> None:
    """Write each log call as a line of OUTPUT_DIR/metrics.jsonl."""
    trainer = _trainer()
    original = trainer.log

    def log(self: Any, logs: dict[str, float], start_time: float | None = None) -> None:
        original(self, logs, start_time)
        row = measured(self.state.log_history[-1])
        if row and self.is_world_process_zero():
            with (Path(self.args.output_dir) / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(row) + "\n")

    trainer.log = log


def main() -> None:
    """Repair the installed trainer and run it with this process's arguments."""
    find_arbor()
    for repair in apply(REPAIRS):
        print(f"repair {repair['name']}: {repair['state']}", flush=True)
    _write_metrics()
    importlib.import_module("arbor.training.grpo.trainer").main()


if __name__ == "__main__":
    main()
