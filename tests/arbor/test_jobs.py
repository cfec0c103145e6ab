"""The repairs of Arbor's jobs, on its own code: how they start, fail, end, answer and are named."""

import asyncio
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import arbor_package
from tests.support.arbor_package import (
    SPLIT,
    Words,
    initialize_request,
    repair_named,
    repairs,
    runs,
    starting,
)

jobs: Any = importlib.import_module("repairs")
package, tiny = arbor_package.package, arbor_package.tiny


def test_a_start_that_fails_says_why_and_frees_all(package: Path, tmp_path: Path) -> None:
    (tmp_path / "inference.log").write_text('{"message": "no such model"}\n')

    def fails(self: Any, request: Any, manager: Any) -> None:
        raise RuntimeError("vllm's process has ended")

    job = starting("failed start", start=fails)
    job.log_file_path = str(tmp_path / "x.log")
    with pytest.raises(RuntimeError, match="has ended; the log ends with:\nno such model"):
        job.initialize(initialize_request(), None)
    assert (job.status.value, job.ended) == ("failed", [{}])


def test_a_start_without_memory_says_so_in_one_line(package: Path, tmp_path: Path) -> None:
    log = "ValueError: No available memory for the cache blocks.\n" + "shutting down\n" * 30
    (tmp_path / "inference.log").write_text(log)

    def fails(self: Any, request: Any, manager: Any) -> None:
        raise RuntimeError("vllm's process has ended")

    job = starting("failed start", start=fails)
    job.log_file_path = str(tmp_path / "x.log")
    with pytest.raises(RuntimeError, match=r"ended; a GPU ran out of memory while answering \(.*$"):
        job.initialize(initialize_request(), None)


