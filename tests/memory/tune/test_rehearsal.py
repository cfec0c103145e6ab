"""A rehearsal speaks Arbor's protocol: its own application over HTTP, with a policy of ours."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs torch: uv sync --extra tune")
pytest.importorskip("uvicorn", reason="needs uvicorn: uv sync --extra tune")

import torch
from dspy.clients.utils_finetune import TrainDataFormat
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from memory.program.adapter_card import read_card
from memory.tune import rehearsal
from memory.tune.adapters import add_lora, describe_adapter, save_adapter
from memory.tune.grpo import GrpoTrainer
from memory.tune.student import load_student
from tests.support.rehearsal_server import ASKED, BASE, DEADLINE_S, Served, adapter, group, served


@pytest.fixture
def arbor(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path / "storage") as server:
        yield server


def test_a_job_begins_by_asking_for_its_first_batch(arbor: Served) -> None:
    status = arbor.initialize().json()
    kind, model, name, date = status["job_id"].split(":")
    assert (kind, model, date) == ("grpo", BASE.lower(), time.strftime("%Y%m%d"))
    assert name
    job = {"job_id": arbor.job, "current_model": arbor.job, "status": "running"}
    saved = {"checkpoints": {}, "last_checkpoint": None}
    assert status == {**job, **saved, "pending_batch_ids": [0]}
    assert arbor.policies[0].settings == {"num_generations": 4, "max_seq_len": 100}


def test_a_step_is_answered_at_once_and_the_next_asked_for_when_it_is_done(arbor: Served) -> None:
    policy = arbor.begin()
    policy.may_step.clear()
    assert arbor.step(0).json()["pending_batch_ids"] == []
    assert arbor.grpo("status").json()["pending_batch_ids"] == []
    assert arbor.step(0).status_code == arbor.step(1).status_code == 400
    policy.may_step.set()
    arbor.until(lambda status: status["pending_batch_ids"] == [1])
    assert policy.groups == [group()]


def test_a_step_that_raises_is_told_with_its_reason(arbor: Served) -> None:
    policy = arbor.begin()
    policy.breaks = "no memory left"
    policy.may_step.clear()
    arbor.step(0)
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(arbor.grpo, "terminate")
        time.sleep(0.1)
        policy.may_step.set()
        assert ending.result().status_code == 500
    status = arbor.until(lambda status: status["status"] != "running")
    assert (status["status"], status["pending_batch_ids"]) == ("failed", [])
    for answer in (arbor.step(0), arbor.grpo("checkpoint", checkpoint_name="a")):
        assert answer.status_code == 500
        assert "failed: step 1, RuntimeError: no memory left" in answer.json()["message"]
    assert arbor.grpo("terminate").status_code == 500
    assert arbor.chat().status_code == 200
    assert arbor.initialize().status_code == 200


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (group(3), "Expected 4 samples in the group, received 3"),
        ([], "received 0"),
        ([group()], "received 1"),
        ([group()] * 4, "must be a dictionary with keys"),
        ([{"messages": ASKED, "reward": 1}] * 4, "completion"),
        (group(reward="nan"), "must be a number"),
        ([*group(3), *group(1, messages=ASKED[1:])], "share their messages"),
    ],
)
def test_a_malformed_group_is_refused(arbor: Served, batch: list[Any], expected: str) -> None:
    policy = arbor.begin()
    refused = arbor.step(0, batch)
    assert (refused.status_code, refused.json()["type"]) == (400, "ValueError")
    assert expected in refused.json()["message"]
    assert arbor.grpo("status").json()["pending_batch_ids"] == [0]
    assert not policy.groups


def test_a_group_asked_for_by_several_threads_is_drawn_at_once(
    arbor: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = arbor.begin()
    monkeypatch.setattr(rehearsal, "_GATHER_SECONDS", DEADLINE_S)  # a group is whole before that
    questions = ["When?", "Who?"] * 4
    with ThreadPoolExecutor(8) as pool:
        answers = [answer.json() for answer in pool.map(arbor.chat, questions)]
    assert sorted(asked[:2] for asked in policy.asked) == [("When?", 4), ("Who?", 4)]
    texts = [answer["choices"][0]["message"]["content"] for answer in answers]
    assert sorted(texts) == sorted([f"answer {i} of weights 0" for i in range(4)] * 2)


def test_requests_with_other_settings_are_answered_apart(arbor: Served) -> None:
    policy = arbor.begin()
    settings: list[dict[str, Any]] = [{"temperature": 0}] * 3
    settings += [{"max_tokens": 5}, {"max_tokens": 6}, {"stop": "x"}]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda body: arbor.chat(**body), settings))
    drawn = sorted((asked[1:] for asked in policy.asked), key=str)
    plain = [(1, 99, 0.0, None)] * 3
    assert drawn == [(1, 5, 1.0, None), (1, 6, 1.0, None), *plain, (1, 99, 1.0, ["x"])]


def test_an_answer_has_the_shape_of_openai(arbor: Served) -> None:
    arbor.begin()
    model = f"openai/arbor:{arbor.job}"
    answer = arbor.chat(n=2, temperature=0.7, model=model).json()
    assert answer["model"] == arbor.job
    assert [choice["index"] for choice in answer["choices"]] == [0, 1]
    expected = {"role": "assistant", "content": "answer 1 of weights 0"}
    assert answer["choices"][1]["message"] == expected
    assert answer["choices"][0]["finish_reason"] == "stop"
    usage = {"prompt_tokens": 7, "completion_tokens": 6, "total_tokens": 13}
    assert (answer["object"], answer["usage"]) == ("chat.completion", usage)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"question": "very " * 100}, "maximum context length is 100 tokens"),
        ({"question": "very " * 60, "max_tokens": 41}, "60 tokens in the messages and 41"),
        ({"top_p": 0.9}, "top_p"),
        ({"top_k": 40}, "top_k"),
        ({"repetition_penalty": 1.1}, "repetition_penalty"),
        ({"stream": True}, "stream"),
        ({"n": 0}, "n\n"),
        ({"messages": []}, "messages"),
        ({"model": "grpo:other"}, "no job of this rehearsal"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    arbor: Served, body: dict[str, Any], expected: str
) -> None:
    policy = arbor.begin()
    refused = arbor.chat(**body)
    assert refused.status_code == 400
    assert expected in refused.json()["message"]
    assert not policy.asked
    neutral = {"top_p": 1.0, "top_k": -1, "repetition_penalty": 1.0, "stream": False}
    assert arbor.chat(**neutral, max_tokens=90).status_code == 200


def test_a_checkpoint_waits_for_the_step_under_way(arbor: Served, tmp_path: Path) -> None:
    policy = arbor.begin()
    policy.may_step.clear()
    arbor.step(0)
    with ThreadPoolExecutor(1) as pool:
        body = {"checkpoint_name": "best", "metadata": {"score": 0.5}}
        saving = pool.submit(arbor.grpo, "checkpoint", **body)
        time.sleep(0.1)
        assert not saving.done()
        policy.may_step.set()
        status = saving.result().json()
    folder = tmp_path / "storage" / "checkpoints" / arbor.job / "best"
    record = status["checkpoints"]["best"]
    assert status["last_checkpoint"] == record["checkpoint_name"] == "best"
    assert record.pop("timestamp") == pytest.approx(time.time(), abs=DEADLINE_S)
    assert record == {
        "checkpoint_name": "best",
        "checkpoint_dir": str(folder),
        "global_step": 1,
        "requested": True,
        "metadata": {"score": 0.5},
    }
    assert (folder / "adapter_config.json").read_text() == "weights 1"
    assert arbor.state.checkpoint(arbor.job, "best") == folder
    with pytest.raises(KeyError):
        arbor.state.checkpoint(arbor.job, "other")
    assert len(policy.threads) == 1


def test_the_two_newest_checkpoints_keep_the_trainers_state(arbor: Served) -> None:
    arbor.begin()
    for name in ("a", "b", "c", "b", "d"):
        arbor.grpo("checkpoint", checkpoint_name=name)
    folders = {name: arbor.state.checkpoint(arbor.job, name) for name in "abcd"}
    kept = [name for name, folder in folders.items() if (folder / "trainer_state.pt").exists()]
    assert kept == ["b", "d"]  # b was written once more, after c
    assert all((folder / "adapter_config.json").exists() for folder in folders.values())


def test_a_job_goes_on_from_a_checkpoint_of_an_earlier_one(arbor: Served) -> None:
    arbor.begin()
    arbor.grpo("checkpoint", checkpoint_name="a")
    folder = arbor.state.checkpoint(arbor.job, "a")
    arbor.grpo("cancel")
    assert arbor.state.describe()["resumes"]
    assert arbor.initialize(resume_from_checkpoint=str(folder)).status_code == 200
    assert arbor.policies[1].restored == folder
    assert arbor.policies[1].settings == arbor.policies[0].settings
    assert arbor.policies[0].restored is None
    assert arbor.initialize(resume_from=str(folder)).status_code == 422  # as strict as before


@pytest.mark.parametrize("name", ["", ".", "../best", "a/b", "/tmp/a", "a\n"])  # noqa: S108
def test_a_checkpoint_stays_in_its_folder(arbor: Served, name: str) -> None:
    arbor.begin()
    assert arbor.grpo("checkpoint", checkpoint_name=name).status_code == 400
    arbor.grpo("cancel")
    assert arbor.initialize(run_name=name or "..").status_code == 400


def test_after_the_end_of_training_the_final_weights_answer(arbor: Served) -> None:
    arbor.begin()
    arbor.step(0)
    status = arbor.grpo("terminate").json()
    assert status == arbor.grpo("terminate").json() == arbor.grpo("status").json()
    assert (status["status"], status["last_checkpoint"]) == ("succeeded", "checkpoint_final")
    assert status["pending_batch_ids"] == []
    assert status["checkpoints"]["checkpoint_final"]["global_step"] == 1
    expected = arbor.chat().json()["choices"][0]["message"]["content"]
    assert expected == "answer 0 of weights 1"
    assert arbor.step(1).status_code == 500
    first = arbor.job
    arbor.begin()  # in its place
    assert arbor.chat(model=first).status_code == 400


def test_one_job_at_a_time(arbor: Served) -> None:
    arbor.begin()
    first = arbor.job
    refused = arbor.initialize()
    assert refused.status_code == 400
    assert f"{first} is running" in refused.json()["message"]
    assert arbor.grpo("cancel").json()["status"] == "cancelled"
    assert arbor.grpo("cancel").status_code == 404
    assert arbor.chat().status_code == 400
    arbor.begin()
    assert arbor.job != first
    assert arbor.chat().status_code == 200
    assert arbor.grpo("status", job_id=first).json()["status"] == "cancelled"


def test_an_unknown_job_is_refused_as_by_arbor(arbor: Served) -> None:
    more: dict[str, dict[str, Any]] = {
        "status": {},
        "step": {"model": "m", "batch_id": 0, "batch": group()},
        "checkpoint": {"checkpoint_name": "a"},
        "terminate": {},
    }
    for route, body in more.items():
        refused = arbor.grpo(route, job_id="grpo:other", **body)
        assert (refused.status_code, refused.json()["type"]) == (400, "KeyError")
    assert arbor.grpo("cancel", job_id="grpo:other").status_code == 404
    assert arbor.grpo("status", job_id="a", more=1).status_code == 422  # Arbor's own schemas


@pytest.mark.parametrize(
    ("model", "settings", "status", "expected"),
    [
        ("Qwen/Qwen2.5-3B", {}, 404, BASE),
        (BASE, {"max_seq_len": 4096}, 400, "2048"),
        (BASE, {"num_generations": 1}, 400, "2 or more"),
        (BASE, {"num_generations": None}, 400, "num_generations"),
    ],
)
def test_what_a_rehearsal_cannot_train_is_refused(
    arbor: Served, model: str, settings: dict[str, Any], status: int, expected: str
) -> None:
    refused = arbor.initialize(model, **settings)
    assert refused.status_code == status
    assert expected in refused.json()["message"]


def test_training_goes_on_from_the_adapter_that_was_given_or_named(tmp_path: Path) -> None:
    given = adapter(tmp_path / "given")
    named = adapter(tmp_path / "named", base="tiny", targets=["store"])
    with served(tmp_path / "storage", given) as server:
        for model, folder, target in ((BASE, given, "answer"), (str(named), named, "store")):
            assert server.initialize(model).status_code == 200
            assert server.policies[-1].adapter == folder
            server.grpo("terminate")
            card = read_card(server.state.checkpoint(server.job, "checkpoint_final"))
            assert (card.targets, card.rank, card.made_by) == ([target], 8, "grpo")
            assert card.made_at > "2025-"
        (named / "adapter.json").write_text("{}")
        assert server.initialize(str(named)).status_code == 400
        with pytest.raises(ValueError, match=r"adapter\.json"):
            server.state.model(str(named))


def test_the_server_state_describes_what_there_is(arbor: Served) -> None:
    about = arbor.state.describe()
    assert (about["rehearsal"], about["gpus"], about["arbor"]) == (True, [], "0.2.17")
    assert about["disk_free"] > 0
    model = {"name": BASE, "parameters": 3, "context": 2048, "chat_template": True}
    assert arbor.state.model(BASE) == model
    with pytest.raises(KeyError, match="cannot train Qwen"):
        arbor.state.model("Qwen/Qwen2.5-3B")
    arbor.begin()
    for batch in range(3):
        arbor.step(batch)
        arbor.until(lambda status, batch=batch: status["pending_batch_ids"] == [batch + 1])
    rows = arbor.state.metrics(arbor.job, 1)  # what is no number is in no row: JSON has none
    assert [row["step"] for row in rows] == [2, 3]
    assert rows[0].pop("peak_memory") > 0
    assert rows[0] == {"step": 2, "kl": 0.5, "reward": 0.25}


def test_a_real_policy_is_trained_by_arbors_own_client(tmp_path: Path) -> None:
    base, start = tmp_path / "base", tmp_path / "start"
    tiny_model(base)
    student = load_student(str(base))
    add_lora(student, 4, 8)
    save_adapter(
        student,
        start,
        describe_adapter(student, targets=["store"], made_by="sft", data="", conversations=[]),
    )
    with served(tmp_path / "storage", load=load_student, train=GrpoTrainer) as server:
        from arbor.integrations.dspy.arbor_provider import (  # type: ignore[import-untyped]
            ArborReinforceJob,
        )

        lm = SimpleNamespace(model=f"openai/arbor:{start}", kwargs={"api_base": server.api_base})
        settings = {"num_generations": 4, "max_prompt_length": 200, "max_completion_length": 8}
        settings |= {"max_seq_len": 208, "learning_rate": 0.1, "warmup_steps": 0, "beta": 0.04}
        settings |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}
        job = ArborReinforceJob(lm, settings)
        job.initialize()
        server.job = job.provider_job_id
        for batch in range(2):
            server.until(lambda status, batch=batch: status["pending_batch_ids"] == [batch])
            chosen = server.chat(n=4, temperature=1.0, max_tokens=8).json()["choices"]
            samples = [
                {"messages": ASKED, "completion": choice["message"], "reward": float(i)}
                for i, choice in enumerate(chosen)
            ]
            job.step([{"batch_id": batch, "group": samples}], TrainDataFormat.GRPO_CHAT)
        assert server.chat("very " * 40 + "long", max_tokens=1).status_code == 400
        job.save_checkpoint("best", score=0.5)
        before = server.chat(temperature=0, max_tokens=8).json()["choices"]
        job.terminate()
        assert server.chat(temperature=0, max_tokens=8).json()["choices"] == before
        assert server.grpo("status").json()["status"] == "succeeded"
        rows = server.state.metrics(server.job, 0)
        assert [row["step"] for row in rows] == [1, 2]
        assert rows[0]["kl"] == 0 < rows[1]["kl"]
        kept = server.state.checkpoint(server.job, "best")
    assert read_card(kept).targets == ["store"]
    loaded = load_student(str(base), kept)
    drawn = GrpoTrainer(loaded, {}).generate([{"role": "user", "content": "When?"}], 1, 8, 0.0)
    assert drawn[0][0] == before[0]["message"]["content"]


@pytest.mark.slow
def test_a_real_run_that_is_killed_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    """Six groups in one job, and four, a checkpoint, another server and the last two."""
    base, start = tmp_path / "base", tmp_path / "start"
    tiny_model(base)
    student = load_student(str(base))
    add_lora(student, 4, 8)
    card = describe_adapter(student, targets=["store"], made_by="sft", data="", conversations=[])
    save_adapter(student, start, card)
    # Three groups change the weights: four are in the middle of a batch.
    settings: dict[str, Any] = {"max_prompt_length": 200, "max_completion_length": 8}
    settings |= {"max_seq_len": 208, "learning_rate": 0.05, "warmup_steps": 2, "beta": 0.04}
    settings |= {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 3}

    def train(server: Served, groups: int) -> None:
        for batch in range(groups):
            server.until(lambda status, batch=batch: status["pending_batch_ids"] == [batch])
            body: dict[str, Any] = {"n": 4, "temperature": 1.0, "max_tokens": 8}
            chosen = server.chat(**body).json()["choices"]
            samples = [
                {"messages": ASKED, "completion": choice["message"], "reward": float(number)}
                for number, choice in enumerate(chosen)
            ]
            assert server.step(batch, samples).status_code == 200

    def ended(server: Served) -> dict[str, torch.Tensor]:
        assert server.grpo("terminate").status_code == 200
        folder = server.state.checkpoint(server.job, "checkpoint_final")
        return dict(load_file(folder / "adapter_model.safetensors"))

    real: dict[str, Any] = {"load": load_student, "train": GrpoTrainer}
    with served(tmp_path / "whole", **real) as server:
        assert server.initialize(str(start), **settings).status_code == 200
        train(server, 6)
        whole = ended(server)
    with served(tmp_path / "parts", **real) as server:
        server.initialize(str(start), **settings)
        train(server, 4)
        server.grpo("checkpoint", checkpoint_name="step-4")
        folder = str(server.state.checkpoint(server.job, "step-4"))
        train_more = {**settings, "resume_from_checkpoint": folder}
    torch.manual_seed(99)
    results = []
    for going_on in (train_more, settings):
        with served(tmp_path / f"again-{len(results)}", **real) as server:
            model = str(start) if going_on is train_more else folder
            assert server.initialize(model, **going_on).status_code == 200
            train(server, 2)
            results.append(ended(server))
    resumed, cold = results
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not all(torch.equal(whole[name], cold[name]) for name in whole)


def tiny_model(folder: Path) -> None:
    """A Llama of two layers that reads and writes bytes."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    specials = ["<|im_start|>", "<|im_end|>"]
    vocabulary = {token: number for number, token in enumerate([*specials, *letters])}
    bytes_ = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    bytes_.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_.decoder = decoders.ByteLevel()
    start, end = specials
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_, bos_token=start, eos_token=end)
    tokenizer.chat_template = (
        "{% for m in messages %}" + start + "{{ m.content }}{% endfor %}" + end
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    config = LlamaConfig(vocab_size=258, max_position_embeddings=256, **size, **heads)
    LlamaForCausalLM(config).save_pretrained(folder)
