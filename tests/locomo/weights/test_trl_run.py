"""GRPO by TRL: its processes learn what is rewarded, go on, and say why they ended."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import dspy
import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from locomo.tasks.modules import Bench  # noqa: E402
from locomo.weights.memory_reward import MemoryReward  # noqa: E402
from locomo.weights.record import RunRecord, TrainingPlan, last_checkpoint  # noqa: E402
from locomo.weights.student import Student, load_student  # noqa: E402
from locomo.weights.trl_commands import Command  # noqa: E402
from locomo.weights.trl_job import TrlJob  # noqa: E402
from locomo.weights.trl_run import TrlRun  # noqa: E402
from memory.errors import ModelError  # noqa: E402
from memory.models import read_card  # noqa: E402
from tests.support.obedient_bench import bench_of  # noqa: E402
from tests.support.tiny_llama import CHAT  # noqa: E402
from tests.support.trainings import SETTINGS, adapter_of, plan  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Memories of two conversations, and a helper that obeys."""
    dspy.configure_cache(enable_disk_cache=False)
    return bench_of(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def start(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return adapter_of(tiny, tmp_path_factory.mktemp("start") / "lora")


class SideReward(MemoryReward):
    """Short prompts, and a rule that a random model of 32 dimensions can learn: tokens on one side
    of a direction."""

    def __init__(self, plan: TrainingPlan, student: Student) -> None:
        super().__init__(plan)
        self._student = student
        self._pays = student.model.get_output_embeddings().weight[:, 0] > 0

    def rows(self, student: Any, number: int) -> list[dict[str, Any]]:
        return [{"prompt": CHAT, "example": index} for index in range(number)]

    def rewards(self, completions: Any, example: Any, **_: Any) -> list[float]:
        texts = [completion[0]["content"] for completion in completions]
        ids = [torch.tensor(self._student.ids(text) or [0]) for text in texts]
        scores = [float(self._pays[of_text].float().mean()) for of_text in ids]
        self.scores += [dspy.Prediction(score=score, answer=score) for score in scores]
        self.sql_ran += [0.0] * len(scores)
        return scores


def trl_run(plan: TrainingPlan, start: Path | None, tiny: str, **changes: Any) -> TrlRun:
    told: dict[str, Any] = {"show": lambda _: None, "say": lambda _: None, "begin": None}
    record_of = {name: changes.pop(name, value) for name, value in told.items()}
    record = RunRecord(plan, log=lambda numbers, step: None, **record_of)
    encoder = load_student(tiny, device="cpu")
    options = {"base": tiny, "encoder": encoder, "served": False, **changes}
    run = TrlRun(record, start, **options)
    run.reward = SideReward(plan, encoder)
    return run


def test_its_processes_learn_what_is_rewarded_and_go_on_after_ctrl_c(
    bench: Bench,
    tmp_path: Path,
    tiny: str,
    start: Path,
) -> None:
    result = trl_run(plan(bench, tmp_path / "whole"), start, tiny).run()
    rewards = [row.reward for row in result.rows]
    assert (result.step, len(rewards)) == (12, 12)
    assert fmean(rewards[-4:]) > fmean(rewards[:4]) + 0.03
    assert result.rows[0].trainer["kl"] == pytest.approx(0, abs=1e-6)
    assert result.checkpoint == tmp_path / "whole" / "step-12"
    assert read_card(result.checkpoint).made_by == "grpo"
    job = json.loads((tmp_path / "whole" / "job.json").read_text())
    assert "memory" not in job  # the processes know a model and prompts

    def interrupt(row: Any) -> None:
        if row.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    half = plan(bench, tmp_path / "half")
    with pytest.raises(KeyboardInterrupt):
        trl_run(half, start, tiny, show=interrupt).run()
    begin = last_checkpoint(half.folder, "this")
    assert begin is not None
    assert begin.step in (3, 4)  # the step under way is done first
    resumed = trl_run(half, start, tiny, begin=begin).run()
    assert [row.reward for row in resumed.rows] == rewards


def test_two_processes_share_a_batch_and_stop_together(
    bench: Bench,
    tmp_path: Path,
    tiny: str,
    start: Path,
) -> None:
    def stop(row: Any) -> None:
        if row.step == 3:
            run._interrupted = True

    two = plan(bench, tmp_path)
    run = trl_run(two, start, tiny, show=stop, processes=2)
    with pytest.raises(KeyboardInterrupt):
        run.run()
    assert [row.step for row in run.record.rows] == [1, 2, 3]


def failing(text: str) -> Any:
    """A command that prints a text and fails."""
    words = [sys.executable, "-c", f"import sys; print({text!r}); sys.exit(3)"]
    return lambda *_: Command(words)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no such model", "TRL ended with code 3: no such model; see .*trainer.log"),
        ("torch.OutOfMemoryError: CUDA", "out of GPU memory: give a smaller --batch"),
    ],
)
def test_a_failure_says_why_and_where_the_log_is(
    bench: Bench,
    tmp_path: Path,
    tiny: str,
    text: str,
    message: str,
) -> None:
    with pytest.raises(ModelError, match=message):
        trl_run(plan(bench, tmp_path), None, tiny, trainer=failing(text)).run()


