"""Agents of LangGraph and the OpenAI Agents SDK over MCP, with scripted models."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.memory.test_agents import ASKED, FIRST, MOVED_SAID, SECOND
from tests.support.mcp_clients import stdio
from tests.support.scripted_steps import Actor

pytestmark = pytest.mark.slow


def as_langchain(client: Any, tool: Any) -> Any:
    """A tool of an MCP server as one of LangChain, whose errors the model is shown as errors."""
    from langchain_core.tools import StructuredTool, ToolException

    async def call(**arguments: Any) -> str:
        result = await client.call_tool(tool.name, arguments)
        text = "\n".join(content.text for content in result.content)
        if result.is_error:
            raise ToolException(text)
        return text

    return StructuredTool.from_function(
        coroutine=call,
        name=tool.name,
        description=tool.description,
        args_schema=tool.input_schema,
        handle_tool_error=True,
    )


async def in_langgraph(home: str, actor: Actor, message: str) -> str:
    from langgraph.graph import MessagesState, StateGraph
    from langgraph.prebuilt import ToolNode, tools_condition
    from mcp import Client

    from tests.support.scripted_agents import ScriptedChat

    async with Client(stdio("-n", "new", home=home)) as client:
        tools = [as_langchain(client, tool) for tool in (await client.list_tools()).tools]
        model = ScriptedChat(actor=actor).bind_tools(tools)

        async def reply(state: Any) -> dict[str, Any]:
            return {"messages": await model.ainvoke(state["messages"])}

        graph = StateGraph(MessagesState)
        graph.add_node("model", reply)
        graph.add_node("tools", ToolNode(tools))
        graph.set_entry_point("model")
        graph.add_conditional_edges("model", tools_condition)
        graph.add_edge("tools", "model")
        told = await graph.compile().ainvoke({"messages": [("user", message)]})
    return str(told["messages"][-1].content)


async def in_agents_sdk(home: str, actor: Actor, message: str) -> str:
    from agents import Agent, Runner, set_tracing_disabled
    from agents.mcp import MCPServerStdio

    from tests.support.scripted_agents import ScriptedAgentsModel

    parameters = stdio("-n", "new", home=home)
    set_tracing_disabled(True)
    async with MCPServerStdio(
        {"command": parameters.command, "args": parameters.args, "env": parameters.env},
        client_session_timeout_seconds=60,
    ) as server:
        agent = Agent(name="Miku", model=ScriptedAgentsModel(actor), mcp_servers=[server])
        return str((await Runner.run(agent, message)).final_output)


@pytest.mark.parametrize("framework", [in_langgraph, in_agents_sdk])
def test_what_an_agent_stored_in_one_process_it_recalls_in_the_next(
    framework: Callable[[str, Actor, str], Awaitable[str]], home: str
) -> None:
    for steps, message, last in ((FIRST, MOVED_SAID, "How nice!"), (SECOND, ASKED, "In Oslo.")):
        actor = Actor(steps)

        async def run(actor: Actor = actor, message: str = message) -> str:
            return await framework(home, actor, message)

        assert asyncio.run(run()) == last
        assert actor.done == len(steps)
        assert len(actor.tools) == 8
