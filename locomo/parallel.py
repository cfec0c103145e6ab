"""Jobs on threads: the first that fails ends the others, and what was finished is kept."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from threading import Event
from typing import TypeVar

T = TypeVar("T")


def run_parallel(
    jobs: Sequence[Callable[[], T]],
    threads: int,
    finished: Callable[[T], object] = lambda result: None,
    ended: Event | None = None,
) -> list[T]:
    """Run jobs, `threads` at a time; returns their results in the order of the jobs.

    Arguments:
        finished: called in this thread with each result as it comes.
        ended: set when a job fails or the user presses Ctrl-C. A long job should look at it and
            raise something; a job that does not look at it is waited for.

    On the first failure, or Ctrl-C, no further job starts, the results of those under way are
    handed to `finished` too, and the error is raised. Jobs run in copies of the caller's context:
    what sums up its calls of models sums up theirs.
    """
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(copy_context().run, job) for job in jobs]
        handed_on: set[Future[T]] = set()
        try:
            for future in as_completed(futures):
                finished(future.result())
                handed_on.add(future)
        except BaseException:
            if ended:
                ended.set()
            pool.shutdown(wait=True, cancel_futures=True)
            for future in set(futures) - handed_on:
                # Their answers were paid for.
                if future.done() and not future.cancelled() and not future.exception():
                    finished(future.result())
            raise
    return [future.result() for future in futures]
