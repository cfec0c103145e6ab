"""The blocks of memory that an agent gets: at a session's start, and with a prompt.

Only the person's own words in a message are shown as instructions to follow. Everything else is
quoted. A tool use shows only what the agent did, never what a file, a page or a command's output
said.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

from memory.evidence.block import Options, evidence
from memory.evidence.gate import MOST_TURNS, touched
from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.upcoming import upcoming
from memory.evidence.wishes import applying, wishes_of, working_profile
from memory.exchange.tool_texts import FAILED, OPEN_ITEM, PLAN_TAG
from memory.facts.restated import newest_first
from memory.records import Fact, Hit, Turn
from memory.store import Store
from memory.store.facts.fact_reads import newest_with_reasons
from memory.store.facts.standing_facts import names_of_askers
from memory.store.turns.pins import pins_of
from memory.store.turns.turn_reads import last_session
from memory.store.turns.turn_validation import session_label
from memory.text.characters import label, one_line
from memory.text.dates import short_day
from memory.text.fence import fence_tokens, fenced
from memory.text.tokens import first_lines, line_tokens, trim
from memory.text.tool_uses import BECAUSE, DECIDED, FAILED_OUTCOME, FILE_TAG, OUTCOME_TAG, is_agents
from memory.text.turn_lines import speaker_name
from memory.text.words import forms_of, is_among, telling_words

_PERSON = "Who you work with:"
_INSTRUCTIONS = "What you were asked to do always, in these words:"
_DUE = "Due today and in the next days:"
_OPEN = "Left open:"
_DECISIONS = "Decided:"
_STORY = "The last session, {session}, {day}:"
_EARLIER = "From earlier sessions of this project:"
_MOST_INSTRUCTIONS, _MOST_DECISIONS, _MOST_OPEN = 12, 10, 8
_LINE_TOKENS, _REPLY_TOKENS, _HIT_TOKENS = 45, 120, 80
_MOST_PROMPTS = 8  # of the last session: the first ones and the last ones
_MOST_FILES = 15
_RECENT_TURNS = 4_000  # among which the last session lies
_MOST_OF_SESSION = 400  # turns
# Of the tokens; the story gets the rest.
_SHARE = {"instructions": 0.4, "person": 0.08, "due": 0.1, "open": 0.2, "decisions": 0.25}
_MOST_HITS = 6
_LONGEST_PROMPT = 4_000  # characters that are searched for


# --- at a session's start -------------------------------------------------------------------------


def start_block(
    project: Store | None, person: Store | None, *, session: str, speaker: str, tokens: int
) -> str:
    """Standing instructions, the person, what is due and open, decisions, the last session."""
    lines = list(_instruction_lines(_stores(project, person, speaker)))
    wishes = _section(_INSTRUCTIONS, lines, int(tokens * _SHARE["instructions"]))
    known = _person_lines(_stores(project, person, speaker))
    quotations = [
        _section(_PERSON, known, int(tokens * _SHARE["person"])),
        _section(_DUE, _due_lines(project, person), int(tokens * _SHARE["due"])),
    ]
    if project:
        turns = last_session(
            project, without=session_label(session), among=_RECENT_TURNS, limit=_MOST_OF_SESSION
        )
        kept_out = pins_of(project).kept_out
        turns = [turn for turn in turns if turn.id not in kept_out]
        quotations += [
            _section(_OPEN, _open_lines(turns, speaker), int(tokens * _SHARE["open"])),
            _section(
                _DECISIONS, _decision_lines(project, speaker), int(tokens * _SHARE["decisions"])
            ),
        ]
        used = (
            sum(line_tokens(section) for section in (wishes, *quotations) if section)
            + fence_tokens()
        )
        if turns:
            session = label(turns[-1].session)
            story = _STORY.format(session=session, day=short_day(turns[-1].said_at))
            quotations.append(_section(story, _story_lines(turns, speaker), tokens - used))
    return _joined(wishes, fenced(_joined(*quotations)))


def _joined(*sections: str) -> str:
    return "\n\n".join(filter(None, sections))


def _section(head: str, lines: Iterable[str], tokens: int) -> str:
    shown = first_lines(lines, tokens - 2 * line_tokens(head))
    return f"{head}\n{shown}" if shown else ""


def _stores(
    project: Store | None, person: Store | None, speaker: str
) -> Iterator[tuple[Store, tuple[str, ...]]]:
    """The memories, each with the names under which the person speaks in it.

    Their own memory knows them as its owner, too, whatever name the hooks were given.
    """
    if project:
        yield project, (speaker,)
    if person:
        yield person, ("", speaker)


def _instruction_lines(stores: Iterable[tuple[Store, tuple[str, ...]]]) -> Iterator[str]:
    texts: set[str] = set()
    for store, askers in stores:
        facts = wishes_of(store, *askers)
        turns = _turns_of(store, facts[:_MOST_INSTRUCTIONS])
        for fact in facts[:_MOST_INSTRUCTIONS]:
            text = one_line(fact.value)
            if text.casefold() in texts:
                continue
            texts.add(text.casefold())
            if fact.attribute == "prefers":
                text = f"prefers {text}"
            yield trim(f"- {text}{_origin(turns.get(fact.turn_id))}", _LINE_TOKENS)


def _person_lines(stores: Iterable[tuple[Store, tuple[str, ...]]]) -> Iterator[str]:
    """What the person said of their name, work and languages, in each memory once."""
    texts: dict[str, None] = {}
    for store, askers in stores:
        texts |= {f"- {line.partition('] ')[2]}": None for line in working_profile(store, *askers)}
    yield from texts


def _due_lines(*stores: Store | None) -> Iterator[str]:
    """What is due, in each memory once."""
    due: dict[str, str] = {}
    for store in filter(None, stores):
        kept_out = pins_of(store).kept_out
        due |= {item.line: item.day for item in upcoming(store) if item.turn.id not in kept_out}
    yield from (f"- {line}" for line in sorted(due, key=due.__getitem__))


def _turns_of(store: Store, facts: Sequence[Fact]) -> dict[int, Turn]:
    turns = store.turns_by_id([fact.turn_id for fact in facts], missing_ok=True)
    return {turn.id: turn for turn in turns}


def _origin(turn: Turn | None) -> str:
    """` (said 1 Nov 2026)`; "" without a date."""
    return f" (said {short_day(turn.said_at)})" if turn and turn.said_at else ""


def _open_lines(turns: Sequence[Turn], speaker: str) -> Iterator[str]:
    """What the last list of tasks leaves open, what failed last, and a prompt without a reply."""
    lists = [turn for turn in turns if is_agents(turn) and PLAN_TAG in turn.tags]
    if lists:
        items = OPEN_ITEM.findall(lists[-1].text)
        yield from (trim(f"- {one_line(item)}", _LINE_TOKENS) for item in items[:_MOST_OPEN])
    outcomes: dict[str, bool] = {}
    for turn in turns:
        if is_agents(turn):
            head = one_line(turn.text.partition("\n")[0])
            outcomes.pop(head, None)
            outcomes[head] = _has_failed(turn)
    failing = [head for head, failed in outcomes.items() if failed]
    yield from (trim(f"- still failed: {head}", _LINE_TOKENS) for head in failing[-2:])
    messages = [turn for turn in turns if turn.kind == "message"]
    if messages and messages[-1].speaker == speaker:
        yield trim(f"- no reply to: {one_line(messages[-1].text)}", _LINE_TOKENS)


def _decision_lines(store: Store, speaker: str) -> Iterator[str]:
    """The person's newest decisions, each with its reason, both from their own turns."""
    names = names_of_askers(store, speaker)
    decisions = newest_with_reasons(store, DECIDED, BECAUSE, names, _MOST_DECISIONS)
    kept_out = pins_of(store).kept_out
    decisions = [decision for decision in decisions if decision[1] not in kept_out]
    turn_ids = list(dict.fromkeys(turn_id for _, turn_id, _ in decisions))
    by_id = {turn.id: turn for turn in store.turns_by_id(turn_ids, missing_ok=True)}
    for value, turn_id, reason in decisions:
        text = f"{value} (because {reason})" if reason else value
        yield trim(f"- {one_line(text)}{_origin(by_id.get(turn_id))}", _LINE_TOKENS)


