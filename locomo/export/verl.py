"""Exports the refining module to verl: rows, tools, a reward function, two configurations.

An episode is one question about one memory: the policy calls the six tools, then the question is
answered from facts alone ("MemUpdate: Self-Refining Memory via Reinforcement Learning", Training
Process). Formats are verl 0.7's: RL data in parquet, `tool_config.yaml` of its tool agent loop,
`custom_reward_function`.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from locomo import metrics
from locomo.dataset.format import ABSTENTION, Conversation, Question
from memory import InputError, open_store
from memory.program import RefineFacts
from memory.records import ABSTAIN
from memory.refine import Draft, memory_in_short, tool_functions
from memory.system import write_whole

DATA_SOURCE = "sql-memory/refine"
ASSISTANT_TURNS, CALLS_A_TURN = 15, 2  # thirty operations
EPISODES, ROLLOUTS = 64, 8  # of a batch; of them of one question
EVALUATION_STEPS = 25
# The answer of a search at its default size, whole: verl's default of 256 characters, cut in the
# middle, leaves out the turn that a fact is made of. What is longer loses its end, the least near.
TOOL_CHARACTERS = 4_000
PROMPT_TOKENS, RESPONSE_TOKENS = 4_096, 16_384  # of an episode, with the tools' answers
JOURNAL = "journal"  # of an episode's calls, in the rows' extra_info and verl's extra_fields
AGENT = "refine_agent"
STUDENT = "Qwen/Qwen2.5-3B-Instruct"
_MEMORY_TOKENS = 400
_ARGUMENT = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def episode_rows(
    conversations: Iterable[Conversation], memories: Mapping[str, Path], folder: Path, part: str
) -> list[dict[str, Any]]:
    """One row for each question of these conversations, in verl's form.

    Arguments:
        memories: the memory of each conversation by its id, somewhere below `folder`.
        part: train or test.
    """
    rows: list[dict[str, Any]] = []
    for conversation in conversations:
        path = memories[conversation.id]
        with open_store(path, read_only=True) as store:
            in_short = memory_in_short(store, Draft(store), _MEMORY_TOKENS)
        for question in conversation.questions:
            file = str(path.relative_to(folder))
            rows.append(_row(conversation, question, in_short, file, part, len(rows)))
    return rows


def _row(
    conversation: Conversation,
    question: Question,
    in_short: str,
    memory: str,
    part: str,
    index: int,
) -> dict[str, Any]:
    abstains = question.category == ABSTENTION
    created_with = {"create_kwargs": {"memory": memory}}
    return {
        "data_source": DATA_SOURCE,
        "agent_name": AGENT,
        "prompt": [
            {"role": "system", "content": RefineFacts.instructions},
            {
                "role": "user",
                "content": f"The memory:\n{in_short}\n\nA question that is to be answered better:"
                f" {question.text}",
            },
        ],
        "ability": "memory",
        "reward_model": {
            "style": "rule",
            "ground_truth": ABSTAIN if abstains else metrics.gold(question),
        },
        "extra_info": {
            "split": part,
            "index": index,
            "conversation": conversation.id,
            "question": question.text,
            "question_index": question.index,
            "answer": question.answer,
            "category": question.category,
            "memory": memory,
            "need_tools_kwargs": True,
            "tools_kwargs": {tool.__name__: created_with for tool in tool_functions()},
        },
    }


def tool_schema(function: Callable[..., str]) -> dict[str, Any]:
    """A tool as OpenAI describes functions, each argument with one plain type and a description."""
    description, _, arguments = (inspect.getdoc(function) or "").partition("\n\nArgs:\n")
    descriptions = {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(arguments)}
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters
    properties = {
        name: {**_plain_type(hints[name]), "description": descriptions[name]} for name in parameters
    }
    required = [name for name, p in parameters.items() if p.default is inspect.Parameter.empty]
    return {
        "type": "function",
        "function": {
            "name": function.__name__,
            "description": " ".join(description.split()),
            "parameters": {"type": "object", "properties": properties, "required": required},
        },
    }


def _plain_type(hint: Any) -> dict[str, Any]:
    """The JSON schema of a type; of a type or None, that of the type."""
    schema = TypeAdapter(hint).json_schema()
    return dict(next(iter(schema["anyOf"]), {})) if "anyOf" in schema else schema


def write_verl(
    folder: Path,
    train: Sequence[Mapping[str, Any]],
    test: Sequence[Mapping[str, Any]],
    gpus: int = 1,
) -> list[Path]:
    """Write all files for verl except the memories; returns their paths.

    Arguments:
        gpus: of the machine that trains.

    Raises InputError when pyarrow or pyyaml is not installed, or a file cannot be written.
    """
    try:
        import pyarrow
        import pyarrow.parquet
        import yaml
    except ImportError as error:
        raise InputError(
            "writing parquet needs pyarrow and pyyaml: pip install 'sql-memory[verl]'"
        ) from error

    files = []
    for part, rows in (("train", train), ("test", test)):
        file = folder / f"{part}.parquet"
        sink = pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), sink)
        write_whole(file, sink.getvalue().to_pybytes())
        files.append(file)
    tools = [
        {
            "class_name": "locomo.export.verl_tools.RefiningTool",
            "config": {"type": "native", "folder": str(folder.absolute())},
            "tool_schema": tool_schema(tool),
        }
        for tool in tool_functions()
    ]
    agents = [{"name": AGENT, "_target_": "locomo.export.verl_tools.RefiningLoop"}]
    settings = _settings(folder, len(train), gpus)
    texts = {
        "agent_loops.yaml": yaml.safe_dump(agents, sort_keys=False),
        "tool_config.yaml": yaml.safe_dump({"tools": tools}, sort_keys=False, width=100),
        "reward.py": _REWARD,
        "grpo.yaml": _CONFIGURATION.format(**settings, **_GRPO),
        "dapo.yaml": _CONFIGURATION.format(**settings, **_DAPO),
        "tools.json": json.dumps([tool["tool_schema"] for tool in tools], indent=1),
    }
    for name, text in texts.items():
        write_whole(folder / name, text.encode())
        files.append(folder / name)
    return files


def _settings(folder: Path, episodes: int, gpus: int) -> dict[str, Any]:
    return {
        "folder": folder.absolute(),
        "questions": EPISODES // ROLLOUTS,
        "rollouts": ROLLOUTS,
        "episodes": EPISODES,
        "turns": ASSISTANT_TURNS,
        "calls": CALLS_A_TURN,
        "evaluation": EVALUATION_STEPS,
        "steps": episodes,
        "student": STUDENT,
        "prompt": PROMPT_TOKENS,
        "response": RESPONSE_TOKENS,
        "tool": TOOL_CHARACTERS,
        "agent": AGENT,
        "gpus": gpus,
        # A model of three billion parameters, its gradients and Adam's state fill a GPU of 80 GB.
        "offload": str(gpus == 1).lower(),
    }


_REWARD = '''"""The reward of an episode that refined a memory, for verl's custom_reward_function.

