"""What optimize.py does: compiles prompts or fits the ranking, and reports the gain."""

import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path
from types import ModuleType

import dspy
import typer
from rich.console import Console
from rich.text import Text

from locomo.choices import (
    MODULES,
    TARGETS,
    CompiledFactSource,
    Optimizer,
    Reward,
    Target,
    check_reward,
)
from locomo.commands import (
    check_enough,
    check_folder,
    print_line,
    print_table,
    script_command,
)
from locomo.dataset.format import Question
from locomo.dataset.rows import GoldRows, rows_by_conversation
from locomo.examples.gold import Gold, load_gold
from locomo.harness import Setup, probe
from locomo.ledger import Budget, Ledger, Spent, spent_before
from locomo.prompts.compile import CompileResult, CompileRun
from locomo.prompts.forecast import forecast, forecast_table
from locomo.prompts.gate import GateQuality, fit_gate, gate_turns, quality, quality_line
from locomo.prompts.instructions import can_propose
from locomo.prompts.job import CompileJob, prepare_job
from locomo.prompts.optimizers import LIGHT_ROUNDS, ROUNDS, Options
from locomo.prompts.plan import (
    Extent,
    extent_of,
    fitting,
    planned,
    read_extent,
    resized,
    write_extent,
)
from locomo.retrieval.fit import weights_in_use
from locomo.retrieval.tuned import TunedRanking, tune_ranking
from locomo.scripts.compile_options import DATA, ROW_DATA, CompileOptions
from locomo.split_data import PARTS, SplitConversations, load_split
from locomo.split_data import VALIDATION as HELD_OUT
from locomo.tasks.gains import (
    RECALL,
    ROWS,
    Gain,
    gain_line,
    gain_table,
    gains,
    outcome,
    program_card,
    prompt_diff,
)
from locomo.tasks.measure import measure
from locomo.tasks.modules import (
    RETRIEVE_BUDGET,
    Bench,
    candidate_of,
    labelled_examples,
    task,
)
from locomo.tasks.rewards import WEIGHTS, card_metric
from locomo.tasks.training_data import ExampleSource
from locomo.timing import seconds_a_token
from locomo.tracking.compiles import CompiledFile, log_compile, log_gains
from locomo.tracking.runs import (
    connect_mlflow,
    log_params,
    mlflow_errors,
    mlflow_run,
    rename_run,
    run_data,
)
from memory import InputError, MemoryProgram, load_model
from memory.models import Model, is_file, is_packaged, over_machines
from memory.program import (
    in_phrases,
    in_sentences,
    plain_program,
    program_for,
    save_program,
)
from memory.system import progress_bar, write_whole

EXPERIMENT = "optimize"
EXAMPLES, VALIDATION = 50, 100
MAX_DEMOS, MAX_ROW_DEMOS = 5, 16  # a row is short
MORE_DATA = "give --data with six conversations or more, so that three or more are held out"


