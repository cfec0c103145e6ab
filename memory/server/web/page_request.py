"""A request for a page: its namespace and inputs, and the kinds of response."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

from memory.errors import InputError
from memory.operations import OPERATIONS, OpenMemory
from memory.store.configuration.declared_settings import Settings

if TYPE_CHECKING:
    from starlette.datastructures import UploadFile

    from memory.server.handles import Handles
    from memory.server.web.tasks import Tasks
    from memory.store import Store

_MOST_DIGITS = 18  # a longer number fits no id of the database


@dataclass(frozen=True)
class Inputs:
    """The inputs of a request by name: from its path, query and form."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    files: Sequence["UploadFile"] = ()

    def text(self, name: str, default: str = "") -> str:
        """The last value of a field, without surrounding white space."""
        values = self.values.get(name)
        return values[-1].strip() if values else default

    def number(self, name: str) -> int:
        """A field that must be a whole number. Raises InputError when it is not."""
        numbers = self.numbers(name)
        if not numbers:
            raise InputError(f"{name}: give a number")
        return numbers[-1]

    def optional_number(self, name: str) -> int | None:
        """A field that may be empty, as a number. Raises InputError for other text."""
        return self.number(name) if self.text(name) else None

    def numbers(self, name: str) -> list[int]:
        """All values of a field, as ids of turns, facts or changes."""
        numbers = []
        for value in self.values.get(name, ()):
            digits = value.strip()
            if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
                raise InputError(f"{name}: {digits[:40]!r} is not a number")
            numbers.append(int(digits))
        return numbers


@dataclass(frozen=True)
class Page:
    """A template with its values, and the HTTP status."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    status: int = 200


@dataclass(frozen=True)
class Redirect:
    """The address to open after a form; reloading it does not send the form again."""

    address: str


@dataclass(frozen=True)
class Download:
    """A file without a name, made for this request, and the name to save it as."""

    file: IO[bytes]
    name: str


PageResponse: TypeAlias = Page | Redirect | Download
# A method, a path below that of the namespace, and a view. A coroutine function gets the request
# and uses its handles; any other view also gets the open store and runs on the store's thread.
PageRoute: TypeAlias = tuple[str, str, Callable[..., Any]]


@dataclass(frozen=True)
class PageRequest:
    """One request: its namespace (empty for none), its inputs, and the server's parts."""

    namespace: str
    inputs: Inputs
    handles: "Handles"
    tasks: "Tasks"
    page: str = ""  # its address below that of the namespace, with its query: "/facts?sort=new"
    origin: str = ""  # of this server, as the browser knows it: "http://127.0.0.1:8765"

    def refuse_read_only(self) -> None:
        """Raise InputError when the server was started with --read-only."""
        if self.handles.read_only:
            raise InputError("this server was started with --read-only; nothing can be changed")

    def perform(self, store: "Store", operation: str, **arguments: object) -> Any:
        """Do an operation with the fields of the form that it takes, and further arguments.

        A field of a list has one of its values in each line. Returns the operation's answer.
        """
        wanted = OPERATIONS[operation]
        texts: dict[str, Any] = {}
        for name, field_of_inputs in wanted.arguments.model_fields.items():
            text = self.inputs.text(name)
            if wanted.schemas[name].get("type") == "array":
                texts[name] = list(filter(None, map(str.strip, text.splitlines())))
            elif text or field_of_inputs.is_required():
                texts[name] = text
        return wanted.perform(self.opened(store), wanted.arguments_of(texts) | arguments)

    def opened(self, store: "Store") -> OpenMemory:
        """The memory as operations take it, changed by its user."""
        by = str(Settings(store).get("user", "user"))
        return OpenMemory(store, by, self.handles.memory_of, self.handles.weights)

    def address(self, *parts: object, **query: object) -> str:
        """The address of a page of this namespace: `address("turns", 12)`."""
        return address_of(self.namespace, *parts, **query)


def address_of(namespace: str, *parts: object, **query: object) -> str:
    """The address of a page of a namespace, without empty query fields."""
    path = "/".join(["/m", segment_of(namespace), *(quote(str(part), safe="") for part in parts)])
    fields = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(fields)}" if fields else path


def segment_of(namespace: str) -> str:
    """Any namespace's name as one segment of a path.

    `~` replaces the percent sign, which some servers and proxies decode too early. Dots are escaped
    in a name of dots alone, which would otherwise be a relative path.
    """
    quoted_name = quote(namespace, safe="").replace("~", "%7E")
    if not quoted_name.strip("."):
        quoted_name = quoted_name.replace(".", "%2E")
    return quoted_name.replace("%", "~")


def name_of_segment(segment: str) -> str:
    """The namespace of a segment from `segment_of`."""
    return unquote(segment.replace("~", "%"))
