"""Answers judged by OpenAI's own client over its Batch API, on a stand-in server."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from locomo.harness import AnswerLog, Result, answer_log
from locomo.results.batch_judging import BATCH, POLL_S, judge_by_batch
from locomo.results.judging import is_judged, judge_answers
from memory import InputError
from memory.errors import ModelError
from memory.program import Model
from memory.program.hosted import HostedModel
from tests.support.batch_server import batches
from tests.support.scripted import scripted_model

QUIET = Console(quiet=True)


class PricedModel(HostedModel):
    price = (0.01, 0.1)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-test")


def judge(address: str, *answers: tuple[list[str], str]) -> Model:
    fields = {**vars(scripted_model(answers)), "name": "openai/judge", "api_base": address}
    return PricedModel(**fields)


def result(index: int, answer: str, **fields: Any) -> Result:
    return Result("memory", "chat", index, 4, "Where?", "Lyon", answer, 0.0, 1.0, 0.1, **fields)


def says(correct: str) -> str:
    return f"[[ ## reason ## ]]\nso\n\n[[ ## correct ## ]]\n{correct}\n\n[[ ## completed ## ]]"


def by_answer(body: dict[str, Any]) -> str:
    return says(str("given_answer ## ]]\nLyon" in body["messages"][-1]["content"]))


def logged(folder: Path, *results: Result) -> AnswerLog:
    log = answer_log(folder / "answers.jsonl", resume=False)
    for answered in results:
        log.add(answered)
    return log


def none(seconds: float) -> None:
    assert seconds == POLL_S


def test_a_batch_judges_answers_at_half_the_price(tmp_path: Path) -> None:
    results = [result(0, "Lyon"), result(1, "Nice"), result(2, "", unusable="it said nothing")]
    log = logged(tmp_path, *results)
    with batches(by_answer) as (address, server):
        judged, cost = judge_by_batch(results, judge(address), log, tmp_path, QUIET, wait=none)
    assert [dict(answered.verdicts) for answered in judged] == [
        {"lenient (openai/judge)": True, "strict (openai/judge)": True},
        {"lenient (openai/judge)": False, "strict (openai/judge)": False},
        {},
    ]
    assert log.records[results[0].key].verdicts == judged[0].verdicts
    assert (cost.calls, cost.tokens_in, cost.tokens_out) == (4, 400, 40)
    assert cost.dollars == pytest.approx((400 * 0.01 + 40 * 0.1) / 2)
    [request, *_] = map(json.loads, server.files["file-1"].splitlines())
    assert (request["method"], request["url"]) == ("POST", "/v1/chat/completions")
    assert request["body"]["model"] == "judge"
    assert [message["role"] for message in request["body"]["messages"]] == ["system", "user"]
    assert server.batches["batch_1"]["completion_window"] == "24h"
    assert not (tmp_path / BATCH).exists()
    # Everything is judged: nothing is sent again.
    with batches(by_answer) as (address, server):
        again, cost = judge_by_batch(judged[:2], judge(address), log, tmp_path, QUIET, wait=none)
    assert (again, cost.calls, server.files) == (judged[:2], 0, {})


@pytest.mark.slow
def test_after_an_interruption_the_same_batch_is_waited_for(tmp_path: Path) -> None:
    results = [result(0, "Lyon")]
    log = logged(tmp_path, *results)

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with batches(by_answer) as (address, server):
        with pytest.raises(KeyboardInterrupt):
            judge_by_batch(results, judge(address), log, tmp_path, QUIET, wait=interrupt)
        judged, _ = judge_by_batch(results, judge(address), log, tmp_path, QUIET, wait=none)
        assert is_judged(judged[0], judge(address))
        assert list(server.batches) == ["batch_1"]
        # Of other answers, another batch.
        with pytest.raises(KeyboardInterrupt):
            judge_by_batch(results, judge(address), log, tmp_path, QUIET, wait=interrupt)
        others = [result(5, "Nice")]
        judge_by_batch(others, judge(address), log, tmp_path, QUIET, wait=none)
        assert list(server.batches) == ["batch_1", "batch_2", "batch_3"]


@pytest.mark.slow
@pytest.mark.parametrize("reply", [lambda body: None, lambda body: "Hm."])
def test_what_a_batch_leaves_out_is_judged_call_by_call(
    tmp_path: Path, reply: Callable[[dict[str, Any]], str | None]
) -> None:
    results = [result(0, "Lyon"), result(1, "Nice")]
    log = logged(tmp_path, *results)

    with batches(lambda body: reply(body) if "Nice" in str(body) else by_answer(body)) as (
        address,
        server,
    ):
        server.ends_as = "expired"
        script = [(["Nice"], says("False")), (["Nice"], says("False"))]
        model = judge(address, *script)
        judged, _ = judge_by_batch(results, model, log, tmp_path, QUIET, wait=none)
    assert [is_judged(answered, model) for answered in judged] == [True, False]
    judged = judge_answers(judged, model, log=log, threads=1, console=QUIET)
    assert set(judged[1].verdicts.values()) == {False}


@pytest.mark.slow
def test_a_batch_that_fails_says_why_and_is_not_waited_for_again(tmp_path: Path) -> None:
    results = [result(0, "Lyon")]
    log = logged(tmp_path, *results)
    with batches(lambda body: None) as (address, server):
        server.ends_as = "failed"
        with pytest.raises(ModelError, match="batch_1 is failed"):
            judge_by_batch(results, judge(address), log, tmp_path, QUIET, wait=none)
    assert not (tmp_path / BATCH).exists()


def test_what_cannot_be_judged_by_batch_is_told_before_anything_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logged(tmp_path)
    model = judge("http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match="judges no rubrics"):
        judge_by_batch([result(0, "x", rubric=("a",))], model, log, tmp_path, QUIET)
    other = replace(model, name="ollama_chat/llama")
    with pytest.raises(InputError, match="for judges of OpenAI"):
        judge_by_batch([result(0, "x")], other, log, tmp_path, QUIET)
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        judge_by_batch([result(0, "x")], model, log, tmp_path, QUIET)