def optimize(options: CompileOptions) -> CompileResult:
    """Compile prompts on training conversations, then measure the gain on validation ones.

    Target ranking: fit the weights of the ranking instead, without a model.

    Writes the best program to `output`, and the model calls, the prompts tried and a report to a
    folder in `output_dir` and to MLflow. Raises InputError for what cannot be used, before a model
    is asked for anything but a word; ModelError when a model cannot be used.
    """
    data = options.data or (ROW_DATA if options.target in ("store", "gate") else DATA)
    takes_rows = options.target == "store" and options.reward in (None, "rows")
    rows = rows_by_conversation(data) if takes_rows else {}
    reward: Reward = options.reward or ("rows" if rows else "memory")
    if reward == "rows" and options.target == "store" and not rows:
        raise InputError(f"{data} has no gold rows (field `rows`, see data/README.md)")
    _check_options(options.optimizer, options.target, reward=reward, max_demos=options.max_demos)
    began = time.monotonic()
    _check_places(options.output, options.output_dir)
    conversations = load_split(data, options.seed, options.split)
    if options.target == "gate":
        return _compile_gate(options, conversations)
    if options.target == "ranking":
        return _fit_ranking(conversations, output=options.output, output_dir=options.output_dir)
    answering = over_machines(
        load_model(options.model, api_base=options.api_base, prompts=options.prompts), options.over
    )
    targets = TARGETS if options.target == "all" else (options.target,)
    setup = _setup(answering, options.budget)
    if options.facts == "gold" or _by_templates(options.facts, answering, targets):
        setup.program.stores_facts = False
    proposing = _prompt_model(
        options.model, options.api_base, name=options.prompt_model, address=options.prompt_api_base
    )
    demos = options.max_demos
    if demos is None:
        # MIPROv2 replaces the examples of a little model's module by its own.
        keeps_examples = options.optimizer == "miprov2" and not can_propose(setup.model)
        is_quoting = bool(rows) and setup.program.quotes_rows
        demos = MAX_ROW_DEMOS if is_quoting else 0 if keeps_examples else MAX_DEMOS
    rounds = options.rounds or (ROUNDS if setup.model.server else LIGHT_ROUNDS)[options.optimizer]
    settings = Options(
        options.optimizer,
        rounds,
        max_demos=demos,
        # A model's file answers one call at a time, and Ctrl-C reaches who waits for it.
        num_threads=1 if is_file(answering.name) else options.num_threads,
        seed=options.seed,
        candidates=options.candidates or 0,
    )
    source = ExampleSource(
        conversations,
        num_train=EXAMPLES if options.num_examples is None else options.num_examples,
        num_validation=VALIDATION if options.num_validation is None else options.num_validation,
        rows=rows or None,
    )
    job = prepare_job(
        source,
        targets,
        settings,
        setup=setup,
        prompt_model=proposing,
        reward=reward,
        operations=options.operations,
    )
    if options.facts == "gold":
        job = replace(job, gold=_gold(conversations, targets))
    training, measuring = max(map(len, job.train.values())), len(job.validation)
    check_enough("--num-examples", options.num_examples, training, f"the training part of {data}")
    check_enough(
        "--num-validation",
        options.num_validation,
        measuring,
        f"the validation part of {data}",
    )
    limits = Budget(
        calls=options.budget_calls, minutes=options.budget_minutes, dollars=options.budget_usd
    )
    pace = _timed(setup.model)
    if limits.minutes is not None and not (answering.server or proposing.server):
        minutes = limits.minutes - (time.monotonic() - began) / 60
        plan = options.output_dir / f"{job.name()}.plan.json"  # another pace would plan otherwise
        before = read_extent(plan) if options.resume else None
        job = _fitting(job, minutes, pace, before)
        write_extent(plan, extent_of(job))
    spent = spent_before(options.output_dir / job.name()) if options.resume else Spent()
    _agree(job, limits, pace, yes=options.yes, spent=spent)
    return _compile(
        job,
        limits,
        options.output,
        options.output_dir,
        resume=options.resume,
        with_requests=not options.no_texts,
        began=began,
    )


def _gold(split: SplitConversations, targets: Sequence[Target]) -> dict[str, Gold]:
    """The gold facts of conversations by their ids.

    Raises InputError where a conversation has none, and where what stores facts is compiled.
    """
    if changes := {"store", "refine"} & {*targets}:
        raise InputError(f"--facts gold: --target {min(changes)} stores its own facts")
    golds = load_gold(split.data)
    if (split.data / HELD_OUT).is_dir():
        golds += load_gold(split.data / HELD_OUT)
    if without := [gold.conversation.id for gold in golds if not gold.store]:
        raise InputError(
            f"--facts gold: {without[0]} has no gold facts (field `store`, see data/README.md)"
        )
    return {gold.conversation.id: gold for gold in golds}


def _by_templates(
    facts: CompiledFactSource | None, model: Model, targets: Sequence[Target]
) -> bool:
    """Whether templates alone store the memories that questions are about.

    A model's file stores a conversation in an hour, and only a compile of storing needs that.
    """
    if facts is None:
        return is_file(model.name) and not {"store", "refine"} & {*targets}
    return facts == "templates"


def _timed(model: Model) -> float | None:
    """How long a model's file takes to read a token, by one timed call; None for other models."""
    if is_file(model.name):
        print_line(f"timing a call of {model.name}")
    return seconds_a_token(model)


def _fitting(
    job: CompileJob, minutes: float, pace: float | None, before: Extent | None
) -> CompileJob:
    """The job, or a smaller one of the same kind, that is done in these minutes.

    `before` is the extent of the run that goes on. Raises InputError if the least of it takes
    far longer.
    """

    requested = extent_of(job)
    extent = before or fitting(
        requested,
        job.options.optimizer,
        minutes,
        lambda extent: _minutes(resized(job, extent), pace),
    )
    job = resized(job, extent)
    print_line(planned(extent, requested, minutes, _minutes(job, pace)))
    return job


def _minutes(job: CompileJob, pace: float | None) -> float:
    return forecast(job, pace).minutes or 0.0


