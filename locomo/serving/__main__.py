"""How well a model serves: stored, retrieved and answered by itself, beside another and a rule.

python -m locomo.serving --model FOLDER --against local [--data FILE-OR-FOLDER] [--turns-only]
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from typer import Option

from locomo.commands import check_folder, progress_bar, run_command
from locomo.dataset.format import Conversation
from locomo.examples.gold import Gold, load_gold
from locomo.harness import (
    AnswerKey,
    AnswerLog,
    Result,
    answer_log,
    fingerprint,
    probe,
)
from locomo.parallel import run_parallel
from locomo.serving.figures import (
    Figure,
    answer_figures,
    facts_only_figures,
    figure_table,
    gold_facts,
    markdown,
)
from locomo.serving.measure import FACTS, TUNED, TURNS, UNTUNED, Ask, Asked, readers, store_all
from locomo.tasks.modules import draw
from memory import InputError, load_model
from memory.files import write_whole
from memory.program import read_card
from memory.program.signatures import ABSTAIN

KEPT = "what is stored and answered is kept; the same command with --resume goes on"


DATA, OUTPUT = Path("data/train/validation"), Path("results/serving")


EXAMPLES = 10


console = Console()


def serving(
    data: Annotated[Path, Option(help="a file or a folder, with gold or without")] = DATA,
    num_test: Annotated[int, Option(help="questions, drawn by --seed; 0: all", min=0)] = 0,
    model: Annotated[str, Option(help="local, an adapter's folder, a litellm name")] = "local",
    against: Annotated[str, Option(help="the model beside it")] = "local-base",
    num_threads: Annotated[int, Option(help="windows or questions at a time", min=1)] = 2,
    output_dir: Annotated[Path, Option(help="for figures, answers, memories")] = OUTPUT,
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
    every = load_gold(data)
    asked = _asked(every, data, num_test, seed)
    check_folder(output_dir, "--output-dir")
    used = {conversation.id: conversation for conversation, _ in asked}
    gold = [(one, gold_facts(one)) for one in every if one.conversation.id in used]
    models = load_model(model), load_model(against)
    if seen := sorted(used.keys() & _learnt(Path(model))):
        said = f"warning: {model} was tuned on {', '.join(seen)}, which it is measured on"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    for one in () if resume else models:
        probe(one)
    made_of = [asdict(one) for one in every], [(one.weights, one.api_base) for one in models]
    log, cache = output_dir / f"answers-{fingerprint(made_of, turns_only)}", output_dir / "memories"
    with progress_bar(console) as bar:
        store = partial(store_all, [*used.values()], cache=cache, threads=num_threads, bar=bar)
        tuned, untuned = (store(model=one, turns_only=turns_only) for one in models)
        answers = {}
        for name, ask in readers(tuned, untuned, turns_only).items():
            kept = answer_log(log / f"{name.replace(' ', '-')}.jsonl", resume)
            answers[name] = _answers(name, ask, asked, kept, num_threads, bar)
    figures = answer_figures(answers, asked, TUNED)
    if not turns_only:
        figures += facts_only_figures(answers[FACTS], answers[TURNS], (FACTS, "turns only"))
        for name, stored in {TUNED: tuned, UNTUNED: untuned}.items():
            figures += stored.figures(name, gold, answers[name])
    params = {
        "data": str(data),
        "questions": len(asked),
        "model": models[0].name,
        "against": models[1].name,
        "budget": models[0].budget,
        "turns only": turns_only,
        "num_threads": num_threads,
        "seed": seed,
    }
    _report(figures, _examples(used, answers[TUNED], seed), params, output_dir)
    return figures


def _asked(gold: Sequence[Gold], data: Path, number: int, seed: int) -> list[Asked]:
    """The questions to ask, in file order."""
    every = [(one.conversation, asked) for one in gold for asked in one.conversation.questions]
    if not every:
        raise InputError(f"{data} asks no question; give conversations that do")
    return draw(every, number, seed)


def _learnt(model: Path) -> set[str]:
    """The conversations that an adapter was tuned on; none for a model of another kind."""
    return set(read_card(model).conversations) if (model / "adapter.json").is_file() else set()


def _answers(
    name: str, ask: Ask, asked: Sequence[Asked], log: AnswerLog, threads: int, bar: Progress
) -> list[Result]:
    """What a reader answers, in the order of what is asked; what the log has is not asked again."""
    keys: list[AnswerKey] = [
        ("memory", conversation.id, question.index) for conversation, question in asked
    ]
    open_ones = [one for key, one in zip(keys, asked, strict=True) if key not in log.records]
    line = bar.add_task(f"asking: {name}", total=len(open_ones))
    jobs = [partial(ask, *one) for one in open_ones]

    def finished(result: Result) -> None:
        log.add(result)
        bar.advance(line)

    run_parallel(jobs, threads, finished)
    return [log.records[key] for key in keys]


def _examples(
    conversations: Mapping[str, Conversation], results: Sequence[Result], seed: int
) -> list[dict[str, str]]:
    """Some questions as they were answered, drawn by the seed; nothing is left out or corrected."""
    found = []
    for one in draw(results, EXAMPLES, seed):
        turns = [turn for turn in conversations[one.conversation].turns if turn.source in one.cited]
        cited = [f"{t.source} ({t.said_at[:10]}) {t.speaker}: {t.text}" for t in turns]
        found.append(
            {
                "question": one.question,
                "gold": one.gold or f"({ABSTAIN})",
                "answer": one.answer,
                "cited": "\n".join(cited) or "(no turn)",
            }
        )
    return found


def _report(
    figures: Sequence[Figure],
    examples: Sequence[Mapping[str, str]],
    params: Mapping[str, object],
    output_dir: Path,
) -> None:
    """Print the tables and the examples, and write them as JSON and Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in params.items())
    text = f"# How well the model serves\n\n{about}\n\n"
    for title in dict.fromkeys(one.table for one in figures):
        own = [one for one in figures if one.table == title]
        console.print(figure_table(title, own))
        text += markdown(title, own) + "\n"
    text += f"## {len(examples)} answers, drawn by the seed\n"
    for one in examples:
        lines = [f"{name}: {' '.join(value.split())}" for name, value in one.items()]
        console.print("\n  ".join(lines) + "\n", markup=False, highlight=False)
        text += "\n- " + "\n  - ".join(lines)
    content = {"params": params, "figures": [asdict(f) for f in figures], "examples": examples}
    files = output_dir / "serving.json", output_dir / "serving.md"
    write_whole(files[0], json.dumps(content, ensure_ascii=False, indent=1).encode())
    write_whole(files[1], (text + "\n").encode())
    console.print(f"{files[0]}, {files[1]}", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serving)
    run_command(app, KEPT)
