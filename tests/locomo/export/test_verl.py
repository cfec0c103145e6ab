"""The export for verl: `datasets` loads it, verl's own way of calling it gets the reward."""

import asyncio
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from locomo.dataset.format import load_conversations
from locomo.export import verl_reward
from locomo.export.__main__ import app, parts
from locomo.export.verl import tool_schema
from locomo.tasks.rewards import REFINING_TOOLS
from memory import InputError, open_store
from memory.program.packaged import PackagedModel
from memory.refine.tools import tool_functions
from tests.support.locomo_records import write
from tests.support.obedient import house, obedient


def observed(id_: str, start: int, number: int = 16) -> dict[str, Any]:
    """A house whose file observes some of the turns, and two that nobody said."""
    record = house(id_, start)
    lines = [
        [turn["text"].replace("I keep", "Ann keeps"), turn["dia_id"]]
        for turn in record["conversation"]["session_1"][:number]
    ]
    stray = [["Ann is tall.", "D9:9"], ["", "D1:1"]]
    record["observation"] = {"session_1_observation": {"Ann": [*lines, *stray]}}
    return record


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of three houses; the last one, as LoCoMo's, is the test set."""
    folder = tmp_path_factory.mktemp("export")
    houses = [observed("red", 0), observed("blue", 3), observed("conv-50", 1, number=4)]
    data = write(folder / "houses.json", *houses)
    done = CliRunner().invoke(app, ["verl", str(folder / "out"), "--data", str(data)])
    assert done.exit_code == 0, done
    assert "train: 32 episodes of red, blue" in done.stdout
    assert "test: 16 episodes of conv-50" in done.stdout
    return folder / "out"


def rows(out: Path, part: str) -> Any:
    import datasets

    loaded = datasets.load_dataset(
        "parquet",
        data_files={part: str(out / f"{part}.parquet")},
        cache_dir=str(out.parent / "cache"),
    )
    return loaded[part]


def loaded_file(path: Path, name: str) -> ModuleType:
    """A file loaded by its path, as verl loads `custom_reward_function.path`."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def call(name: str, **arguments: Any) -> str:
    written = json.dumps({"name": name, "arguments": arguments})
    return f"<tool_call>\n{written}\n</tool_call>"


def test_datasets_load_rows_as_verl_reads_them(out: Path) -> None:
    train, test = rows(out, "train"), rows(out, "test")
    assert (len(train), len(test)) == (32, 16)
    row = test[5]
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    assert row["prompt"][0]["content"].startswith("Improve the facts of a memory")
    assert "Where does Ann keep the jar?" in row["prompt"][1]["content"]
    assert "Some facts:" in row["prompt"][1]["content"]
    assert row["reward_model"] == {
        "style": "rule",
        "ground_truth": "pantry on the ground floor",
    }
    info = row["extra_info"]
    assert (info["split"], info["index"], info["conversation"]) == ("test", 5, "conv-50")
    assert set(info["tools_kwargs"]) == set(REFINING_TOOLS)
    assert info["tools_kwargs"]["delete_memory"]["create_kwargs"]["memory"] == info["memory"]
    with open_store(out / info["memory"], read_only=True) as store:
        assert [fact.turn_id for fact in store.facts()] == [1, 2, 3, 4]
        assert store.facts()[0].attribute == "observed"
    assert not {row["extra_info"]["conversation"] for row in train} & {"conv-50"}


@pytest.fixture
def reward(out: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The reward file, with a reader that answers where things are kept."""
    model, _ = obedient()
    monkeypatch.setattr(verl_reward, "_reader", lambda: model)
    return loaded_file(out / "reward.py", "custom_module")


def scored(
    reward: ModuleType, row: dict[str, Any], solution: str, name: str = "compute_score"
) -> Any:
    # As verl.workers.reward_manager.naive does, with a keyword of a newer version.
    return getattr(reward, name)(
        data_source=row["data_source"],
        solution_str=solution,
        ground_truth=row["reward_model"]["ground_truth"],
        extra_info=row["extra_info"] | {"num_turns": 3},
        reward_router_address=None,
    )


def test_the_reward_file_makes_the_calls_again_and_scores_them(
    out: Path, reward: ModuleType
) -> None:
    row = rows(out, "test")[5]
    fact = {"subject": "Ann", "attribute": "keeps", "value": "the jar in the pantry"}
    created = call("manage_memory", action="create", reason="missing", turn_id=6, **fact)
    solution = (
        f"First I look.{call('search_memory', query='jar')}<|im_end|>\n"
        f"[6] Ann: I keep the jar ...\n{created}<|im_end|>\nAll is there now."
    )
    before = (out / row["extra_info"]["memory"]).read_bytes()
    result = scored(reward, row, solution)
    # Four facts of 44, 42, 42 and 41 characters become five.
    assert (result["before"], result["acc"], result["gain"]) == (0.0, 1.0, 1.0)
    assert result["change"] == 0.875  # 1 - .5 x 1/4
    assert result["score"] == pytest.approx(result["density"] * 0.875)
    even = scored(reward, row, solution, "unpadded_score")
    assert (even["density"], even["score"]) == (1.0, 0.875)
    assert (result["operations"], result["refused"]) == (2.0, 0.0)
    assert (result["search_memory"], result["manage_memory"]) == (1.0, 1.0)
    assert all(isinstance(value, float) for value in result.values())
    assert (out / row["extra_info"]["memory"]).read_bytes() == before


