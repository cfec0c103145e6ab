"""Two chats with forty changes of state, and a model that ends what it is shown among known facts.

The model's answers are written beforehand (`states` of data/closings.json): of a turn that tells a
state it stores it, of one that ends it, it ends the fact, if the prompt shows that fact with its
id. So what is counted is what the pipeline makes possible: that the state is among `known`.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dspy.lm15 import Message, Request, Response, TextPart, Usage

from locomo.dataset.format import Conversation, load_conversations
from memory import Memory, Store
from memory.sql import quoted
from tests.support.scripted import model_over, sql

CHATS = Path(__file__).parents[2] / "data" / "closings.json"


def closings() -> list[tuple[Conversation, list[dict[str, Any]]]]:
    """The chats, and the states of each: told in one turn, ended in a later one."""
    records = json.loads(CHATS.read_text("utf-8"))
    return [
        (conversation, record["states"])
        for conversation, record in zip(load_conversations(CHATS), records, strict=True)
    ]


class _Engine:
    """A DSPy engine that answers the store prompt by the states."""

    def __init__(self, turns: Mapping[str, tuple[int, str, str]], states: Sequence[Any]) -> None:
        self._turns = turns  # by source: id, speaker, text
        self._states = states

    def complete(self, request: Request) -> Response:
        prompt = request.messages[-1].text or ""
        field = prompt.rpartition("[[ ## window ## ]]")[2].partition("[[ ## ")[0]
        known = prompt.rpartition("[[ ## known ## ]]")[2].partition("[[ ## ")[0].splitlines()
        text = sql("\n".join(self._statements(field, known)) or "-- none")
        return Response(
            id=None,
            model="closings",
            message=Message.assistant([TextPart(text)]),
            finish_reason="stop",
            usage=Usage(input_tokens=0, output_tokens=0, total_tokens=0),
        )

    def _statements(self, window: str, known: Sequence[str]) -> list[str]:
        told = {state["told"]: state for state in self._states}
        ended = {state["ended"]: state for state in self._states}
        statements = []
        for source, (turn_id, speaker, text) in self._turns.items():
            if f"[{turn_id}] " not in window:
                continue
            if state := told.get(source):
                statements.append(_insert(state, turn_id))
            elif state := ended.get(source):
                statements += _closing(state, known)
                # What happened, or the new state: of the turn that ends the old one.
                event = state["next"] or {"attribute": "stopped", "value": state["value"]}
                event = {**event, "subject": state["subject"], "happened_on": state["ended_on"]}
                statements.append(_insert(event, turn_id))
            else:  # small talk crowds the memory
                small_talk = {"subject": speaker, "attribute": "mentioned", "value": text}
                statements.append(_insert(small_talk, turn_id))
        return statements


def _closing(state: Mapping[str, str], known: Sequence[str]) -> list[str]:
    cells = f"{state['subject']} | {state['attribute']} | {state['value']}"
    ids = [line.partition(":")[0].removeprefix("id ") for line in known if cells in line]
    return [f"UPDATE facts SET ended_on = '{state['ended_on']}' WHERE id = {id_};" for id_ in ids]


def _insert(fact: Mapping[str, str], turn_id: int) -> str:
    columns = ("subject", "attribute", "value", "happened_on")
    values = ", ".join(quoted(fact.get(name, "")) for name in columns)
    return f"INSERT INTO facts ({', '.join(columns)}, turn_id) VALUES ({values}, {turn_id});"


def ends_of(
    store: Store, conversation: Conversation, states: Sequence[Any]
) -> tuple[int, int, list[Any]]:
    """How many states a digest ended with the right date, how many other facts it ended.

    And the states that it neither ended nor named, as refused or as left to a person.
    """
    ids = store.add(conversation.turns)
    turns = {
        turn.source: (turn_id, turn.speaker, turn.text)
        for turn, turn_id in zip(conversation.turns, ids, strict=True)
    }
    model = model_over(_Engine(turns, states), "closings")
    done = Memory(store, model=model).digest()
    named = "\n".join([*done.refused, *done.undecided])
    right = {
        (state["subject"], state["value"], state["ended_on"], turns[state["told"]][0]): state
        for state in states
    }
    ended = [fact for fact in store.facts() if fact.ended_on]
    facts = [(fact.subject, fact.value, fact.ended_on, fact.turn_id) for fact in ended]
    silent = [state for end, state in right.items() if end not in facts and not _in(named, state)]
    return sum(fact in right for fact in facts), sum(fact not in right for fact in facts), silent


def _in(named: str, state: Mapping[str, str]) -> bool:
    """Whether a digest's report names a state: its row as refused, or its end as undecided."""
    cells = [state[name] for name in ("subject", "attribute", "value")]
    return any(f"({between.join(cells)})" in named for between in (", ", " "))
