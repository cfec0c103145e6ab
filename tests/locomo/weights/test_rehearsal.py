"""A rehearsal: what answers earn of a memory, what is learned, and how a run goes on."""

import signal
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import dspy
import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from safetensors.torch import load_file  # noqa: E402
from trl import GRPOTrainer  # noqa: E402

from locomo.tasks.modules import Bench  # noqa: E402
from locomo.weights.memory_reward import MemoryReward, OneAnswer  # noqa: E402
from locomo.weights.record import RunRecord, TrainingPlan, last_checkpoint  # noqa: E402
from locomo.weights.rehearsal import Rehearsal, SharedPromptTrainer  # noqa: E402
from locomo.weights.student import load_student  # noqa: E402
from locomo.weights.trainee import FORMAT_FAILURE  # noqa: E402
from memory import InputError  # noqa: E402
from memory.models import read_card  # noqa: E402
from tests.support.obedient_bench import bench_of  # noqa: E402
from tests.support.scripted import answer  # noqa: E402
from tests.support.tiny_llama import CHAT, trained  # noqa: E402
from tests.support.trainings import SETTINGS, adapter_of, plan  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]


@pytest.fixture(autouse=True)
def no_disk_cache() -> None:
    dspy.configure_cache(enable_disk_cache=False)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Memories of two conversations, and a helper that obeys."""
    return bench_of(tmp_path_factory.mktemp("bench"))


@pytest.fixture(scope="module")
def start(tiny: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter of the tiny model that changes something."""
    return adapter_of(tiny, tmp_path_factory.mktemp("start") / "lora")


def rehearsal(plan: TrainingPlan, start: Path, tiny: str, **changes: Any) -> Rehearsal:
    quiet: dict[str, Any] = {"show": lambda _: None, "say": lambda _: None}
    record = RunRecord(plan, log=lambda numbers, step: None, **{**quiet, **changes})
    return Rehearsal(record, start, base=tiny, device="cpu")


def reward_a_side(run: Rehearsal) -> None:
    """Short prompts, and a rule in place of the memory: random letters answer no question."""
    # Tokens on one side of a direction: what a random model of 32 dimensions can learn.
    pays = run._student.model.get_output_embeddings().weight[:, 0] > 0

    def rewards(completions: Any, completion_ids: Any, **_: Any) -> list[float]:
        scores = [float(pays[torch.tensor(ids)].float().mean()) for ids in completion_ids]
        run.reward.scores += [dspy.Prediction(score=score, answer=score) for score in scores]
        run.reward.sql_ran += [0.0] * len(scores)
        return scores

    def rows(student: Any, number: int) -> list[dict[str, Any]]:
        return [{"prompt": CHAT, "example": index} for index in range(number)]

    run.reward.rewards = rewards  # type: ignore[method-assign]
    run.reward.rows = rows  # type: ignore[method-assign]


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "adapter_model.safetensors"))


def test_an_answer_earns_what_the_memory_says_of_it(
    bench: Bench, tmp_path: Path, tiny: str
) -> None:
    reward = MemoryReward(plan(bench, tmp_path))
    rows = reward.rows(load_student(tiny, device="cpu"), 2)
    assert [row["example"] for row in rows] == [0, 1]
    example = reward.examples[0]
    assert example.question in rows[0]["prompt"][-1]["content"]
    [gold] = example.gold
    answers = [answer(gold.answer), answer("a wrong one"), answer(gold.answer), "out of form"]
    completions = [[{"role": "assistant", "content": text}] for text in answers]
    right, wrong, again, broken = reward.rewards(completions=completions, example=[0] * 4)
    assert right == again > wrong > broken == FORMAT_FAILURE
    assert len(reward.scores) == 4
    with pytest.raises(InputError, match="at most 3 tokens"):
        MemoryReward(plan(bench, tmp_path, settings=replace(SETTINGS, prompt_tokens=3))).rows(
            load_student(tiny, device="cpu"), 2
        )


def test_one_answer_is_given_to_every_request() -> None:
    engine = OneAnswer("Oslo")
    lm = dspy.LM("openai/arbor:policy", engine=engine, cache=False)
    assert lm(messages=CHAT) == lm(messages=CHAT[1:]) == ["Oslo"]
    assert engine.prompt == CHAT


