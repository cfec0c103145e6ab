"""The six tools in the form that verl (0.7) calls, and the agent loop that hands on their journal.

The tools write every call that verl carried out into the episode's journal. The reward reads that
and not the episode's text, where a policy may also quote calls, or write more than verl carries
out in a turn.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any
from uuid import uuid4

from verl.experimental.agent_loop.tool_agent_loop import ToolAgentLoop
from verl.tools.base_tool import BaseTool
from verl.tools.schemas import OpenAIFunctionToolSchema, ToolResponse

from locomo.export.episodes import CitedDraft, call_tool
from locomo.export.verl import JOURNAL
from memory import Store, open_store
from memory.refine import RefiningTools

_MOST_EPISODES = 256  # of a worker at a time; the oldest drafts are let go
# An episode's tools share a draft. verl makes and releases an instance for each call, but all calls
# of an episode have its request id.
_drafts: OrderedDict[str, tuple[Store, RefiningTools]] = OrderedDict()


class RefiningTool(BaseTool):
    """One of the six tools; which one, its schema says.

    Arguments:
        config: `folder`, where the export is.
        tool_schema: of tool_config.yaml.
    """

    def __init__(self, config: dict[str, Any], tool_schema: OpenAIFunctionToolSchema) -> None:
        super().__init__(config, tool_schema)
        self._memories: dict[str, Path] = {}

    async def create(
        self, instance_id: str | None = None, **kwargs: Any
    ) -> tuple[str, ToolResponse]:
        """Note which memory the row names."""
        instance_id = instance_id or str(uuid4())
        created_with = kwargs.get("create_kwargs") or kwargs
        self._memories[instance_id] = Path(self.config["folder"]) / created_with["memory"]
        return instance_id, ToolResponse()

    async def execute(
        self, instance_id: str, parameters: dict[str, Any], **kwargs: Any
    ) -> tuple[ToolResponse, float, dict[str, Any]]:
        """Call the tool on the episode's draft, and write the call into the episode's journal.

        The reward comes at the episode's end.
        """
        agent_data = kwargs["agent_data"]
        # verl keeps this dictionary for an episode's tools.
        journal = agent_data.extra_fields.setdefault(JOURNAL, [])
        journal.append({"tool": self.name, "arguments": parameters})
        tools = _tools(agent_data.request_id, self._memories[instance_id])
        text, _ = call_tool(tools, self.name, parameters)
        return ToolResponse(text=text), 0.0, {}

    async def release(self, instance_id: str, **kwargs: Any) -> None:
        """Forget the instance; the episode's draft stays for its next call."""
        self._memories.pop(instance_id, None)


class RefiningLoop(ToolAgentLoop):
    """verl's tool agent loop; the reward is given the journal. One instance runs one episode."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._journal: list[dict[str, Any]] = []
        self._episode = ""

    async def run(self, sampling_params: dict[str, Any], **kwargs: Any) -> Any:
        """Run the episode; the output's `extra_fields` have its journal, empty without a call."""
        try:
            output = await super().run(sampling_params, **kwargs)
        finally:
            _close(self._episode)
        output.extra_fields[JOURNAL] = self._journal
        return output

    async def _call_tool(
        self, tool_call: Any, tools_kwargs: dict[str, Any], agent_data: Any
    ) -> Any:
        self._episode = agent_data.request_id
        response = await super()._call_tool(tool_call, tools_kwargs, agent_data)
        self._journal = agent_data.extra_fields.get(JOURNAL, [])
        return response


def _tools(episode: str, memory: Path) -> RefiningTools:
    if episode not in _drafts:
        store = open_store(memory, read_only=True)
        _drafts[episode] = store, RefiningTools(CitedDraft(store))
        if len(_drafts) > _MOST_EPISODES:
            _close(next(iter(_drafts)))
    return _drafts[episode][1]


def _close(episode: str) -> None:
    if episode in _drafts:
        _drafts.pop(episode)[0].close()
