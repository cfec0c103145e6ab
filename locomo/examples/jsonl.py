"""A JSONL file of supervised examples, and its card: written, read, checked.

Each line is {"messages": [...]}: a prompt as shown to the student, then the right answer as the
student would write it. Next to `FILE.jsonl` is `FILE.card.json`, which says what made the file.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from locomo.choices import Target
from locomo.examples.from_teacher import ChatMessages
from locomo.json_lines import read_json
from memory import InputError
from memory.system import write_whole

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True)


class ExamplesCard(BaseModel):
    """The source of a file of examples.

    `model` is the teacher's name, `data` the sha256 of the data file, `conversations` the ids
    learnt from, `held_out` the ids it may not learn from; `examples` counts them by target,
    `left_out` the gold facts that a student could not have written.
    """

    model_config = _STRICT

    targets: list[Target]
    model: str
    data: str
    conversations: list[str]
    held_out: list[str]
    examples: dict[str, int]
    made_at: str
    left_out: dict[str, int] = Field(default_factory=dict)


class _Message(BaseModel):
    model_config = _STRICT

    role: Literal["system", "user", "assistant"]
    content: str


class _Example(BaseModel):
    model_config = _STRICT

    messages: list[_Message]


def save_examples(output: Path, examples: Sequence[ChatMessages], card: ExamplesCard) -> None:
    """Write examples as a JSONL file, with their card next to it. Raises InputError."""
    rows = [json.dumps({"messages": messages}, ensure_ascii=False) for messages in examples]
    card_file = card_path(output)
    # Removed first: after an interruption there is no card, rather than other examples' card.
    card_file.unlink(missing_ok=True)
    write_whole(output, "".join(f"{row}\n" for row in rows).encode())
    write_whole(card_file, card.model_dump_json(indent=2).encode("utf-8", "replace"))


def card_path(examples: Path) -> Path:
    """The path of the card of a file of examples."""
    return examples.with_suffix(".card.json")


def read_examples_card(examples: Path) -> ExamplesCard:
    """The card of a file of examples. Raises InputError if it is missing or broken."""
    return read_json(card_path(examples), TypeAdapter(ExamplesCard), "make the examples again")


def read_examples(path: Path) -> list[ChatMessages]:
    """The examples of a file. Raises InputError that names the first invalid line."""
    examples: list[ChatMessages] = []
    number = 0
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    messages = _Example.model_validate_json(line).model_dump()["messages"]
                    examples.append(messages)
                    if len(messages) < 2 or messages[-1]["role"] != "assistant":
                        raise InputError(
                            f"{path}, line {number}: must end with the assistant's answer"
                        )
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"]
        raise InputError(f"{path}, line {number} is not an example: {why:.200}") from None
    if not examples:
        raise InputError(f"{path} has no examples")
    return examples
