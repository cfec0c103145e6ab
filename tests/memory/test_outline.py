"""A long turn by its parts: what a digest reads of an assistant's answer."""

from memory.prompts.outline import LONG_MESSAGE_TOKENS, OUTLINE_TOKENS, outline, outlined
from memory.records import Turn
from memory.text.tokens import count_tokens

ANSWER = """Certainly! Here is a plan for the move that keeps your evenings free.

### 1. Sorting
- **Books**: Give away what you have not opened for five years. Boxes of books are heavy.
- **Kitchen**: Keep one set of pans.
  - Wrap the glasses in towels.

### 2. The van
Ask two companies for a price and mention the narrow stairs of the old mill house.
```python
insert = "into boxes"
```
Would you like a list of companies? I can write to them, too, if you tell me the day.
"""


def test_a_turn_that_fits_stays_as_it_is() -> None:
    assert outline(ANSWER, 1_000) == ANSWER


def test_an_outline_has_the_beginning_headings_items_and_no_code() -> None:
    text = outline(ANSWER, 50)

    assert text.startswith("Here is a plan for the move")
    assert "1. Sorting; Books; Kitchen" in text
    assert "2. The van" in text
    assert "insert" not in text
    assert text.endswith("\u2026")
    assert count_tokens(text) < 60


def test_an_outline_keeps_the_sentence_that_is_taken_up_next() -> None:
    taken_up = "The stairs of the mill house are narrow indeed, two companies said no."

    assert "mention the narrow stairs" not in outline(ANSWER, 50)
    assert "mention the narrow stairs" in outline(ANSWER, 50, taken_up)


def test_a_long_line_without_any_marks_is_cut() -> None:
    text = outline("word " * 5_000, 50)

    assert text.startswith("word word")
    assert count_tokens(text) <= 52


def test_an_assistants_turn_is_outlined_sooner_than_a_persons_and_a_document_never() -> None:
    long = " ".join(f"Sentence number {n} says nothing new." for n in range(200))
    turns = [
        Turn("assistant", long),
        Turn("Maria", long),
        Turn("notes.txt", long, kind="document"),
    ]

    assistant, person, document = (count_tokens(turn.text) for turn in outlined(turns))

    assert assistant <= OUTLINE_TOKENS + 2 < person <= LONG_MESSAGE_TOKENS + 2
    assert document == count_tokens(long)
    assert outlined([]) == []
