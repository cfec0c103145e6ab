"""Arbor's jobs, patched: how they start, fail, end, answer and are named."""

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support import arbor_package
from tests.support.arbor_package import initialize_request, runs, starting

checkpoints: Any = importlib.import_module("checkpoints")
package, tiny = arbor_package.package, arbor_package.tiny


def test_a_start_that_fails_says_why_and_frees_all(package: None, tmp_path: Path) -> None:
    (tmp_path / "inference.log").write_text('{"message": "no such model"}\n')

    def fails(self: Any, request: Any, manager: Any) -> None:
        raise RuntimeError("vllm's process has ended")

    job = starting(tmp_path, start=fails)
    with pytest.raises(RuntimeError, match="no such model"):
        job.initialize(initialize_request(), None)
    assert (job.status.value, job.ended) == ("failed", [{}])


def checkpoint_of(storage: Path, name: str) -> Path:
    """A checkpoint's folder as Hugging Face's trainer writes one, and as DeepSpeed does."""
    folder = storage / "grpo:m:x:1" / "checkpoints" / name
    (folder / "global_step8").mkdir(parents=True)
    (folder / "global_step8" / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt").touch()
    for file in ("adapter_model.safetensors", "optimizer.pt", "trainer_state.json"):
        (folder / file).touch()
    return folder


def test_the_two_newest_checkpoints_keep_the_trainers_state(package: None, tmp_path: Path) -> None:
    job = starting(tmp_path, start=runs)
    job.checkpoints, job.pending_batch_ids = {}, []

    def request_checkpoint(name: str, metadata: None) -> dict[str, Any]:
        folder = str(checkpoint_of(tmp_path, name))
        at = len(job.checkpoints)
        record = {"checkpoint_name": name, "checkpoint_dir": folder, "timestamp": at}
        return {"ok": True, "checkpoint": record}

    job.trainer_controller = SimpleNamespace(request_checkpoint=request_checkpoint)
    for name in ("a", "b", "c"):
        job.checkpoint(SimpleNamespace(checkpoint_name=name, metadata=None))
    folders = {name: Path(record["checkpoint_dir"]) for name, record in job.checkpoints.items()}
    assert [name for name in "abc" if checkpoints.state_files(folders[name])] == ["b", "c"]
    assert {path.name for path in folders["a"].iterdir()} == {
        "adapter_model.safetensors",
        "trainer_state.json",
    }


def test_a_request_may_name_the_checkpoint_that_its_trainer_goes_on_from(
    package: None, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    folder = checkpoint_of(storage, "step-50")
    schemas = importlib.import_module("arbor.server.api.schemas")
    job = starting(storage, start=runs)

    def resumed(checkpoint: Path) -> Any:
        settings = {"num_training_gpus": 2, "resume_from_checkpoint": str(checkpoint)}
        job.initialize(initialize_request(trainer_config=settings), None)
        return job.started.trainer_config.model_dump(exclude_unset=True)

    assert resumed(folder)["resume_from_checkpoint"] == str(folder)  # and so it reaches the trainer
    with pytest.raises(ValueError, match="no checkpoint"):
        resumed(checkpoint_of(tmp_path / "elsewhere", "step-50"))
    with pytest.raises(ValueError, match="no checkpoint"):
        resumed(storage / ".." / "elsewhere" / "grpo:m:x:1" / "checkpoints" / "step-50")
    for path in checkpoints.state_files(folder):
        path.rename(path.with_name(f"gone-{path.name}"))
    with pytest.raises(ValueError, match="keeps no trainer's state"):
        resumed(folder)
    with pytest.raises(ValueError, match="another"):  # as strict as before
        schemas.ArborGRPOConfigRequest(another=1)


def gone() -> None:
    raise RuntimeError("the trainer's process has ended")


def ran_out(tmp_path: Path, status: str = "running") -> Any:
    """A job in this status, whose trainer is gone."""
    schemas = importlib.import_module("arbor.server.api.schemas")
    job = starting(tmp_path, start=runs)
    job.status = schemas.JobStatus(status)
    job.trainer_controller = SimpleNamespace(get_status=gone)
    job.checkpoints, job.last_checkpoint, job.pending_batch_ids = {}, None, [1]
    return job


def test_a_job_whose_trainer_died_has_failed_and_says_why(package: None, tmp_path: Path) -> None:
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


def manager_of(*jobs_: Any) -> Any:
    module = importlib.import_module("arbor.server.services.managers.grpo_manager")
    manager = object.__new__(module.GRPOManager)
    manager.grpo_jobs, manager._cleanup_called = {job.id: job for job in jobs_}, True
    return manager


def test_terminate_ends_the_processes_of_a_dead_trainer_too(package: None, tmp_path: Path) -> None:
    job = ran_out(tmp_path)
    job.save_final_checkpoint = lambda: None
    job.terminate_training = gone
    manager = manager_of(job)
    with pytest.raises(RuntimeError):
        manager.terminate(SimpleNamespace(job_id=job.id))
    assert job.ended == [{"stop_inference": False, "release_gpus": False}]
    assert manager.terminate(SimpleNamespace(job_id=job.id)).status == "succeeded"


@pytest.mark.parametrize(("status", "freed"), [("succeeded", True), ("running", False)])
def test_a_new_run_takes_over_from_those_that_have_ended(
    status: str, freed: bool, package: None, tmp_path: Path
) -> None:
    module = importlib.import_module("arbor.server.services.managers.grpo_manager")
    module.GRPOManager._start = lambda self, request, inference: "started"
    job = ran_out(tmp_path, status)
    cleaned: list[bool] = []
    inference = SimpleNamespace(cleanup=lambda: cleaned.append(True))
    assert manager_of(job).initialize(initialize_request(), inference) == "started"
    assert (job.ended, cleaned) == (([{}], [True]) if freed else ([], []))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["../x", "/etc", "", ".hidden", "a/b", "x" * 101, "a b"])
def test_names_are_no_paths(name: str, package: None) -> None:
    module = importlib.import_module("arbor.server.services.managers.grpo_manager")
    module.GRPOManager._start = lambda self, request, inference: "started"
    manager = manager_of(
        SimpleNamespace(id="x", status="running", checkpoint=lambda request: "saved")
    )
    with pytest.raises(ValueError, match="no name"):
        manager.initialize(initialize_request(run_name=name), None)
    with pytest.raises(ValueError, match="no name"):
        manager.route_grpo_checkpoint(SimpleNamespace(job_id="x", checkpoint_name=name))
    with pytest.raises(ValueError, match="no name"):  # the job is called after it
        manager.initialize(initialize_request(model="/start/my adapter"), None)
    inference = SimpleNamespace(cleanup=lambda: None)
    request = initialize_request(model="Qwen/Qwen2.5-3B")
    manager.grpo_jobs["x"].terminate_process = lambda: None
    assert manager.initialize(request, inference) == "started"
    saved = SimpleNamespace(job_id="x", checkpoint_name="step-50")
    assert manager.route_grpo_checkpoint(saved) == "saved"


def test_an_adapter_is_merged_once_into_its_base(package: None, tmp_path: Path) -> None:
    made: list[Path] = []
    adapter = tmp_path / "sft"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text("{}")

    def fake(folder: Path, target: Path) -> Path:
        made.append(folder)
        return target / "whole"

    job = starting(tmp_path, start=runs)
    importlib.import_module("arbor.server.services.jobs.grpo_job").merged = fake
    job.initialize(initialize_request(model=str(adapter)), None)
    assert job.started.model == job.started.inference_config.model
    assert job.started.model == str(tmp_path / "merged" / "whole")
    job.initialize(initialize_request(model="Qwen/Qwen2.5-3B"), None)
    assert job.started.model == "Qwen/Qwen2.5-3B"
    assert made == [adapter]


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
    whole = checkpoints.merged(tmp_path / "sft", tmp_path / "merged")
    ids = torch.tensor([[3, 5, 1, 2, 4]])
    merged = models.from_pretrained(whole, torch_dtype="auto")(ids).logits
    assert torch.allclose(merged, tuned(ids).logits, atol=0.02)
    untuned = models.from_pretrained(base, torch_dtype="auto")(ids).logits
    assert not torch.allclose(merged, untuned, atol=0.1)
    made = (whole / "config.json").stat().st_mtime_ns
    assert checkpoints.merged(tmp_path / "sft", tmp_path / "merged") == whole
    assert (whole / "config.json").stat().st_mtime_ns == made
    card = tmp_path / "sft" / "adapter_config.json"
    card.write_text(card.read_text().replace(base, "/none/such"))
    (tmp_path / "sft").rename(tmp_path / "other")
    with pytest.raises(ValueError, match="cannot be had"):
        checkpoints.merged(tmp_path / "other", tmp_path / "merged")
