"""Jobs on threads: results in order, and an end that loses nothing."""

import time
from functools import partial
from threading import Event

import pytest

from locomo.parallel import run_parallel


def test_results_come_in_the_order_of_the_jobs() -> None:
    def job(number: int) -> int:
        time.sleep(0.02 * (number == 0))
        return number

    finished: list[int] = []
    jobs = [partial(job, number) for number in range(6)]
    assert run_parallel(jobs, 3, finished.append) == list(range(6))
    assert sorted(finished) == list(range(6))
    assert run_parallel([], 3) == []


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
