"""Attributes, and a vocabulary of them: which names mean one attribute, and what it takes."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, get_args

from memory.errors import InputError
from memory.records import CurrencyRules
from memory.vocabulary.forms import check_form, word_lists
from memory.vocabulary.template_syntax import PLACEHOLDERS, check_templates

Kind = Literal["one value", "many", "event", "plan"]
KINDS: tuple[str, ...] = get_args(Kind)
# The parts of a profile, in the order shown (`Attribute.profile`).
ProfilePart = Literal[
    "name", "allergies", "diet", "health", "home", "work", "family", "languages", "goals"
]
PROFILE_PARTS: tuple[str, ...] = get_args(ProfilePart)
# A vocabulary is shown to models, line by line.
LONGEST_NAME = 60  # characters
LONGEST_VALUE = 200
LONGEST_INSTRUCTION = 300
TEMPLATE_FIELDS = tuple(PLACEHOLDERS)
MOST_NAMES = 100  # other names of an attribute
MOST_VALUES = 200
MOST_ATTRIBUTES = 1_000

_NAMED_ATTRIBUTES = 20  # in a message

_BETWEEN_WORDS = re.compile(r"[\s_-]+")

# What a person wants from every answer, as the default attributes have it.
INSTRUCTION, PREFERENCE = "instruction", "prefers"
# Only the newest of these counts.
LANGUAGE, LENGTH, CALLED = "answer_language", "answer_length", "wants_to_be_called"
STANDING = (INSTRUCTION, PREFERENCE, LANGUAGE, LENGTH, CALLED)


def name_key(name: str) -> str:
    """What all spellings of a name share: case, spaces, underscores and hyphens do not matter."""
    return _BETWEEN_WORDS.sub("", unicodedata.normalize("NFKC", name).casefold())


@dataclass(frozen=True)
class Attribute:
    """What facts say of their subjects under one name.

    `other_names` are synonyms: a fact stored under one of them gets `name`. The kind "one value" is
    a state that a new value ends (lives_in), and "many" a state that may have several values at a
    time (has_pet). An "event" happened on its date (bought). A "plan" is current once it is
    said, and its date is its day or its deadline (goal). With `allowed_values` a fact has one of
    them. `instruction` tells models what belongs here. `opposite` is an attribute with the contrary
    meaning (likes, dislikes): the newer of two such facts ends the other. `profile` is the part of
    a person's profile that the values belong to, or "": the asker's facts with such attributes are
    shown with every question. `one_of` is a form of values that exclude each other, while others
    stay: a vegetarian is no vegan, but may be gluten-free.

    Templates are plain forms of statements and questions (see docs/guides/vocabulary.md). A turn in
    the form of `says` makes a fact, and one of `ends` ends a fact. A question in the form of `asks`
    is answered by the values, of `asks_count` by their number, of `asks_date` by the day of one, of
    `asks_first` and `asks_last` by the first and the last of them. `form` is the form of a value in
    templates: "name", "number", "date", ... (by default "phrase").
    """

    name: str
    kind: Kind = "many"
    other_names: tuple[str, ...] = ()
    allowed_values: tuple[str, ...] = ()
    instruction: str = ""
    form: str = ""
    says: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    asks: tuple[str, ...] = ()
    asks_count: tuple[str, ...] = ()
    asks_date: tuple[str, ...] = ()
    asks_first: tuple[str, ...] = ()
    asks_last: tuple[str, ...] = ()
    opposite: str = ""
    profile: str = ""
    one_of: str = ""

    @property
    def is_state(self) -> bool:
        """Whether it lasts from its date on, and not only on it or until it."""
        return self.kind in ("one value", "many")

    @property
    def names(self) -> tuple[str, ...]:
        """The name and all other names."""
        return self.name, *self.other_names

    @property
    def templates(self) -> dict[str, tuple[str, ...]]:
        """The fields that have templates, with these."""
        return {field: found for field in TEMPLATE_FIELDS if (found := getattr(self, field))}

    @property
    def line(self) -> str:
        """The attribute for a prompt: `urgency (one value: low, high): how urgent it is`."""
        values = f": {', '.join(self.allowed_values)}" if self.allowed_values else ""
        instruction = f": {self.instruction}" if self.instruction else ""
        return f"{self.name} ({self.kind}{values}){instruction}"

    def allowed(self, value: str) -> str | None:
        """The stored form of a value; None for a value that is not allowed.

        Case and the spaces around a value do not matter where values are listed.
        """
        if not self.allowed_values:
            return value
        wanted = _value_key(value)
        return next((known for known in self.allowed_values if _value_key(known) == wanted), None)

    def checked(self) -> "Attribute":
        """The attribute without surrounding spaces and repeated names.

        Raises InputError for an empty, long or unprintable text, for an unknown kind or form, and
        for an invalid template.
        """
        name = _text(self.name, "the name of an attribute", LONGEST_NAME)
        of_name = f"attribute {name}"
        if self.kind not in KINDS:
            kinds = ", ".join(f"'{kind}'" for kind in KINDS)
            raise InputError(f"{of_name} is of the kind {self.kind!r:.80}; the kinds are {kinds}")
        instruction = " ".join(self.instruction.split())
        if instruction:
            _text(instruction, f"{of_name}: the instruction", LONGEST_INSTRUCTION)
        other_names: dict[str, str] = {}
        for text in self.other_names:
            other_name = _text(text, f"{of_name}: another name", LONGEST_NAME)
            other_names.setdefault(name_key(other_name), other_name)
        other_names.pop(name_key(name), None)  # another spelling of its name
        if len(other_names) > MOST_NAMES:
            raise InputError(f"{of_name} has more than {MOST_NAMES} other names")
        values = [_text(text, f"{of_name}: a value", LONGEST_VALUE) for text in self.allowed_values]
        if len(values) > MOST_VALUES:
            raise InputError(f"{of_name} allows more than {MOST_VALUES} values; list none")
        value_keys = [_value_key(value) for value in values]
        if repeated := [
            v for v, key in zip(values, value_keys, strict=True) if value_keys.count(key) > 1
        ]:
            raise InputError(f"{of_name} allows the value {repeated[0]!r} twice")
        for form in filter(None, (self.form, self.one_of)):
            check_form(form)
        if self.profile and self.profile not in PROFILE_PARTS:
            parts = ", ".join(f"'{part}'" for part in PROFILE_PARTS)
            raise InputError(
                f"{of_name} is in the part {self.profile!r:.80} of a profile; the parts are {parts}"
            )
        return Attribute(
            name=name,
            kind=self.kind,
            other_names=tuple(other_names.values()),
            allowed_values=tuple(values),
            instruction=instruction,
            form=self.form,
            opposite=self.opposite.strip(),
            profile=self.profile,
            one_of=self.one_of,
            **{field: check_templates(of, field, name) for field, of in self.templates.items()},
        )


@dataclass(frozen=True)
class Vocabulary:
    """The attributes in use in a memory.

    Where it is `strict`, facts of other attributes are not stored. `own` are the names of the
    attributes that the application added or changed, all others are of the default.
    """

    attributes: tuple[Attribute, ...]
    strict: bool = False
    own: frozenset[str] = frozenset()

    @cached_property
    def _by_key(self) -> Mapping[str, Attribute]:
        return {
            name_key(name): attribute for attribute in self.attributes for name in attribute.names
        }

    def canonical(self, name: str) -> Attribute | None:
        """The attribute that a name means, in any spelling; None when it has none."""
        return self._by_key.get(name_key(name))

    def name_of(self, name: str) -> str:
        """The name under which an attribute is stored: the same where the vocabulary lacks it."""
        attribute = self.canonical(name)
        return attribute.name if attribute else name

    def names_of(self, name: str) -> tuple[str, ...]:
        """This name and all others of its attribute: facts of earlier days may have any of them."""
        attribute = self.canonical(name)
        return tuple(dict.fromkeys((name, *(attribute.names if attribute else ()))))

    @cached_property
    def profile_names(self) -> tuple[str, ...]:
        """All names of the attributes that a profile is made of."""
        marked = [attribute for attribute in self.attributes if attribute.profile]
        return tuple(name for attribute in marked for name in attribute.names)

    def profile_part(self, name: str) -> str:
        """The part of a profile that an attribute's values belong to; "" for none."""
        attribute = self.canonical(name)
        return attribute.profile if attribute else ""

    @cached_property
    def currency(self) -> CurrencyRules:
        """What decides which facts of these attributes are current."""
        opposed = {self.name_of(name) for pair in self._opposites.items() for name in pair}

        def names(are_meant: Callable[[Attribute], bool]) -> tuple[str, ...]:
            meant = filter(are_meant, self.attributes)
            return tuple(name for attribute in meant for name in attribute.names)

        return CurrencyRules(
            one_valued=names(lambda attribute: attribute.kind == "one value"),
            states=names(lambda attribute: attribute.is_state),
            opposed=names(lambda attribute: attribute.name in opposed),
            exclusive=tuple(
                f"{attribute.name}={value}"
                for attribute in self.attributes
                if attribute.one_of
                for value in sorted(word_lists()[attribute.one_of])
            ),
        )

    @cached_property
    def _opposites(self) -> Mapping[str, str]:
        """Each attribute with an opposite that the vocabulary has, with that one."""
        pairs = [
            (attribute.name, opposite.name)
            for attribute in self.attributes
            if attribute.opposite and (opposite := self.canonical(attribute.opposite))
        ]
        return dict([*pairs, *((opposite, name) for name, opposite in pairs)])

    def opposite_of(self, name: str) -> str:
        """The attribute with the opposite meaning; "" if there is none."""
        return self._opposites.get(self.name_of(name), "")

    @property
    def names(self) -> tuple[str, ...]:
        """All names of all attributes."""
        return tuple(name for attribute in self.attributes for name in attribute.names)

    @property
    def names_in_short(self) -> str:
        """The names of the attributes for a message, as many as fit."""
        names = [attribute.name for attribute in self.attributes]
        further = len(names) - _NAMED_ATTRIBUTES
        named = ", ".join(names[:_NAMED_ATTRIBUTES])
        return f"{named} and {further} more" if further > 0 else named

    def stored(self, name: str, value: str) -> tuple[str, str]:
        """An attribute and a value as a fact is to have them.

        Raises InputError for a value that is not allowed, and for an attribute that a strict
        vocabulary lacks.
        """
        attribute = self.canonical(name)
        if attribute is None:
            if self.strict:
                raise InputError(
                    f"the attribute {name!r:.80} is not in the vocabulary of this memory, which is"
                    f" strict: it has {self.names_in_short}"
                )
            return name, value
        allowed = attribute.allowed(value)
        if allowed is None:
            values = ", ".join(attribute.allowed_values)
            raise InputError(f"{attribute.name} is one of {values}, not {value!r:.80}")
        return attribute.name, allowed


