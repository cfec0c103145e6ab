"""A model by its name: the one module that decides whether it is hosted or packaged."""

from pathlib import Path
from typing import get_args

import dspy

from memory.errors import InputError, ModelError
from memory.models.adapter_card import is_adapter
from memory.models.hosted import hosted_model, load_hosted, sized
from memory.models.in_process import load_in_process, sized_file
from memory.models.model import Model
from memory.models.model_names import (
    PACKAGED_MODEL,
    UNTUNED_MODEL,
    is_file,
    is_of_packaged,
    is_packaged,
)
from memory.models.packaged import load_packaged
from memory.records import FormChoice

CALL_RETRIES = 5  # with 1, 2, 4, 8, 16 seconds between them, or what the server asks for


def load_model(
    name: str = PACKAGED_MODEL,
    api_base: str | None = None,
    temperature: float = 0.0,
    retries: int = CALL_RETRIES,
    adapter: str | Path | None = None,
    prompts: FormChoice = "auto",
) -> Model:
    """A model by name. Its answers are kept in no cache.

    Arguments:
        name: "local" (the packaged model, tuned), "local-base" (untuned), the folder of a LoRA
            adapter for it, "gguf:FILE" or "gguf:NAME" (a model's file, run in this process), or
            any litellm name, "provider/model".
        api_base: address of a server that speaks the provider's protocol (vLLM, Arbor, Ollama).
        temperature: 0 for the most likely answer; reasoning models take none.
        retries: how often a rate limit or a failed connection is tried again, with backoff.
        adapter: a LoRA adapter for the packaged model or a gguf: one, its folder or its .gguf
            file. In the packaged model it takes the place of the shipped one.
        prompts: the form of a hosted model's prompts: "full", "brief" (for up to 8 billion
            parameters), or "auto", by the model's context and size.

    A call of a hosted model ends after MEMORY_CALL_SECONDS (120), including retries. Raises
    InputError for an adapter that cannot be used and for another form of prompts; ModelError for a
    name without provider, a server that does not listen, or a packaged model that is not installed.
    """
    if prompts not in get_args(FormChoice):
        forms = ", ".join(get_args(FormChoice))
        raise InputError(f"there are no prompts {prompts!r:.40}; there are {forms}")
    if is_file(name):
        if api_base:
            raise ModelError(f"{name} runs in this process: leave --api-base out")
        return load_in_process(name, temperature=temperature, adapter=adapter, prompts=prompts)
    if adapter is not None and name not in (PACKAGED_MODEL, UNTUNED_MODEL):
        raise InputError(
            f"an adapter (--adapter) is for the packaged model or a gguf: one, not for {name};"
            " serve that model with its adapter, or leave --model out"
        )
    if not is_packaged(name):
        return load_hosted(
            name, api_base, temperature=temperature, retries=retries, prompts=prompts
        )
    if prompts != "auto":
        raise InputError("the packaged model has a small model's prompts: leave --prompts out")
    if api_base:
        raise ModelError(
            "the packaged model needs no --api-base; name the served model too, as in "
            "--model openai/NAME --api-base ADDRESS"
        )
    if is_adapter(name):
        return load_packaged(PACKAGED_MODEL, temperature, adapter=name)
    return load_packaged(name, temperature, adapter=adapter)


def as_model(model: Model | dspy.BaseLM | str, api_base: str | None = None) -> Model:
    """A model of any kind: loaded, any LM of DSPy, or a name as `load_model` takes it."""
    if isinstance(model, Model):
        return model
    if isinstance(model, dspy.BaseLM):
        return hosted_model(model, api_base=getattr(model, "kwargs", {}).get("api_base"))
    if not isinstance(model, str):
        raise InputError(f"a model is a name, an LM of DSPy or a loaded Model, not {model!r:.60}")
    return load_model(model, api_base=api_base)


def with_prompts(model: Model, prompts: FormChoice) -> Model:
    """The same model with prompts in another form, and the settings for that.

    The packaged model has a small model's prompts: nothing changes.
    """
    if is_of_packaged(model.name):
        return model
    return sized_file(model, prompts) if is_file(model.name) else sized(model, prompts)
