"""An example memory: a couple's conversation of data/train with the facts of its reference SQL."""

from pathlib import Path

from locomo.examples.gold import load_gold
from memory import Store

FILE = Path(__file__).parents[2] / "data" / "train" / "couple-farmhouse.json"


def fill(store: Store, turns: int | None = None) -> None:
    """Store the conversation, or its first turns, and digest them as a good model would."""
    [gold] = load_gold(FILE)
    ids = store.add(gold.conversation.turns[:turns])
    for turn_id in ids:
        statement = gold.store.get(turn_id, "-- none")
        store.write(statement, cause="digest by gold", window=(turn_id, turn_id))
