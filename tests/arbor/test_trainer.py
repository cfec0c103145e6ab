"""Arbor's trainer, patched: what the loss covers, what is kept, what is written down."""

import importlib
import json
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support.arbor_package import Stub, sampling, stubbed, tiny

WHY = "uv sync --extra tune"
VLLM = "arbor.server.services.inference.vllm_client"
TRL = ("trl", "trl.models", "trl.trainer", "trl.trainer.callbacks", "trl.trainer.utils")
PROMPT = [3, 5, 1, 2, 4]
# An answer with its end (1) and the template's newline (2), and one cut at the limit of 4 tokens.
ANSWERS = [[7, 1, 2, 0, 0], [8, 9, 1, 2, 0], [7, 9, 9, 1, 2], [9, 9, 9, 9, 1]]
DRAWN = [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("ids", "mask", "limit", "drops", "expected"),
    [
        ([1, 2, 7, 5], [1, 1, 1, 1], 9, True, [1, 1, 1, 0]),  # the template's newline
        ([1, 7, 5, 9], [1, 1, 1, 0], 9, True, [1, 1, 0, 0]),  # padded with the EOS
        ([1, 2, 7, 5], [1, 1, 1, 1], 3, True, [1, 1, 1, 0]),  # as long as allowed
        ([1, 2, 3, 7], [1, 1, 1, 1], 3, True, [0, 0, 0, 0]),  # cut: the end is the template's
        ([1, 2, 3, 7], [1, 1, 1, 1], 3, False, [1, 1, 1, 1]),
        ([1, 2, 3, 4], [1, 1, 1, 1], None, True, [0, 0, 0, 0]),  # never ended
        ([1, 2, 3, 7], [1, 1, 1, 1], None, True, [1, 1, 1, 1]),
        ([1, 2, 7, 7], [1, 1, 0, 0], 9, True, [0, 0, 0, 0]),  # 7 is padding here
    ],
)
def test_the_loss_covers_what_the_policy_drew(
    ids: list[int], mask: list[int], limit: int | None, drops: bool, expected: list[int]
) -> None:
    assert sampling.drawn(ids, mask, 7, limit, drops) == expected


@pytest.fixture
def grpo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Arbor's patched trainer module, with torch, transformers, peft and accelerate."""
    torch = pytest.importorskip("torch", reason=WHY)
    for name in ("transformers", "peft", "accelerate", "zmq"):
        pytest.importorskip(name, reason=WHY)
    stubs: dict[str, Any] = {
        name: Stub(name) for name in (*TRL, "datasets", "deepspeed", "wandb", VLLM)
    }
    stubs["wandb"].run = None
    stubs["trl.models"].prepare_peft_model = lambda model, config, args: importlib.import_module(
        "peft"
    ).get_peft_model(model, config)
    stubs[VLLM].VLLMClient = Client
    stubs["trl.trainer.utils"].identity = lambda x: x
    stubs["trl.trainer.utils"].nanmin = stubs["trl.trainer.utils"].nanmax = torch.max
    stubs["trl.trainer.utils"].pad = lambda rows, padding_value=0, padding_side="right": (
        torch.nn.utils.rnn.pad_sequence(
            rows, batch_first=True, padding_value=padding_value, padding_side=padding_side
        )
    )
    stubs["trl.trainer.utils"].selective_log_softmax = lambda logits, ids: (
        logits.log_softmax(-1).gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    )
    Client.sent = {}
    with stubbed(monkeypatch, stubs):
        yield importlib.import_module("arbor.training.grpo.trainer")


class Client:
    """Stands for vllm: keeps the weights that it is sent."""

    sent: dict[str, Any]

    def __init__(self, **_: object) -> None: ...

    def init_communicator(self) -> None: ...

    def reset_prefix_cache(self) -> None: ...

    def update_named_param(self, name: str, weights: Any) -> None:
        self.sent[name] = weights.clone()

    def get_num_background_tasks(self) -> int:
        return 0


