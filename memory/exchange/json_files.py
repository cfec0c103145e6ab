"""Reads JSON of any size, one value at a time: lists, lines, truncated files."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from memory.errors import InputError
from memory.exchange.input_files import InputFile, decoded_text
from memory.exchange.items import first_error
from memory.records import Skipped
from memory.system.bounded_json import MOST_MEMBERS, raw_decoded, refuse_many_marks

# The reader holds a whole line or JSON value in memory. The largest conversations have a few
# million characters.
LONGEST_VALUE = 64_000_000  # characters
_WHITE_SPACE = re.compile(r"[ \t\r\n]*")
_NUMBER_ENDS = 8  # characters within which a number's point or exponent ends
_AFTER_NUMBER = (",", "]", "}", " ", "\t", "\r", "\n")
_PROBED = 20  # values of a file: the first ones may be damaged or not objects
_MOST_OUTLINED = 1_000  # members of an object
_WRAPPERS = ("results", "memories", "conversations")
_Model = TypeVar("_Model", bound=BaseModel)


def refuse_long_value(file: InputFile, characters: int) -> None:
    """Raises InputError if a line or value that has not ended yet is too long."""
    if characters > LONGEST_VALUE:
        raise InputError(
            f"{file.name}: a line or value of more than {LONGEST_VALUE:,} characters; split it"
        )


def json_values(file: InputFile) -> Iterator[tuple[str, Any] | Skipped]:
    """The elements of a JSON list, or the values of a file that has several, with their locations.

    An object with a list under "results", "memories" or "conversations" counts as that list. Where
    the text stops being JSON, one `Skipped` reports the rest. Holds only one element in memory.
    Raises InputError if not even the first element is JSON.
    """
    text = _JsonText(file)
    is_list = text.next_character() == "["
    if is_list:
        text.position += 1
    number = 0
    while (character := text.next_character()) and not (is_list and character == "]"):
        number += 1
        if is_list and number > 1 and character == ",":
            text.position += 1
            text.next_character()
        try:
            value = text.value()
        except (ValueError, RecursionError) as error:
            reason = f"not JSON ({error}): the file may be cut off or damaged here"
            if number == 1:
                raise InputError(f"{file.name}: element 1: {reason}") from error
            yield Skipped(f"{file.name}: element {number:,} and all after it", reason)
            return

        elements = wrapped_elements(value)
        if elements is not None:
            for index, element in enumerate(elements, 1):
                yield f"{file.name}: element {index:,}", element
        else:
            yield f"{file.name}: element {number:,}", value
    if is_list and not character:
        yield Skipped(file.name, "the list has no end: the file may be cut off")


def wrapped_elements(value: Any) -> list[Any] | None:
    """The list for which an object counts: what it calls its results, memories or conversations."""
    if not isinstance(value, dict):
        return None
    elements = next((value[key] for key in _WRAPPERS if key in value), None)
    return elements if isinstance(elements, list) else None


def json_members(
    file: InputFile, opened: Collection[tuple[str, ...]]
) -> Iterator[tuple[tuple[str | int, ...], Any] | Skipped]:
    """The members of a file's first value, each with its path, one at a time.

    Opens the lists and objects at the paths `opened`, where "*" is any element of a list: with
    `{(), ("messages",)}` the members of an object, and for "messages" its elements. So a list of
    any length is read with one element in memory. Where the text stops being JSON, one `Skipped`
    reports the rest.
    """
    try:
        yield from _JsonText(file).members((), opened)
    except (ValueError, RecursionError) as error:
        yield Skipped(
            f"{file.name}: the rest", f"not JSON ({error}): the file may be cut off or damaged here"
        )


def _outlines(file: InputFile, longest: int) -> Iterator[Any]:
    """The first values of a file, or the first elements of its list, each with short lists.

    Every list in them has only its first `longest` elements, and every object its first
    _MOST_OUTLINED members: enough to show the format of a file of any size. Stops where
    the text stops being JSON.
    """
    text = _JsonText(file)
    try:
        if text.next_character() == "[":
            for _ in zip(text.steps(), range(longest), strict=False):
                yield _outline(text, longest, _OUTLINED)
            return
        for _ in range(longest):
            if not text.next_character():
                return
            yield _outline(text, longest, _OUTLINED)
    except (ValueError, RecursionError):
        return


def outlined_objects(file: InputFile) -> Iterator[dict[str, Any]]:
    """The objects that tell a file's format: its first values, and what they wrap."""
    for value in _outlines(file, _PROBED):
        if isinstance(value, dict):
            yield value
            yield from (e for e in wrapped_elements(value) or () if isinstance(e, dict))


