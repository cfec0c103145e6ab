"""The command python -m locomo.export verl OUT."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from typer import Argument, Option

from locomo.commands import Conversations, check_folder, run_command
from locomo.dataset.format import Conversation, load_conversations, read_records
from locomo.export.memories import (
    digested_memories,
    has_observations,
    observed_memories,
    template_memories,
)
from locomo.export.verl import episode_rows, write_verl
from locomo.split_data import split as split_ids
from memory import InputError, load_model
from memory.system import progress_bar

SAMPLE = Path(__file__).parents[2] / "data" / "sample.json"
app = typer.Typer(
    help="Training sets for trainers of others.", add_completion=False, no_args_is_help=True
)


@app.callback()
def main() -> None:
    """Training sets for trainers of others."""


@app.command()
def verl(
    output: Annotated[Path, Argument(metavar="OUT", help="a new folder")],
    data: Conversations = SAMPLE,
    facts: Annotated[
        Literal["observations", "templates", "digest"] | None,
        Option(
            help="what the memories hold: the file's observations (the default where it has them),"
            " what the vocabulary's templates match, or what --model stores"
        ),
    ] = None,
    gpus: Annotated[int, Option(help="of the machine that will train", min=1)] = 1,
    model: Annotated[str, Option(help="stores, with --facts digest")] = "local",
    api_base: Annotated[str | None, Option(help="address of the model's server")] = None,
    num_threads: Annotated[int, Option(help="memories built at a time", min=1)] = 4,
    seed: Annotated[int, Option(help="of the split", min=0)] = 0,
) -> None:
    """Write episodes for GRPO or DAPO with verl: train and test, tools, reward, configurations.

    LoCoMo's conv-48, conv-49 and conv-50 are the test set, all others train.
    """
    check_folder(output, "OUT")
    if output.exists() and any(output.iterdir()):
        raise InputError(f"{output} is not empty; give a new folder")
    conversations = load_conversations(data)
    train, test = parts(conversations, seed)
    folder = output / "memories"
    folder.mkdir(parents=True)
    console = Console()
    records = read_records(data)
    if facts is None:
        facts = "observations" if all(map(has_observations, records)) else "templates"
    if facts == "observations":
        memories = observed_memories(conversations, records, folder)
    elif facts == "templates":
        memories = template_memories(conversations, folder)
    else:
        with progress_bar(console) as bar:
            memories = digested_memories(
                conversations, load_model(model, api_base=api_base), folder, num_threads, bar
            )
    rows = {
        part: episode_rows(of_part, memories, output, part)
        for part, of_part in (("train", train), ("test", test))
    }
    files = write_verl(output, rows["train"], rows["test"], gpus)
    console.print(f"facts: {facts}", highlight=False)
    for part, of_part in (("train", train), ("test", test)):
        ids = ", ".join(conversation.id for conversation in of_part)
        console.print(f"{part}: {len(rows[part]):,} episodes of {ids}", highlight=False)
    console.print(", ".join(str(file) for file in files), highlight=False, soft_wrap=True)


def parts(
    conversations: list[Conversation], seed: int
) -> tuple[list[Conversation], list[Conversation]]:
    """The training and the test conversations: validation chooses nothing here.

    If a file is too small for a test part, its validation part is the test.
    """
    ids = split_ids([conversation.id for conversation in conversations], seed, "default")
    tested = ids["test"] or ids["validation"]
    train = [conversation for conversation in conversations if conversation.id not in tested]
    return train, [conversation for conversation in conversations if conversation.id in tested]


if __name__ == "__main__":
    run_command(app)
