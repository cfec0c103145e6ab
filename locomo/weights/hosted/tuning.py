"""`train.py --mode sft --provider together`: examples to a model that Together tunes."""

import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from locomo.commands import script_command
from locomo.examples.jsonl import (
    ExamplesCard,
    read_examples,
    read_examples_card,
    save_examples,
)
from locomo.tasks.rewards import card_metric
from locomo.weights.hosted.examples import CheckedExamples, checked_examples
from locomo.weights.hosted.job import JOB_FILE, JobRecord, JobState, read_job
from locomo.weights.hosted.names import litellm_name, own_name
from locomo.weights.options import TrainOptions
from memory.errors import InputError, ModelError
from memory.models import load_model
from memory.program import Card, in_phrases, plain_program, save_program
from memory.system import progress_bar

if TYPE_CHECKING:  # its package is an extra
    from locomo.weights.hosted.together_provider import TogetherProvider

EXAMPLES_FILE, SENT_FILE, PROGRAM_FILE = "examples.jsonl", "sent.jsonl", "program.json"
# An estimate of Together's that is so much above ours is confirmed once more.
_HIGHER, _HIGHER_DOLLARS = 1.25, 0.5
# US dollars for a million tokens of training a LoRA, by the largest size in billions of parameters,
# from Together's price list of 2025.
_PRICES = ((16.0, 0.48), (69.0, 1.5), (100.0, 2.9))
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)b(?![a-z0-9])", re.IGNORECASE)
_DEPLOYMENT = "https://docs.together.ai/docs/fine-tuning/deployment"
WriteExamples = Callable[[TrainOptions, Path], Path]


def tune_at_provider(
    options: TrainOptions, write_examples: WriteExamples, console: Console
) -> None:
    """Tune a model at the provider of the options, or go on with a job, or cancel it.

    Arguments:
        write_examples: makes the examples of the options' conversations in a file.

    Ctrl-C leaves the job running. Raises InputError and ModelError in one line.
    """
    assert options.provider
    folder = options.checkpoints / options.provider
    provider = together_provider(console)
    if options.cancel:
        record = read_job(folder)
        provider.cancel(_started(record, folder))
        console.print(f"job {record.job_id} is cancelled; Together bills what was done")
        return
    if options.resume:
        record = read_job(folder)
    else:
        record = _uploaded(options, provider, folder, write_examples, console)
    try:
        if not record.job_id:
            record = _job(options, provider, record, folder)
            started = f"job {record.job_id}: {_settings_text(record)}"
            console.print(started, highlight=False, soft_wrap=True)
        state = _followed(provider, record, console)
    except KeyboardInterrupt:
        console.print(_how_to_go_on(options, provider, record), highlight=False, soft_wrap=True)
        raise
    except ModelError as error:
        raise ModelError(f"{error}; {_how_to_go_on(options, provider, record)}") from error
    record = record.model_copy(update={"tuned_model": provider.tuned_model(state)})
    record.write(folder)
    _report(options, provider, record, state, folder, console)


def together_provider(console: Console) -> "TogetherProvider":
    """Together as a provider of DSPy. Raises InputError without its key or its package."""

    def say(line: str) -> None:
        console.print(line, style="yellow", markup=False, soft_wrap=True)

    if find_spec("together") is None:
        raise InputError("tuning at Together needs its package: run `uv sync --extra together`")
    if not os.environ.get("TOGETHER_API_KEY"):
        raise InputError("Together needs a key: set TOGETHER_API_KEY in the environment")
    from locomo.weights.hosted.together_provider import TogetherProvider

    return TogetherProvider(say)


# --- before anything is sent ----------------------------------------------------------------------


