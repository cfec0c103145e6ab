"""What storing a conversation takes: expected, and at most."""

from locomo.dataset.format import Conversation
from locomo.harness import STORING_TRIES, Setup
from memory.digest import MOST_RETOLD
from memory.models import Cost, Model, priced
from memory.program import CALLS_WITH_REPAIRS, estimate, turn_tokens

# Tokens that a repair reads in addition to the prompt: the refused statement and why it was
# refused.
_FEEDBACK_TOKENS = 500


def storing_cost(conversation: Conversation, setup: Setup) -> Cost:
    """The expected cost, without repairs: nothing if no model is called."""
    if not setup.stores_facts:
        return Cost()
    characters = sum(len(turn.text) for turn in conversation.turns)
    return estimate(
        setup.model,
        "store",
        setup.program.store,
        calls=_windows(conversation, setup.model),
        inputs=turn_tokens(len(conversation.turns), characters),
        answers=len(conversation.turns),
    )


def most_storing_cost(conversation: Conversation, setup: Setup) -> Cost:
    """The cost at worst: each statement is repaired twice, and each window tried again.

    A model that writes any SQL also retells what turns changed.
    """
    if not setup.stores_facts:
        return Cost()
    model = setup.model
    most = with_repairs(storing_cost(conversation, setup), model)
    calls = most.calls + (MOST_RETOLD if setup.program.tell else 0)
    share = STORING_TRIES * calls / most.calls
    return priced(
        model,
        calls=STORING_TRIES * calls,
        tokens_in=share * most.tokens_in,
        tokens_out=share * most.tokens_out,
    )


def with_repairs(cost: Cost, model: Model) -> Cost:
    """The cost of calls that write SQL where each statement is refused until the last try."""
    repairs = (CALLS_WITH_REPAIRS - 1) * cost.calls
    return priced(
        model,
        calls=cost.calls + repairs,
        tokens_in=CALLS_WITH_REPAIRS * cost.tokens_in + repairs * _FEEDBACK_TOKENS,
        tokens_out=CALLS_WITH_REPAIRS * cost.tokens_out,
    )


def _windows(conversation: Conversation, model: Model) -> int:
    return -(-len(conversation.turns) // model.limits.window)
