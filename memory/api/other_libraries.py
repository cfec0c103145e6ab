"""The words of mem0, Zep, LangMem and other libraries: what runs here, or what to write instead.

The table others.toml alone decides; a test runs the code of its lines.
"""

import tomllib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from memory.api.other_filters import own_filters
from memory.errors import InputError

# The calls that take filters, and the calls that take only a filter's ids.
_FILTERED = ("search", "get_all")
_WITH_IDS = ("add", "delete_all")


@cache
def others() -> Mapping[str, Mapping[str, str]]:
    """For each table of others.toml: a word of another library, and what it is here."""
    tables = tomllib.loads(Path(__file__).with_name("others.toml").read_text("utf-8"))
    return {
        table: {word: ours for ours, words in lines.items() for word in words}
        for table, lines in tables.items()
    }


def hint_of(name: str) -> str:
    """What to write for a method or an attribute of another library; "" for any other name."""
    return others()["methods"].get(name, "")


def hint_of_import(name: str) -> str:
    """What to write for a name that people import from another library; "" for any other."""
    imports = others()["imports"]
    by_ending = (imports[word] for word in imports if fnmatchcase(name, word))
    return imports.get(name) or next(by_ending, "")


def is_config(options: object) -> bool:
    """Whether something is a configuration of mem0: a dict, or an object with a model."""
    return isinstance(options, Mapping) or getattr(options, "llm", None) is not None


def refuse_config(owner: str) -> NoReturn:
    """Raise InputError: what to write instead of a configuration of mem0."""
    raise InputError(
        f'a configuration of mem0 is not taken; write {owner}(model="openai/gpt-4o-mini"), with'
        " litellm's names, and embedder= where you have one. Memories are files in"
        " MEMORY_HOME, or rows of Postgres"
    )


class AnswersOthersNames:
    """An AttributeError for a method of another library says what to write here."""

    @classmethod
    def from_config(cls, *args: Any, **kwargs: Any) -> NoReturn:
        """Not here: raises InputError with the line to write instead of a configuration of mem0."""
        refuse_config(cls.__name__)

    if not TYPE_CHECKING:  # else mypy would find every name

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self)
            if name.startswith("_") or hasattr(kind, name):  # a property, and what failed in it
                object.__getattribute__(self, name)
            hint = hint_of(name) or (name.startswith("a") and hint_of(name[1:]))
            calls = ", ".join(
                call for call in dir(kind) if call[0] != "_" and call != "from_config"
            )
            advice = f"write {hint}" if hint else f"it has {calls}"
            raise AttributeError(f"{kind.__name__} has no {name}; {advice}", name=name, obj=self)

        def _refuse_key(self, key, *values):
            code = "memory.search(query)" if isinstance(key, str) else "memory.get(turn_id)"
            raise TypeError(
                f"a memory is no list or dict; write {code}, memory.add(text) or"
                " memory.delete(turn_id)"
            )

        __getitem__ = __setitem__ = __delitem__ = _refuse_key


def own_keywords(call: str, keywords: Mapping[str, Any], taken: Iterable[str]) -> dict[str, Any]:
    """The keywords of a call by our names. Raises one InputError for all that we lack.

    Arguments:
        call: "Memory", "add", "search", ...
        taken: its own parameters' names.
    """
    reader = _Keywords(call, tuple(taken))
    for keyword, value in keywords.items():
        reader.read(keyword, value)
    reader.read_filters()
    if reader.refused:
        raise InputError("; ".join(reader.refused))
    return reader.values


class _Keywords:
    """The keywords of one call by our names, and what to write for the ones that we lack."""

    def __init__(self, call: str, taken: tuple[str, ...]) -> None:
        self._call, self._taken = call, taken
        self._filters: list[Any] = []
        self._typed: dict[str, str] = {}  # the keyword that gave a value of ours
        self.values: dict[str, Any] = {}
        self.refused: list[str] = []

    def read(self, keyword: str, value: Any) -> None:
        if keyword == "filters" and self._call in (*_FILTERED, *_WITH_IDS):
            self._filters.append(value)
        elif keyword in self._taken:
            self._put(keyword, value, keyword)
        elif name := self._name_here(keyword):
            self._put_within(name, value, keyword)
        elif keyword not in others()["ignored"]:
            self._refuse(keyword, value)

    def _name_here(self, keyword: str) -> str:
        """The first of our names for a keyword that the call takes, or ""."""
        names = others()["runs"].get(keyword, "").split(", ")
        return next((name for name in names if name.partition(".")[0] in self._taken), "")

    def _put_within(self, name: str, value: Any, keyword: str) -> None:
        name, _, key = name.partition(".")
        if name == "filters":
            self._filters.append({key: value} if key else value)
        elif key:
            self.values[name] = {key: value, **(self.values.get(name) or {})}
        else:
            self._put(name, value, keyword)

    def _put(self, name: str, value: Any, keyword: str) -> None:
        if self.values.get(name) is not None and value is not None:
            first = self._typed.get(name, name)
            self.refused.append(
                f"{self._call} takes {name}= once; {first}= and {keyword}= are the same"
                if first != keyword
                else f"{self._call} takes {name}= once"
            )
        elif value is not None or name not in self.values:
            self.values[name] = value
            self._typed[name] = keyword

    def _refuse(self, keyword: str, value: Any) -> None:
        hint = others()["keywords"].get(keyword)
        if hint and (value is None or value is False):
            return  # switched off, as it always is here
        listed = ", ".join(f"{name}=" for name in self._taken)
        advice = f"write {hint}" if hint else f"it takes {listed}"
        self.refused.append(f"{self._call} takes no {keyword}=; {advice}")

    def read_filters(self) -> None:
        """Put the filters of all keywords into one, and their ids into keywords."""
        filters = [part for part in self._filters if part is not None]
        if not filters:  # `filter` is ours, and has no other words
            return
        filters += [self.values.pop("filter")] if self.values.get("filter") else []
        if not all(isinstance(part, Mapping) for part in filters):  # a TurnFilter, or what is none
            self.values["filters"] = filters[0] if len(filters) == 1 else filters
            return
        result = own_filters(filters)
        self.refused += result.refused
        if "user_id" in result.ids:
            self._put_user(result.ids["user_id"])
        if self._call in _FILTERED:
            if result.values:
                self.values["filters"] = result.values
            return
        for name, value in _ids_of(result.values).items():
            if name in self._taken:
                self._put(name, value, name)
            else:
                self.refused.append(
                    f"{self._call} takes no filters of {name!r}; filters choose turns to search or"
                    " to list"
                )

    def _put_user(self, user_id: Any) -> None:
        before = self.values.setdefault("user_id", user_id)
        if str(before) != str(user_id):
            self.refused.append(f"the user is {before!r} and, in filters, {user_id!r}; write one")


def _ids_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a filter says of a session and an agent, as keywords; the rest by its own keys."""
    keywords: dict[str, Any] = {}
    for key, value in values.items():
        if key == "session":
            keywords["run_id"] = value
        elif key == "tags":
            keywords |= value
        else:
            keywords[key] = value
    return keywords
