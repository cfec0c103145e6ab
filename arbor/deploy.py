"""Rents GPUs on RunPod, starts the server on them, and terminates the pods.

This relies on RunPod: a pod has `runpodctl` and a key for itself, so `runpodctl remove pod
$RUNPOD_POD_ID` terminates it from within; its image's /start.sh starts sshd with the account's
public keys; `https://POD-PORT.proxy.runpod.net` leads to a port given as `http`.
"""

import base64
import io
import json
import os
import re
import signal
import sys
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import yaml
from typer import Option

GPUS = {
    "RTX3090": "NVIDIA GeForce RTX 3090",
    "A6000": "NVIDIA RTX A6000",
    "A100": "NVIDIA A100 80GB PCIe",
    "H100": "NVIDIA H100 80GB HBM3",
}
IMAGE = "runpod/pytorch:2.8.0-py3.11-cuda12.8.1-cudnn-devel-ubuntu22.04"
CUDA = ["12.8", "12.9", "13.0"]  # drivers of machines that can start this image
PORT = 7453
HERE = Path(__file__).resolve().parent
WORKPLACE = "/workspace"
# The timer comes first, so nothing after it can stop it. It ends at a point in time, not after a
# duration, so a restarted pod does not start the count again. HOME is on the volume: packages,
# models and checkpoints are too large for the container's disk, which does not keep them.
START = (
    "bash -c '(until [ $(date +%s) -ge $ARBOR_ENDS ]; do sleep 20; done; "
    "until runpodctl remove pod $RUNPOD_POD_ID; do sleep 60; done) & "
    "[ -x /start.sh ] && /start.sh & "
    "mkdir -p $ARBOR_FOLDER && cd $ARBOR_FOLDER && echo $ARBOR_FILES | base64 -d | tar xz && "
    "HOME=$ARBOR_FOLDER bash startup.sh; echo startup.sh ended with $?; wait'"
)
PROXY = os.environ.get("RUNPOD_PROXY_URL", "https://{pod}-{port}.proxy.runpod.net")
CONSOLE = "https://console.runpod.io/pods"
KEYS = "https://console.runpod.io/user/settings"
MAX_SIZE = 10_000  # GPUs, GB, hours, minutes: more is a typing error
POLL_S = 0.2, 15.0  # the first and the longest pause between two checks
# Pauses before each attempt to terminate: a new pod appears late in the list.
TRIES_S = 0.0, 1.0, 2.0, 5.0, 10.0


class DeployError(Exception):
    """The pod cannot be created or terminated; the message says what to do."""


class LostAnswer(DeployError):
    """RunPod did not answer a request, but may have carried it out."""


