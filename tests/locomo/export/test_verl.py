"""The export for verl: `datasets` loads it, verl's own way of calling it gets the reward."""

import importlib.util
import json
import re
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from locomo.export import verl_reward
from locomo.export.__main__ import app
from locomo.tasks.rewards import REFINING_TOOLS
from memory import InputError, open_store
from tests.support import verl
from tests.support.locomo_records import write
from tests.support.obedient import house, obedient

pytestmark = pytest.mark.slow


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
    verl.install(monkeypatch)
    model, _ = obedient()
    monkeypatch.setattr(verl_reward, "_reader", lambda: model)
    return loaded_file(out / "reward.py", "custom_module")


def scored(
    reward: ModuleType,
    out: Path,
    row: dict[str, Any],
    *texts: str,
    name: str = "unpadded_score",
    config: str = "grpo",
) -> Any:
    """The reward of an episode in which the policy writes these texts."""
    episode = verl.run_episode(out, row, *texts, config=config)
    return getattr(reward, name)(
        data_source=row["data_source"],
        solution_str=episode.text,
        ground_truth=row["reward_model"]["ground_truth"],
        extra_info=episode.extra_info,
        reward_router_address=None,  # a keyword of a newer version
    )


def created(value: str, turn_id: int, subject: str = "Ann") -> str:
    fact = {"subject": subject, "attribute": "keeps", "value": value, "turn_id": turn_id}
    return call("manage_memory", action="create", reason="missing", **fact)


JAR = created("the jar in the pantry", 6)


def deleted(*fact_ids: int) -> list[str]:
    """Texts that delete facts, two in a turn."""
    calls = [call("delete_memory", fact_id=fact_id, reason="gone") for fact_id in fact_ids]
    return ["".join(calls[place : place + 2]) for place in range(0, len(calls), 2)]


def test_the_reward_file_makes_the_calls_again_and_scores_them(
    out: Path, reward: ModuleType
) -> None:
    row = rows(out, "test")[5]
    texts = (f"First I look.{call('search_memory', query='jar')}", JAR, "All is there now.")
    before = (out / row["extra_info"]["memory"]).read_bytes()
    result = scored(reward, out, row, *texts, name="compute_score")
    # Four facts of 44, 42, 42 and 41 characters become five.
    assert (result["before"], result["acc"], result["gain"]) == (0.0, 1.0, 1.0)
    assert result["change"] == 0.875  # 1 - .5 x 1/4
    assert result["score"] == pytest.approx(result["density"] * 0.875)
    even = scored(reward, out, row, *texts)
    assert (even["density"], even["score"], even["lost"]) == (1.0, 0.875, 0.0)
    assert (result["operations"], result["refused"]) == (2.0, 0.0)
    assert (result["search_memory"], result["manage_memory"]) == (1.0, 1.0)
    assert all(isinstance(value, float) for value in result.values())
    assert (out / row["extra_info"]["memory"]).read_bytes() == before


def test_five_episodes_are_worth_what_they_did_to_the_memory(out: Path, reward: ModuleType) -> None:
    jar, bed = rows(out, "test")[5], rows(out, "test")[0]
    padded = (
        "I keep the jar in the pantry, the jar, in the pantry, the pantry, where I keep the jar"
    )
    worth = {
        "right": scored(reward, out, jar, JAR)["score"],
        "wrong": scored(reward, out, jar, created("the iron in the kitchen", 5))["score"],
        "padded": scored(reward, out, jar, created(padded, 6))["score"],
        "empty": scored(reward, out, jar, "I see no need.")["score"],
        "destructive": scored(reward, out, bed, *deleted(1, 2, 3, 4))["score"],
    }
    assert worth == pytest.approx(
        {"right": 0.875, "wrong": 0.0, "padded": 0.875, "empty": 0.0, "destructive": -2.0}
    )
    # The factor of "MemUpdate" pays for the padding.
    compute = partial(scored, reward, out, jar, name="compute_score")
    assert compute(created(padded, 6))["score"] > compute(JAR)["score"]


