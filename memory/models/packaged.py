"""The packaged model: SmolLM2-135M with the adapter that comes with it, or with another.

It runs as any other file, with the prompts of a small model; what it is asked is a composition
(`memory.program.packaged`).
"""

from dataclasses import replace
from pathlib import Path

from memory.errors import InputError
from memory.models.adapter_card import BASE, check_base, gguf_of, read_card
from memory.models.gguf.files import PREFIX, packaged_gguf
from memory.models.gguf.header import file_sha256
from memory.models.in_process import load_in_process
from memory.models.model import Model, Pace
from memory.models.model_names import PACKAGED_MODEL, UNTUNED_MODEL, is_of_packaged

SHIPPED = tuple(sorted((Path(__file__).parent / "tuned").glob("[a-z]*")))
_PACE = Pace(seconds_a_call=1.0, stop_seconds=15.0, cpus=1.0)  # as measured on two busy cores


def load_packaged(
    name: str = PACKAGED_MODEL, temperature: float = 0.0, adapter: str | Path | None = None
) -> Model:
    """The packaged model by its name, "local" or "local-base", with your own adapter.

    Raises InputError for an adapter that cannot be used, ModelError when it is not installed.
    """
    base = packaged_gguf()
    shipped = SHIPPED[0] if name == PACKAGED_MODEL else None
    if adapter is not None:
        _check_adapter(Path(adapter), base)
        shipped = None
    model = load_in_process(
        f"{PREFIX}packaged", temperature=temperature, adapter=adapter or shipped
    )
    lora = model.lm.engine.lora
    tuned = f"{PACKAGED_MODEL}+{lora.sha256[:8]}" if lora else UNTUNED_MODEL
    targets = lora.targets if lora else ()
    return replace(
        model,
        name=name if adapter is None else f"{name}+{lora.sha256[:8]}",
        lm=model.lm.copy(engine=replace(model.lm.engine, is_repeatable=True)),
        pace=_PACE,
        weights={module: tuned if module in targets else UNTUNED_MODEL for module in model.weights},
    )


def _check_adapter(path: Path, base: Path) -> None:
    card = read_card(gguf_of(path))
    check_base(card, file_sha256(base), of=BASE)
    if card.prompts:
        how = card.command or f"train.py --mode sft --target {card.targets[0]}"
        raise InputError(f"{path} was tuned on older prompts: make it again: {how}")


def as_shipped(model: Model) -> Model:
    """The same model without an adapter that someone added."""
    shipped, _, added = model.name.partition("+")
    return load_packaged(shipped) if added and is_of_packaged(model.name) else model


def over_machines(model: Model, over: str) -> Model:
    """The packaged model with its calls made over machines (`memory.system.machines`).

    Raises InputError for another model: its caller waits for a server, on any machine, or it runs
    in one process.
    """
    if not over:
        return model
    if is_of_packaged(model.name):
        return replace(model, lm=model.lm.copy(engine=replace(model.lm.engine, over=over)))
    if model.server:
        raise InputError(
            f"--over is for the packaged model here; {model.name} runs on a server: raise"
            " --num-threads instead"
        )
    raise InputError(f"--over is for the packaged model; {model.name} runs in one process")