def _uploaded(
    options: TrainOptions,
    provider: "TogetherProvider",
    folder: Path,
    write_examples: WriteExamples,
    console: Console,
) -> JobRecord:
    """A confirmed upload, on record: no job has started yet."""
    if (folder / JOB_FILE).exists():
        raise InputError(
            f"{folder} holds the job of another tuning: --resume goes on with it, or give another"
            " --checkpoints"
        )
    model = own_name(options.student)
    settings = provider.settings(options.epochs, options.learning_rate, options.seed)
    longest = provider.longest_example(model)
    examples = options.examples or write_examples(options, folder / EXAMPLES_FILE)
    card = read_examples_card(examples)
    checked = checked_examples(
        read_examples(examples),
        longest=longest,
    )
    estimate = _estimate(options, checked, model)
    _print_check(provider, checked, card, options, estimate, console)
    _check_budget(options, estimate, "our estimate")
    _confirm(
        options,
        f"send {len(checked.examples)} examples to Together and tune {model} for about"
        f" {cost_text(estimate)}?",
        "not confirmed: nothing was sent",
    )
    sent = folder / SENT_FILE
    save_examples(sent, checked.examples, card)
    record = JobRecord(
        provider="together",
        model=model,
        settings=settings,
        examples=len(checked.examples),
        tokens=checked.tokens,
        estimated_dollars=estimate,
        file_id=provider.upload(sent),
    )
    record = record.model_copy(update={"earlier_jobs": provider.jobs_of(record.file_id)})
    record.write(folder)
    return record


def _estimate(options: TrainOptions, checked: CheckedExamples, model: str) -> float | None:
    """US dollars of the tuning; None where the price is not known."""
    price = options.usd_per_million or listed_price(model)
    return None if price is None else checked.tokens * options.epochs * price / 1e6


def _print_check(
    provider: "TogetherProvider",
    checked: CheckedExamples,
    card: ExamplesCard,
    options: TrainOptions,
    estimate: float | None,
    console: Console,
) -> None:
    passes = f" x {options.epochs} passes" if options.epochs > 1 else ""
    console.print(
        f"{len(checked.examples)} examples of {len(card.conversations)} conversations, about"
        f" {checked.tokens:,} tokens{passes}; the longest has {checked.longest:,}",
        highlight=False,
    )
    for number, problem in (
        (checked.too_long, "longer than Together reads: left out"),
        (checked.repeated, "repeat another"),
    ):
        if number:
            console.print(f"{number} examples {problem}", style="yellow", highlight=False)
    listed = "as --usd-per-million says" if options.usd_per_million else "by list prices of 2025"
    told = f"{cost_text(estimate)} {listed}" if estimate is not None else "unknown"
    console.print(f"cost: {told}; Together bills what it counts", highlight=False)


def _check_budget(options: TrainOptions, dollars: float | None, source: str) -> None:
    budget = options.budget_usd
    if budget is None:
        return
    if dollars is not None and dollars > budget:
        raise InputError(
            f"{source} is {cost_text(dollars)}, above --budget-usd {budget:g}: give fewer examples"
            " (--num-train) or --epochs; no job was started"
        )


def _confirm(options: TrainOptions, question: str, refused: str) -> None:
    """Ask on the terminal, unless --yes. Raises InputError for a no."""
    if options.yes:
        return
    if not sys.stdin.isatty():
        raise InputError(f"{refused}, as there is no terminal; give --yes, and --budget-usd")
    try:
        confirmed = typer.confirm(question)
    except typer.Abort:  # Ctrl-C, or the end of the input
        confirmed = False
    if not confirmed:
        raise InputError(refused)


# --- the job --------------------------------------------------------------------------------------


def _job(
    options: TrainOptions, provider: "TogetherProvider", record: JobRecord, folder: Path
) -> JobRecord:
    """The record of a job that has started on an uploaded file.

    Raises InputError for a price that is too high and a job that is refused. File and record are
    deleted then.
    """
    try:
        _check_provider_price(options, provider, record)
        job_id = provider.start(record.model, record.file_id, record.settings, record.earlier_jobs)
    except InputError:
        (folder / JOB_FILE).unlink(missing_ok=True)
        if not record.earlier_jobs:  # they may still read the file
            with suppress(InputError, ModelError):
                provider.delete(record.file_id)
        raise
    record = record.model_copy(update={"job_id": job_id})
    record.write(folder)
    return record


def _check_provider_price(
    options: TrainOptions, provider: "TogetherProvider", record: JobRecord
) -> None:
    """Ask what the provider expects the job to cost, and once more whether to go on."""
    dollars = provider.estimated_dollars(record.model, record.file_id, record.settings)
    source, ours = "Together's estimate", record.estimated_dollars
    if dollars is None and ours is None and options.budget_usd is not None:
        raise InputError(f"{source} did not come, so --budget-usd cannot be kept: try again")
    _check_budget(options, ours if dollars is None else dollars, source)
    if dollars is not None and (
        ours is None or dollars > max(ours * _HIGHER, ours + _HIGHER_DOLLARS)
    ):
        _confirm(
            options,
            f"{source} is {cost_text(dollars)}: start the job?",
            "not confirmed: no job was started",
        )


