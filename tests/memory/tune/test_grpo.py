"""Tuning: GRPO, and adapters on disk, on a tiny model."""

import copy
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from memory import InputError  # noqa: E402
from memory.tune.adapters import add_lora, describe_adapter, save_adapter  # noqa: E402
from memory.tune.grpo import GrpoTrainer  # noqa: E402
from memory.tune.packs import losses  # noqa: E402
from memory.tune.student import Student, load_student  # noqa: E402
from tests.support.tiny_llama import (  # noqa: E402
    ANSWERS,
    CHAT,
    alone,
    example,
    shake,
    trained,
)

REWARDS = [1.0, 0.0, 0.4]
FAST = {"warmup_steps": 0, "learning_rate": 0.01, "lora_config": {"r": 4, "lora_alpha": 8}}
ABOUT: dict[str, Any] = {"targets": ["answer"], "conversations": ["conv-1"]}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def student(tiny: str) -> Student:
    student = load_student(tiny, device="cpu")
    student.model.float()
    torch.manual_seed(0)
    return student


def group(rewards: list[float] = REWARDS) -> list[dict[str, Any]]:
    return [
        {"messages": CHAT, "completion": {"role": "assistant", "content": text}, "reward": reward}
        for text, reward in zip(ANSWERS, rewards, strict=True)
    ]


# GRPO


def test_the_shared_prompt_gives_the_gradient_of_each_answer_alone(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Student(copy.deepcopy(student.model), student.tokenizer, "", "", "cpu")
    trainer = GrpoTrainer(student, {**FAST, "beta": 0.5, "temperature": 0.7})
    shake(student, 0.05)
    monkeypatch.setattr(trainer, "_update", lambda: 0.0)  # leaves the gradients where they are
    metrics = trainer.step(group())
    shared = [weight.grad.clone() for weight in trained(student)]
    student.model.zero_grad()

    rewards = torch.tensor(REWARDS)
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-4)
    losses, divergences = [], []
    for text, advantage in zip(ANSWERS, advantages, strict=True):
        now, before = (alone(policy, text, 0.7) for policy in (student, start))
        kl = torch.exp(before.detach() - now) - (before.detach() - now) - 1
        losses.append(0.5 * kl - torch.exp(now - now.detach()) * advantage)
        divergences.append(kl)
    loss = torch.cat(losses).mean()
    loss.backward()
    assert metrics["loss"] == pytest.approx(loss.item(), rel=1e-4)
    assert metrics["kl"] == pytest.approx(torch.cat(divergences).mean().item(), rel=1e-4)
    assert metrics["kl"] > 0.01
    for weight, gradient in zip(trained(student), shared, strict=True):
        torch.testing.assert_close(gradient, weight.grad, rtol=1e-3, atol=1e-5)


def test_the_policy_moves_to_what_was_rewarded_and_its_start_stays(student: Student) -> None:
    trainer = GrpoTrainer(student, FAST)
    start = {text: alone(student, text).sum().item() for text in ANSWERS}
    steps = [trainer.step(group()) for _ in range(8)]
    now = {text: alone(student, text).sum().item() for text in ANSWERS}
    assert now["Oslo"] > start["Oslo"] + 1
    assert now["In Bergen, I think"] < start["In Bergen, I think"] - 1
    assert steps[0]["kl"] == 0
    assert steps[-1]["kl"] > steps[1]["kl"] > 0
    with trainer._as_at_start():
        assert {text: alone(student, text).sum().item() for text in ANSWERS} == start
    assert {text: alone(student, text).sum().item() for text in ANSWERS} == now
    # Oslo. | In Bergen, I think | She lives in Oslo. - each with the token that ends it
    assert steps[0]["completion_length"] == pytest.approx(
        sum(len(student.ids(text)) + 1 for text in ANSWERS) / 3
    )
    assert (steps[0]["reward"], steps[0]["learning_rate"]) == (pytest.approx(1.4 / 3), 0.01)


@pytest.mark.parametrize("rewards", [[0.5, 0.5, 0.5], [0.0, float("nan"), 1.0]])
def test_without_spread_nothing_changes(student: Student, rewards: list[float]) -> None:
    trainer = GrpoTrainer(student, FAST)
    trainer.step(group())
    before = [weight.clone() for weight in trained(student)]
    metrics = trainer.step(group(rewards))
    assert all(torch.equal(a, b) for a, b in zip(before, trained(student), strict=True))
    assert metrics["grad_norm"] == 0
    assert not metrics.keys() & {"loss", "kl"}  # nothing was computed


