"""A compiled program as an MLflow model; MLflow runs this file to load one.

The program itself is the JSON file next to it: nothing is pickled, and no key is kept.
"""

from typing import Any

import mlflow
from pydantic import BaseModel

from memory import Memory, load_model, load_program
from memory.evidence import reading


class MemoryQuestion(BaseModel):
    """A question to a memory, by its name or its file's path (see `AskMemory`)."""

    question: str
    memory: str
    asker: str = ""


class MemoryAnswer(BaseModel):
    """The answer, the ids of the turns that it cites, and the SELECTs that ran."""

    answer: str
    turns: list[int]
    sql: list[str]


class ProgramModel(mlflow.pyfunc.PythonModel):
    """Answers questions from memories; `program` is the compiled program.

    Its configuration has `model` and `api_base`, of the model that it was compiled for. Others are
    given when it is loaded: `mlflow.pyfunc.load_model(uri, model_config={"model": NAME})`.
    """

    def load_context(self, context: Any) -> None:
        """Load the program, but no model: that may need a key."""
        self.program = load_program(context.artifacts["program"])
        self.config: dict[str, Any] = dict(context.model_config or {})

    def predict(self, model_input: list[MemoryQuestion]) -> list[MemoryAnswer]:
        """The answer to each question."""
        model = load_model(self.config.get("model") or "local", self.config.get("api_base"))
        answers = []
        for item in model_input:
            with reading(item.memory) as reader:
                memory = Memory(reader.store, model=model, program=self.program)
                answer = memory.ask(item.question, speaker=item.asker)
            answers.append(
                MemoryAnswer(answer=answer.text, turns=list(answer.turns), sql=list(answer.sql))
            )
        return answers


mlflow.models.set_model(ProgramModel())
