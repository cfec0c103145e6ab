"""Runs jobs on threads or machines: the first failure ends the others; finished work is kept."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextvars import copy_context
from functools import partial
from threading import Event
from typing import TypeVar

from memory.models import Usage, add_usage, end_calls, with_usage
from memory.system import over_machines

T = TypeVar("T")
Item = TypeVar("Item")
# A task that waits for a hosted model needs little of a core.
_CPUS_WAITING = 0.25


def run_parallel(
    jobs: Sequence[Callable[[], T]],
    threads: int,
    finished: Callable[[T], object] = lambda result: None,
    ended: Event | None = None,
) -> list[T]:
    """Run jobs on `threads` threads; returns their results in the order of the jobs.

    Arguments:
        finished: called in this thread with each result as it comes.
        ended: set when a job fails or the user presses Ctrl-C. A long job should check it and raise
            an error; a job that does not check it runs to its end.

    On the first failure, or Ctrl-C, no further job starts, and Ctrl-C ends calls of models in this
    process; `finished` still gets the results of running jobs, then the error is raised. Jobs run
    in copies of the caller's context, so a usage tracker of the caller counts their model calls.
    """
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(copy_context().run, job) for job in jobs]
        handed_on: set[Future[T]] = set()
        try:
            for future in as_completed(futures):
                finished(future.result())
                handed_on.add(future)
        except BaseException as error:
            if ended:
                ended.set()
            if isinstance(error, KeyboardInterrupt):
                end_calls()  # of a model in this process, which would take minutes
            pool.shutdown(wait=True, cancel_futures=True)
            for future in set(futures) - handed_on:
                # Their answers were paid for.
                if future.done() and not future.cancelled() and not future.exception():
                    finished(future.result())
            raise
    return [future.result() for future in futures]


def run_over(
    function: Callable[[Item], T],
    items: Sequence[Item],
    over: str,
    *,
    waits: bool,
    finished: Callable[[T], object] = lambda result: None,
    cancels: bool = False,
    idle: Callable[[], None] = lambda: None,
) -> list[T]:
    """Apply a function to each item on a Ray cluster; returns the results in the items' order.

    Model calls of the cluster count here. Works like `run_parallel`, but with `cancels` running
    tasks are interrupted when it ends early. `waits`: a task mostly waits for a server. For the
    other arguments see `over_machines`.
    """
    results: dict[int, T] = {}
    counted = partial(_counted, function)
    tasks = over_machines(
        counted,
        items,
        over,
        cpus=_CPUS_WAITING if waits else 1.0,
        cancels=cancels,
        idle=idle,
    )
    for index, (result, usage) in tasks:
        add_usage(usage)
        finished(result)
        results[index] = result
    return [results[index] for index in range(len(items))]


def _counted(function: Callable[[Item], T], item: Item) -> tuple[T, Usage]:
    return with_usage(partial(function, item))
