"""The part of a memory that goes into a prompt: a block of evidence for a message."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from memory.errors import InputError
from memory.evidence.block import FACT_TOKENS, current_facts, recollect
from memory.evidence.gate import Opening, opening
from memory.evidence.layout import Evidence, lay_out
from memory.evidence.lines import LEAST_BUDGET, STORY_HEAD, Story, refuse_budget, story_line
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.room import (
    MOST_TURNS,
    PORTRAIT_SHARE,
    PORTRAIT_TOKENS,
    TURN_TOKENS,
    around,
    lines_about_others,
    room_of,
    without_name,
)
from memory.facts.latest_word import LatestWord, latest_words
from memory.records import Contradiction, Fact, Hit, Turn, plain
from memory.store import Store
from memory.store.configuration.settings import settings_of
from memory.store.files.united import first_store
from memory.store.turns.pins import NO_PINS, pins_of
from memory.store.turns.summaries import newest_summaries
from memory.store.turns.tags import days_of_turn, meets
from memory.store.turns.turn_validation import session_label
from memory.text.characters import one_line
from memory.text.dates import asked_days
from memory.text.fence import fence_tokens, fenced, parts_of_block, without_block
from memory.text.message_parts import field_of
from memory.text.tokens import count_tokens, line_tokens

if TYPE_CHECKING:
    from memory.evidence.ltm import LtmConfig

START = "<START>"
BUDGET = 2_000  # tokens of a block for which nothing else is asked
_USER = "User"  # the speaker by default
_SETTINGS = {"user": "user", "assistant": "character"}  # with the name of who speaks in a role
_TEMPLATE_CANDIDATES = 128  # at least, of whose distance templates make a choice
_TURN_TOKENS = 15  # about the least that a turn takes
_MOST_CANDIDATES = 400
_PORTRAIT_LINE = 60  # tokens of a turn in the portrait
_MOST_LATEST = 12  # facts of an overview whose latest word is looked for
_STORY_TOKENS = 250  # of what happened in the last session: about five lines
_NEWEST_SUMMARIES = 60  # that are looked at
_JOINT_TOKENS = 2  # two texts may have one more together
_MESSAGES = 'messages are a text, or a list of {"role": "user", "content": "..."}'
# Other libraries' names of a text, which an error answers.
_TEXTS = ("content", "page_content", "context", "memory", "message", "response")


@dataclass(frozen=True, eq=False, repr=False)
class Injected(str):
    """Memories for a prompt: a text, and what it is made of.

    `text` is the text itself, `tokens` long; it is empty when the memory holds nothing for the
    message and knows nothing of the user that always matters. First come the `standing`
    instructions and preferences of the user, to be followed where they are meant; then, in a fence,
    what is quoted: the user's `profile`, the `contradictions` that the
    message may be about, what happened in the last session, where a digest has told it and the
    budget has room, current facts, and turns. `memories` are the lines of turns,
    `turn_ids` the turns of all lines, and `fact_ids` the facts of the standing lines, the profile,
    the contradictions and the current facts. `prompt` is the character's context with the text in
    it. In a block from several memories, `also` has the turns of each further one by its name.
    """

    text: str
    memories: tuple[str, ...]
    prompt: str
    turn_ids: tuple[int, ...]
    tokens: int
    standing: tuple[Fact, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    profile: tuple[Fact, ...] = ()
    fact_ids: tuple[int, ...] = ()
    also: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __new__(cls, text: str, *args: Any, **fields: Any) -> Self:
        return super().__new__(cls, text)

    if not TYPE_CHECKING:  # its types are a text's

        def __getitem__(self, index):
            return vars(self)[index] if isinstance(index, str) else super().__getitem__(index)

        def __getattr__(self, name):
            fields = ", ".join(vars(self))
            advice = "write context.text" if name in _TEXTS else f"it has {fields}"
            raise AttributeError(f"a context has no {name!r}; {advice}", name=name, obj=self)

    def to_dict(self) -> dict[str, Any]:
        """The text and its parts, as JSON has them."""
        return {name: plain(value) for name, value in vars(self).items()}

    model_dump = to_dict


def inject(
    store: Store,
    messages: str | Sequence[Mapping[str, Any]],
    config: "LtmConfig | Mapping[str, Any] | str | Path | None" = None,
    speaker: str = "",
    character: str = "",
    character_context: str = "",
    now: datetime | None = None,
    budget: int | None = None,
    session: str = "",
    since: int | None = None,
    reload: bool = False,
    weights: Mapping[str, float] | None = None,
    gate: bool = True,
    profile: bool = True,
) -> Injected:
    """Find what a memory holds for a message and put it into a character's context.

    Leaves out what the prompt already has: turns of the running session, and turns with the same
    text as one of the messages. Calls no language model.

    Args:
        messages: the message, or a conversation in OpenAI's form; then its last message by the
            user counts.
        config: an LtmConfig, the path of an ltm_config.json, or its parsed content. With one the
            memories are in its templates, chosen by its distance, in no fence.
        speaker, character: the speaker and the listener, {name1} and {name2} in templates. By
            default the `name` in the messages, then the settings "user" and "character", then
            "User" and "Assistant".
        character_context: the text that describes the character, with <START> in it where the
            configuration needs it.
        now: the moment of the prompt in the reader's time zone; by default this machine's.
        budget: the most tokens that `text` may have, filled with turns as far as the memory has
            some for the message. By default BUDGET and at most ten turns, with a configuration any.
        session, since: the running session, by its name or by the id of its first turn.
        reload: also fetch turns of the running session.
        weights: the weights of the ranking, as for `Store.search`.
        gate: whether a message that asks nothing of the memory gets no turns, and any other
            message, without a budget, only turns about as near as the best one.
        profile: whether the user's lasting facts come first, whatever the message is about.

    An empty message gets what is known of the user. Raises InputError without a message of theirs,
    for a context that lacks the <START> the configuration needs, and for a budget below
    LEAST_BUDGET; ModelError like `Store.search`.
    """
    loaded = None
    if config is not None:
        # With pydantic, which takes half of what a process without a configuration loads.
        from memory.evidence.ltm import LtmConfig, load_config

        loaded = config if isinstance(config, LtmConfig) else load_config(config)
    if budget is not None:
        refuse_budget(budget)
    conversation = _parsed(messages)
    user_texts = [message.text for message in conversation if message.role == "user"]
    if not user_texts:
        raise InputError("there is nothing to remember: no message is the user's")
    character = _name(store, conversation, "assistant", character)
    text = without_name(user_texts[-1], character)
    user = _name(store, conversation, "user", speaker) or _USER
    # Several memories have no pins.
    pins = pins_of(store) if first_store(store) is store else NO_PINS
    reader = MemoryReader(store, weights, without=pins.kept_out)
    question = UserQuestion(
        text,
        asker=reader.asker(user),
        today=now.date().isoformat() if now else "",
        known_as=(user,) if user != _USER else (),
    )
    session = session_label(session)
    texts_in_prompt = {message.text for message in conversation}
    least_length = loaded.ltm_writes.min_message_length if loaded else 0

    def can_be_shown(turn: Turn) -> bool:
        running = (session and turn.session == session) or (since is not None and turn.id >= since)
        repeated = turn.text.strip() in texts_in_prompt
        is_out = turn.id in pins.kept_out or repeated or (running and not reload)
        return len(turn.text) >= least_length and not is_out

    def story() -> Story:
        return _last_session(store, session=session, since=since, without=pins.kept_out)

    if loaded is None:
        block = _block(
            question,
            reader,
            story,
            budget=budget,
            gate=gate,
            profile=profile,
            can_be_shown=can_be_shown,
            pinned=pins.pinned,
        )
        text, memories, location = block.fenced, block.turns, "BEFORE_NORMAL_CONTEXT"
    else:
        places = max(loaded.ltm_reads.num_memories_to_fetch, _TEMPLATE_CANDIDATES)
        turns = _ranked(reader, question, places, can_be_shown)
        names = {"name1": user, "name2": character or "Assistant"}
        block, text, memories = _in_templates(
            question, reader, turns, story, store=store, budget=budget, config=loaded,
            names=names, now=now, profile=profile,
        )  # fmt: skip
        location = loaded.ltm_context.injection_location
    return Injected(
        text=text,
        memories=memories,
        prompt=_with_memories(character_context, text, location),
        turn_ids=block.turn_ids,
        tokens=count_tokens(text),
        standing=block.standing.facts,
        contradictions=block.standing.pairs,
        profile=block.standing.profile,
        fact_ids=block.fact_ids,
    )


def _block(
    question: UserQuestion,
    reader: MemoryReader,
    story: Callable[[], Story],
    *,
    budget: int | None,
    gate: bool,
    profile: bool,
    can_be_shown: Callable[[Turn], bool],
    pinned: Sequence[int],
) -> Evidence:
    """What a message gets: what always stands, the turns of its room, the portrait, the story."""
    limit = budget or BUDGET
    standing = reader.standing(question.text, *question.askers)
    standing = (standing if profile else standing.without_profile).within(limit)
    room = limit - standing.tokens - fence_tokens()
    about = around(question, reader, room if budget else TURN_TOKENS)
    about_others = []
    if profile:
        about_others = lines_about_others(reader.store, question, about.people, reader.without)
    room -= sum(map(line_tokens, about_others))
    for_portrait = PORTRAIT_TOKENS
    if budget:
        for_portrait = min(for_portrait, int(room * PORTRAIT_SHARE))
    for_turns = room - for_portrait if budget else min(TURN_TOKENS, room)
    most = min(budget // _TURN_TOKENS, _MOST_CANDIDATES) if budget else MOST_TURNS
    ranked = _ranked(reader, question, most, can_be_shown)
    overview = reader.overview(question)
    width: Opening = "open"
    if gate and overview is None and not about.attribute:
        width = opening(
            about.people.text,
            ranked,
            names=len(about.people.named) + len(about_others),
            memory_turns=about.turns,
        )
        if width == "closed" and _speak_of_asked_days(ranked, question, reader):
            width = "narrow"
    room_turns = room_of(
        question,
        reader,
        about,
        ranked,
        opening=width,
        most=most,
        can_be_shown=can_be_shown,
        told=standing.turn_ids,
    )
    has_turns = bool(room_turns.turns)
    first = [*filter(can_be_shown, reader.turns_by_id(pinned, missing_ok=True))]
    pinned_ids = {turn.id for turn in first}
    unpinned = [turn for turn in room_turns.turns if turn.id not in pinned_ids]
    room_turns = replace(room_turns, turns=[*first, *unpinned])
    recalled = reader.recalled(
        [*room_turns.turns, *room_turns.portrait], question.ranked_text, question.today
    )
    above = {fact.id for fact in (*standing.facts, *standing.profile)}
    facts = [fact for fact in overview or recalled.in_force if fact.id not in above]
    later: Mapping[int, LatestWord] = {}
    if overview:
        later = latest_words(reader.store, facts[:_MOST_LATEST], question.today, reader.without)
    fact_tokens = for_turns // 2 if overview else FACT_TOKENS
    lines = current_facts(facts, fact_tokens, later) if width == "open" else ()
    laid = partial(lay_out, question=question.ranked_text, marks=recalled.marks)

    def laid_out(tokens: int, of_portrait: int) -> Evidence:
        block = laid(lines, room_turns.turns, tokens)
        lasting = [turn for turn in room_turns.portrait if turn.id not in block.turn_ids]
        portrait = Evidence()
        if of_portrait >= _PORTRAIT_LINE // 2:
            # As brought, not as ranked: of these no turn is so good that half a line will do.
            portrait = laid([], [], of_portrait, brought=lasting, longest=_PORTRAIT_LINE)
        return replace(
            block,
            standing=standing,
            people=tuple(about_others),
            portrait=portrait.turns,
            turn_ids=tuple(sorted({*block.turn_ids, *portrait.turn_ids, *standing.turn_ids})),
        )

    block = laid_out(for_turns, for_portrait)
    # Lines may have a token more together than separately.
    while (excess := count_tokens(block.fenced) - limit) > 0 and for_turns > 0:
        for_portrait -= excess if block.portrait else 0
        for_turns -= 0 if block.portrait else excess
        block = laid_out(for_turns, for_portrait)
    with_story = replace(block, story=story()) if has_turns else block
    return with_story if count_tokens(with_story.fenced) <= limit else block


def _speak_of_asked_days(
    turns: Sequence[Turn], question: UserQuestion, reader: MemoryReader
) -> bool:
    """Whether a turn answers "Anything planned for today?", said for that day before."""
    days = asked_days(question.ranked_text, question.today or reader.store.today)
    return bool(days) and any(meets(day, days) for turn in turns for day in days_of_turn(turn))


def _in_templates(
    question: UserQuestion,
    reader: MemoryReader,
    turns: Sequence[Turn],
    story: Callable[[], Story],
    *,
    store: Store,
    budget: int | None,
    config: "LtmConfig",
    names: Mapping[str, str],
    now: datetime | None,
    profile: bool,
) -> tuple[Evidence, str, tuple[str, ...]]:
    """The nearest turns in the templates of a configuration: the text, and each as a memory."""
    from memory.evidence.ltm import near_turns, templated  # with pydantic

    reads = config.ltm_reads
    near = [
        *near_turns(
            store,
            question.text,
            turns,
            places=reads.num_memories_to_fetch,
            distance=reads.max_cosine_distance,
        )
    ]
    recollected = recollect(question, reader, [Hit(turn.id, 0.0) for turn in near])
    standing = recollected.standing if profile else recollected.standing.without_profile
    room = None
    if budget is not None:
        standing = standing.within(budget)
        room = budget - standing.tokens
    memories, text = templated(
        near, question.text, room, config=config, names=names, now=now, marks=recollected.marks
    )
    left = None if room is None else room - count_tokens(text)
    text = "\n".join(filter(None, [standing.text, _that_fits(story().text, left), text]))
    turn_ids = tuple(turn.id for turn in near[: len(memories)])
    return Evidence(standing, turn_ids=turn_ids), text, tuple(memories)


def _that_fits(text: str, tokens: int | None) -> str:
    """The text, or "" if it does not fit next to another one."""
    fits = tokens is None or count_tokens(text) + _JOINT_TOKENS <= tokens
    return text if fits else ""


def _last_session(
    store: Store, *, session: str, since: int | None, without: Collection[int]
) -> Story:
    """What happened in the newest session before the running one, as a digest told it.

    Without the parts that tell of turns in `without`.
    """
    newest = newest_summaries(store, _NEWEST_SUMMARIES, before=since)
    firsts = sorted({summary.turn_id for summary in newest})
    turns = {turn.id: turn for turn in store.turns_by_id(firsts, missing_ok=True)}
    sessions = [turn.session for turn in turns.values() if not session or turn.session != session]
    told = [
        summary
        for summary in newest
        if summary.turn_id in turns
        and turns[summary.turn_id].session in sessions[-1:]
        and not any(summary.turn_id <= turn_id <= summary.last_turn_id for turn_id in without)
    ]
    # The end of a long session says where things stand.
    lines: list[str] = []
    tokens_left = _STORY_TOKENS - line_tokens(STORY_HEAD)
    for summary in reversed(told):
        line = story_line(summary, turns[summary.turn_id].said_at)
        tokens_left -= line_tokens(line)
        if tokens_left < 0:
            break
        lines.insert(0, line)
    return Story(tuple(lines))


class _Message(NamedTuple):
    role: str
    text: str
    name: str


def _parsed(messages: str | Sequence[Mapping[str, Any]]) -> list[_Message]:
    """The messages of a single text, or of OpenAI's form, whose content may come in parts."""
    if isinstance(messages, str):
        return [_Message("user", without_block(messages).strip(), "")]
    if not isinstance(messages, Iterable) or isinstance(messages, bytes):
        raise InputError(_MESSAGES)
    return [*map(_parsed_message, [messages] if isinstance(messages, Mapping) else messages)]


