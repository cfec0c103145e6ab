"""Together's client against a server on localhost that checks the shape of each request."""

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from locomo.weights import together
from memory import InputError
from memory.errors import ModelError

pytestmark = pytest.mark.slow

KEY = "tgp_v1_not_a_key"
MODEL = "meta-llama/Tiny"
LIMITS = {
    "model_name": MODEL,
    "default_gradient_accumulation_steps": 1,
    "lora_training": {
        "default_rank": 64,
        "max_batch_size": 8,
        "max_batch_size_dpo": 8,
        "max_rank": 64,
        "min_batch_size": 8,
        "target_modules": ["q_proj"],
    },
    "max_learning_rate": 1,
    "max_num_checkpoints": 1,
    "max_num_epochs": 20,
    "max_num_evals": 1,
    "max_seq_length_dpo": 8192,
    "max_seq_length_sft": 8192,
    "merge_output_lora": True,
    "min_learning_rate": 0,
    "min_max_seq_length": 256,
    "supports_full_training": False,
    "supports_reasoning": False,
    "supports_tools": False,
    "supports_vision": False,
}
JOB = {
    "id": "ft-1",
    "user_id": "u",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:00Z",
    "model_output_name": "me/Tiny-memory",
    "adapter_object_name": "me/Tiny-memory-adapter",
    "adapter_output_name": None,
    "n_epochs": 2,
}


