"""Instruct models that `memory setup --model NAME` fetches, and GGUF files by their names."""

from dataclasses import dataclass
from pathlib import Path

from memory.errors import InputError

PREFIX = "gguf:"  # before a file or a name, where a model is named


@dataclass(frozen=True)
class InstructModel:
    """A model that can be fetched from the Hugging Face hub: its file, and what it takes.

    `parameters` in billions, `gigabytes` on disk, `memory` in gigabytes with a context of 8,192.
    """

    name: str
    repository: str
    file: str
    licence: str
    parameters: float
    gigabytes: float
    memory: int
