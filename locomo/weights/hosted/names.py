"""The names of models at a provider: its own, and litellm's."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

ProviderName = Literal["openai", "together"]
# What names of a provider's models begin with: litellm's own prefix first.
_PREFIXES: Mapping[ProviderName, tuple[str, ...]] = MappingProxyType(
    {"openai": ("openai/",), "together": ("together_ai/", "together/")}
)


def own_name(provider: ProviderName, model: str) -> str:
    """A model's name at the provider, without a prefix such as "openai/"."""
    prefix = next((prefix for prefix in _PREFIXES[provider] if model.startswith(prefix)), "")
    return model.removeprefix(prefix)


def litellm_name(provider: ProviderName, model: str) -> str:
    """A model's name in litellm: "openai/...", "together_ai/..."."""
    return _PREFIXES[provider][0] + own_name(provider, model)
