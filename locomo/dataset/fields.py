"""Fields of records from outside: text that a database stores, and errors that name the field."""

import re
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, StringConstraints, TypeAdapter, ValidationError

from memory import InputError

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_T = TypeVar("_T")


def storable(value: object) -> object:
    """Text without characters that no database stores (NUL) or UTF-8 cannot encode (surrogates)."""
    return _UNSTORABLE.sub("\ufffd", value) if isinstance(value, str) else value


def _text_or_number(value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("Input should be text or a number")  # noqa: TRY004 - pydantic wants it
    return str(value)


Text = Annotated[str, BeforeValidator(storable)]
Name = Annotated[Text, StringConstraints(min_length=1, pattern=r"\S")]
# Gold answers such as 2022 are numbers in files.
Gold = Annotated[Name, BeforeValidator(_text_or_number)]
OptionalGold = Annotated[Text | None, BeforeValidator(_text_or_number)]


def checked(adapter: TypeAdapter[_T], value: object, where: str, field: str = "") -> _T:
    """A value of the adapter's type. Raises InputError that names the field."""
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        parts = [field] if field else []
        path = ".".join([*parts, *map(str, first["loc"])])
        value_text = "" if first["type"] == "missing" else f", got {first['input']!r:.60}"
        raise InputError(f"{where}, field {path}: {first['msg']}{value_text}") from None
