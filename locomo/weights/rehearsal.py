"""A rehearsal: GRPO by TRL on this machine, of the packaged model and for the memory's reward.

TRL draws the answers, learns from them and keeps what a run goes on from. Ours are the prompts and
the reward: a task of the memory is run once to see what its module is asked, and once for each
answer to see what that is worth.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import DynamicCache, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from locomo.weights.adapters import add_lora, describe_adapter, save_adapter
from locomo.weights.interruptible import StepControl
from locomo.weights.memory_reward import MemoryReward
from locomo.weights.packs import IGNORED, Example, collate, packed_row
from locomo.weights.record import RunRecord, Scores, TrainingResult
from locomo.weights.steps import reason_to_stop
from locomo.weights.student import load_student
from locomo.weights.trainee import tuned_task
from memory.models import read_card

TRAINER_FOLDER = "trainer"  # of TRL's checkpoints, next to the adapters
_CACHED_TOKENS = 16_384  # of prompts whose answers are drawn together: 400 MB of a small model


class ResumableTrainer(GRPOTrainer):
    """TRL's trainer, which goes on from its checkpoints."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        # transformers 4.57 loads the adapters in the subfolders of a checkpoint, and with any there
        # leaves out the trained one. The start is that of the run, and there already.
        self.model.load_adapter(resume_from_checkpoint, "default", is_trainable=True)
        self.model.set_adapter("default")


class SharedPromptTrainer(ResumableTrainer):
    """A trainer that reads the prompt of a group once.

    TRL reads it for each answer, when they are drawn, compared with the start and learned from: on
    a CPU that is most of a step (docs/log.md). The numbers are the same.
    """

    def _generate_single_turn(
        self, prompt_ids: Sequence[list[int]], *_: Any, **__: Any
    ) -> tuple[list[list[int]], None]:
        groups = [(prompt, len(list(same))) for prompt, same in groupby(prompt_ids)]
        completions: list[list[int]] = []
        while groups:
            # A step of drawing costs about the same for one group and for several.
            longest = max(len(prompt) for prompt, _answers in groups)
            number = max(1, _CACHED_TOKENS // (longest * groups[0][1]))
            completions += self._drawn(groups[:number])
            del groups[:number]
        return completions, None

    def _drawn(self, groups: Sequence[tuple[list[int], int]]) -> list[list[int]]:
        """Answers to prompts, as many to each as is said, drawn together."""
        model = self.accelerator.unwrap_model(self.model)
        decoder = model.get_base_model().get_decoder()
        device = self.accelerator.device
        pad = self.processing_class.pad_token_id
        longest = max(len(prompt) for prompt, _ in groups)
        read: list[list[tuple[Any, Any]]] = []  # by group and layer
        rows: list[list[int]] = []
        with torch.no_grad():
            for prompt, answers in groups:
                cache = DynamicCache()
                ids = torch.tensor([prompt[:-1]], device=device)
                decoder(input_ids=ids, past_key_values=cache, use_cache=True)
                cache.batch_repeat_interleave(answers)
                left = (0, 0, longest - len(prompt), 0)  # before the tokens, as the ids are padded
                read.append(
                    [
                        (torch.nn.functional.pad(layer.keys, left),
                         torch.nn.functional.pad(layer.values, left))
                        for layer in cache.layers
                    ]
                )  # fmt: skip
                rows += [[pad] * (longest - len(prompt)) + prompt] * answers
            together = DynamicCache()
            for number, of_groups in enumerate(zip(*read, strict=True)):
                keys, values = (torch.cat(parts) for parts in zip(*of_groups, strict=True))
                together.update(keys, values, number)
            mask = [[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt, _ in groups]
            counts = torch.tensor([answers for _, answers in groups], device=device)
            drawn = model.generate(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device).repeat_interleave(counts, dim=0),
                past_key_values=together,
                generation_config=self.generation_config,
            )
        return [self._ended(row) for row in drawn[:, longest:].tolist()]

    def _ended(self, tokens: list[int]) -> list[int]:
        """The tokens up to the end of the turn, without what pads them."""
        ends = (index for index, token in enumerate(tokens, 1) if token in self.eos_token_ids)
        return tokens[: next(ends, len(tokens))]

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """A group whose answers earned the same teaches nothing, so it is not read again."""
        if not inputs["advantages"].any():
            weight = next(p for p in model.parameters() if p.requires_grad)
            return weight.sum() * 0.0
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: Any,
        attention_mask: Any,
        logits_to_keep: int,
        *_: Any,
        compute_entropy: bool = False,
        **__: Any,
    ) -> tuple[Any, Any, None]:
        length = input_ids.shape[1] - logits_to_keep  # of the longest prompt
        examples = [
            Example(ids[:length][mask[:length]].tolist(), ids[length:][mask[length:]].tolist())
            for ids, mask in zip(input_ids, attention_mask.bool(), strict=True)
        ]
        log_probs: list[Any] = []
        entropies: list[Any] = []
        for _prompt, group in groupby(examples, key=lambda example: example.prompt):
            pack = list(group)
            batch = {
                name: value.to(input_ids.device)
                for name, value in collate([packed_row(pack)]).items()
            }
            with self.accelerator.autocast():
                outputs = model(**batch, fused_lm_head=True, use_cache=False)
            learned = batch["labels"][:, 1:] != IGNORED  # the first token is predicted by none
            lengths = [len(example.answer) for example in pack]
            for values, rows in ((outputs.log_probs, log_probs), (outputs.entropy, entropies)):
                rows += [
                    torch.nn.functional.pad(part, (0, logits_to_keep - len(part)))
                    for part in values[learned].split(lengths)
                ]
        return torch.stack(log_probs), torch.stack(entropies) if compute_entropy else None, None


