"""A budget is in tokens of the model that reads, where its name tells its vocabulary."""

import pytest

from memory import Memory, Store, Turn
from memory.text.tokens import token_rate
from tests.benchmarks.token_rates import tokenizers
from tests.support.scripted import answer, model_over
from tests.support.talk import Talker

BOTH_STORES = "slow"
BUDGET = 600
QUESTION = "What did Anna say of the harp?"


def shown(store: Store, name: str) -> tuple[str, int]:
    """The memory that a model of this name is shown, and what the answer says of its tokens."""
    engine = answering()
    with Memory(store, model_over(engine, name), budget=BUDGET) as memory:
        tokens = memory.ask(QUESTION).tokens
    return memory_of(engine), tokens


def add_harps(store: Store) -> None:
    store.add(
        [Turn("Anna", f"The harp number {n} wants room {n}, strings and care.") for n in range(90)]
    )


def answering() -> Talker:
    return Talker({"answer": lambda _: answer("It was large.", "1")})


def memory_of(engine: Talker) -> str:
    [prompt] = engine.prompts_for("answer")
    return prompt.partition("[[ ## evidence ## ]]\n")[2].partition("\n\n[[ ## question ## ]]")[0]


def test_a_model_is_shown_as_much_as_fits_a_budget_in_its_own_tokens(store: Store) -> None:
    add_harps(store)
    count = tokenizers()["o200k (gpt-4o on)"]
    text, tokens = shown(store, "openai/gpt-4o-mini")
    of_unknown, tokens_of_unknown = shown(store, "openai/model-of-the-house")

    assert count(of_unknown) < 0.9 * BUDGET
    assert count(of_unknown) < count(text) <= tokens <= BUDGET
    assert 0.9 * BUDGET < tokens_of_unknown <= BUDGET


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("name", "is_known"),
    [
        ("openai/gpt-4o-mini", True),
        ("gpt-5.2", True),
        ("azure/gpt-4.1", True),
        ("openai/o3", True),
        ("openai/gpt-3.5-turbo", True),
        ("deepseek/deepseek-chat", True),
        ("openai/gpt-oss-20b", False),
        ("ollama/qwen2.5:7b", False),
        ("local", False),
    ],
)
def test_a_vocabulary_that_a_name_does_not_tell_counts_as_ours(name: str, is_known: bool) -> None:
    assert (token_rate(name) < 1) is is_known
