"""Hosted models: of a provider, or on your own server."""

import os
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import dspy
from dspy.utils import exceptions as lm_errors

from memory.errors import ModelError
from memory.models.bounded_lm import BoundedLM, own_key
from memory.models.completions import CompletionAdapter
from memory.models.model import Limits, Model, Pace, listed_context
from memory.models.server_refusals import lacks_path
from memory.models.sizes import SMALL_BUDGET, SMALL_WINDOW, Size, size_for
from memory.records import FormChoice
from memory.system.provider_calls import call_seconds
from memory.system.providers import check_listening

# Tokens of memory shown with a question. Of the evidence of LoCoMo, the ranking alone shows
# .900 in 2,000, .948 in 6,000, .994 in 20,000; of LongMemEval's .903, .976, .991 (docs/figures.md).
HOSTED_BUDGET = 6_000
_UNKNOWN_CONTEXT = 128_000
# Calls of 24 turns cost half as much again with full prompts: each repeats the instruction. Strong
# readers answered as well from what they stored with 48 (the log).
_LIMITS: Mapping[Size, Limits] = MappingProxyType(
    {
        "large": Limits(_UNKNOWN_CONTEXT, HOSTED_BUDGET, window=48, window_tokens=8_000),
        "small": Limits(_UNKNOWN_CONTEXT, SMALL_BUDGET, window=1, window_tokens=SMALL_WINDOW),
    }
)
_OLLAMA = ("ollama", "ollama_chat")
_OLLAMA_PORT = 11434
# Of OLLAMA_HOST, if it says that the server listens at every address.
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - nothing is bound to it here
# Instructions, a window of 8,000 tokens or the memory of a question, and an answer of 3,000.
_OLLAMA_CONTEXT = 16_384
# The next start of a chat digests the window of an abandoned call.
_PACE = Pace(seconds_a_call=10.0, stop_seconds=0.5, cpus=0.25)


def load_hosted(
    name: str,
    api_base: str | None,
    *,
    temperature: float,
    retries: int,
    prompts: FormChoice = "auto",
) -> Model:
    """A hosted model by its litellm name, "provider/model".

    Raises ModelError for a name without a provider, or a server that does not listen.
    """
    provider, _, model = name.partition("/")
    if provider == "together":  # its own name; litellm's is another
        name = f"together_ai/{model}"
    if not provider or not model:
        guess = provider or "MODEL"
        raise ModelError(
            f"the model {name!r} names no provider; write openai/{guess}, ollama_chat/{guess}, "
            "or local for the packaged model"
        )
    # No cache: DSPy's keeps answers on disk, where `forget` does not reach what someone said; it
    # does not know addresses either, and two servers may have one name for two models.
    seconds = call_seconds()
    settings: dict[str, Any] = {
        "num_retries": retries,
        "cache": False,
        "seconds": seconds,
        "timeout": seconds,  # of the client's, which else gives up on a silent server after 600
    }
    if provider in _OLLAMA and not api_base and server_of(name, None) == provider:
        api_base = _ollama_address() or None
    if api_base:
        check_listening(api_base)
        settings["api_key"] = own_key(name)
        settings["api_base"] = api_base
        settings["model_type"] = "chat"  # your own servers often lack /responses
    server = server_of(name, api_base)
    if provider in _OLLAMA and (server == provider or lacks_path(server)):
        # Its own protocol takes the context that a call needs; that of /v1 cuts longer prompts.
        settings |= {"engine": "litellm", "num_ctx": _OLLAMA_CONTEXT}
    try:
        lm = BoundedLM(name, temperature=temperature, max_tokens=3_000, **settings)
    except lm_errors.LMConfigurationError:  # reasoning models: their own temperature, room to think
        lm = BoundedLM(name, temperature=None, max_tokens=16_000, **settings)
    return hosted_model(lm, api_base=api_base, prompts=prompts)


def _ollama_address() -> str:
    """The address that OLLAMA_API_BASE or OLLAMA_HOST names; "" if neither is set."""
    host = (os.environ.get("OLLAMA_API_BASE") or os.environ.get("OLLAMA_HOST") or "").strip()
    if not host:
        return ""
    try:
        parts = urlsplit(host if "://" in host else f"http://{host}")
        port = parts.port or {"https": 443}.get(parts.scheme, _OLLAMA_PORT)
    except ValueError:
        return ""
    name = parts.hostname or ""
    if name in _EVERYWHERE:
        name = "127.0.0.1"
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{port}"


def hosted_model(
    lm: dspy.BaseLM, *, api_base: str | None = None, prompts: FormChoice = "auto"
) -> Model:
    """A DSPy LM as a model, with the adapter that DSPy is set to, else ours."""
    model = Model(
        lm.model,
        lm,
        dspy.settings.adapter or CompletionAdapter(),
        size="large",
        limits=_LIMITS["large"],
        pace=_PACE,
        server=server_of(lm.model, api_base),
        api_base=api_base,
        weights=dict.fromkeys(("store", "retrieve", "answer"), lm.model),
    )
    return sized(model, prompts)


def sized(model: Model, prompts: FormChoice) -> Model:
    """A hosted model with prompts of a form, and the limits that go with it.

    Limits that someone set stay. Its context is known only for a provider's models.
    """
    known = None if "://" in model.server else listed_context(model.name)
    size = size_for(model.name, known, prompts)
    before, after, limits = _LIMITS[model.size], _LIMITS[size], model.limits
    context = known if known and size != "large" else _UNKNOWN_CONTEXT
    changes = {
        name: getattr(after, name)
        for name in ("budget", "window", "window_tokens")
        if getattr(limits, name) == getattr(before, name)
    }
    if "budget" in changes:
        changes["budget"] = min(changes["budget"], context // 2)
    limits = replace(limits, context=context, **changes)
    return replace(model, prompts=prompts, size=size, limits=limits)


def server_of(name: str, api_base: str | None) -> str:
    """An address without a password, or a provider's name."""
    provider = name.partition("/")[0]
    # Clients look for these by themselves.
    names = (f"{provider.upper()}_BASE_URL", f"{provider.upper()}_API_BASE")
    address = next(filter(None, (api_base, *map(os.environ.get, names))), "")
    if not address:
        return provider
    scheme, _, host = address.partition("://")
    return f"{scheme}://{host.rpartition('@')[2]}"