def checkpoint_of(storage: Path, name: str) -> Path:
    """A checkpoint's folder as Hugging Face's trainer writes one, and as DeepSpeed does."""
    folder = storage / "grpo:m:x:1" / "checkpoints" / name
    (folder / "global_step8").mkdir(parents=True)
    (folder / "global_step8" / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt").touch()
    for file in ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json"):
        (folder / file).touch()
    return folder


def test_the_two_newest_checkpoints_keep_the_trainers_state(package: Path, tmp_path: Path) -> None:
    module = importlib.import_module("arbor.server.services.jobs.grpo_job")
    written: list[str] = []

    def checkpoint(self: Any, name: str) -> None:
        written.append(name)
        folder = checkpoint_of(tmp_path, name)
        self.checkpoints[name] = {"checkpoint_dir": str(folder), "timestamp": len(written)}

    module.GRPOJob.checkpoint = checkpoint
    repair_named("two states").apply()
    job = starting(start=runs)
    job.checkpoints = {}
    for name in ("a", "b", "c"):
        job.checkpoint(name)
    folders = {name: Path(record["checkpoint_dir"]) for name, record in job.checkpoints.items()}
    assert [name for name in "abc" if jobs.state_files(folders[name])] == ["b", "c"]
    assert {path.name for path in folders["a"].iterdir()} == {
        "adapter_model.safetensors",
        "trainer_state.json",
    }


def test_a_request_may_name_the_checkpoint_that_its_trainer_goes_on_from(
    package: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    folder = checkpoint_of(storage, "step-50")
    module = importlib.import_module("arbor.server.services.jobs.grpo_job")
    module.GRPOJob.initialize = runs
    jobs.resume_jobs(storage)
    schemas = importlib.import_module("arbor.server.api.schemas")
    job = starting(start=module.GRPOJob.initialize)

    def resumed(checkpoint: Path) -> Any:
        settings = {"num_training_gpus": 1, "resume_from_checkpoint": str(checkpoint)}
        job.initialize(initialize_request(trainer_config=settings), None)
        return job.started.trainer_config.model_dump(exclude_unset=True)

    assert resumed(folder)["resume_from_checkpoint"] == str(folder)  # and so it reaches the trainer
    with pytest.raises(ValueError, match="is no checkpoint of this server"):
        resumed(checkpoint_of(tmp_path / "elsewhere", "step-50"))
    with pytest.raises(ValueError, match="is no checkpoint of this server"):
        resumed(storage / ".." / "elsewhere" / "grpo:m:x:1" / "checkpoints" / "step-50")
    for path in jobs.state_files(folder):
        path.rename(path.with_name(f"gone-{path.name}"))
    with pytest.raises(ValueError, match="keeps no trainer's state"):
        resumed(folder)
    with pytest.raises(ValueError, match="another"):  # as strict as before
        schemas.ArborGRPOConfigRequest(another=1)


def ran_out(tmp_path: Path, status: str = "running") -> Any:
    """A job under the repair, in this status, whose trainer is gone."""
    module = importlib.import_module("arbor.server.services.jobs.grpo_job")
    module.GRPOJob._handle_event_updates = lambda self: None
    repair_named("job end").apply()
    job = starting(start=runs)
    job.status, job.log_file_path = module.JobStatus(status), str(tmp_path / "x.log")
    job.checkpoints, job.last_checkpoint, job.pending_batch_ids = {}, None, [1]
    return job


def test_a_job_whose_trainer_died_has_failed_and_says_why(package: Path, tmp_path: Path) -> None:
    (tmp_path / "x.log").write_text("not JSON\nNaN in loss\n")
    job = ran_out(tmp_path)
    job._handle_event_updates()
    assert job.get_status().status == "failed: not JSON\nNaN in loss"
    assert job.ended == [{}]
    # Out of memory is said in one line, which a client shows as it is.
    trace = "Traceback\ntorch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n"
    (tmp_path / "trainer.log").write_text(trace + "the other ranks end\n" * 30)
    job = ran_out(tmp_path)
    job._handle_event_updates()
    status = job.get_status().status
    assert status.startswith("failed: a GPU ran out of memory while training (trainer.log): give")
    assert "\n" not in status
    cancelled = ran_out(tmp_path, "cancelled")
    cancelled._handle_event_updates()
    assert cancelled.get_status().status == "cancelled"


@pytest.mark.parametrize("status", ["running", "succeeded", "failed"])
def test_a_cancel_frees_also_what_has_ended(status: str, package: Path, tmp_path: Path) -> None:
    job = ran_out(tmp_path, status)
    job.cancel()
    assert job.ended == [{}]
    assert job.status.value == ("cancelled" if status == "running" else status)


def manager_of(*jobs_: Any) -> Any:
    module = importlib.import_module("arbor.server.services.managers.grpo_manager")
    manager = object.__new__(module.GRPOManager)
    manager.grpo_jobs, manager._cleanup_called = {job.id: job for job in jobs_}, True
    return manager


def test_terminate_ends_the_processes_of_a_dead_trainer_too(package: Path, tmp_path: Path) -> None:
    job = ran_out(tmp_path)
    job.save_final_checkpoint = lambda: None

    def dead() -> None:
        raise RuntimeError("the trainer's process has ended")

    job.terminate_training = dead
    manager = manager_of(job)
    with pytest.raises(RuntimeError):
        manager.terminate(SimpleNamespace(job_id=job.id))
    assert job.ended == [{"stop_inference": False, "release_gpus": False}]
    assert manager.terminate(SimpleNamespace(job_id=job.id)).status == "succeeded"


@pytest.mark.parametrize(("status", "freed"), [("succeeded", True), ("running", False)])
def test_a_new_run_takes_over_from_those_that_have_ended(
    status: str, freed: bool, package: Path, tmp_path: Path
) -> None:
    module = importlib.import_module("arbor.server.services.managers.grpo_manager")
    module.GRPOManager.initialize = lambda self, request, inference: "started"
    job = ran_out(tmp_path, status)
    cleaned: list[bool] = []
    inference = SimpleNamespace(cleanup=lambda: cleaned.append(True))
    assert manager_of(job).initialize(initialize_request(), inference) == "started"
    assert (job.ended, cleaned) == (([{}], [True]) if freed else ([], []))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["../x", "/etc", "", ".hidden", "a/b", "x" * 101, "a b"])
def test_names_are_no_paths(name: str, package: Path) -> None:
    module = importlib.import_module("arbor.server.services.managers.grpo_manager")
    module.GRPOManager.initialize = lambda self, request, inference: "started"
    module.GRPOManager.route_grpo_checkpoint = lambda self, request: "saved"
    repair_named("safe names").apply()
    manager = manager_of()
    with pytest.raises(ValueError, match="no name"):
        manager.initialize(initialize_request(run_name=name), None)
    with pytest.raises(ValueError, match="no name"):
        manager.route_grpo_checkpoint(SimpleNamespace(checkpoint_name=name))
    with pytest.raises(ValueError, match="no name"):  # the job is called after it
        manager.initialize(initialize_request(model="/start/my adapter"), None)
    assert manager.initialize(initialize_request(model="Qwen/Qwen2.5-3B"), None) == "started"
    assert manager.route_grpo_checkpoint(SimpleNamespace(checkpoint_name="step-50")) == "saved"


def answering(chat: Any, package: Path) -> Any:
    """A running inference job under the repair."""
    repair_named("inference errors").apply()
    sys.modules["transformers"].AutoTokenizer = SimpleNamespace(  # type: ignore[attr-defined]
        from_pretrained=lambda name: Words("<|im_end|>\n")
    )
    module = importlib.import_module("arbor.server.services.jobs.inference_job")
    job = object.__new__(module.InferenceJob)
    job.vllm_client, job.launched_model_name = SimpleNamespace(chat=chat), "base"
    job.is_server_running = lambda: True
    return job


def test_an_answer_ends_at_the_end_of_its_turn(package: Path) -> None:
    sent: list[dict[str, Any]] = []

    async def chat(json_body: dict[str, Any]) -> dict[str, Any]:
        sent.append(json_body)
        return {"model": "base", "choices": []}

    job = answering(chat, package)
    answer = asyncio.run(job.run_inference({"model": "grpo:x", "messages": []}))
    assert answer == {"model": "grpo:x", "choices": []}
    assert sent == [{"model": "base", "messages": [], "stop_token_ids": [7]}]


def test_vllms_refusal_reaches_the_client(package: Path) -> None:
    httpx = importlib.import_module("httpx")

    async def chat(json_body: dict[str, Any]) -> None:
        answer = httpx.Response(400, text="maximum context length is 9")
        raise httpx.HTTPStatusError("400", request=None, response=answer)

    job = answering(chat, package)
    with pytest.raises(ValueError, match="maximum context length"):
        asyncio.run(job.run_inference({"model": "grpo:x"}))
    job.is_server_running = lambda: False
    with pytest.raises(ConnectionError):
        asyncio.run(job.run_inference({"model": "grpo:x"}))


def test_a_job_that_is_gone_is_not_taken_for_a_model(package: Path) -> None:
    repair_named("inference errors").apply()
    module = importlib.import_module("arbor.server.services.managers.inference_manager")
    manager = object.__new__(module.InferenceManager)
    manager.alias_to_job_id, manager.inference_jobs, manager._cleanup_called = {}, {}, True
    with pytest.raises(ValueError, match="no job grpo:gone"):
        asyncio.run(manager.route_inference({"model": "grpo:gone"}))


def test_an_adapter_is_merged_once_into_its_base(package: Path, tmp_path: Path) -> None:
    made: list[Path] = []
    adapter = tmp_path / "sft"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")

    def fake(folder: Path, target: Path) -> Path:
        made.append(folder)
        return target / "whole"

    job = starting(start=runs)
    original, jobs.merged = jobs.merged, fake
    try:
        next(r for r in repairs.repairs(SPLIT, tmp_path) if r.name == "adapter as start").apply()
        job.initialize(initialize_request(model=str(adapter)), None)
        assert job.started.model == job.started.inference_config.model
        assert job.started.model == str(tmp_path / "merged" / "whole")
        job.initialize(initialize_request(model="Qwen/Qwen2.5-3B"), None)
        assert job.started.model == "Qwen/Qwen2.5-3B"
        assert made == [adapter]
    finally:
        jobs.merged = original


def test_what_is_merged_answers_as_base_and_adapter_do(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="uv sync --extra tune")
    peft = pytest.importorskip("peft", reason="uv sync --extra tune")
    models = importlib.import_module("transformers").AutoModelForCausalLM
    base = str(tiny(tmp_path / "tiny"))
    config = peft.LoraConfig(r=4, target_modules=["v_proj", "o_proj"], init_lora_weights=False)
    tuned = peft.get_peft_model(models.from_pretrained(base, torch_dtype="auto"), config)
    with torch.no_grad():
        for name, weight in tuned.named_parameters():
            if "lora_B" in name:
                weight.add_(1.0)
    tuned.save_pretrained(tmp_path / "sft")
    whole = jobs.merged(tmp_path / "sft", tmp_path / "merged")
    ids = torch.tensor([[3, 5, 1, 2, 4]])
    merged = models.from_pretrained(whole, torch_dtype="auto")(ids).logits
    assert torch.allclose(merged, tuned(ids).logits, atol=0.02)
    untuned = models.from_pretrained(base, torch_dtype="auto")(ids).logits
    assert not torch.allclose(merged, untuned, atol=0.1)
    made = (whole / "config.json").stat().st_mtime_ns
    assert jobs.merged(tmp_path / "sft", tmp_path / "merged") == whole
    assert (whole / "config.json").stat().st_mtime_ns == made
    card = tmp_path / "sft" / "adapter_config.json"
    card.write_text(card.read_text().replace(base, "/none/such"))
    (tmp_path / "sft").rename(tmp_path / "other")
    with pytest.raises(ValueError, match="cannot be had"):
        jobs.merged(tmp_path / "other", tmp_path / "merged")
