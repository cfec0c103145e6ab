"""Recall without a language model: how much evidence the hybrid ranking finds, and why.

python -m locomo.retrieval --data FILE [--json OUT] [--chart PNG [--peers JSON]]    recall
python -m locomo.retrieval --data FILE --shown TOKENS                      evidence shown per token
python -m locomo.retrieval --data FILE --evidence LOG       by kind of question, next to others
python -m locomo.retrieval --data FILE --fit                               make the weights
python -m locomo.retrieval --data FILE --fair      next to textbook rankings, tuned the same way
python -m locomo.retrieval --data FILE --conversation ID --explain QUESTION        why these turns
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from typer import Option

from locomo.choices import EMBEDDER
from locomo.commands import Over, print_table, run_command
from locomo.dataset.format import Conversation, load_conversations
from locomo.retrieval.by_ability import evidence_log, evidence_table, measured
from locomo.retrieval.chart import read_peers, recall_chart, recall_curve
from locomo.retrieval.explain import explain_data, explain_memory
from locomo.retrieval.fair import fair_recalls, ranked_cases, ranking_table
from locomo.retrieval.fit import (
    WEIGHTS_FILE,
    Case,
    ablation_table,
    cross_validated_recalls,
    fit_weights,
    negative_log_likelihood,
    search_cases,
    weights_in_use,
    weights_json,
)
from locomo.retrieval.measure import DEPTHS, Retrieval, recall_table, recalls, retrieve
from locomo.retrieval.shown import evidence_shown, shown_table
from locomo.split_data import TEST
from locomo.tracking.runs import run_data, run_where_tracked
from memory import InputError
from memory.evidence import LEAST_BUDGET
from memory.system import over_machines, progress_bar, write_whole

_BUDGETS = (500, 2_000, 6_000, 20_000)
_EXPLAINED_TURNS = 10  # a choice: two lines each, on one screen
_MEASURED_TURNS = max(DEPTHS)

Peers = Annotated[
    Path | None, Option(help="For the chart: what `python -m tests.benchmarks.peers --json` wrote.")
]
Budgets = Annotated[
    list[int] | None,
    Option(min=LEAST_BUDGET, help="Tokens: print the evidence shown in them; may be given again."),
]
app = typer.Typer(add_completion=False)


@app.command()
def retrieval(
    data: Annotated[
        list[Path] | None, Option(help="A file in LoCoMo's format; may be given again.")
    ] = None,
    conversation: Annotated[str, Option(help="Only this one, such as conv-26.")] = "",
    json_file: Annotated[Path | None, Option("--json", help="Write what was found here.")] = None,
    k: Annotated[
        int | None, Option(min=1, help="Turns to find per question (50; to explain, 10).")
    ] = None,
    chart: Annotated[Path | None, Option(help="Draw recall by turns and tokens (PNG).")] = None,
    peers: Peers = None,
    fit: Annotated[bool, Option("--fit", help="Fit the weights and write them.")] = False,
    weights: Annotated[
        Path, Option(help="Where --fit writes them (over those in use).", show_default=False)
    ] = WEIGHTS_FILE,
    folds: Annotated[
        int | None, Option(min=2, help="Of the cross-validation (one conversation each).")
    ] = None,
    explain: Annotated[str | None, Option(help="A question: show why its turns are found.")] = None,
    memory: Annotated[str, Option(help="Explain in this memory instead of in data.")] = "",
    shown: Budgets = None,
    evidence: Annotated[
        Path | None,
        Option(help="Evidence shown by kind of question, also by cosine and FTS5; kept here."),
    ] = None,
    fair: Annotated[
        bool, Option("--fair", help="Recall next to FTS5, cosine and a hybrid tuned like this one.")
    ] = False,
    embedder: Annotated[str | None, Option(help="Another embedder, by name.")] = None,
    against: Annotated[
        str | None,
        Option(help="For --fair: one more embedder, such as sentence-transformers/MODEL."),
    ] = None,
    over: Over = "",
) -> None:
    """Print recall of evidence turns and sessions (categories 1 to 4) and search times, no model.

    With --fit, print recall in cross-validation, also without each feature, and write the weights;
    with --shown, what contexts of this many tokens show of the evidence, and with --evidence the
    same by kind of question, compared with cosine and FTS5 (in 500, 2,000, 6,000 and 20,000
    tokens); with --explain, print what each feature gave to the turns that are found.
    """
    explains = explain is not None
    _refuse(
        (shown and (fit or explains or json_file or chart or k), "--shown goes with no other task"),
        (
            evidence and (fit or explains or json_file or chart or k or over),
            "--evidence goes with no other task but --shown",
        ),
        (fit and (explains or json_file or chart), "--fit goes with no --explain, --json, --chart"),
        (
            fair and (fit or explains or shown or evidence or json_file or chart or k or over),
            "--fair goes with no other task",
        ),
        (against and not fair, "--against is for --fair"),
        (explains and (json_file or chart), "--explain goes with no --json, --chart"),
        (memory and not explains, "--memory is for --explain: give a question with it"),
        (memory and data, "give --memory or --data, not both"),
        (peers and not chart, "--peers is for --chart: give a file to draw in"),
        (chart and chart.suffix != ".png", "--chart: the file's name must end in .png"),
        (folds and not fit, "--folds is for --fit"),
        (weights != WEIGHTS_FILE and not fit, "--weights is for --fit"),
        (over and (explains or fit or shown), "--over is for recall: it goes alone"),
    )
    if explain is not None and memory:
        explain_memory(memory, question=explain, k=k or _EXPLAINED_TURNS, embedder=embedder)
        return
    by_file = _conversations(data or [], conversation)
    conversations = [*chain.from_iterable(by_file.values())]
    if explain is not None:
        explain_data(conversations, question=explain, k=k or _EXPLAINED_TURNS, embedder=embedder)
        return
    used = [run_data(Path(file), "evaluation") for file in by_file]
    names = ", ".join(Path(file).name for file in by_file)
    params = {"embedder": embedder or EMBEDDER, "data": names}
    if json_file is not None:
        _refuse_unwritable(json_file)
    with run_where_tracked("retrieval", params, f"retrieval, {names}", data=used, output=json_file):
        if evidence:
            _show_by_kind(conversations, shown or _BUDGETS, evidence, embedder)
        elif shown:
            _show(conversations, shown, embedder)
        elif fair:
            _compare(conversations, embedder, against)
        elif fit:
            _fit(_without_test(conversations), output=weights, folds=folds, embedder=embedder)
        else:
            files = _Files(json=json_file, chart=chart, peers=peers)
            search = _Search(k=k or _MEASURED_TURNS, embedder=embedder)
            _measure(by_file, files, search=search, only=conversation, over=over)


def _refuse(*mistakes: tuple[object, str]) -> None:
    """Raise InputError with the advice of the first mistake that was made."""
    for is_made, advice in mistakes:
        if is_made:
            raise InputError(advice)


def _conversations(files: Sequence[Path], id_: str) -> dict[str, list[Conversation]]:
    """The conversations of all files, by file, or the one of this id."""
    if not files:
        raise InputError("nothing to read: give --data FILE, a file in LoCoMo's format")
    by_file: dict[str, list[Conversation]] = {}
    origins: dict[str, str] = {}
    for file in files:
        for conversation in load_conversations(file):
            if conversation.id in origins:
                raise InputError(f"{file}: another file holds {conversation.id!r} too; rename one")
            origins[conversation.id] = str(file)
            by_file.setdefault(str(file), []).append(conversation)
    if not id_:
        return by_file
    if id_ not in origins:
        names = ", ".join(map(str, files))
        raise InputError(f"{names} holds no conversation {id_!r}; it has {', '.join(origins)}")
    its_file = origins[id_]
    return {its_file: [kept for kept in by_file[its_file] if kept.id == id_]}


def _without_test(conversations: Sequence[Conversation]) -> list[Conversation]:
    """No one tunes to LoCoMo's test conversations, not even by mistake."""
    return [conversation for conversation in conversations if conversation.id not in TEST]


