"""What a file with a vocabulary may hold."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from memory.errors import InputError
from memory.vocabulary.attributes import Kind, ProfilePart

_EXAMPLE = "a file has a table [attributes.NAME] for each attribute, with kind = 'one value'"


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: Kind
    other_names: list[str] = []
    allowed_values: list[str] = []
    instruction: str = ""
    form: str = ""
    says: list[str] = []
    ends: list[str] = []
    asks: list[str] = []
    asks_count: list[str] = []
    asks_date: list[str] = []
    asks_first: list[str] = []
    asks_last: list[str] = []
    opposite: str = ""
    profile: ProfilePart | Literal[""] = ""
    one_of: str = ""


class FileContent(BaseModel):
    """The attributes of a file by their names, and whether others are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    attributes: Annotated[dict[str, _Entry], Field(min_length=1)]
    strict: bool | None = None


def checked_content(raw: Any) -> FileContent:
    """The content of a file, with the types that it must have. Raises InputError."""
    try:
        return FileContent.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{where!r:.100}: {first['msg']}; {_EXAMPLE}") from None
