"""The packaged model: SmolLM2-135M with the adapters that come with it, or with others."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import dspy

from memory.errors import InputError
from memory.models.gguf.server import Lora
from memory.models.llama import CONTEXT, load_lora, packaged_gguf
from memory.models.local import LocalEngine, SmallModelAdapter
from memory.models.model import Limits, Model, Pace
from memory.models.model_names import PACKAGED_MODEL, UNTUNED_MODEL

SHIPPED = tuple(sorted((Path(__file__).parent / "tuned").glob("[a-z]*")))
_LIMITS = Limits(CONTEXT, budget=360, window=1, window_tokens=200, are_own=True)
_PACE = Pace(seconds_a_call=1.0, stop_seconds=15.0, cpus=1.0)  # as measured on two busy cores


def load_packaged(
    name: str = PACKAGED_MODEL, temperature: float = 0.0, adapter: str | Path | None = None
) -> Model:
    """The packaged model by its name, "local" or "local-base", with your own adapter.

    Raises InputError for an adapter that cannot be used, ModelError when it is not installed.
    """
    packaged_gguf()
    custom = load_lora(Path(adapter)) if adapter is not None else None
    loras: list[Lora] = [custom] if custom else []
    if name == PACKAGED_MODEL:
        # A custom adapter replaces the shipped ones, for its modules only.
        replaced = custom.targets if custom else frozenset()
        for path in SHIPPED:
            shipped = load_lora(path)
            targets = shipped.targets - replaced
            if targets:
                loras.append(replace(shipped, targets=targets))
    # A cache of answers knows a model by its name, so two adapters need two names.
    digits = "".join(f"+{lora.sha256[:8]}" for lora in loras)
    lm = dspy.LM(
        f"local/smollm2{digits}",
        engine=LocalEngine(loras=tuple(loras)),
        cache=False,
        temperature=temperature,
        num_retries=0,
    )
    model = Model(
        f"{name}+{custom.sha256[:8]}" if custom else name,
        lm,
        SmallModelAdapter(),
        size="tiny",
        limits=_LIMITS,
        pace=_PACE,
    )
    return as_tuned(model, frozenset[str]().union(*(lora.targets for lora in loras)))


def as_tuned(model: Model, targets: Collection[str]) -> Model:
    """The same model with the prompts of one tuned for these modules: without examples.

    A model that is not the packaged one has no others.
    """
    if model.size != "tiny":
        return model
    tuned = frozenset(targets)
    weights = _weights(getattr(model.lm.engine, "loras", ()), tuned)
    return replace(model, adapter=SmallModelAdapter(tuned), weights=weights)


def _weights(loras: Sequence[Lora], tuned: Collection[str]) -> Mapping[str, str]:
    """The name of the weights of each module: an adapter is for its targets only."""
    names = dict.fromkeys(("store", "retrieve", "answer"), UNTUNED_MODEL)
    for lora in loras:
        for target in lora.targets & frozenset(tuned):
            names[target] = f"{PACKAGED_MODEL}+{lora.sha256[:8]}"
    return names


def tuned_modules(model: Model) -> frozenset[str]:
    """The modules that run on weights tuned for them."""
    return getattr(model.adapter, "tuned", frozenset())


def as_shipped(model: Model) -> Model:
    """The same model without an adapter that someone added."""
    shipped, _, added = model.name.partition("+")
    return load_packaged(shipped) if added and model.size == "tiny" else model


def over_machines(model: Model, over: str) -> Model:
    """The packaged model with its calls made over machines (`memory.system.machines`).

    Raises InputError for another model: its caller waits for a server, on any machine, or it runs
    in one process.
    """
    if not over:
        return model
    if model.size == "tiny":
        return replace(model, lm=model.lm.copy(engine=replace(model.lm.engine, over=over)))
    if model.server:
        raise InputError(
            f"--over is for the packaged model here; {model.name} runs on a server: raise"
            " --num-threads instead"
        )
    raise InputError(f"--over is for the packaged model; {model.name} runs in one process")
