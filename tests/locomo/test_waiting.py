"""A server that accepts and never answers: commands say what they wait for, and end in time."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

import evaluate
import optimize
import train
from locomo.results import agreement
from locomo.scripts import evaluate as evaluating
from locomo.scripts import optimize as compiling
from tests.support.commands import run_in_process
from tests.support.talk import QUESTIONS, talk

pytestmark = pytest.mark.slow


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Of a server whose connections are taken by the system, and read by nobody."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("MEMORY_CALL_SECONDS", "0.4")
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def as_app(script: Callable[..., object]) -> typer.Typer:
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(script)
    return app


PLACES = "--data {data} --output-dir {out}"


@pytest.mark.parametrize(
    ("app", "line"),
    [
        (as_app(evaluate.evaluate), f"--model openai/m --api-base {{}} {PLACES}"),
        (as_app(optimize.optimize), f"--model openai/m --api-base {{}} {PLACES}"),
        (
            train.app,
            f"--mode distill --target retrieve --helper openai/m --helper-api-base {{}} {PLACES}",
        ),
        (agreement.app, "--judge-model openai/m --judge-api-base {}"),
    ],
    ids=["evaluate", "optimize", "train", "agreement"],
)
def test_a_server_that_never_answers_is_named_and_given_up(
    app: typer.Typer,
    line: str,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for script in (evaluating, compiling):
        monkeypatch.setattr(script, "connect_mlflow", lambda experiment: None)
    data, out = tmp_path / "talks.json", tmp_path / "out"
    data.write_text(json.dumps([talk("a", QUESTIONS * 6), talk("b", QUESTIONS * 6)]))
    arguments = line.format(address, data=data, out=out).split()
    done = run_in_process(app, *arguments)
    assert done.returncode == 2
    host = address.removeprefix("http://").removesuffix("/v1")
    assert f"waiting for {host}, 0.4 seconds at most" in done.stderr
    assert "0.4 seconds" in done.stderr
    assert not out.exists()
