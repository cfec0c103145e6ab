"""Work on several machines: one Ray task per item, with results as they arrive."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib.util import find_spec
from itertools import islice
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from memory.errors import InputError, Stop
from memory.system.logs import clean_logger

RAY = "ray"
_SCHEME = "ray://"
_RETRIES = 3  # of an item whose machine was lost
_MISSING = "--over needs Ray: `pip install '.[ray]'` in the clone"
_WAIT_S = 1.0
_PATIENCE_S = 60.0
# In which a cluster answers: Ray itself tries for minutes, and prints what it tries.
_ANSWER_S = 5.0
_QUIET_S = 15.0  # of a start, before a line says what is waited for
_log = clean_logger("memory.machines")
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
        over: `ray` (the cluster of RAY_ADDRESS, a cluster on this machine, or just this machine's
            cores), or `ray://HOST:PORT`.
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
    if ray.is_initialized():
        return ray
    address = _address(over)
    where = address or "this machine"
    options: dict[str, Any] = {"address": address}
    if not address:
        _stay_on_loopback()
        options = {"address": "local", "include_dashboard": False}
    notice = threading.Timer(_QUIET_S, _log.warning, ["still waiting for Ray at %s", where])
    notice.daemon = True
    notice.start()
    try:
        if address:
            _refuse_silent(address)
        ray.init(log_to_driver=False, logging_level="CRITICAL", **options)
    # Ray raises whatever its start meets, and Exception itself where a process of it is late.
    except Exception as error:
        ray.shutdown()  # what has started
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise InputError(f"--over: no Ray at {where} ({reason})") from error
    finally:
        notice.cancel()
    return ray


def _stay_on_loopback() -> None:
    """Let what Ray starts listen on loopback, as it does by itself on macOS and Windows.

    Elsewhere it takes the machine's address, also for the option `_node_ip_address="127.0.0.1"`,
    and listens at all of them, for whoever can reach it.
    """
    from ray._private import ray_constants

    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # read when Ray is imported
    ray_constants.ENABLE_RAY_CLUSTER = False


def _address(over: str) -> str:
    """The address of the cluster to use, "" if one is started for this process."""
    named = over if over.startswith(_SCHEME) else os.environ.get("RAY_ADDRESS", "")
    if named and named not in ("auto", "local"):
        return named
    from ray._private.services import canonicalize_bootstrap_address

    # A cluster that `ray start` began on this machine.
    return canonicalize_bootstrap_address(named or None) or ""


def _refuse_silent(address: str) -> None:
    """Raises OSError if nothing listens, ValueError for an address without a port."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    if not (parts.hostname and parts.port):
        raise ValueError("write HOST:PORT")
    socket.create_connection((parts.hostname, parts.port), timeout=_ANSWER_S).close()


def _ray() -> ModuleType:
    # Before the import: Ray reports its use by default, and would make a separate environment for
    # anything started by `uv run`.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    # Processes of Ray's dashboard, which is off: a start need not wait for them for a minute.
    os.environ.setdefault("RAY_DASHBOARD_STARTUP_TIMEOUT_S", "20")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError(_MISSING) from error
    module: ModuleType = ray
    return module
