"""Settings: declared names and types, the current values and their history."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import reduce
from math import inf
from operator import or_
from typing import Any, Literal

from memory.errors import InputError
from memory.records import Setting
from memory.store.configuration.setting_values import (
    CHARACTER,
    CHAT,
    EXPIRY,
    LONGEST_NAME,
    NAMES_OF_SPEAKERS,
    RETENTION_DAYS,
    RETENTION_KEEPS_FACTS,
    TIMEZONE,
    WRONG_ANSWER_COST,
)
from memory.store.configuration.settings import OWNER, UNNAMED, owner_of, set_setting, settings_of
from memory.store.configuration.withheld import POLICY
from memory.store.facts.entity_edits import add_alias, entities_called
from memory.store.protocol import Store
from memory.store.turns.expiry import read_periods
from memory.text.characters import one_line
from memory.text.written_dates import zone_called

# Internal rows of the same table, and the row with the declarations.
RESERVED = frozenset(
    {"backup", "declared", "embedder", "forgetting", "forgotten", "vocabulary", "withheld"}
)
_DECLARED = "declared"
_NAME = re.compile(r"[A-Za-z][\w.-]{0,63}", re.ASCII)
_PLAIN: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "null": None,
}


# What only a person at this machine sets: what is let in, what is forgotten by its age, and whose
# turns are replies, which are forgotten with what they quote.
_OF_PERSON = frozenset({POLICY, EXPIRY, RETENTION_DAYS, RETENTION_KEEPS_FACTS, CHARACTER})


def refuse_of_person(name: str) -> None:
    """Raise InputError for a setting that no model and no client of a server may change."""
    if name in _OF_PERSON:
        raise InputError(f"a person sets this: memory admin settings {name} VALUE")


def name_of(text: str) -> str:
    """A speaker's name without a colon. Raises InputError for an invalid name."""
    name = " ".join(text.split())
    if (
        name != one_line(name)
        or not name
        or len(name) > LONGEST_NAME
        or ":" in name
        or not name.isprintable()
    ):
        raise InputError(
            f"{text!r} is not a name; use 1 to {LONGEST_NAME} characters without a colon"
        )
    return name


def known_zone(name: str) -> str:
    """The name of a time zone. Raises InputError where no zone is called so."""
    if zone_called(name) is None:
        raise InputError(f"{name!r:.60} is no time zone; write one such as Europe/Berlin")
    return name


def set_owner(store: Store, name: str) -> None:
    """Say whose memory it is; "user" means them from now on, in earlier facts too.

    Nothing changes where it is theirs already. Raises InputError for a name that is none.
    """
    name = name_of(name)
    if name == owner_of(store):
        return
    set_setting(store, OWNER, name)
    for alias in {UNNAMED, OWNER} - {name}:
        if not entities_called(store, alias):
            continue
        with suppress(InputError):  # a person has said who that is
            add_alias(store, alias, name, by="owner")


@dataclass(frozen=True)
class SettingForm:
    """How a setting is asked for: a value of a kind of JSON schema ("boolean", "integer" ...).

    `choices` are the only values of a "choice", as text; the kind "" is written as JSON.
    `is_optional`: it may also have no value.
    """

    kind: str
    choices: tuple[str, ...] = ()
    is_optional: bool = False


