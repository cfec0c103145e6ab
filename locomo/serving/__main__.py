"""How well a model serves when it stores, retrieves and answers; beside another and a rule.

python -m locomo.serving --model FOLDER --against local [--data FILE-OR-FOLDER] [--turns-only]
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Option

from locomo.commands import check_folder, print_table, run_command
from locomo.dataset.format import Conversation
from locomo.examples.gold import Gold, load_gold
from locomo.harness import Result, probe
from locomo.serving.facts import gold_facts
from locomo.serving.figures import Figure, figure_table, markdown_table
from locomo.serving.measure import ConversationQuestion, ServingComparison, measure_serving
from locomo.tasks.modules import draw
from memory import InputError, load_model
from memory.files import write_whole
from memory.program import read_card
from memory.program.messages import ABSTAIN
from memory.progress import progress_bar

_INTERRUPTED = "what is stored and answered is kept; the same command with --resume goes on"
_DATA, _OUTPUT = Path("data/train/validation"), Path("results/serving")
_EXAMPLES = 10  # answers that the report shows

console = Console()


def serving(
    data: Annotated[Path, Option(help="a file or a folder, with gold or without")] = _DATA,
    num_test: Annotated[int, Option(help="questions, drawn by --seed; 0: all", min=0)] = 0,
    model: Annotated[str, Option(help="local, an adapter's folder, a litellm name")] = "local",
    against: Annotated[str, Option(help="the model beside it")] = "local-base",
    num_threads: Annotated[int, Option(help="windows or questions at a time", min=1)] = 2,
    output_dir: Annotated[Path, Option(help="for figures, answers, memories")] = _OUTPUT,
    seed: Annotated[int, Option(help="draws the questions and the examples", min=0)] = 0,
    resume: Annotated[bool, Option("--resume", help="keep an earlier run's answers")] = False,
    turns_only: Annotated[
        bool, Option("--turns-only", help="answers from turns alone; no model stores or retrieves")
    ] = False,
) -> list[Figure]:
    """Measure a model end to end: its answers, also from facts alone, its facts and its SQL.

    Writes serving.json and serving.md to `output_dir`. Memories are kept there too and built again
    only when the conversation, the model or the code differs. Raises InputError for what cannot
    be used, ModelError when a model cannot.
    """
    golds = load_gold(data)
    questions = _questions(golds, data=data, number=num_test, seed=seed)
    check_folder(output_dir, "--output-dir")
    asked_ids = {conversation.id for conversation, _ in questions}
    # Gold that the database refuses has to show before hours of storing.
    facts = {
        gold.conversation.id: gold_facts(gold)
        for gold in golds
        if gold.conversation.id in asked_ids
    }
    comparison = ServingComparison(
        tuned=load_model(model),
        untuned=load_model(against),
        golds=golds,
        questions=questions,
        facts=facts,
        turns_only=turns_only,
    )
    _warn_of_training_data(model, asked_ids)
    if not resume:  # with --resume there may be nothing left to ask
        probe(comparison.tuned)
        probe(comparison.untuned)
    with progress_bar(console) as bar:
        figures, answers = measure_serving(
            comparison, output_dir, threads=num_threads, resume=resume, bar=bar
        )
    params = {
        "data": str(data),
        "questions": len(questions),
        "model": comparison.tuned.name,
        "against": comparison.untuned.name,
        "budget": comparison.tuned.budget,
        "turns only": turns_only,
        "num_threads": num_threads,
        "seed": seed,
    }
    examples = _examples(comparison.conversations, answers, seed)
    _report(figures, examples=examples, params=params, output_dir=output_dir)
    return figures


def _questions(
    golds: Sequence[Gold], data: Path, number: int, seed: int
) -> list[ConversationQuestion]:
    """The questions to ask, in file order."""
    questions = [
        ConversationQuestion(gold.conversation, question)
        for gold in golds
        for question in gold.conversation.questions
    ]
    if not questions:
        raise InputError(f"{data} asks no question; give conversations that do")
    return draw(questions, number, seed)


def _warn_of_training_data(model: str, asked_ids: Collection[str]) -> None:
    """Say which of the conversations a model was tuned on: there it looks better than it is."""
    if not (Path(model) / "adapter.json").is_file():
        return  # only an adapter has a card that says so
    tuned_on = set(read_card(Path(model)).conversations)
    if overlap := sorted(set(asked_ids) & tuned_on):
        line = f"warning: {model} was tuned on {', '.join(overlap)}, which it is measured on"
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def _examples(
    conversations: Mapping[str, Conversation], results: Sequence[Result], seed: int
) -> list[dict[str, str]]:
    """Questions as they were answered, drawn by the seed; nothing is left out or corrected."""
    examples = []
    for result in draw(results, _EXAMPLES, seed):
        turns = conversations[result.conversation].turns
        cited = [
            f"{turn.source} ({turn.said_at[:10]}) {turn.speaker}: {turn.text}"
            for turn in turns
            if turn.source in result.cited
        ]
        example = {
            "question": result.question,
            "gold": result.gold or f"({ABSTAIN})",
            "answer": result.answer,
            "cited": "\n".join(cited) or "(no turn)",
        }
        examples.append(example)
    return examples


def _report(
    figures: Sequence[Figure],
    examples: Sequence[Mapping[str, str]],
    params: Mapping[str, object],
    output_dir: Path,
) -> None:
    """Print the tables and the examples, and write them as JSON and Markdown."""
    settings = ", ".join(f"{name} {value}" for name, value in params.items())
    text = f"# How well the model serves\n\n{settings}\n\n"
    for title in dict.fromkeys(figure.table for figure in figures):
        table_figures = [figure for figure in figures if figure.table == title]
        print_table(console, figure_table(title, table_figures))
        text += markdown_table(title, table_figures) + "\n"

    text += f"## {len(examples)} answers, drawn by the seed\n"
    for example in examples:
        lines = [f"{name}: {' '.join(value.split())}" for name, value in example.items()]
        # Texts of conversations may hold what rich takes for markup: [1], [/b].
        console.print("\n  ".join(lines) + "\n", markup=False, highlight=False)
        text += "\n- " + "\n  - ".join(lines)

    content = {
        "params": params,
        "figures": [asdict(figure) for figure in figures],
        "examples": examples,
    }
    json_file, markdown_file = output_dir / "serving.json", output_dir / "serving.md"
    write_whole(json_file, json.dumps(content, ensure_ascii=False, indent=1).encode())
    write_whole(markdown_file, (text + "\n").encode())
    console.print(f"{json_file}, {markdown_file}", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serving)
    run_command(app, _INTERRUPTED)