def trainer_of(grpo: Any, tmp_path: Path, **more: Any) -> Any:
    """A trainer of three steps on four answers to one prompt."""
    peft, config = map(importlib.import_module, ("peft", "arbor.training.grpo.config"))
    settings: dict[str, Any] = {
        "output_dir": str(tmp_path / "out"), "max_steps": 3, "learning_rate": 0.01, "beta": 0.04,
        "per_device_train_batch_size": 4, "num_generations": 4, "max_prompt_length": 32,
        "max_completion_length": 4, "max_seq_len": 36, "logging_steps": 1, "report_to": "none",
        "use_cpu": True, "bf16": True, "control_endpoint": None, "loss_type": "dapo",
        "model_init_kwargs": {"dtype": "bfloat16"}, "sync_ref_model": False,
        "lora_config": peft.LoraConfig(r=4, lora_alpha=4, target_modules=["q_proj", "v_proj"]),
        **more,
    }  # fmt: skip
    args = config.ArborGRPOConfig(**settings)
    return grpo.ArborGRPOTrainer(model=str(tiny(tmp_path / "tiny")), args=args)


def feed(learner: Any, count: int, answers: list[list[int]] = ANSWERS) -> None:
    """Submit groups as Arbor's server does, as soon as the trainer takes them."""
    module = importlib.import_module("arbor.server.services.comms.async_batch_requester")
    rewards = [1.0, 0.0, 1.0, 0.5]
    outputs = module.ProcessedOutputs(
        prompt_ids=[PROMPT] * 4, prompt_mask=[[1] * len(PROMPT)] * 4, completion_ids=answers,
        completion_mask=[[int(i > 0) for i in row] for row in answers], rewards=rewards,
    )  # fmt: skip

    def submit() -> None:
        for i in range(count):
            while not learner.async_requester.started:
                time.sleep(0.01)
            learner.async_requester.submit_batch_result(
                module.BatchResult(
                    batch_id=i, processed_results=outputs, all_reward_dict={"reward": rewards}
                )
            )

    threading.Thread(target=submit, daemon=True).start()


def gradient(grpo: Any, learner: Any, answers: list[list[int]] = ANSWERS) -> tuple[Any, Any, Any]:
    """The loss, its gradient by each token's log probability, and the mask the model attends to."""
    torch = importlib.import_module("torch")
    tokens = len(PROMPT) + len(answers[0]) - 1
    logps = torch.full((4, tokens), -1.0, requires_grad=True)
    attended: list[Any] = []

    def per_token(model: Any, ids: Any, attention: Any, keep: int, batch_size: Any = None) -> Any:
        attended.append(attention)
        return logps[:, -keep:]

    grpo.shuffle_tensor_dict = lambda batch: batch
    learner._get_per_token_logps = per_token
    learner.state.max_steps = 3
    feed(learner, 1, answers)
    inputs = learner._prepare_inputs([{}])
    loss = learner.compute_loss(learner.model, inputs)
    loss.backward()
    learner.counted = inputs["total_completion_tokens"].item()
    return loss, logps.grad, attended[-1]


def test_the_loss_leaves_out_prompt_cut_answers_and_what_the_template_added(
    grpo: Any, tmp_path: Path
) -> None:
    learner = trainer_of(grpo, tmp_path, beta=0.0)
    _, found, attended = gradient(grpo, learner)
    learned = (found != 0).int().tolist()
    expected = [[0] * (len(PROMPT) - 1) + row for row in DRAWN]
    # 0.625 is the mean reward: no answer has it, so that every token that counts has a gradient.
    assert learned == expected
    assert learner.counted == sum(map(sum, DRAWN))
    assert attended[:, : len(PROMPT)].all(), "the model reads the prompt"


def test_a_batch_of_several_groups_changes_the_weights_once(grpo: Any, tmp_path: Path) -> None:
    batch = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 6}  # 3 groups of 4
    learner = trainer_of(grpo, tmp_path, **batch, max_steps=2)
    torch = importlib.import_module("torch")
    weights = {n: p for n, p in learner.model.named_parameters() if "lora_B" in n}
    seen: list[list[Any]] = []
    prepare, compute_loss = learner._prepare_inputs, learner.compute_loss
    tokens: list[float] = []

    def prepared(inputs: Any) -> Any:
        seen.append([weight.detach().clone() for weight in weights.values()])
        return prepare(inputs)

    def loss(model: Any, inputs: Any, *more: Any, **kwargs: Any) -> Any:
        tokens.append(inputs["total_completion_tokens"].item())
        return compute_loss(model, inputs, *more, **kwargs)

    learner._prepare_inputs, learner.compute_loss = prepared, loss
    feed(learner, 6)
    learner.train()
    changed = [
        any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
        for before, after in pairwise(seen)
    ]
    # Six parts of two answers are three groups; the next six are the second change.
    assert (len(seen), changed) == (12, [False] * 5 + [True] + [False] * 5)
    assert tokens == [3.0 * sum(map(sum, DRAWN))] * 12


