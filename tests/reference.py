"""The API reference, docs/api.md, made of docstrings: python -m tests.reference"""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import memory

PLACE = Path(__file__).parent.parent / "docs" / "api.md"
# Public, but not names of the package itself: module -> names.
MORE = {
    "memory.api": ["Digest"],
    "memory.audit": ["audit", "Finding"],
    "memory.documents": ["add_chunks", "chunks", "tool_use"],
    "memory.embed": ["load_embedder"],
    "memory.errors": [
        "ClaimLostError",
        "HeldError",
        "ModelError",
        "StoreError",
        "UnusableAnswer",
        "WindowError",
    ],
    "memory.facts": ["correct", "end", "supersede"],
    "memory.injection": ["inject", "load_config", "Injected", "LtmConfig"],
    "memory.namespaces": ["home", "names", "create", "rename", "copy", "delete", "path_of"],
    "memory.program": ["Card", "Model"],
    "memory.program.replies": ["Reply"],
    "memory.records": ["Edit", "Forgotten", "Pending", "Setting"],
    "memory.rerank": ["Reranker", "load_reranker"],
    "memory.settings": ["Settings"],
}
HEAD = """# API reference

Made of the docstrings by `python -m tests.reference`; how the parts work together:
[using.md](using.md). Names that stand under `memory` are imported from there, the others from
their module.
"""


def reference() -> str:
    """The text of docs/api.md."""
    parts = [HEAD, "## memory\n", *(entry(getattr(memory, name)) for name in memory.__all__)]
    for module, names in MORE.items():
        found = import_module(module)
        parts += [f"## {module}\n", *(entry(getattr(found, name)) for name in names)]
    return "\n".join(parts)


def entry(thing: Any) -> str:
    """One class or function: how it is called, what it says of itself, its public methods."""
    [node] = ast.parse(textwrap.dedent(inspect.getsource(thing))).body
    if isinstance(node, ast.FunctionDef):
        return f"### {heading(node, node.name)}\n{prose(node)}"
    assert isinstance(node, ast.ClassDef)
    fields = [ast.unparse(part) for part in node.body if isinstance(part, ast.AnnAssign)]
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    start = called(node.name, fields) if fields else f"{node.name}\n"
    if "__init__" in methods:
        start = called(node.name, arguments(methods["__init__"].args))
    lines = [f"### {start}\n{prose(node)}"]
    for name, method in methods.items():
        if not name.startswith("_"):
            lines.append(f"#### {heading(method, f'{node.name}.{name}')}\n{prose(method)}")
    return "\n".join(lines)


def heading(node: ast.FunctionDef, name: str) -> str:
    """How a function is called, as its source says."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    if any(isinstance(mark, ast.Name) and mark.id == "property" for mark in node.decorator_list):
        return f"`{name}{returns.replace(' ->', ':')}`\n"
    return called(name, arguments(node.args), returns)


def called(name: str, parts: Iterable[str], returns: str = "") -> str:
    """A heading with the arguments; where they are long, each on a line of its own below it."""
    parts = list(parts)
    line = f"{name}({', '.join(parts)}){returns}"
    if len(line) <= 90:
        return f"`{line}`\n"
    lines = [f"{name.split('.')[-1]}(", *(f"    {part}," for part in parts), f"){returns}"]
    return "\n".join([name, "", "```python", *lines, "```", ""])


def arguments(args: ast.arguments) -> Iterator[str]:
    missing = len(args.args) - len(args.defaults)
    defaults = [*([None] * missing), *args.defaults, *args.kw_defaults]
    for arg, default in zip([*args.args, *args.kwonlyargs], defaults, strict=True):
        if args.kwonlyargs and arg is args.kwonlyargs[0]:
            yield "*"
        if arg.arg not in ("self", "cls"):
            yield ast.unparse(arg) + (f" = {ast.unparse(default)}" if default else "")


def prose(node: ast.FunctionDef | ast.ClassDef) -> str:
    """A docstring as Markdown: its lists of arguments become lists."""
    lines = []
    for line in (ast.get_docstring(node) or "").splitlines():
        found = re.match(r" {4}([\w, ]+): (.*)", line)
        if found:
            lines.append(f"- `{found[1]}`: {found[2]}")
        elif line.startswith("    "):
            lines.append(f"  {line.strip()}")
        else:
            lines.append(line)
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PLACE.write_text(reference(), "utf-8")