def _parsed_message(message: Any) -> _Message:
    if isinstance(message, Turn):
        return _Message("user", message.text.strip(), message.speaker)
    if isinstance(message, str):
        return _Message("user", without_block(message).strip(), "")
    role, content = field_of(message, "role"), field_of(message, "content") or ""
    if not role or not isinstance(content, (str, list, tuple)):
        raise InputError(_MESSAGES)
    if not isinstance(content, str):
        texts = (field_of(part, "text") for part in content if field_of(part, "type") == "text")
        content = "\n".join(filter(None, texts))
    return _Message(str(role), without_block(content).strip(), field_of(message, "name") or "")


def _name(store: Store, conversation: Sequence[_Message], role: str, given: str) -> str:
    """Who speaks in a role: as given, by the messages, or by the setting; "" if unknown."""
    by_role = {message.role: message.name for message in conversation if message.name}
    return given or by_role.get(role) or _setting(store, _SETTINGS[role])


def _setting(store: Store, name: str) -> str:
    """The current value of a setting; empty when there is none."""
    values = settings_of(store, name)
    return str(values[-1].value or "") if values else ""


def _ranked(
    reader: MemoryReader, question: UserQuestion, number: int, can_be_shown: Callable[[Turn], bool]
) -> list[Turn]:
    """The best `number` turns that may be shown, each text once; fewer if there are no more."""
    k = 3 * number  # a second search costs more than the turns of a longer one
    while True:
        hits = reader.search(question.ranked_text, k)
        turns: dict[tuple[str, str], Turn] = {}
        for turn in reader.turns_by_id([hit.turn_id for hit in hits], missing_ok=True):
            if can_be_shown(turn):
                turns.setdefault((turn.speaker, turn.text), turn)
        if len(turns) >= number or len(hits) < k:
            return [*turns.values()][:number]
        k *= 4


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


