"""The command refine: a forecast, what changed and why, what it was worth, and the way back."""

import shlex
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from memory import open_store
from memory.__main__ import app
from memory.refine import run as refine_run
from tests.support.contents import content_of
from tests.support.refiner import Call, creating, deleting, furnished, refiner_model
from tests.support.scripted import patch_load_model

BOTH_STORES = "slow"

Run = Callable[..., Result]


@pytest.fixture
def run(address: str, memory_options: list[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs `refine` on a memory that lacks a fact, with a model that makes these calls."""
    furnished(address, without=[3])
    monkeypatch.setenv("OPENAI_API_KEY", "a key of the tests")

    def command(*arguments: str, scripts: Sequence[Sequence[Call]] = (), **settings: Any) -> Result:
        model, _ = refiner_model(*scripts)
        patch_load_model(monkeypatch, lambda name, *_, **settings: model)
        usual = ["facts", "refine", *memory_options, "--model", "openai/x", "--questions", "12"]
        return CliRunner().invoke(app, [*usual, *arguments], **settings)

    return command


@pytest.mark.slow
def test_what_changed_and_what_it_was_worth_is_printed_with_the_way_back(
    run: Run, address: str, memory_options: list[str]
) -> None:
    done = run("--yes", scripts=[[creating(3), deleting(1)], []])
    assert done.exit_code == 0, done
    assert "refiner at " in done.stderr
    assert "at most 423 calls" in done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].endswith("1 fact  refine manage_memory create: nothing tells of the drum")
    assert lines[1:] == [
        "  + Ann keeps: the drum in the shed (fact 12, turn 3)",
        "dropped: delete_memory: it says little",
        "answers from facts alone, on 6 questions held out: 1.000 -> 1.000 (+0.000); on the"
        " 6 that chose the operations: 0.833 -> 1.000",
        "2 operations (manage_memory 1, delete_memory 1): 1 kept, 1 dropped; 11 -> 12 facts",
        lines[5],
        f"to undo all of it: memory facts revert '#1' {shlex.join(memory_options)}",
    ]
    assert lines[5].startswith("refiner: ")
    assert CliRunner().invoke(app, ["facts", "revert", "#1", *memory_options]).exit_code == 0
    with open_store(address) as store:
        assert len(store.facts()) == 11


def test_it_asks_before_it_costs_anything(run: Run, address: str) -> None:
    before = content_of(address)
    assert "nothing was changed" in str(run(input="n\n").exception)
    assert content_of(address) == before


def test_the_packaged_model_is_not_asked(address: str, memory_options: list[str]) -> None:
    furnished(address)
    done = CliRunner().invoke(app, ["facts", "refine", "--model", "local", *memory_options])
    assert "too small to refine" in str(done.exception)


def test_without_a_model_nothing_is_refined(address: str, memory_options: list[str]) -> None:
    furnished(address)
    done = CliRunner().invoke(app, ["facts", "refine", *memory_options])
    assert "give --model" in str(done.exception)


def test_ctrl_c_says_that_nothing_was_changed(
    run: Run, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    before = content_of(address)
    monkeypatch.setattr(refine_run, "_helping", interrupted)
    done = run("--yes", scripts=[[creating(3)], []])
    assert done.exit_code == 2
    assert "nothing was changed" in done.stderr
    assert content_of(address) == before
