"""Write docs/api/README.md from the docstrings of the public modules: uv run docs/api/build.py."""

import logging
from pathlib import Path

import griffe
import griffe2md

ROOT = Path(__file__).parents[2]
PAGE = Path(__file__).with_name("README.md")
MODULES = (
    "memory.api",
    "memory.frameworks.async_memory",
    "memory.records",
    "memory.errors",
    "memory.store.protocol",
    "memory.facts",
    "memory.store.namespaces",
    "memory.settings",
)
HEAD = """# Python API

The public modules as their docstrings have them. `from memory import Memory, Turn, open_store` and
the other names of [the reference](../reference.md#python) are those of these modules. Written by
`uv run docs/api/build.py`.
"""
# No section for what has no words of its own: fields of records stand in their signature.
CONFIG: griffe2md.ConfigDict = {
    "heading_level": 2,
    "summary": False,
    "show_if_no_docstring": False,
    "load_external_modules": False,
}


def page() -> str:
    """The page, as Markdown."""
    logging.getLogger("griffe").setLevel(logging.ERROR)  # of words that are no parameters
    package = griffe.load("memory", docstring_parser="google", search_paths=[ROOT])
    modules = [package[name.removeprefix("memory.")] for name in MODULES]
    return "\n".join([HEAD, *(griffe2md.render_object_docs(each, CONFIG) for each in modules)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