@pytest.mark.parametrize(
    ("solution", "operations", "refused"),
    [
        ("I see no need.", 0, 0),
        ("<tool_call>\n{broken\n</tool_call><tool_call>{}</tool_call>", 0, 1),
        (call("forget_memory"), 1, 1),
        (call("delete_memory", fact_id="x") + call("delete_memory", fact_id=99, reason="no"), 2, 2),
        (call("sample_memory") * 40, 30, 0),
    ],
)
def test_calls_that_fail_cost_nothing_but_an_operation(
    out: Path, reward: ModuleType, solution: str, operations: int, refused: int
) -> None:
    result = scored(reward, rows(out, "test")[5], solution)
    assert (result["score"], result["operations"], result["refused"]) == (
        *(0.0, float(operations)),
        float(refused),
    )


def test_a_row_of_another_data_set_is_refused(out: Path, reward: ModuleType) -> None:
    with pytest.raises(InputError, match="openai/gsm8k: extra_info names no memory"):
        reward.compute_score("openai/gsm8k", "", "4", {"index": 1})


@pytest.mark.slow
def test_the_packaged_model_answers_unless_another_reader_is_named(out: Path) -> None:
    verl_reward._reader.cache_clear()
    module = loaded_file(out / "reward.py", "custom_module")
    row = rows(out, "test")[0]
    assert scored(module, row, "Nothing to do.")["score"] == 0.0
    assert isinstance(verl_reward._reader(), PackagedModel)


def test_tools_and_configurations_are_those_of_an_episode(out: Path) -> None:
    tools = yaml.safe_load((out / "tool_config.yaml").read_text())["tools"]
    assert [tool["tool_schema"]["function"]["name"] for tool in tools] == list(REFINING_TOOLS)
    for tool in tools:
        assert tool["class_name"] == "locomo.export.verl_tools.RefiningTool"
        assert tool["config"] == {"type": "native", "folder": str(out.absolute())}
        parameters = tool["tool_schema"]["function"]["parameters"]
        assert set(parameters["required"]) <= parameters["properties"].keys()
        for properties in parameters["properties"].values():
            assert properties["type"] in ("string", "integer", "number", "array")
            assert len(properties["description"]) > 10
    [manage] = [tool for tool in tools if "manage" in tool["tool_schema"]["function"]["name"]]
    action = manage["tool_schema"]["function"]["parameters"]["properties"]["action"]
    assert action["enum"] == ["create", "update", "analyze"]
    for name, metric in (("grpo", None), ("dapo", "score")):
        config = yaml.safe_load((out / f"{name}.yaml").read_text())
        rollout = config["actor_rollout_ref"]["rollout"]
        turns = rollout["multi_turn"]
        assert config["data"]["train_batch_size"] * rollout["n"] == 64
        assert (turns["max_assistant_turns"], turns["max_parallel_calls"]) == (15, 2)
        assert (config["trainer"]["test_freq"], config["trainer"]["total_training_steps"]) == (
            25,
            32,
        )
        assert config["custom_reward_function"]["path"] == str(out / "reward.py")
        assert config["algorithm"]["adv_estimator"] == "grpo"
        assert config["algorithm"].get("filter_groups", {}).get("metric") == metric


def test_the_calls_of_an_episode_share_a_draft(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verl's tool agent loop makes and releases an instance for each call."""
    base, schemas = ModuleType("verl.tools.base_tool"), ModuleType("verl.tools.schemas")

    class BaseTool:
        def __init__(self, config: dict[str, Any], tool_schema: Any) -> None:
            self.config, self.tool_schema = config, tool_schema
            self.name = tool_schema.function.name

    base.BaseTool = BaseTool  # type: ignore[attr-defined]
    for name in ("ToolResponse", "OpenAIFunctionToolSchema"):
        setattr(schemas, name, SimpleNamespace)
    for module in (ModuleType("verl"), ModuleType("verl.tools"), base, schemas):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.delitem(sys.modules, "locomo.export.verl_tools", raising=False)
    from locomo.export.verl_tools import RefiningTool

    tools = {
        tool["tool_schema"]["function"]["name"]: RefiningTool(
            tool["config"],
            SimpleNamespace(function=SimpleNamespace(**tool["tool_schema"]["function"])),
        )
        for tool in yaml.safe_load((out / "tool_config.yaml").read_text())["tools"]
    }
    memory = rows(out, "test")[0]["extra_info"]["memory"]

    async def use(episode: str, name: str, **arguments: Any) -> str:
        instance, _ = await tools[name].create(create_kwargs={"memory": memory})
        response, _, _ = await tools[name].execute(
            instance, arguments, agent_data=SimpleNamespace(request_id=episode)
        )
        await tools[name].release(instance)
        return str(response.text)

    async def episodes() -> list[str]:
        return [
            await use("a", "delete_memory", fact_id=1, reason="to see it gone"),
            await use("a", "delete_memory", fact_id=1, reason="again"),
            await use("b", "delete_memory", fact_id=1, reason="another episode"),
            await use("b", "delete_memory"),
        ]

    done = asyncio.run(episodes())
    assert [text.split(".")[0] for text in done[:3]] == [
        "Done as operation 1",
        "Error: there is no fact 1; search_memory and sample_memory give the numbers",
        "Done as operation 1",
    ]
    assert done[3].startswith("Error: ")


def test_memories_without_observations_are_digested_or_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "houses.json", house("red", 0), house("blue", 3))
    done = CliRunner().invoke(app, ["verl", str(tmp_path / "out"), "--data", str(data)])
    assert "red has no observations" in str(done.exception)
    train, test = parts(load_conversations(data), seed=0)
    assert (len(train), len(test)) == (1, 1)
    again = CliRunner().invoke(app, ["verl", str(tmp_path), "--data", str(data)])
    assert "is not empty" in str(again.exception)


def test_every_argument_of_a_tool_is_described() -> None:
    for tool in tool_functions():
        described = tool_schema(tool)["function"]
        assert "Args" not in described["description"]
        for text in described["parameters"]["properties"].values():
            assert "  " not in text["description"]