class Settings:
    """The settings of one memory, each validated against its declared type.

    Arguments:
        store: the memory.
        allowed: name -> type: str, int, float, bool, None, list[...], dict[str, ...], Literal[...]
            and unions of them. The memory records them for commands and tools. None: the settings
            of the chat and earlier declarations.

    Raises InputError for a name or type that cannot be declared.
    """

    def __init__(self, store: Store, allowed: Mapping[str, Any] | None = None) -> None:
        self._store = store
        known = self._declared()
        if allowed is None:
            self._schemas = {name: _schema(name, type_) for name, type_ in CHAT.items()} | known
            return
        self._schemas = {name: _schema(name, type_) for name, type_ in allowed.items()}
        # The settings of every memory need no record.
        new = {
            name: schema
            for name, schema in self._schemas.items()
            if CHAT.get(name) is not allowed[name]
        }
        if known | new != known:
            set_setting(store, _DECLARED, known | new)

    def get(self, name: str, default: Any = None) -> Any:
        """The current value, or the default if it was never set.

        Raises InputError for an unknown name, and for a value set before the type was changed.
        """
        setting = self._active().get(self._known(name))
        return default if setting is None else self._checked(name, setting.value)

    def set(self, name: str, value: Any) -> Setting:
        """Change a setting; its history keeps the earlier values.

        Raises InputError, with nothing stored, for an unknown name, a value of another type, and a
        name with a colon for the chat's user or character.
        """
        return set_setting(self._store, name, self._valid(name, value))

    def set_text(self, name: str, text: str) -> Setting:
        """Change a setting to a typed value.

        Raises InputError, with nothing stored, for an unknown name or a value of another type.
        """
        return set_setting(self._store, name, self.parsed(name, text))

    def parsed(self, name: str, text: str) -> Any:
        """What is typed, as a value: plain text, or JSON if the setting is not text.

        No text is no value, where the setting may have none. Raises InputError as `set`.
        """
        try:
            return self._valid(name, text)
        except InputError:
            if not text and self.forms()[self._known(name)].is_optional:
                return None
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                value = text
            return self._valid(name, value)

    def history(self, name: str) -> list[Setting]:
        """The history of a setting, oldest first. Raises InputError for an unknown name."""
        return settings_of(self._store, self._known(name))

    def all(self) -> dict[str, Any]:
        """The current values of all settings that were ever set."""
        return {name: setting.value for name, setting in self._active().items()}

    def types(self) -> dict[str, str]:
        """The type of each setting in words: `a whole number`."""
        return {name: _in_words(schema) for name, schema in self._schemas.items()}

    def forms(self) -> dict[str, SettingForm]:
        """How each setting is asked for."""
        return {name: _form(schema) for name, schema in self._schemas.items()}

    def describe(self) -> str:
        """Names, types and values, one per line, for a prompt or the description of a tool."""
        values = self.all()
        lines = []
        for name, kind in self.types().items():
            value = json.dumps(values[name], ensure_ascii=False) if name in values else "not set"
            lines.append(f"{name} ({kind}): {value}")
        return "\n".join(lines)

    def _declared(self) -> dict[str, Any]:
        rows = settings_of(self._store, _DECLARED)
        return (
            {n: schema for n, schema in rows[-1].value.items() if _is_type(schema)} if rows else {}
        )

    def _active(self) -> dict[str, Setting]:
        newest = {setting.name: setting for setting in settings_of(self._store)}
        return {name: newest[name] for name in self._schemas if name in newest}

    def _valid(self, name: str, value: Any) -> Any:
        value = self._checked(self._known(name), value)
        if name in NAMES_OF_SPEAKERS and isinstance(value, str):
            value = name_of(value)
        if name == WRONG_ANSWER_COST and isinstance(value, int | float) and not 0 <= value < inf:
            raise InputError(f"{name} is {value}; give 0 or more (1: as much as a right one gains)")
        if name == TIMEZONE and value is not None:
            known_zone(value)
        if name == EXPIRY:
            read_periods(value)
        return value

    def _known(self, name: str) -> str:
        if name not in self._schemas:
            raise InputError(f"there is no setting {name!r}; there are {self._names()}")
        return name

    def _names(self) -> str:
        return ", ".join(sorted(self._schemas)) or "none"

    def _checked(self, name: str, value: Any) -> Any:
        from pydantic import TypeAdapter

        schema = self._schemas[name]
        try:
            text = json.dumps(value, allow_nan=False)
            return TypeAdapter(_type(name, schema)).validate_json(text, strict=True)
        except (TypeError, ValueError):  # not JSON, or not of the type
            raise InputError(
                f"setting {name} takes {_in_words(schema)}, not {_short(value)};"
                f" the settings are {self._names()}"
            ) from None


def _schema(name: str, declared: Any) -> dict[str, Any]:
    """A type as JSON schema.

    Raises InputError for an invalid name, and for a type that its schema cannot restore when the
    memory is opened again.
    """
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    if name in RESERVED or not _NAME.fullmatch(name):
        raise InputError(f"invalid name of a setting {name!r}; use letters, digits, _ . and -")
    try:
        schema = TypeAdapter(declared).json_schema()
        if TypeAdapter(_type(name, schema)).json_schema() != schema:
            raise InputError(_cannot_hold(name, declared))
    except PydanticUserError:
        raise InputError(_cannot_hold(name, declared)) from None
    return schema


def _is_type(schema: Any) -> bool:
    """Whether a schema that a file holds is one of a type here."""
    try:
        _type("", schema)
    except (InputError, TypeError, ValueError, RecursionError):
        return False
    return True


def _cannot_hold(name: str, declared: Any) -> str:
    return (
        f"setting {name} cannot hold {declared!r}; declare text, numbers, bool, Literal, or lists,"
        " dicts and unions of them"
    )


def _type(name: str, schema: Mapping[str, Any]) -> Any:
    """The type of a JSON schema. Raises InputError for an unsupported schema."""
    if not isinstance(schema, Mapping):
        raise InputError(_cannot_hold(name, schema))
    if "enum" in schema or "const" in schema:
        return Literal[tuple(schema.get("enum", [schema.get("const")]))]
    if "anyOf" in schema:
        return reduce(or_, [_type(name, choice) for choice in schema["anyOf"]])
    kind = str(schema.get("type"))
    if kind == "array":
        item_type: Any = _type(name, schema.get("items", {}))
        return list[item_type]
    if kind == "object" and "properties" not in schema:
        inner = schema.get("additionalProperties", True)
        value_type: Any = Any if inner is True else _type(name, inner)
        return dict[str, value_type]
    if kind in _PLAIN:
        return _PLAIN[kind]
    if not schema:
        return Any
    raise InputError(_cannot_hold(name, dict(schema)))


_WORDS = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}


def _in_words(schema: Mapping[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        choices = schema.get("enum", [schema.get("const")])
        return " or ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    if "anyOf" in schema:
        return " or ".join(_in_words(choice) for choice in schema["anyOf"])
    kind = _WORDS.get(str(schema.get("type")), "anything")
    if schema.get("items"):
        kind += f" of ({_in_words(schema['items'])})"
    return kind


def _form(schema: Mapping[str, Any]) -> SettingForm:
    types = schema.get("anyOf", [schema])
    values = [each for each in types if each.get("type") != "null"]
    is_optional = len(values) < len(types)
    if len(values) != 1:
        return SettingForm("", is_optional=is_optional)
    [value] = values
    if "enum" in value or "const" in value:
        choices = value.get("enum", [value.get("const")])
        return SettingForm("choice", tuple(map(as_text, choices)), is_optional)
    kind = str(value.get("type", ""))
    return SettingForm(kind if kind in _PLAIN else "", is_optional=is_optional)


def as_text(value: Any) -> str:
    """A value as `set_text` reads it: text as is, other values as JSON, none as no text."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _short(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