def _setup(model: Model, budget: int | None) -> Setup:
    """A model with the prompts that it really sees. Raises InputError for its budget.

    Answers are judged by LoCoMo's metric, which compares words with a phrase: the answering module
    starts with the prompt that asks for phrases, so that asking for them does not count as a
    compile's gain.
    """
    setup = Setup(model, in_phrases(plain_program(model)), budget or model.limits.budget)
    setup.check()
    return setup


def _compile(
    job: CompileJob,
    limits: Budget,
    output: Path,
    output_dir: Path,
    resume: bool,
    with_requests: bool,
    began: float,
) -> CompileResult:
    """Compile, and report the gain; the job's folder has all that `resume` needs."""
    console = Console(file=sys.stdout)  # bound now: an optimizer's own sys.stdout is a log file
    connect_mlflow(EXPERIMENT)  # its errors must show before a model is asked
    if can_propose(job.prompt_model):
        probe(job.prompt_model)
    probe(job.setup.model)
    folder = output_dir / job.name()
    if resume and not folder.exists():
        console.print("nothing to resume: there is no earlier run with these options and this code")
    ledger = Ledger(folder, limits, resume, with_requests=with_requests, began=began)
    targets = ", ".join(job.targets)
    name = f"{job.options.optimizer} of {targets} for {job.setup.model.name}, {job.split.data.name}"
    parts = [run_data(job.split.data, "training and validation")]
    with mlflow_run(EXPERIMENT, job.params(), name, data=parts, output=folder) as run:
        with closing(ledger), ledger.active(), progress_bar(console) as bar:
            compiled = CompileRun(
                job=job,
                ledger=ledger,
                folder=folder,
                memories=output_dir / "memories",
                resume=resume,
                bar=bar,
                save=partial(_save, job, output),
            ).run()
        _report(run, job, compiled, folder=folder, output=output, console=console)
        rename_run(run, f"{name}: {outcome(compiled.gains)}")
    return replace(compiled, program=_to_use(compiled.program))


def _check_options(
    optimizer: Optimizer, target: str, reward: Reward, max_demos: int | None
) -> None:
    """Raise InputError for options that exclude each other."""
    if optimizer == "gepa" and max_demos is not None:
        raise InputError("--max-demos: gepa changes instructions only; leave the option out")
    check_reward(reward, target)


def _check_places(output: Path, output_dir: Path) -> None:
    """Raise InputError for a file or a folder that cannot be written."""
    if output.is_dir():
        raise InputError(f"--output {output} is a folder; give a file")
    check_folder(output.absolute().parent, "--output")
    if output.exists() and not os.access(output, os.W_OK):
        raise InputError(f"--output {output} cannot be written to; give another")
    check_folder(output_dir, "--output-dir")


def _prompt_model(model: str, api_base: str | None, name: str | None, address: str | None) -> Model:
    """The model that writes instructions: the one of this name, or the answering `model`.

    With temperature 1, each instruction that it proposes is different.
    """
    if name:
        return load_model(name, api_base=address, temperature=1.0)
    if address:
        raise InputError("--prompt-api-base needs --prompt-model")
    return load_model(model, api_base=api_base, temperature=1.0)


def _agree(job: CompileJob, limits: Budget, pace: float | None, yes: bool, spent: Spent) -> None:
    """Show the expected cost of the compile; ask if it is large and without a budget.

    A resumed run does not pay again for what it `spent`.
    """
    console = Console()
    expected = forecast(job, pace).after(spent)
    print_table(console, forecast_table(expected, is_rest=spent.calls > 0))
    if not can_propose(job.prompt_model):
        print_line(
            f"{job.prompt_model.name} is too small to propose instructions: they come from a list"
            " of our own; a larger --prompt-model writes its own"
        )
    least = 2 * len(job.validation) + sum(map(len, job.train.values()))
    if limits.calls is not None and limits.calls < least:
        raise InputError(
            f"--budget-calls {limits.calls}: measuring alone takes {least} calls and more; "
            "give more, or fewer --num-validation and --num-examples"
        )
    if limits.dollars is not None and expected.cost.dollars is None:
        raise InputError("--budget-usd: the models' prices are unknown; give --budget-calls")
    if not expected.large or yes or limits != Budget():
        return
    if not sys.stdin.isatty():
        raise InputError("this is a large compile; add --yes to start it, or a --budget")
    typer.confirm("Start?", abort=True)


