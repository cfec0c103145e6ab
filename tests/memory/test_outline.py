"""A long turn by its parts: what a digest reads of an assistant's answer."""

from memory.evidence.outline import OUTLINE_TOKENS, PROSE_TOKENS, outline, outlined
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

    assert assistant <= OUTLINE_TOKENS + 2 < person <= PROSE_TOKENS + 2
    assert document == count_tokens(long)
    assert outlined([]) == []


def test_of_what_a_person_says_only_code_is_left_out_however_long_a_sentence_is() -> None:
    prose = ", and ".join(f"I have tried way {n} of {n + 7} to tune the harp" for n in range(45))
    code = "```\n" + "tune(string)\n" * 300 + "```\n"

    [turn] = outlined([Turn("Maria", f"Here is my plan:\n{code}{prose}")])

    assert 400 < count_tokens(prose) < PROSE_TOKENS
    assert turn.text == f"Here is my plan:\n(code)\n{prose}"


def test_a_sentence_that_no_outline_could_hold_is_cut_and_not_left_out() -> None:
    prose = ", and ".join(f"way {n} of {n + 7}" for n in range(60))

    text = outline(f"# Ways\nThere are some ways to tune it. {prose}. That is all.", 60)

    assert "way 0 of 7, and way 1 of 8" in text
    assert count_tokens(text) <= 62
