"""The part of a memory that goes into a prompt: the turns near a message, in templates."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from memory.contradictions import shown_before
from memory.embed import load_embedder
from memory.errors import InputError
from memory.injection.ago import time_difference
from memory.injection.config import LtmConfig, LtmReads, fill, load_config
from memory.passages import excerpt
from memory.prompt import LEAST_BUDGET
from memory.records import Contradiction, Fact, Hit, Turn
from memory.store import Store
from memory.story import STORY_HEAD, story_line
from memory.tokens import count_tokens, line_tokens

START = "<START>"
_USER = "User"  # who speaks where nothing says so
_LEAST_CANDIDATES = 128  # turns to measure, also for a request of fewer
_FIRST_EMBEDDED = 16  # then twice as many each time: mostly the first are near enough
_STORY_TOKENS = 250  # of what happened in the last session: about five lines
_NEWEST_SUMMARIES = 60  # that are looked at
_JOINT_TOKENS = 2  # two texts may have one more together
_LEAST_PASSAGE = 200  # characters; below that the turn's beginning, as sentences are longer


@dataclass(frozen=True)
class Injected:
    """Memories for a prompt.

    `text` is the text to inject, `tokens` long; it is empty when the memory holds nothing for the
    message. `memories` are its parts, best first, from the turns `turn_ids`; before them it has the
    `standing` instructions and preferences of the user that may apply, the `contradictions` that
    the message may be about, and what happened in the last session, where a digest has told it and
    the budget has room left. `prompt` is the character's context with the text in it.
    """

    text: str
    memories: tuple[str, ...]
    prompt: str
    turn_ids: tuple[int, ...]
    tokens: int
    standing: tuple[Fact, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()


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
    counts: bool = True,
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
        counts: whether the turns count as shown now; who has no time to write gives their ids to
            `Store.count_shown` later.

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
    asker = names["name1"] if names["name1"] != _USER else ""
    standing = shown_before(store, question, asker)
    if budget is not None:
        standing = standing.within(budget)
        budget -= standing.tokens
    search = partial(store.search, weights=weights)
    turns = list(
        _nearest_turns(
            store, question, search=search, can_be_shown=can_be_shown, reads=config.ltm_reads
        )
    )
    memories, text = _within_budget(turns, question, budget, config=config, names=names, now=now)
    story = _last_session(store, session=session, since=since)
    tokens_left = None if budget is None else budget - count_tokens(text) - _JOINT_TOKENS
    story = "" if tokens_left is not None and count_tokens(story) > tokens_left else story
    text = "\n".join(filter(None, [standing.text, story, text]))
    turn_ids = tuple(turn.id for turn in turns[: len(memories)])
    if counts:
        store.count_shown(turn_ids)
    return Injected(
        text=text,
        memories=tuple(memories),
        prompt=_with_memories(character_context, text, config.ltm_context.injection_location),
        turn_ids=turn_ids,
        tokens=count_tokens(text),
        standing=standing.facts,
        contradictions=standing.pairs,
    )


def _last_session(store: Store, *, session: str, since: int | None) -> str:
    """What happened in the newest session before the running one, as a digest told it."""
    stored = [
        summary for summary in store.summaries() if summary.text and summary.kind == "session"
    ]
    if since is not None:
        stored = [summary for summary in stored if summary.last_turn_id < since]
    firsts = sorted({summary.turn_id for summary in stored[-_NEWEST_SUMMARIES:]})
    turns = {turn.id: turn for turn in store.turns_by_id(firsts, missing_ok=True)}
    sessions = [turn.session for turn in turns.values() if not session or turn.session != session]
    lines = [
        story_line(summary, turns[summary.turn_id].said_at)
        for summary in stored[-_NEWEST_SUMMARIES:]
        if summary.turn_id in turns and turns[summary.turn_id].session in sessions[-1:]
    ]
    # The end of a long session says where things stand.
    newest_lines: list[str] = []
    tokens_left = _STORY_TOKENS - line_tokens(STORY_HEAD)
    for line in reversed(lines):
        tokens_left -= line_tokens(line)
        if tokens_left < 0:
            break
        newest_lines.insert(0, line)
    return "\n".join([STORY_HEAD, *newest_lines]) if newest_lines else ""


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
    user = speaker or by_role.get("user") or _setting(store, "user") or _USER
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
    begin, size = 0, _FIRST_EMBEDDED
    while begin < len(turns):
        batch = turns[begin : begin + size]
        begin, size = begin + size, 2 * size
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
    if budget is None or not highest or count_tokens(text(highest)) <= budget:
        return highest  # mostly all of them fit
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
