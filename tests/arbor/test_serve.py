"""The server of the GPU machine: what it refuses at the start, its guard, its four routes."""

import importlib
import io
import os
import re
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import uvicorn

from tests.support.arbor_package import stubbed

ARBOR = Path(__file__).parents[2] / "arbor"
sys.path.append(str(ARBOR))
serve: Any = importlib.import_module("serve")
patched: Any = importlib.import_module("patched")
GOOD = 'storage_path: {}\ninference: {{gpu_ids: "0"}}\ntraining: {{gpu_ids: "1,2"}}\n'


def start(*flags: str, **env: str) -> subprocess.CompletedProcess[str]:
    """serve.py as it is run, until it refuses."""
    command = [sys.executable, str(ARBOR / "serve.py"), *flags]
    environ = {k: v for k, v in os.environ.items() if k != "ARBOR_TOKEN"} | env
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=180)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("storage_path: [", "is no YAML"),
        ("- 1", "valid dictionary"),
        ('{storage_path: s, inference: {gpu_ids: "0"}}', "training: Field required"),
        (GOOD.format("s") + "port: 1\n", "port: Extra inputs are not permitted"),
        (GOOD.format("s").replace("1,2", "0,1"), "GPU 0 cannot serve answers and train"),
        (GOOD.format("s").replace("1,2", "1,1"), "each GPU once"),
        (GOOD.format("s").replace("1,2", "1;rm"), 'as in "1,2"'),
        (GOOD.format("s").replace('"0"', '""'), 'as in "1,2"'),
        (GOOD.format('"a folder"'), "holds a blank"),
    ],
)
def test_a_bad_arbor_yaml_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "arbor.yaml"
    file.write_text(text)
    with pytest.raises(patched.StartError) as refused:
        serve.load(file)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_arbor_yaml_of_the_repository_is_good() -> None:
    assert serve.load(ARBOR / "arbor.yaml").split == serve.GpuSplit((0,), (1, 2))


@pytest.mark.slow
def test_a_machine_without_gpus_is_refused_and_no_token_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "arbor.yaml"
    file.write_text(GOOD.format(tmp_path / "s"))
    ended = start("--config", str(file), "--port", "0", ARBOR_TOKEN="nobody-sees-this")
    assert ended.returncode == 2
    assert "nvidia" in ended.stderr
    assert "nobody-sees-this" not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    ("host", "token", "refused"),
    [
        ("127.0.0.1", "", False),
        ("localhost", "", False),
        ("::1", "", False),
        ("0.0.0.0", "", True),  # noqa: S104
        ("::", "", True),
        ("192.168.1.5", "", True),
        ("example.org", "", True),
        ("0.0.0.0", "secret", False),  # noqa: S104
    ],
)
def test_only_this_machine_is_served_without_a_token(host: str, token: str, refused: bool) -> None:
    with pytest.raises(patched.StartError) if refused else nullcontext():
        serve.check_binding(host, token)


@pytest.mark.parametrize(
    ("split", "visible", "message"),
    [
        (((0,), (1,)), None, None),
        (((0,), (1,)), "0,1", None),
        (((0,), (2,)), None, "names GPU 2; this machine has 0, 1"),
        (((0,), (1,)), "0", "hides GPU 1"),
        (((0,), (1,)), "", "hides GPU 0"),
    ],
)
def test_the_split_names_gpus_that_are_there(
    split: tuple[tuple[int, ...], ...], visible: str | None, message: str | None
) -> None:
    found = [{"id": 0}, {"id": 1}]
    with pytest.raises(patched.StartError, match=message) if message else nullcontext():
        serve.check_gpus(serve.GpuSplit(*split), found, visible)


def checkpoint_folder(storage: Path, name: str = "best", job: str = "grpo:m:x:1") -> Path:
    folder = storage / job / "checkpoints" / name
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_bytes(b"w" * 100_000)
    (folder / "optimizer.pt").write_bytes(b"o")
    return folder


@pytest.fixture
def server_state(tmp_path: Path) -> Any:
    return serve.GpuServerState(serve.GpuSplit((0,), (1, 2)), tmp_path)


@pytest.mark.parametrize("job", ["..", "grpo:m:x:1/../..", "/etc", "absent", ""])
def test_no_job_is_a_way_out_of_the_storage(job: str, server_state: Any) -> None:
    (server_state.storage.parent / "checkpoints").mkdir(exist_ok=True)
    checkpoint_folder(server_state.storage)
    with pytest.raises(KeyError):
        server_state.metrics(job, 0)
    with pytest.raises(KeyError):
        server_state.checkpoint(job, "best")
    with pytest.raises(KeyError):
        server_state.checkpoint("grpo:m:x:1", "../checkpoints/best")


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_checkpoint_that_is_not_whole_is_none(missing: str, server_state: Any) -> None:
    folder = checkpoint_folder(server_state.storage)
    assert server_state.checkpoint("grpo:m:x:1", "best") == folder
    (folder / missing).unlink()
    with pytest.raises(KeyError):
        server_state.checkpoint("grpo:m:x:1", "best")


class FakeGpus(serve.GpuServerState):  # type: ignore[misc,name-defined]
    """A state whose machine and models are not asked."""

    def describe(self) -> dict[str, Any]:
        gpu = [{"id": i, "name": "H200"} for i in range(3)]
        split = {"inference": self.split.inference, "training": self.split.training}
        return {"arbor": "0.2.17", "gpus": gpu, "split": split, "repairs": []}

    def model(self, name: str) -> dict[str, Any]:
        if name != "tiny":
            raise KeyError("not found")
        return {"name": name, "parameters": 1, "context": 8, "chat_template": True}


