"""Reads the files of `evaluate.py`: to judge its answers, or to compare two runs."""

from pathlib import Path

from pydantic import BaseModel, TypeAdapter

from locomo.harness import BuiltMemory, Result
from locomo.json_lines import read_json
from memory import InputError

# Beside `answers-FINGERPRINT.jsonl` lie the traces of the same run.
ANSWERS, TRACES = "answers-", "traces-"
RESULTS, ANALYSIS = "evaluation_results.json", "failure_analysis.json"
MEMORIES = "memories"  # the folder, within that of a run


class WrittenResults(BaseModel):
    """The settings of a run, its memories, every question's result."""

    params: dict[str, object]
    memories: list[BuiltMemory] = []
    results: list[Result]


def traces_beside(answers: Path) -> Path:
    """The path of the traces that belong to a file of answers."""
    return answers.with_name(answers.name.replace(ANSWERS, TRACES))


def read_results(path: Path) -> WrittenResults:
    """The results in an output folder, or in its JSON file. Raises InputError."""
    if path.is_dir() or not path.exists():
        files = [path / name for name in (RESULTS, ANALYSIS) if (path / name).exists()]
        if not files:
            raise InputError(f"{path} holds no {RESULTS} or {ANALYSIS}; give an --output-dir")
        path = files[0]
    return read_json(path, TypeAdapter(WrittenResults), "give what evaluate.py wrote")