def test_the_weights_change_after_as_many_groups_with_spread_as_make_a_batch(
    student: Student,
) -> None:
    batch = {"num_generations": 3, "per_device_train_batch_size": 3}
    trainer = GrpoTrainer(student, {**FAST, **batch, "gradient_accumulation_steps": 2})
    before = [weight.clone() for weight in trained(student)]
    assert [trainer.step(group(rewards))["grad_norm"] for rewards in (REWARDS, [0.5] * 3)] == [0, 0]
    assert all(torch.equal(a, b) for a, b in zip(before, trained(student), strict=True))
    first = [weight.grad.clone() for weight in trained(student)]

    added: list[Any] = []
    update = trainer._update

    def recorded() -> float:
        added.extend(weight.grad.clone() for weight in trained(student))
        return update()

    trainer._update = recorded  # type: ignore[method-assign]
    assert trainer.step(group())["grad_norm"] > 0
    for weight, gradient in zip(added, first, strict=True):
        torch.testing.assert_close(weight, 2 * gradient)  # the same group twice, halved each time
    assert not all(torch.equal(a, b) for a, b in zip(before, trained(student), strict=True))
    assert trainer.step(group())["grad_norm"] == 0


def test_a_bias_is_learned_with_the_answers_that_were_drawn_with_it(student: Student) -> None:
    trainer = GrpoTrainer(student, FAST)
    token = student.ids("Oslo")[0]
    favoured = trainer.generate(CHAT, 1, 1, 0.0, logit_bias={token: 100.0})
    assert favoured[0].text.strip() == student.tokenizer.decode([token]).strip()
    prompt = student.encode(CHAT)
    assert trainer.log_probabilities(prompt, [[token]]).item() == pytest.approx(0.0, abs=1e-5)
    trainer.generate(CHAT, 1, 1, 0.0)
    assert trainer.log_probabilities(prompt, [[token]]).item() < -0.1
    with pytest.raises(InputError, match="no token 9999999"):
        trainer.generate(CHAT, 1, 1, 0.0, logit_bias={9999999: 1.0})


def test_in_one_group_each_answer_is_measured_after_its_own_prompt(student: Student) -> None:
    trainer, mixed = GrpoTrainer(student, FAST), group()
    mixed[1]["messages"] = [CHAT[0], {"role": "user", "content": "Where does Ben live?"}]
    asked = [(answer["completion"]["content"], answer["messages"]) for answer in mixed]
    with torch.no_grad():
        start = torch.cat([alone(student, text, 1.0, chat) for text, chat in asked])
        shake(student, 0.05)
        ratio = start - torch.cat([alone(student, text, 1.0, chat) for text, chat in asked])
    expected = (ratio.exp() - ratio - 1).mean().item()
    assert trainer.step(mixed)["kl"] == pytest.approx(expected, rel=1e-3)


