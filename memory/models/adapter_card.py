"""A LoRA adapter on disk: a folder with the weights, and a card that says what they are for."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError

from memory.errors import InputError, ModelError
from memory.system.files import open_regular

CARD, GGUF, PEFT = "adapter.json", "adapter.gguf", "adapter_config.json"
BASE = "SmolLM2-135M-Instruct"  # the packaged model
_LARGEST = 1_000_000  # bytes of a card
_HOW = "give a folder that train.py wrote, or the .gguf file in it"


class AdapterCard(BaseModel):
    """What an adapter was tuned on, and for what.

    `base` is the model's name, `base_sha256` of its GGUF file (empty for a base of transformers);
    `targets` the modules it was tuned for: no other runs with it. `data` is the sha256 of
    its data file, `conversations` the ids tuned on, `examples` counts the examples by target.
    `prompts` is the `prompts_fingerprint` of the modules when they were tuned; `command` the
    command line that made it, `before` the earlier ones that made its start, in order; `versions`
    are the libraries' versions; tuning took `seconds` and `peak_memory` bytes; `scores` are later
    measurements.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    base: str
    base_sha256: str
    targets: Annotated[list[Literal["answer", "retrieve", "store"]], Field(min_length=1)]
    rank: PositiveInt
    alpha: FiniteFloat
    made_by: str
    data: str
    conversations: list[str]
    made_at: str
    prompts: str = ""
    command: str = ""
    before: list[str] = Field(default_factory=list)
    versions: dict[str, str] = Field(default_factory=dict)
    scores: dict[str, FiniteFloat] = Field(default_factory=dict)
    examples: dict[str, int] = Field(default_factory=dict)
    seconds: FiniteFloat = 0.0
    peak_memory: int = 0


def is_adapter(name: str) -> bool:
    """Whether this is the path of a folder with an adapter, for any model."""
    # Path.is_file raises for some names that no system accepts; os.path.isfile says no.
    return bool(name) and any(os.path.isfile(f"{name}/{file}") for file in (GGUF, PEFT, CARD))


def gguf_of(path: Path) -> Path:
    """The GGUF file of an adapter, given by its folder or by itself.

    Raises InputError when there is none, ModelError for an adapter that llama.cpp cannot run.
    """
    file = path if path.suffix == ".gguf" else path / GGUF
    if file.is_file():
        return file
    if (path / PEFT).is_file():
        raise ModelError(
            f"{path} holds an adapter for another base model ({PEFT}, no {GGUF}): serve it, for"
            " example with vLLM, and give --model openai/NAME --api-base ADDRESS; if it is for the"
            " packaged model, copy its whole folder"
        )
    if not path.exists():
        raise InputError(f"the adapter {path} does not exist; {_HOW}")
    raise InputError(f"{path} holds no adapter ({GGUF}); {_HOW}")


def read_card(path: Path) -> AdapterCard:
    """The card of an adapter, given by its folder or a .gguf file in it.

    Raises InputError when it is missing or invalid.
    """
    file = (path.parent if path.suffix == ".gguf" else path) / CARD
    try:
        with open_regular(file) as opened:
            return AdapterCard.model_validate_json(opened.read(_LARGEST))
    except FileNotFoundError:
        raise InputError(f"{file} is missing, which says what the adapter is for; {_HOW}") from None
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}; {_HOW}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise InputError(f"{file}, {where:.100}: {first['msg']}; {_HOW}") from None


def check_base(card: AdapterCard, sha256: str, *, of: str) -> None:
    """Raise InputError for an adapter of another model than `of`, whose file has this sha256."""
    if card.base_sha256 != sha256:
        raise InputError(
            f"this adapter is for {card.base} ({card.base_sha256[:8] or 'no file'}), the model is"
            f" {of} ({sha256[:8]}): tune one for that, or serve {card.base} and give"
            " --model openai/NAME --api-base ADDRESS"
        )
