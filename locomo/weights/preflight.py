"""Checks the requirements of a training run before anything is paid for."""

import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from locomo.commands import check_folder
from locomo.split_data import PartName, load_split
from locomo.tasks.modules import Target, task_examples
from locomo.weights.arbor_client import Gpu, ModelInfo, ServerInfo
from locomo.weights.grpo import GrpoSettings, check_batch, check_split
from memory import InputError, Stop

TESTED_VERSION = "0.2.17"  # of Arbor: its protocol and its defects are this version's
VLLM_SHARE = 0.9  # of a GPU's memory; Arbor starts vLLM with it, and vLLM wants it to be free
_SHAPE = 100  # width by layers: 57 in Qwen2.5-3B, 128 in Llama-3.1-8B, 102 in Qwen2.5-72B
_VOCABULARY = 152_000  # Qwen's; Llama's has 128,000
_CUDA_BYTES = 1.1e9  # bytes: CUDA's context and the libraries' workspaces
_NO_ANSWER = "the server did not answer"
_GPU_CHECKS = ("GPUs", "GPUs free", "split of GPUs", "inference memory", "training memory")
_STATES = {"ok": "[green]ok[/]", "failed": "[red]failed[/]", "unknown": "[yellow]not known[/]"}
_T = TypeVar("_T")


@dataclass(frozen=True)
class Check:
    """One check: the finding, with its numbers, and a remedy if it failed."""

    name: str
    state: Literal["ok", "failed", "unknown"]
    finding: str
    remedy: str = ""


@dataclass(frozen=True)
class RunRequirements:
    """The run to check; `window` is in turns, `checkpoints` the number that is kept."""

    model: str
    settings: GrpoSettings
    targets: Sequence[Target]
    data: Path
    further_data: Path | None
    split: str
    seed: int
    window: int
    num_train: int
    num_val: int
    output: Path
    checkpoints: int


def preflight(
    run: RunRequirements,
    describe: Callable[[], ServerInfo],
    find_model: Callable[[str], ModelInfo],
) -> list[Check]:
    """Check everything; a failure hides no other.

    `describe` and `find_model` ask the server and raise a `Stop` when that fails. A check that
    depends on an answer that did not come is "unknown".
    """
    info, reason = _answer_or_reason(describe)
    server = Check("server", "failed", "no usable answer", remedy=reason)
    if info:
        server = check_version(info)
    # A server that did not answer is not asked a second time.
    model, reason = None, _NO_ANSWER
    if info:
        model, reason = _answer_or_reason(lambda: find_model(run.model))
    parameters = model.parameters if model else parameters_in(run.model)
    return [
        server,
        check_repairs(info),
        *check_gpus(run, info, parameters),
        *check_model(run, model, reason, reached=info is not None),
        _check_passing(
            "batch", _batch_description(run.settings), lambda: check_batch(run.settings)
        ),
        check_data(run),
        *check_disks(run, info, parameters),
        _check_passing(
            "output", f"{run.output}", lambda: check_folder(run.output, "the output folder")
        ),
    ]


def check_table(checks: Sequence[Check]) -> Table:
    """The table of checks: each with its finding, and the remedy of a failure below it."""
    table = Table("check", "", "found", box=SIMPLE, title="before the run")
    for check in checks:
        advice = f"\n-> {escape(check.remedy)}" if check.remedy else ""
        table.add_row(check.name, _STATES[check.state], escape(check.finding) + advice)
    return table


def raise_failed(checks: Sequence[Check]) -> None:
    """Raise InputError with a line for each failed check, if there is one."""
    failed = [f"{c.name}: {c.finding} -> {c.remedy}" for c in checks if c.state == "failed"]
    if failed:
        raise InputError("\n".join([f"{len(failed)} of {len(checks)} checks failed", *failed]))


def _check(name: str, good: bool | None, finding: str, remedy: str = "") -> Check:
    """A check by its outcome, None for one that is not known."""
    if good is None:
        return Check(name, "unknown", finding)
    return Check(name, "ok", finding) if good else Check(name, "failed", finding, remedy=remedy)


def _check_passing(name: str, finding: str, check: Callable[[], None]) -> Check:
    try:
        check()
    except InputError as error:
        return Check(name, "failed", finding, remedy=str(error))
    return Check(name, "ok", finding)


