"""A language model that answers by a script, and fails on a question that is not in it.

model = scripted_model([(["[1] Anna: I moved"], sql("INSERT INTO facts ..."))])
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import dspy
import pytest
from dspy.lm15 import (
    Message,
    Request,
    Response,
    StreamDeltaEvent,
    StreamEndEvent,
    StreamStartEvent,
    TextDelta,
    TextPart,
    Usage,
)

from memory import StoreTurns
from memory.facts.window_writes import WindowWriter
from memory.models import CompletionAdapter, Limits, Model, Pace
from memory.models.hosted import server_of
from memory.models.sizes import Size
from memory.program.digest import WindowContext, stored_window
from memory.sql import quoted

_SHOWN = re.compile(r"^\[(\d+)\] (?:\([^)]*\) )?([^:\n]+): (.+)", re.MULTILINE)
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

    def stream(self, request: Request) -> Iterator[Any]:
        """The same in one piece."""
        response = self.complete(request)
        yield StreamStartEvent(model="scripted")
        yield StreamDeltaEvent(TextDelta(response.text or ""))
        yield StreamEndEvent(response.finish_reason, response.usage)


class ScriptedLM(dspy.LM):
    """A `dspy.LM` over a Script; `assert_done` says that every answer was asked for."""

    def __init__(self, pairs: Pairs) -> None:
        self.script = Script(pairs)
        super().__init__("local/scripted", engine=self.script, cache=False, num_retries=0)

    def assert_done(self) -> None:
        prompts, answers = len(self.script.prompts), len(self.script.pairs)
        assert prompts == answers, f"{prompts} of {answers} answers were asked for"


class UnsoldModel(Model):
    """A model without a price: litellm, which lists those of others, takes seconds to import."""

    price = None


def model_over(
    engine: Any,
    name: str = "scripted",
    *,
    window: int = 16,
    window_tokens: int = 8_000,
    budget: int = 2_000,
    size: Size = "large",
    **fields: Any,
) -> Model:
    """A Model whose calls an engine of DSPy answers.

    By the packaged model's name it works as that one.
    """
    is_packaged = name.startswith("local")
    pace = Pace(1.0, 15.0, cpus=1.0) if is_packaged else Pace(10.0, 0.5, cpus=0.25)
    kind = Model if is_packaged else UnsoldModel
    return kind(
        name=name,
        lm=dspy.LM(f"local/{name}", engine=engine, cache=False, num_retries=0),
        adapter=CompletionAdapter(),
        size="small" if is_packaged else size,
        limits=Limits(32_000, budget, window, window_tokens),
        pace=pace,
        server="" if is_packaged else server_of(name, fields.get("api_base")),
        weights=dict.fromkeys(("store", "retrieve", "answer"), name),
        **fields,
    )


def with_limits(model: Model, **limits: int) -> Model:
    """The same model with other limits."""
    return replace(model, limits=replace(model.limits, **limits))


def scripted_model(
    pairs: Pairs, window: int = 16, budget: int = 2_000, size: Size = "large"
) -> Model:
    """A Model that Memory can use; its `lm` is the ScriptedLM."""
    model = model_over(Script([]), window=window, budget=budget, size=size)
    return replace(model, lm=ScriptedLM(pairs))


def scripted_packaged_model(pairs: Pairs, window: int = 16) -> Model:
    """A Model that works on a memory as the packaged one does, untuned: it stores no facts."""
    return replace(model_over(Script([]), "local-base", window=window), lm=ScriptedLM(pairs))


def patch_load_model(monkeypatch: pytest.MonkeyPatch, load: Callable[..., Model]) -> None:
    """Let the product load models by this function.

    The package keeps what it has looked up in its module, so it is told first.
    """
    # The commands ask a model where `memory setup` has chosen one.
    monkeypatch.setattr("memory.cli.options.default_model", lambda: "local")
    monkeypatch.setattr("memory.models.load_model", load)
    monkeypatch.setattr("memory.models.loading.load_model", load)


class StoresByRule(StoreTurns):
    """Stores what a rule writes of the lines of a window's turns; no model is asked."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self.rule = rule

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        sql = self.rule(context.inputs["window"])
        change, unsaid = writer.write(sql)
        return stored_window(change, sql=sql, calls=1, unsaid=unsaid)


def rows_saying(attribute: str, shown: str) -> list[str]:
    """For each turn that is shown the row of an INSERT that has its words."""
    return [
        f"({quoted(speaker)}, '{attribute}', {quoted(text.partition(' (')[0])}, {turn_id})"
        for turn_id, speaker, text in _SHOWN.findall(shown)
    ]


def sql(statements: str) -> str:
    """What a well-behaved model answers to store and retrieve."""
    return f"[[ ## sql ## ]]\n{statements}\n\n[[ ## completed ## ]]"


def window(prompt: str) -> str:
    """The turns of a prompt that are to be stored, without those before them."""
    return prompt.rpartition("[[ ## window ## ]]")[2].partition("[[ ## ")[0]


def answer(text: str, turns: str = "") -> str:
    """What a well-behaved model answers to a question."""
    return f"[[ ## answer ## ]]\n{text}\n\n[[ ## turns ## ]]\n{turns}\n\n[[ ## completed ## ]]"