def _save(job: CompileJob, output: Path, compiled: CompileResult) -> None:
    """Write the program with a card: its training data and its gain."""
    card = program_card(
        job.split,
        compiled.gains,
        model=job.setup.model.name,
        optimizer=job.options.optimizer,
        target=", ".join(job.targets),
        metric=card_metric(job.reward, job.measured),
    )
    save_program(_to_use(compiled.program), output, card)


def _to_use(program: MemoryProgram) -> MemoryProgram:
    """A copy that answers people: in phrases alone only if that prompt was compiled."""
    return in_sentences(program.deepcopy())


def _advice(job: CompileJob, compiled: CompileResult, changed: str, output: Path) -> str:
    """Whether the program is worth using; `changed` is empty for the plain one."""
    model = job.setup.model
    server = ["--model", model.name, *(["--api-base", model.api_base] if model.api_base else [])]
    if job.measured == "refine":
        use = script_command("memory", "facts", "refine", *server, "--program", output)
    elif job.rows:
        use = script_command("memory", "digest", *server, "--program", output)
    else:
        held_out = ["--data", job.split.held_out, "--optimized-path", output]
        use = script_command("evaluate.py", *server, *held_out)
    if not compiled.new_prompts:
        if any("all rewards are equal" in cause for cause in compiled.untried):
            return "the plain program, for nothing was tried; other questions may leave room"
        return "the plain program, for nothing was tried; a larger budget and --resume go on"
    if not changed:
        return "the plain program, for no prompt that was tried is better"
    return {
        "gain": f"use it: {use}",
        "no gain": f"not recommended: no gain in {'rows' if job.rows else 'answers'} on"
        " conversations that it never saw",
        "too few conversations": f"not recommended before more is known: {MORE_DATA}",
        "not measured": "not recommended before it is measured; --resume with a larger budget",
    }[compiled.verdict]


def _prompts(program: MemoryProgram) -> dict[str, tuple[str, Sequence[Mapping[str, str]]]]:
    prompts = {
        target: candidate_of(program, target) for target in MODULES if getattr(program, target)
    }
    return {target: (prompt.instructions, prompt.demos) for target, prompt in prompts.items()}


def _compile_gate(options: CompileOptions, split: SplitConversations) -> CompileResult:
    """Fit the gate before a little model's storing, write the program that has it, and report.

    The gain is measured with the model; the packaged one has no gate, and then only what stays open
    is reported.
    """
    params = {"target": "gate", "data": split.data.name, "data_sha256": split.sha256}
    parts = [run_data(split.data, "training and validation")]
    name = f"gate, {split.data.name}"
    with mlflow_run(EXPERIMENT, params, name, data=parts, output=options.output) as run:
        fitted, qualities = _fitted_gate(options, split)
        with mlflow_errors(run):
            run.log_metrics(
                {
                    f"{part}/{measure}": float(value)
                    for part, on_part in qualities.items()
                    for measure, value in asdict(on_part).items()
                }
            )
            run.log_artifact(str(options.output))
        log_gains(run, fitted.gains)
        rename_run(run, f"{name}: AUC {qualities['validation'].auc:.3f} on validation")
    return fitted


def _fitted_gate(
    options: CompileOptions, split: SplitConversations
) -> tuple[CompileResult, dict[str, GateQuality]]:
    """The fitted gate in its program, written to the output, and its quality by part."""
    console = Console(file=sys.stdout)
    began = time.monotonic()
    rows = rows_by_conversation(split.data)
    of_part = {part: [rows[id_] for id_ in split.parts[part] if id_ in rows] for part in PARTS}
    gate, held_out = fit_gate(of_part["train"])
    program = MemoryProgram("brief")
    program.store.gate = gate
    turns = [*gate_turns(of_part["validation"])]
    on_validation = quality(turns, [gate.probability(turn.line) for turn in turns], gate)
    for name, weight in gate.weights.items():
        console.print(f"  {name} {weight:+.2f}", highlight=False)
    for part, numbers in (
        ("training, each conversation by the others", held_out),
        ("validation", on_validation),
    ):
        console.print(quality_line(part, numbers), highlight=False, soft_wrap=True)
    results: Sequence[Gain] = ()
    if not is_packaged(options.model):
        results = _gate_gains(options, program, of_part["validation"], console)
        print_table(console, gain_table(results, {}))
        console.print(gain_line(results, ROWS), highlight=False, soft_wrap=True)
    compiled = CompileResult(program, results, Spent(seconds=time.monotonic() - began))
    card = program_card(
        split,
        results,
        model="" if is_packaged(options.model) else options.model,
        optimizer="logistic regression",
        target="gate",
        metric={ROWS: 1.0},
    )
    save_program(program, options.output, card)
    measured = ("python", "-m", "locomo.rows", split.data, "--out", "rows.jsonl")
    measuring = script_command(*measured, "--model", "gguf:packaged", "--program", options.output)
    lacks = "no gain on these turns; measure it on others" if results else "measure it with a model"
    advice = "use it" if compiled.verdict == "gain" else f"{lacks}: {measuring}"
    console.print(f"{options.output}: {advice}", highlight=False, soft_wrap=True)
    return compiled, {"training": held_out, "validation": on_validation}