def _refuse_unwritable(path: Path) -> None:
    """Raise InputError for a file that cannot be written, before the work for it is done."""
    # A file next to it: opening the file itself would empty an earlier run's output.
    probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
    try:
        if path.is_dir():
            raise IsADirectoryError(0, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


# --- recall -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Files:
    """The files of a measurement: results and chart to write, and peers to draw in the chart."""

    json: Path | None
    chart: Path | None
    peers: Path | None


def _measure(
    by_file: Mapping[str, Sequence[Conversation]],
    files: _Files,
    *,
    search: "_Search",
    only: str,
    over: str,
) -> None:
    """Search for all questions; print recall, and write the requested files.

    With the id of a conversation in `only` the results are its own, else by conversation.
    """
    conversations = [*chain.from_iterable(by_file.values())]
    for file in (files.json, files.chart):
        if file is not None:
            _refuse_unwritable(file)
    # Before the search: rankings of other data are refused at once.
    peer_curves = [
        recall_curve(title, conversations, rankings=rankings, k=search.k)
        for title, rankings in (read_peers(files.peers) if files.peers else {}).items()
    ]
    retrievals = _retrieve_all(conversations, search, over)
    _print_recall(by_file, retrievals, search.k)
    if files.json is not None:
        results = {id_: asdict(retrieval) for id_, retrieval in retrievals.items()}
        write_whole(files.json, json.dumps(results[only] if only else results).encode())
    if files.chart is not None:
        rankings = {id_: retrieval.ranked for id_, retrieval in retrievals.items()}
        curve = recall_curve("this memory", conversations, rankings=rankings, k=search.k)
        questions = sum(len(conversation.questions) for conversation in conversations)
        title = f"search with {search.embedder or EMBEDDER}, {questions} questions of"
        title += f" {len(conversations)} conversations"
        recall_chart([curve, *peer_curves], files.chart, title)


@dataclass(frozen=True)
class _Search:
    """Searches for all questions of a conversation, in a memory that is gone afterwards."""

    k: int
    embedder: str | None

    def __call__(self, conversation: Conversation) -> Retrieval:
        with tempfile.TemporaryDirectory() as folder:
            return retrieve(
                conversation,
                Path(folder),
                k=self.k,
                embedder=self.embedder,
            )


def _retrieve_all(
    conversations: Sequence[Conversation], search: _Search, over: str
) -> dict[str, Retrieval]:
    """What each conversation's search found; over machines, as many at a time as they take."""
    results: Iterable[tuple[int, Retrieval]] = enumerate(map(search, conversations))
    if over:
        results = over_machines(search, conversations, over)
    # On stderr, so that only the tables are piped on.
    with progress_bar(Console(stderr=True), transient=True) as progress:
        by_place = dict(progress.track(results, total=len(conversations), description="searching"))
    return {conversation.id: by_place[n] for n, conversation in enumerate(conversations)}


def _print_recall(
    by_file: Mapping[str, Sequence[Conversation]], retrievals: Mapping[str, Retrieval], k: int
) -> None:
    """Print recall of turns and of sessions by category; of several files, that of each, too."""
    conversations = [*chain.from_iterable(by_file.values())]
    depths = [depth for depth in DEPTHS if depth <= k] or [k]
    console = Console()
    for unit in ("turns", "sessions"):
        groups = recalls(conversations, retrievals, depths, by_session=unit == "sessions")
        title = f"recall of evidence {unit} in the first turns"
        print_table(console, recall_table(groups, depths, title))
    if len(by_file) > 1:
        of_files = {
            file: [row for rows in recalls(group, retrievals, depths).values() for row in rows]
            for file, group in by_file.items()
        }
        print_table(console, recall_table(of_files, depths, "recall of turns by file", "file"))
    turns = sum(retrieval.turns for retrieval in retrievals.values())
    seconds = sum(retrieval.ingest_s for retrieval in retrievals.values())
    times = [ms for retrieval in retrievals.values() for ms in retrieval.search_ms]
    p50, p95 = np.percentile(times, [50, 95])
    console.print(
        f"{turns} turns stored and ready for search in {seconds:.2f} s, with the embedder loaded"
        f" before; {len(times)} searches: p50 {p50:.2f} ms, p95 {p95:.2f} ms",
        soft_wrap=True,
    )


def _show(
    conversations: Sequence[Conversation], budgets: Sequence[int], embedder: str | None
) -> None:
    """Print how much of the evidence contexts of these tokens show."""
    with progress_bar(Console(stderr=True), transient=True) as progress:
        parts = [
            evidence_shown(conversation, budgets, embedder)
            for conversation in progress.track(conversations, description="searching")
        ]
    print_table(Console(), shown_table(parts))


def _show_by_kind(
    conversations: Sequence[Conversation], budgets: Sequence[int], file: Path, embedder: str | None
) -> None:
    """Print the evidence shown by kind of question; what the file has is not measured again."""
    log = evidence_log(file)
    with progress_bar(Console(stderr=True), transient=True) as progress:
        measurements = [
            shown
            for conversation in progress.track(conversations, description="searching")
            for shown in measured(conversation, budgets, log=log, embedder=embedder)
        ]
    if not measurements:
        raise InputError("no question of these conversations names its evidence")
    print_table(Console(), evidence_table(measurements, budgets))


# --- weights ----------------------------------------------------------------------------------


def _fit(
    conversations: Sequence[Conversation],
    *,
    output: Path,
    folds: int | None,
    embedder: str | None,
) -> None:
    """Fit the weights, print their worth on data that they were not fitted on, and write them."""
    folds = folds or len(conversations)
    if len(conversations) < max(folds, 2):
        raise InputError(
            f"{len(conversations)} conversation(s) cannot be split in {max(folds, 2)} folds; give"
            " more, or fewer --folds (at least 2)"
        )
    _refuse_unwritable(output)
    weights_before = weights_in_use()
    with progress_bar(Console(stderr=True), transient=True) as progress:
        cases_by_conversation = [
            search_cases(conversation, weights_before, embedder)
            for conversation in progress.track(conversations, description="searching")
        ]
        task = progress.add_task("fitting", total=folds * (len(weights_before) + 1))
        cross_validated = partial(
            cross_validated_recalls,
            cases_by_conversation,
            folds,
            DEPTHS,
            advance=partial(progress.advance, task),
        )
        whole = cross_validated()
        without = {
            feature: cross_validated(without=number)
            for number, feature in enumerate(weights_before)
        }
    cases = [case for of_conversation in cases_by_conversation for case in of_conversation]
    weights = dict(zip(weights_before, fit_weights(cases).tolist(), strict=True))
    console = Console()
    title = f"recall in cross-validation, {folds} folds"
    print_table(console, recall_table(whole, DEPTHS, title))
    print_table(console, ablation_table(whole, without, DEPTHS))
    _print_weights(console, cases, weights_before, weights)
    content = weights_json(
        weights, conversations=conversations, questions=len(cases), embedder=embedder
    )
    write_whole(output, content)
    console.print(f"written to {output}", highlight=False, soft_wrap=True)


def _compare(
    conversations: Sequence[Conversation], embedder: str | None, named: str | None
) -> None:
    """Print recall next to textbook rankings, each tuned on the other conversations."""
    if len(conversations) < 2:
        raise InputError("--fair needs two conversations or more: one is measured, others tune")
    weights = weights_in_use()
    with progress_bar(Console(stderr=True), transient=True) as progress:
        cases = [
            ranked_cases(
                conversation, search_cases(conversation, weights, embedder), embedder, named
            )
            for conversation in progress.track(conversations, description="searching")
        ]
    signs = np.sign([*weights.values()])
    recalls_by_ranking = fair_recalls(cases, signs, DEPTHS, named or "")
    clusters = [
        conversation.id
        for conversation, of_conversation in zip(conversations, cases, strict=True)
        for _ in of_conversation
    ]
    print_table(Console(), ranking_table(recalls_by_ranking, DEPTHS, clusters))


def _print_weights(
    console: Console,
    cases: Sequence[Case],
    before: Mapping[str, float],
    after: Mapping[str, float],
) -> None:
    """Print each weight, and how likely all of them make the evidence."""
    loss_before, loss = (
        negative_log_likelihood(cases, np.array([*weights.values()])) for weights in (before, after)
    )
    console.print(
        f"mean negative log-likelihood of the evidence: {loss:.4f} (was {loss_before:.4f})"
    )
    for feature, weight in after.items():
        console.print(f"  {feature} {weight:.2f} (was {before[feature]:g})", highlight=False)


if __name__ == "__main__":
    run_command(app)
