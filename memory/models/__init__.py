"""Language models ready to be called: who answers, with which adapter, within which limits."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from memory.system.providers import quiet_litellm

quiet_litellm()  # before DSPy, which imports litellm for some providers

if TYPE_CHECKING:
    from memory.models.adapter_card import AdapterCard, read_card
    from memory.models.completions import CompletionAdapter
    from memory.models.loading import as_model, load_model, with_prompts
    from memory.models.model import Limits, Model, Pace

__all__ = [
    "AdapterCard",
    "CompletionAdapter",
    "Limits",
    "Model",
    "Pace",
    "as_model",
    "load_model",
    "read_card",
    "with_prompts",
]

# Name -> its module, imported when the name is first used (PEP 562): most need DSPy, which takes
# more than a second to import; `model_names` and `adapter_card` do not.
_MODULES = {
    "AdapterCard": "adapter_card",
    "CompletionAdapter": "completions",
    "Limits": "model",
    "Model": "model",
    "Pace": "model",
    "as_model": "loading",
    "load_model": "loading",
    "read_card": "adapter_card",
    "with_prompts": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'memory.models' has no attribute {name!r}")
    return getattr(import_module(f"memory.models.{_MODULES[name]}"), name)
