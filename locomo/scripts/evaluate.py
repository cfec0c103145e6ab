"""What evaluate.py does: builds memories, asks questions, and reports the scores."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType

from rich.console import Console

from locomo.choices import SYSTEMS, Categories, Interval, SystemName, systems_named
from locomo.commands import (
    check_enough,
    check_folder,
    print_table,
    script_command,
    writable_folder,
)
from locomo.dataset.format import ABSTENTION, CATEGORIES, Conversation, load_conversations
from locomo.evaluation import AskedQuestion, Evaluation, EvaluationRun, shown_whole
from locomo.harness import (
    AnswerLog,
    Result,
    Setup,
    answer_log,
    fingerprint,
    name_server,
    probe,
    program_state,
)
from locomo.results.judging import (
    has_own_metric,
    is_judged,
    judge_answers,
    judging_cost,
    question_of,
)
from locomo.results.outcomes import little_sql, no_facts, outcome_table, used_table
from locomo.results.report import (
    Metric,
    PairedDifference,
    ScoreLine,
    failures,
    metrics_of,
    system_differences,
    usual_interval,
)
from locomo.results.stored_example import stored_example
from locomo.results.tables import (
    bill_table,
    building_table,
    comparison_table,
    cost_table,
    difference_line,
    example_text,
    failure_table,
    judge_table,
    no_evidence_line,
    paper_table,
)
from locomo.results.traces import DigestTrace, Trace, TraceLog
from locomo.results.written import (
    ANALYSIS,
    ANSWERS,
    MEMORIES,
    RESULTS,
    read_results,
    traces_beside,
)
from locomo.scripts.evaluation_options import FIRST_RUN_QUESTIONS, QUESTIONS, EvaluationOptions
from locomo.split_data import PARTS, tuned_conversations
from locomo.split_data import split as split_ids
from locomo.systems import FullConversation, MemorySystem, NewestTurns, System
from locomo.tasks.modules import draw
from locomo.timing import Speed, timed_speed
from locomo.tracking.metric_names import SCORE_TABLE, score_metrics, score_table
from locomo.tracking.overview import log_overview
from locomo.tracking.record import command_now
from locomo.tracking.runs import (
    connect_mlflow,
    data_hash,
    judged_run,
    log_answers,
    log_params,
    log_questions,
    mlflow_errors,
    mlflow_run,
    rename_run,
    run_data,
)
from locomo.tracking.spans import log_traces
from memory import InputError, MemoryProgram, load_model, load_program
from memory.models import (
    PACKAGED_MODEL,
    SHIPPED,
    Model,
    as_shipped,
    is_adapter,
    is_of_packaged,
    spending,
)
from memory.program import (
    BENCHMARK_COST,
    PEOPLE_COST,
    checked_cost,
    concerns,
    in_phrases,
    program_for,
)
from memory.records import SqlUse
from memory.search import load_embedder
from memory.system import count, progress_bar, write_whole

EXPERIMENT = "locomo"
FIRST_RUN_SYSTEMS: tuple[SystemName, ...] = ("newest", "memory")
HYPOTHESES = "hypotheses.jsonl"
# Everyday questions, some of them about what was said in plain forms (data/README.md).
FIRST_RUN = Path(__file__).parents[2] / "data" / "first_run.json"
HELD_OUT = Path(__file__).parents[2] / "data" / "train" / "validation"
BETTER_MODELS = (
    "The packaged model has 135 million parameters, and answers for that many.\n"
    "Name a larger one: [bold]uv run evaluate.py --model openai/gpt-4o-mini[/bold] with"
    " OPENAI_API_KEY set,\nor --model ollama_chat/qwen2.5:7b, or --model openai/NAME --api-base"
    " http://localhost:8000/v1;\nwithout key and server: memory setup --model qwen2.5-1.5b, then"
    " --model gguf:qwen2.5-1.5b."
)
ALL_QUESTIONS = (
    f"These are {FIRST_RUN_QUESTIONS} of {QUESTIONS} questions. Ask all, and compare with a memory"
    f" without SQL too, in some minutes: [bold]uv run evaluate.py --num-test {QUESTIONS}[/bold]"
)
console = Console()


def evaluate(options: EvaluationOptions) -> Evaluation:
    """Build a memory of each conversation once, ask its questions, score the answers.

    Writes to `output_dir` and MLflow. Raises InputError for what cannot be used, and ModelError.
    """
    judging = _judging_model(
        options.judge_model, options.judge_api_base, answers_only=options.answers_only
    )
    if options.judge_only:
        return _judge(options.output_dir, judging, options.num_threads)
    is_first_run = options.data is None and options.num_test is None
    num_test = FIRST_RUN_QUESTIONS if is_first_run else options.num_test
    data = options.data or _default_data(num_test)
    learned = _learned_conversations(options.optimized_path, options.model, adapter=options.adapter)
    left_out = set() if options.include_training else learned
    questions = _questions(
        data,
        part=options.split,
        number=num_test,
        seed=options.seed,
        without=left_out,
        categories=options.categories,
    )
    loaded = load_model(
        options.model, options.api_base, adapter=options.adapter, prompts=options.prompts
    )
    # The right answers of LoCoMo are phrases, and its metric compares words; a rubric reads on.
    phrases = not any(question.rubric for _, question in questions)
    setup = _setup(
        loaded, options.optimized_path, budget=options.budget, phrases=phrases, sql=options.sql
    )
    if options.facts == "templates":
        setup.program.stores_facts = False
    wrong_answer_cost = options.wrong_answer_cost
    if wrong_answer_cost is None:
        wrong_answer_cost = PEOPLE_COST if data == FIRST_RUN else BENCHMARK_COST
    setup = replace(setup, wrong_answer_cost=checked_cost(wrong_answer_cost))
    default = FIRST_RUN_SYSTEMS if is_first_run else SYSTEMS
    chosen = systems_named(options.systems) if options.systems else default
    if options.mode == "analyze":
        chosen = ("memory",)
    plain = _plain(setup, options.optimized_path, phrases=phrases) if len(chosen) > 1 else None
    conversations = {conversation.id: conversation for conversation, _ in questions}
    systems = _systems(setup, chosen, plain=plain, conversations=[*conversations.values()])
    _check_output(options.output_dir, options.embedder)
    models = [*_models(systems), *([judging] if judging else [])]
    speeds = {} if options.forecast else _check_models(models, options.resume)
    log = _answer_log(
        data,
        setup,
        embedder=options.embedder,
        output_dir=options.output_dir,
        resume=options.resume or options.forecast,
    )
    run = EvaluationRun(
        questions=questions,
        systems=systems,
        embedder=options.embedder,
        judging=judging,
        memories=options.output_dir / MEMORIES,
        log=log,
        traces=_trace_log(log, options.resume) if options.traces else None,
        threads=options.num_threads,
        over=options.over,
        budget=setup.budget,
        speeds=speeds,
    )
    if options.forecast:
        run.print_forecast()
        return Evaluation([], [])
    params: dict[str, object] = {
        "mode": options.mode,
        "data": f"{data.parent.name}/{data.name}" if data.is_dir() else data.name,
        "data_sha256": data_hash(data),
        "split": options.split,
        "categories": options.categories,
        "seed": options.seed,
        "systems": ",".join(chosen),
        "facts": options.facts or "digest",
        "prompts": options.prompts or "chosen by the model's size",
        "command": command_now(),
    }
    params |= _run_params(
        run, setup, options.adapter, program=options.optimized_path, learned=learned
    )
    with writable_folder(options.output_dir):
        pass
    with mlflow_run(
        EXPERIMENT,
        params,
        _title(params),
        data=[run_data(data, options.split)],
        output=options.output_dir,
    ) as tracked:
        with mlflow_errors(tracked):
            pairs = [(conversation.id, question) for conversation, question in questions]
            log_questions(tracked, pairs, data, str(params["data_sha256"]), "evaluation")
        evaluation = run.run()
        found = {
            "interval": options.interval or usual_interval(evaluation.results),
        }
        log_params(tracked, found)
        _report(
            tracked,
            evaluation,
            params | found,
            output_dir=options.output_dir,
            traces=_judged_traces(run.traces, evaluation.results) if run.traces else (),
            digests=run.digests,
        )
    _print_advice(
        evaluation, setup, run.conversations, options.output_dir if options.answers_only else None
    )
    if is_first_run:
        console.print(ALL_QUESTIONS, highlight=False, soft_wrap=True)
    return evaluation


def _judging_model(name: str | None, api_base: str | None, answers_only: bool) -> Model | None:
    """The judge, None without a name. Raises InputError together with --answers-only."""
    if name and answers_only:
        raise InputError("--answers-only asks no judge: leave --judge-model for --judge-only")
    return load_model(name, api_base) if name else None


def _print_advice(
    evaluation: Evaluation,
    setup: Setup,
    conversations: Sequence[Conversation],
    answers_folder: Path | None,
) -> None:
    """Print the next steps. With a folder, also write the answers there for other judges.

    Each line of the file has an id and a hypothesis: LongMemEval's own script reads this format.
    """
    if answers_folder:
        lines = [
            {"question_id": result.conversation, "index": result.index, "hypothesis": result.answer}
            for result in evaluation.results
            if result.system == "memory"
        ]
        file = answers_folder / HYPOTHESES
        write_whole(file, "".join(json.dumps(line) + "\n" for line in lines).encode())
        words = ["--judge-only", "--judge-model", "NAME", "--output-dir", answers_folder]
        judge = script_command("evaluate.py", *words)
        advice = f"{file}: {len(lines)} answers. Judge them: {judge}"
        console.print(advice, markup=False, highlight=False, soft_wrap=True)
    if is_of_packaged(setup.model.name):
        if not setup.stores_facts:
            console.print("Facts are stored by templates; a larger model stores more of them.")
        console.print(BETTER_MODELS, highlight=False)
    if advice := shown_whole(conversations, setup.budget):
        console.print(advice, markup=False, highlight=False, soft_wrap=True)


def _judge(output_dir: Path, judging: Model | None, threads: int) -> Evaluation:
    """Judge the answers of a finished run; the model that answered is not needed.

    Raises InputError without a judge, or without answers.
    """
    if judging is None:
        raise InputError("--judge-only needs a judge: name it with --judge-model")
    check_folder(output_dir, "--output-dir")
    written = read_results(output_dir)
    answers = output_dir / str(written.params.get("answers"))
    if not answers.is_file():
        raise InputError(f"{answers} is missing: there are no answers to judge")
    connect_mlflow(EXPERIMENT)
    name_server(judging, console)
    probe(judging, console)
    log = answer_log(answers, resume=True)
    # The verdicts of an interrupted run are in the log only.
    results = [log.records.get(result.key, result) for result in written.results]
    unjudged = [question_of(result) for result in results if not is_judged(result, judging)]
    if judging.server:
        expected = {"judging": judging_cost(unjudged, judging)}
        print_table(console, cost_table("forecast", expected))
    params = {**written.params, "judge_model": judging.name}
    with judged_run(EXPERIMENT, params, _title(params)) as tracked:
        with spending(judging) as spent:
            results = judge_answers(results, judging, log=log, threads=threads, console=console)
        evaluation = Evaluation(written.memories, results, {"judging": spent.cost})
        _report(tracked, evaluation, params, output_dir=output_dir, only_judged=True)
    return evaluation


def _run_params(
    run: EvaluationRun,
    setup: Setup,
    adapter: Path | None,
    program: Path | None,
    learned: Collection[str],
) -> dict[str, object]:
    return {
        "questions": len(run.questions),
        "model": setup.model.name,
        "adapter": str(adapter or "none"),
        "program": program.name if program else "plain",
        "budget": setup.budget,
        "sql": setup.sql,
        "wrong_answer_cost": setup.wrong_answer_cost,
        "embedder": run.embedder,
        "judge_model": run.judging.name if run.judging else "none",
        "answers": run.log.path.name,
        "training_questions": sum(conversation.id in learned for conversation, _ in run.questions),
    }


def _setup(
    model: Model, program: Path | None, *, budget: int | None, phrases: bool, sql: SqlUse
) -> Setup:
    """The model with its program and budget. Raises InputError when one is invalid."""
    setup = Setup(
        model=model,
        program=_program(program, model, phrases=phrases),
        budget=model.limits.budget if budget is None else budget,
        sql=sql,
    )
    setup.check()
    return setup


def _answer_log(
    data: Path,
    setup: Setup,
    *,
    embedder: str,
    output_dir: Path,
    resume: bool,
) -> AnswerLog:
    """The answers on disk: one file for each combination of data, model, program and code."""
    made_from: list[object] = [
        data_hash(data),
        setup.model.weights,
        setup.model.api_base,
        setup.sql,
        setup.budget,
        setup.wrong_answer_cost,
        setup.stored_by,
        program_state(setup.program),
        embedder,
        "none",  # in place of a reranker: answers of earlier runs keep their file
    ]
    return answer_log(output_dir / f"{ANSWERS}{fingerprint(*made_from)}.jsonl", resume)


def _trace_log(log: AnswerLog, resume: bool) -> TraceLog:
    """The traces, next to the answers; MLflow gets the same calls as spans afterwards."""
    return TraceLog(traces_beside(log.path), Trace, key=lambda trace: trace.key, resume=resume)


def _judged_traces(traces: TraceLog, results: Iterable[Result]) -> list[Trace]:
    """The traces with the verdicts, which come after the answers."""
    judged = {result.key: result for result in results}
    return [
        replace(trace, result=judged.get(key, trace.result))
        for key, trace in traces.records.items()
    ]


def _systems(
    setup: Setup,
    chosen: Collection[SystemName],
    *,
    plain: Setup | None,
    conversations: Sequence[Conversation],
) -> dict[str, System]:
    """The systems that answer each question, in the order of their steps.

    "plain" is the memory with the program and weights before they were compiled or tuned.
    """
    without_sql = replace(setup, sql="never")
    systems: dict[str, System] = {}
    for name in chosen:
        match name:
            case "newest":
                systems[name] = NewestTurns(setup)
            case "full":
                systems[name] = full = FullConversation.of(setup, conversations)
                console.print(
                    _fitting_line(full, len(conversations)),
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )
            case "ranking":
                systems[name] = MemorySystem(replace(without_sql, turns_only=True))
            case "facts":
                systems[name] = MemorySystem(without_sql)
            case "memory":
                systems |= {"plain": MemorySystem(plain)} if plain else {}
                systems[name] = MemorySystem(setup)
    return systems


def _fitting_line(full: FullConversation, number: int) -> str:
    """Of how many conversations the system "full" is asked."""
    return (
        f"full: {len(full.fitting)} of {count(number, 'conversation')} fit in"
        f" {full.setup.budget:,} tokens, which {full.model.name} can read; full is asked about"
        " these only"
    )


def _models(systems: Mapping[str, System]) -> list[Model]:
    """The models that answer, each once: that of the memory first, the plain one left out."""
    models: list[Model] = []
    for name in ("memory", *systems):
        model = systems[name].model
        if name != "plain" and not any(model is known for known in models):
            models.append(model)
    return models


def _check_output(folder: Path, embedder: str) -> None:
    """Raise an error of --output-dir, MLflow or the embedder before any model is paid."""
    check_folder(folder, "--output-dir")
    load_embedder(embedder)
    connect_mlflow(EXPERIMENT)


def _check_models(models: Sequence[Model], resume: bool) -> dict[str, Speed]:
    """Print the servers of hosted models, and send each model a probe unless the run is resumed.

    Returns how fast they answered, by name.
    """
    speeds = {}
    for model in models:
        name_server(model, console)
        if not resume:
            # An answer in the cache would say nothing of speed.
            speeds[model.name] = timed_speed(model, partial(probe, model.uncached(), console))
    return speeds


def _default_data(number: int | None) -> Path:
    """The first run, or held-out conversations if it has too few questions, which is printed."""
    if number == 0 or (number or QUESTIONS) <= QUESTIONS:
        return FIRST_RUN
    console.print(
        f"{FIRST_RUN.name} has {QUESTIONS} questions, so {number} are drawn from"
        " data/train/validation",
        highlight=False,
        soft_wrap=True,
    )
    return HELD_OUT


def _questions(
    data: Path,
    part: str,
    number: int | None,
    seed: int,
    without: Collection[str],
    categories: Categories,
) -> list[AskedQuestion]:
    """The questions to ask, in file order, except for the conversations `without`.

    `number` is the option's, None for QUESTIONS at most. Raises InputError when none is left, and
    when there are fewer than the option asks for.
    """
    conversations = load_conversations(data)
    if part in PARTS:
        ids = split_ids([c.id for c in conversations], seed, "default")[part]
        conversations = [c for c in conversations if c.id in ids]
    elif part != "all":
        raise InputError(f"--split {part!r} is unknown; choose all, {', '.join(PARTS)}")
    if not conversations:
        raise InputError(f"--split {part} holds no conversation of {data}")

    questions = [
        (c, question)
        for c in conversations
        for question in c.questions
        if categories == "all" or question.category != ABSTENTION
    ]
    if not questions:
        raise InputError(f"{data} has no questions in --split {part}; give a file that has")
    unseen = [pair for pair in questions if pair[0].id not in without]
    if not unseen:
        raise InputError(
            f"the program or its adapter was made from every conversation of --split {part}: give "
            "other --data, or --include-training (the title will say so)"
        )
    if len(unseen) < len(questions):
        console.print(
            f"left out: {len(questions) - len(unseen)} questions of conversations that the program"
            " or its adapter was made from (--include-training includes them)",
            soft_wrap=True,
        )
    check_enough("--num-test", number, len(unseen), f"--split {part} of {data}")
    return draw(unseen, QUESTIONS if number is None else number, seed)


def _learned_conversations(program: Path | None, model: str, adapter: Path | None) -> set[str]:
    """The conversations that the program and the adapters in use were made from, by their cards."""
    card = load_program(program).card if program else None
    adapters = [adapter] if adapter else []
    if is_adapter(model):
        adapters.append(Path(model))
    if adapters or model == PACKAGED_MODEL:
        adapters += SHIPPED
    return {*(card.conversations.get("train", []) if card else []), *tuned_conversations(*adapters)}


def _plain(setup: Setup, program: Path | None, *, phrases: bool) -> Setup | None:
    """The untuned model with the plain program; None if `setup` is just that."""
    shipped = as_shipped(setup.model)
    plain = program_for(shipped)
    plain = in_phrases(plain) if phrases else plain
    if shipped is not setup.model:
        return replace(setup, model=shipped, program=plain)
    return replace(setup, program=plain) if program else None


def _program(path: Path | None, model: Model, *, phrases: bool) -> MemoryProgram:
    """The program to measure. Its warnings are printed here, once for all memories."""
    program = load_program(path) if path else program_for(model)
    for concern in concerns(program, model.name):
        console.print(f"warning: {concern}", markup=False, highlight=False, soft_wrap=True)
    program.card = None
    return in_phrases(program) if phrases else program


def _title(params: Mapping[str, object]) -> str:
    return f"{params['model']}, {params['questions']} questions of {params['data']}"


def _report(
    tracked: ModuleType,
    evaluation: Evaluation,
    params: Mapping[str, object],
    output_dir: Path,
    traces: Iterable[Trace] = (),
    digests: Iterable[DigestTrace] = (),
    only_judged: bool = False,
) -> None:
    """Print the results, write them to `output_dir` and log them to MLflow's run, with traces.

    With `only_judged` the run has a table of the answers already.
    """
    interval: Interval = "clustered" if params["interval"] == "clustered" else "independent"
    metrics = metrics_of(evaluation.results, interval)
    lines = next(metric.lines for metric in metrics if not metric.judge)
    memory_results = [result for result in evaluation.results if result.system == "memory"]
    differences = system_differences(evaluation.results, interval)
    title = _title(params)
    if seen := params.get("training_questions"):
        title += f", {seen} of them of TRAINING conversations"
    if incomplete := sum(memory.failed for memory in evaluation.built):
        title += f", {count(incomplete, 'window')} NOT STORED, which the next run tries again"
    content: dict[str, object] = {
        "params": dict(params),
        "lines": [asdict(line) for line in lines],
        "judged": [asdict(metric) for metric in metrics if metric.judge],
        "memories": [{**asdict(memory), "path": memory.path.name} for memory in evaluation.built],
        "costs": {step: asdict(cost) for step, cost in evaluation.costs.items()},
        "results": [asdict(result) for result in evaluation.results],
    }
    _print_costs(evaluation)
    console.print(f"{count(sum(m.facts for m in evaluation.built), 'fact')} stored as SQL")
    console.print(title, markup=False, highlight=False, soft_wrap=True)
    if params["mode"] == "analyze":
        file = output_dir / ANALYSIS
        failed = failures(memory_results)
        content["failures"] = {
            cause: [asdict(result) for result in results] for cause, results in failed.items()
        }
        examples = [result for results in failed.values() for result in results[:2]]
        print_table(console, failure_table(memory_results))
    else:
        file = output_dir / RESULTS
        content["differences"] = {
            name: {**asdict(difference), "verdict": difference.verdict}
            for name, difference in differences.items()
        }
        examples = _varied(memory_results)
        _print_scores(evaluation.results, lines, metrics, interval)
        for name, difference in differences.items():
            console.print(difference_line(name, difference), highlight=False, soft_wrap=True)
        for warning in filter(None, (no_facts(evaluation.results), little_sql(evaluation.results))):
            console.print(warning, markup=False, highlight=False, soft_wrap=True)
        console.print()
    _print_examples(examples, memory_results)
    if example := stored_example(memory_results, evaluation.built):
        console.print(example + "\n", highlight=False, soft_wrap=True)
    write_whole(file, json.dumps(content, ensure_ascii=False, indent=1).encode("utf-8", "replace"))
    with mlflow_errors(tracked):
        # The scores first: traces may take a while, and an interruption keeps finished work.
        tracked.log_metrics(score_metrics(lines, metrics, differences))
        rename_run(tracked, f"{title}: {_outcome(lines, differences)}")
        tracked.log_text(score_table(lines, metrics), SCORE_TABLE)
        log_overview(tracked, evaluation.results, lines, differences)
        log_answers(tracked, evaluation.results, replaces=only_judged)
        with progress_bar(console) as bar:
            log_traces(tracked, traces, digests, bar)
        trace_file = traces_beside(output_dir / str(params["answers"]))
        for artifact in (file, trace_file):
            if artifact.exists():
                tracked.log_artifact(str(artifact))
    console.print(f"{file}; MLflow: experiment {EXPERIMENT}", soft_wrap=True)


def _outcome(lines: Sequence[ScoreLine], differences: Mapping[str, PairedDifference]) -> str:
    """The first difference, or the memory's score, in a few words for a run's name."""
    for name, difference in differences.items():
        return f"{difference.change:+.3f} ({name}), {difference.verdict}"
    scores = [line.score for line in lines if line.system == "memory"]
    return f"F1 {scores[-1]:.3f}" if scores else "no score"


def _print_scores(
    results: Sequence[Result],
    lines: Sequence[ScoreLine],
    metrics: Sequence[Metric],
    interval: Interval,
) -> None:
    """Print the scores, the benchmark's own metric first."""
    is_locomo = not has_own_metric(results)
    tables = [comparison_table(lines, interval, is_official=is_locomo)]
    if is_locomo:
        tables.insert(0, outcome_table(results))
    tables.insert(0, used_table(results, interval))
    if any(metric.judge for metric in metrics):
        judged = judge_table(metrics, interval)
        tables.insert(len(tables) if is_locomo else 0, judged)
        tables.append(paper_table(results))
    elif any(result.rubric for result in results):
        console.print("The metric of this benchmark is its rubric: name a --judge-model.")
    for table in tables:
        print_table(console, table)


def _print_costs(evaluation: Evaluation) -> None:
    """Print the cost of building the memories and, if models cost money, of the whole run."""
    print_table(console, building_table(evaluation.built))
    if any(result.steps for result in evaluation.results):
        print_table(console, bill_table(evaluation.results))
    if any(cost.dollars != 0 for cost in evaluation.costs.values()):
        print_table(console, cost_table("this run took", evaluation.costs))


def _print_examples(examples: Sequence[Result], results: Sequence[Result]) -> None:
    """Print some results in full, and the questions that recall leaves out."""
    if line := no_evidence_line(results):
        console.print(line + "\n", markup=False, highlight=False, soft_wrap=True)
    for result in examples:
        console.print(example_text(result) + "\n", highlight=False, soft_wrap=True)


def _varied(results: Sequence[Result]) -> list[Result]:
    """The best result of each of three categories: examples of how an answer is made."""
    best: list[Result] = []
    for category in CATEGORIES:
        of_category = [result for result in results if result.category == category]
        if of_category:
            best.append(max(of_category, key=lambda result: result.score))
    return sorted(best, key=lambda result: -result.score)[:3]
