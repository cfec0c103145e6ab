"""The long_term_memory extension's ltm_config.json, unchanged, and memories in its templates."""

import json
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from memory.errors import InputError
from memory.evidence.ago import time_difference
from memory.evidence.lines import marked
from memory.records import Turn
from memory.search.embed import load_embedder
from memory.store import Store
from memory.system.files import open_regular
from memory.text.characters import one_line
from memory.text.passages import excerpt
from memory.text.tokens import count_tokens
from memory.text.turn_lines import speaker_name


def _fields(*known: str) -> AfterValidator:
    """A check that a template has only these placeholders."""

    def check(template: str) -> str:
        names = " ".join(f"{{{name}}}" for name in known)
        try:
            parts = [*Formatter().parse(template)]
        except ValueError as error:
            raise ValueError(f"{error}; write {{{{ or }}}} for a brace") from None
        for _, name, format_spec, conversion in parts:
            if name is None:  # literal text
                continue
            if name not in known or format_spec or conversion:
                placeholder = name
                if conversion:
                    placeholder += f"!{conversion}"
                if format_spec:
                    placeholder += f":{format_spec}"
                raise ValueError(f"unknown placeholder {{{placeholder}}}; known are {names}")
        return template

    return AfterValidator(check)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Fill the placeholders of a checked template; `{{` becomes `{`. Values stay unchanged.

    Unlike str.format, nothing in a template can reach into the values.
    """
    return "".join(
        literal + (values[name] if name is not None else "")
        for literal, name, _, _ in Formatter().parse(template)
    )


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class LtmContext(_Section):
    """Where memories go, and their wording."""

    injection_location: Literal[
        "BEFORE_NORMAL_CONTEXT", "AFTER_NORMAL_CONTEXT_BUT_BEFORE_MESSAGES"
    ] = "BEFORE_NORMAL_CONTEXT"
    memory_context_template: Annotated[str, _fields("name1", "name2", "all_memories")] = (
        "{name2}'s memory log:\n{all_memories}\nDuring conversations between {name1} and {name2},"
        " {name2} will try to remember the memory described above and naturally integrate it with"
        " the conversation."
    )
    memory_template: Annotated[str, _fields("time_difference", "memory_name", "memory_message")] = (
        '{time_difference}, {memory_name} said:\n"{memory_message}"'
    )


class LtmWrites(_Section):
    """Which turns count as memories. The memory stores all turns, whatever their length."""

    min_message_length: int = Field(0, ge=0)  # characters


class LtmReads(_Section):
    """Which memories to fetch: how near in meaning, how many, how much of each."""

    # With the packaged embedder, 70 of 100 questions are nearer than this to the turn that answers
    # them, and 8 of 100 to any turn (data/sample.json). Other embedders need another distance.
    max_cosine_distance: float = Field(0.85, ge=0, le=2)
    num_memories_to_fetch: int = Field(10, ge=0)
    memory_length_cutoff_in_chars: int = Field(1000, ge=1)


class LtmConfig(_Section):
    """An ltm_config.json. These classes hold the defaults."""

    ltm_context: LtmContext = LtmContext()
    ltm_writes: LtmWrites = LtmWrites()
    ltm_reads: LtmReads = LtmReads()


def load_config(source: str | Path | Mapping[str, Any]) -> LtmConfig:
    """Read the configuration from an ltm_config.json, or from its parsed content.

    Raises InputError, which names every unknown key or placeholder and every value of a wrong type.
    """
    if isinstance(source, Mapping):
        return _validated(source, "the configuration")
    try:
        with open_regular(Path(source)) as file:
            content = json.loads(file.read().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # also of a wrong encoding
        raise InputError(f"{source}: not a JSON file: {error}") from error
    return _validated(content, str(source))


def _validated(content: Any, where: str) -> LtmConfig:
    try:
        return LtmConfig.model_validate(content)
    except ValidationError as error:
        complaints = [
            _complaint(detail["loc"], detail["type"], detail["msg"]) for detail in error.errors()
        ]
        raise InputError(f"{where}: {'; '.join(complaints)}") from None


def _complaint(place: tuple[int | str, ...], kind: str, message: str) -> str:
    """The error at one key of the configuration, in words."""
    path = ".".join(map(str, place)) or "all of it"
    if kind != "extra_forbidden":
        return f"{path}: {message.removeprefix('Value error, ')}"
    # The section with the unknown key, to list the keys it has.
    section: type[BaseModel] = LtmConfig
    for name in place[:-1]:
        section = type(section.model_fields[str(name)].default)
    return f"unknown key {path}; known are {', '.join(section.model_fields)}"


_FIRST_EMBEDDED = 16  # then twice as many each time: mostly the first are near enough
_LEAST_PASSAGE = 200  # characters; below that the turn's beginning, as sentences are longer


def near_turns(
    store: Store, question: str, turns: Sequence[Turn], *, places: int, distance: float
) -> Iterator[Turn]:
    """The first `places` of the turns whose cosine distance to the question is below `distance`."""
    embed = load_embedder(store.vectors.embedder)
    # In batches: embedding stops when there are enough near turns.
    begin, size = 0, _FIRST_EMBEDDED
    while begin < len(turns) and places:
        batch = turns[begin : begin + size]
        begin, size = begin + size, 2 * size
        vectors = embed([question, *(turn.text for turn in batch)])
        is_near = 1 - vectors[1:] @ vectors[0] < distance
        near = [turn for turn, is_it in zip(batch, is_near, strict=True) if is_it][:places]
        yield from near
        places -= len(near)


def templated(
    turns: Sequence[Turn],
    question: str,
    budget: int | None,
    *,
    config: LtmConfig,
    names: Mapping[str, str],
    now: datetime | None,
    marks: Mapping[int, str],
) -> tuple[list[str], str]:
    """As many of the best turns as fit a budget, as memories, and their text.

    Of a message longer than the configuration allows, keeps the sentences that the question asks
    for. If not even the best turn fits, cuts its message until it does.
    """

    cutoff = config.ltm_reads.memory_length_cutoff_in_chars

    def memory(turn: Turn, characters: int) -> str:
        values = {
            "time_difference": time_difference(turn.said_at, now),
            "memory_name": speaker_name(turn.speaker),
            "memory_message": marked(
                one_line(_message(turn, question, cutoff))[:characters], marks.get(turn.id, "")
            ),
        }
        return fill(config.ltm_context.memory_template, values)

    def text(memories: Sequence[str]) -> str:
        values = {**names, "all_memories": "\n".join(memories)}
        return fill(config.ltm_context.memory_context_template, values).strip()

    memories = [memory(turn, cutoff) for turn in turns]
    count = _highest_within(len(turns), budget, lambda n: text(memories[:n]))
    if turns and not count:
        best = turns[0]
        longest = min(cutoff, len(best.text))
        length = _highest_within(longest, budget, lambda n: text([memory(best, n)]))
        memories = [memory(best, length)]
        count = min(length, 1)
    memories = memories[:count]
    return memories, text(memories) if memories else ""


def _message(turn: Turn, question: str, limit: int) -> str:
    """At most `limit` characters of a turn: its best passage where the limit has room for one."""
    if limit < _LEAST_PASSAGE:
        return turn.text[:limit]
    return excerpt(question, turn.text, limit, size=len)


def _highest_within(highest: int, budget: int | None, text: Callable[[int], str]) -> int:
    """The highest number up to `highest` whose text fits a budget; 0 if none does."""
    if budget is None or not highest or count_tokens(text(highest)) <= budget:
        return highest  # mostly all of them fit
    above = bisect_right(range(1, highest + 1), budget, key=lambda n: count_tokens(text(n)))
    # A longer text may have a token less than a shorter one, so this checks the bisection.
    return next((n for n in range(above, 0, -1) if count_tokens(text(n)) <= budget), 0)