class _AfterSaving(TrainerCallback):
    def __init__(self, saved: Callable[[int], None]) -> None:
        self._saved = saved

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._saved(state.global_step)


class Rehearsal:
    """A training of the packaged model on this machine.

    Arguments:
        record: has the plan, whose `folder` also gets the adapters and TRL's state.
        start: the adapter to start from; None for the model as it comes.
        minutes: the longest training, without the measurements before it.
        base, device: as for `load_student`.
    """

    def __init__(
        self,
        record: RunRecord,
        start: Path | None,
        minutes: float | None = None,
        base: str = "local",
        device: str | None = None,
    ) -> None:
        self.record, self.plan, self.start, self.minutes = record, record.plan, start, minutes
        plan = record.plan
        self.base = base
        self._student = load_student(base, start, device)
        torch.manual_seed(plan.seed)
        if not self._student.tuned:
            add_lora(self._student, plan.settings.lora_rank, plan.settings.lora_alpha)
        self.reward = MemoryReward(plan)
        self._step_began = time.monotonic()

    def run(self) -> TrainingResult:
        """Train until the steps are done, a stop, or Ctrl-C, which raises KeyboardInterrupt.

        Raises InputError where a checkpoint cannot be written or gone on from, ModelError when the
        model cannot be measured.
        """
        plan, settings = self.plan, self.plan.settings
        groups = settings.groups_an_update
        self.record.say(f"asking the memory for {settings.steps * groups} prompts")
        rows = self.reward.rows(self._student, settings.steps * groups)
        before = self._measured(0, self.start) if self.start else {}
        trainer = self._trainer(rows)
        control = StepControl(self._step_done, self.minutes)
        trainer.add_callback(_AfterSaving(self._save))
        folder = plan.folder / TRAINER_FOLDER
        begin = self.record.begin
        resumed = f"{folder}/checkpoint-{begin.step}" if begin else None
        self._step_began = time.monotonic()
        with control.watching(trainer):
            trainer.train(resume_from_checkpoint=resumed)
        if control.interrupted:
            raise KeyboardInterrupt
        step = trainer.state.global_step
        checkpoint = self.record.checkpoint
        after = self._measured(step, checkpoint) if checkpoint else {}
        return self.record.result(step, control.stopped, before, after)

    def _trainer(self, rows: Sequence[dict[str, Any]]) -> GRPOTrainer:
        plan, settings, student = self.plan, self.plan.settings, self._student
        on_gpu = student.device.startswith("cuda")
        config = GRPOConfig(
            **settings.trl_arguments(),
            output_dir=str(plan.folder / TRAINER_FOLDER),
            save_steps=plan.checkpoint_steps,
            save_total_limit=2,
            seed=plan.seed,
            bf16=False,  # the weights have their type already
            gradient_checkpointing=on_gpu,
            use_cpu=not on_gpu,
            dataloader_pin_memory=on_gpu,
            shuffle_dataset=False,  # the rows have the order of the plan's seed
            report_to="none",
            disable_tqdm=True,
        )
        return SharedPromptTrainer(
            student.model,
            reward_funcs=self.reward.rewards,
            args=config,
            train_dataset=Dataset.from_list(list(rows)),
            processing_class=student.tokenizer,
        )

    def _step_done(self, state: Any, numbers: Mapping[str, float]) -> str | None:
        """Keep and show a step; returns a reason to stop."""
        now = time.monotonic()
        row = self.reward.step_record(state.global_step, numbers, now - self._step_began)
        self._step_began = now
        self.record.add_step(row)
        return reason_to_stop(self.record.rows)

    def _save(self, step: int) -> None:
        """Save the adapter for use, and what a run goes on from; measure it if it is time."""
        plan = self.plan
        start = read_card(self.start) if self.start else None
        card = describe_adapter(
            self._student,
            targets=tuple(target for target in plan.train if target != "refine"),
            made_by="grpo",
            data=hashlib.sha256(plan.fingerprint.encode()).hexdigest(),
            conversations=plan.conversations,
            start=start,
        )
        checkpoint = plan.folder / f"step-{step}"
        save_adapter(self._student, checkpoint, card)
        self.record.add_checkpoint(step, checkpoint)
        if plan.measures_at(step):
            self._measured(step, checkpoint)
            self._step_began = time.monotonic()

    def _measured(self, step: int, adapter: Path) -> Scores:
        """The validation examples' scores with an adapter, as llama.cpp uses it."""
        plan = self.plan
        if not plan.validation:
            return {}
        student = tuned_task(plan, self.base, adapter)
        when = f"with {adapter.name}"
        return self.record.measure(student, plan.validation, step=step, when=when)
