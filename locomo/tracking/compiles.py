"""A compile in MLflow: gain, cost, data, candidates, and the program as a registered model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from locomo.dataset.format import Question
from locomo.tasks.gains import Gain, Verdict, gain_line, verdict
from locomo.tracking.metric_names import GAIN_TABLE, REFUSED, gain_metrics, gain_table
from locomo.tracking.record import without_login
from locomo.tracking.runs import DESCRIPTION, clean, log_questions, mlflow_errors

REGISTERED = "sql-memory-program"
_CANDIDATE_RUNS = 100
_PROGRAM_MODEL = Path(__file__).with_name("program_model.py")  # MLflow keeps a copy next to it


@dataclass(frozen=True)
class TriedPrompt:
    """A candidate prompt: its mean reward, its number of training examples, the calls before it.

    `reward` is comparable between candidates: the plain program's mean, and what the candidate
    gained on the same examples. `best` is the highest so far.
    """

    name: str
    score: float
    examples: int
    calls: int
    prompts: str
    reward: float
    best: float


@dataclass(frozen=True)
class CompiledFile:
    """The file of a compiled program, the model that it is for, and what it was made from.

    `questions` maps "training" and "validation" to (conversation's id, question).
    """

    program: Path
    model: str
    api_base: str | None
    data: Path
    sha256: str
    questions: Mapping[str, Sequence[tuple[str, Question]]]


def log_compile(
    mlflow: ModuleType,
    *,
    target: str,
    candidates: Sequence[TriedPrompt],
    gains: Sequence[Gain],
    cost: Mapping[str, float],
    files: Sequence[Path],
    compiled: CompiledFile | None = None,
) -> None:
    """Log a compile in the active run: gain, cost, the files as artifacts, data and program.

    The rewards of the candidates are a curve, whose steps are model calls. The program is a model
    of the run, and a new version of the registered model REGISTERED if it has a gain. The 100 best
    candidates become nested runs, each with its prompts as an artifact; a run takes about 15 ms.
    Raises InputError when MLflow cannot store them.
    """
    with mlflow_errors(mlflow):
        log_gains(mlflow, gains)
        mlflow.log_metrics(
            {f"cost/{REFUSED.sub('_', name)}": value for name, value in cost.items()}
        )
        mlflow.set_tag(DESCRIPTION, clean(gain_line(gains)))
        for tried in candidates:
            curve = {"training/reward": tried.reward, "training/best_reward": tried.best}
            mlflow.log_metrics(curve, step=tried.calls)
        for file in files:
            mlflow.log_artifact(str(file))
        for tried in sorted(candidates, key=lambda tried: -tried.score)[:_CANDIDATE_RUNS]:
            with mlflow.start_run(run_name=tried.name, nested=True):
                mlflow.log_metrics(
                    {"score": tried.score, "examples": tried.examples, "calls": tried.calls}
                )
                mlflow.log_text(clean(tried.prompts), "prompts.txt")
        if compiled:
            for part, questions in compiled.questions.items():
                log_questions(mlflow, questions, compiled.data, compiled.sha256, part)
            _log_program(mlflow, compiled, target, verdict(gains))


def log_gains(mlflow: ModuleType, gains: Sequence[Gain]) -> None:
    """Log gains in the active run: as metrics, as a table, and the verdict as a tag."""
    with mlflow_errors(mlflow):
        mlflow.log_metrics(gain_metrics(gains))
        mlflow.log_text(gain_table(gains), GAIN_TABLE)
        mlflow.set_tag("verdict", verdict(gains))


def _log_program(
    mlflow: ModuleType,
    compiled: CompiledFile,
    target: str,
    outcome: Verdict,
) -> None:
    mlflow.pyfunc.log_model(
        name="program",
        python_model=str(_PROGRAM_MODEL),
        artifacts={"program": str(compiled.program)},
        model_config={
            "model": compiled.model or None,
            "api_base": without_login(compiled.api_base) if compiled.api_base else None,
        },
        registered_model_name=REGISTERED if outcome == "gain" else None,
        tags={"target": target, "verdict": outcome},
        # Named, because MLflow would load the model in its own process to find out.
        pip_requirements=[f"sql-memory[bench]=={version('sql-memory')}"],
    )