def _gate_gains(
    options: CompileOptions, gated: MemoryProgram, golds: Sequence[GoldRows], console: Console
) -> list[Gain]:
    """What storing gains by the gate on these conversations, with the model of the options."""
    model = load_model(options.model, api_base=options.api_base, prompts=options.prompts)
    examples = labelled_examples(golds, model.limits.window)
    scores = []
    with progress_bar(console) as bar:
        plain = plain_program(model).deepcopy()
        plain.store.gate = None
        programs = {"plain": plain, "gated": program_for(model, gated)}
        for name, program in programs.items():
            setup = Setup(model, program, model.limits.budget)
            conversations = {gold.conversation.id: gold.conversation for gold in golds}
            rows = {gold.conversation.id: gold for gold in golds}
            bench = Bench(setup, conversations, {}, 0, rows=rows)
            line = bar.add_task(f"measuring the {name} program", total=len(examples))
            of_examples, _ = measure(
                task(program, "store", bench),
                examples,
                threads=1 if is_file(model.name) else options.num_threads,
                log=options.output_dir / "gate.log",
                done=partial(bar.advance, line),
                reward="rows",
                target="store",
            )
            scores.append([score for of_example in of_examples.values() for score in of_example])
    before, after = scores
    known = {score.key for score in before} & {score.key for score in after}
    return gains(
        [score for score in before if score.key in known],
        [score for score in after if score.key in known],
    )


def _fit_ranking(split: SplitConversations, output: Path, output_dir: Path) -> CompileResult:
    """Fit the ranking's weights, write the program that has them, and report the gain."""
    console = Console(file=sys.stdout)
    began = time.monotonic()
    params = {"target": "ranking", "data": split.data.name, "data_sha256": split.sha256}
    name = f"ranking, {split.data.name}"
    parts = [run_data(split.data, "training and validation")]
    with mlflow_run(EXPERIMENT, params, name, data=parts, output=output) as run:
        with progress_bar(console) as bar:
            tuned = tune_ranking(split, bar)
        program = MemoryProgram()
        program.feature_weights = tuned.weights
        spent = Spent(seconds=time.monotonic() - began)
        compiled = CompileResult(program, gains=tuned.gains, spent=spent)
        card = program_card(
            split,
            tuned.gains,
            model="",  # no model answered
            optimizer="listwise softmax",
            target="ranking",
            metric={RECALL: 1.0},
        )
        save_program(program, output, card)
        found = {**params, "examples": tuned.questions, "verdict": compiled.verdict}
        report = output_dir / f"ranking-{split.sha256[:12]}" / "report.json"
        content = json.dumps({**found, **asdict(tuned)}, ensure_ascii=False, indent=1)
        write_whole(report, content.encode())
        _print_ranking(tuned, compiled, split, output=output, console=console)
        log_params(run, {"examples": tuned.questions})
        log_compile(
            run,
            target="ranking",
            candidates=(),
            gains=tuned.gains,
            cost={"seconds": spent.seconds},
            files=[report, output],
            compiled=_compiled_ranking(split, output),
        )
        rename_run(run, f"{name}: {outcome(tuned.gains)}")
    console.print(f"{report}; MLflow: experiment {EXPERIMENT}", highlight=False, soft_wrap=True)
    return compiled


def _compiled_ranking(split: SplitConversations, output: Path) -> CompiledFile:
    return CompiledFile(
        program=output,
        model="",
        api_base=None,
        data=split.data,
        sha256=split.sha256,
        questions={
            "training": [(c.id, q) for c in split.part("train") for q in c.questions],
            "validation": [(c.id, q) for c in split.part("validation") for q in c.questions],
        },
    )


