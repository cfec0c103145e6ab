"""GRPO on one device: samples answers, and trains the policy towards those with better rewards.

Group relative policy optimization (Shao et al. 2024, DeepSeekMath, section 4.1), every token of a
group with equal weight (DAPO, Yu et al. 2025, section 3.3), as Arbor's trainer by default.
All answers to a prompt are computed as one sequence after the prompt. Each token attends to the
prompt and its own answer, so the prompt is read once and nothing is padded. The weights change
after each batch of groups; groups without spread do not count, because they teach nothing.
"""

import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import torch
from transformers import DynamicCache, get_scheduler

from memory.errors import InputError
from memory.files import write_whole
from memory.program.adapter_card import AdapterCard
from memory.tune.adapters import LORA_MODULES, UNREADABLE, add_lora, save_adapter
from memory.tune.merged_lora import thin_layers
from memory.tune.packs import SHARED, Example, attention_mask, biased, losses
from memory.tune.student import Student

_DEFAULTS: dict[str, Any] = {
    "beta": 0.04,
    "learning_rate": 2e-5,
    "lr_scheduler_type": "constant_with_warmup",
    "warmup_steps": 10,
    "max_steps": 500,
    "num_generations": 1,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "temperature": 1.0,
    "max_grad_norm": 1.0,
    "scale_rewards": True,
    "max_prompt_length": 4096,
    "max_completion_length": 512,
    "lora_config": {},
    "seed": 0,
}
# The trainer's state in the folder of a checkpoint, beside the adapter.
TRAINER_STATE = "trainer_state.pt"
_MAX_DRAWN = 4096  # answers whose sampled tokens are kept until their rewards arrive


class Sample(NamedTuple):
    """One answer to a prompt; `finish_reason` is "stop" or "length"."""

    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int


