"""The command that a coding agent's hooks run: it asks the warm server, and makes no one wait.

The agent starts this file by its path, without the package (`python -I -S hook.py AGENT`), so it
imports little of the standard library and nothing else: a start takes as long as Python's own. The
hook's JSON comes on stdin; what goes into the model's context is printed. Whatever happens, it
prints nothing else and ends with exit code 0 within SECONDS.
"""

import json
import os
import signal
import socket
import sys
import time

SECONDS = 2.0  # from the command's start to its end, answer or not
_LONGEST_INPUT = 32_000_000  # bytes
_LONGEST_LOG = 1_000_000  # bytes; then it begins anew, and the one before it is kept
_MEMORY_HOME = "MEMORY_HOME"
_VARIABLE = "SQL_MEMORY_HOOK_SECONDS"  # for slow machines
_TRY_AGAIN_S = 0.02
_PACKAGE_LEVELS = 3  # from this file to the folder with the package


class Silence(Exception):
    """There is nothing to say; the message is for the log."""


def main(arguments: list[str]) -> None:
    """Read a hook's input, ask the server, print its answer, and leave."""
    began = time.monotonic()
    seconds = _seconds()
    if hasattr(signal, "SIGALRM"):  # not on Windows
        # The last resort, even if a pipe or a disk hangs.
        signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
        signal.setitimer(signal.ITIMER_REAL, seconds)
    agent, options = _options(arguments)
    state = options.get("state", "")
    event, outcome = "", ""
    try:
        payload = json.loads(sys.stdin.buffer.read(_LONGEST_INPUT))
        event = str(payload.get("hook_event_name", ""))[:40]
        request = {"agent": agent, "options": options, "payload": payload}
        answer = ask(state, request, began + seconds * 0.9)
        outcome = str(answer.get("outcome", ""))
        if context := answer.get("context"):
            printed = {"hookSpecificOutput": {"hookEventName": event, "additionalContext": context}}
            sys.stdout.write(json.dumps(printed) + "\n")
            sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the agent's work goes on whatever it is
        outcome = f"{type(error).__name__}: {error}"[:300]
    log(state, f"{agent} {event} {(time.monotonic() - began) * 1000:.0f} ms {outcome}")
    os._exit(0)  # without the interpreter's end, which could fail or wait


def _seconds() -> float:
    try:
        return float(os.environ[_VARIABLE])
    except (KeyError, ValueError):
        return SECONDS


def _options(arguments: list[str]) -> tuple[str, dict[str, str]]:
    """The agent, and the options that `memory connect` wrote: --name value."""
    options = {}
    for name, value in zip(arguments[1::2], arguments[2::2], strict=False):
        options[name.removeprefix("--")] = value
    return (arguments or [""])[0], options


def memory_home(state: str, needs_home: bool = False) -> str:
    """The folder or database with the memories. Raises Silence if only the agent could say."""
    home = os.environ.get(_MEMORY_HOME, "")
    if not home and needs_home:
        raise Silence("MEMORY_HOME is not set where the agent runs")
    home = home or os.path.dirname(state)
    return home if "://" in home else os.path.abspath(home)


def socket_path(home: str) -> str:
    """Where the server of these memories listens; a path of a socket may have 100 characters.

    Raises Silence when the folder is another person's.
    """
    import hashlib

    folder = os.environ.get("XDG_RUNTIME_DIR") or ""
    if len(folder) > 40 or not os.path.isdir(folder):
        folder = "/tmp"  # noqa: S108 - in it a folder of the user alone, which is checked
    folder = os.path.join(folder, f"sql-memory-{os.getuid()}")
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        status = os.lstat(folder)
        # 0o40700: a folder that only its owner may use.
        if status.st_uid != os.getuid() or status.st_mode != 0o40700:
            raise Silence(f"{folder} is not a folder of yours alone") from None
    code = os.stat(__file__)  # a newer version has its own server
    words = f"{home}\n{__file__}\n{code.st_mtime_ns}"
    return os.path.join(folder, hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:20])


def ask(
    state: str, request: dict[str, object], deadline: float, starts: bool = True
) -> dict[str, object]:
    """The server's answer to a request; starts the server if there is none.

    Raises Silence or OSError when there is no answer before the deadline (of `time.monotonic`).
    """
    options = request.get("options")
    needs_home = isinstance(options, dict) and "needs-home" in options
    home = memory_home(state, needs_home)
    path = socket_path(home)
    is_started = not starts
    while True:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise Silence("no answer in time")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            try:
                connection.connect(path)
                request = {**request, "seconds": deadline - time.monotonic()}
                connection.sendall(json.dumps(request).encode() + b"\n")
                connection.shutdown(socket.SHUT_WR)
                answer = b""
                while part := connection.recv(65_536):
                    answer += part
            except (FileNotFoundError, ConnectionError):  # a server being killed resets it
                if not is_started:
                    _start_server(home, path)
                    is_started = True
                elif not starts:
                    raise
                time.sleep(_TRY_AGAIN_S)
                continue
        if not answer:
            raise Silence("the server ended")
        loaded = json.loads(answer)
        if not isinstance(loaded, dict):
            raise Silence("no answer of the server")
        return loaded


def _start_server(home: str, path: str) -> None:
    """Start the server in its own session, which outlives the agent."""
    package = os.path.abspath(__file__)
    for _ in range(_PACKAGE_LEVELS):
        package = os.path.dirname(package)
    # -P: the agent works in someone's project folder, where our modules must not be looked up.
    code = (
        f"import sys; sys.path.append({package!r});"
        f" from memory.agents.server import serve; serve({path!r})"
    )
    if os.fork():
        return
    try:
        os.setsid()
        signal.setitimer(signal.ITIMER_REAL, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        os.closerange(3, 1_024)  # the agent waits until these are closed
        os.chdir("/")
        environment = {**os.environ, _MEMORY_HOME: home}
        command = [sys.executable, "-P", "-c", code]
        os.execve(sys.executable, command, environment)  # noqa: S606
    finally:
        os._exit(1)


def log(state: str, line: str) -> None:
    """Write a line to hook.log, never with anything that was said."""
    if not state:
        return
    path = os.path.join(state, "hook.log")
    try:
        os.makedirs(state, 0o700, exist_ok=True)
        if os.path.exists(path) and os.path.getsize(path) > _LONGEST_LOG:
            os.replace(path, path + ".1")
        text = f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {' '.join(line.split())}\n"
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(number, text.encode("utf-8", "replace"))
        finally:
            os.close(number)
    except OSError:
        pass  # a full disk: the agent's work goes on


if __name__ == "__main__":
    main(sys.argv[1:])
