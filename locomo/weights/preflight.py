"""Checks the requirements of a training run before anything is paid for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from locomo.commands import check_folder
from locomo.split_data import PartName
from locomo.tasks.modules import task_examples
from locomo.weights.arbor_client import Gpu, ModelInfo, Process, ServerInfo
from locomo.weights.grpo import GrpoSettings, check_batch
from locomo.weights.options import TrainOptions
from locomo.weights.trainee import student_of
from memory import InputError, Stop

TESTED_VERSION = "0.2.17"  # of Arbor: its protocol and its defects are this version's
VLLM_SHARE = 0.9  # of a GPU's memory; Arbor starts vLLM with it, and vLLM wants it to be free


@dataclass(frozen=True)
class Check:
    """One check: the finding, with its numbers, and the remedy of a failure; "" if all is well."""

    name: str
    finding: str
    remedy: str = ""


def preflight(
    options: TrainOptions,
    describe: Callable[[], ServerInfo],
    find_model: Callable[[str], ModelInfo],
) -> list[Check]:
    """Check everything that can be checked; a failure hides no other.

    `describe` and `find_model` ask the server and raise a `Stop` when that fails: what depends on
    an answer that did not come is left out.
    """
    settings = options.settings()
    checks: list[Check] = []
    try:
        info = describe()
        checks += [check_version(info), check_repairs(info), *check_gpus(settings, info)]
        model = find_model(str(options.start or options.student))
        checks += check_model(settings, model, info.disk_free)
    except Stop as error:
        name, finding = ("model", "not found") if checks else ("server", "no usable answer")
        checks.append(Check(name, finding, remedy=str(error)))
    return [*checks, *check_run(options)]


def check_run(options: TrainOptions) -> list[Check]:
    """Check what is the same on every machine: the batch, the data, the folder of checkpoints."""
    settings = options.settings()
    return [
        _check_passing("batch", _batch_description(settings), lambda: check_batch(settings)),
        check_data(options),
        _check_passing(
            "output",
            str(options.checkpoints),
            lambda: check_folder(options.checkpoints, "--checkpoints"),
        ),
    ]


def check_table(checks: Sequence[Check]) -> Table:
    """The table of checks: each with its finding, and the remedy of a failure below it."""
    table = Table("check", "", "found", box=SIMPLE, title="before the run")
    for check in checks:
        state = "[red]failed[/]" if check.remedy else "[green]ok[/]"
        advice = f"\n-> {escape(check.remedy)}" if check.remedy else ""
        table.add_row(check.name, state, escape(check.finding) + advice)
    return table


def raise_failed(checks: Sequence[Check]) -> None:
    """Raise InputError with a line for each failed check, if there is one."""
    failed = [f"{c.name}: {c.finding} -> {c.remedy}" for c in checks if c.remedy]
    if failed:
        raise InputError("\n".join([f"{len(failed)} of {len(checks)} checks failed", *failed]))


def _check(name: str, passed: bool, finding: str, remedy: str) -> Check:
    return Check(name, finding, remedy="" if passed else remedy)


def _check_passing(name: str, finding: str, check: Callable[[], None]) -> Check:
    try:
        check()
    except InputError as error:
        return Check(name, finding, remedy=str(error))
    return Check(name, finding)


# --- the server and its GPUs ------------------------------------------------------------------


def check_version(info: ServerInfo) -> Check:
    """Check Arbor's version: protocol and repairs were tested with one version only."""
    finding = f"Arbor {info.arbor}, tried with {TESTED_VERSION}"
    advice = f"install arbor-ai=={TESTED_VERSION} there, as arbor/requirements.lock says"
    return _check("server", info.arbor == TESTED_VERSION, finding, remedy=advice)


def check_repairs(info: ServerInfo) -> Check:
    """Check that every repair of the server is applied, or no longer needed."""
    good = all(repair.state in ("applied", "not needed") for repair in info.repairs)
    finding = _joined(f"{repair.name} {repair.state}" for repair in info.repairs)
    advice = "start the server with arbor/startup.sh"
    return _check("repairs", good and bool(finding), finding or "none", remedy=advice)


def check_gpus(settings: GrpoSettings, info: ServerInfo) -> Iterator[Check]:
    """Check the requested GPUs: present, free, and split by the server as requested."""
    yield from check_gpus_there(settings, info.gpus)
    yield from check_gpus_free(settings, info.gpus, info.processes)
    yield _check_served(settings, info)


def check_gpus_there(settings: GrpoSettings, gpus: Sequence[Gpu]) -> Iterator[Check]:
    """Check that a machine has the requested GPUs."""
    there = {gpu.id: gpu for gpu in gpus}
    absent = _absent(settings, gpus)
    sizes = _joined(f"{id_} ({gpu.name}, {_gb(gpu.memory_total)})" for id_, gpu in there.items())
    roles = _roles(settings.inference_gpus, settings.training_gpus)
    advice = f"there is no GPU {_ids(absent)}: give --inference-gpus and --training-gpus others"
    if len(there) < 2:
        advice = "one answers and others train: take a server with 2 GPUs or more, or --rehearse"
    yield _check("GPUs", not absent, f"{roles}; there: {sizes or 'none'}", remedy=advice)