def _answer_or_reason(ask: Callable[[], _T]) -> tuple[_T | None, str]:
    try:
        return ask(), ""
    except Stop as error:
        return None, str(error)


# --- the server and its GPUs ------------------------------------------------------------------


def check_version(info: ServerInfo) -> Check:
    """Check Arbor's version: protocol and repairs were tested with one version only."""
    finding = f"Arbor {info.arbor}, tried with {TESTED_VERSION}"
    advice = f"install arbor-ai=={TESTED_VERSION} there, as arbor/requirements.lock says"
    return _check("server", info.arbor == TESTED_VERSION, finding, remedy=advice)


def check_repairs(info: ServerInfo | None) -> Check:
    """Check that every repair of the server is applied, or no longer needed."""
    if info is None:
        return Check("repairs", "unknown", _NO_ANSWER)
    good = all(repair.state in ("applied", "not needed") for repair in info.repairs)
    finding = _joined(f"{repair.name} {repair.state}" for repair in info.repairs)
    advice = "start the server with arbor/startup.sh"
    return _check("repairs", good and bool(finding), finding or "none", remedy=advice)


def check_gpus(
    run: RunRequirements, info: ServerInfo | None, parameters: int | None
) -> list[Check]:
    """Check the requested GPUs: present, disjoint, free, split as requested, large enough."""
    if info is None:
        unknown = [Check(name, "unknown", _NO_ANSWER) for name in _GPU_CHECKS[1:]]
        return [check_roles(run, None), *unknown]
    checks = [check_roles(run, info), check_free(run, info), check_served(run, info)]
    return [*checks, *check_memory(run, info, parameters)]


def _roles(inference: Iterable[int], training: Iterable[int]) -> str:
    return f"GPU {_ids(inference) or 'none'} to answer, {_ids(training) or 'none'} to train"


def check_roles(run: RunRequirements, info: ServerInfo | None) -> Check:
    """Check that the requested GPUs exist and that none has two roles."""
    inference, training = run.settings.inference_gpus, run.settings.training_gpus
    apart = _check_passing(
        "GPUs", _roles(inference, training), lambda: check_split(inference, training)
    )
    if apart.state == "failed":
        return apart
    if info is None:
        return Check("GPUs", "unknown", f"{apart.finding}; {_NO_ANSWER}")
    present = [gpu.id for gpu in info.gpus]
    sizes = _joined(f"{gpu.id} ({gpu.name}, {_gb(gpu.memory_total)})" for gpu in info.gpus)
    absent = sorted({*inference, *training} - {*present})
    advice = f"there is no GPU {_ids(absent)}: give --inference-gpus and --training-gpus others"
    if len(present) < 2:
        advice = "one answers and others train: take a server with 2 GPUs or more, or --rehearse"
    return _check("GPUs", not absent, f"{apart.finding}; there: {sizes or 'none'}", remedy=advice)


def check_free(run: RunRequirements, info: ServerInfo) -> Check:
    """Check that nine tenths of each requested GPU are free, as vLLM requires."""
    gpus = _gpus_of(info, run.settings.inference_gpus + run.settings.training_gpus)
    finding = _joined(f"{g.id}: {_gb(g.memory_free)} of {_gb(g.memory_total)}" for g in gpus)
    full = [gpu.id for gpu in gpus if gpu.memory_free < VLLM_SHARE * gpu.memory_total]
    pids = _joined(process.pid for process in info.processes if {*full} & {*process.gpus})
    owner = f" (process {pids} of this server)" if pids else ""
    advice = f"end what fills GPU {_ids(full)}{owner}, or give other GPUs"
    return _check(
        "GPUs free", not full if gpus else None, finding or "they are not there", remedy=advice
    )


def check_served(run: RunRequirements, info: ServerInfo) -> Check:
    """Check that the server splits its GPUs as requested; it reads the split at its start."""
    inference, training = sorted(run.settings.inference_gpus), sorted(run.settings.training_gpus)
    served_inference, served_training = sorted(info.split.inference), sorted(info.split.training)
    advice = (
        f'write in arbor/arbor.yaml there: inference: {{gpu_ids: "{_ids(inference)}"}} and '
        f'training: {{gpu_ids: "{_ids(training)}"}}; then start the server again'
    )
    as_served = _roles(served_inference, served_training)
    finding = f"as served: {as_served}; asked for: {_roles(inference, training)}"
    agree = (served_inference, served_training) == (inference, training)
    return _check("split of GPUs", agree, finding, remedy=advice)


