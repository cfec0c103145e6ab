"""The adapters that come with the package: whose they are, what they were made of, what they do."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from locomo.dataset.format import files_of
from locomo.examples.gold import load_gold
from memory import InputError, Memory, Turn, load_model
from memory.models import Model, read_card
from memory.models.model_names import UNTUNED_MODEL
from memory.models.packaged import SHIPPED
from memory.program.abstention import BENCHMARK_COST
from memory.store.configuration.declared_settings import Settings
from tests.support.gguf_adapter import adapter

DATA = Path(__file__).parents[3] / "data"
# What each module's adapter was tuned on, in the order of its runs.
TUNED_ON = {"answer": ("train", "train_answers")}
EACH = pytest.mark.parametrize("folder", SHIPPED, ids=lambda folder: folder.name)
AGAIN = "make the adapter again, as docs/tuning.md says:"


@EACH
def test_it_belongs_to_the_data(folder: Path) -> None:
    """All of our conversations but those held out, and nothing else: nobody else's licence."""
    card = read_card(folder)
    rounds = [DATA / name for name in TUNED_ON[folder.name]]
    last_round = sha256(b"".join(file.read_bytes() for file in files_of(rounds[-1]))).hexdigest()
    assert card.data == last_round, f"{AGAIN} {card.command}"
    learnt = [gold.conversation.id for part in rounds for gold in load_gold(part)]
    assert card.conversations == learnt
    held_out = {
        gold.conversation.id
        for part in ("train", "train_answers")
        for gold in load_gold(DATA / part / "validation")
    }
    assert not held_out & {*card.conversations}


@EACH
def test_its_card_says_how_it_was_made(folder: Path) -> None:
    card = read_card(folder)
    assert card.command.startswith("train.py --mode sft")
    assert {"torch", "transformers", "peft", "gguf"} <= {*card.versions}
    assert card.scores
    assert card.seconds > 0


def test_an_adapter_of_other_prompts_is_refused_with_the_command(tmp_path: Path) -> None:
    old = adapter(tmp_path, "answer", prompts="0123", command="train.py --mode sft --seed 5")
    with pytest.raises(InputError, match=r"make it again: train\.py --mode sft --seed 5"):
        load_model("local", adapter=old)


def test_local_has_them_and_local_base_has_none() -> None:
    tuned, untuned = load_model("local"), load_model("local-base")
    assert set(untuned.weights.values()) == {UNTUNED_MODEL}
    targets = {target for folder in SHIPPED for target in read_card(folder).targets}
    others = {UNTUNED_MODEL, "templates"}  # it stores no facts but by these
    assert {module for module, of in tuned.weights.items() if of not in others} == targets
    assert tuned.name == "local"
    assert untuned.size == "small"


def test_an_adapter_of_ones_own_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    own = load_model("local", adapter=adapter(tmp_path, "store"))
    assert own.weights == {
        "store": f"local+{own.name[-8:]}",
        "retrieve": UNTUNED_MODEL,
        "answer": UNTUNED_MODEL,
    }


# --- what they do ---------------------------------------------------------------------------------

TOLD = [
    Turn("Anna", "Hi Ben! How was your weekend?", "1", "2017-05-08T10:00"),
    Turn("Ben", "Great, I adopted a dog yesterday! Her name is Rufa.", "1", "2017-05-08T10:01"),
    Turn("Anna", "How lovely. I started to learn the cello last month.", "1", "2017-05-08T10:02"),
    Turn("Ben", "My sister Ella plays the flute, she lives in Oslo.", "1", "2017-05-08T10:03"),
]


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    path = tmp_path_factory.mktemp("shipped") / "memory.db"
    with Memory(path, model="local") as memory:
        memory.add(TOLD)
        Settings(memory.store).set("wrong_answer_cost", BENCHMARK_COST)
        yield memory


@pytest.mark.parametrize(
    ("question", "word", "turn"),
    [
        ("What is the name of Ben's dog?", "Rufa", 2),
        pytest.param("What does Anna learn?", "cello", 3, marks=pytest.mark.slow),
        pytest.param("When did Ben adopt a dog?", "7 May 2017", 2, marks=pytest.mark.slow),
    ],
)
def test_a_newcomer_is_answered(memory: Memory, question: str, word: str, turn: int) -> None:
    answer = memory.ask(question)
    assert word.lower() in answer.text.lower()
    assert len(answer.text) < 40, "a phrase, not a line of the memory"
    assert turn in answer.turns


@pytest.fixture
def untuned() -> Model:
    return load_model("local-base")
