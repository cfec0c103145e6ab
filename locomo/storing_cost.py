"""What storing a conversation takes: expected, and at most."""

from locomo.dataset.format import Conversation
from locomo.harness import STORING_TRIES, Setup
from memory.digest.story_telling import MOST_RETOLD
from memory.program import Model
from memory.program.costs import Cost, estimate, priced, turn_tokens
from memory.program.program import CALLS_WITH_REPAIRS

# Tokens that a repair reads beside the prompt: the refused statement and why it was refused.
_FEEDBACK_TOKENS = 500


def storing_cost(conversation: Conversation, setup: Setup) -> Cost:
    """The expected cost, without repairs: nothing where no model is asked."""
    if not _asks_a_model(setup):
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

    A model that writes any SQL also reads long answers whole, a call a window, and retells what
    turns changed.
    """
    if not _asks_a_model(setup):
        return Cost()
    model = setup.model
    windows = _windows(conversation, model)
    most = with_repairs(storing_cost(conversation, setup), model)
    calls = most.calls + (windows if model.reads_known_facts else 0)
    calls += MOST_RETOLD if model.writes_any_sql else 0
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


def _asks_a_model(setup: Setup) -> bool:
    return not setup.turns_only and setup.model.stores_facts(setup.program)


def _windows(conversation: Conversation, model: Model) -> int:
    return -(-len(conversation.turns) // model.window)