@dataclass(frozen=True)
class Request:
    """One pod. `files` is a packed folder in base64; sizes in GB; no `token`: SSH only."""

    name: str
    gpu_type: str
    gpu_count: int
    disk: int
    volume: int
    max_hours: float
    files: str
    token: str | None

    @property
    def ports(self) -> str:
        """The ports that are open to the internet."""
        return f"22/tcp,{PORT}/http" if self.token else "22/tcp"

    def env(self, now: float) -> dict[str, str]:
        """The environment of a pod created at `now`, in seconds since 1970."""
        env = {
            "ARBOR_ENDS": str(int(now + self.max_hours * 3600)),
            "ARBOR_FOLDER": f"{WORKPLACE}/arbor",
            "ARBOR_HOST": "0.0.0.0" if self.token else "127.0.0.1",  # noqa: S104
            "ARBOR_PORT": str(PORT),
            "ARBOR_FILES": self.files,
        }
        if self.token:
            env["ARBOR_TOKEN"] = self.token
        return env

    def arguments(self, now: float) -> dict[str, Any]:
        """The arguments of `runpod.create_pod`, which puts strings into GraphQL unescaped."""
        return {
            "name": quoted(self.name),
            "image_name": IMAGE,
            "gpu_type_id": GPUS[self.gpu_type],
            "cloud_type": "SECURE",
            "gpu_count": self.gpu_count,
            "volume_in_gb": self.volume,
            "container_disk_in_gb": self.disk,
            "docker_args": quoted(START),
            "ports": self.ports,
            "volume_mount_path": WORKPLACE,
            "env": {name: quoted(value) for name, value in self.env(now).items()},
            "allowed_cuda_versions": CUDA,
        }

    def lines(self, dollars: float) -> Iterable[str]:
        """The request as text, with its price per hour (0: unknown), without secrets."""
        hours = f"{self.max_hours:g} hours"
        total = dollars * self.max_hours
        price = f"$ {dollars:.2f} an hour, $ {total:.2f} in {hours}; disk and volume are extra"
        variables = self.env(0) | {
            "ARBOR_ENDS": f"(in {hours})",
            "ARBOR_FILES": f"({len(self.files):,} characters)",
        }
        if self.token:
            variables["ARBOR_TOKEN"] = "(hidden)"  # noqa: S105
        yield f"name    {self.name}"
        yield f"image   {IMAGE}"
        yield f"GPUs    {self.gpu_count} x {self.gpu_type} ({GPUS[self.gpu_type]}), secure cloud"
        yield f"disk    {self.disk} GB, and a volume of {self.volume} GB at {WORKPLACE}"
        yield f"ports   {self.ports}"
        yield f"env     {' '.join(map('='.join, variables.items()))}"
        yield f"start   {START}"
        yield f"price   {price if dollars else 'unknown'}"
        yield f"end     by itself after {hours}, also when this machine is off"


def quoted(text: str) -> str:
    """The content of a quoted GraphQL string, which escapes as JSON does."""
    return json.dumps(text)[1:-1]


def packed(config: bytes) -> str:
    """The server's files and this arbor.yaml as tar.gz in base64. Raises DeployError."""
    try:
        names = {"startup.sh", "requirements.lock", *(p.name for p in HERE.glob("*.py"))}
        names |= {p.name for p in HERE.glob("*.patch")}
        names -= {"deploy.py", "lock.py"}  # what runs elsewhere
        contents = {name: (HERE / name).read_bytes() for name in sorted(names)}
    except OSError as error:
        raise DeployError(f"{error.filename}: {error.strerror}; restore it") from error
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in {**contents, "arbor.yaml": config}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return base64.b64encode(buffer.getvalue()).decode()


def read_config(path: Path, gpu_count: int | None) -> tuple[bytes, int]:
    """An arbor.yaml that gives each GPU of the pod one role, and how many. Raises DeployError."""
    try:
        content = path.read_bytes()
        config = yaml.safe_load(content)
        roles = [str(config[role]["gpu_ids"]) for role in ("inference", "training")]
        ids = sorted(int(part) for role in roles for part in role.split(","))
    except OSError as error:
        raise DeployError(f"--config {path}: {error.strerror}; train.py writes one") from error
    except (yaml.YAMLError, LookupError, TypeError, ValueError) as error:
        needs = "inference: {gpu_ids: '0'} and training: {gpu_ids: '1'}"
        raise DeployError(f"--config {path}: needs {needs} in YAML ({error!r})") from error
    gpu_count = gpu_count or len(ids)
    if ids != list(range(gpu_count)):
        raise DeployError(
            f"--config {path} gives roles to GPUs {ids}, --gpu-count {gpu_count} rents 0 to "
            f"{gpu_count - 1}: give each of them one role, or another --gpu-count"
        )
    return content, gpu_count


