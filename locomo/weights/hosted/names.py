"""The names of models at Together: its own, and litellm's."""

from typing import Literal

ProviderName = Literal["together"]
_LITELLM = "together_ai/"


def own_name(model: str) -> str:
    """A model's name at Together, without "together_ai/" or "together/"."""
    return model.removeprefix(_LITELLM).removeprefix("together/")


def litellm_name(model: str) -> str:
    """A model's name in litellm: "together_ai/..."."""
    return _LITELLM + own_name(model)
