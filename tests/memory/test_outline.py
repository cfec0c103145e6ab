"""A long turn by its parts: what a digest reads of an assistant's answer."""

from memory.evidence.outline import (
    OUTLINE_TOKENS,
    PROSE_TOKENS,
    outline,
    outlined,
)
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


def test_an_outline_has_the_beginning_items_as_sentences_where_they_fit_and_no_code() -> None:
    text = outline(ANSWER, 50)

    assert text.startswith("Here is a plan for the move")
    assert "Books: Give away what you have not opened for five years. Boxes of books are" in text
    assert "heavy. Kitchen: Keep one set of pans." in text
    assert "insert" not in text
    assert text.endswith("\u2026")
    assert count_tokens(text) < 60


def test_headings_that_say_little_come_after_sentences() -> None:
    headings = "\n".join(f"# Group {letter}\nNone" for letter in "abcdefghijkl")
    said = "The mill by the river is the only one that has room for the harp."
    text = outline(f"We looked at several mills.\n{headings}\n{said}\n{headings}", 30)

    assert said in text


def test_an_outline_keeps_the_sentence_that_is_taken_up_next() -> None:
    taken_up = "The stairs of the mill house are narrow indeed, two companies said no."

    assert "mention the narrow stairs" not in outline(ANSWER, 50)
    assert "mention the narrow stairs" in outline(ANSWER, 50, taken_up)


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


def test_a_sentence_that_no_outline_could_hold_is_cut_and_not_left_out() -> None:
    prose = ", and ".join(f"way {n} of {n + 7}" for n in range(60))

    text = outline(f"# Ways\nThere are some ways to tune it. {prose}. That is all.", 60)

    assert "way 0 of 7, and way 1 of 8" in text
    assert count_tokens(text) <= 62


COSTS = """Certainly! A used cello suits you, and you can spread what it costs over two years.

### What you pay
- **Cello**: From the maker in Bergen it is about 7,900 euros, with the case and one bow.
- A set of strings that lasts through a year of daily practice costs 140 euros.
- **Lessons**: A teacher who comes to your house is dearer than a class at the old mill.

| Item | Each month | Ends |
|---|---|---|
| Loan | 330 euros | 2028 |

\\[
330 \\times 24 = 7{,}920 \\text{ euros}
\\]

### Conclusion
By following these steps you can look forward to a wonderful time with your music.

Sincerely,
[Your name]
"""


def test_amounts_stand_in_an_outline_with_their_labels_and_the_closing_does_not() -> None:
    text = outline(COSTS, 75)

    assert "Cello: \u2026 Bergen it is about 7,900 euros" in text
    assert "Loan: 330 euros, 2028" in text
    assert "A set of strings \u2026 of daily practice costs 140 euros." in outline(COSTS, 140)
    assert "330 \\times 24 = 7{,}920 euros" in outline(COSTS, 140)
    for form in ("Conclusion", "By following", "Sincerely", "Your name", "|---"):
        assert form not in text
    assert count_tokens(text) < 80


def test_what_closes_an_answer_is_kept_where_it_is_taken_up_or_tells_something_new() -> None:
    offer = "I can also write to the maker about a cello with a shorter neck."

    assert "shorter neck" not in outline(f"{COSTS}\n{offer}", 75)
    assert "shorter neck" in outline(f"{COSTS}\n{offer}", 75, "A shorter neck: write to the maker!")
    assert "Conclusion" not in outline(COSTS, 200)
    assert "Conclusion" in outline(COSTS.replace("your music", "Tom"), 200)