def check(name: str, gpu_type: str, sizes: dict[str, float]) -> None:
    """Raise DeployError for a request that no pod can meet. `sizes` are by flag."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", name):
        raise DeployError(f"--name {name!r}: give up to 64 letters, digits, blanks and . _ -")
    if gpu_type not in GPUS:
        raise DeployError(f"--gpu-type {gpu_type!r} is not known: give one of {', '.join(GPUS)}")
    for flag, size in sizes.items():
        if not 0 < size <= MAX_SIZE:
            raise DeployError(f"{flag} {size}: give more than 0 and at most {MAX_SIZE:,}")
    if sizes.get("--gpu-count", 2) < 2:
        raise DeployError("--gpu-count 1: give 2 or more; one GPU cannot both answer and train")


def secret(variable: str, min_length: int) -> str | None:
    """A secret from the environment; None if not set. Raises DeployError, without its value."""
    value = os.environ.get(variable)
    if value and not re.fullmatch(f"[!-~]{{{min_length},256}}", value):
        raise DeployError(f"{variable}: give {min_length} to 256 ASCII characters without blanks")
    return value or None


def hidden(text: str) -> str:
    """The text without the environment's secrets, also in the form that a request has."""
    for value in filter(None, map(os.environ.get, ("RUNPOD_API_KEY", "ARBOR_TOKEN"))):
        text = text.replace(value, "(hidden)").replace(quoted(value), "(hidden)")
    return text


def ask(function: str, *args: object, **kwargs: object) -> Any:
    """Call this function of RunPod's SDK. Raises DeployError; LostAnswer without an answer."""
    key = secret("RUNPOD_API_KEY", 8)
    if not key:
        raise DeployError(f"RUNPOD_API_KEY is not set: make a key at {KEYS} and export it")
    try:
        import runpod  # type: ignore[import-untyped]  # takes seconds: not for bad input
        from runpod import error
    except (ImportError, KeyError, OSError) as failure:
        why = f"{failure!r}: uv sync --extra runpod, and look at ~/.runpod/config.toml"
        raise DeployError(f"runpod cannot be loaded: {why}") from failure
    runpod.api_key = key  # never the key in the SDK's own file
    try:
        return getattr(runpod, function)(*args, **kwargs)
    except error.AuthenticationError as failure:
        raise DeployError(f"RunPod refuses RUNPOD_API_KEY: make another at {KEYS}") from failure
    except error.QueryError as failure:  # while a pod starts, RunPod may fail for a moment
        kind = LostAnswer if function == "get_pod" else DeployError
        raise kind(f"RunPod refused: {failure}") from failure
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
    ) as failure:  # the errors of requests are OSErrors
        raise LostAnswer(f"RunPod's API did not answer {function}: {failure}") from failure


def terminate_failed(name: str, pod_id: str | None) -> str:
    """Terminate the pod, by name if its id is unknown. Returns the outcome as text."""
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)  # a second Ctrl-C must not leave a pod behind
    for pause in TRIES_S:
        time.sleep(pause)
        try:
            pods = [{"id": pod_id, "name": name}] if pod_id else ask("get_pods")
            ids = [pod["id"] for pod in pods if pod["name"] == name]
            for id_ in ids:
                ask("terminate_pod", id_)
            if ids:
                return f"pod {', '.join(ids)} was terminated"
            outcome = f"no pod is named {name}; make sure with --list"
        except DeployError as error:
            argument = pod_id or "ID (see --list)"
            outcome = (
                f"POD {pod_id or name} COULD NOT BE TERMINATED AND MAY COST MONEY ({error}): run "
                f"python {sys.argv[0]} --terminate {argument}, or end it at {CONSOLE}"
            )
    return outcome


def start(request: Request, minutes: float) -> None:
    """Create the pod, wait until it is ready, print how to use it; on a failure, terminate it."""
    pod_id = None
    for stop in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.default_int_handler)
    try:
        pod_id = ask("create_pod", **request.arguments(time.time()))["id"]
        print(f"pod {pod_id} is created", flush=True)
        ready = wait(pod_id, request.token, minutes)
    except (DeployError, KeyboardInterrupt, OSError, LookupError, TypeError, ValueError) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        if pod_id is None and type(error) is DeployError:  # rejected: there is no pod
            raise
        raise DeployError(f"{why}; {terminate_failed(request.name, pod_id)}") from error
    print(f"\n{ready}\nit ends by itself after {request.max_hours:g} hours; before that:")
    print(f"  python {sys.argv[0]} --terminate {pod_id}")


