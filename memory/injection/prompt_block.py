"""The part of a memory that goes into a prompt: the turns near a message, in templates."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from memory.embed import load_embedder
from memory.errors import InputError
from memory.injection.ago import time_difference
from memory.injection.config import LtmConfig, LtmReads, fill, load_config
from memory.passages import excerpt
from memory.prompt import LEAST_BUDGET
from memory.records import Hit, Turn
from memory.store import Store
from memory.tokens import count_tokens

START = "<START>"
_LEAST_CANDIDATES = 128  # turns to measure, also for a request of fewer
_EMBEDDED_AT_ONCE = 64
_LEAST_PASSAGE = 200  # characters; below that the turn's beginning, as sentences are longer


@dataclass(frozen=True)
class Injected:
    """Memories for a prompt.

    `text` is the text to inject, `tokens` long; it is empty when the memory holds nothing for the
    message. `memories` are its parts, best first, from the turns `turn_ids`. `prompt` is the
    character's context with the text in it.
    """

    text: str
    memories: tuple[str, ...]
    prompt: str
    turn_ids: tuple[int, ...]
    tokens: int


def inject(
    store: Store,
    messages: str | Sequence[Mapping[str, Any]],
    config: LtmConfig | Mapping[str, Any] | str | Path | None = None,
    speaker: str = "",
    character: str = "",
    character_context: str = "",
    now: datetime | None = None,
    budget: int | None = None,
    session: str = "",
    since: int | None = None,
    reload: bool = False,
    weights: Mapping[str, float] | None = None,
) -> Injected:
    """Find what a memory holds for a message and put it into a character's context.

    Leaves out what the prompt already has: turns of the running session, and turns with the same
    text as one of the messages. Calls no language model.

    Args:
        messages: the message, or a conversation in OpenAI's form; then its last message by the
            user counts.
        config: an LtmConfig, the path of an ltm_config.json, or its parsed content.
        speaker, character: who speaks to whom, {name1} and {name2} in templates. By default the
            `name` in the messages, then the settings "user" and "character", then "User" and
            "Assistant".
        character_context: the text that describes the character, with <START> in it where the
            configuration needs it.
        now: the moment of the prompt in the reader's time zone; by default this machine's.
        budget: the most tokens that `text` may have.
        session, since: the running session, by its name or by the id of its first turn.
        reload: also fetch turns of the running session.
        weights: the weights of the ranking, as for `Store.search`.

    Raises InputError for an empty message, for a context that lacks the <START> the configuration
    needs, and for a budget below LEAST_BUDGET; ModelError when the memory's embedder fails.
    """
    if not isinstance(config, LtmConfig):
        config = load_config(config) if config is not None else LtmConfig()
    if budget is not None and budget < LEAST_BUDGET:
        raise InputError(f"a budget of {budget} tokens is too small; give at least {LEAST_BUDGET}")
    conversation = _parsed(messages)
    user_texts = [message.text for message in conversation if message.role == "user"]
    if not user_texts or not (question := user_texts[-1]):
        raise InputError("there is nothing to remember: the user's last message is empty")
    texts_in_prompt = {message.text for message in conversation}

    def can_be_shown(turn: Turn) -> bool:
        running = (session and turn.session == session) or (since is not None and turn.id >= since)
        long_enough = len(turn.text) >= config.ltm_writes.min_message_length
        repeated = turn.text.strip() in texts_in_prompt
        return long_enough and not repeated and (reload or not running)

    names = _names(store, conversation, speaker=speaker, character=character)
    search = partial(store.search, weights=weights)
    turns = list(
        _nearest_turns(
            store, question, search=search, can_be_shown=can_be_shown, reads=config.ltm_reads
        )
    )
    memories, text = _within_budget(turns, question, budget, config=config, names=names, now=now)
    turn_ids = tuple(turn.id for turn in turns[: len(memories)])
    store.count_shown(turn_ids)
    return Injected(
        text=text,
        memories=tuple(memories),
        prompt=_with_memories(character_context, text, config.ltm_context.injection_location),
        turn_ids=turn_ids,
        tokens=count_tokens(text),
    )


class _Message(NamedTuple):
    role: str
    text: str
    name: str


def _parsed(messages: str | Sequence[Mapping[str, Any]]) -> list[_Message]:
    """The messages of a single text, or of OpenAI's form, whose content may come in parts."""
    if isinstance(messages, str):
        return [_Message("user", messages.strip(), "")]
    conversation = []
    for message in messages:
        content = message.get("content") or ""
        if not isinstance(content, str):
            content = "\n".join(part["text"] for part in content if part.get("type") == "text")
        name = message.get("name") or ""
        conversation.append(_Message(str(message.get("role")), content.strip(), name))
    return conversation