def _story_lines(turns: Sequence[Turn], speaker: str) -> Iterator[str]:
    prompts = [turn for turn in turns if turn.kind == "message" and turn.speaker == speaker]
    half = _MOST_PROMPTS // 2
    chosen = prompts if len(prompts) <= _MOST_PROMPTS else [*prompts[:half], *prompts[-half:]]
    for turn in chosen:
        yield trim(f"- {speaker_name(speaker)}: {one_line(turn.text)}", _LINE_TOKENS)
    files = list(dict.fromkeys(label(file) for turn in turns for file in files_of(turn)))
    if files:
        more = f" and {len(files) - _MOST_FILES} more" if len(files) > _MOST_FILES else ""
        yield trim(f"- changed: {', '.join(files[-_MOST_FILES:])}{more}", 2 * _LINE_TOKENS)
    replies = [turn for turn in turns if turn.kind == "message" and turn.speaker != speaker]
    if replies:
        name, text = speaker_name(replies[-1].speaker), one_line(replies[-1].text)
        yield trim(f"- {name}: {text}", _REPLY_TOKENS)


def files_of(turn: Turn) -> list[str]:
    """The files that a tool use changed."""
    files = turn.tags.get(FILE_TAG, ())
    return [files] if isinstance(files, str) else list(files)


