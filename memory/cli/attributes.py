"""The group attributes: what facts are stored under; list, load, set, rename, merge, remove."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, cast

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.options import ListByDefault
from memory.cli.output import change_line
from memory.errors import InputError
from memory.records import Change, Turn
from memory.store.fact_reads import count_attributes
from memory.store.turn_validation import local_now
from memory.store.vocabulary_edits import (
    merge_attributes,
    remove_attribute,
    rename_attribute,
    set_vocabulary,
    vocabulary_of,
)
from memory.system.terminal import clean_line
from memory.vocabulary import Attribute, Kind, Vocabulary, name_key, read_vocabulary
from memory.vocabulary.templates import question_templates_of, templates_of

app = typer.Typer(
    cls=ListByDefault,
    help="List, edit and try the attributes of facts: the memory's vocabulary."
    " `memory facts attributes` alone lists them.",
)
_COLUMNS = ("attribute", "kind", "values", "facts", "by", "other names")
Name = Annotated[str, typer.Argument(help="An attribute, by any of its names.")]


@app.command("list")
@on_memory()
def list_command(
    memory: CommandMemory,
    text: Annotated[str, typer.Argument(help="Only attributes with this text.")] = "",
) -> Printed:
    """List the vocabulary: your own attributes, the default ones, and those only facts have."""
    vocabulary = vocabulary_of(memory.store)
    facts = count_attributes(memory.store)
    listed = [*vocabulary.attributes]
    listed += [Attribute(name) for name in facts if vocabulary.canonical(name) is None]
    counts = dict.fromkeys((attribute.name for attribute in listed), 0)
    for name, number in facts.items():
        counts[vocabulary.name_of(name)] += number
    listed.sort(key=lambda attribute: _order(vocabulary, attribute))
    wanted = name_key(text)
    listed = [one for one in listed if any(wanted in name_key(name) for name in one.names)]
    notes = ["strict: facts of other attributes are not stored"] if vocabulary.strict else []
    return Printed(
        [
            asdict(attribute) | {"by": _by(vocabulary, attribute), "facts": counts[attribute.name]}
            for attribute in listed
        ],
        columns=_COLUMNS,
        rows=[_cells(vocabulary, attribute, counts[attribute.name]) for attribute in listed],
        notes=notes if listed else [*notes, "no such attributes"],
    )


@app.command()
@on_memory(writes=True)
def load(
    memory: CommandMemory,
    file: Annotated[Path, typer.Argument(help="A .toml or .json file.")],
    replaces: Annotated[
        bool, typer.Option("--replace", help="Take all others out of force, also the default ones.")
    ] = False,
    strict: Annotated[
        bool | None,
        typer.Option("--strict/--not-strict", help="Store facts of no other attributes."),
    ] = None,
) -> Printed:
    """Add the attributes of a file to the vocabulary, or put them in the place of all others.

    memory facts attributes load clinic.toml --replace --strict
    """
    content = read_vocabulary(file)
    return _changed(
        memory,
        set_vocabulary(
            memory.store,
            content.attributes,
            replaces=replaces,
            strict=content.strict if strict is None else strict,
            by=memory.user,
        ),
    )


@app.command("set")
@on_memory(writes=True)
def set_command(
    memory: CommandMemory,
    name: Annotated[str, typer.Argument(help="The attribute, new or by any of its names.")] = "",
    kind: Annotated[
        str, typer.Option(help="'one value', 'many' or 'event'; many for a new one.")
    ] = "",
    other_names: Annotated[
        list[str] | None, typer.Option("--other-name", help="A synonym; repeat it for several.")
    ] = None,
    values: Annotated[
        list[str] | None, typer.Option("--value", help="An allowed value; repeat it for several.")
    ] = None,
    instruction: Annotated[
        str | None, typer.Option(help="What belongs there, for a model.")
    ] = None,
    says: Annotated[
        list[str] | None,
        typer.Option(help="A template: 'my order number is {value}'; repeat it for several."),
    ] = None,
    ends: Annotated[
        list[str] | None, typer.Option(help="A template of what ends it: 'I cancelled {value}'.")
    ] = None,
    asks: Annotated[
        list[str] | None, typer.Option(help="A template: 'what is my order number'.")
    ] = None,
    form: Annotated[
        str | None, typer.Option(help="The form of {value}: phrase, name, number, date, code, ...")
    ] = None,
    strict: Annotated[
        bool | None,
        typer.Option("--strict/--not-strict", help="Store facts of no other attributes."),
    ] = None,
) -> Printed:
    """Add or change an attribute; what you leave out stays the same. Facts move with it.

    memory facts attributes set urgency --kind "one value" --value low --value high

    memory facts attributes set order_number --form code --says "my order number is {value}"
    """
    changes = (kind, other_names, values, form, says, ends, asks)
    if not name and (any(changes) or instruction is not None):
        raise InputError("name the attribute: memory facts attributes set NAME ...")
    if not name and strict is None:
        raise InputError("name an attribute, or give --strict or --not-strict")
    attributes = []
    if name:
        known = vocabulary_of(memory.store).canonical(name) or Attribute(name)
        new = replace(
            known,
            kind=cast(Kind, kind) if kind else known.kind,
            other_names=(*known.other_names, *(other_names or ())),
            allowed_values=tuple(values) if values else known.allowed_values,
            instruction=known.instruction if instruction is None else instruction,
            form=known.form if form is None else form,
            says=(*known.says, *(says or ())),
            ends=(*known.ends, *(ends or ())),
            asks=(*known.asks, *(asks or ())),
        )
        attributes.append(new)
    return _changed(memory, set_vocabulary(memory.store, attributes, strict=strict, by=memory.user))


@app.command()
@on_memory(writes=True)
def rename(
    memory: CommandMemory,
    name: Name,
    new_name: Annotated[str, typer.Argument(help="Its new name; the old one goes on meaning it.")],
) -> Printed:
    """Give an attribute and its facts another name."""
    return _changed(memory, rename_attribute(memory.store, name, new_name, by=memory.user))


@app.command()
@on_memory(writes=True)
def merge(
    memory: CommandMemory,
    names: Annotated[list[str], typer.Argument(help="The attributes that go.")],
    into: Annotated[str, typer.Option(help="The attribute that stays, with all facts.")],
) -> Printed:
    """Make several attributes one.

    memory facts attributes merge dog owns_cat --into has_pet
    """
    return _changed(memory, merge_attributes(memory.store, names, into, by=memory.user))


@app.command()
@on_memory(writes=True)
def remove(memory: CommandMemory, name: Name) -> Printed:
    """Take an attribute out of the vocabulary. Its facts stay."""
    return _changed(memory, remove_attribute(memory.store, name, by=memory.user))


@app.command("try")
@on_memory()
def try_command(
    memory: CommandMemory,
    text: Annotated[str, typer.Argument(help="A sentence or a question.")],
    speaker: Annotated[
        str, typer.Option(help="Who says it; your name in this memory by default.")
    ] = "",
) -> Printed:
    """Show which template a text matches and what would be stored, or why nothing is.

    memory facts attributes try "I've moved to Lisbon"
    """
    vocabulary = vocabulary_of(memory.store)
    turn = Turn(speaker or memory.user, text, said_at=local_now())
    questions = list(_questions(text, vocabulary, turn.said_at))
    lines = questions or list(_statements(turn, vocabulary))
    return Printed([{"line": line} for line in lines], lines)


def _changed(memory: CommandMemory, change: Change) -> Printed:
    return memory.changed(change, [change_line(change)])


def _questions(text: str, vocabulary: Vocabulary, today: str) -> Iterator[str]:
    for question in question_templates_of(vocabulary).read(text, today):
        about = question.who or "the asker"
        wanted = {"value": "the values", "count": "how many", "date": "the day"}
        which = wanted.get(question.kind, f"the {question.kind}")
        value = f", of {question.value}" if question.value else ""
        date = f", at {question.date}" if question.date else ""
        yield clean_line(f"asks {which} of {question.attribute} of {about}{value}{date}")
        yield f"  template: {clean_line(question.template)}"


def _statements(turn: Turn, vocabulary: Vocabulary) -> Iterator[str]:
    reading = templates_of(vocabulary).read(turn)
    for found in reading.found:
        for assertion in found.assertions:
            deed = "ends" if assertion.is_end else "stores"
            value = f": {assertion.value}" if assertion.value else ""
            since = f" since {assertion.happened_on}" if assertion.happened_on else ""
            yield clean_line(f"{deed} {assertion.subject} {assertion.attribute}{value}{since}")
        yield f"  template: {clean_line(found.template)}"
    for refusal in reading.refusals:
        yield f"stores nothing: {refusal}"


def _by(vocabulary: Vocabulary, attribute: Attribute) -> str:
    if attribute.name in vocabulary.own:
        return "you"
    return "default" if vocabulary.canonical(attribute.name) else "facts only"


def _order(vocabulary: Vocabulary, attribute: Attribute) -> tuple[int, str]:
    return ("you", "default", "facts only").index(_by(vocabulary, attribute)), attribute.name


def _cells(vocabulary: Vocabulary, attribute: Attribute, facts: int) -> tuple[str, ...]:
    by = _by(vocabulary, attribute)
    return (
        attribute.name,
        attribute.kind if by != "facts only" else "",
        ", ".join(attribute.allowed_values),
        str(facts or ""),
        by,
        ", ".join(attribute.other_names),
    )
