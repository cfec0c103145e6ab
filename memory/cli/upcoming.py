"""`memory upcoming`: what is due."""

from typing import Annotated

import typer

from memory.cli.memory_command import CommandMemory, Printed, on_memory
from memory.evidence.upcoming import DAYS
from memory.evidence.upcoming import upcoming as due_on_days
from memory.system.terminal import clean_line, count


@on_memory()
def upcoming(
    memory: CommandMemory,
    days: Annotated[int, typer.Option(help="How many days after today to look at.")] = DAYS,
    now: Annotated[str, typer.Option(help="Another day than today to begin with.")] = "",
) -> Printed:
    """List what is due: what was said for the next days, facts that happen then, birthdays.

    memory upcoming --days 30
    """
    due = due_on_days(memory.store, days, now)
    notes = () if due else [f"nothing is known of the next {count(days, 'day')}"]
    return Printed(
        [item.to_dict() for item in due], [clean_line(item.line) for item in due], notes=notes
    )