def _settings_text(record: JobRecord) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in record.settings.items())
    return f"{record.model}, {record.examples} examples, {settings}"


def _followed(provider: "TogetherProvider", record: JobRecord, console: Console) -> JobState:
    """The state of a job at its end; its status and loss are shown until then."""
    with progress_bar(console) as bar:
        line = bar.add_task("Together", total=None)
        details: list[str] = []

        def show(state: JobState) -> None:
            if details[-1:] != [state.detail]:
                details.append(state.detail)
                bar.console.print(f"Together: {state.detail}", highlight=False)
            loss = f", loss {state.loss:.3f}" if state.loss is not None else ""
            description = f"Together: {state.detail}{loss}"
            if state.steps:
                bar.update(line, completed=state.step, total=state.steps, description=description)
            else:
                bar.update(line, description=description)

        return provider.follow(record.job_id, show)


def _started(record: JobRecord, folder: Path) -> str:
    if not record.job_id:
        raise InputError(f"the job of {folder} has not started: there is nothing to cancel")
    return record.job_id


def _how_to_go_on(options: TrainOptions, provider: "TogetherProvider", record: JobRecord) -> str:
    where = f"train.py --mode sft --provider {record.provider}"
    if options.checkpoints != TrainOptions().checkpoints:
        where += f" --checkpoints {options.checkpoints}"
    if not record.job_id:
        return f"{where} --resume starts it or finds it at Together"
    return f"job {record.job_id} goes on at Together: {where} --resume follows it, --cancel ends it"


# --- after ----------------------------------------------------------------------------------------


def _report(
    options: TrainOptions,
    provider: "TogetherProvider",
    record: JobRecord,
    state: JobState,
    folder: Path,
    console: Console,
) -> None:
    """Write the program of the tuned model with its card, and say how it is used."""
    name = litellm_name(record.tuned_model)
    card = read_examples_card(folder / SENT_FILE)
    base = load_model(litellm_name(record.model))
    tuned = load_model(name)
    path = folder / PROGRAM_FILE
    save_program(in_phrases(plain_program(base)), path, _card(options, card, name, record, state))
    billed = [f"{state.tokens:,} tokens"] if state.tokens else []
    billed += [f"$ {state.dollars:,.2f}"] if state.dollars is not None else []
    bill = f" ({', '.join(billed)})" if billed else ""
    console.print(
        f"tuned: {name}{bill}; {path}: its program and card",
        highlight=False,
        soft_wrap=True,
    )
    console.print(
        f"Together serves it on an endpoint of your own, billed by the minute: {_DEPLOYMENT}",
        highlight=False,
        soft_wrap=True,
    )
    form = plain_program(base).form
    words: list[object] = [
        "--mode",
        "analyze",
        "--model",
        f"{options.provider}/{record.tuned_model}",
    ]
    words += ["--optimized-path", path]
    words += [] if plain_program(tuned).form == form else ["--prompts", form]
    console.print(
        f"use it: {script_command('evaluate.py', *words)}",
        highlight=False,
        soft_wrap=True,
    )


def _card(
    options: TrainOptions, card: ExamplesCard, name: str, record: JobRecord, state: JobState
) -> Card:
    scores = {"examples": float(record.examples), "tokens": float(state.tokens or record.tokens)}
    if state.loss is not None:
        scores["loss"] = state.loss
    if state.dollars is not None:
        scores["dollars"] = state.dollars
    return Card(
        model=name,
        optimizer=f"sft at {record.provider}",
        target=", ".join(card.targets),
        metric=card_metric(options.reward, options.target),
        data=card.data,
        conversations={"train": card.conversations, "test": card.held_out},
        scores=scores,
        verdict="not measured",
        made_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def listed_price(model: str) -> float | None:
    """US dollars for a million tokens of training; None where our list lacks the model."""
    sizes = [float(size) for size in _SIZE.findall(model)]
    if not sizes:
        return None
    return next((price for largest, price in _PRICES if max(sizes) <= largest), None)


def cost_text(dollars: float | None) -> str:
    """`$ 1.25`, or that no one knows."""
    return "unknown" if dollars is None else f"$ {max(dollars, 0.01):,.2f}"