@pytest.fixture
def served(server_state: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Arbor's own application with our routes, over HTTP; a function from a token to its URL."""
    stubs: dict[str, Any] = {}
    for name in ("GRPOManager", "InferenceManager"):
        file = "arbor.server.services.managers." + name[:-7].lower() + "_manager"
        stubs[file] = ModuleType(file)
        setattr(stubs[file], name, object)
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def run(token: str = "") -> str:
        fake = FakeGpus(server_state.split, server_state.storage)
        bound = serve.listen("127.0.0.1", 0)
        app = serve.build(
            {"server_state": fake, "grpo_manager": None, "inference_manager": None}, token
        )
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        running.append((server, thread))
        while not server.started:
            time.sleep(0.01)
        return f"http://127.0.0.1:{bound.getsockname()[1]}"

    with stubbed(monkeypatch, stubs):
        yield run
    for server, thread in running:
        server.should_exit = True
        thread.join(60)


@pytest.mark.slow
def test_the_four_routes_answer_beside_arbors_own(served: Any, server_state: Any) -> None:
    url = served()
    checkpoint_folder(server_state.storage)
    ask = {"job_id": "grpo:m:x:1", "name": "best"}
    assert httpx.get(f"{url}/v1/memory/server").json()["split"]["training"] == [1, 2]
    assert httpx.get(f"{url}/v1/memory/model", params={"name": "tiny"}).json()["context"] == 8
    assert httpx.get(f"{url}/v1/memory/metrics", params=ask).json() == {"metrics": []}
    answer = httpx.get(f"{url}/v1/memory/checkpoint", params=ask)
    assert answer.headers["content-type"] == "application/x-tar"
    assert int(answer.headers["content-length"]) == len(answer.content)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as tar:
        assert tar.getnames() == ["adapter_config.json", "adapter_model.safetensors"]
    assert "/v1/fine_tuning/grpo/initialize" in httpx.get(f"{url}/openapi.json").json()["paths"]


@pytest.mark.slow
def test_without_a_token_only_this_machine_is_answered_by_its_name(served: Any) -> None:
    url = f"{served()}/v1/memory/server"
    for host in ("evil.example", "evil.example:7453", "10.0.0.1", "[2001:db8::1]:7453"):
        answer = httpx.get(url, headers={"Host": host})
        assert answer.status_code == 421
        assert "ARBOR_TOKEN" in answer.json()["message"]
    for host in ("localhost", "localhost:7453", "127.0.0.1:1", "[::1]:7453"):
        assert httpx.get(url, headers={"Host": host}).status_code == 200


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "path", ["/v1/memory/server", "/v1/fine_tuning/grpo/status", "/v1/chat/completions", "/docs"]
)
def test_with_a_token_every_route_asks_for_it(path: str, served: Any) -> None:
    url = served("the-token")
    for given in ({}, {"Authorization": "Bearer other"}, {"Authorization": "the-token"}):
        assert httpx.get(url + path, headers=given).status_code == 401
        assert httpx.post(url + path, headers=given, json={}).status_code == 401
    right = {"Authorization": "Bearer the-token"}
    assert httpx.get(url + path, headers=right).status_code != 401


@pytest.mark.skipif(bool(find_spec("pynvml")), reason="it would start here")
def test_the_documented_command_says_what_is_missing_before_it_begins() -> None:
    page = (ARBOR.parent / "docs" / "reinforcement.md").read_text("utf-8")
    [options] = re.findall(r"^uv run python arbor/serve.py (.+)$", page, re.MULTILINE)
    done = start(*options.split())
    assert done.returncode == 2
    assert done.stderr == "serve.py: nvidia-ml-py is not installed: run startup.sh\n"


def test_the_requirements_are_pinned() -> None:
    lines = (ARBOR / "requirements.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pins["arbor-ai"] == patched.KNOWN
    assert pins["torch"] == "2.7.1"
    assert pins["vllm"] == "0.10.0"
    assert int(pins["transformers"].split(".")[0]) < 5


def test_the_lock_has_every_requirement_with_its_hashes_and_no_address() -> None:
    lock = (ARBOR / "requirements.lock").read_text("utf-8")
    versions = dict(re.findall(r"^([\w.-]+)==(\S+) \\$", lock, re.MULTILINE))
    lines = (ARBOR / "requirements.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert pins.items() <= versions.items()
    # What Arbor asks for and a client leaves out; and what vllm would take the newest of.
    assert {"coolname", "wandb", "pyzmq", "fastapi", "starlette"} <= versions.keys()
    blocks = re.split(r"^[\w.-]+==.*$", lock, flags=re.MULTILINE)[1:]
    assert all(
        re.fullmatch(r"(?: \\)?(\s+--hash=sha256:[0-9a-f]{64}(?: \\)?)+\s*", b) for b in blocks
    )
    assert "://" not in lock
    assert "--index" not in lock


def startup(tmp_path: Path, *flags: str, smi: str = "exit 1") -> subprocess.CompletedProcess[str]:
    """startup.sh with a driver of our own."""
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{smi}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ARBOR_TOKEN": "hidden-token"}
    env |= {"ARBOR_VENV": str(tmp_path / "venv"), "ARBOR_PYTHON": sys.executable}
    command = ["bash", str(ARBOR / "startup.sh"), *flags]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=180)