def wait(pod_id: str, token: str | None, minutes: float) -> str:
    """Wait until the pod is ready; returns how to use it. Raises DeployError at the time limit."""
    begun, pause = time.monotonic(), POLL_S[0]
    while (waited := time.monotonic() - begun) <= minutes * 60:
        try:
            ready, state = look(pod_id, token)
            if ready:
                return state
        except LostAnswer as error:
            state = str(error)
        print(f"{waited:5.0f} s of {minutes * 60:.0f}: {hidden(state)}", flush=True)
        time.sleep(pause)
        pause = min(pause * 1.5, POLL_S[1])
    raise DeployError(f"not ready after {minutes:g} minutes: {state}")


def look(pod_id: str, token: str | None) -> tuple[bool, str]:
    """Whether the pod is ready; then how to use it, else its current stage. Raises DeployError."""
    pod = ask("get_pod", pod_id)
    if pod is None:
        return False, f"waiting until RunPod knows pod {pod_id}"
    if pod["desiredStatus"] in ("EXITED", "TERMINATED", "DEAD"):
        raise DeployError(f"pod {pod_id} ended while starting: {pod['desiredStatus']}")
    if not pod["runtime"]:
        return False, f"waiting for pod {pod_id} to run (now {pod['desiredStatus']})"
    for port in pod["runtime"]["ports"] or ():
        if port["privatePort"] == 22 and port["isIpPublic"]:
            if not token:
                return True, tunnel(pod_id, address="", ssh=port)
            address = PROXY.format(pod=pod_id, port=PORT)
            reason = unanswered(address, token)
            return not reason, reason or tunnel(pod_id, address, ssh=port)
    return False, f"waiting for the ssh port of pod {pod_id}"


def tunnel(pod_id: str, address: str, ssh: dict[str, Any]) -> str:
    """How to use a pod: by SSH, even if it has its own address."""
    server = f"http://127.0.0.1:{PORT}"
    state = "runs and installs its server"
    condition = f"once {server}/v1/memory/server answers"
    if address:  # which would cut off the start of a run, as that takes minutes
        state = f"serves at {address}/v1/, 100 s a request"
        condition = "with the same ARBOR_TOKEN"
    return (
        f"pod {pod_id} {state}. The tunnel to it, with the key that your RunPod account knows:\n"
        f"  ssh -N -L {PORT}:127.0.0.1:{PORT} -p {ssh['publicPort']} root@{ssh['ip']}\n"
        f"then, {condition}:\n  uv run train.py --mode train --server {server}/v1/"
    )


def unanswered(address: str, token: str) -> str:
    """The server's current stage; "" when it answers. Raises DeployError."""
    url = f"{address}/v1/memory/server"
    headers = {"Authorization": f"Bearer {token}"}
    try:
        status = str(httpx.get(url, headers=headers, timeout=20).status_code)
    except httpx.HTTPError as error:
        status = type(error).__name__
    if status == "401":
        raise DeployError(f"the server at {address} does not take ARBOR_TOKEN")
    return "" if status == "200" else f"waiting for the server at {address}: {status}"


def pod_table(pods: Iterable[dict[str, Any]]) -> str:
    """Pods as lines of text. Removes control characters from names, which the account chose."""
    row = "{:<16} {:<24} {:<26} {:<10} {:>9} {:>9}"
    lines = [row.format("id", "name", "GPUs", "status", "$ an hour", "hours up")]
    for pod in pods:
        gpus = f"{pod['gpuCount']} x {(pod['machine'] or {}).get('gpuDisplayName', '?')}"
        cost = pod["costPerHr"] or 0
        hours = (pod["uptimeSeconds"] or 0) / 3600
        line = row.format(
            pod["id"], pod["name"], gpus, pod["desiredStatus"], f"{cost:.2f}", f"{hours:.1f}"
        )
        lines.append("".join(filter(str.isprintable, line)))
    return "\n".join(lines) if len(lines) > 1 else "no pods"


