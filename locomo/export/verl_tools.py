"""The six tools in the form that verl (0.7) calls, with one draft for each episode."""

import logging
from collections import OrderedDict
from pathlib import Path
from typing import Any
from uuid import uuid4

from pydantic import ValidationError, validate_call
from verl.tools.base_tool import BaseTool
from verl.tools.schemas import OpenAIFunctionToolSchema, ToolResponse

from memory import InputError, SqlError, Store, open_store
from memory.refine.tools import RefiningTools
from memory.refine.workbench import Draft

_MOST_EPISODES = 256  # of a worker at a time; the oldest drafts are let go
_log = logging.getLogger(__name__)
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
        """Call the tool on the episode's draft; the reward comes at the episode's end."""
        agent_data = kwargs.get("agent_data")
        episode = getattr(agent_data, "request_id", instance_id)
        tools = _tools(episode, self._memories[instance_id])
        try:
            text = validate_call(getattr(tools, self.name))(**parameters)
        except (ValidationError, InputError, SqlError) as error:
            text = f"Error: {error}"
        return ToolResponse(text=text), 0.0, {}

    async def release(self, instance_id: str, **kwargs: Any) -> None:
        """Forget the instance; the episode's draft stays for its next call."""
        self._memories.pop(instance_id, None)


def _tools(episode: str, memory: Path) -> RefiningTools:
    if episode not in _drafts:
        store = open_store(memory, read_only=True)
        _drafts[episode] = store, RefiningTools(Draft(store))
        if len(_drafts) > _MOST_EPISODES:
            _, (oldest, _) = _drafts.popitem(last=False)
            oldest.close()
    return _drafts[episode][1]
