"""Before a run everything is checked, and each failure says what to do about it."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import locomo.split_data
import locomo.weights.preflight
from locomo.weights.arbor_client import ModelInfo, Server, ServerInfo, Timeouts
from locomo.weights.grpo import GrpoSettings
from locomo.weights.preflight import (
    Check,
    RunRequirements,
    check_table,
    inference_memory,
    lora_parameters,
    parameters_in,
    preflight,
    raise_failed,
    training_memory,
)
from memory import InputError
from tests.support.arbor_server import arbor_server, describe
from tests.support.locomo_records import question
from tests.support.talk import talk, talks

GB = 10**9
MODEL = ModelInfo(
    name="Qwen/Qwen2.5-3B", parameters=3_085_938_688, context=32_768, chat_template=True
)


def served(**changes: Any) -> ServerInfo:
    """A server of three GPUs of 25 GB: GPU 0 answers, 1 and 2 train."""
    return ServerInfo.model_validate({**describe(3, 25 * GB), **changes})


def gpus(number: int, **changes: Any) -> dict[str, Any]:
    """The three GPUs with one changed."""
    plain = describe(3, 25 * GB)["gpus"]
    return {"gpus": [{**gpu, **changes} if gpu["id"] == number else gpu for gpu in plain]}


@pytest.fixture(autouse=True)
def disk(monkeypatch: pytest.MonkeyPatch) -> dict[Path, int]:
    """What is free in bytes by folder, 100 GB where nothing else is said."""
    free: dict[Path, int] = {}

    def usage(folder: Path) -> SimpleNamespace:
        assert folder.exists()
        return SimpleNamespace(free=free.get(folder, 100 * GB))

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return free


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., RunRequirements]:
    """A plan in which all is well; what is changed may be one of its settings, too."""
    data = talks(tmp_path / "data.json", talk("one"), talk("two"), talk("three"))

    def made(**changes: Any) -> RunRequirements:
        own = {name: changes.pop(name) for name in [*changes] if hasattr(GrpoSettings(), name)}
        own = {"training_gpus": (1, 2), **own}
        plain: dict[str, Any] = {
            "model": MODEL.name,
            "settings": GrpoSettings(**own),
            "targets": ("answer",),
            "data": data,
            "further_data": None,
            "split": "default",
            "seed": 0,
            "window": 6,
            "num_train": 3,
            "num_val": 3,
            "output": tmp_path / "checkpoints",
            "checkpoints": 10,
        }
        return RunRequirements(**{**plain, **changes})

    return made


def checked(plan: RunRequirements, server: ServerInfo | None = None, **model: Any) -> list[Check]:
    info = MODEL.model_copy(update=model)
    return preflight(plan, lambda: server or served(), lambda name: info)


def failures(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.remedy for check in checks if check.state == "failed"}


def state(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def finding(checks: list[Check], name: str) -> str:
    return next(check.finding for check in checks if check.name == name)


def test_a_run_that_can_work_passes_every_check(plan: Callable[..., RunRequirements]) -> None:
    checks = checked(plan())
    assert set(state(checks).values()) == {"ok"}
    raise_failed(checks)


# --- failures ---------------------------------------------------------------------------------

ALL = describe(3, 25 * GB)["gpus"]
SMALL = {"memory_total": 11 * GB, "memory_free": 11 * GB}  # 9.9 of them for vLLM, needs 10.5
AS_YAML = 'inference: {gpu_ids: "0"} and training: {gpu_ids: "1,2"}'
OF_SERVER = [
    ({"arbor": "0.3.0"}, "server", "arbor-ai==0.2.17"),
    ({"repairs": [{"name": "loss", "state": "missing"}]}, "repairs", "arbor/startup.sh"),
    ({"repairs": []}, "repairs", "arbor/startup.sh"),
    ({"gpus": ALL[:1]}, "GPUs", "take a server with 2 GPUs or more, or --rehearse"),
    ({"gpus": ALL[:2]}, "GPUs", "no GPU 2: give --inference-gpus"),
    (gpus(1, memory_free=9 * GB), "GPUs free", "end what fills GPU 1 (process 101 of this server)"),
    ({"split": {"inference": [1], "training": [0, 2]}}, "split of GPUs", AS_YAML),
    (gpus(0, **SMALL), "inference memory", "larger GPUs"),
    (gpus(2, **SMALL), "training memory", "larger GPUs"),
    ({"disk_free": 6 * GB}, "disk on server", "larger disk"),
]


@pytest.mark.parametrize(("changes", "name", "remedy"), OF_SERVER)
def test_what_is_wrong_with_a_server_is_found_alone(
    changes: dict[str, Any], name: str, remedy: str, plan: Callable[..., RunRequirements]
) -> None:
    failed = failures(checked(plan(), served(**changes)))
    assert list(failed) == [name]
    assert remedy in failed[name]


OF_PLAN = [
    ({"inference_gpus": (1,)}, ["GPUs", "split of GPUs"], "GPU 1 cannot serve answers and train"),
    ({"training_gpus": (1, 1)}, ["GPUs", "split of GPUs"], "each GPU's id once"),
    ({"training_gpus": ()}, ["GPUs", "split of GPUs"], "--training-gpus"),
    ({"training_gpus": (1, 7)}, ["GPUs", "split of GPUs"], "no GPU 7"),
    ({"rollouts": 6}, ["batch"], "--rollouts 4 or 8"),
    ({"data": Path("none.json")}, ["data"], "does not exist"),
    ({"split": "memory-r1"}, ["data"], "--split default"),
    ({"targets": ("answer", "store"), "window": 1}, ["data"], "store in validation; give more"),
    ({"output": Path(__file__)}, ["output"], "is a file; give a folder"),
]


@pytest.mark.parametrize(("changes", "names", "remedy"), OF_PLAN)
def test_what_is_wrong_with_a_plan_is_found_alone(
    changes: dict[str, Any], names: list[str], remedy: str, plan: Callable[..., RunRequirements]
) -> None:
    if changes.get("window"):  # no question whose evidence lies in one turn
        asked = [question(evidence=["D1:1", "D2:2"])]
        data = plan().data
        changes = {**changes, "data": talks(data, talk("one", qa=asked), talk("two", qa=asked))}
    failed = failures(checked(plan(**changes)))
    assert list(failed) == names
    assert remedy in failed[names[0]]


OF_MODEL = [
    ({"context": 4096}, "context", "give a --model that reads 4,608"),
    ({"chat_template": False}, "chat template", "-Instruct"),
]


@pytest.mark.parametrize(("changes", "name", "remedy"), OF_MODEL)
def test_what_is_wrong_with_a_model_is_found_alone(
    changes: dict[str, Any], name: str, remedy: str, plan: Callable[..., RunRequirements]
) -> None:
    failed = failures(checked(plan(), **changes))
    assert list(failed) == [name]
    assert remedy in failed[name]


def test_a_model_too_large_fits_neither_role(plan: Callable[..., RunRequirements]) -> None:
    checks = checked(plan(), parameters=70 * GB)
    assert list(failures(checks)) == ["inference memory", "training memory"]
    assert "weights 140.0 + " in finding(checks, "training memory")


def test_a_full_disk_here_is_found(
    plan: Callable[..., RunRequirements], disk: dict[Path, int], tmp_path: Path
) -> None:
    disk[tmp_path] = GB
    checks = checked(plan(output=tmp_path / "not" / "yet"))
    assert list(failures(checks)) == ["disk here"]
    assert "10 checkpoints" in finding(checks, "disk here")
    assert "or use a larger disk" in failures(checks)["disk here"]


def test_a_conversation_in_two_parts_is_refused(
    plan: Callable[..., RunRequirements], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = {"train": ["one"], "validation": ["one", "two"], "test": ["three"]}
    monkeypatch.setattr(locomo.split_data, "split", lambda *_: leaky)
    assert failures(checked(plan()))["data"] == "conversation one is in both train and validation"


def test_fewer_examples_than_asked_are_only_noted(plan: Callable[..., RunRequirements]) -> None:
    checks = checked(plan(num_train=600))
    assert state(checks)["data"] == "ok"
    assert "answer, train: 3 examples of the 600 asked for" in finding(checks, "data")


# --- what is not known ------------------------------------------------------------------------


def stop(message: str) -> Callable[..., Any]:
    def ask(*_: object) -> Any:
        raise InputError(message)

    return ask


def test_without_a_server_only_what_depends_on_it_is_unknown(
    plan: Callable[..., RunRequirements],
) -> None:
    asked = stop("nothing answers at 127.0.0.1:7453")
    checks = preflight(plan(inference_gpus=(1,), rollouts=6), asked, stop("not asked"))
    own = {"data": "ok", "disk here": "ok", "output": "ok"}
    failed = dict.fromkeys(("server", "GPUs", "batch"), "failed")
    unknown = ["repairs", "GPUs free", "split of GPUs", "inference memory", "training memory"]
    unknown += ["model", "context", "chat template", "disk on server"]
    assert state(checks) == {**own, **failed, **dict.fromkeys(unknown, "unknown")}
    assert failures(checks)["server"] == "nothing answers at 127.0.0.1:7453"
    assert finding(checks, "model") == "the server did not answer"


def test_a_model_the_server_cannot_find_is_judged_by_its_name(
    plan: Callable[..., RunRequirements],
) -> None:
    checks = preflight(plan(), served, stop("no such model"))
    assert failures(checks) == {"model": "give another --model"}
    unknown = [name for name, what in state(checks).items() if what == "unknown"]
    assert unknown == ["context", "chat template"]
    assert "weights 6.0 + " in finding(checks, "training memory")


def test_a_model_of_no_known_size_is_not_judged(plan: Callable[..., RunRequirements]) -> None:
    checks = state(preflight(plan(model="house/own"), served, stop("no such model")))
    for name in ("inference memory", "training memory", "disk here", "disk on server"):
        assert checks[name] == "unknown"


def test_what_gpus_hold_that_are_not_there_is_unknown(plan: Callable[..., RunRequirements]) -> None:
    checks = checked(plan(inference_gpus=(7,), training_gpus=(8, 9)))
    for name in ("GPUs free", "inference memory", "training memory"):
        assert state(checks)[name] == "unknown"
    assert "weights 6.2 + " in finding(checks, "training memory")


def test_a_real_server_is_asked_over_http(plan: Callable[..., RunRequirements]) -> None:
    with arbor_server() as server:
        asked = Server(server.url)
        checks = preflight(plan(training_gpus=(1,)), asked.describe, asked.model)
    assert set(state(checks).values()) == {"ok"}
    assert [one.route for one in server.requests] == ["server", "model"]
    gone = preflight(plan(), asked.describe, asked.model)
    assert "nothing listens at http://127.0.0.1:" in failures(gone)["server"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [("500", "failed at server"), ("silent", "silent for"), ("drop", "closed the connection")],
)
def test_a_server_that_fails_is_a_failed_check(
    fault: str, words: str, plan: Callable[..., RunRequirements]
) -> None:
    with arbor_server(misbehave={"server": fault}) as server:
        asked = Server(server.url, timeouts=Timeouts(status=0.2))
        checks = preflight(plan(), asked.describe, asked.model)
    assert list(failures(checks)) == ["server"]
    assert words in failures(checks)["server"]


# --- estimates --------------------------------------------------------------------------------

NAMES = [
    ("Qwen/Qwen2.5-3B", 3 * GB),
    ("Qwen/Qwen2.5-0.5B-Instruct", GB // 2),
    ("HuggingFaceTB/SmolLM2-135M-Instruct", 135 * 10**6),
    ("Qwen/Qwen3-30B-A3B", 30 * GB),
    ("mistralai/Mixtral-8x7B-v0.1", 56 * GB),
    ("microsoft/Phi-3-mini-4k-instruct", None),
    ("local", None),
]


@pytest.mark.parametrize(("name", "parameters"), NAMES)
def test_a_models_name_says_its_size(name: str, parameters: int | None) -> None:
    assert parameters_in(name) == parameters


# Summed over the matrices of the published configurations.
LORAS = [
    ("SmolLM2-135M", 134_515_008, 16, 4_884_480),
    ("Qwen2.5-3B", 3_085_938_688, 64, 119_734_272),
    ("Llama-3.1-8B", 8_030_261_248, 16, 41_943_040),
    ("Qwen2.5-72B", 72_706_203_648, 16, 210_534_400),
]


@pytest.mark.parametrize(("name", "parameters", "rank", "size"), LORAS)
def test_the_size_of_a_lora_is_estimated_within_half(
    name: str, parameters: int, rank: int, size: int
) -> None:
    assert 0.75 < lora_parameters(parameters, rank) / size < 1.5


def test_the_estimates_follow_their_formulas() -> None:
    small, settings = 120_000_000, GrpoSettings()  # 10 layers of width 1000; 2 x 4608 tokens
    training = training_memory(small, settings)
    assert training["weights"] == 240 * 10**6
    assert training["LoRA"] == pytest.approx(16 * 64 * 23 * 1000 * 10)
    assert training["activations"] == pytest.approx(2 * 4608 * 1000 * (2 * 10 + 34))
    assert training["logits"] == 2 * 4608 * 152_000 * 3 * 2
    whole = training_memory(small, replace(settings, bf16=False))
    assert whole["weights"] == 2 * training["weights"]
    assert whole["logits"] == 2 * training["logits"]
    assert inference_memory(small, settings)["cache"] == pytest.approx(8 * 4608 * 10 * 1000)


def test_disks_hold_each_checkpoint_and_the_base(plan: Callable[..., RunRequirements]) -> None:
    checks = checked(plan(), parameters=120_000_000)  # a LoRA of 14.72 million
    assert "about 0.6 GB" in finding(checks, "disk here")  # 11 x 4 x 14.72
    assert "about 1.3 GB" in finding(checks, "disk on server")  # 240 + (10 x 4 + 2 x 16) x 14.72


@given(
    parameters=st.integers(10**8, 10**11),
    more=st.sampled_from(["batch_per_device", "lora_rank", "prompt_tokens", "rollouts"]),
)
def test_more_of_anything_never_needs_less_memory(parameters: int, more: str) -> None:
    plain = GrpoSettings()
    larger = replace(plain, **{more: 2 * getattr(plain, more)})
    for estimate in (training_memory, inference_memory):
        need = sum(estimate(parameters, plain).values())
        assert sum(estimate(parameters, larger).values()) >= need
        assert sum(estimate(2 * parameters, plain).values()) > need


def test_more_gpus_share_what_answering_needs_but_not_the_trained_weights() -> None:
    two = GrpoSettings(inference_gpus=(0, 3))
    one = inference_memory(MODEL.parameters, GrpoSettings())
    assert inference_memory(MODEL.parameters, two)["weights"] == one["weights"] / 2
    trained = training_memory(MODEL.parameters, GrpoSettings(training_gpus=(1, 2, 3)))
    assert trained["weights"] == 2 * MODEL.parameters


# --- the report -------------------------------------------------------------------------------

THREE = [
    Check("data", "failed", "[data].json", "give another"),
    Check("disk", "unknown", "nothing says"),
    Check("batch", "failed", "6 rollouts", "give 8"),
]


def test_a_run_is_refused_with_all_that_failed() -> None:
    with pytest.raises(InputError) as refused:
        raise_failed(THREE)
    lines = str(refused.value).splitlines()
    assert lines[0] == "2 of 3 checks failed"
    assert lines[1:] == ["data: [data].json -> give another", "batch: 6 rollouts -> give 8"]


def test_what_is_not_known_refuses_nothing() -> None:
    raise_failed(THREE[1:2])


def test_the_table_has_each_check_and_each_remedy() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(check_table(THREE))
    text = console.export_text()
    for words in ("[data].json", "-> give another", "not known", "failed", "-> give 8"):
        assert words in text
