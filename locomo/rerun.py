"""Print the command that repeats a run, and what has changed since.

python -m locomo.rerun RUN

RUN is the id of a run in MLflow (MLFLOW_TRACKING_URI, or ./mlflow.db), or what a run wrote: its
file or its folder. Ends with 1 if the data has changed, or is missing.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Argument

from locomo.commands import run_command
from locomo.tracking.record import RunData, RunRecord, read_record, record_file, versions_now
from locomo.tracking.runs import code_commit, data_hash, recorded_in_mlflow

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def rerun(
    run: Annotated[str, Argument(help="an id of MLflow, or the file or folder that a run wrote")],
) -> None:
    """Print the command that repeats a run, and what has changed since."""
    place = Path(run)
    is_file = place.exists() or record_file(place).is_file()
    record = read_record(place) if is_file else recorded_in_mlflow(run)
    print(record.command)
    changed = [line for data in record.data if (line := changed_data(data))]
    console = Console(stderr=True)
    for line in [*changed, *changed_code(record)]:
        console.print(line, highlight=False, soft_wrap=True)
    if changed:
        raise typer.Exit(1)


def changed_data(data: RunData) -> str:
    """What is different about a run's data today; "" if nothing is."""
    path = Path(data.path)
    if not path.exists():
        return f"{path} is missing; the run used it with sha256 {data.sha256}"
    now = data_hash(path)
    return "" if now == data.sha256 else f"{path} has sha256 {now}; the run used {data.sha256}"


def changed_code(record: RunRecord) -> list[str]:
    """Which versions are different today: of this code, of Python, of libraries."""
    lines = []
    if (now := code_commit()) != record.commit:
        lines.append(f"the code is at {now}; the run was at {record.commit}")
    today = versions_now()
    for library, before in record.versions.items():
        if today.get(library) != before:
            lines.append(f"{library} is {today.get(library, 'missing')}; the run had {before}")
    return lines


if __name__ == "__main__":
    run_command(app)
