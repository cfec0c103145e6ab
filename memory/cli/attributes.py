"""The group attributes: what facts are stored under; list, load, set, rename, merge, remove."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.cli.operations import EditCommand, EditingGroup
from memory.cli.output import change_line
from memory.records import Turn
from memory.store.facts.vocabulary_table import set_vocabulary, vocabulary_of
from memory.store.turns.turn_validation import local_now
from memory.system.terminal import clean_line
from memory.vocabulary import Vocabulary, read_vocabulary
from memory.vocabulary.templates import question_templates_of, templates_of

_STRICT = "--strict/--not-strict"


class _Attributes(EditingGroup):
    edits: ClassVar = {
        "set": EditCommand(
            "set_attribute",
            ("name",),
            {"other_names": "--other-name", "values": "--value", "strict": _STRICT},
            example="""memory facts attributes set urgency --kind "one value" --value low

memory facts attributes set order_number --form code --says "my order number is {value}"
""",
        ),
        "rename": EditCommand("rename_attribute", ("name", "new_name")),
        "merge": EditCommand(
            "merge_attributes",
            ("names",),
            example="memory facts attributes merge dog owns_cat --into has_pet",
        ),
        "remove": EditCommand("remove_attribute", ("name",)),
    }


app = typer.Typer(
    cls=_Attributes,
    help="List, edit and try the attributes of facts: the memory's vocabulary."
    " `memory facts attributes` alone lists them.",
)
_COLUMNS = ("attribute", "kind", "values", "facts", "by", "other names")


@app.command("list")
@on_memory()
def list_command(
    memory: CommandMemory,
    text: Annotated[str, typer.Argument(help="Only attributes with this text.")] = "",
) -> Printed:
    """List the vocabulary: your own attributes, the default ones, and those only facts have."""
    from memory.operations.vocabulary import attributes  # with pydantic

    listed = attributes(memory.opened, text)
    rows = [
        (
            attribute["name"],
            attribute["kind"] if attribute["by"] != "facts only" else "",
            ", ".join(attribute["allowed_values"]),
            attribute["facts"] or None,
            attribute["by"],
            ", ".join(attribute["other_names"]),
        )
        for attribute in listed["attributes"]
    ]
    notes = ["strict: facts of other attributes are not stored"] if listed["strict"] else []
    return Printed(
        listed["attributes"],
        columns=_COLUMNS,
        rows=rows,
        notes=notes if rows else [*notes, "no such attributes"],
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
        typer.Option(_STRICT, help="Store facts of no other attributes."),
    ] = None,
) -> Printed:
    """Add the attributes of a file to the vocabulary, or put them in the place of all others.

    memory facts attributes load clinic.toml --replace --strict
    """
    content = read_vocabulary(file)
    change = set_vocabulary(
        memory.store,
        content.attributes,
        replaces=replaces,
        strict=content.strict if strict is None else strict,
        by=memory.user,
    )
    return memory.changed(change, [change_line(change)])


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
