"""Recall without any language model: what the hybrid ranking finds of the evidence turns, and why.

python -m locomo.retrieval --data FILE [--json OUT] [--chart PNG [--peers JSON]]    recall
python -m locomo.retrieval --data FILE --fit                               make the weights
python -m locomo.retrieval --data FILE --conversation ID --explain QUESTION        why these turns
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress
from typer import Option

from locomo.commands import run_command
from locomo.dataset.format import Conversation, load_conversations
from locomo.retrieval.chart import curve, read_peers, recall_chart
from locomo.retrieval.explain import explain_data, explain_memory
from locomo.retrieval.fit import (
    WEIGHTS_FILE,
    Recalls,
    ablation_table,
    cases,
    cross_validated,
    fit,
    negative_log_likelihood,
    weights_in_use,
    weights_json,
)
from locomo.retrieval.measure import DEPTHS, Retrieval, recall_table, recalls, retrieve
from locomo.split_data import TEST
from memory import InputError
from memory.files import write_whole

_EXPLAINED = 10


_SEARCHED = 50


app = typer.Typer(add_completion=False)


@app.command()
def retrieval(
    data: Annotated[
        list[Path] | None, Option(help="A file in LoCoMo's format; may be given again.")
    ] = None,
    conversation: Annotated[str, Option(help="Only this one, such as conv-26.")] = "",
    json_file: Annotated[
        Path | None, Option("--json", help="Write what was found to this file.")
    ] = None,
    k: Annotated[
        int | None, Option(min=1, help="Turns to find per question (50; to explain, 10).")
    ] = None,
    chart: Annotated[
        Path | None, Option(help="Draw recall against turns and tokens in this file (PNG).")
    ] = None,
    peers: Annotated[
        Path | None,
        Option(help="For the chart: what `python -m tests.benchmarks.peers --json` wrote."),
    ] = None,
    fit: Annotated[bool, Option("--fit", help="Fit the weights and write them.")] = False,
    weights: Annotated[
        Path, Option(help="Where --fit writes them (over those in use).", show_default=False)
    ] = WEIGHTS_FILE,
    folds: Annotated[
        int | None, Option(min=2, help="Of the cross-validation (one conversation each).")
    ] = None,
    explain: Annotated[str | None, Option(help="A question: show why its turns are found.")] = None,
    memory: Annotated[str, Option(help="Explain in this memory instead of in data.")] = "",
    embedder: Annotated[str | None, Option(help="Another embedder, by name.")] = None,
) -> None:
    """Print recall of evidence turns (categories 1 to 4) and search times, with no model.

    With --fit, print recall in cross-validation, also without each lever, and write the weights;
    with --explain, print what each lever gave to the turns that are found.
    """
    explains = explain is not None
    for wrong, advice in (
        (fit and (explains or json_file or chart), "--fit goes with no --explain, --json, --chart"),
        (explains and (json_file or chart), "--explain goes with no --json, --chart"),
        (memory and not explains, "--memory is for --explain: give a question with it"),
        (memory and data, "give --memory or --data, not both"),
        (peers and not chart, "--peers is for --chart: give a file to draw in"),
        (chart and chart.suffix != ".png", "--chart: the file's name must end in .png"),
        (folds and not fit, "--folds is for --fit"),
        (weights != WEIGHTS_FILE and not fit, "--weights is for --fit"),
    ):
        if wrong:
            raise InputError(advice)
    if explain is not None and memory:
        explain_memory(memory, explain, k or _EXPLAINED, embedder)
        return
    conversations = _chosen(data or [], conversation)
    if explain is not None:
        explain_data(conversations, explain, k or _EXPLAINED, embedder)
    elif fit:
        # Nobody tunes to LoCoMo's test conversations, not even by mistake.
        seen = [one for one in conversations if one.id not in TEST]
        _fit(seen, weights, folds, embedder)
    else:
        _measure(conversations, k or _SEARCHED, embedder, json_file, conversation, chart, peers)


def _chosen(data: Sequence[Path], name: str) -> list[Conversation]:
    """The conversations of all files, or the one of this name."""
    if not data:
        raise InputError("nothing to read: give --data FILE, a file in LoCoMo's format")
    found = {}
    for path in data:
        for one in load_conversations(path):
            if one.id in found:
                raise InputError(f"{path}: another file holds {one.id!r} too; rename one")
            found[one.id] = one
    if name and name not in found:
        files = ", ".join(map(str, data))
        raise InputError(f"{files} holds no conversation {name!r}; it has {', '.join(found)}")
    return [found[name]] if name else [*found.values()]


def _refuse_unwritable(path: Path) -> None:
    """Raise InputError for a file that cannot be written, before the work for it is done."""
    probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _measure(
    conversations: Sequence[Conversation],
    k: int,
    embedder: str | None,
    json_file: Path | None,
    only: str,
    chart: Path | None,
    peers: Path | None,
) -> None:
    for path in filter(None, (json_file, chart)):
        _refuse_unwritable(path)
    others = read_peers(peers) if peers else {}
    curves = [curve(title, conversations, ranked, k) for title, ranked in others.items()]
    found: dict[str, Retrieval] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for one in progress.track(conversations, description="searching"):
            with tempfile.TemporaryDirectory() as folder:
                found[one.id] = retrieve(one, Path(folder), k, embedder)
    depths = [depth for depth in DEPTHS if depth <= k] or [k]
    console = Console()
    console.print(recall_table(recalls(conversations, found, depths), depths))
    times = [ms for one in found.values() for ms in one.search_ms]
    p50, p95 = np.percentile(times, [50, 95])
    console.print(
        f"{sum(one.turns for one in found.values())} turns stored in"
        f" {sum(one.ingest_s for one in found.values()):.1f} s,"
        f" {len(times)} searches: p50 {p50:.2f} ms, p95 {p95:.2f} ms"
    )
    if json_file is not None:
        results = {name: asdict(one) for name, one in found.items()}
        write_whole(json_file, json.dumps(results[only] if only else results).encode())
    if chart is not None:
        ours = {name: one.ranked for name, one in found.items()}
        recall_chart([curve("this memory", conversations, ours, k), *curves], chart)


def _fit(
    conversations: Sequence[Conversation],
    file: Path,
    folds: int | None,
    embedder: str | None,
) -> None:
    folds = folds or len(conversations)
    if len(conversations) < max(folds, 2):
        raise InputError(
            f"{len(conversations)} conversation(s) cannot be split in {max(folds, 2)} folds; give"
            " more, or fewer --folds (at least 2)"
        )
    _refuse_unwritable(file)
    before = weights_in_use()
    without: dict[str, Recalls] = {}
    with Progress(console=Console(stderr=True), transient=True) as progress:
        found = [
            cases(one, before, embedder)
            for one in progress.track(conversations, description="searching")
        ]
        task = progress.add_task("fitting", total=folds * (len(before) + 1))

        def advance() -> None:
            progress.advance(task)

        everything = [case for some in found for case in some]
        fitted = fit(everything)
        whole = cross_validated(found, folds, DEPTHS, advance=advance)
        for number, lever in enumerate(before):
            without[lever] = cross_validated(found, folds, DEPTHS, number, advance)
    console = Console()
    console.print(recall_table(whole, DEPTHS, f"recall in cross-validation, {folds} folds"))
    console.print(ablation_table(whole, without, DEPTHS))
    was, now = (
        negative_log_likelihood(everything, w) for w in (np.array([*before.values()]), fitted)
    )
    console.print(f"mean negative log-likelihood of the evidence: {now:.4f} (was {was:.4f})")
    weights = dict(zip(before, fitted, strict=True))
    write_whole(file, weights_json(weights, conversations, len(everything), embedder))
    for lever, weight in weights.items():
        console.print(f"  {lever} {weight:.2f} (was {before[lever]:g})", highlight=False)
    console.print(f"written to {file}", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    run_command(app)