def _print_ranking(
    tuned: TunedRanking,
    compiled: CompileResult,
    split: SplitConversations,
    output: Path,
    console: Console,
) -> None:
    shipped = weights_in_use()
    for feature, weight in tuned.weights.items():
        console.print(f"  {feature} {shipped[feature]:g} -> {weight:g}", highlight=False)
    console.print(
        f"mean negative log-likelihood of the evidence of {tuned.questions} training questions:"
        f" {tuned.loss_before:.3f} -> {tuned.loss:.3f}",
        highlight=False,
        soft_wrap=True,
    )
    print_table(console, gain_table(tuned.gains, {}))
    console.print(gain_line(tuned.gains, RECALL), highlight=False, soft_wrap=True)
    held_out = ["--data", split.held_out, "--optimized-path", output]
    search = script_command("memory", "search", "--program", output)
    advice = {
        "gain": f"use it: {search} TEXT, or {script_command('evaluate.py', *held_out)}",
        "no gain": "not recommended: no gain in recall on conversations that it never saw",
        "too few conversations": f"not recommended before more is known: {MORE_DATA}",
        "not measured": "not recommended: nothing was there to measure it on",
    }[compiled.verdict]
    console.print(f"{output}: {advice}", highlight=False, soft_wrap=True)


def _report(
    run: ModuleType,
    job: CompileJob,
    compiled: CompileResult,
    folder: Path,
    output: Path,
    console: Console,
) -> None:
    """Print the gain, write it to the folder and log it to MLflow."""
    changed = prompt_diff(_prompts(job.setup.program), _prompts(compiled.program))
    report = folder / "report.json"
    diff = folder / "prompts.diff"
    content = {
        "params": job.params(),
        "verdict": compiled.verdict,
        "gains": [asdict(gain) for gain in compiled.gains],
        "spent": asdict(compiled.spent),
        "notes": list(compiled.notes),
        "tried": [asdict(prompt) for prompt in compiled.tried],
    }
    text = json.dumps(content, ensure_ascii=False, indent=1)
    write_whole(report, text.encode("utf-8", "replace"))
    write_whole(diff, changed.encode("utf-8", "replace"))
    spent = compiled.spent
    nothing = "no prompt that was tried is better on the training conversations"
    if not compiled.new_prompts:
        cause = "; ".join(compiled.untried) or "no other prompt than the plain one"
        nothing = f"nothing was tried: {cause}"
    console.print(Text(changed or f"{nothing}\n"))
    if compiled.gains:
        print_table(console, gain_table(compiled.gains, WEIGHTS))
        console.print(gain_line(compiled.gains, _measured(job)), highlight=False, soft_wrap=True)
    for note in compiled.notes:
        console.print(f"note: {note}", style="yellow", highlight=False, markup=False)
    dollars = f"$ {spent.dollars:.2f}" + (f" and {spent.unpriced} calls" if spent.unpriced else "")
    console.print(
        f"{compiled.new_prompts} new prompts tried; {spent.calls:,} model calls, "
        f"{spent.tokens_in:,} + {spent.tokens_out:,} tokens, {dollars}, "
        f"{spent.seconds / 60:.1f} minutes",
        highlight=False,
    )
    advice = _advice(job, compiled, changed, output)
    console.print(f"{output}: {advice}", highlight=False, soft_wrap=True)
    log_compile(
        run,
        target=", ".join(job.targets),
        candidates=compiled.tried,
        gains=compiled.gains,
        cost={name: float(value) for name, value in asdict(spent).items()},
        files=[report, diff, output],
        compiled=CompiledFile(
            program=output,
            model=job.setup.model.name,
            api_base=job.setup.model.api_base,
            data=job.split.data,
            sha256=job.split.sha256,
            questions={
                "training": _questions(chain(*job.train.values())),
                "validation": _questions(job.validation),
            },
        ),
    )
    console.print(f"{report}, {diff}; MLflow: experiment {EXPERIMENT}")


def _questions(examples: Iterable[dspy.Example]) -> list[tuple[str, Question]]:
    """The questions of examples, each once, with the ids of their conversations; of turns none."""
    return list(
        {
            (example.conversation, question.index): (example.conversation, question)
            for example in examples
            for question in example.gold
            if isinstance(question, Question)
        }.values()
    )


def _measured(job: CompileJob) -> str:
    """What the answers were measured from, in words."""
    if job.bench({}).rows_matter:
        budget = min(job.setup.budget, RETRIEVE_BUDGET)
        return f"answer, with SQL for every question and {budget} tokens of memory"
    if job.rows:
        return ROWS
    return "answer" if job.measured == "answer" else "answer from facts alone"