def _names(
    store: Store, conversation: Sequence[_Message], *, speaker: str, character: str
) -> dict[str, str]:
    """The values of {name1} and {name2} in templates: the user and the character."""
    by_role = {message.role: message.name for message in conversation if message.name}
    user = speaker or by_role.get("user") or _setting(store, "user") or "User"
    character = character or by_role.get("assistant") or _setting(store, "character") or "Assistant"
    return {"name1": user, "name2": character}


def _setting(store: Store, name: str) -> str:
    """The current value of a setting; empty when there is none."""
    values = store.settings(name)
    return str(values[-1].value or "") if values else ""


def _nearest_turns(
    store: Store,
    question: str,
    *,
    search: Callable[[str, int], Sequence[Hit]],
    can_be_shown: Callable[[Turn], bool],
    reads: LtmReads,
) -> Iterator[Turn]:
    """The best turns that may be shown and are near enough to the question, each text once."""
    places = reads.num_memories_to_fetch
    turns = []
    if places:
        turns = _candidates(
            store,
            question,
            search=search,
            can_be_shown=can_be_shown,
            number=max(places, _LEAST_CANDIDATES),
        )
    embed = load_embedder(store.embedder)
    # In batches: embedding stops when there are enough near turns.
    for begin in range(0, len(turns), _EMBEDDED_AT_ONCE):
        batch = turns[begin : begin + _EMBEDDED_AT_ONCE]
        vectors = embed([question, *(turn.text for turn in batch)])
        is_near = 1 - vectors[1:] @ vectors[0] < reads.max_cosine_distance
        near_turns = [turn for turn, near in zip(batch, is_near, strict=True) if near][:places]
        yield from near_turns
        places -= len(near_turns)
        if not places:
            return


def _candidates(
    store: Store,
    question: str,
    *,
    search: Callable[[str, int], Sequence[Hit]],
    can_be_shown: Callable[[Turn], bool],
    number: int,
) -> list[Turn]:
    """The best `number` turns that may be shown, each text once; fewer if there are no more."""
    k = 2 * number
    while True:
        hits = search(question, k)
        turns = store.turns_by_id([hit.turn_id for hit in hits], missing_ok=True)
        candidates: dict[tuple[str, str], Turn] = {}
        for turn in filter(can_be_shown, turns):
            candidates.setdefault((turn.speaker, turn.text), turn)
        if len(candidates) >= number or len(hits) < k:
            return list(candidates.values())[:number]
        k *= 4


def _within_budget(
    turns: Sequence[Turn],
    question: str,
    budget: int | None,
    *,
    config: LtmConfig,
    names: Mapping[str, str],
    now: datetime | None,
) -> tuple[list[str], str]:
    """As many of the best turns as fit a budget, as memories, and their text.

    Of a message longer than the configuration allows, keeps the sentences that the question asks
    for. If not even the best turn fits, cuts its message until it does.
    """

    cutoff = config.ltm_reads.memory_length_cutoff_in_chars

    def memory(turn: Turn, characters: int) -> str:
        values = {
            "time_difference": time_difference(turn.said_at, now),
            "memory_name": turn.speaker,
            "memory_message": _message(turn, question, cutoff)[:characters],
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


def _message(turn: Turn, question: str, most: int) -> str:
    """At most `most` characters of a turn: its best passage where the limit leaves room for one."""
    if most < _LEAST_PASSAGE:
        return turn.text[:most]
    return excerpt(question, turn.text, most, size=len)


def _highest_within(highest: int, budget: int | None, text: Callable[[int], str]) -> int:
    """The highest number up to `highest` whose text fits a budget; 0 if none does."""
    if budget is None:
        return highest
    above = bisect_right(range(1, highest + 1), budget, key=lambda n: count_tokens(text(n)))
    # A longer text may have a token less than a shorter one, so this checks the bisection.
    return next((n for n in range(above, 0, -1) if count_tokens(text(n)) <= budget), 0)


def _with_memories(context: str, text: str, location: str) -> str:
    """A character's context with the memories' text in it; unchanged without a text."""
    if location == "BEFORE_NORMAL_CONTEXT":
        return "\n".join(filter(None, [text, context.strip()])) if text else context
    if START not in context:
        raise InputError(
            f"{location} needs the token {START} in the character's context, after the description"
            " and before the example conversation; or use BEFORE_NORMAL_CONTEXT"
        )
    before, start, after = context.partition(START)
    return f"{before}{text}\n{start}{after}" if text else context
