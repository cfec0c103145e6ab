"""Whoever may write, and not forget, deletes nothing that another said, by no consequence."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.operations.tools import Tools
from memory.store.configuration.settings import set_setting
from memory.store.namespaces import create, existing
from memory.store.turns.expiry import expiring_turns, set_expiry
from tests.conftest import Wait
from tests.support.serving import serving, token

SAID = ["The rent is due on the 5th.", "I have a parrot called Kiki.", "My order is Q-7731."]
DAY = 86_400
CODE = "door_code"


@pytest.fixture
def anna(home_folder: object) -> str:
    """A memory in which turns with a door's code stay for a day, and one turn was to expire."""
    with open_store(create("flat")) as store:
        store.add([Turn("Anna", text) for text in SAID])
        set_setting(store, "expiry", {f"attribute {CODE}": "1d"})
        set_expiry(store, [1], "1d", "Anna")
        set_expiry(store, [1], "never", "Anna")
    return "flat"


FACT = {"subject": "Anna", "attribute": CODE, "value": "7731", "new_attribute": True}
REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("facts", {**FACT, "turn_id": 3}),
    ("facts", {**FACT, "attribute": "has_pet", "turn_id": 2, "expires": "1d"}),
    ("changes/2/undo", {}),
    ("attributes", {"name": CODE, "other_names": ["has_pet"]}),
    ("attributes", {"name": "code", "says": ["my order is {value}"], "other_names": [CODE]}),
    ("attributes/rename", {"name": "has_pet", "new_name": CODE}),
    ("attributes/merge", {"names": ["has_pet"], "into": CODE}),
    ("settings", {"name": "character", "value": "Anna"}),
    ("settings", {"name": "expiry", "value": {"session ": "1d"}}),
    ("expiries", {"turn_ids": [1], "expires": "1d"}),
]


def post(client: TestClient, path: str, body: dict[str, Any], rights: str) -> Any:
    return client.post(f"/api/flat/{path}", json=body, headers=token("flat", rights=rights))


@pytest.mark.parametrize(("path", "body"), REQUESTS)
def test_no_request_that_may_only_write_has_turns_of_others_forgotten(
    anna: str, wait: Wait, path: str, body: dict[str, Any]
) -> None:
    with serving(signed_in=False) as client:
        answer = post(client, path, body, "read,write")
        assert answer.status_code in (400, 403), answer.text
    wait(2 * DAY)
    with open_store(existing(anna)) as store:
        assert [turn.text for turn in store.turns()] == SAID


@pytest.mark.parametrize(("path", "body"), REQUESTS[:3])
def test_with_the_right_to_forget_the_same_is_done(
    anna: str, path: str, body: dict[str, Any]
) -> None:
    with serving(signed_in=False) as client:
        answer = post(client, path, body, "read,write,forget")
        assert answer.is_success, answer.text
    with open_store(existing(anna)) as store:
        assert len(expiring_turns(store)) == 1


CALLS: list[Callable[[Tools], str]] = [
    lambda tools: tools.undo_change(change_id=2),
    lambda tools: tools.remember(facts=[{**FACT, "turn_id": 3}]),
    lambda tools: tools.add_fact(**FACT, turn_id=3),
    lambda tools: tools.set_setting(name="character", value="Anna"),
]


@pytest.mark.parametrize("call", CALLS)
def test_no_tool_does(anna: str, wait: Wait, call: Callable[[Tools], str]) -> None:
    from contextlib import nullcontext

    from memory import InputError, Memory

    with open_store(existing(anna)) as store:
        tools = Tools(
            lambda: nullcontext(store),
            lambda opened: Memory(opened, "local"),
            weights=None,
            may_forget=False,
        )
        with pytest.raises(InputError, match=r"right to forget|a person sets this"):
            call(tools)
        wait(2 * DAY)
        assert [turn.text for turn in store.turns()] == SAID
