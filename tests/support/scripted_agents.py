"""Models for agent frameworks that follow a script, and fail on an unexpected request."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from agents import Model as AgentsModel
from agents import ModelResponse, Usage
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from tests.support.scripted import UnexpectedPrompt
from tests.support.scripted_steps import Actor, Call


class ScriptedChat(BaseChatModel):
    """A chat model of LangChain."""

    actor: Any

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> "ScriptedChat":
        self.actor.tools = [getattr(tool, "__name__", "") or tool.name for tool in tools]
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        what = self.actor.act(str(messages[-1].content))
        said = AIMessage(str(what))
        if isinstance(what, Call):
            call = {"name": what.tool, "args": what.arguments, "id": f"c{self.actor.done}"}
            said = AIMessage("", tool_calls=[call])
        return ChatResult(generations=[ChatGeneration(message=said)])


class ScriptedAgentsModel(AgentsModel):
    """A model of the OpenAI Agents SDK."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor

    async def get_response(  # type: ignore[override]
        self, *, input: Any, tools: Any, **rest: Any
    ) -> ModelResponse:
        self.actor.tools = [tool.name for tool in tools]
        what = self.actor.act(input if isinstance(input, str) else json.dumps(input[-1]))
        name = f"c{self.actor.done}"
        text = ResponseOutputText(type="output_text", text=str(what), annotations=[])
        said: Any = ResponseOutputMessage(
            id=name, type="message", role="assistant", status="completed", content=[text]
        )
        if isinstance(what, Call):
            arguments = json.dumps(what.arguments)
            said = ResponseFunctionToolCall(
                type="function_call", name=what.tool, arguments=arguments, call_id=name
            )
        return ModelResponse(output=[said], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        raise UnexpectedPrompt("nothing is streamed here")
