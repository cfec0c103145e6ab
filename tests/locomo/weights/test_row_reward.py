"""GRPO on storing with gold rows as the reward: what an answer earns, and what is refused."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="the extra is not installed: uv sync --extra tune")

from locomo.dataset.rows import GoldRows, load_gold_rows  # noqa: E402
from locomo.harness import Setup  # noqa: E402
from locomo.tasks.modules import Bench, labelled_examples  # noqa: E402
from locomo.weights.memory_reward import MemoryReward  # noqa: E402
from locomo.weights.options import TrainOptions  # noqa: E402
from locomo.weights.record import TrainingPlan  # noqa: E402
from locomo.weights.rehearsal import SharedPromptTrainer  # noqa: E402
from locomo.weights.steps import StepRecord, reward_summary  # noqa: E402
from memory import InputError  # noqa: E402
from memory.program import plain_program  # noqa: E402
from tests.support.locomo_records import DATE, record, turn, write  # noqa: E402
from tests.support.scripted import scripted_model  # noqa: E402
from tests.support.trainings import plan  # noqa: E402

TURNS = [
    turn("D1:1", "I keep two goats and my brother Ivo sells cheese."),
    turn("D1:2", "I love your stories of them.", speaker="Bo"),
]
GOATS = {"row": "Ann | keep | two goats", "words": ["goats"]}
CHEESE = {"row": "my brother Ivo | sells | cheese", "words": ["cheese"], "subjects": ["Ivo"]}
BOTH = "Ann | keep | two goats\nmy brother Ivo | sells | cheese"


class Letters:
    """An encoder of a token a letter."""

    def encode(self, messages: list[dict[str, str]]) -> list[int]:
        return [0 for message in messages for _ in message["content"]]


@pytest.fixture
def gold(tmp_path: Path) -> GoldRows:
    raw = record("farm", session_1=TURNS, session_1_date_time=DATE)
    rows = {"D1:1": {"facts": [GOATS, CHEESE]}}
    [gold] = load_gold_rows(write(tmp_path / "rows.json", {**raw, "rows": rows}))
    return gold


@pytest.fixture
def of_rows(gold: GoldRows, tmp_path: Path) -> TrainingPlan:
    model = scripted_model([], window=1, size="small")
    setup = Setup(model, plain_program(model), 300)
    setup.program.store.gate = None  # which would skip the small talk
    bench = Bench(setup, {"farm": gold.conversation}, {}, 0, rows={"farm": gold})
    train = {"store": labelled_examples([gold], 1, only_asked=True)}
    return plan(
        bench,
        tmp_path,
        adapter=model.adapter,
        program=setup.program,
        train=train,
        reward="rows",
    )


def test_rows_earn_the_share_of_statements_and_lose_for_what_is_false(
    of_rows: TrainingPlan,
) -> None:
    reward = MemoryReward(of_rows)
    prompts = reward.rows(Letters(), 2)
    assert {row["prompt"][-1]["content"] for row in prompts} == {
        f"{said['speaker']}: {said['text']}" for said in TURNS
    }
    [farm] = [n for n, example in enumerate(reward.examples) if example.first == 1]
    [talk] = [n for n, example in enumerate(reward.examples) if example.first == 2]
    answers = [BOTH, "Ann | keep | two goats", "none", "none", "Bo | love | your stories of them"]
    completions = [[{"role": "assistant", "content": text}] for text in answers]
    earned = reward.rewards(completions=completions, example=[farm, farm, farm, talk, talk])
    assert earned[:4] == [1.0, 0.5, 0.0, 1.0]
    assert earned[4] == 1.0  # about "your": refused when it is stored


def test_a_reward_of_rows_needs_gold_rows_and_storing(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain.json")
    options = TrainOptions(target="store", reward="rows", data=plain)
    with pytest.raises(InputError, match="give --data data/rows"):
        assert options.rows
    with pytest.raises(InputError, match="--reward rows"):
        TrainOptions(target="answer", reward="rows").check()
    assert TrainOptions(target="store").rows == {}


def step(number: int, share: float) -> StepRecord:
    trainer = {"no_difference": share}
    return StepRecord(
        number, 0.5, 0.1, 1.0, components={"rows": 0.5}, valid_sql=0.0, trainer=trainer, own=None
    )


def test_groups_that_taught_nothing_are_reported_and_not_read_again() -> None:
    assert "groups without a difference 25%" in reward_summary([step(1, 0.5), step(2, 0.0)])
    model = torch.nn.Linear(2, 2)
    trainer = SharedPromptTrainer.__new__(SharedPromptTrainer)
    loss = trainer.compute_loss(model, {"advantages": torch.zeros(4)})
    loss.backward()
    assert model.weight.grad is not None
    assert not model.weight.grad.any()