# --- memory of GPUs ---------------------------------------------------------------------------


def parameters_in(name: str) -> int | None:
    """How many parameters a model's name says it has: 3e9 for `Qwen/Qwen2.5-3B`; None if none."""
    size = re.search(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
    if size is None:
        return None
    experts, number, unit = size.groups()
    return round(int(experts or 1) * float(number) * (1e9 if unit == "b" else 1e6))


def _width_and_layers(parameters: int) -> tuple[float, float]:
    """From 12 x layers x width^2 parameters (Kaplan et al. 2020, section 2.1) and `_SHAPE`."""
    width = (_SHAPE * parameters / 12) ** (1 / 3)
    return width, width / _SHAPE


def lora_parameters(parameters: int, rank: int) -> float:
    """Of a LoRA on all seven linear kinds of a model: rank x (in + out), summed over matrices.

    Estimated with square attention matrices and a hidden layer four times as wide: 23 widths a
    layer. That is a fifth too low for 135M and a half too high for 8B parameters.
    """
    width, layers = _width_and_layers(parameters)
    return rank * 23 * width * layers


def training_memory(parameters: int, settings: GrpoSettings) -> dict[str, float]:
    """Bytes that a training GPU needs, estimated.

    Weights are whole on each GPU (ZeRO-2). Each LoRA parameter has 16 bytes: weight, gradient and
    Adam's states (Rajbhandari et al. 2020, ZeRO, section 3.1), here not divided by the GPUs.
    Activations: each layer's input, and one layer computed again (Korthikanti et al. 2022,
    table 2, without the attention matrix: 2 s b h a layer, and 34 s b h). Logits: Arbor's trainer
    has them for the prompt as well, three times: plain, divided by the temperature, normalised.
    """
    width, layers = _width_and_layers(parameters)
    tokens = settings.batch_per_device * settings.context
    weight_bytes = 2 if settings.bf16 else 4
    return {
        "weights": weight_bytes * parameters,
        "LoRA": 16 * lora_parameters(parameters, settings.lora_rank),
        "activations": tokens * width * (2 * layers + 34),
        "logits": 3 * weight_bytes * tokens * _VOCABULARY,
        "CUDA": _CUDA_BYTES,
    }


def inference_memory(parameters: int, settings: GrpoSettings) -> dict[str, float]:
    """Bytes that an inference GPU needs, estimated: its share of weights and of a group's cache.

    A token's keys and values: 2 x layers x width / 4 x 2 bytes, with a quarter of the heads for
    them (grouped queries, Ainslie et al. 2023).
    """
    width, layers = _width_and_layers(parameters)
    gpus = max(len(settings.inference_gpus), 1)
    return {
        "weights": 2 * parameters / gpus,
        "cache": settings.rollouts * settings.context * layers * width / gpus,
        "CUDA": _CUDA_BYTES,
    }


def check_memory(run: RunRequirements, info: ServerInfo, parameters: int | None) -> list[Check]:
    """Check that the estimates fit the smallest GPU of each role; vLLM may use nine tenths."""
    inference, training = _GPU_CHECKS[-2:]
    settings = run.settings
    if parameters is None:
        return [Check(name, "unknown", _size_unknown(run)) for name in (inference, training)]
    for_answers = [VLLM_SHARE * g.memory_total for g in _gpus_of(info, settings.inference_gpus)]
    for_training = [g.memory_total for g in _gpus_of(info, settings.training_gpus)]
    return [
        _check_fit(inference, inference_memory(parameters, settings), for_answers),
        _check_fit(training, training_memory(parameters, settings), for_training),
    ]


def _check_fit(name: str, parts: Mapping[str, float], rooms: Sequence[float]) -> Check:
    need, room = sum(parts.values()), min(rooms, default=None)
    terms = " + ".join(f"{part} {size / 1e9:.1f}" for part, size in parts.items())
    finding = f"estimate for each GPU: {terms} = {_gb(need)}"
    finding += f"; there is {_gb(room)}" if room else ""
    advice = "take larger GPUs, or a smaller --model"
    return _check(name, need <= room if room else None, finding, remedy=advice)


# --- the run ----------------------------------------------------------------------------------


def _batch_description(settings: GrpoSettings) -> str:
    per_device, gpus = settings.batch_per_device, len(settings.training_gpus)
    product = f"{per_device} a device x {gpus} GPUs x {settings.accumulation} accumulated"
    size = per_device * gpus * settings.accumulation
    return f"{product} = {size}; rollouts {settings.rollouts}"


def check_model(
    run: RunRequirements, model: ModelInfo | None, why: str, reached: bool
) -> list[Check]:
    """Check that the server finds the model, that its context suffices, and that it can chat."""
    settings = run.settings
    lengths = (
        f"prompt {settings.prompt_tokens:,} + completion {settings.completion_tokens:,} tokens"
    )
    if model is None:
        failed = _check("model", False if reached else None, why, remedy="give another --model")
        unknown = [Check("context", "unknown", f"{lengths}; the model's is not known")]
        return [failed, *unknown, Check("chat template", "unknown", "the model was not seen")]
    size = f"{model.name}: {model.parameters / 1e9:.2f} billion parameters"
    fits = settings.context <= model.context
    lengths += f", the model reads {model.context:,}"
    template = f"{model.name} has {'one' if model.chat_template else 'none'}"
    advice = "give a --model tuned for chats; their names often end in -Instruct"
    return [
        Check("model", "ok", size),
        _check("context", fits, lengths, remedy=f"give a --model that reads {settings.context:,}"),
        _check("chat template", model.chat_template, template, remedy=advice),
    ]


def check_data(run: RunRequirements) -> Check:
    """Check that the data is readable, its parts are disjoint, and each target has examples."""
    try:
        split = load_split(run.data, run.seed, run.split, run.further_data)
    except (Stop, ValueError) as error:
        return Check("data", "failed", str(run.data), remedy=str(error))
    findings = [f"{part}: {_joined(ids) or 'none'}" for part, ids in split.parts.items()]
    missing = []
    requested: dict[PartName, int] = {"train": run.num_train, "validation": run.num_val}
    for target in run.targets:
        for part, wanted in requested.items():
            number = len(task_examples(split.part(part), target, run.window))
            note = f" of the {wanted} asked for" if number < wanted else ""
            findings.append(f"{target}, {part}: {number} examples{note}")
            if not number:
                missing.append(f"{target} in {part}")
    advice = f"no examples: {_joined(missing)}; give more --data, or another --seed"
    return _check("data", not missing, "; ".join(findings), remedy=advice)


def check_disks(
    run: RunRequirements, info: ServerInfo | None, parameters: int | None
) -> list[Check]:
    """Room here for adapters in fp32, one of them twice while it is written.

    On the server for the base's weights and for checkpoints, two with Adam's states.
    """
    names = ("disk here", "disk on server")
    if parameters is None:
        return [Check(name, "unknown", _size_unknown(run)) for name in names]
    lora = lora_parameters(parameters, run.settings.lora_rank)
    absolute = run.output.absolute()
    folder = next(path for path in (absolute, *absolute.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    contents = f"{run.checkpoints} checkpoints"
    here = _check_disk(
        names[0],
        contents,
        need=4 * lora * (run.checkpoints + 1),
        free=free,
        location=str(folder),
    )
    if info is None:
        return [here, Check(names[1], "unknown", _NO_ANSWER)]
    # The adapter in fp32; in the two newest also the weights and Adam's two moments, in fp32.
    need = 2 * parameters + 4 * lora * run.checkpoints + 16 * lora * min(run.checkpoints, 2)
    on_server = _check_disk(
        names[1],
        f"base and {contents}",
        need=need,
        free=info.disk_free,
        location="the server's storage",
    )
    return [here, on_server]


def _check_disk(name: str, contents: str, need: float, free: float, location: str) -> Check:
    finding = f"{contents}: about {_gb(need)}, {_gb(free)} free in {location}"
    return _check(
        name, need <= free, finding, remedy=f"free {_gb(need - free)} there, or use a larger disk"
    )


def _size_unknown(run: RunRequirements) -> str:
    return f"nothing says how large {run.model} is"


def _gpus_of(info: ServerInfo, ids: Sequence[int]) -> list[Gpu]:
    return [gpu for gpu in info.gpus if gpu.id in ids]


def _ids(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB"


def _joined(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
