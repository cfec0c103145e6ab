"""A compiled program in MLflow: registered, loaded by mlflow.pyfunc, and answering."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import pytest

from locomo.dataset.format import Question
from locomo.tasks.gains import Gain
from locomo.tracking.compiles import REGISTERED, CompiledFile, log_compile
from locomo.tracking.runs import mlflow_run
from memory import MemoryProgram, Turn, open_store
from memory.errors import InputError
from memory.program import Card, save_program
from tests.support.scripted import answer, scripted_model

# MLflow takes ten seconds of computing before it has recorded the first run.
pytestmark = pytest.mark.slow

WHEN_IT_PAYS = True  # of one turn, no SELECT
RULE = "Answer in one word."
CARD = Card(
    model="openai/some-model",
    optimizer="gepa",
    target="answer",
    metric={"answer": 1.0},
    data="0" * 64,
    conversations={},
    scores={},
    verdict="gain",
    made_at="2026-11-26T00:00:00+00:00",
)
GAIN = Gain("answer", "all", 20, before=0.25, after=0.5, low=0.125, high=0.375, groups=20)
QUESTIONS = [
    ("chat", Question(0, "Where?", "Lyon", 4, ("D1:1",))),
    ("chat", Question(1, "When?", "May", 2, ("D1:2",))),
]


def compiled(folder: Path) -> CompiledFile:
    program = MemoryProgram()
    predict = program.answer.predict
    predict.signature = predict.signature.with_instructions(RULE)
    predict.demos = [
        dspy.Example(evidence="[1] Ann: Oslo.", question="q", answer="Oslo", turns="1")
    ]
    path = folder / "compiled.json"
    save_program(program, path, CARD)
    data = folder / "data.json"
    data.write_text("[]")
    return CompiledFile(
        program=path,
        model="openai/some-model",
        api_base="http://localhost:1/v1",
        data=data,
        sha256="ab" * 32,
        questions={"training": QUESTIONS, "validation": QUESTIONS[:1]},
    )


def record(experiment: str, file: CompiledFile, gains: Sequence[Gain] = (GAIN,)) -> None:
    with mlflow_run(experiment, {}, "gepa") as run:
        log_compile(
            run, target="answer", candidates=(), gains=gains, cost={}, files=[], compiled=file
        )


def test_a_compiled_program_is_registered_loaded_and_answers(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    record("models", compiled(place))
    loaded = mlflow.pyfunc.load_model(newest_model())
    inner: Any = loaded.unwrap_python_model()
    assert inner.config == {"model": "openai/some-model", "api_base": "http://localhost:1/v1"}

    database = place / "anna.db"
    with open_store(database) as store:
        store.add([Turn("Anna", "I moved to Lyon.")])
    script = [(["Where does Anna live?"], answer("Lyon", "1"))]
    # The program itself, as DSPy calls one.
    model = scripted_model(script)
    assert inner.program.answer.predict.signature.instructions == RULE
    with model.active():
        prediction = inner.program("Where does Anna live?", str(database), sql="never")
    assert (prediction.answer, list(prediction.turns)) == ("Lyon", [1])
    # Through MLflow, which checks the inputs.
    again = scripted_model(script)
    used = type(inner).load_context.__globals__  # of MLflow's copy of our file
    monkeypatch.setitem(used, "load_model", lambda *names: again)
    asked = [{"question": "Where does Anna live?", "memory": str(database), "asker": ""}]
    [answered] = loaded.predict(asked)
    assert answered.model_dump() == {"answer": "Lyon", "turns": [1], "sql": []}
    with pytest.raises(mlflow.exceptions.MlflowException, match="memory"):
        loaded.predict([{"question": "Where does Anna live?"}])


def test_what_mlflow_keeps_of_a_program_has_no_key_and_no_pickled_code(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = ("sk-proj-FromTheEnvironment1234567890abcdefgh", "the-password", "key-of-the-query")
    monkeypatch.setenv("OPENAI_API_KEY", keys[0])
    address = f"https://me:{keys[1]}@host:4000/v1?api_key={keys[2]}"
    record("keys", replace(compiled(place), api_base=address))
    loaded = mlflow_model(newest_model())
    assert loaded.config["api_base"] == "https://host:4000/v1"
    kept = [path for path in place.rglob("*") if path.is_file()]
    assert len([path for path in kept if path.name == "program_model.py"]) > 0
    assert [path for path in kept if path.suffix in (".pkl", ".pickle", ".joblib")] == []
    for path in kept:
        content = path.read_bytes()
        assert [key for key in keys if key.encode() in content] == [], path
        assert not content.startswith(b"\x80"), path  # as a pickle begins


def test_a_question_to_a_served_model_opens_no_server(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record("served", compiled(place))
    model = mlflow_model(newest_model())
    used = type(model).load_context.__globals__
    monkeypatch.setitem(used, "load_model", lambda *names: scripted_model([]))
    question = used["MemoryQuestion"](question="Where?", memory="postgresql://h/d?namespace=a")
    with pytest.raises(InputError, match="pass the store"):
        model.predict([question])


def mlflow_model(uri: str) -> Any:
    """Our object in a model that MLflow has loaded."""
    import mlflow

    return mlflow.pyfunc.load_model(uri).unwrap_python_model()


def newest_model() -> str:
    """The address of the version that was registered last: other tests register models too."""
    import mlflow

    versions = mlflow.MlflowClient().search_model_versions(f"name='{REGISTERED}'")
    newest = max(int(version.version) for version in versions)
    return f"models:/{REGISTERED}/{newest}"
