"""The command refine: a model improves the facts, and only useful changes stay."""

from typing import TYPE_CHECKING, Annotated

import typer

from memory.cli.options import (
    DEFAULT,
    ApiBase,
    Db,
    ModelName,
    Namespace,
    Program,
    Yes,
    compiled_program,
    confirm,
    open_memory,
)
from memory.cli.output import change_line, command_line, edit_lines, print_lines
from memory.store.changes.history import edits_of
from memory.system.providers import refuse_unreachable
from memory.system.terminal import clean_line, count, print_clean, progress

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.refine.run import Refinement
    from memory.refine.workbench import Operation


def refine(
    namespace: Namespace = DEFAULT,
    db: Db = None,
    model: ModelName = "",
    api_base: ApiBase = None,
    operations: Annotated[int, typer.Option(min=1, help="Tool calls at most.")] = 30,
    questions: Annotated[
        int, typer.Option(help="Questions to measure with; the model writes them.")
    ] = 20,
    judge: Annotated[
        bool, typer.Option("--judge", help="Let the model judge answers, instead of word F1.")
    ] = False,
    program: Program = None,
    yes: Yes = False,
) -> None:
    """Let a model improve the facts. Only changes that help to answer questions stay.

    The model works on a draft, and answers questions from facts alone before and after.
    Operations that do not help are dropped. You can undo the rest. Ctrl-C leaves the memory as it
    was.
    """
    refuse_unreachable(model, api_base)
    from memory.api import Memory  # takes a second
    from memory.models.costs import spending
    from memory.refine.run import check, forecast

    with open_memory(namespace, db) as store:
        memory = Memory(
            store,
            model=model or None,
            api_base=api_base,
            program=compiled_program(program),
        )
        check(memory.program, questions)
        ahead = forecast(store, memory.model, operations, questions)
        print_clean(f"{memory.model.name} at {memory.model.server}: at most {ahead}", error=True)
        confirm("Refine this memory?", yes)
        last_before = max((change.id for change in store.changes()), default=0)
        with spending(memory.model) as spent:
            try:
                refinement = _refined(memory, operations, questions, judged=judge)
            except KeyboardInterrupt:
                print_clean(
                    f"interrupted: nothing was changed; cost so far: {spent.cost}", error=True
                )
                raise typer.Exit(2) from None
        edits = {change.id: edits_of(store, change.id) for change in refinement.changes}
    for change in refinement.changes:
        print_clean(change_line(change))
        print_lines(edit_lines(edits[change.id]), "  ")
    for operation in refinement.taken_back:
        print_lines([f"dropped: {_operation_line(operation)}"])
    for line in summary_lines(refinement):
        print_clean(line)
    print_clean(f"{memory.model.name}: {spent.cost}")
    if refinement.changes:
        everything = command_line("facts", "revert", f"#{last_before}", namespace=namespace, db=db)
        print_clean(f"to undo all of it: {everything}")


def _refined(memory: "Memory", operations: int, questions: int, judged: bool) -> "Refinement":
    """Refine with a progress bar for each stage, and a line for each operation."""
    from memory.refine.run import Progress, refine

    with progress() as bar:
        tasks = []

        def stage(name: str, steps: int) -> None:
            tasks.append(bar.add_task(name, total=steps))

        def step(line: str) -> None:
            bar.advance(tasks[-1])
            if line:
                bar.console.print(clean_line(line)[:160], markup=False, highlight=False)

        return refine(
            memory.store,
            memory.model,
            memory.program,
            operations,
            questions,
            judged=judged,
            progress=Progress(stage, step),
        )


def _operation_line(operation: "Operation") -> str:
    return f"{operation.tool}: {operation.reason}"


def summary_lines(refinement: "Refinement") -> list[str]:
    """The gain, the kept operations and the use of each tool, as lines to read."""
    tools = ", ".join(f"{tool} {number}" for tool, number in refinement.tools.items())
    gained = refinement.after - refinement.before
    held_out = count(len(refinement.held_out), "question")
    lines = [
        f"answers from facts alone, on {held_out} held out:"
        f" {refinement.before:.3f} -> {refinement.after:.3f} ({gained:+.3f}); on the"
        f" {len(refinement.deciding)} that chose the operations: {refinement.decided[0]:.3f} ->"
        f" {refinement.decided[1]:.3f}",
        f"{count(len(refinement.uses), 'operation')} ({tools or 'none'}): {len(refinement.kept)}"
        f" kept, {len(refinement.taken_back)} dropped;"
        f" {len(refinement.facts_before)} -> {count(len(refinement.facts_after), 'fact')}",
    ]
    return [*lines, refinement.note] if refinement.note else lines
