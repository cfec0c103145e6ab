"""Facts improved by tools, and questions that measure them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.exceptions import AdapterParseError
from pydantic import ValidationError, validate_call

from memory.errors import InputError, SqlError
from memory.models.completions import CompletionAdapter
from memory.program.predict import MemoryModule, MemoryPredict, PromptedModule
from memory.program.signatures.further import CompareAnswers, RefineFacts, WriteQuestions
from memory.text.tokens import count_tokens, trim

MOST_OPERATIONS = 30  # of an episode
# Of a tool's result in the next prompts, and of all results together.
_RESULT_TOKENS, HISTORY_TOKENS = 600, 12_000
_OLD_RESULT_TOKENS = 40
_UNREADABLE = 2  # answers in a row that end an episode


@dataclass(frozen=True)
class ToolUse:
    """One operation of an episode: the tool, its arguments and its result."""

    tool: str
    arguments: dict[str, Any]
    result: str

    @property
    def failed(self) -> bool:
        """Whether the tool refused the arguments."""
        return self.result.startswith("Error:")

    def line(self, number: int, tokens: int) -> str:
        """The operation as a prompt shows it, with the result cut to `tokens` tokens."""
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{number}. {self.tool}({arguments})\n{trim(self.result, tokens)}"


class RefineMemory(MemoryModule):
    """Improves a memory by calls of tools, until nothing helps or the operations are spent.

    The model calls tools natively if it can (`supports_function_calling`), else in the form of the
    current adapter. Both are one prompt, so that optimizers and weights see the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.predict = MemoryPredict(RefineFacts)
        self.predict.traces_repairs = True  # an episode's calls are one trajectory

    def forward(
        self,
        memory: str,
        tools: Sequence[Callable[..., str]],
        question: str = "",
        operations: int = MOST_OPERATIONS,
        history_tokens: int = HISTORY_TOKENS,
        progress: Callable[[ToolUse], object] = lambda use: None,
    ) -> dspy.Prediction:
        """Run one episode.

        Arguments:
            memory: a summary of the memory.
            tools: functions with types and docstrings; the model sees an InputError or SqlError
                that they raise, and may try again.
            question: a question to answer better; empty if any may come.
            operations: how many tool calls at most, including ones that only read.
            history_tokens: of the operations so far, in each prompt.
            progress: called with each operation.

        Returns a Prediction of uses (list of ToolUse), calls (int: model calls).
        """
        adapter = dspy.settings.adapter or CompletionAdapter()
        described = [dspy.Tool(tool) for tool in tools]
        checked = {tool.__name__: validate_call(tool) for tool in tools}
        uses: list[ToolUse] = []
        calls = unreadable = 0
        with dspy.context(adapter=_with_native_tools(adapter)):
            while len(uses) < operations and unreadable < _UNREADABLE:
                calls += 1
                try:
                    prediction = self.predict(
                        catalog=memory,
                        question=question,
                        so_far=_trajectory(uses, history_tokens),
                        operations_left=operations - len(uses),
                        tools=described,
                    )
                except AdapterParseError:
                    unreadable += 1
                    continue
                unreadable = 0
                if not prediction.tool_calls or not prediction.tool_calls.tool_calls:
                    break
                for call in prediction.tool_calls.tool_calls[: operations - len(uses)]:
                    uses.append(_use(checked, call.name, dict(call.args or {})))
                    progress(uses[-1])
        return dspy.Prediction(uses=uses, calls=calls)


def _with_native_tools(adapter: Any) -> Any:
    """The adapter, which hands tools to a model that can call them; other models see a prompt."""
    if type(adapter) not in (dspy.ChatAdapter, CompletionAdapter):
        return adapter  # a training adapter, whose prompts are the ones that the weights learn
    return CompletionAdapter(callbacks=adapter.callbacks, use_native_function_calling=True)


def _use(tools: dict[str, Any], name: str, arguments: dict[str, Any]) -> ToolUse:
    """Call a tool; an error that the model can correct is returned as the result."""
    if name not in tools:
        return ToolUse(name, arguments, f"Error: there is no tool {name}: {', '.join(tools)}")
    try:
        result = str(tools[name](**arguments))
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        result = f"Error: {'; '.join(faults)}"
    except (InputError, SqlError) as error:
        result = f"Error: {error}"
    return ToolUse(name, arguments, result)


def _trajectory(uses: Sequence[ToolUse], tokens: int) -> str:
    """The operations so far, the newest whole; of older results only the beginning is kept."""
    lines: list[str] = []
    tokens_left = tokens
    for index in range(len(uses) - 1, -1, -1):
        line = uses[index].line(index + 1, min(_RESULT_TOKENS, tokens // 2))
        if count_tokens(line) > tokens_left:
            line = uses[index].line(index + 1, _OLD_RESULT_TOKENS)
        tokens_left -= count_tokens(line)
        lines.append(line)
    return "\n".join(reversed(lines))


class AskAboutTurns(PromptedModule):
    """Writes questions that turns of a conversation answer."""

    def __init__(self) -> None:
        super().__init__(WriteQuestions)

    def forward(self, turns: str, number: int) -> dspy.Prediction:
        """The text that the model writes, a line for each question, as `questions`."""
        try:
            text = str(self._predicted(turns=turns, number=number).questions)
        except AdapterParseError as error:
            text = error.lm_response or ""
        return dspy.Prediction(questions=text)


class JudgeAnswer(PromptedModule):
    """Says whether an answer means the same as the right one."""

    def __init__(self) -> None:
        super().__init__(CompareAnswers)

    def forward(self, question: str, right_answer: str, answer: str) -> dspy.Prediction:
        """A Prediction of same (bool); raises AdapterParseError for an unreadable verdict."""
        said = self._predicted(question=question, right_answer=right_answer, answer=answer)
        return dspy.Prediction(same=bool(said.same))
