"""What reads somebody else's text takes time in proportion to its length.

A pattern that looks for the end of a run from each character of it takes a hundred times as long
for a text ten times as long. The functions of one text are found, so a new one is tried too.
"""

import inspect
import pkgutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module

import dspy
import pytest

import memory
from memory.errors import SqlError, Stop
from memory.exchange.whatsapp import _without_edit_mark
from memory.models.completions import _FORGED_MARKER, _fences, _marked
from memory.search.question import third_person
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
# Our own forms: what a template, a date, a secret, a quotation or a table begins with.
UNITS += ("| ", "> ", "\n> ", "? ", "... ", "e.g. ", "I live in ", "my sister ", "and ", "not ")
UNITS += ("on 5 May ", "2024-", "5 kg ", "sk-", "key=", "a@b.c ", "http://", "Dear ", "-----\n")
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


def of_units(unit: str, length: int) -> str:
    return "x" + unit * (length // len(unit)) + "!"


@pytest.mark.few(3)
@pytest.mark.parametrize("reader", READERS)
def test_a_text_takes_time_in_proportion_to_its_length(reader: str) -> None:
    READERS[reader]("warm")
    for unit in UNITS:
        text = of_units(unit, LENGTH)
        begun = time.process_time()
        READERS[reader](text)
        assert time.process_time() - begun < SECONDS, repr(unit)


# --- all functions of one text --------------------------------------------------------------------

# What a parameter is called that takes what somebody wrote, of any length.
_TEXTS = {"text", "line", "question", "sentence", "clause", "prompt", "answer", "message", "words"}
_TEXTS |= {"cell", "piece", "phrase", "value", "query", "said", "reply"}
_SIZES = (500, 2_000, 8_000)  # characters, four times as many each
# Processor time is as noisy as the machine is busy: the least of some runs is compared, and only
# where the longest text takes long enough to tell. Linear is 4, quadratic 16.
_MOST_TIMES = 4 * 1.3
_RUNS = 4
# Commands print and ask; SQL has a longest text; and scripts of migrations are our own.
_OTHERS = ("memory.cli", "memory.sql", "memory.store.migrations", "memory.store.postgres.migrat")
_NOTHING = 0.03  # CPU seconds


def functions_of_one_text() -> Iterator[tuple[str, Callable[[str], object]]]:
    """Each function of `memory` whose one required argument is a text."""
    for module_info in pkgutil.walk_packages(memory.__path__, "memory."):
        if module_info.name.startswith(_OTHERS) or module_info.name.endswith("__main__"):
            continue
        module = import_module(module_info.name)
        for name, value in vars(module).items():
            function = inspect.unwrap(value) if callable(value) else value
            if not inspect.isfunction(function) or function.__module__ != module.__name__:
                continue
            required = [
                parameter
                for parameter in inspect.signature(function).parameters.values()
                if parameter.default is parameter.empty
                and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            ]
            if [parameter.annotation for parameter in required] not in ([str], ["str"]):
                continue
            if required[0].name in _TEXTS:
                yield f"{module.__name__}.{name}", function


def seconds(function: Callable[[str], object], text: str) -> float:
    begun = time.process_time()
    try:
        result = function(text)
        if inspect.isgenerator(result):
            for _ in result:
                pass
    except (Stop, SqlError, ValueError):  # a text that the function refuses
        pass
    return time.process_time() - begun


def growth(function: Callable[[str], object], unit: str) -> float:
    """How many times as long four times as long a text takes; 0 where it takes no time."""
    least = dict.fromkeys(_SIZES, float("inf"))
    grown = 0.0
    for run in range(_RUNS):
        for size in _SIZES:
            # Each time another text: some keep what they have read.
            text = of_units(unit, size) + str(run)
            least[size] = min(least[size], seconds(function, text))
        short, middle, long = least.values()
        if long < _NOTHING:
            return 0.0
        # Over both steps: what is constant at the beginning counts for little.
        grown = max(long / middle, (long / short) ** 0.5 if short else 0.0)
        if grown <= _MOST_TIMES:
            break
    return grown


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_each_function_of_one_text_is_linear() -> None:
    found = dict(functions_of_one_text())
    assert len(found) > 100
    faults = [
        f"{name}, {unit!r}: {grown:.1f} times as long for four times as many characters"
        for name, function in found.items()
        if seconds(function, "warm") >= 0
        for unit in UNITS
        if (grown := growth(function, unit)) > _MOST_TIMES
    ]
    assert not faults, "\n".join(faults)
