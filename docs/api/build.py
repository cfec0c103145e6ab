"""Write the pages of docs/api from the docstrings of the public names: uv run docs/api/build.py."""

import ast
import logging
import re
from pathlib import Path

import griffe
import griffe2md

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
# A page for each subject: its file, its title, and the modules or classes that it shows.
PAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "memory.md": ("Memory", ("memory.api.memory",)),
    "async-memory.md": ("AsyncMemory", ("memory.frameworks.async_memory",)),
    "store.md": ("Store", ("memory.store.protocol.Store",)),
    "store-turns.md": ("Store: turns", ("memory.store.protocol.Turns",)),
    "store-facts.md": ("Store: facts and changes", ("memory.store.protocol.Facts",)),
    "facts.md": ("Facts", ("memory.facts",)),
    "records.md": ("Records", ("memory.records",)),
    "errors.md": ("Errors", ("memory.errors",)),
    "namespaces.md": ("Namespaces", ("memory.store.namespaces",)),
    "settings.md": ("Settings", ("memory.store.configuration.declared_settings",)),
}
# The public names of `memory` that no page above shows.
OTHERS = "models-and-programs.md"
OTHERS_TITLE = "Opening a store, models, programs and tools"
HEAD = """# Python API

Every public class and function, with its arguments and errors.

| page | names |
|---|---|
"""
CONFIG: griffe2md.ConfigDict = {
    "heading_level": 2,
    "summary": False,
    # The fields of a record have no docstrings: its signature shows them.
    "show_if_no_docstring": False,
    "load_external_modules": False,
}
HEADING = re.compile(r"^(#+) `(memory\.[\w.]+)`$", re.MULTILINE)
REFERENCE = re.compile(r"\[([^\]]+)\]\(#([\w.]+)\)")


def offered_names(package: str) -> dict[str, str]:
    """The names that a package's stub offers, each with its path: {"Turn": "memory.records.Turn"}.

    Empty for a package without a stub.
    """
    stub = ROOT.joinpath(*package.split("."), "__init__.pyi")
    nodes = ast.parse(stub.read_text("utf-8")).body if stub.exists() else []
    return {
        alias.name: f"{package}.{node.module}.{alias.name}"
        for node in nodes
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def public_names() -> dict[str, str]:
    """The public names of `memory`, each with its path."""
    return offered_names("memory")


def short_name(path: str) -> str:
    """The name in a heading: from the class on, or a function with its module, as called."""
    parts = path.split(".")
    of_class = next((index for index, part in enumerate(parts) if part[:1].isupper()), None)
    if of_class is not None:
        return ".".join(parts[of_class:])
    if parts[-1] in public_names():
        return parts[-1]
    if parts[-1] in offered_names(".".join(parts[:-2])):
        return f"{parts[-3]}.{parts[-1]}"
    return ".".join(parts[-2:])


def rendered_pages() -> dict[str, str]:
    """The pages by file name, as Markdown."""
    logging.getLogger("griffe").setLevel(logging.ERROR)  # it reports words that are no parameters
    package = griffe.load("memory", docstring_parser="google", search_paths=[ROOT])

    def rendered(paths: tuple[str, ...]) -> str:
        shown = [each for path in paths for each in offered_names(path).values() or [path]]
        objects = [package[path.removeprefix("memory.")] for path in shown]
        return "\n".join(griffe2md.render_object_docs(each, CONFIG) for each in objects)

    texts = {file: (title, rendered(paths)) for file, (title, paths) in PAGES.items()}
    shown = {path for _, text in texts.values() for path in paths_on(text)}
    # A public name may be imported from a package that defines it in a module below.
    resolved = {
        name: package[path.removeprefix("memory.")].canonical_path
        for name, path in public_names().items()
    }
    others = tuple(path for path in resolved.values() if path not in shown)
    texts[OTHERS] = (OTHERS_TITLE, rendered(others))
    locations = {
        path: (file, short_name(path))
        for file, (_, text) in texts.items()
        for path in paths_on(text)
    }
    pages = {
        file: f"# {title}\n\n{linked(text, file, locations)}"
        for file, (title, text) in texts.items()
    }
    return {"index.md": index(texts), **pages}


def linked(text: str, file: str, locations: dict[str, tuple[str, str]]) -> str:
    """A page with short headings, whose links lead to the page of a name, or are plain text."""
    by_name = {name: (page, name) for page, name in locations.values()}

    def reference(match: re.Match[str]) -> str:
        page, name = locations.get(match[2]) or by_name.get(short_name(match[2])) or ("", "")
        if not page:
            return match[1]
        anchor = f"#{name.replace('.', '').lower()}"
        return f"[{match[1]}]({'' if page == file else page}{anchor})"

    def heading(match: re.Match[str]) -> str:
        return f"{match[1]} `{short_name(match[2])}`"

    _, paths = PAGES.get(file, ("", ()))
    if paths and not offered_names(paths[0]):  # its title names the module
        text = re.sub(r"\A## `memory\.[a-z_.]+`\n+", "", text)
    return HEADING.sub(heading, REFERENCE.sub(reference, text))


def paths_on(text: str) -> list[str]:
    """The paths of everything that a page shows, in order."""
    return [path for _, path in HEADING.findall(text)]


def is_method(path: str) -> bool:
    """Whether a path names a part of a class."""
    return any(part[:1].isupper() for part in path.split(".")[:-1])


def index(texts: dict[str, tuple[str, str]]) -> str:
    """The table of all pages with the names on them."""
    rows = []
    for file, (title, text) in texts.items():
        modules = {module for _, paths in PAGES.values() for module in paths if module.islower()}
        paths = [path for path in paths_on(text) if path not in modules]
        own = [f"`{short_name(path)}`" for path in paths if not is_method(path)]
        rows.append(f"| [{title}]({file}) | {', '.join(own)} |")
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    for name, text in rendered_pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
