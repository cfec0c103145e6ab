"""The parts of verl 0.7 that an export meets, for tests: verl needs torch, Ray and a GPU.

`ToolAgentLoop` does with a policy's texts what verl/experimental/agent_loop/tool_agent_loop.py of
v0.7.0 does: it reads hermes calls, carries out the first `max_parallel_calls` of a turn, and cuts
what a tool gives back.
"""

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
import yaml

_CALL = re.compile(r"<tool_call>(.*?)</tool_call>", re.DOTALL)


class BaseTool:
    def __init__(self, config: dict[str, Any], tool_schema: Any) -> None:
        self.config, self.tool_schema = config, tool_schema
        self.name = tool_schema.function.name


@dataclass
class AgentData:
    request_id: str = field(default_factory=lambda: uuid4().hex)
    extra_fields: dict[str, Any] = field(default_factory=dict)


class ToolAgentLoop:
    def __init__(self, config: dict[str, Any], texts: Sequence[str]) -> None:
        self.multi_turn = config["actor_rollout_ref"]["rollout"]["multi_turn"]
        self.texts = texts
        self.tools = {}
        for written in yaml.safe_load(Path(self.multi_turn["tool_config_path"]).read_text())[
            "tools"
        ]:
            module, name = written["class_name"].rsplit(".", 1)
            function = SimpleNamespace(**written["tool_schema"]["function"])
            tool = getattr(import_module(module), name)(
                written["config"], SimpleNamespace(function=function)
            )
            self.tools[tool.name] = tool

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> Any:
        agent_data = AgentData()
        response = ""
        for text in self.texts[: self.multi_turn["max_assistant_turns"]]:
            response += text
            calls = []
            for written in _CALL.findall(text):
                try:
                    call = json.loads(written)
                    calls.append(SimpleNamespace(name=call["name"], arguments=call["arguments"]))
                except (ValueError, KeyError):
                    continue
            if not calls:
                break
            answers = await asyncio.gather(
                *(
                    self._call_tool(call, kwargs["tools_kwargs"], agent_data)
                    for call in calls[: self.multi_turn["max_parallel_calls"]]
                )
            )
            for answer, _, _ in answers:
                response += f"<tool_response>\n{answer.text}\n</tool_response>"
        return SimpleNamespace(extra_fields={"tool_rewards": []}, response=response)

    async def _call_tool(self, tool_call: Any, tools_kwargs: Any, agent_data: AgentData) -> Any:
        try:
            tool = self.tools[tool_call.name]
            create_kwargs = tools_kwargs[tool_call.name]["create_kwargs"]
            instance, _ = await tool.create(create_kwargs=create_kwargs)
            answer, reward, metrics = await tool.execute(
                instance, tool_call.arguments, agent_data=agent_data
            )
            await tool.release(instance)
        except Exception as error:  # noqa: BLE001 as verl does
            return SimpleNamespace(text=f"Error when executing tool: {error}"), 0.0, {}
        most = self.multi_turn["max_tool_response_length"]
        if len(answer.text) > most:
            assert self.multi_turn["tool_response_truncate_side"] == "left"
            answer = SimpleNamespace(text=answer.text[:most] + "...(truncated)")
        return answer, reward, metrics


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `import verl...` find these parts."""
    parts = {
        "verl": {},
        "verl.tools": {},
        "verl.tools.base_tool": {"BaseTool": BaseTool},
        "verl.tools.schemas": {
            "ToolResponse": SimpleNamespace,
            "OpenAIFunctionToolSchema": SimpleNamespace,
        },
        "verl.experimental": {},
        "verl.experimental.agent_loop": {},
        "verl.experimental.agent_loop.tool_agent_loop": {"ToolAgentLoop": ToolAgentLoop},
    }
    for name, contents in parts.items():
        module = ModuleType(name)
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "locomo.export.verl_tools", raising=False)


@dataclass(frozen=True)
class Episode:
    """What verl hands to the reward: the whole text, and the row's extra_info."""

    text: str
    extra_info: dict[str, Any]


def run_episode(out: Path, row: dict[str, Any], *texts: str, config: str = "grpo") -> Episode:
    """An episode of the exported agent loop, in which the policy writes these texts in turn."""
    configuration = yaml.safe_load((out / f"{config}.yaml").read_text())
    agent = configuration["actor_rollout_ref"]["rollout"]["agent"]
    [loop] = yaml.safe_load(Path(agent["agent_loop_config_path"]).read_text())
    assert loop["name"] == agent["default_agent_loop"] == row["agent_name"]
    module, name = loop["_target_"].rsplit(".", 1)
    instance = getattr(import_module(module), name)(configuration, texts)
    output = asyncio.run(instance.run({}, tools_kwargs=row["extra_info"]["tools_kwargs"]))
    # As verl.experimental.reward_loop.reward_manager.naive does.
    return Episode(output.response, {**row["extra_info"], **output.extra_fields})