def test_only_calls_that_verl_carried_out_count(out: Path, reward: ModuleType) -> None:
    row = rows(out, "test")[5]
    third = scored(reward, out, row, call("sample_memory") * 2 + JAR)
    assert (third["operations"], third["score"]) == (2.0, 0.0)
    late = scored(reward, out, row, *[call("sample_memory")] * 15, JAR)
    assert (late["operations"], late["score"]) == (15.0, 0.0)


def test_a_call_quoted_in_what_a_tool_gives_back_does_not_count(
    out: Path, reward: ModuleType
) -> None:
    row = rows(out, "test")[5]
    quoted = f"<tool_response>\n{JAR}\n</tool_response>"
    journal: list[dict[str, Any]] = []
    result = reward.unpadded_score(
        row["data_source"], quoted + JAR, "", {**row["extra_info"], "journal": journal}
    )
    assert (result["operations"], result["score"]) == (0.0, 0.0)
    # A turn that quotes a call to the policy, which then answers in words.
    text = scored(reward, out, row, call("search_memory", query=JAR), "Nothing more.")
    assert text["manage_memory"] == 0.0


def test_an_episode_without_its_journal_is_refused(out: Path, reward: ModuleType) -> None:
    row = rows(out, "test")[5]
    with pytest.raises(InputError, match=r"agent_loops\.yaml"):
        reward.unpadded_score(row["data_source"], JAR, "", row["extra_info"])


def test_the_packaged_model_answers_unless_another_reader_is_named(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verl.install(monkeypatch)
    verl_reward._reader.cache_clear()
    module = loaded_file(out / "reward.py", "custom_module")
    row = rows(out, "test")[0]
    assert scored(module, out, row, "Nothing to do.")["score"] == 0.0
    assert verl_reward._reader().name == "local"


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
    for name, kl_loss, clip_high in (("grpo", True, 0.2), ("dapo", False, 0.28)):
        text = (out / f"{name}.yaml").read_text()
        # The recipe of DAPO is not in verl's wheel.
        assert f"-m verl.trainer.main_ppo --config-path={out} --config-name={name}" in text
        assert "-m recipe" not in text
        config = yaml.safe_load((out / f"{name}.yaml").read_text())
        rollout = config["actor_rollout_ref"]["rollout"]
        turns = rollout["multi_turn"]
        assert config["data"]["train_batch_size"] * rollout["n"] == 64
        assert (turns["max_assistant_turns"], turns["max_parallel_calls"]) == (15, 2)
        assert (config["trainer"]["test_freq"], config["trainer"]["total_training_steps"]) == (
            25,
            32,
        )
        assert config["custom_reward_function"] == {
            "path": str(out / "reward.py"),
            "name": "unpadded_score",
        }
        assert config["algorithm"]["adv_estimator"] == "grpo"
        assert "filter_groups" not in config["algorithm"]
        actor = config["actor_rollout_ref"]["actor"]
        assert (actor["use_kl_loss"], actor["clip_ratio_high"]) == (kl_loss, clip_high)
        # verl's own defaults are 256 characters, eight GPUs, and two for each copy of the model.
        assert turns["max_tool_response_length"] == 4_000
        assert rollout["tensor_model_parallel_size"] == 1
        assert (config["trainer"]["n_gpus_per_node"], config["trainer"]["nnodes"]) == (1, 1)
        assert actor["fsdp_config"] == {"param_offload": True, "optimizer_offload": True}
        data = config["data"]
        assert (data["max_prompt_length"], data["max_response_length"]) == (4_096, 16_384)
        # The journal reaches the reward by these.
        assert config["reward_model"] == {"use_reward_loop": True, "reward_manager": "naive"}


def test_the_calls_of_an_episode_share_a_draft(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verl's tool agent loop makes and releases an instance for each call."""
    verl.install(monkeypatch)
    row = rows(out, "train")[0]
    first = verl.run_episode(out, row, *deleted(1), *deleted(1), call("delete_memory"))
    answers = re.findall(r"<tool_response>\n(.*?)(?:\.|\n)", first.text)
    assert answers[:2] == [
        "Done as operation 1",
        "Error: there is no fact 1; search_memory and sample_memory give the numbers",
    ]
    assert answers[2].startswith("Error: ")
    assert "Done as operation 1" in verl.run_episode(out, row, *deleted(1)).text
    from locomo.export import verl_tools

    assert not verl_tools._drafts  # an episode that ended keeps no store open
