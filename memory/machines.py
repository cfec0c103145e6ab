"""Work on several machines: one Ray task per item, with results as they arrive."""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar

from memory.errors import InputError, Stop

RAY = "ray"
_SCHEME = "ray://"
_RETRIES = 3  # of an item whose machine was lost
_MISSING = "--over needs Ray: `pip install 'sql-memory[ray]'`"
_WAIT_S = 1.0
_PATIENCE_S = 60.0
Item = TypeVar("Item")
Result = TypeVar("Result")


def check_over(over: str) -> str:
    """Validate `--over`; empty means this process alone. Raises InputError for an invalid value.

    This does not import Ray, which takes a second.
    """
    if over and over != RAY and not over.startswith(_SCHEME):
        raise InputError(f"--over {over!r}: write ray, or ray://HOST:PORT of a cluster")
    if over and find_spec("ray") is None:
        raise InputError(_MISSING)
    return over


def over_machines(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    over: str = RAY,
    *,
    cpus: float = 1.0,
    cancels: bool = False,
    idle: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, Result]]:
    """Apply a function to each item on any free machine; yields (index, result) as they arrive.

    An item whose machine is lost runs again elsewhere, so the function must be safe to run twice.

    Arguments:
        function: pickled once, so it should hold what all items share; results are pickled, too.
        over: `ray` (the cluster of RAY_ADDRESS, one that runs on this machine, or the cores of this
            machine alone), or `ray://HOST:PORT`.
        cpus: cores per task; less than one for tasks that wait for a server.
        cancels: whether to interrupt running tasks when this ends early; else it waits for them and
            yields their results.
        idle: called about every second.

    On the first error, or Ctrl-C, no further item starts; it is raised at the end.
    Raises what the function raises; Stop when machines are lost again and again; InputError when
    no cluster answers.
    """
    ray = _connected(over)
    task = _task(function, cpus)
    numbered = enumerate(items)
    indices: dict[Any, int] = {}
    failure: BaseException | None = None
    try:
        while True:
            try:
                if failure is None:
                    room = _room(ray, cpus) - len(indices)
                    for index, item in islice(numbered, max(room, 0)):
                        indices[task.remote(item)] = index
                if not indices:
                    break
                done, _ = ray.wait([*indices], timeout=_WAIT_S)
                idle()
                if not done:
                    continue
                index = indices.pop(done[0])
                result = _result(ray, done[0])
            except BaseException as error:
                if failure is not None and isinstance(error, KeyboardInterrupt):
                    raise
                if failure is None and cancels:
                    _cancel(ray, indices)
                failure = failure or error
                continue
            yield index, result
        if failure is not None:
            raise failure
    finally:
        _cancel(ray, indices)


def _room(ray: ModuleType, cpus: float) -> int:
    """How many tasks may run now, as machines come and go."""
    return max(int(ray.cluster_resources().get("CPU", 0.0) / cpus), 1)


def _cancel(ray: ModuleType, tasks: Iterable[Any]) -> None:
    """Interrupt tasks as Ctrl-C does, and wait until they have released their resources."""
    under_way = [*tasks]
    for task in under_way:
        ray.cancel(task)
    if under_way:
        ray.wait(under_way, num_returns=len(under_way), timeout=_PATIENCE_S)


def _result(ray: ModuleType, task: Any) -> Any:
    """The result of a task; raises the function's error as if it ran here."""
    try:
        return ray.get(task)
    except ray.exceptions.RayTaskError as error:
        raise error.cause if isinstance(error.cause, Exception) else error from None
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise Stop(
            f"a task was lost with its machine more than {_RETRIES} times; what is finished is"
            f" kept, and the same command goes on ({reason})"
        ) from error


@lru_cache(maxsize=16)
def _task(function: Callable[[Item], Result], cpus: float) -> Any:
    """A function as a Ray task, created once: else Ray sends it again with each call."""

    def run(item: Item) -> Result:
        return function(item)

    return _ray().remote(max_retries=_RETRIES, num_cpus=cpus)(run)


def _connected(over: str) -> ModuleType:
    """Ray, connected, without output, dashboard or usage reports."""
    ray = _ray()
    if not ray.is_initialized():
        address = over if over.startswith(_SCHEME) else None
        try:
            ray.init(
                address=address,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level="ERROR",
            )
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            where = address or os.environ.get("RAY_ADDRESS") or "this machine"
            reason = str(error).strip().splitlines()[0][:200]
            raise InputError(f"--over: no Ray at {where} ({reason})") from error
    return ray


def _ray() -> ModuleType:
    # Before the import: Ray reports its use unless it is told not to, and would make an environment
    # of its own for what `uv run` started.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(_MISSING) from error
    module: ModuleType = ray
    return module
