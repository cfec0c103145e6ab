"""What tuning costs at a provider: list prices, for an estimate before anything is sent."""

import re

from locomo.weights.hosted.names import ProviderName

# US dollars for a million tokens of training, from the providers' price lists of 2025. A longer
# name stands before a shorter one that begins it.
_OPENAI = (
    ("gpt-4.1-mini", 5.0),
    ("gpt-4.1-nano", 1.5),
    ("gpt-4.1", 25.0),
    ("gpt-4o-mini", 3.0),
    ("gpt-4o", 25.0),
    ("gpt-3.5-turbo", 8.0),
)
# Of a LoRA, by the largest size in billions of parameters.
_TOGETHER = ((16.0, 0.48), (69.0, 1.5), (100.0, 2.9))
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)


def listed_price(provider: ProviderName, model: str) -> float | None:
    """US dollars for a million tokens of training; None where our list lacks the model."""
    if provider == "openai":
        return next((price for name, price in _OPENAI if model.startswith(name)), None)
    sizes = [float(size) for size in _SIZE.findall(model)]
    if not sizes:
        return None
    return next((price for largest, price in _TOGETHER if max(sizes) <= largest), None)


def cost_text(dollars: float | None) -> str:
    """`$ 1.25`, or that nobody knows."""
    return "unknown" if dollars is None else f"$ {max(dollars, 0.01):,.2f}"
