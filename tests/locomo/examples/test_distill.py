"""A file of supervised examples: made once, interrupted and gone on with, nothing held out."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event
from typing import Any

import dspy
import pytest

from locomo.choices import TARGETS, Target
from locomo.examples.jsonl import read_examples, read_examples_card
from memory import InputError
from memory.errors import ModelError
from tests.support.example_maker import example_maker, long_talk
from tests.support.locomo_records import question, turn
from tests.support.scripted import sql
from tests.support.talk import reply, talk

# --- the file -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_file_has_its_lines_its_card_and_nothing_held_out(tmp_path: Path) -> None:
    maker = example_maker(tmp_path, talk("a"), long_talk("held"))
    maker = replace(maker, conversations=maker.conversations[:1])
    summary = maker.distill(*TARGETS, data="0" * 64, held_out=["held"])
    lines = [json.loads(line) for line in maker.file.read_text().splitlines()]
    assert all(list(line) == ["messages"] for line in lines)
    assert all([*map(list, line["messages"])] == [["role", "content"]] * 3 for line in lines)
    systems = [line["messages"][0]["content"] for line in lines]
    assert sum(a != b for a, b in pairwise(systems)) > len(TARGETS) - 1  # mixed
    assert "weather" not in maker.file.read_text()
    assert len(read_examples(maker.file)) == len(lines) == sum(summary.examples.values())
    card = read_examples_card(maker.file)
    assert (card.targets, card.examples) == (list(TARGETS), summary.examples)
    assert (card.model, card.data) == ("teacher", "0" * 64)
    assert (card.conversations, card.held_out) == (["a"], ["held"])
    assert sorted(path.name for path in tmp_path.glob("examples*")) == [
        "examples.card.json",
        "examples.jsonl",
        "examples.jsonl.calls",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupted_run_goes_on_and_ends_in_the_same_file(tmp_path: Path, threads: int) -> None:
    """Stopped in storing, in building memories and in retrieve, each time with a torn last line."""
    calls: dict[str, int] = {}
    stops = {"store": (4, 11), "retrieve": (2,)}

    def stopping(kind: str) -> Callable[[str], str]:
        def stops_at_times(prompt: str) -> str:
            calls[kind] = calls.get(kind, 0) + 1
            if calls[kind] in stops[kind]:
                raise KeyboardInterrupt
            return reply(prompt)

        return stops_at_times

    two = talk("a"), talk("b")
    (tmp_path / "whole").mkdir()
    whole = example_maker(tmp_path / "whole", *two)
    expected = whole.distill("store", "retrieve")
    replies = {kind: stopping(kind) for kind in ("store", "retrieve")}
    maker = example_maker(tmp_path, *two, **replies)
    for _ in range(5):
        try:
            summary = maker.distill("store", "retrieve", resume=True, threads=threads)
            break
        except KeyboardInterrupt:
            ledger = tmp_path / "examples.jsonl.calls" / "calls.jsonl"
            ledger.write_bytes(ledger.read_bytes() + b'{"key": "torn')
            retrieve_calls = calls.get("retrieve")
            assert not maker.file.exists()
    assert sum(calls.values()) > 11
    assert maker.file.read_text("utf-8") == whole.file.read_text("utf-8")
    assert summary.examples == expected.examples
    assert calls["retrieve"] == retrieve_calls  # what was made is not asked for again
    before = dict(calls)
    assert maker.distill("store", "retrieve", resume=True).examples == summary.examples
    assert calls == before  # a finished file is not made again


def _stop(prompt: str) -> str:
    raise KeyboardInterrupt


@pytest.mark.slow
def test_a_model_that_fails_ends_all_threads_and_keeps_what_was_made(tmp_path: Path) -> None:
    def store(prompt: str) -> str:
        if "LYON" in prompt:
            assert third.wait(20)
            raise dspy.utils.exceptions.LMAuthError("no", model="teacher")
        if "[5]" in prompt:
            third.set()
        time.sleep(0.02)  # 21 windows
        return sql("-- none")

    third = Event()
    fails = talk("a", session_1=[turn("D1:1", "LYON")])
    maker = example_maker(tmp_path, fails, long_talk("b"), store=store)
    with pytest.raises(ModelError, match="teacher refused the key"):
        maker.distill("store", threads=2)
    lines = (tmp_path / "examples.jsonl.calls" / "calls.jsonl").read_text().splitlines()
    assert 1 < len(lines) < 12


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "options", "targets", "message"),
    [
        ({"conversations": []}, {}, ["answer"], "no training conversation"),
        ({}, {}, [], "no target"),
        ({}, {"held_out": ["tiny"]}, ["answer"], "tiny: to learn from and held out"),
        (
            {"folder": Path("/proc/nobody")},
            {},
            ["answer"],
            "/proc/nobody/examples.jsonl.calls/calls.jsonl cannot be used",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_before_a_model_is_asked(
    tmp_path: Path, change: Any, options: Any, targets: list[Target], message: str
) -> None:
    maker = replace(example_maker(tmp_path, retrieve=_stop, store=_stop), **change)
    with pytest.raises(InputError, match=message):
        maker.distill(*targets, **options)


def test_a_folder_is_no_file_for_examples(tmp_path: Path) -> None:
    maker = example_maker(tmp_path)
    maker.file.mkdir()
    with pytest.raises(InputError, match="is a folder"):
        maker.distill("answer")


def test_questions_without_evidence_teach_nothing(tmp_path: Path) -> None:
    maker = example_maker(tmp_path, talk(qa=[question(4, evidence=[])]))
    with pytest.raises(InputError, match="evidence for answer"):
        maker.distill("answer")


def test_a_teacher_that_stores_nothing_at_all_is_no_teacher(tmp_path: Path) -> None:
    maker = example_maker(tmp_path, store=lambda prompt: sql("-- none"))
    with pytest.raises(InputError, match="3 tried for store"):
        maker.distill("store")


def test_a_target_that_fails_is_left_out_and_the_others_are_made(tmp_path: Path) -> None:
    maker = example_maker(tmp_path, store=lambda prompt: "I cannot")
    summary = maker.distill("answer", "store")
    assert list(summary.examples) == ["answer"]
    assert list(summary.left_out) == ["store"]
    assert "3 tried for store" in summary.left_out["store"]
    card = read_examples_card(maker.file)
    assert (card.targets, card.examples) == (["answer"], summary.examples)


ASKED = {"role": "user", "content": "q"}
SAID = {"role": "assistant", "content": "a"}


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        (None, "No such file"),
        ([], "has no examples"),
        (
            [{"messages": [ASKED, SAID]}, {"messages": [SAID, ASKED]}],
            "line 2: must end with the assistant's answer",
        ),
        ([{"messages": []}], "line 1: must end"),
        ([{"messages": [SAID]}], "line 1: must end"),
        ([{"messages": [SAID], "more": 1}], "line 1 is not an example: Extra"),
        ([{"messages": [SAID | {"role": "tool"}]}], "line 1 is not an example"),
        (["text"], "line 1 is not an example"),
    ],
)
def test_a_line_that_is_no_example_is_named(tmp_path: Path, lines: Any, why: str) -> None:
    file = tmp_path / "e.jsonl"
    if lines is not None:
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(InputError, match=why):
        read_examples(file)