_OUTLINED = 5  # levels of lists and objects


def _outline(text: "_JsonText", longest: int, levels: int) -> Any:
    """The value that begins here, with the first elements of its lists; what of it is JSON."""
    opening = text.next_character()
    if not levels or opening not in ("[", "{"):
        return text.value()
    elements: list[Any] = []
    members: dict[str, Any] = {}
    try:
        for step in text.steps():
            if isinstance(step, str) and len(members) < _MOST_OUTLINED:
                members[step] = _outline(text, longest, levels - 1)
            elif isinstance(step, int) and step < longest:
                elements.append(_outline(text, longest, levels - 1))
            else:
                text.value()
    except (ValueError, RecursionError):
        if not (elements or members):
            raise
    return members if opening == "{" else elements


def validated(
    files: Sequence[InputFile], model: type[_Model]
) -> Iterator[tuple[str, _Model | str]]:
    """The location of each value, with the value as this model, or the reason why it is invalid."""
    for file in files:
        for item in json_values(file):
            if isinstance(item, Skipped):
                yield item.where, item.why
                continue
            location, value = item
            if not isinstance(value, dict):
                yield location, "not an object"
                continue
            try:
                yield location, model.model_validate(value)
            except ValidationError as error:
                yield location, first_error(error)


class _JsonText:
    """Text that is read on demand; `position` is the current index in `text`.

    It feeds the C decoder of `json`, which is seven times as fast as a streaming parser
    (docs/decisions.md, 48).
    """

    def __init__(self, file: InputFile) -> None:
        self.file = file
        self.chunks = decoded_text(file)
        self.text = ""
        self.position = 0

    def read(self, characters: int) -> bool:
        """Read at least `characters` more; False at the end of the text."""
        pieces = [self.text[self.position :]]
        while characters > 0 and (chunk := next(self.chunks, "")):
            pieces.append(chunk)
            characters -= len(chunk)
        self.text = "".join(pieces)
        self.position = 0
        return len(pieces) > 1

    def next_character(self) -> str:
        """The next character that is not white space, without consuming it; "" at the end."""
        while True:
            space = _WHITE_SPACE.match(self.text, self.position)
            assert space is not None  # the pattern matches the empty string
            self.position = space.end()
            if self.position < len(self.text):
                return self.text[self.position]
            if not self.read(1):
                return ""

    def steps(self) -> Iterator[str | int]:
        """Each key of the object that begins here, or each number of an element of the list.

        The caller consumes the value before it goes on. Raises ValueError if it is not JSON.
        """
        opening = self.next_character()
        self.position += 1
        number = 0
        while (character := self.next_character()) not in ("]", "}"):
            if number and character != ",":
                raise ValueError("no comma between two values")
            if number:
                self.position += 1
                self.next_character()
            if opening == "{" and number > MOST_MEMBERS:
                raise InputError(
                    f"{self.file.name}: an object with more than {MOST_MEMBERS:,} members; split it"
                )
            if opening == "[":
                yield number
            else:
                key = self.value()
                if not isinstance(key, str) or self.next_character() != ":":
                    raise ValueError("no name of a value")
                self.position += 1
                self.next_character()
                yield key
            number += 1
        self.position += 1

    def members(
        self, path: tuple[str | int, ...], opened: Collection[tuple[str, ...]]
    ) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        """The value that begins here, or if its path is one of the `opened`, what is in it."""
        pattern = tuple("*" if isinstance(step, int) else step for step in path)
        opening = self.next_character()
        if pattern not in opened or opening not in ("[", "{"):
            yield path, self.value()
            return
        for step in self.steps():
            yield from self.members((*path, step), opened)

    def value(self) -> Any:
        """Consume the JSON value that begins here. Raises ValueError if there is none.

        Doubles the text at hand whenever a value seems unfinished: a long value needs only a few
        attempts.
        """
        while True:
            try:
                value, end = raw_decoded(self.text, self.position)
            except ValueError:
                refuse_long_value(self.file, len(self.text) - self.position)
                refuse_many_marks(self.text, self.file.name, self.position)
                if not self.read(len(self.text) - self.position or 1):
                    raise
                continue
            length = end - self.position  # reading on moves the position
            # A number may continue in the next chunk: after its digits, its point or its "e".
            is_whole = isinstance(value, (str, list, dict)) or len(self.text) - end >= _NUMBER_ENDS
            if not is_whole and self.text[end : end + 1] not in _AFTER_NUMBER and self.read(1):
                continue
            self.position += length
            return value