def check_gpus_free(
    settings: GrpoSettings, gpus: Sequence[Gpu], processes: Sequence[Process]
) -> Iterator[Check]:
    """Check that nine tenths of each requested GPU are free, as vLLM requires. No GPU, no check.

    `processes` are the server's own, which may hold them.
    """
    if _absent(settings, gpus):
        return
    asked = {*settings.inference_gpus, *settings.training_gpus}
    requested = [gpu for gpu in gpus if gpu.id in asked]
    finding = _joined(f"{g.id}: {_gb(g.memory_free)} of {_gb(g.memory_total)}" for g in requested)
    full = [gpu.id for gpu in requested if gpu.memory_free < VLLM_SHARE * gpu.memory_total]
    pids = _joined(process.pid for process in processes if {*full} & {*process.gpus})
    owner = f" (process {pids} of this server)" if pids else ""
    advice = f"end what fills GPU {_ids(full)}{owner}, or give other GPUs"
    yield _check("GPUs free", not full, finding, remedy=advice)


def _absent(settings: GrpoSettings, gpus: Sequence[Gpu]) -> list[int]:
    there = {gpu.id for gpu in gpus}
    requested = [*settings.inference_gpus, *settings.training_gpus]
    return [id_ for id_ in requested if id_ not in there]


def _check_served(settings: GrpoSettings, info: ServerInfo) -> Check:
    """Check that the server splits its GPUs as requested; it reads the split at its start."""
    requested = sorted(settings.inference_gpus), sorted(settings.training_gpus)
    served = sorted(info.split.inference), sorted(info.split.training)
    advice = (
        "start the server again with arbor/arbor.yaml, which has your flags (copy it to a server"
        " elsewhere), or give its GPUs with --inference-gpus and --training-gpus"
    )
    finding = f"as served: {_roles(*served)}; asked for: {_roles(*requested)}"
    return _check("split of GPUs", served == requested, finding, remedy=advice)


# --- the run ----------------------------------------------------------------------------------


def check_model(
    settings: GrpoSettings,
    model: ModelInfo,
    disk_free: int,
    where: str = "the server's storage",
) -> list[Check]:
    """Check that the model's context suffices, that it can chat, and that its weights have room.

    `disk_free` is in bytes, `where` says of what.
    """
    size = f"{model.name}: {model.parameters / 1e9:.2f} billion parameters"
    needed = 2 * model.parameters  # bytes of the weights in bf16
    disk = f"{_gb(needed)} for the weights, {_gb(disk_free)} free in {where}"
    lengths = (
        f"prompt {settings.prompt_tokens:,} + completion {settings.completion_tokens:,} tokens, "
        f"the model reads {model.context:,}"
    )
    template = f"{model.name} has {'one' if model.chat_template else 'none'}"
    advice = "give a --model tuned for chats; their names often end in -Instruct"
    return [
        Check("model", size),
        _check(
            "context",
            settings.context <= model.context,
            lengths,
            remedy=f"give a --model that reads {settings.context:,}",
        ),
        _check("chat template", model.chat_template, template, remedy=advice),
        _check("disk", needed <= disk_free, disk, remedy="free some, or use a larger disk"),
    ]


def _batch_description(settings: GrpoSettings) -> str:
    per_device, gpus = settings.batch_per_device, len(settings.training_gpus)
    product = f"{per_device} a device x {gpus} GPUs x {settings.accumulation} accumulated"
    return f"{product} = {settings.batch}; rollouts {settings.rollouts}"


def check_data(options: TrainOptions) -> Check:
    """Check that the data is readable, its parts are disjoint, and each target has examples."""
    try:
        split = options.conversations
    except (Stop, ValueError) as error:
        return Check("data", str(options.data_path), remedy=str(error))
    findings = [f"{part}: {_joined(ids) or 'none'}" for part, ids in split.parts.items()]
    missing = []
    window = student_of(options.student).limits.window
    requested: dict[PartName, int] = {
        "train": options.training_examples,
        "validation": options.validation_examples,
    }
    for target in options.targets:
        for part, wanted in requested.items():
            number = len(task_examples(split.part(part), target, window))
            note = f" of the {wanted} asked for" if number < wanted else ""
            findings.append(f"{target}, {part}: {number} examples{note}")
            if not number:
                missing.append(f"{target} in {part}")
    advice = f"no examples: {_joined(missing)}; give more --data, or another --seed"
    return _check("data", not missing, "; ".join(findings), remedy=advice)


def _roles(inference: Iterable[int], training: Iterable[int]) -> str:
    return f"GPU {_ids(inference) or 'none'} to answer, {_ids(training) or 'none'} to train"


def _ids(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _joined(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