class Killed(Exception):
    """Ends a training as a kill would, at the moment that a test chose."""


def updates(
    grpo: Any, folder: Path, count: int, checkpoint: str | None = None, **more: Any
) -> tuple[dict[str, Any], Any]:
    """The trained weights after the groups of `count` changes of the weights, and the trainer.

    `checkpoint` is asked for as soon as the last group is there, before it is learned from.
    """
    torch = importlib.import_module("torch")
    batch = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}  # 2 groups of 4
    schedule = {"lr_scheduler_type": "linear", "warmup_steps": 2, "max_grad_norm": 0.1}
    learner = trainer_of(grpo, folder, **batch, **schedule, max_steps=6, **more)
    # The order within a group is drawn anew after a resume; it changes sums by rounding only.
    grpo.shuffle_tensor_dict = lambda batch: batch
    requester = learner.async_requester
    get_batch, submit = requester.get_batch, requester.submit_batch_result

    def batch_of(batch_id: int, timeout: float) -> Any:
        batch = get_batch(batch_id, timeout)
        if batch_id == 2 * count:
            raise Killed
        return batch

    def submitted(result: Any) -> None:
        if checkpoint and result.batch_id == 2 * count:
            learner.handle_checkpoint_request(checkpoint)  # the client waits for it
        submit(result)

    requester.get_batch, requester.submit_batch_result = batch_of, submitted
    feed(learner, 2 * count + 1)
    with pytest.raises(Killed):
        learner.train()
    weights = {n: p.detach().clone() for n, p in learner.model.named_parameters() if "lora" in n}
    assert all(torch.isfinite(weight).all() for weight in weights.values())
    return weights, learner


def test_a_run_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(
    grpo: Any, tmp_path: Path
) -> None:
    torch = importlib.import_module("torch")
    whole, learner = updates(grpo, tmp_path / "whole", 5)
    rates = learner.lr_scheduler.get_last_lr()
    first, _ = updates(grpo, tmp_path / "parts", 3, checkpoint="step-6")
    folder = tmp_path / "parts" / "out" / "step-6"
    # The last group counts, though the checkpoint was asked for before it was learned from.
    state = json.loads((folder / "trainer_state.json").read_text("utf-8"))
    assert state["global_step"] == 3

    Client.sent = {}
    torch.manual_seed(99)
    resumed, learner = updates(
        grpo, tmp_path / "parts", 2, resume_from_checkpoint=str(folder), seed=7
    )
    assert learner.state.global_step == 5
    assert learner.lr_scheduler.get_last_lr() == rates
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not all(torch.equal(first[name], resumed[name]) for name in whole)
    lines = (tmp_path / "parts" / "out" / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3, 4, 5]


def test_vllm_has_the_checkpoints_weights_before_the_first_batch_is_asked_for(
    grpo: Any, tmp_path: Path
) -> None:
    updates(grpo, tmp_path, 2, checkpoint="step-4")
    folder = tmp_path / "out" / "step-4"
    learner = trainer_of(grpo, tmp_path, resume_from_checkpoint=str(folder))
    Client.sent, seen = {}, []

    def request_batch(request: Any) -> None:
        seen.append(set(Client.sent))
        raise Killed

    learner.async_requester.request_batch = request_batch
    with pytest.raises(Killed):
        learner.train()
    assert "model.layers.0.self_attn.q_proj.weight" in seen[0]


def test_a_run_leaves_the_base_as_it_was_and_sends_vllm_the_merged_weights(
    grpo: Any, tmp_path: Path
) -> None:
    torch = importlib.import_module("torch")
    learner = trainer_of(grpo, tmp_path)
    before = {n: p.clone() for n, p in learner.model.named_parameters() if "base_layer" in n}
    with torch.no_grad():
        for name, weight in learner.model.named_parameters():
            if "lora_B" in name:
                weight.add_(0.5)
    feed(learner, 3)
    learner.train()
    after = dict(learner.model.named_parameters())
    assert all(torch.equal(before[n], after[n]) for n in before)
    sent = Client.sent["model.layers.0.self_attn.q_proj.weight"]
    first = next(n for n in before if "layers.0.self_attn.q_proj" in n)
    assert not torch.equal(sent, before[first])
    lines = (tmp_path / "out" / "metrics.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert {"kl", "loss", "reward", "completion_length", "grad_norm"} <= set(rows[0])