def test_a_server_that_does_not_start_ends_the_run(
    bench: Bench,
    tmp_path: Path,
    tiny: str,
) -> None:
    run = trl_run(plan(bench, tmp_path), None, tiny, served=True, server=failing("no GPU"))
    with pytest.raises(ModelError, match="ended with code 3: no GPU"):
        run.run()


def test_an_error_of_the_memory_ends_the_run_with_its_own_message(
    bench: Bench,
    tmp_path: Path,
    tiny: str,
    start: Path,
) -> None:
    def broken(completions: Any, example: Any, **_: Any) -> list[float]:
        raise ModelError("the helper is gone")

    run = trl_run(plan(bench, tmp_path), start, tiny)
    run.reward.rewards = broken  # type: ignore[method-assign]
    with pytest.raises(ModelError, match="the helper is gone"):
        run.run()


TINY: list[str] = []  # the folder of its model


class StandInServer:
    """vLLM's client, with a server in this process: answers come of the weights that were sent."""

    made: "StandInServer"

    def __init__(self, base_url: str, group_port: int, connection_timeout: float) -> None:
        self.address, self.sent, self.weights = base_url, 0, dict[str, Any]()
        self.model = load_student(TINY[0], device="cpu").model
        StandInServer.made = self

    def init_communicator(self, device: Any) -> None: ...

    def get_server_info(self) -> dict[str, Any]:
        return {"model_config": {"logprobs_mode": "processed_logprobs"}}

    def update_named_params(self, metadata: Any, named_params: Any) -> None:
        self.sent += 1
        self.weights = {name: weight.clone() for name, weight in named_params}
        self.model.load_state_dict(self.weights)

    def reset_prefix_cache(self) -> None: ...

    def generate(
        self, prompts: Any, n: int, temperature: float, max_tokens: int, **_: Any
    ) -> dict[str, Any]:
        completions, logprobs = [], []
        for prompt in prompts:
            drawn = self.model.generate(
                input_ids=torch.tensor([prompt]),
                do_sample=True,
                temperature=temperature,
                top_k=0,
                num_return_sequences=n,
                max_new_tokens=max_tokens,
                pad_token_id=2,
            )
            for row in drawn.tolist():
                answer = row[len(prompt) :]
                logits = self.model(torch.tensor([row])).logits[0, len(prompt) - 1 : -1]
                chosen = logits.log_softmax(-1)[range(len(answer)), answer]
                completions.append(answer)
                logprobs.append([[value] for value in chosen.tolist()])
        ids = [[[token] for token in answer] for answer in completions]
        return {
            "prompt_ids": prompts,
            "completion_ids": completions,
            "logprobs": logprobs,
            "logprob_token_ids": ids,
        }


def test_vllm_gets_the_changed_weights_before_each_answer_and_each_measurement(
    bench: Bench, tmp_path: Path, tiny: str, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.generation import vllm_generation

    from locomo.weights import trl_worker

    TINY[:] = [tiny]
    monkeypatch.setattr(vllm_generation, "VLLMClient", StandInServer, raising=False)
    monkeypatch.setattr(vllm_generation, "is_vllm_available", lambda: True)
    monkeypatch.setattr(trl_worker, "_device", lambda job: "cpu")
    short = plan(bench, tmp_path, settings=replace(SETTINGS, steps=3, bf16=False))
    run = trl_run(short, start, tiny, served=True)
    rows = run.reward.rows(run.encoder, 3)
    job = TrlJob.read(run._write_job(rows, "nowhere"))
    on_cpu = {"use_cpu": True, "gradient_checkpointing": False, "dataloader_pin_memory": False}
    handlers, asked = run._handlers(), list[str]()

    class Parent:
        def ask(self, name: str, *arguments: Any, once: Any = None) -> Any:
            asked.append(name)
            steps = [once[0]] if once else []
            return handlers[name](*steps, *arguments)

    job = replace(job, arguments={**job.arguments, **on_cpu})
    trl_worker.train(job, Parent())  # type: ignore[arg-type]
    assert asked == [
        *("began", "rewards", "step_done", "rewards", "step_done", "saved"),
        *("rewards", "step_done", "saved", "finished"),
    ]
    server = StandInServer.made
    assert server.address == run.ports.address
    assert server.sent >= 4
    tuned = load_student(tiny, tmp_path / "step-3", "cpu").model.merge_and_unload()
    name = "model.layers.0.self_attn.q_proj.weight"
    # Merged into bf16, twice.
    torch.testing.assert_close(
        server.weights[name], tuned.state_dict()[name], rtol=2**-7, atol=1e-3
    )
    plain = load_student(tiny, device="cpu").model.state_dict()[name]
    assert not torch.allclose(server.weights[name], plain, atol=1e-2)
