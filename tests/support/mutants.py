"""Mutants: a module with one operator, number or result changed, to check that its tests fail.

python -m tests.support.mutants HOW_MANY MODULE TEST_FILE ...
"""

import ast
import copy
import importlib
import os
import random
import signal
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

_FLIPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_LONGEST_RUN_S = 60  # a mutant may loop for ever; it counts as noticed


@dataclass(frozen=True)
class Mutant:
    """One change within a module: `node_number` counts the nodes of its syntax tree."""

    node_number: int
    line: int
    code: str


def mutants(path: Path) -> list[Mutant]:
    """All that can be changed within a module's functions."""
    lines = path.read_text("utf-8").splitlines()
    tree = ast.parse("\n".join(lines))
    # Bodies only: a running function's default values stay what they are.
    bodies = [statement for function in _functions(tree) for statement in function.body]
    within = {id(node) for statement in bodies for node in ast.walk(statement)}
    return [
        Mutant(node_number, node.lineno, lines[node.lineno - 1].strip())
        for node_number, node in enumerate(ast.walk(tree))
        if id(node) in within and _changed(copy.deepcopy(node))
    ]


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        # What is cached keeps its results: a mutant would not be asked.
        if isinstance(node, ast.FunctionDef) and "cache" not in map(
            ast.unparse, node.decorator_list
        ):
            yield node


def _changed(node: ast.AST) -> bool:
    """Change a node in its place; False for one that has nothing to change."""
    match node:
        case ast.Compare(ops=[op, *_]) if type(op) in _FLIPPED:
            node.ops[0] = _FLIPPED[type(op)]()  # type: ignore[call-overload]
        case ast.BinOp(op=op) | ast.BoolOp(op=op) if type(op) in _FLIPPED:
            node.op = _FLIPPED[type(op)]()  # type: ignore[assignment]
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            node.value = value + 1
        case ast.Return(value=ast.AST() as value) if ast.unparse(value) != "None":
            node.value = ast.Constant(None)
        case _:
            return False
    return True


def _functions_of(
    namespace: dict[str, object], module: str
) -> Iterator[tuple[str, types.FunctionType]]:
    """The functions, methods and properties that a module defines, by name."""
    for name, value in namespace.items():
        if getattr(value, "__module__", "") != module:
            continue
        members = {"": value} if isinstance(value, types.FunctionType) else dict(vars(value))
        for member, function in members.items():
            function = function.fget if isinstance(function, property) else function
            if isinstance(function, types.FunctionType):
                yield f"{name}.{member}", function


def _put_in(module: types.ModuleType, mutant: Mutant) -> None:
    """Give the module's functions the mutant's code, wherever they were imported to."""
    path = Path(str(module.__file__))
    tree = ast.parse(path.read_text("utf-8"))
    node = list(ast.walk(tree))[mutant.node_number]
    _changed(node)
    namespace = dict(vars(module))
    exec(compile(ast.fix_missing_locations(tree), path, "exec"), namespace)  # noqa: S102
    changed = dict(_functions_of(namespace, module.__name__))
    for name, function in _functions_of(dict(vars(module)), module.__name__):
        if function.__code__.co_freevars == changed[name].__code__.co_freevars:
            function.__code__ = changed[name].__code__


def _tests_pass(tests: Sequence[Path]) -> bool:
    every = ("-m", "slow or not slow")
    return pytest.main(["-q", "-x", "-n0", "-p", "no:cacheprovider", *every, *map(str, tests)]) == 0


def survivors(
    module_name: str, tests: Sequence[Path], number: int, seed: int = 0
) -> tuple[list[Mutant], int]:
    """(those of `number` drawn mutants that the tests do not notice, how many were drawn).

    Raises ValueError when the tests fail without a mutant.
    """
    module = importlib.import_module(module_name)
    whole = mutants(Path(str(module.__file__)))
    drawn = random.Random(seed).sample(whole, min(number, len(whole)))
    if not _tests_pass(tests):
        raise ValueError(f"the tests of {module_name} fail without a mutant")
    return [mutant for mutant in drawn if _survives(module, mutant, tests)], len(drawn)


def _survives(module: types.ModuleType, mutant: Mutant, tests: Sequence[Path]) -> bool:
    # A forked process has everything imported, and takes its mutant with it.
    process = os.fork()
    if process == 0:
        signal.alarm(_LONGEST_RUN_S)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = 1
        try:
            _put_in(module, mutant)
            code = 0 if _tests_pass(tests) else 1
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    return status == 0


if __name__ == "__main__":
    number, name, *test_files = sys.argv[1:]
    alive, drawn = survivors(name, [*map(Path, test_files)], int(number))
    print(f"{name}: {drawn - len(alive)} of {drawn} mutants were noticed")
    for mutant in alive:
        print(f"  line {mutant.line}: {mutant.code}")
