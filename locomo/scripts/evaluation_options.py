"""The options of evaluate.py: their one declaration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from locomo.choices import EMBEDDER, SYSTEMS, Categories, EvaluationMode, FactSource, Interval
from locomo.commands import Over
from memory.program import BENCHMARK_COST, PEOPLE_COST
from memory.records import FormChoice, SqlUse

QUESTIONS = 20  # as many as the first run's data has
# The first run asks half of them, of the newest turns and the memory alone: 14 calls of the
# packaged model, which take minutes less (docs/figures.md, "The first minute").
FIRST_RUN_QUESTIONS = 10
# The options that --help lists; --help-all lists the others too.
LISTED = (
    *("mode", "data", "split", "num_test", "model", "api_base", "judge_model"),
    *("optimized_path", "output_dir", "resume"),
)


@dataclass(frozen=True)
class EvaluationOptions:
    """The options of evaluate.py, declared once: its command line is built from these fields.

    A field's name is its flag (`num_test` is `--num-test`), its annotation carries the help text.
    """

    mode: Annotated[EvaluationMode, Option(help="compare with a baseline, or analyze failures")] = (
        "compare"
    )
    data: Annotated[
        Path | None,
        Option(
            help="conversations in LoCoMo's format, a file or a folder; for more than its 20"
            " questions data/train/validation",
            show_default="data/first_run.json",
        ),
    ] = None
    split: Annotated[
        str, Option(help="which conversations to ask about: all, train, validation or test")
    ] = "all"
    num_test: Annotated[
        int | None,
        Option(
            help="number of questions, drawn by --seed; 0: all",
            show_default=f"{QUESTIONS}; {FIRST_RUN_QUESTIONS} without --data",
            min=0,
        ),
    ] = None
    categories: Annotated[
        Categories,
        Option(help="which questions: all, or only the answerable ones, as in papers"),
    ] = "all"
    systems: Annotated[
        str,
        Option(
            help="what answers each question, step by step: the newest turns, the full conversation"
            " where it fits, turns by ranking, these and facts, and the memory, with SELECTs",
            show_default=f"{','.join(SYSTEMS)}; newest,memory without --data",
        ),
    ] = ""
    model: Annotated[
        str,
        Option(
            help="the model that answers: local, an adapter's folder, gguf:FILE or PROVIDER/MODEL"
        ),
    ] = "local"
    adapter: Annotated[
        Path | None, Option(help="a LoRA adapter: a folder, or a .gguf file of the gguf: model")
    ] = None
    api_base: Annotated[str | None, Option(help="address of the model's server")] = None
    embedder: Annotated[
        str, Option(help="searches with wordllama (packaged), or sentence-transformers/MODEL")
    ] = EMBEDDER
    judge_model: Annotated[
        str | None, Option(help="a model that judges the answers, PROVIDER/MODEL")
    ] = None
    judge_api_base: Annotated[str | None, Option(help="address of the judge's server")] = None
    answers_only: Annotated[
        bool, Option("--answers-only", help="write the answers for a judge to read later")
    ] = False
    judge_only: Annotated[
        bool, Option("--judge-only", help="judge the answers of a finished run")
    ] = False
    budget: Annotated[
        int | None, Option(help="tokens of memory shown with a question; else the model's")
    ] = None
    sql: Annotated[SqlUse, Option(help="which questions a hosted model writes SELECTs for")] = (
        "when it pays"
    )
    facts: Annotated[
        FactSource,
        Option(help="what stores facts: the model, or templates alone, which ask no model"),
    ] = "model"
    prompts: Annotated[
        FormChoice,
        Option(help="a hosted model's prompts: full, brief (up to 8 billion parameters), or auto"),
    ] = "auto"
    wrong_answer_cost: Annotated[
        float | None,
        Option(
            help="of the packaged model, in right answers: its own data is asked at"
            f" {PEOPLE_COST:g}, as people ask, other data at {BENCHMARK_COST:g}"
        ),
    ] = None
    optimized_path: Annotated[
        Path | None, Option(help="a program that optimize.py compiled, a JSON file")
    ] = None
    include_training: Annotated[
        bool, Option("--include-training", help="also ask about conversations trained on")
    ] = False
    num_threads: Annotated[int, Option(help="questions asked at a time", min=1)] = 4
    interval: Annotated[
        Interval | None,
        Option(help="resample conversations (clustered) or questions (independent)"),
    ] = None
    seed: Annotated[int, Option(help="seed for drawing the questions and the split")] = 0
    output_dir: Annotated[Path, Option(help="folder for results and memories")] = Path("results")
    traces: Annotated[bool, Option("--traces", help="keep every prompt, answer, query and row")] = (
        False
    )
    forecast: Annotated[
        bool, Option("--forecast", help="say what the run takes, ask no model, and end")
    ] = False
    resume: Annotated[bool, Option("--resume", help="keep the answers of an interrupted run")] = (
        False
    )
    over: Over = ""
