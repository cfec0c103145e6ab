"""A rehearsal's server over HTTP; tests decide its policy's answers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import torch
import uvicorn

from memory.program.adapter_card import AdapterCard
from memory.tune import rehearsal
from memory.tune.grpo import Sample

BASE = "SmolLM2-135M-Instruct"
ASKED = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "When?"}]
DEADLINE_S = 60


@dataclass
class Scripted:
    """A policy that says how often it was trained."""

    settings: dict[str, Any]
    adapter: Path | None
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    groups: list[Any] = field(default_factory=list)
    biases: list[dict[int, float] | None] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    may_step: threading.Event = field(default_factory=threading.Event)
    breaks: str = ""
    restored: Path | None = None

    def generate(
        self,
        messages: Any,
        n: int,
        max_tokens: int,
        temperature: float,
        stop: Any = None,
        logit_bias: dict[int, float] | None = None,
    ) -> list[Sample]:
        self.threads.add(threading.get_ident())
        self.asked.append((messages[-1]["content"], n, max_tokens, temperature, stop))
        self.biases.append(logit_bias)
        number = len(self.groups)
        return [Sample(f"answer {i} of weights {number}", "stop", 7, 3) for i in range(n)]

    def step(self, group: Any) -> dict[str, float]:
        self.threads.add(threading.get_ident())
        assert self.may_step.wait(DEADLINE_S)
        if self.breaks:
            raise RuntimeError(self.breaks)
        self.groups.append(group)
        return {"kl": 0.5, "reward": 0.25, "grad_norm": float("inf")}

    def restore(self, folder: Path) -> None:
        self.restored = folder

    def save(self, folder: Path, card: AdapterCard) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "trainer_state.pt").touch()
        (folder / "adapter_config.json").write_text(f"weights {len(self.groups)}")
        (folder / "adapter.json").write_text(card.model_dump_json())


class Served:
    """The application at an address, and the policies that were made."""

    def __init__(self, address: str, state: Any) -> None:
        self.address, self.state, self.job = address, state, ""
        self.policies: list[Scripted] = []

    @property
    def api_base(self) -> str:
        return f"{self.address}/v1/"

    def post(self, route: str, body: dict[str, Any]) -> httpx.Response:
        # Arbor closes a connection over which it refused something.
        url = self.api_base + route
        return httpx.post(url, json=body, timeout=DEADLINE_S, verify=False)  # noqa: S501

    def grpo(self, route: str, **body: Any) -> httpx.Response:
        return self.post(f"fine_tuning/grpo/{route}", {"job_id": self.job, **body})

    def initialize(
        self, model: str = BASE, run_name: str | None = None, **trainer: Any
    ) -> httpx.Response:
        config = {"num_generations": 4, "max_seq_len": 100, "beta": None, **trainer}
        body = {"model": model, "trainer_config": config, "inference_config": {"model": model}}
        response = self.post("fine_tuning/grpo/initialize", {"run_name": run_name, **body})
        self.job = response.json().get("job_id", self.job)
        return response

    def begin(self, **trainer: Any) -> Scripted:
        assert self.initialize(**trainer).status_code == 200
        self.policies[-1].may_step.set()
        return self.policies[-1]

    def chat(self, question: str = "When?", **body: Any) -> httpx.Response:
        messages = [{"role": "user", "content": question}]
        return self.post("chat/completions", {"model": self.job, "messages": messages, **body})

    def step(self, batch_id: int, batch: list[Any] | None = None) -> httpx.Response:
        batch = group() if batch is None else batch
        return self.grpo("step", model=self.job, batch_id=batch_id, batch=batch)

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + DEADLINE_S
        while not holds(status := self.grpo("status").json()):
            assert time.monotonic() < deadline, status
            time.sleep(0.01)
        return dict(status)


def group(rollouts: int = 4, **changes: Any) -> list[dict[str, Any]]:
    """A group of rollouts with rewards 0, .1, .2 ..."""
    return [
        {
            "messages": ASKED,
            "completion": {"role": "assistant", "content": f"In {2020 + number}"},
            "reward": 0.1 * number,
            **changes,
        }
        for number in range(rollouts)
    ]


@contextmanager
def served(folder: Path, start: Path | None = None, **real: Any) -> Iterator[Served]:
    """Arbor's application with the managers of a rehearsal; a scripted policy unless `real`."""
    rehearsal.install()
    from arbor.server.main import app  # type: ignore[import-untyped]

    def load(base: str, adapter: Path | None) -> Any:
        model = SimpleNamespace(
            config=SimpleNamespace(max_position_embeddings=2048),
            named_parameters=lambda: [("w", torch.ones(3)), ("w.lora_A", torch.ones(9))],
        )
        model.peft_config = {"default": SimpleNamespace(r=8, lora_alpha=32)}
        student = SimpleNamespace(base=base, base_sha256="", device="cpu", adapter=adapter)
        student.encode = lambda messages: " ".join(m["content"] for m in messages).split()
        student.model = model
        student.tokenizer = SimpleNamespace(chat_template="{}")
        return student

    def train(student: Any, settings: Any) -> Scripted:
        server.policies.append(Scripted(settings, student.adapter))
        return server.policies[-1]

    managers = rehearsal.managers(
        SimpleNamespace(storage_path=str(folder)), start, **(real or {"load": load, "train": train})
    )
    for name, manager in managers.items():
        setattr(app.state, name, manager)
    server = Served(_address(), managers["server_state"])
    try:
        yield server
    finally:
        for policy in server.policies:
            policy.may_step.set()
        managers["grpo_manager"].cleanup()


@cache
def _address() -> str:
    from arbor.server.main import app

    http = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    threading.Thread(target=http.run, daemon=True).start()
    while not http.started:
        time.sleep(0.01)
    return f"http://127.0.0.1:{http.servers[0].sockets[0].getsockname()[1]}"


def adapter(folder: Path, **changes: Any) -> Path:
    """The folder of an adapter, as far as a rehearsal looks at it."""
    card = {"base": BASE, "base_sha256": "", "targets": ["answer"], "rank": 8, "alpha": 32.0}
    card |= {"made_by": "sft", "data": "d", "conversations": ["conv-1"], "made_at": "2025"}
    folder.mkdir()
    (folder / "adapter.json").write_text(AdapterCard(**{**card, **changes}).model_dump_json())
    (folder / "adapter_config.json").write_text("{}")
    return folder
