"""Before a run everything is checked, and each failure says what to do about it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import locomo.split_data
from locomo.weights.arbor_client import ModelInfo, Server, ServerInfo, Timeouts
from locomo.weights.options import TrainOptions
from locomo.weights.preflight import Check, preflight, raise_failed
from tests.support.arbor_server import arbor_server, describe
from tests.support.locomo_records import question
from tests.support.talk import talk, talks

GB = 10**9
EVERY = ["server", "repairs", "GPUs", "GPUs free", "split of GPUs"]
EVERY += ["model", "context", "chat template", "disk", "batch", "data", "output"]
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


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., TrainOptions]:
    """A plan in which all is well; what is changed may be any option."""
    data = talks(tmp_path / "data.json", talk("one"), talk("two"), talk("three"))

    def made(**changes: Any) -> TrainOptions:
        plain: dict[str, Any] = {
            "model": MODEL.name,
            "data": data,
            "num_train": 3,
            "num_val": 3,
            "training_gpus": "1,2",
            "checkpoints": tmp_path / "checkpoints",
        }
        return TrainOptions(**{**plain, **changes})

    return made


def checked(plan: TrainOptions, server: ServerInfo | None = None, **model: Any) -> list[Check]:
    info = MODEL.model_copy(update=model)
    return preflight(plan, lambda: server or served(), lambda name: info)


def failures(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.remedy for check in checks if check.remedy}


def test_a_run_that_can_work_passes_every_check(plan: Callable[..., TrainOptions]) -> None:
    checks = checked(plan())
    assert failures(checks) == {}
    assert [check.name for check in checks] == EVERY
    raise_failed(checks)


# --- failures ---------------------------------------------------------------------------------

ALL = describe(3, 25 * GB)["gpus"]
AS_YAML = "start the server again with arbor/arbor.yaml, which has your flags"
OF_SERVER = [
    ({"arbor": "0.3.0"}, "server", "arbor-ai==0.2.17"),
    ({"repairs": [{"name": "loss", "state": "missing"}]}, "repairs", "arbor/startup.sh"),
    ({"repairs": []}, "repairs", "arbor/startup.sh"),
    ({"gpus": ALL[:1]}, "GPUs", "take a server with 2 GPUs or more, or --rehearse"),
    ({"gpus": ALL[:2]}, "GPUs", "no GPU 2: give --inference-gpus"),
    (gpus(1, memory_free=9 * GB), "GPUs free", "end what fills GPU 1 (process 101 of this server)"),
    ({"split": {"inference": [1], "training": [0, 2]}}, "split of GPUs", AS_YAML),
    ({"disk_free": 6 * GB}, "disk", "larger disk"),
]


@pytest.mark.parametrize(("changes", "name", "remedy"), OF_SERVER)
def test_what_is_wrong_with_a_server_is_found_alone(
    changes: dict[str, Any], name: str, remedy: str, plan: Callable[..., TrainOptions]
) -> None:
    failed = failures(checked(plan(), served(**changes)))
    assert list(failed) == [name]
    assert remedy in failed[name]


OF_PLAN = [
    ({"training_gpus": "1,7"}, ["GPUs", "split of GPUs"], "no GPU 7"),
    ({"rollouts": 6}, ["batch"], "--rollouts 4 or 8"),
    ({"data": Path("none.json")}, ["data"], "does not exist"),
    ({"split": "memory-r1"}, ["data"], "--split default"),
    ({"target": "store"}, ["data"], "store in validation; give more"),
    ({"checkpoints": Path(__file__)}, ["output"], "is a file; give a folder"),
]


@pytest.mark.parametrize(("changes", "names", "remedy"), OF_PLAN)
def test_what_is_wrong_with_a_plan_is_found_alone(
    changes: dict[str, Any], names: list[str], remedy: str, plan: Callable[..., TrainOptions]
) -> None:
    if changes.get("target"):  # the conversation has no answer to its only question
        asked = [question(5, adversarial_answer="violin", evidence=["D2:1"])]
        data = plan().data
        changes = {**changes, "data": talks(data, talk("one", qa=asked), talk("two", qa=asked))}
    failed = failures(checked(plan(**changes)))
    assert list(failed) == names
    assert remedy in failed[names[0]]


def test_a_conversation_in_two_parts_is_refused(
    plan: Callable[..., TrainOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = {"train": ["one"], "validation": ["one", "two"], "test": ["three"]}
    monkeypatch.setattr(locomo.split_data, "split", lambda *_: leaky)
    assert "both train and validation" in failures(checked(plan()))["data"]


# --- what is not known ------------------------------------------------------------------------


def test_a_real_server_is_asked_over_http(plan: Callable[..., TrainOptions]) -> None:
    with arbor_server() as server:
        asked = Server(server.url)
        checks = preflight(plan(), asked.describe, asked.model)
    assert failures(checks) == {}
    assert [one.route for one in server.requests] == ["server", "model"]
    gone = preflight(plan(), asked.describe, asked.model)
    assert "nothing listens at http://127.0.0.1:" in failures(gone)["server"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [("500", "failed at server"), ("silent", "silent for"), ("drop", "closed the connection")],
)
def test_a_server_that_fails_is_a_failed_check(
    fault: str, words: str, plan: Callable[..., TrainOptions]
) -> None:
    with arbor_server(misbehave={"server": fault}) as server:
        asked = Server(server.url, timeouts=Timeouts(status=0.2))
        checks = preflight(plan(), asked.describe, asked.model)
    assert list(failures(checks)) == ["server"]
    assert words in failures(checks)["server"]


# --- the report -------------------------------------------------------------------------------