def end_pod(pod_id: str, yes: bool) -> None:
    """Terminate a pod of the account. Raises DeployError when no pod has this id."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", pod_id):
        raise DeployError(f"--terminate {pod_id!r} is no pod's id: see --list")
    pod = ask("get_pod", pod_id)
    if pod is None:
        raise DeployError(f"--terminate {pod_id}: your account has no such pod: see --list")
    print(pod_table([pod]))
    agree("Terminate it, with its volume?", yes)
    ask("terminate_pod", pod_id)
    print(f"pod {pod_id} is terminated")


def agree(question: str, yes: bool) -> None:
    """Ask unless `yes`. Raises DeployError without a terminal; typer's Abort on a no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise DeployError("there is no terminal to ask on: add --yes to go on without a question")
    typer.confirm(question, abort=True)


def deploy(
    config: Annotated[Path, Option(help="the server's arbor.yaml")] = HERE / "arbor.yaml",
    gpu_type: Annotated[str, Option(help=", ".join(GPUS))] = "A100",
    gpu_count: Annotated[
        int | None, Option(help="GPUs, two or more", show_default="what --config says")
    ] = None,
    name: Annotated[str, Option(help="of the pod")] = "arbor",
    disk_size: Annotated[int, Option(help="of the container, GB")] = 50,
    volume_size: Annotated[int, Option(help=f"at {WORKPLACE}, GB")] = 100,
    max_hours: Annotated[float, Option(help="then the pod ends itself")] = 12,
    wait_minutes: Annotated[float, Option(help="until it has to be ready")] = 30,
    dry_run: Annotated[bool, Option("--dry-run", help="show the request; no key needed")] = False,
    yes: Annotated[bool, Option("--yes", help="go on without a question")] = False,
    list_: Annotated[bool, Option("--list", help="show your pods")] = False,
    terminate: Annotated[str | None, Option(metavar="ID", help="end this pod")] = None,
) -> None:
    """Create a pod that serves this arbor.yaml, and wait until it can be used.

    RUNPOD_API_KEY is the account's key. With ARBOR_TOKEN set, the server is also at RunPod's
    address, for all who know the token; without, it is reached by SSH alone.
    """
    if list_:
        return print(pod_table(ask("get_pods")))
    if terminate is not None:
        return end_pod(terminate, yes)
    sizes: dict[str, float] = {"--disk-size": disk_size, "--volume-size": volume_size}
    if gpu_count is not None:
        sizes["--gpu-count"] = gpu_count
    check(name, gpu_type, {**sizes, "--max-hours": max_hours, "--wait-minutes": wait_minutes})
    token = secret("ARBOR_TOKEN", 16)
    content, gpu_count = read_config(config, gpu_count)
    request = Request(
        name=name,
        gpu_type=gpu_type,
        gpu_count=gpu_count,
        disk=disk_size,
        volume=volume_size,
        max_hours=max_hours,
        files=packed(content),
        token=token,
    )
    dollars = 0.0  # unknown: a dry run needs no key
    if not dry_run or os.environ.get("RUNPOD_API_KEY"):
        dollars = (ask("get_gpu", GPUS[gpu_type]).get("securePrice") or 0) * gpu_count
    print("\n".join(request.lines(dollars)))
    if dry_run:
        return None
    agree("Create this pod?", yes)
    if taken := [pod["id"] for pod in ask("get_pods") if pod["name"] == name]:
        raise DeployError(f"--name {name!r}: pod {taken[0]} has it: end that, or give another")
    return start(request, wait_minutes)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(deploy)
    try:
        app()
    except DeployError as stopped:
        sys.stdout.flush()  # in a log file, the error comes last
        print(f"error: {hidden(' '.join(str(stopped).split()))}", file=sys.stderr)
        sys.exit(2)
