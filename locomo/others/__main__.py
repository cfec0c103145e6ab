"""Let other memories answer the same questions as ours: one table.

python -m locomo.others [--data FILE] [--only NAME ...]

The model, the prompt, the budget and the judge are the same for all. Memories that are not
installed are named below the table, with what to install.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from typer import Option

from locomo.choices import EMBEDDER
from locomo.commands import Conversations, check_folder, print_table, run_command
from locomo.dataset.format import load_conversations
from locomo.evaluation import AskedQuestion, Evaluation, EvaluationRun, shown_whole
from locomo.harness import Setup, answer_log, fingerprint, name_server, probe, program_state
from locomo.others.peers import PEERS
from locomo.others.rankings import Found, peer_version, read_or_rank
from locomo.others.systems import FullContext, RankedTurns
from locomo.others.table import cost_to_store, others_table, seconds_to_store
from locomo.results.report import usual_interval
from locomo.results.written import ANSWERS, MEMORIES, RESULTS
from locomo.split_data import tuned_conversations
from locomo.systems import MemorySystem, System
from locomo.tasks.modules import draw
from locomo.tracking.runs import data_hash
from memory import InputError, load_model
from memory.models import PACKAGED_MODEL, SHIPPED
from memory.program import in_phrases, plain_program
from memory.system import progress_bar, write_whole

SAMPLE = Path(__file__).parents[2] / "data" / "sample.json"
OURS, FULL = "memory", "full context"
OTHERS = tuple(name for name in PEERS if name != "ours")
# A turn has at least as many tokens, so a ranking of this length fills any budget.
_LEAST_TURN_TOKENS = 10
_MOST_RANKED = 1_000
_NOTES = (
    'Every memory but ours stores "speaker: text" alone (what mem0 and LangMem extract, a hosted'
    " model would, with a key);",
    "its best turns fill the budget as lines with their dates. Ours adds facts.",
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def others(
    data: Conversations = SAMPLE,
    num_test: Annotated[int, Option(help="number of questions, drawn by --seed; 0: all")] = 20,
    model: Annotated[str, Option(help="the model that answers: local or PROVIDER/MODEL")] = "local",
    api_base: Annotated[str | None, Option(help="address of the model's server")] = None,
    judge_model: Annotated[
        str | None, Option(help="a model that judges the answers, PROVIDER/MODEL")
    ] = None,
    judge_api_base: Annotated[str | None, Option(help="address of the judge's server")] = None,
    budget: Annotated[
        int | None, Option(help="tokens of memory shown with a question; else the model's")
    ] = None,
    only: Annotated[
        list[str] | None, Option(help=f"next to ours: {', '.join(OTHERS)} or 'full context'")
    ] = None,
    num_threads: Annotated[int, Option(help="questions asked at a time", min=1)] = 4,
    seed: Annotated[int, Option(help="seed for drawing the questions")] = 0,
    output_dir: Annotated[Path, Option(help="folder for results and memories")] = Path(
        "others_results"
    ),
    resume: Annotated[
        bool, Option("--resume", help="keep the answers of an interrupted run")
    ] = False,
) -> Evaluation:
    """Let other memories and ours answer the same questions, and print one table.

    Raises InputError for what cannot be used, and ModelError.
    """
    names = list(dict.fromkeys(only or (*OTHERS, FULL)))
    if unknown := set(names) - {*OTHERS, FULL}:
        raise InputError(
            f"--only {min(unknown)!r} is unknown; choose of {', '.join(OTHERS)}, {FULL}"
        )
    questions = _questions(data, num_test, seed, model)
    console = Console()
    check_folder(output_dir, "--output-dir")
    answering = load_model(model, api_base)
    judging = load_model(judge_model, judge_api_base) if judge_model else None
    program = plain_program(answering)
    if not any(question.rubric for _, question in questions):
        program = in_phrases(program)  # as evaluate.py does
    setup = Setup(answering, program, answering.limits.budget if budget is None else budget)
    setup.check()
    for needed_model in (answering, *([judging] if judging else [])):
        name_server(needed_model, console)
        if not resume:
            probe(needed_model, console)

    depth = min(max(setup.budget // _LEAST_TURN_TOKENS, 10), _MOST_RANKED)
    of_data = data_hash(data)
    rankings: dict[str, Found] = {}
    notes = [*_NOTES]
    with progress_bar(console) as bar:
        for name in names:
            if name == FULL:
                continue
            key = fingerprint(of_data, name, peer_version(PEERS[name]), depth)
            ranked = read_or_rank(
                name, data, depth, cache=output_dir / "rankings" / f"{name}-{key}.json", bar=bar
            )
            if isinstance(ranked, str):
                notes.append(f"{PEERS[name].title}: {ranked:.300}")
            else:
                rankings[name] = ranked
    systems: dict[str, System] = {OURS: MemorySystem(setup)}
    systems |= {name: RankedTurns(setup, name, ranked) for name, ranked in rankings.items()}
    if FULL in names:
        systems[FULL] = FullContext(setup)
        notes.append(f"full context: as much as {answering.name} can read, the newest turns.")
    made_from = [
        of_data,
        answering.weights,
        answering.api_base,
        setup.budget,
        program_state(program),
        sorted((name, peer_version(PEERS[name])) for name in rankings),
    ]
    run = EvaluationRun(
        questions=questions,
        systems=systems,
        embedder=EMBEDDER,
        judging=judging,
        memories=output_dir / MEMORIES,
        log=answer_log(output_dir / f"{ANSWERS}{fingerprint(*made_from)}.jsonl", resume),
        threads=num_threads,
        console=console,
        budget=setup.budget,
    )
    evaluation = run.run()

    interval = usual_interval(evaluation.results)
    table = others_table(
        evaluation.results,
        titles={OURS: "sql-memory", **{name: _title(name) for name in (*OTHERS, FULL)}},
        stored_s={OURS: seconds_to_store(evaluation.built)}
        | {
            name: sum(measured.ingest_s for measured in ranked.values())
            for name, ranked in rankings.items()
        },
        storing={OURS: cost_to_store(evaluation.built)},
        interval=interval,
        notes=notes,
    )
    print_table(console, table)
    if advice := shown_whole(run.conversations, setup.budget):
        console.print(advice, markup=False, highlight=False, soft_wrap=True)
    params = {
        "mode": "others",
        "data": data.name,
        "data_sha256": of_data,
        "seed": seed,
        "questions": len(questions),
        "model": answering.name,
        "budget": setup.budget,
        "judge_model": judging.name if judging else "none",
        "answers": run.log.path.name,
        "versions": {name: peer_version(PEERS[name]) for name in rankings},
    }
    _write(evaluation, params, output_dir, notes)
    console.print(f"{output_dir / RESULTS}", highlight=False, soft_wrap=True)
    return evaluation


def _title(name: str) -> str:
    return f"{PEERS[name].title} {peer_version(PEERS[name])}" if name in PEERS else name


def _write(
    evaluation: Evaluation, params: dict[str, object], folder: Path, notes: Sequence[str]
) -> None:
    """Write the results as evaluate.py does, so that `locomo.compare` and others read them."""
    content = {
        "params": params,
        "notes": list(notes),
        "memories": [{**asdict(memory), "path": memory.path.name} for memory in evaluation.built],
        "results": [asdict(result) for result in evaluation.results],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_whole(folder / RESULTS, text.encode("utf-8", "replace"))


def _questions(data: Path, number: int, seed: int, model: str) -> list[AskedQuestion]:
    """The questions, without any from conversations that the packaged model was tuned on.

    Raises InputError when none is left.
    """
    if number < 0:
        raise InputError(f"--num-test {number}: give the number of questions, or 0 for all")
    tuned = tuned_conversations(*SHIPPED) if model == PACKAGED_MODEL else set()
    questions = [
        (conversation, question)
        for conversation in load_conversations(data)
        for question in conversation.questions
        if conversation.id not in tuned
    ]
    if not questions:
        raise InputError(f"{data} has no questions of conversations that {model} was not tuned on")
    return draw(questions, number, seed)


if __name__ == "__main__":
    run_command(app, "what is stored and answered is kept; the same command with --resume goes on")
