"""The options of optimize.py: their one declaration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from locomo.choices import CompiledFactSource, Optimizer, Reward
from locomo.commands import Over
from memory.records import FormChoice

DATA = Path(__file__).parents[2] / "data" / "train"  # holds four conversations out
ROW_DATA = Path(__file__).parents[2] / "data" / "rows"  # and so does this
# The options that --help lists; --help-all lists the others too.
LISTED = (
    *("optimizer", "target", "data", "num_examples", "num_validation", "model", "api_base"),
    *("budget_usd", "output", "resume"),
)
CompiledTarget = Literal["answer", "retrieve", "store", "refine", "all", "ranking", "gate"]


@dataclass(frozen=True)
class CompileOptions:
    """The options of optimize.py, declared once: its command line is built from these fields.

    A field's name is its flag (`num_examples` is `--num-examples`), its annotation carries the
    help text.
    """

    optimizer: Annotated[
        Optimizer,
        Option(help="DSPy's optimizer: simba, miprov2, gepa, or bootstrap with random search"),
    ] = "simba"
    target: Annotated[
        CompiledTarget,
        Option(
            help="what to improve: one module, all, the search's ranking, or the gate before a"
            " little model's storing"
        ),
    ] = "answer"
    data: Annotated[
        Path | None,
        Option(
            help="conversations in LoCoMo's format, a file or a folder",
            show_default="data/train; data/rows for store and gate",
        ),
    ] = None
    split: Annotated[
        str, Option(help="how conversations are split: default, memory-r1, seven-three")
    ] = "default"
    num_examples: Annotated[
        int | None, Option(help="training examples, drawn by --seed; 50; 0: all", min=0)
    ] = None
    num_validation: Annotated[
        int | None, Option(help="questions to measure the gain on; 100; 0: all", min=0)
    ] = None
    num_threads: Annotated[int, Option(help="examples run at a time", min=1)] = 4
    max_demos: Annotated[
        int | None,
        Option(
            help="examples in a prompt at most; 5 by default, 16 of gold rows; 0 for miprov2 and a"
            " model of up to 3 billion parameters: its prompts keep their own",
            min=0,
        ),
    ] = None
    rounds: Annotated[
        int | None, Option(help="the optimizer's steps, trials or proposals", min=1)
    ] = None
    candidates: Annotated[
        int | None, Option(help="prompts that simba tries a step, and miprov2 in all", min=2)
    ] = None
    reward: Annotated[
        Reward | None,
        Option(
            "--reward",
            "--metric",
            help="the score to improve, see docs/optimizing.md",
            show_default="memory; rows for store where the data has gold rows",
        ),
    ] = None
    operations: Annotated[int, Option(help="tool calls of a refining episode at most", min=1)] = 30
    model: Annotated[str, Option(help="the model to compile for: local or PROVIDER/MODEL")] = (
        "local"
    )
    api_base: Annotated[str | None, Option(help="address of the model's server")] = None
    prompts: Annotated[
        FormChoice,
        Option(help="a hosted model's prompts: full, brief (up to 8 billion parameters), or auto"),
    ] = "auto"
    prompt_model: Annotated[
        str | None, Option(help="the model that writes instructions; else --model")
    ] = None
    prompt_api_base: Annotated[str | None, Option(help="address of the prompt model's server")] = (
        None
    )
    budget: Annotated[
        int | None, Option(help="tokens of memory shown with a question; else the model's")
    ] = None
    facts: Annotated[
        CompiledFactSource | None,
        Option(
            help="what stores facts: the model, templates alone, or the gold SQL of the data; the"
            " last two ask no model",
            show_default="model; templates for a gguf: model whose storing is not compiled",
        ),
    ] = None
    budget_calls: Annotated[int | None, Option(help="model calls at most", min=1)] = None
    budget_minutes: Annotated[
        float | None,
        Option(
            "--budget-minutes",
            "--minutes",
            help="minutes at most, from the start; for a model in this process what fits is done",
            min=0,
        ),
    ] = None
    budget_usd: Annotated[float | None, Option(help="dollars at most", min=0)] = None
    seed: Annotated[int, Option(help="seed for drawing examples and the split", min=0)] = 0
    yes: Annotated[bool, Option("--yes", help="start a large compile without asking")] = False
    resume: Annotated[bool, Option("--resume", help="continue the run of the same command")] = False
    no_texts: Annotated[bool, Option("--no-texts", help="do not keep the prompts of calls")] = False
    output: Annotated[Path, Option(help="file for the compiled program")] = Path(
        "optimized_memory_qa.json"
    )
    output_dir: Annotated[Path, Option(help="folder for memories, calls and report")] = Path(
        "results"
    )
    over: Over = ""
