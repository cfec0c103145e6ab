"""Jobs on threads: results in order, and an end that loses nothing."""

import time
from functools import partial
from threading import Event
from threading import enumerate as enumerate_threads

import pytest

from locomo.parallel import run_parallel
from memory import load_model
from memory.models import packaged_gguf


def test_results_come_in_the_order_of_the_jobs() -> None:
    def job(number: int) -> int:
        time.sleep(0.02 * (number == 0))
        return number

    finished: list[int] = []
    jobs = [partial(job, number) for number in range(6)]
    assert run_parallel(jobs, 3, finished.append) == list(range(6))
    assert sorted(finished) == list(range(6))
    assert run_parallel([], 3) == []


@pytest.mark.slow
def test_ctrl_c_ends_calls_of_a_model_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer of some thousand tokens would take minutes."""
    monkeypatch.setenv("MEMORY_GGUF_THREADS", "1")
    lm = load_model(f"gguf:{packaged_gguf()}").lm.copy(max_tokens=5_000)
    ends: list[type[BaseException]] = []

    def long() -> str:
        try:
            return str(lm("Tell a long story of a thousand words.")[0])
        except BaseException as end:
            ends.append(type(end))
            raise

    def interrupted() -> str:
        while not [thread for thread in enumerate_threads() if thread.name == "llama.cpp"]:
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parallel([long, long, interrupted], 3)
    assert ends == [KeyboardInterrupt] * 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_a_failure_ends_the_others_and_hands_on_what_they_finish(
    error: type[BaseException],
) -> None:
    started, ended, finished = Event(), Event(), list[str]()

    def long() -> str:
        started.set()
        assert ended.wait(10)
        return "paid for"

    def failing() -> str:
        assert started.wait(10)
        raise error

    with pytest.raises(error):
        run_parallel([long, failing], 2, finished.append, ended)
    assert finished == ["paid for"]
