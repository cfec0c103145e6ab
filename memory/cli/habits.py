"""What people type by habit, of git, sqlite3, mem0, redis-cli and kubectl: it runs, or is answered.

habits.toml says which; no command is suggested for its letters alone.
"""

import re
import shlex
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from memory.errors import InputError

# Typer exports only this class below it.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
_COMMAND = re.compile(r"`(memory [^`]+)`")
_PLACE = re.compile(r"\{(?P<word>id|value|first|second)(?::(?P<otherwise>\w+))?\}")
_GROUPS = ("facts", "admin", "serve")  # whose commands are also looked for without their group
_TEXTS = {"text", "question", "message", "select"}  # arguments that people forget to quote
_WITH_OPTIONS = ("forget", "facts edit", "chat", "setup")  # habits that are commands, too
_OTHERWISE = {"id": "ID", "value": "VALUE", "first": "NAME", "second": "NAME"}
_WITH_VALUE = ("--db", "-n", "--namespace")  # options that say which memory


@cache
def habits() -> Mapping[str, Mapping[str, str]]:
    """For each table of habits.toml: what is typed, and what it is here."""
    tables = tomllib.loads(Path(__file__).with_name("habits.toml").read_text("utf-8"))
    return {
        table: {typed: ours for ours, words in lines.items() for typed in words}
        for table, lines in tables.items()
    }


def as_commands(words: Sequence[str]) -> list[str]:
    """A command line in our words, where a habit has one meaning; else unchanged."""
    if words[:1] == ["memory"]:
        words = words[1:]
    if words[:1] and words[0] in _WITH_VALUE and len(words) > 2:  # before the command, as in git
        words = [*words[2:], *words[:2]]
    typed = _longest(habits()["runs"], words)
    if len(_longest(habits()["hints"], words)) >= len(typed):  # "users rm", not "users"
        return [*words]
    following = [*words[len(typed.split()) :]]
    target = habits()["runs"][typed].split()
    return as_commands([*following, *target] if target == ["--help"] else [*target, *following])


def hint(words: Sequence[str]) -> str:
    """What to type instead of a command line that begins with a habit; "" for any other."""
    typed = _longest(habits()["hints"], words)
    if not typed:
        return ""
    texts, memory_options = _parts(words[len(typed.split()) :])
    number = next((word for word in texts if word.isdecimal()), "")
    value = next((word for word in texts if word != number), "")
    first, second, *_ = *texts, "", ""
    typed_words = {"id": number, "value": value, "first": first, "second": second}

    def filled(place: re.Match[str]) -> str:
        word = typed_words[place["word"]]
        return shlex.quote(word) if word else place["otherwise"] or _OTHERWISE[place["word"]]

    return _for_memory(_PLACE.sub(filled, habits()["hints"][typed]), memory_options)


class AnswersHabits(TyperGroup):
    """A command line that takes the habits of other programs, and answers the rest in a line."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "suggest_commands": False})

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        words = as_commands(args)
        ctx.meta["memory.words"] = words
        remaining: list[str] = self._answering(super().parse_args, ctx, words)
        return remaining

    def invoke(self, ctx: Any) -> Any:
        return self._answering(super().invoke, ctx)

    def _answering(self, act: Callable[..., Any], ctx: Any, *words: Any) -> Any:
        try:
            return act(ctx, *words)
        except _UsageError as error:
            if line := _answer(error, ctx.meta["memory.words"]):
                raise InputError(line) from None
            raise


def refuse_habit(group: str, words: Sequence[str]) -> None:
    """Raise InputError for a habit in a group whose first word may also be a text to search for."""
    if words and (line := hint([*group.split(), *words])):
        raise InputError(_instead(f"{group} {words[0]}", line))


def _answer(error: Any, words: Sequence[str]) -> str:
    """What to type instead of a refused command line; "" to let Typer say what it lacks."""
    context = error.ctx
    root = (context.find_root().info_name or "") if context else ""  # "python -m memory", too
    path = context.command_path.removeprefix(root).split() if context else []
    option = getattr(error, "option_name", "")
    if option and type(error).__name__ == "NoSuchOption":
        return _option_line(context, path, option)
    is_extra = "extra argument" in error.message
    if not (is_extra or error.message.startswith("No such command")):
        return ""
    if line := hint(words):
        typed = _longest(habits()["hints"], words)
        return _instead(typed, line)
    called = " ".join(["memory", *path])
    if is_extra:
        texts, memory_options = _parts(words[len(path) :])
        if not _TEXTS & {parameter.name for parameter in context.command.params}:
            extra = error.message.rpartition("(")[2].rstrip(")")
            return f"{called} takes no {extra!r:.60}; see `{called} --help`"
        quoted = shlex.join([" ".join(texts), *memory_options])
        return f"{called} takes one text, in quotes: `{called} {quoted}`"
    for group in _GROUPS * (not path):
        if context.command.get_command(context, group).get_command(context, words[0]):
            return _instead(words[0], f"`memory {shlex.join([group, *words])}`")
    known = ", ".join(context.command.list_commands(context))
    typed = next((word for word in words[len(path) :] if not word.startswith("-")), "")
    return f"{called} has no command {typed!r:.60}; it has {known}: `{called} --help`"


def _option_line(context: Any, path: Sequence[str], option: str) -> str:
    """What to write for an option that a command lacks."""
    names = [name for parameter in context.command.params for name in parameter.opts]
    command = " ".join(path)
    table = habits()["options"]
    line = table.get(f"{command} {option}", table.get(option, ""))
    called = f"memory {command}".strip()
    if not path and option in _WITH_VALUE:
        return f"{option} comes with a command, as in `memory facts list {option} VALUE`"
    if line and (line.startswith("`memory ") or line.split("`")[1].split()[0] in names):
        return f"{called} has no {option}; write {line}"
    options = ", ".join(name for name in names if name.startswith("-"))
    return f"{called} has no {option}; it has {options}"


def _instead(typed: str, line: str) -> str:
    refused = "takes options" if typed in _WITH_OPTIONS else "is no command"
    return f"`memory {typed}` {refused}: {line}"


def _longest(table: Mapping[str, str], words: Sequence[str]) -> str:
    """The longest beginning of a command line that is in a table; "" for none."""
    beginnings = (" ".join(words[:length]) for length in (3, 2, 1))
    typed = (word for typed in beginnings for word in (typed, typed.lower()))  # of redis: GET 1
    return next((word for word in typed if word in table), "")


def _parts(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that are no options, and the options that say which memory."""
    texts: list[str] = []
    options: list[str] = []
    remaining = iter(words)
    for word in remaining:
        if word in _WITH_VALUE:
            value = next(remaining, "")
            if value and not (word == "-n" and value.isdecimal()):  # as in git: log -n 5
                options += [word, value]
        elif not word.startswith("-"):
            texts.append(word)
    return texts, options


def _for_memory(line: str, options: Sequence[str]) -> str:
    """A line whose commands name the memory that was named."""
    if not options:
        return line
    return _COMMAND.sub(lambda found: f"`{found[1]} {shlex.join(options)}`", line)