class GrpoTrainer:
    """A policy that answers and learns, and its frozen start as the reference of the KL term.

    The policy starts from the student's adapter, with its rank. A student without an adapter gets
    one from `lora_config`, which starts equal to the base. Several threads may call; calls run one
    at a time.

    As in TRL, a batch is `per_device_train_batch_size` times `gradient_accumulation_steps` answers.
    The groups that hold one batch, at least one group, change the weights once.
    """

    def __init__(self, student: Student, settings: Mapping[str, Any]) -> None:
        """Settings are Arbor's trainer_config as JSON; unknown ones are ignored.

        Raises InputError for an unknown schedule and for unknown settings of an adapter.
        """
        known = {
            name: value
            for name, value in settings.items()
            if name in _DEFAULTS and value is not None
        }
        self.student = student
        self.settings = {**_DEFAULTS, **known}
        torch.manual_seed(self.settings["seed"])
        lora = self.settings["lora_config"]
        if not student.tuned:
            add_lora(
                student,
                rank=lora.get("r", 16),
                alpha=lora.get("lora_alpha", 32),
                dropout=lora.get("lora_dropout", 0.0),
                modules=lora.get("target_modules") or LORA_MODULES,
            )
        self._parameters = [p for p in student.model.parameters() if p.requires_grad]
        self._layers = ExitStack()  # for the life of this trainer
        self._layers.enter_context(thin_layers(student))
        self._start = [p.detach().clone() for p in self._parameters]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=self.settings["learning_rate"], weight_decay=0.0
        )
        try:
            self._schedule = get_scheduler(
                self.settings["lr_scheduler_type"],
                self._optimizer,
                num_warmup_steps=self.settings["warmup_steps"],
                num_training_steps=self.settings["max_steps"],
            )
        except ValueError as error:
            raise InputError(f"lr_scheduler_type: {error}") from error
        answers = (
            self.settings["per_device_train_batch_size"]
            * self.settings["gradient_accumulation_steps"]
        )
        self._groups = max(1, answers // self.settings["num_generations"])  # of one update
        self._accumulated = 0  # groups whose gradients were added since the last update
        self._lock = Lock()
        # (prompt, text) -> the sampled tokens.
        self._drawn: dict[tuple[tuple[int, ...], str], list[int]] = {}
        # prompt -> the bias on the logits when its answers were sampled.
        self._biases: dict[tuple[int, ...], Mapping[int, float]] = {}

    def generate(
        self,
        messages: Sequence[Mapping[str, str]],
        n: int,
        max_tokens: int,
        temperature: float,
        stop: Sequence[str] | None = None,
        logit_bias: Mapping[int, float] | None = None,
    ) -> list[Sample]:
        """Sample n answers of at most `max_tokens` tokens each; at temperature 0 the likeliest.

        An answer ends before the first text in `stop`. `logit_bias` is added to the logits of these
        tokens, also in training: the policy learns as it is used. Raises InputError for a prompt
        that is too long, and for a token that the model does not have.
        """
        with self._lock, torch.no_grad():
            prompt = self._prompt(messages)
            context = self.student.model.config.max_position_embeddings
            if len(prompt) + max_tokens > context:
                raise InputError(
                    f"a prompt of {len(prompt)} and an answer of {max_tokens} tokens exceed the "
                    f"model's context of {context}: shorten one"
                )
            vocabulary = self.student.model.config.vocab_size
            if unknown := [token for token in logit_bias or {} if not 0 <= token < vocabulary]:
                raise InputError(f"logit_bias: the model has no token {unknown[0]}")
            answers = []
            self._biases[tuple(prompt)] = logit_bias or {}
            for tokens in self._sample(
                prompt, n=n, max_tokens=max_tokens, temperature=temperature, stop=stop or ()
            ):
                text = self._text(tokens)
                ended = tokens[-1] == self._end
                cuts = [text.index(stop_text) for stop_text in stop or () if stop_text in text]
                if cuts:
                    text = text[: min(cuts)]
                    ended = True
                self._remember(prompt, text, tokens)
                finish_reason = "stop" if ended else "length"
                answers.append(
                    Sample(
                        text,
                        finish_reason,
                        prompt_tokens=len(prompt),
                        completion_tokens=len(tokens),
                    )
                )
            return answers

    def step(self, group: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Learn from one group: `{"messages", "completion": {"role", "content"}, "reward"}` each.

        Rewards are compared within the group. A group without spread is skipped. Returns
        completion_length (mean, in tokens), reward, reward_std, learning_rate, grad_norm (0 if the
        weights did not change); for a group with spread also loss and kl (k3 estimator, Schulman
        2020, nats a token, to the start, before this step).
        Raises InputError for an empty group or a prompt that is too long.
        """
        if not group:
            raise InputError("a group needs answers to compare")
        with self._lock:
            return self._step(group)

    def save(self, folder: Path, card: AdapterCard) -> None:
        """Save the policy's adapter, and the state that `restore` needs to go on from it.

        Raises InputError when they cannot be written.
        """
        with self._lock:
            save_adapter(self.student, folder, card)
            content = io.BytesIO()
            torch.save(self._state(), content)
            write_whole(folder / TRAINER_STATE, content.getvalue())

    def restore(self, folder: Path) -> None:
        """Go on from a checkpoint as if there had been no interruption.

        Restores the weights, the optimizer's moments, the place in the schedule, the gradients of
        groups that have not changed the weights yet, the start of the KL term and the random
        generator. Raises InputError for a folder without that state, or of another adapter.
        """
        path = folder / TRAINER_STATE
        with self._lock:
            try:
                state = torch.load(path, "cpu", weights_only=True)
                saved = state["weights"], state["start"]
                shapes = [[weight.shape for weight in weights] for weights in saved]
                if missing := self._state().keys() - state.keys():
                    raise ValueError(f"no {min(missing)}")
            except FileNotFoundError as error:
                raise InputError(
                    f"{path} is missing, without which no training can go on: start anew from this"
                    " adapter (--start) with other --checkpoints"
                ) from error
            except UNREADABLE as error:
                raise InputError(f"{path} is no state of a training: {error}") from error
            own_shapes = [weight.shape for weight in self._parameters]
            if shapes != [own_shapes, own_shapes]:
                raise InputError(f"{path} is the state of another adapter")
            with torch.no_grad():
                for weights, values in zip((self._parameters, self._start), saved, strict=True):
                    for weight, value in zip(weights, values, strict=True):
                        weight.copy_(value)
            self._optimizer.load_state_dict(state["optimizer"])
            self._schedule.load_state_dict(state["schedule"])
            self._accumulated = state["accumulated"]
            for weight, gradient in zip(self._parameters, state["gradients"], strict=True):
                weight.grad = None if gradient is None else gradient.to(weight.device)
            torch.set_rng_state(state["random"])
            if state["random_gpu"]:
                torch.cuda.set_rng_state_all(state["random_gpu"])

    def _state(self) -> dict[str, Any]:
        on_gpu = self.student.device.startswith("cuda")
        return {
            "weights": [weight.detach() for weight in self._parameters],
            "start": self._start,
            "optimizer": self._optimizer.state_dict(),
            "schedule": self._schedule.state_dict(),
            "accumulated": self._accumulated,
            "gradients": [weight.grad for weight in self._parameters],
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state_all() if on_gpu else [],
        }

    def _step(self, group: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        rewards = torch.tensor([float(answer["reward"]) for answer in group])
        spread = float(rewards.std(correction=1)) if len(group) > 1 else 0.0
        advantages = rewards - rewards.mean()
        if self.settings["scale_rewards"]:
            advantages = advantages / (spread + 1e-4)
        packs: dict[tuple[int, ...], list[tuple[list[int], float]]] = {}
        for answer, advantage in zip(group, advantages.tolist(), strict=True):
            prompt = self._prompt(answer["messages"])
            tokens = self._completion(prompt, answer["completion"]["content"] or "")
            packs.setdefault(tuple(prompt), []).append((tokens, advantage))
        # Every token of the group has the same weight, in any answer (DAPO, section 3.3).
        total = sum(len(tokens) for pack in packs.values() for tokens, _ in pack)
        numbers = {
            "completion_length": total / len(group),
            "reward": float(rewards.mean()),
            "reward_std": spread,
            "grad_norm": 0.0,
            "learning_rate": self._schedule.get_last_lr()[0],
        }
        # Without spread all advantages are 0, and the group teaches nothing. The comparison is
        # False for NaN too.
        if not spread > 1e-6:
            return numbers
        parts = [self._learn(list(prompt), pack, total) for prompt, pack in packs.items()]
        numbers["loss"] = sum(loss for loss, _ in parts)
        numbers["kl"] = sum(kl for _, kl in parts)
        self._accumulated += 1
        if self._accumulated == self._groups:
            self._accumulated = 0
            numbers["grad_norm"] = self._update()
        return numbers

    def _learn(
        self, prompt: list[int], pack: Sequence[tuple[list[int], float]], total: int
    ) -> tuple[float, float]:
        """Add the gradient of answers to one prompt; returns their share of loss and KL."""
        answers = [tokens for tokens, _ in pack]
        with torch.no_grad(), self._as_at_start():
            start = self.log_probabilities(prompt, answers)
        self.student.model.train()  # dropout, if any
        policy = self.log_probabilities(prompt, answers)
        kl = torch.exp(start - policy) - (start - policy) - 1
        advantages = torch.tensor([advantage for tokens, advantage in pack for _ in tokens])
        # The weights sampled the answers, or are one batch newer: the ratio counts as 1.
        ratio = torch.exp(policy - policy.detach())
        weighed = ratio * advantages.to(policy.device)
        loss = (self.settings["beta"] * kl - weighed).sum() / total
        (loss / self._groups).backward()
        self.student.model.eval()
        return loss.item(), kl.sum().item() / total

    def _update(self) -> float:
        norm = float(
            torch.nn.utils.clip_grad_norm_(self._parameters, self.settings["max_grad_norm"])
        )
        if math.isfinite(norm):  # a step by inf or NaN would ruin the weights
            self._optimizer.step()
            self._schedule.step()
        self._optimizer.zero_grad()
        return norm

    def log_probabilities(self, prompt: list[int], answers: Sequence[list[int]]) -> Any:
        """Log probability of each token of the answers, one answer after the other."""
        examples = [Example(prompt, tokens) for tokens in answers]
        bias = self._biases.get(tuple(prompt))
        return -losses(self.student, examples, self._scale, bias)

    def _sample(
        self, prompt: list[int], *, n: int, max_tokens: int, temperature: float, stop: Sequence[str]
    ) -> list[list[int]]:
        """Token ids of n answers, sampled together: the prompt is computed once for all."""
        device = self.student.device
        bias = self._biases[tuple(prompt)]
        cache = DynamicCache()
        hidden = self.student.hidden(prompt, past_key_values=cache, use_cache=True)
        logits = biased(self.student.logits(hidden[0, -1:]), bias).expand(n, -1)
        owners = [SHARED] * len(prompt)
        drawn: list[list[int]] = [[] for _ in range(n)]
        going = list(range(n))  # the unfinished answers
        for position in range(len(prompt), len(prompt) + max_tokens):
            for answer, token in zip(going, _draw(logits, temperature), strict=True):
                drawn[answer].append(token)
            going = [answer for answer in going if not self._ended(drawn[answer], stop)]
            if not going or len(drawn[going[0]]) == max_tokens:
                break
            owners += going
            mask = attention_mask(torch.tensor(going), torch.tensor(owners))
            hidden = self.student.hidden(
                [drawn[answer][-1] for answer in going],
                attention_mask=mask[None, None].to(device),
                position_ids=torch.full((1, len(going)), position, device=device),
                past_key_values=cache,
                use_cache=True,
            )
            logits = biased(self.student.logits(hidden[0]), bias)
        return drawn

    @contextmanager
    def _as_at_start(self) -> Iterator[None]:
        """Inside this context, the student has the weights that the policy started from."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for policy, start in zip(self._parameters, self._start, strict=True):
            policy.data, start.data = start.data, policy.data

    def _prompt(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        prompt = self.student.encode(messages)
        limit = self.settings["max_prompt_length"]
        if len(prompt) > limit:
            raise InputError(
                f"a prompt has {len(prompt)} tokens, max_prompt_length is {limit}: shorten it, or "
                "raise that"
            )
        return prompt

    def _completion(self, prompt: list[int], text: str) -> list[int]:
        """The tokens that the policy sampled for a text, or its encoding if they are unknown.

        The encoding may have other tokens, which the policy never chose.
        """
        drawn = self._drawn.get((tuple(prompt), text.strip()))
        tokens = drawn or [*self.student.ids(text), self._end]
        return tokens[: self.settings["max_completion_length"]]

    def _remember(self, prompt: list[int], text: str, tokens: list[int]) -> None:
        self._drawn[tuple(prompt), text.strip()] = tokens
        if len(self._drawn) > _MAX_DRAWN:
            del self._drawn[next(iter(self._drawn))]  # the oldest
        if len(self._biases) > _MAX_DRAWN:
            del self._biases[next(iter(self._biases))]

    def _ended(self, tokens: list[int], stop: Sequence[str]) -> bool:
        return tokens[-1] == self._end or any(stop_text in self._text(tokens) for stop_text in stop)

    def _text(self, tokens: list[int]) -> str:
        return str(self.student.tokenizer.decode(tokens, skip_special_tokens=True))

    @property
    def _end(self) -> int:
        return int(self.student.tokenizer.eos_token_id)

    @property
    def _scale(self) -> float:
        return float(self.settings["temperature"]) or 1.0


def _draw(logits: Any, temperature: float) -> list[int]:
    if temperature <= 0:
        return [int(token) for token in logits.argmax(-1)]
    probabilities = torch.softmax(logits / temperature, -1)
    return [int(token) for token in torch.multinomial(probabilities, 1)[:, 0]]
