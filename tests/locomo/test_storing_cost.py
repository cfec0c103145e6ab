"""What storing a conversation takes at most: as much as a model that is never right."""

from pathlib import Path

from locomo.dataset.format import load_conversations
from locomo.harness import Setup, build_memory
from locomo.storing_cost import most_storing_cost, storing_cost, with_repairs
from memory import MemoryProgram
from memory.models.costs import Cost
from tests.support.scripted import sql
from tests.support.talk import talker, talks


def test_a_model_whose_sql_is_always_refused_takes_no_more_than_the_most(tmp_path: Path) -> None:
    model, engine = talker(window=1, store=lambda prompt: sql("INSERT INTO nothing VALUES (1)"))
    setup = Setup(model, MemoryProgram(), budget=2_000)
    [conversation] = load_conversations(talks(tmp_path / "tiny.json"))
    expected, most = storing_cost(conversation, setup), most_storing_cost(conversation, setup)
    built = build_memory(conversation, setup, tmp_path / "memories")
    assert built.failed == len(conversation.turns) == expected.calls
    # Six calls a window: two repairs, and all of it once more.
    assert engine.calls()["store"] == 6 * expected.calls
    assert 6 * expected.calls <= most.calls
    assert most.tokens_in > 6 * expected.tokens_in


def test_where_no_model_is_asked_storing_costs_nothing(tmp_path: Path) -> None:
    setup = Setup(talker()[0], MemoryProgram(), budget=2_000, turns_only=True)
    [conversation] = load_conversations(talks(tmp_path / "tiny.json"))
    assert storing_cost(conversation, setup) == most_storing_cost(conversation, setup) == Cost()


def test_a_repair_reads_the_prompt_again_and_what_was_refused() -> None:
    model, _ = talker()
    repaired = with_repairs(Cost(calls=2, tokens_in=100, tokens_out=10), model)
    assert (repaired.calls, repaired.tokens_out) == (6, 30)
    assert repaired.tokens_in == 300 + 4 * 500
    assert with_repairs(Cost(), model).calls == 0
