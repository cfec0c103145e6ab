"""What a digest has yet to do: counted over the windows that it would work on."""

import pytest

from memory import Store, Turn
from memory.models import load_model
from memory.store.waiting.pending_windows import claim_window, fail_window, reclaim_window
from memory.worker.waiting import waiting
from tests.conftest import MOVED
from tests.support.talk import talker

BOTH_STORES = "slow"


def test_turns_and_calls_are_those_that_a_digest_would_work_on(store: Store) -> None:
    model, _ = talker(window=2)
    whole = waiting(store, model)
    assert (whole.turns, whole.cost.calls) == (5, 3)
    assert whole.seconds == 3 * waiting(store, model, first=4).seconds
    assert waiting(store, model, last=3).turns == 3
    assert waiting(store, model, seconds_a_call=7.0).seconds == 21.0

    store.write(MOVED, cause="test", window=claim_window(store, 2))
    window = claim_window(store, 2)
    assert window is not None
    for _ in range(3):
        fail_window(store, window, "the model wrote a poem")
        reclaim_window(store, window)
    assert waiting(store, model).turns == 1, "a window that failed too often waits for a person"
    assert waiting(store, model, replay=True).turns == 3
    assert waiting(store, model, replay=True, first=5).turns == 1


@pytest.mark.slow
def test_dollars_are_counted_where_the_price_is_known(store: Store) -> None:
    store.add([Turn("Anna", "It goes on and on. " * 20) for _ in range(3_000)])
    dollars = waiting(store, load_model("openai/gpt-4o-mini")).cost.dollars
    assert dollars == pytest.approx(0.2, rel=0.5)
    assert waiting(store, talker(api_base="http://localhost:1/v1")[0]).cost.dollars is None
    assert waiting(store, load_model("local")).cost.dollars == 0.0


def test_a_long_answer_costs_what_is_read_of_it(store: Store) -> None:
    model = load_model("openai/gpt-4o-mini")
    store.add([Turn("assistant", "Pack early.") for _ in range(48)])
    short = waiting(store, model).cost
    store.add([Turn("assistant", "Pack the boxes early. " * 500) for _ in range(48)])
    long = waiting(store, model).cost

    assert long.calls == short.calls + 1  # a window more
    assert 48 * 80 < long.tokens_in - short.tokens_in < 48 * 80 + 5_000
