"""Questions that wait for a hosted model keep no others waiting."""

import asyncio
import threading

import pytest

from memory import Memory, Turn, open_store
from memory.server.handles import Handles
from memory.store.namespaces import create
from tests.support.fact_server import serving_facts
from tests.support.scripted import answer

pytestmark = pytest.mark.slow

BOTH_STORES = "slow"
AT_ONCE = 12  # more than threads of the packaged model, and than connections of a process


def test_questions_wait_for_the_model_together(home: str) -> None:
    with open_store(create("asked")) as store:
        store.add([Turn("Anna", "I moved to Oslo.")])
    all_asked = threading.Barrier(AT_ONCE, timeout=300)

    with serving_facts() as server:
        server.reply = lambda prompt: answer("Oslo", "1")
        server.before_answer = all_asked.wait
        handles = Handles("openai/facts", server.address)

        def ask(memory: Memory) -> str:
            return memory.ask("Where does Anna live?").text

        async def crowd() -> list[str]:
            return await asyncio.gather(*(handles.run_slow("asked", ask) for _ in range(AT_ONCE)))

        try:
            answers = asyncio.run(crowd())
        finally:
            handles.close()

    assert answers == ["Oslo"] * AT_ONCE
