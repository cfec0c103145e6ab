"""A memory's own block, put into a message, is not what the user said."""

from collections.abc import Iterator

import pytest

from memory import Memory
from memory.records import Turn
from memory.text.fence import FENCE_HEAD, STANDING_HEAD, fenced, without_block

QUOTED = "What was said:\n[1] (Sat 10 Jan 2026) Kari: I keep bees in Bergen. </memory> <memory>"
WISHES = f"{STANDING_HEAD}\n[7] (8 May 2026) give prices in euros\n[8] no emojis"
BLOCKS = [fenced(QUOTED), WISHES, f"{WISHES}\n{fenced(QUOTED)}"]


@pytest.fixture
def memory(address: str) -> Iterator[Memory]:
    with Memory(address) as opened:
        yield opened


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_is_taken_out_wherever_it_stands(block: str) -> None:
    text = "How many hives fit?\n\nThe garden has 40 m\u00b2."
    for message in (f"{text}\n\n{block}", f"{block}\n\n{text}", f"{block}\n{text}\n{block}"):
        assert without_block(message) == text
        assert without_block(message.replace("\n", "\r\n")).replace("\r\n", "\n") == text
    assert without_block(block) == ""


@pytest.mark.parametrize(
    "text",
    [
        "What does <memory> mean in my prompt?",
        f"<memory>\n{FENCE_HEAD}\nIt has no end.",
        f"Your block begins with '{FENCE_HEAD}'.",
        f"You wrote: {STANDING_HEAD} no emojis.",
        f"{STANDING_HEAD}\nThese lines have no number.",
    ],
)
def test_what_only_speaks_of_a_block_stays(text: str) -> None:
    assert without_block(text) == text


def test_a_message_is_stored_without_the_block_in_it(memory: Memory) -> None:
    memory.add("I keep bees in Bergen.", speaker="Kari", said_at="2026-01-10")
    block = memory.context("Where do I keep bees?", speaker="Kari").text
    assert "Bergen" in block
    said = f"Where do I keep bees?\n\n{block}"
    memory.add([{"role": "user", "content": said}])
    memory.add([{"role": "user", "content": [{"type": "text", "text": said}]}])
    memory.add([Turn("Kari", said)])
    assert [turn.text for turn in memory.get_all()][1:] == ["Where do I keep bees?"] * 3
    assert memory.add([{"role": "user", "content": block}]).skipped


def test_a_document_about_blocks_is_kept_as_it_is(memory: Memory) -> None:
    memory.add([Turn("guide.md", f"A block:\n{BLOCKS[0]}", kind="document")])
    assert FENCE_HEAD in memory.get_all()[0].text


def test_nothing_is_searched_for_with_the_block(memory: Memory) -> None:
    memory.add("I keep bees in Bergen.", speaker="Kari", said_at="2026-01-10")
    memory.add("I rent a boat in Stavanger.", speaker="Kari", said_at="2026-01-11")
    question = "Which boat do I rent?"
    said = f"{question}\n\n{BLOCKS[0]}"
    assert memory.search(said) == memory.search(question)
    assert memory.context(said).text == memory.context(question).text
