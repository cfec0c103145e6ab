"""What is shown of somebody else's text is made of it in time proportional to its length.

A pattern that looks for the end of a run from each character of it takes a hundred times as long
for a text ten times as long.
"""

import time
from collections.abc import Callable
from functools import partial

import dspy
import pytest

from memory.exchange.whatsapp import _without_edit_mark
from memory.models.completions import _FORGED_MARKER, _fences, _marked
from memory.search.asker import third_person
from memory.text.fence import fenced
from memory.text.speakers import is_assistant
from memory.vocabulary.templates.clauses import without_fillers
from memory.vocabulary.templates.parts import own_text

LENGTH = 200_000
SECONDS = 10  # they take less than one; what looks twice at all takes minutes
UNITS = (" ", "\t", "\n", "a", "A", "A ", "A.", "1", "1.", "<", "< ", "(", "`", "``` ", "#", "[[ ")
UNITS += ("'", '"', "\u201c", "*", ", ", "- ", "\u200e", " \u200e", "by the way ", "I ", "&#0")
UNITS += ("```sql\n", "~~~ ", "[[ ## a ## ]] ", "[[ ## completed ## ]]\n")
UNITS += ("a|", "-|", "a\t", "-- ", "[b]", "<b>", "{{", "\u00ab", "a;", "); ", "Tom: ", "~~~\n")
UNITS += ("' ", "'s ", "``` x\n", "a<b>", "A\n\n", "<a@b", "[a b]")
READERS: dict[str, Callable[[str], object]] = {
    "a block for a prompt": fenced,
    "the fences of an answer": _fences,
    "the markers of an answer": partial(_marked, dspy.Signature("question -> answer")),
    "a field of a prompt": lambda text: _FORGED_MARKER.sub("", text),
    "an exported message": _without_edit_mark,
    "a question": lambda text: third_person(f"What did I say? {text}", "Anna"),
    "a sentence": without_fillers,
    "a prompt with what was pasted": own_text,
    "a speaker": is_assistant,
}


@pytest.mark.few(3)
@pytest.mark.parametrize("reader", READERS)
def test_a_text_takes_time_in_proportion_to_its_length(reader: str) -> None:
    READERS[reader]("warm")
    for unit in UNITS:
        text = "x" + unit * (LENGTH // len(unit)) + "!"
        begun = time.process_time()
        READERS[reader](text)
        assert time.process_time() - begun < SECONDS, repr(unit)