def inject_together(
    stores: Mapping[str, Store],
    messages: str | Sequence[Mapping[str, Any]],
    *,
    budget: int | None = None,
    since: int | None = None,
    **options: Any,
) -> Injected:
    """What several memories hold for a message, as one block in one fence.

    Each memory is asked by itself, as `inject` asks one: what is in one ranks nothing in another.
    The lines of a memory after the first follow its name.

    Args:
        stores: the memories by name; the first has no heading.
        budget: the most tokens of the text. The next memory gets what one leaves.
        since: a turn of the first memory.
        options: the other arguments of `inject`; `speaker` is the asker, by the name that this
            person has in all of them.

    `turn_ids` and the records of the result are the first memory's; `also` has the turns of the
    others by the memories' names. Raises InputError as `inject` does, with a configuration, and for
    a budget that is too small for all.
    """
    if len(stores) == 1:
        [store] = stores.values()
        return inject(store, messages, budget=budget, since=since, **options)
    if options.get("config") is not None or options.get("character_context"):
        raise InputError("config= and character_context= are for the context of one memory")
    heads = {name: _head(name) for name in [*stores][1:]}
    room = None if budget is None else budget - sum(map(line_tokens, heads.values()))
    if room is not None and room < LEAST_BUDGET * len(stores):
        raise InputError(
            f"a context of {len(stores)} memories in {budget} tokens: give at least"
            f" {LEAST_BUDGET * len(stores) + (budget or 0) - room}"
        )
    blocks: dict[str, Injected] = {}
    for number, (name, store) in enumerate(stores.items()):
        block = inject(
            store,
            messages,
            budget=None if room is None else room // (len(stores) - number),
            since=None if number else since,
            **options,
        )
        room = None if room is None else room - block.tokens
        blocks[name] = block
    parts = {name: parts_of_block(block.text) for name, block in blocks.items()}
    quoted = [
        "\n".join(filter(None, [heads.get(name, ""), lines]))
        for name, (_, lines) in parts.items()
        if lines
    ]
    wishes = [*chain.from_iterable(wishes for wishes, _ in parts.values())]
    text = "\n".join([*dict.fromkeys(wishes), *filter(None, [fenced("\n".join(quoted))])])
    first, *further = blocks
    return replace(
        blocks[first],
        text=text,
        prompt=text,
        memories=tuple(chain.from_iterable(block.memories for block in blocks.values())),
        tokens=count_tokens(text),
        also={name: blocks[name].turn_ids for name in further},
    )


def _head(name: str) -> str:
    return f"From the memory {one_line(name)!r}:"