def check_attributes(attributes: Sequence[Attribute]) -> tuple[Attribute, ...]:
    """The attributes, `checked` each and against one another.

    Raises InputError if one name means two attributes.
    """
    clean = tuple(attribute.checked() for attribute in attributes)
    if len(clean) > MOST_ATTRIBUTES:
        raise InputError(
            f"{len(clean)} attributes are too many; a vocabulary has {MOST_ATTRIBUTES}"
        )
    owner: dict[str, Attribute] = {}
    for attribute in clean:
        for name in attribute.names:
            first = owner.setdefault(name_key(name), attribute)
            if first is not attribute and name_key(first.name) == name_key(attribute.name):
                raise InputError(f"the attribute {attribute.name} occurs twice")
            if first is not attribute:
                raise InputError(
                    f"the name {name!r} means two attributes, {first.name} and {attribute.name};"
                    " leave one out"
                )
    return clean


def combined(
    default: Sequence[Attribute], own: Sequence[Attribute], strict: bool = False
) -> Vocabulary:
    """The vocabulary of an application's own attributes, and of a default if these say nothing.

    A default attribute gives way to an application's attribute with its name, and each of its other
    names to an attribute with that name.
    """
    taken = {name_key(name) for attribute in own for name in attribute.names}
    attributes = list(own)
    for attribute in default:
        if name_key(attribute.name) not in taken:
            free = tuple(name for name in attribute.other_names if name_key(name) not in taken)
            attributes.append(replace(attribute, other_names=free))
    return Vocabulary(
        tuple(sorted(attributes, key=lambda attribute: attribute.name)),
        strict,
        frozenset(attribute.name for attribute in own),
    )


def _text(text: str, what: str, longest: int) -> str:
    clean = text.strip()
    if not name_key(clean):
        raise InputError(f"{what} is empty")
    if len(clean) > longest:
        raise InputError(f"{what} has {len(clean)} characters; at most {longest} are allowed")
    if not clean.isprintable():
        raise InputError(f"{what} has a character that cannot be printed: {clean!r}")
    return clean


def _value_key(value: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", value).casefold().split())