def test_what_is_rewarded_is_learned_and_a_run_that_stopped_goes_on_to_the_same_weights(
    bench: Bench, tmp_path: Path, tiny: str, start: Path
) -> None:
    whole = rehearsal(plan(bench, tmp_path / "whole"), start, tiny)
    reward_a_side(whole)
    result = whole.run()
    assert (result.step, result.stopped) == (12, "")
    assert [row.step for row in result.rows] == list(range(1, 13))
    first, *_, last = result.rows
    rewards = [row.reward for row in result.rows]
    assert fmean(rewards[-4:]) > fmean(rewards[:4]) + 0.03
    # The divergence is from the adapter that it starts from, not from the base.
    assert first.trainer["kl"] == pytest.approx(0, abs=1e-6)
    assert last.trainer["kl"] > 1e-4
    assert result.checkpoint == tmp_path / "whole" / "step-12"
    card = read_card(result.checkpoint)
    assert (card.made_by, card.targets) == ("grpo", ["answer"])
    assert card.conversations[0] == "conv-1"  # those of the start, then its own
    again = load_student(tiny, result.checkpoint, "cpu")
    assert len(trained(again)) == len(weights(start))

    def interrupt(table: object) -> None:
        if len(stopped.record.rows) == 3:
            signal.raise_signal(signal.SIGINT)

    half = plan(bench, tmp_path / "half")
    stopped = rehearsal(half, start, tiny, show=interrupt)
    reward_a_side(stopped)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    begin = last_checkpoint(half.folder, "this")
    assert begin is not None
    assert begin.step == 3
    gone_on = rehearsal(half, start, tiny, begin=begin)
    reward_a_side(gone_on)
    resumed = gone_on.run()
    assert [row.reward for row in resumed.rows] == [row.reward for row in result.rows]
    expected = weights(result.checkpoint)
    for name, weight in weights(half.folder / "step-12").items():
        assert torch.equal(weight, expected[name]), name


def test_a_run_that_ends_by_its_minutes_keeps_its_last_step(
    bench: Bench, tmp_path: Path, tiny: str, start: Path
) -> None:
    short = rehearsal(plan(bench, tmp_path / "short"), start, tiny)
    short.minutes = 1e-6
    reward_a_side(short)
    result = short.run()
    assert result.step == 1
    assert result.checkpoint == tmp_path / "short" / "step-1"
    assert weights(result.checkpoint)


def test_a_shared_prompt_gives_the_numbers_that_trl_gives(
    bench: Bench, tmp_path: Path, tiny: str, start: Path
) -> None:
    run = rehearsal(plan(bench, tmp_path), start, tiny)
    run._student.model.float()  # a CPU that computes in bf16 rounds by more than the tolerance
    rows = [{"prompt": CHAT, "example": 0}, {"prompt": CHAT[1:], "example": 1}]
    trainer = run._trainer(rows)
    prompts = [run._student.encode(row["prompt"]) for row in rows for _ in range(4)]
    torch.manual_seed(0)
    completions, _ = trainer._generate_single_turn(prompts)
    torch.manual_seed(0)
    assert [trainer._generate_single_turn(prompts)[0]] == [completions]
    assert all(1 <= len(tokens) <= 6 for tokens in completions)
    assert len({tuple(tokens) for tokens in completions}) > 1
    trainer.generation_config.do_sample = False
    together = trainer._generate_single_turn(prompts)[0]
    assert together == [trainer._generate_single_turn([prompt])[0][0] for prompt in prompts]
    longest, keep = max(map(len, prompts)), max(map(len, completions))
    ids = torch.full((8, longest + keep), 2)
    mask = torch.zeros_like(ids)
    for row, (prompt, tokens) in enumerate(zip(prompts, completions, strict=True)):
        span = slice(longest - len(prompt), longest + len(tokens))
        ids[row, span], mask[row, span] = torch.tensor(prompt + tokens), 1
    both = [
        kind._get_per_token_logps_and_entropies(
            trainer, trainer.model, ids, mask, keep, compute_entropy=True
        )
        for kind in (SharedPromptTrainer, GRPOTrainer)
    ]
    answers = mask[:, longest:].bool()
    for ours, theirs in zip(both[0][:2], both[1][:2], strict=True):
        torch.testing.assert_close(ours[answers], theirs[answers], rtol=1e-4, atol=1e-4)
    gradients = [
        torch.autograd.grad(numbers[0][answers].sum(), trained(run._student)) for numbers in both
    ]
    for own, trls in zip(*gradients, strict=True):
        torch.testing.assert_close(own, trls, rtol=1e-3, atol=1e-3)
