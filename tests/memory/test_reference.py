"""docs/api.md says what the docstrings say, and every public name has one."""

import inspect
import re

import pytest

import memory
from tests.reference import PLACE, reference


def test_the_reference_is_what_the_docstrings_say_now() -> None:
    stale = "docs/api.md is stale: python -m tests.reference"
    assert PLACE.read_text("utf-8") == reference(), stale


@pytest.mark.parametrize("name", memory.__all__)
def test_a_public_name_says_what_it_is_and_so_do_its_methods(name: str) -> None:
    thing = getattr(memory, name)
    assert inspect.getdoc(thing)
    for method, value in vars(thing).items() if inspect.isclass(thing) else ():
        if inspect.isfunction(value) and not method.startswith("_") and method != "forward":
            assert value.__doc__, f"{name}.{method}"
            assert re.search(rf"^#### `?{name}\.{method}\b", PLACE.read_text("utf-8"), re.M)
