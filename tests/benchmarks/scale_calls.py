"""What each call of a large memory takes: CPU of this process, with turns as long as in real chats.

The turns are made up of the chatter of `scale`, 400 characters each, by a user and an assistant;
facts are about a thousand people. What a server of Postgres computes is not counted.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from statistics import median
from typing import Any

from memory import Memory, Turn, open_store
from memory.exchange.exports import dump_lines
from memory.facts import page_named

CHARACTERS = 400  # of a turn, as messages to assistants have
OWN = (
    "I live in Oslo.",
    "I work at Tine.",
    "I am allergic to penicillin.",
    "My sister is called Maren.",
    "Always answer in short sentences.",
    "Always name the price when I ask about trains.",
)
TOPICS = (
    "garden",
    "trip",
    "work",
    "office",
    "price",
    "train",
    "weather",
    "music",
    "dinner",
    "book",
)
FACTS_AT_ONCE, PEOPLE = 250, 1_000
ADDED, FORGOTTEN = 20, 100


def long_turns(chatter: Iterator[Turn]) -> Iterator[Turn]:
    """Turns of CHARACTERS, a user's and an assistant's in turn, in sessions of forty."""
    number = 0
    while True:
        texts: list[str] = []
        while sum(map(len, texts)) < CHARACTERS:
            texts.append(next(chatter).text)
        day = f"{2020 + number // 40_000}-{number // 3_000 % 12 + 1:02}-{number // 100 % 28 + 1:02}"
        speaker = ("user", "assistant")[number % 2]
        yield Turn(speaker, " ".join(texts), f"session {number // 40}", f"{day}T10:00")
        number += 1


def measure_calls(
    address: str,
    chatter: Iterator[Turn],
    turns: int,
    facts: int,
    advance: Callable[[int], object],
) -> dict[str, Any]:
    """CPU milliseconds of each call on a new memory with so many turns and facts."""
    stored = long_turns(chatter)
    with Memory(open_store(address)) as memory:
        memory.add([Turn("user", text, "the first", "2020-01-01") for text in OWN])
        started = time.process_time()
        while batch := list(islice(stored, min(1_000, turns - memory.store.count_turns()))):
            memory.store.add(batch)
            advance(len(batch))
        a_turn = (time.process_time() - started) * 1000 / turns
        _store_facts(memory, facts)
        memory.context("What do you know about trains?")  # words and models are read once
    questions = [f"What did we say about the {topic}?" for topic in TOPICS]
    with Memory(open_store(address)) as memory:
        first_search = _cpu(lambda: memory.search(questions[0]))
    with Memory(open_store(address)) as memory:
        first_context = _cpu(lambda: memory.context(questions[0]))
        figures = {
            "turns": turns,
            "facts": facts,
            "store, of a batch": a_turn,
            "search": _median(lambda text: memory.search(text), questions),
            "search, first": first_search,
            "context": _median(lambda text: memory.context(f"{text} Please."), questions),
            "context, first": first_context,
            "ask, no model": _median(lambda text: memory.ask(text), questions),
            "50 facts": _cpu(lambda: page_named(memory.store, "", "", "", after=0, most=50)),
            "facts of a name": _cpu(lambda: memory.facts(_name(7))),
            "add": _median(lambda turn: memory.add(turn), list(islice(stored, ADDED))),
            "add a fact": _median(
                lambda n: memory.add([(f"Mate {n}", f"My dog is called Rex{n}.")]), range(ADDED)
            ),
            "forget one": _cpu(lambda: memory.forget([turns // 2])),
        }
        going = memory.store.turns(turns // 4, turns // 4 + 8 * FORGOTTEN)[::7][:FORGOTTEN]
        figures["forget 100"] = _cpu(lambda: memory.forget([turn.id for turn in going]))
        figures["export"] = _cpu(lambda: sum(map(len, dump_lines(memory.store))))
    return {
        name: round(value, 2) if isinstance(value, float) else value
        for name, value in figures.items()
    }


def _store_facts(memory: Memory, facts: int) -> None:
    """Facts of the newest turns, as a digest writes them."""
    last = memory.store.count_turns()
    for start in range(0, facts, FACTS_AT_ONCE):
        rows = ", ".join(
            f"('{_name(n % PEOPLE)}', 'attribute_{n % 20}', 'thing {n}', {last - n % 500})"
            for n in range(start, min(start + FACTS_AT_ONCE, facts))
        )
        columns = "subject, attribute, value, turn_id"
        memory.store.write(f"INSERT INTO facts ({columns}) VALUES {rows}", cause="benchmark")


def _name(number: int) -> str:
    """A name that no other begins with."""
    first, second = divmod(number, len(TOPICS) ** 2)
    return "".join(TOPICS[n][:2] for n in (first, *divmod(second, len(TOPICS)))).title()


def _cpu(act: Callable[[], object]) -> float:
    """CPU milliseconds of an act."""
    started = time.process_time()
    act()
    return (time.process_time() - started) * 1000


def _median(act: Callable[[Any], object], values: Sequence[Any]) -> float:
    return median(_cpu(lambda value=value: act(value)) for value in values)  # type: ignore[misc]