verl calls `unpadded_score`; `compute_score` has the factor that rewards longer facts. Both
need sql-memory, and read the model that answers from SQL_MEMORY_READER ("local" by default) and its
address from SQL_MEMORY_READER_API_BASE.
"""

from functools import partial
from pathlib import Path

from locomo.export.verl_reward import score_episode

compute_score = partial(score_episode, folder=Path(__file__).parent)
unpadded_score = partial(score_episode, folder=Path(__file__).parent, padded=False)
'''

_CONFIGURATION = """# A batch: {episodes} episodes, {rollouts} of each of {questions} questions.
# python -m verl.trainer.main_ppo --config-path={folder} --config-name={name}
#{about}
hydra:
  searchpath:
    - pkg://verl.trainer.config

defaults:
  - ppo_trainer
  - _self_

data:
  train_files: {folder}/train.parquet
  val_files: {folder}/test.parquet
  train_batch_size: {questions}
  max_prompt_length: {prompt}
  max_response_length: {response}
  return_raw_chat: true
  filter_overlong_prompts: true

custom_reward_function:
  path: {folder}/reward.py
  name: unpadded_score  # compute_score: a longer fact is worth more

# Only this loop and this manager hand the journal of an episode's calls to the reward.
reward_model:
  use_reward_loop: true
  reward_manager: naive

algorithm:
  adv_estimator: grpo
  use_kl_in_reward: false

actor_rollout_ref:
  model:
    path: {student}
    enable_gradient_checkpointing: true
  actor:
    ppo_mini_batch_size: {questions}
    ppo_micro_batch_size_per_gpu: 1
{loss}
    loss_agg_mode: token-mean
    optim:
      lr: 1.0e-6
    fsdp_config:
      param_offload: {offload}
      optimizer_offload: {offload}
  ref:
    log_prob_micro_batch_size_per_gpu: 1
    fsdp_config:
      param_offload: {offload}
  rollout:
    name: sglang
    mode: async
    n: {rollouts}
    temperature: 1.0
    tensor_model_parallel_size: 1
    gpu_memory_utilization: 0.4
    log_prob_micro_batch_size_per_gpu: 1
    agent:
      default_agent_loop: {agent}
      agent_loop_config_path: {folder}/agent_loops.yaml
    multi_turn:
      enable: true
      format: hermes
      max_assistant_turns: {turns}
      max_user_turns: {turns}
      max_parallel_calls: {calls}
      max_tool_response_length: {tool}  # characters
      tool_response_truncate_side: left  # verl's word for: keep the beginning
      tool_config_path: {folder}/tool_config.yaml

trainer:
  nnodes: 1
  n_gpus_per_node: {gpus}
  logger: [console, mlflow]
  project_name: sql-memory
  experiment_name: refine
  total_training_steps: {steps}
  val_before_train: true
  test_freq: {evaluation}
  save_freq: {evaluation}
"""

_GRPO = {
    "name": "grpo",
    "about": " GRPO: clipped alike on both sides, held near the model that it began from.",
    "loss": """    use_kl_loss: true
    kl_loss_coef: 0.001
    clip_ratio_low: 0.2
    clip_ratio_high: 0.2""",
}
# The loss of "DAPO: An Open-Source LLM Reinforcement Learning System at Scale". Its dynamic
# sampling (groups whose episodes are all worth the same are drawn anew) is in verl's recipes, which
# its wheel does not have.
_DAPO = {
    "name": "dapo",
    "about": """ DAPO's loss: clipped higher than lower, a mean over tokens, no KL term. Its dynamic
# sampling needs recipe.dapo of github.com/verl-project/verl-recipe, which no wheel has.""",
    "loss": """    use_kl_loss: false
    clip_ratio_low: 0.2
    clip_ratio_high: 0.28""",
}
