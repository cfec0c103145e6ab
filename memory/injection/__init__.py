"""What of a memory goes into a prompt: the turns near a message, in templates of one's own."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from memory.embed import load_embedder
from memory.errors import InputError
from memory.injection.ago import time_difference
from memory.injection.config import LtmConfig, LtmReads, fill, load_config
from memory.model import Turn
from memory.prompt import LEAST_BUDGET
from memory.store import Store
from memory.tokens import count_tokens

__all__ = ["Injected", "LtmConfig", "inject", "load_config", "time_difference"]

START = "<START>"
# Turns whose distance is looked at when fewer are wanted, and how many are embedded at a time.
_LOOKED_AT = 128
_BATCH = 64


@dataclass(frozen=True)
class Injected:
    """Memories for a prompt.

    `text` is what is injected, `tokens` long, empty when nothing comes to mind; `memories` are
    its parts, best first, from the turns `turn_ids`; `prompt` is the character's context with the
    text in its place.
    """

    text: str
    memories: tuple[str, ...]
    prompt: str
    turn_ids: tuple[int, ...]
    tokens: int


def inject(
    store: Store,
    messages: str | Sequence[Mapping[str, Any]],
    config: LtmConfig | None = None,
    name1: str = "",
    name2: str = "",
    context: str = "",
    now: datetime | None = None,
    budget: int | None = None,
    session: str = "",
    since: int | None = None,
    reload: bool = False,
) -> Injected:
    """Find what a memory holds for a message and put it into a character's context.

    Turns of the running session, and those that say just what one of the messages says, are in
    the prompt already and left out. No language model is asked.

    Args:
        messages: the message, or a conversation in OpenAI's form, whose last message by the user
            is meant.
        name1, name2: the user and the character; else the `name` in the messages, the settings
            "user" and "character", or "User" and "Assistant".
        context: the character's context, with <START> in it where the configuration asks for it.
        now: the moment of the prompt; its zone is the local one. This machine's without one.
        budget: the most tokens that `text` may have.
        session, since: the running session: by its name, or by the id of its first turn.
        reload: fetch turns of the running session too.

    Raises InputError for an empty message, a context without <START> where it is asked for, and a
    budget below LEAST_BUDGET; ModelError when the memory's embedder cannot be used.
    """
    config = config or LtmConfig()
    if budget is not None and budget < LEAST_BUDGET:
        raise InputError(f"a budget of {budget} tokens is too small; give at least {LEAST_BUDGET}")
    talk = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    said = [*map(_said, talk)]
    message = next((text for role, text, _ in reversed(said) if role == "user"), "")
    if not message:
        raise InputError("there is nothing to remember: the user's last message is empty")
    shown = {text for _, text, _ in said}

    def counts(turn: Turn) -> bool:
        running = (session and turn.session == session) or (since is not None and turn.id >= since)
        long = len(turn.text) >= config.ltm_writes.min_message_length
        return long and turn.text.strip() not in shown and (reload or not running)

    named = {role: name for role, _, name in said if name}
    user = name1 or named.get("user") or _setting(store, "user") or "User"
    character = name2 or named.get("assistant") or _setting(store, "character") or "Assistant"
    names = {"name1": user, "name2": character}
    turns = [*_near(store, message, counts, config.ltm_reads)]
    memories, text = _within(budget, turns, config, names, now)
    prompt = _put(text, context, config.ltm_context.injection_location)
    turn_ids = tuple(turn.id for turn, _ in memories)
    store.count_shown(turn_ids)
    parts = tuple(part for _, part in memories)
    return Injected(text, parts, prompt, turn_ids, count_tokens(text))


def _said(message: Mapping[str, Any]) -> tuple[str, str, str]:
    """Role, text and name of a message, whose content may come in parts."""
    content = message.get("content") or ""
    if not isinstance(content, str):
        content = "\n".join(part["text"] for part in content if part.get("type") == "text")
    return str(message.get("role")), content.strip(), message.get("name") or ""


def _setting(store: Store, name: str) -> str:
    """The value of a setting in force; empty when there is none."""
    values = store.settings(name)
    return str(values[-1].value or "") if values else ""


def _near(
    store: Store, message: str, counts: Callable[[Turn], bool], reads: LtmReads
) -> Iterator[Turn]:
    """The best turns that count and are near enough to the message, each text once."""
    wanted = reads.num_memories_to_fetch
    turns = _candidates(store, message, counts, max(wanted, _LOOKED_AT)) if wanted else []
    embed = load_embedder(store.embedder)
    for begin in range(0, len(turns), _BATCH):
        some = turns[begin : begin + _BATCH]
        rows = embed([message, *(turn.text for turn in some)])
        near = 1 - rows[1:] @ rows[0] < reads.max_cosine_distance
        for turn in [turn for turn, is_near in zip(some, near, strict=True) if is_near][:wanted]:
            yield turn
            wanted -= 1
        if not wanted:
            return


def _candidates(
    store: Store, message: str, counts: Callable[[Turn], bool], wanted: int
) -> list[Turn]:
    """The best turns that count, as many as are wanted or there are, each text once."""
    k = 2 * wanted
    while True:
        hits = store.search(message, k)
        turns = (turn for hit in hits for turn in store.turns(hit.turn_id, hit.turn_id))
        found: dict[tuple[str, str], Turn] = {}
        for turn in filter(counts, turns):
            found.setdefault((turn.speaker, turn.text), turn)
        if len(found) >= wanted or len(hits) < k:
            return [*islice(found.values(), wanted)]
        k *= 4


def _within(
    budget: int | None,
    turns: Sequence[Turn],
    config: LtmConfig,
    names: Mapping[str, str],
    now: datetime | None,
) -> tuple[list[tuple[Turn, str]], str]:
    """As many of the best memories as fit a budget, and the text they make.

    When not even the best one fits, as much of what it says as does.
    """

    def memory(turn: Turn, characters: int) -> str:
        values = {
            "time_difference": time_difference(turn.said_at, now),
            "memory_name": turn.speaker,
            "memory_message": turn.text[:characters],
        }
        return fill(config.ltm_context.memory_template, values)

    def text(memories: Sequence[str]) -> str:
        values = {**names, "all_memories": "\n".join(memories)}
        return fill(config.ltm_context.memory_context_template, values).strip()

    most = config.ltm_reads.memory_length_cutoff_in_chars
    memories = [memory(turn, most) for turn in turns]
    count = _most(len(turns), budget, lambda n: text(memories[:n]))
    if turns and not count:
        length = _most(min(most, len(turns[0].text)), budget, lambda n: text([memory(turns[0], n)]))
        memories, count = [memory(turns[0], length)], min(length, 1)
    kept = [*zip(turns[:count], memories[:count], strict=True)]
    return kept, text(memories[:count]) if count else ""


def _most(highest: int, budget: int | None, text: Callable[[int], str]) -> int:
    """The highest number whose text fits a budget; 0 when none does."""
    if budget is None:
        return highest
    above = bisect_right(range(1, highest + 1), budget, key=lambda n: count_tokens(text(n)))
    # A longer text may have a token less than a shorter one.
    return next((n for n in range(above, 0, -1) if count_tokens(text(n)) <= budget), 0)


def _put(text: str, context: str, location: str) -> str:
    """The memories' text in its place; without one the context as it is."""
    if location == "BEFORE_NORMAL_CONTEXT":
        return "\n".join(filter(None, [text, context.strip()])) if text else context
    if START not in context:
        raise InputError(
            f"{location} needs the token {START} in the character's context, after the description"
            " and before the example conversation; or use BEFORE_NORMAL_CONTEXT"
        )
    before, start, after = context.partition(START)
    return f"{before}{text}\n{start}{after}" if text else context