def test_each_sample_sees_the_prompt_and_itself_alone(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, draw, seen = GrpoTrainer(student, FAST), torch.multinomial, []

    def recorded(likely: Any, n: int) -> Any:
        tokens = draw(likely, n)
        seen.append((likely, tokens))
        return tokens

    monkeypatch.setattr(torch, "multinomial", recorded)
    answers = trainer.generate(CHAT, 3, 6, 1.5)
    monkeypatch.undo()
    assert len({text for text, *_ in answers}) == 3
    prompt = student.encode(CHAT)
    for row in range(3):
        tokens = [int(drawn[row, 0]) for _, drawn in seen]
        logits = student.model(torch.tensor([prompt + tokens])).logits[0, len(prompt) - 1 : -1]
        likely = torch.stack([shown[row] for shown, _ in seen])
        torch.testing.assert_close(likely, (logits / 1.5).softmax(-1), rtol=1e-3, atol=1e-5)
        assert answers[row] == (student.tokenizer.decode(tokens), "length", len(prompt), 6)


def test_an_answer_ends_with_its_turn_or_before_a_stop(student: Student) -> None:
    trainer = GrpoTrainer(student, FAST)
    optimizer = torch.optim.Adam(trained(student), 0.03)
    for _ in range(25):
        optimizer.zero_grad()
        losses(student, [example(student, "Oslo")]).sum().backward()
        optimizer.step()
    assert trainer.generate(CHAT, 2, 9, 0.0)[0][:2] == ("Oslo", "stop")
    assert trainer.generate(CHAT, 2, 9, 0.0, stop=["sl"])[1][:2] == ("O", "stop")
    assert trainer.generate(CHAT, 1, 1, 0.0)[0][1] == "length"


def test_the_very_tokens_that_were_drawn_are_learned(student: Student) -> None:
    trainer = GrpoTrainer(student, FAST)
    drawn = trainer.generate(CHAT, 2, 5, 1.0)
    metrics = trainer.step(
        [
            {"messages": CHAT, "completion": {"role": "assistant", "content": text}, "reward": n}
            for n, (text, *_) in enumerate(drawn)
        ]
    )
    assert metrics["completion_length"] == 5  # no end was drawn, so none is learned


STEPS = 7


def interrupted(tiny: str, folder: Path, after: int | None, *, restored: bool = True) -> Any:
    """The weights after 7 steps on drawn answers, with a new process's objects after `after`."""

    def begin() -> GrpoTrainer:
        new = load_student(tiny, device="cpu")
        new.model.float()
        two_groups = {"num_generations": 3, "per_device_train_batch_size": 6}
        schedule = {"lr_scheduler_type": "linear", "warmup_steps": 2, "max_steps": STEPS}
        return GrpoTrainer(new, {**FAST, **two_groups, **schedule, "beta": 0.5})

    trainer = begin()
    for step in range(STEPS):
        drawn = trainer.generate(CHAT, 3, 5, 1.0)
        answers = [
            {"messages": CHAT, "completion": {"role": "assistant", "content": text}, "reward": n}
            for n, (text, *_) in enumerate(drawn)
        ]
        metrics = trainer.step(answers)
        if step + 1 == after:
            card = describe_adapter(trainer.student, **ABOUT, made_by="grpo", data="")
            trainer.save(folder, card)
            torch.manual_seed(99)  # a new process has another state of everything
            trainer = begin()
            if restored:
                trainer.restore(folder)
    return [weight.detach().clone() for weight in trained(trainer.student)], metrics


@pytest.mark.parametrize("after", [3, 4])  # in the middle of a batch of groups, and after one
def test_a_run_goes_on_from_a_checkpoint_as_if_it_had_never_stopped(
    tiny: str, tmp_path: Path, after: int
) -> None:
    whole, expected = interrupted(tiny, tmp_path, None)
    resumed, metrics = interrupted(tiny, tmp_path / "a", after)
    assert all(torch.equal(a, b) for a, b in zip(whole, resumed, strict=True))
    assert metrics == expected  # the learning rate, and KL from the first start
    other, _ = interrupted(tiny, tmp_path / "b", after, restored=False)
    assert not all(torch.equal(a, b) for a, b in zip(whole, other, strict=True))


def test_a_state_that_is_missing_broken_or_of_another_adapter_is_refused(
    student: Student, tiny: str, tmp_path: Path
) -> None:
    trainer = GrpoTrainer(student, FAST)
    with pytest.raises(InputError, match=r"trainer_state\.pt is missing, .*--start"):
        trainer.restore(tmp_path)
    card = describe_adapter(student, **ABOUT, made_by="grpo", data="")
    trainer.save(tmp_path / "a", card)
    larger = GrpoTrainer(load_student(tiny, device="cpu"), {"lora_config": {"r": 8}})
    with pytest.raises(InputError, match="of another adapter"):
        larger.restore(tmp_path / "a")
    file = tmp_path / "a" / "trainer_state.pt"
    state = torch.load(file)
    torch.save({key: value for key, value in state.items() if key != "optimizer"}, file)
    with pytest.raises(InputError, match="no optimizer"):
        trainer.restore(tmp_path / "a")
    file.write_bytes(b"PK" * 9)
    with pytest.raises(InputError, match="no state of a training"):
        trainer.restore(tmp_path / "a")


def test_what_cannot_be_saved_leaves_the_older_adapter(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_lora(student, rank=2, alpha=4)
    card = describe_adapter(student, **ABOUT, made_by="sft", data="")
    save_adapter(student, tmp_path / "a", card)
    older = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    shake(student, 1.0)
    rename = Path.rename

    def full(self: Path, to: Path) -> Path:
        if self.suffix == ".part":
            raise OSError("4096 requested and 64 written")  # numpy's words, without a number
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(InputError, match="64 written; is the disk full"):
        save_adapter(student, tmp_path / "a", card)
    assert {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()} == older
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


# Bad input


def test_what_does_not_fit_is_refused(student: Student) -> None:
    with pytest.raises(InputError, match="max_prompt_length is 9"):
        GrpoTrainer(student, {**FAST, "max_prompt_length": 9}).step(group())
    with pytest.raises(InputError, match="context of 2048"):
        GrpoTrainer(student, FAST).generate(CHAT, 1, 2040, 1.0)


def test_an_adapter_for_another_base_is_refused(
    tiny: str, student: Student, tmp_path: Path
) -> None:
    add_lora(student, rank=2, alpha=4)
    save_adapter(
        student, tmp_path / "a", describe_adapter(student, **ABOUT, made_by="sft", data="")
    )
    with pytest.raises(InputError, match="packaged model"):
        load_student("local", tmp_path / "a", "cpu")
    card = tmp_path / "a" / "adapter.json"
    card.write_text(card.read_text().replace(tiny, "Qwen/Qwen2.5-3B"))
    with pytest.raises(InputError, match="is for Qwen"):
        load_student(tiny, tmp_path / "a", "cpu")


def test_a_base_that_is_not_there_or_cannot_chat_is_refused(
    student: Student, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="cannot load"):
        load_student(str(tmp_path / "nothing"), device="cpu")
    silent = student.tokenizer
    silent.chat_template = None
    silent.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="no chat template"):
        load_student(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    "settings",
    [{"lr_scheduler_type": "sideways"}, {"lora_config": {"target_modules": ["no_such"]}}],
)
def test_settings_that_do_not_exist_are_refused(student: Student, settings: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        GrpoTrainer(student, settings)
