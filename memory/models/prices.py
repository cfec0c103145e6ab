"""What a call of a hosted model costs, from litellm's list."""

from collections.abc import Mapping
from typing import Any

from memory.system.providers import listed_models, load_litellm


def listed_price(name: str, server: str) -> tuple[float, float] | None:
    """US dollars a prompt token and an answer token of a model.

    Nothing in this process, without a `server`. None for your own server (an address), and for
    models that litellm does not list.
    """
    if not server:
        return 0.0, 0.0
    if "://" in server:
        return None
    listed = _listed(name, load_litellm().model_cost)
    try:
        return float(listed["input_cost_per_token"]), float(listed["output_cost_per_token"])
    except KeyError:
        return None


def listed_context(name: str) -> int | None:
    """The tokens that a model of a provider reads; None if litellm does not list it."""
    return _listed(name, listed_models()).get("max_input_tokens")


def _listed(name: str, known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The model in litellm's list; empty if that lacks it."""
    provider, _, model = name.partition("/")
    listed = known.get(name) or known.get(model) or {}
    if listed.get("litellm_provider") != provider and name not in known:
        return {}  # the same name, sold by someone else
    return listed