class Together:
    """What Together's API answers; `fails` maps a route to statuses that come first.

    A status of 0 ends the connection without an answer. `states` are those of the job, in turn.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fails: dict[str, list[int]] = {}
        self.states: list[str] = ["completed"]
        self.sent = b""
        self.job: dict[str, Any] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                route = f"{self.command} {self.path.partition('?')[0]}"
                outer.asked.append(route)
                if route != "PUT /bucket" and self.headers["authorization"] != f"Bearer {KEY}":
                    return self._say(401, {"error": {"message": f"no such key: {KEY}"}})
                if left := outer.fails.get(route):
                    status = left.pop(0)
                    said = {"error": {"message": f"{status} it\nis, {KEY}"}}
                    return self._say(status, said) if status else self.connection.close()
                return self._say(*outer.answer(route, self.path, body))

            def _say(self, status: int, said: Any, **headers: str) -> None:
                data = json.dumps(said).encode()
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                if status == 302:
                    self.send_header("location", f"{outer.address}/bucket")
                    self.send_header("x-together-file-id", "file-1")
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = _answer

            def log_message(self, *_: object) -> None: ...

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, route: str, path: str, body: bytes) -> tuple[int, Any]:
        match route:
            case "POST /v1/files":
                assert b"fine-tune" in body
                assert b"examples.jsonl" in body
                return 302, {}
            case "PUT /bucket":
                self.sent = body
                return 200, {}
            case "POST /v1/files/file-1/preprocess":
                file = {"id": "file-1", "bytes": 1, "created_at": 1, "filename": "examples.jsonl"}
                return 200, {**file, "FileType": "jsonl", "object": "file", "purpose": "fine-tune"}
            case "GET /v1/fine-tunes/models/limits":
                assert "Tiny" in path
                return 200, LIMITS
            case "POST /v1/fine-tunes/estimate-price":
                reason = "train_file_not_validated"
                return 200, {"estimation_available": False, "unavailable_reason": reason}
            case "POST /v1/fine-tunes":
                self.job = json.loads(body)
                return 200, {**JOB, "status": "pending"}
            case "GET /v1/fine-tunes/ft-1":
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                events = [{"object": "fine-tune-event", "message": "out of\nluck"}]
                done = 1 if state == "running" else None
                return 200, {**JOB, "status": state, "events": events, "epochs_completed": done}
        return 404, {"error": {"message": f"no route {route}"}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Together]:
    there = Together()
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    monkeypatch.setenv("TOGETHER_BASE_URL", there.address)
    thread = threading.Thread(target=there.http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield there
    there.http.shutdown()
    there.http.server_close()


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    file = tmp_path / "examples.jsonl"
    messages = [{"role": "user", "content": "Où?"}, {"role": "assistant", "content": "Lyon"}]
    file.write_text(json.dumps({"messages": messages}) + "\n")
    return file


def test_what_would_be_sent_is_told_and_nothing_is(server: Together, examples: Path) -> None:
    text = str(together.check_upload(examples))
    assert f"1 examples, {examples.stat().st_size} bytes, would go to Together" in text
    assert server.asked == []


def test_a_file_is_sent_and_a_lora_is_tuned_on_it(server: Together, examples: Path) -> None:
    assert together.started_job(examples, MODEL) is None
    assert together.start_job(examples, MODEL, epochs=2, suffix="memory") == "ft-1"
    assert server.sent == examples.read_bytes()
    wanted = {
        "training_file": "file-1",
        "model": MODEL,
        "n_epochs": 2,
        "suffix": "memory",
        "training_method": {"method": "sft", "train_on_inputs": False},
    }
    assert {name: server.job[name] for name in wanted} == wanted
    assert server.job["training_type"]["type"] == "Lora"
    assert "project" not in server.job["training_type"]
    assert together.started_job(examples, MODEL) == "ft-1"
    assert together.started_job(examples, "another") is None
    examples.write_text(examples.read_text() * 2)
    assert together.started_job(examples, MODEL) is None
    assert KEY not in together.job_path(examples).read_text()
    examples.unlink()
    assert together.started_job(examples, MODEL) is None


def test_a_job_whose_receipt_cannot_be_written_is_named(server: Together, examples: Path) -> None:
    together.job_path(examples).mkdir()
    with pytest.raises(InputError, match="job ft-1 is started"):
        together.start_job(examples, MODEL)


@pytest.mark.parametrize("status", [429, 500, 0])
def test_a_job_is_asked_for_once_only(server: Together, examples: Path, status: int) -> None:
    server.fails["POST /v1/fine-tunes"] = [status]
    with pytest.raises(ModelError, match="Together") as error:
        together.start_job(examples, MODEL)
    assert ("a job may be running all the same" in str(error.value)) is (status != 429)
    assert server.asked.count("POST /v1/fine-tunes") == 1
    assert not together.job_path(examples).exists()


@pytest.mark.parametrize(
    ("route", "status", "why"),
    [
        ("POST /v1/files", 401, "refused the key: check TOGETHER_API_KEY"),
        ("GET /v1/fine-tunes/models/limits", 403, "refused the key: check TOGETHER_API_KEY"),
        ("GET /v1/fine-tunes/models/limits", 404, "refused meta-llama/Tiny: 404 it is"),
        ("POST /v1/fine-tunes", 422, "refused meta-llama/Tiny: 422 it is"),
        ("POST /v1/fine-tunes", 500, "failed on its side; try again later .500 it is"),
        ("PUT /bucket", 500, "failed on its side; try again later"),
        ("PUT /bucket", 0, "cannot reach Together"),
        ("POST /v1/fine-tunes", 0, "cannot reach Together"),
    ],
)
def test_what_goes_wrong_is_one_line_without_the_key(
    server: Together, examples: Path, route: str, status: int, why: str
) -> None:
    server.fails[route] = [status]
    with pytest.raises(ModelError, match=why) as error:
        together.start_job(examples, MODEL)
    assert KEY not in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_job_is_waited_for_through_lost_connections(server: Together) -> None:
    server.states = ["pending", "running", "running", "completed"]
    server.fails["GET /v1/fine-tunes/ft-1"] = [0, 502]
    lines: list[str] = []
    job = together.wait("ft-1", minutes=1, show=lines.append, poll_s=0.01)
    assert job == together.FinishedJob("ft-1", "me/Tiny-memory", "me/Tiny-memory-adapter")
    assert ["trying again" in line for line in lines] == [True, True, False, False, False]
    states = ["pending", "running, 1 of 2 epochs", "completed"]
    assert lines[2:] == [f"ft-1: {state}" for state in states]


@pytest.mark.parametrize("state", ["error", "user_error", "cancelled"])
def test_a_job_that_fails_says_why(server: Together, state: str) -> None:
    server.states = [state]
    with pytest.raises(ModelError, match=f"ft-1 ended as {state}: out of luck"):
        together.wait("ft-1", minutes=1, show=lambda line: None)


@pytest.mark.parametrize("status", [401, 404])
def test_a_job_that_cannot_be_seen_is_not_waited_for(server: Together, status: int) -> None:
    server.fails["GET /v1/fine-tunes/ft-1"] = [status] * 9
    with pytest.raises(ModelError, match="refused"):
        together.wait("ft-1", minutes=1, show=lambda line: None, poll_s=0.01)
    assert len(server.asked) == 1


def test_the_time_of_waiting_is_bounded(server: Together) -> None:
    server.states = ["queued"]
    with pytest.raises(ModelError, match=r"ft-1 is not done after 0\.001 minutes; it continues"):
        together.wait("ft-1", minutes=0.001, show=lambda line: None, poll_s=0.01)


def test_an_interrupted_wait_names_the_job(server: Together) -> None:
    server.states = ["queued"]
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        if len(lines) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        together.wait("ft-1", minutes=1, show=show)
    assert lines[-1].startswith("ft-1 goes on at Together")


def test_without_a_key_nothing_is_asked(
    server: Together, examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TOGETHER_API_KEY")
    for call in (
        lambda: together.start_job(examples, MODEL),
        lambda: together.wait("ft-1", 1, print),
    ):
        with pytest.raises(ModelError, match="needs a key: set TOGETHER_API_KEY"):
            call()
    assert server.asked == []


def test_without_the_package_its_installation_is_named(
    examples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "together", None)
    with pytest.raises(InputError, match="uv sync --extra together"):
        together.check_upload(examples)


def test_a_file_that_together_would_not_take_is_not_sent(server: Together, examples: Path) -> None:
    text = examples.rename(examples.with_suffix(".txt"))
    with pytest.raises(InputError, match=r"Together does not take .*Unknown extension"):
        together.start_job(text, MODEL)
    text.write_text("{}")
    with pytest.raises(InputError, match="line 1 is not an example"):
        together.start_job(text, MODEL)
    assert server.asked == []