# --- with a prompt --------------------------------------------------------------------------------


def prompt_block(
    project: Store | None,
    person: Store | None,
    prompt: str,
    *,
    session: str,
    speaker: str,
    tokens: int,
) -> str:
    """What fits a prompt: the person's instructions for this case, and turns of other sessions.

    "" if nothing fits.
    """
    prompt_forms = forms_of(telling_words(prompt))
    cased: dict[str, None] = {}
    for store, askers in _stores(project, person, speaker):
        standing = applying(store, prompt, *askers)
        for fact, line in zip(standing.facts, standing.lines, strict=True):
            # The session's start shows all of them.
            if any(is_among(word, prompt_forms) for word in telling_words(fact.value)):
                cased[f"- {line.partition('] ')[2]}"] = None
    wishes = _section(_INSTRUCTIONS, cased, tokens // 3)
    earlier = ""
    if project:
        kept_out = pins_of(project).kept_out
        room = tokens - (line_tokens(wishes) if wishes else 0) - fence_tokens()
        block = evidence(
            UserQuestion(prompt[:_LONGEST_PROMPT]),
            MemoryReader(project, without=kept_out),
            _fitting(project, prompt, session, kept_out),
            budget=max(room, LEAST_BUDGET),
            options=Options(
                lists=False, wishes=False, best_first=True, longest=_HIT_TOKENS, wording=_as_done
            ),
        )
        earlier = _section(_EARLIER, block.turns, room)
    return _joined(wishes, fenced(earlier))


def _fitting(store: Store, prompt: str, session: str, without: Collection[int]) -> list[Hit]:
    """The best turns of other sessions that are about the same as a prompt."""
    hits = store.search(prompt[:_LONGEST_PROMPT], MOST_TURNS)
    hits = [hit for hit in hits if hit.turn_id not in without]
    turns = [*map(_as_done, store.turns_by_id([hit.turn_id for hit in hits], missing_ok=True))]
    candidates = {
        (turn.speaker, turn.text): turn
        for turn in reversed(turns)
        if turn.session != session_label(session) and turn.kind != "document"
    }
    touching = touched(prompt, list(reversed(candidates.values())), store.count_turns())
    by_id = {hit.turn_id: hit for hit in hits}
    return [by_id[turn.id] for turn in newest_first(touching, prompt)[:_MOST_HITS]]


def _as_done(turn: Turn) -> Turn:
    """A message unchanged, or what the agent did with a tool: never what the tool returned."""
    if turn.kind != "tool":
        return turn
    outcome = f" {FAILED}" if _has_failed(turn) else ""
    return replace(turn, text=f"{turn.text.partition(chr(10))[0]}{outcome}")


def _has_failed(turn: Turn) -> bool:
    return turn.tags.get(OUTCOME_TAG) == FAILED_OUTCOME
