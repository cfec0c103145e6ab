"""A language model that answers by a script, and fails on a question that is not in it.

model = scripted_model([(["[1] Anna: I moved"], sql("INSERT INTO facts ..."))])
"""

from collections.abc import Sequence

import dspy
from dspy.lm15 import Message, Request, Response, TextPart, Usage

from memory.program import Model
from memory.program.completions import CompletionAdapter
from memory.program.hosted import HostedModel
from memory.program.packaged import PackagedModel

Pairs = Sequence[tuple[Sequence[str], str]]


class UnexpectedPrompt(BaseException):
    """The program asked something the script did not expect. No `except Exception` hides it."""


class Script:
    """A DSPy engine: pairs of (texts that the prompt must hold, the answer), in order."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = list(pairs)
        self.prompts: list[str] = []

    def complete(self, request: Request) -> Response:
        prompt = request.messages[-1].text or ""
        self.prompts.append(prompt)
        if len(self.prompts) > len(self.pairs):
            raise UnexpectedPrompt(f"call {len(self.prompts)} of {len(self.pairs)}:\n{prompt}")
        expected, answer = self.pairs[len(self.prompts) - 1]
        for text in expected:
            if text not in prompt:
                raise UnexpectedPrompt(f"call {len(self.prompts)} lacks {text!r}:\n{prompt}")
        usage = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
        message = Message.assistant([TextPart(answer)])
        return Response(
            id=None, model="scripted", message=message, finish_reason="stop", usage=usage
        )


class ScriptedLM(dspy.LM):
    """A `dspy.LM` over a Script; `assert_done` says that every answer was asked for."""

    def __init__(self, pairs: Pairs) -> None:
        self.script = Script(pairs)
        super().__init__("local/scripted", engine=self.script, cache=False, num_retries=0)

    def assert_done(self) -> None:
        prompts, answers = len(self.script.prompts), len(self.script.pairs)
        assert prompts == answers, f"{prompts} of {answers} answers were asked for"


class UnsoldModel(HostedModel):
    """A model without a price: litellm, which lists those of others, takes seconds to import."""

    price = None


def scripted_model(pairs: Pairs, window: int = 16, budget: int = 2_000) -> Model:
    """A Model that Memory can use; its `lm` is the ScriptedLM."""
    return UnsoldModel(
        name="scripted",
        lm=ScriptedLM(pairs),
        adapter=CompletionAdapter(),
        window=window,
        window_tokens=8_000,
        dates=True,
        context=32_000,
        budget=budget,
    )


def scripted_packaged_model(pairs: Pairs, window: int = 16) -> PackagedModel:
    """A Model that works on a memory as the packaged one does, with the script's answers."""
    fields = {**vars(scripted_model(pairs, window)), "name": "local", "sql": "when it pays"}
    return PackagedModel(**fields)


def sql(statements: str) -> str:
    """What a well-behaved model answers to store and retrieve."""
    return f"[[ ## sql ## ]]\n{statements}\n\n[[ ## completed ## ]]"


def window(prompt: str) -> str:
    """The turns of a prompt that are to be stored, without those before them."""
    return prompt.rpartition("[[ ## turns ## ]]")[2].partition("[[ ## ")[0]


def answer(text: str, turns: str = "") -> str:
    """What a well-behaved model answers to a question."""
    return f"[[ ## answer ## ]]\n{text}\n\n[[ ## turns ## ]]\n{turns}\n\n[[ ## completed ## ]]"
