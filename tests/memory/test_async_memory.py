"""AsyncMemory: a Memory's calls, awaited, while the event loop goes on."""

import asyncio
import inspect
import threading
from pathlib import Path

import pytest

from memory import AsyncMemory, Memory, SqlError, Turn
from tests.conftest import MOVED
from tests.support.scripted import answer, scripted_model, sql


def test_what_is_awaited_is_what_memory_returns(path: Path) -> None:
    model = scripted_model(
        [
            (["Oslo"], sql(MOVED)),
            (["Where"], sql("SELECT value, turn_id FROM facts")),
            (["Where", "Oslo"], answer("Oslo", "1")),
        ]
    )

    async def main() -> None:
        async with AsyncMemory(path, model=model) as memory:
            assert await memory.add(Turn("Anna", "I moved to Oslo.", said_at="2017-05-08")) == [1]
            assert (await memory.digest()).stored == 1
            assert [hit.turn_id for hit in await memory.search("Oslo", k=1)] == [1]
            assert (await memory.ask("Where does Anna live?")).text == "Oslo"
            with pytest.raises(SqlError):
                await memory.read("DROP TABLE turns")
        with pytest.raises(Exception, match="closed"):
            await memory.search("Oslo")

    asyncio.run(main())


def test_a_reply_comes_in_pieces_with_its_answer_at_the_end(path: Path) -> None:
    async def main() -> None:
        async with AsyncMemory(path) as memory:
            await memory.add(Turn("Anna", "My cat is called Miso."))
            reply = await memory.reply(Turn("Anna", "What is my cat called?"))
            assert reply.answer is None
            said = "".join([piece async for piece in reply])
            assert reply.answer is not None
            assert reply.answer.text == said.strip()

    asyncio.run(main())


@pytest.mark.slow
def test_the_event_loop_goes_on_while_a_call_is_at_work(path: Path) -> None:
    went_on = threading.Event()

    class Waiting(Memory):
        def ask(self, *args, **options):  # type: ignore[no-untyped-def]
            assert went_on.wait(60)
            return super().ask(*args, **options)

    async def main() -> None:
        async with AsyncMemory(Waiting(path)) as memory:
            asked = asyncio.create_task(memory.ask("Where?"))
            await asyncio.sleep(0)
            await memory.add(Turn("Anna", "I moved to Oslo."))
            went_on.set()
            await asked

    asyncio.run(main())


def test_a_memory_that_was_given_stays_open(path: Path) -> None:
    async def main() -> None:
        with Memory(path) as memory:
            async with AsyncMemory(memory) as asynchronous:
                await asynchronous.add(Turn("Anna", "I moved to Oslo."))
            assert memory.store.count_turns() == 1

    asyncio.run(main())


def test_each_call_of_a_memory_is_there_with_its_arguments() -> None:
    own = {name for name in vars(Memory) if not name.startswith("_")}
    # What is no call, makes several one, or is a part of `ask`.
    own -= {"stores_facts", "weights", "over", "evidence", "model", "program", "budget"}
    own -= {"reader", "has_model"}
    own -= {"store", "stores", "of", "off_the_record"}
    for name in own - {"close"}:
        asynchronous, own_signature = getattr(AsyncMemory, name), getattr(Memory, name)
        assert inspect.signature(asynchronous) == inspect.signature(own_signature)
        assert inspect.iscoroutinefunction(getattr(AsyncMemory, name))
