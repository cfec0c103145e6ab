"""Tools for agents: plain functions on one memory, which every framework can wrap.

They are methods of `Tools`, which LangGraph, the OpenAI Agents SDK, DSPy, MCP and the JSON API
share. Errors that the agent can fix are InputError and SqlError, whose messages name the tools to
call; StoreError and ModelError need a person.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Any

from memory.errors import InputError
from memory.evidence.block import Options, evidence
from memory.evidence.lines import cell_text, turn_lines
from memory.exchange.documents import tool_use
from memory.facts import edit, facts_named
from memory.facts.additions import add_each_once, add_turns
from memory.facts.contradictions import settle
from memory.facts.latest_word import MOST_LISTED, latest_words, with_latest
from memory.operations import OPERATIONS, OpenMemory, Operation, Right
from memory.operations.consequences import refuse_undo
from memory.operations.remembered import date_of, spoken_turn, store_fact, stored_lines
from memory.operations.tool_arguments import (
    RESULT_TOKENS,
    NewFacts,
    NewTurns,
    TurnIds,
    checked,
    without_nulls,
)
from memory.recall.recalled import owners_hits
from memory.records import Change, Rows
from memory.refine.tools import RefiningTools
from memory.refine.workbench import StoreWorkbench
from memory.store import Store, open_store
from memory.store.changes.points_in_time import time_of_question
from memory.store.configuration.declared_settings import Settings, refuse_of_person
from memory.store.configuration.settings import asker_of
from memory.store.files.united import cited_turns, first_store, open_united, past_or_present
from memory.store.forgetting.preview import Preview, forget, matching_turns
from memory.store.turns.turn_reads import last_turn
from memory.store.turns.turn_validation import local_now
from memory.store.waiting.pending_windows import count_turns_not_taken
from memory.system.terminal import count
from memory.text.characters import escaped, one_line, unnumbered
from memory.text.message_parts import INVISIBLE
from memory.text.tokens import first_lines, trim
from memory.text.turn_filter import read_filter
from memory.text.turn_lines import turn_line
from memory.vocabulary.fact_lines import spoken_line

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.digest.windows import Digest

# Group -> its tools, with the right that each requires.
GROUPS: Mapping[str, Mapping[str, Right]] = {
    "core": {
        "recall": "read",
        "ask_memory": "read",
        "list_facts": "read",
        "query_memory": "read",
        "remember": "write",
        "correct_fact": "write",
        "undo_change": "write",
        "forget": "forget",
    },
    "tool_uses": {"record_tool_use": "write"},
    "settings": {"get_settings": "read", "set_setting": "write"},
    "digest": {"digest": "write"},
    "forget": {"forget": "forget"},  # in "core" by now; configurations name it still
    "refine": {
        "search_memory": "read",
        "sample_memory": "read",
        "manage_memory": "write",
        "delete_memory": "write",
        "merge_memory": "write",
        "split_memory": "write",
    },
}
# Operations as tools, for programs: they take and return what the JSON API does. Jobs, and lines of
# a whole memory, are for the API and for commands.
OPERATION_TOOLS = {
    name: operation
    for name, operation in OPERATIONS.items()
    if not any(name in tools for tools in GROUPS.values())
    and not (operation.is_job or operation.returns_lines or operation.takes_lines)
}
# These read all of several memories. The lines of the first four name the memory, with a number for
# each turn and fact that is one's own in the first memory and that no tool changes in another.
UNITED_TOOLS = frozenset(
    {
        *("recall", "ask_memory", "list_facts", "query_memory"),
        *(name for name, operation in OPERATION_TOOLS.items() if operation.reads_several),
    }
)
# These call a model or read everything.
SLOW_TOOLS = frozenset(
    {
        *("ask_memory", "digest"),
        *(name for name, operation in OPERATION_TOOLS.items() if operation.is_slow),
    }
)
_FACTS_TOKENS = 120  # of the facts before the turns that were searched
_ROW_TOKENS = 400
_LAST_LINE_TOKENS = 40  # for the line with the number of rows, and how to get more
_MOST_TURNS = 50
_MOST_CALLS = 50  # model calls in one step of a digest
_TURNS_IN_PREVIEW = 10


def memory_tools(
    memory: "Memory",
    session: str = "",
    groups: Sequence[str] = ("tool_uses", "settings"),
    refining: bool = False,
) -> list[Callable[..., str]]:
    """The tools of a memory for an agent, as functions with types and docstrings.

    Each takes text and numbers and returns text of at most RESULT_TOKENS tokens. Errors that a
    model can fix are InputError and SqlError, whose messages say what to do; StoreError and
    ModelError need a person. Call the tools from any thread: each call opens the store again, also
    after `memory` is closed.

    Arguments:
        memory: the memory, with its model, program and budget. Of `Memory.over` the
            tools in `UNITED_TOOLS` read all memories, and the others work on the first.
        session: the session of the turns that they store.
        groups: the groups of GROUPS to add to "core". Raises InputError for an unknown group.
        refining: whether to add the six tools that refine facts, the group "refine".
    """
    if refining:
        groups = [*groups, "refine"]
    opens = {name: _opener(store) for name, store in memory.stores.items()}

    def memory_of(opened: Store) -> "Memory":
        from memory.api import Memory

        return Memory(
            opened,
            memory.model if memory.has_model else None,
            program=memory.program if memory.has_model else None,
            budget=memory.budget,
        )

    tools = Tools(
        lambda: _opened(opens),
        memory_of,
        weights=memory.weights,
        session=session,
    )
    return [getattr(tools, name) for name in tool_rights(groups)]


def _opener(store: Store) -> Callable[[bool], Store]:
    """Opens a store again, for reading only if it already is or if asked to."""
    address, is_read_only = store.address, store.read_only
    # A memory without turns has not recorded its embedder yet: pass it to each store.
    embedder = None if last_turn(store) else store.vectors.embedder
    return lambda read_only: open_store(address, read_only or is_read_only, embedder)


def _opened(opens: Mapping[str, Callable[[bool], Store]]) -> Store:
    """One store, or several as one."""
    if len(opens) > 1:
        return open_united(opens)
    [open_again] = opens.values()
    return open_again(False)


def tool_rights(groups: Iterable[str]) -> dict[str, Right]:
    """The tools of "core" and of these groups, with the right that each requires.

    Raises InputError for an unknown group.
    """
    rights = dict(GROUPS["core"])
    operations = {name: operation.right for name, operation in OPERATION_TOOLS.items()}
    known: Mapping[str, Mapping[str, Right]] = {**GROUPS, "operations": operations}
    for group in groups:
        if group not in known:
            raise InputError(f"unknown group of tools {group!r}; choose from {', '.join(known)}")
        rights |= known[group]
    return rights


class Tools:
    """The tools of one memory.

    Arguments:
        open_store: opens the store for one call, as a context manager.
        memory_of: the Memory on a store, for the tools that call a model.
        weights: of the ranking's features, as the memory's program has them.
        session: the session of the turns that they store.
        progress: called with each step of a slow tool; an exception from it ends the tool.
        may_forget: see `OpenMemory`.
    """

    def __init__(
        self,
        open_store: Callable[[], AbstractContextManager[Store]],
        memory_of: Callable[[Store], "Memory"],
        *,
        weights: Mapping[str, float] | None,
        session: str = "",
        progress: Callable[[str], None] = lambda step: None,
        may_forget: bool = True,
    ) -> None:
        self._may_forget = may_forget
        self._store = open_store
        self._memory_of = memory_of
        self._weights = weights
        self._session = session
        self._progress = progress
        # Shared with `RefineMemory`, which uses them on a draft of the facts.
        for tool in RefiningTools(StoreWorkbench(self._written, weights)).functions():
            setattr(self, tool.__name__, checked(tool))

    def __getattr__(self, name: str) -> Callable[..., str]:
        if name not in OPERATION_TOOLS:
            raise AttributeError(name)
        return self._tool_of(OPERATION_TOOLS[name])

    def _tool_of(self, operation: Operation) -> Callable[..., str]:
        """An operation as a tool; its result is the JSON of its answer."""

        def call(**arguments: Any) -> str:
            with self._store() as store:
                by = f"tool {operation.name}"
                memory = OpenMemory(store, by, self._memory_of, self._weights, self._may_forget)
                answer = operation.call(memory, without_nulls(arguments))
            return trim(escaped(json.dumps(answer, ensure_ascii=False)), RESULT_TOKENS)

        lines = [f"    {name}: {text}" for name, text in operation.descriptions.items()]
        call.__name__ = operation.name
        call.__doc__ = "\n".join([f"{operation.summary}.", "", "Args:", *lines])
        parameters = [
            parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in operation.parameters
        ]
        call.__signature__ = Signature(parameters, return_annotation=str)  # type: ignore[attr-defined]
        return call

    @contextmanager
    def _written(self) -> Iterator[Store]:
        """The store that changes go to: the first of several."""
        with self._store() as store:
            yield first_store(store)

    @checked
    def recall(self, query: str, limit: int = 5, as_of: str = "", filter: str = "") -> str:
        """Search what was said: facts in force, then turns, best first. Follow the asker's wishes.

        Args:
            query: words that may have been used.
            limit: how many turns at most.
            as_of: the memory as of a day, month or year (ISO).
            filter: {"speaker": "Anna", "tags": {"project": "move"}}; also session, kind, source,
                since, until.
        """
        turn_filter = read_filter(filter or None)
        with (
            self._store() as store,
            owners_hits(
                store,
                self._weights,
                query,
                min(max(limit, 1), _MOST_TURNS),
                as_of=as_of,
                turn_filter=turn_filter,
            ) as result,
        ):
            block = evidence(
                result.question,
                result.reader,
                result.hits,
                budget=RESULT_TOKENS,
                options=Options(lists=False, fact_tokens=_FACTS_TOKENS, best_first=True),
            )
        nothing = "No turn passes the filter." if turn_filter else "This memory is empty."
        lines = (block.standing.text, *block.facts, *(block.turns or [nothing]))
        return "\n".join(line for line in lines if line)

    @checked
    def ask_memory(self, question: str, as_of: str = "") -> str:
        """Ask the memory a question; returns the answer and its sources, or the nearest turns.

        Takes seconds; recall does not.

        Args:
            question: a whole question.
            as_of: the memory as of a day, month or year (ISO).
        """
        now = time_of_question(as_of)
        with self._store() as store, past_or_present(store, as_of) as past:
            asker = asker_of(first_store(store))
            memory = self._memory_of(past)
            answer = memory.ask(question, speaker=asker, now=now, progress=self._progress)
            turns = cited_turns(past, answer, numbered=True)
            cited = turn_lines(turns, RESULT_TOKENS // 2, spans=True, question=question)
        from memory.program.quotations import answer_lines  # with DSPy

        text = "\n".join(answer_lines(answer))
        most = RESULT_TOKENS // 2 if answer.quotations else RESULT_TOKENS // 4
        return f"{trim(text, most)}\n{cited}".strip()

    @checked
    def list_facts(
        self, subject: str = "", attribute: str = "", as_of: str = "", cursor: int = 0
    ) -> str:
        """List facts in force, each with its id and source turn.

        Args:
            subject: only those about this person or thing.
            attribute: only these, such as lives_in.
            as_of: what held on a day, in a month or year (ISO), whenever it was told.
            cursor: the number that the previous page ended with.
        """
        with self._store() as store:
            facts = facts_named(store, subject, attribute, as_of)
            following = [fact for fact in facts if fact.id > cursor]
            latest = latest_words(store, following[:MOST_LISTED], as_of)
        lines = {fact.id: with_latest(spoken_line(fact), latest.get(fact.id)) for fact in following}
        page = first_lines(
            (trim(line, _ROW_TOKENS) for line in lines.values()),
            RESULT_TOKENS - _LAST_LINE_TOKENS,
        )
        listed = len(page.splitlines())
        if listed == len(lines):
            return f"{page}\n({count(len(facts), 'fact')} in all)".strip()
        last = list(lines)[listed - 1]
        return f"{page}\n({listed} of {count(len(facts), 'fact')}; the next ones: cursor={last})"

    @checked
    def query_memory(self, select: str) -> str:
        """Run one SELECT, to list and count.

        Tables: turns(id, kind, session, speaker, text, said_at, source); facts(id, subject,
        attribute, value, happened_on, ended_on, turn_id); facts_now, current ones;
        search('words', 9): (turn_id, score); days_between(a, b), number(value). No date is NULL.

        Args:
            select: SELECT COUNT(*) FROM facts WHERE attribute = 'ran' AND happened_on LIKE '2011%'
        """
        with self._store() as store:
            return _table(store.read(select, weights=self._weights))

    @checked
    def remember(
        self,
        turns: NewTurns = (),
        facts: NewFacts = (),
        said_at: str = "",
    ) -> str:
        """Store what was said, word for word, and the facts in it.

        Args:
            turns: speaker is the user by default; the same source is stored once; expires
                (a date, 7d) only if asked.
            facts: attribute as in lives_in; turn: which of the turns says it (1 is the first), or
                turn_id of an earlier one; on: since when, or the day it happened (ISO).
            said_at: when (ISO); default: now.
        """
        if not turns and not facts:
            raise InputError("give turns: what was said")
        day = date_of(said_at) if said_at else local_now()
        with self._written() as store:
            spoken = [
                spoken_turn(store, turn, session=self._session, said_at=day) for turn in turns
            ]
            stored = add_each_once(store, spoken)
            lines = list(stored_lines(stored))
            refused = [
                f"turn {n}: {INVISIBLE}" for n, (added, *_) in enumerate(stored, 1) if not added
            ]
            for fact in facts:
                try:
                    lines.append(store_fact(store, fact, stored, self._may_forget))
                except InputError as error:
                    refused.append(str(error))
        if refused and not lines:
            raise InputError("; ".join(refused))
        lines += [f"Not stored: {reason}" for reason in refused]
        return "\n".join(lines)

    @checked
    def correct_fact(
        self,
        fact_id: int,
        kind: str = "changed",
        value: str = "",
        on: str = "",
        seen: int = 0,
        right: int = 0,
    ) -> str:
        """Edit a fact, or settle a contradiction.

        Args:
            fact_id: its id.
            kind: "changed": value is true now; "was wrong": it never was true, value is (none:
                delete it); "is over": nothing took its place.
            value: the new value.
            on: since when, or when it ended (ISO); default: today.
            seen: another's change, to put yours over it.
            right: the fact contradicting it, if right.
        """
        seen_change = seen or None
        by = "tool correct_fact"
        with self._written() as store:
            if right:
                if value or on:
                    raise InputError("with right, give no value and no date")
                change = settle(store, fact_id, right, right=right, by=by, seen=seen_change)
            else:
                change = edit(store, fact_id, kind, value=value, on=on, by=by, seen=seen_change)
        return _done(change)

    @checked
    def undo_change(self, change_id: int) -> str:
        """Undo a change of facts.

        Args:
            change_id: its number.
        """
        with self._written() as store:
            if not self._may_forget:
                refuse_undo(store, change_id)
            change = store.undo(change_id)
        return f"Undone. {_done(change)}"

    @checked
    def record_tool_use(self, name: str, arguments: str, result: str, worked: bool) -> str:
        """Record that a tool was used, and whether it worked.

        Args:
            name: the tool that was used.
            arguments: its arguments, as JSON.
            result: its result, in short.
            worked: whether it did what you wanted.
        """
        use = tool_use(
            name,
            _object(arguments),
            result=result,
            worked=worked,
            session=self._session,
            said_at=local_now(),
        )
        with self._written() as store:
            [turn_id] = add_turns(store, [use])
        return f"Recorded as turn {turn_id}."

    @checked
    def get_settings(self) -> str:
        """List the settings with their allowed and current values."""
        with self._written() as store:
            return Settings(store).describe()

    @checked
    def set_setting(self, name: str, value: str) -> str:
        """Change a setting. The history keeps earlier values.

        Args:
            name: a name that get_settings lists.
            value: the new value; JSON if it is not text.
        """
        refuse_of_person(name)
        with self._written() as store:
            return f"Set {name} to {Settings(store).set_text(name, value).value!r}."

    @checked
    def digest(self, calls: int = 10) -> str:
        """Extract facts from new turns, some at a time.

        Args:
            calls: how many model calls to make at most; call again to continue.
        """

        def progress(sums: "Digest") -> None:
            self._progress(f"{count(sums.stored, 'window')} stored, {count(sums.facts, 'fact')}")

        with self._written() as store:
            memory = self._memory_of(store)
            if not memory.stores_facts:
                sums = memory.digest()
                return f"{count(sums.read, 'turn')} read; {count(sums.facts, 'fact')} changed."
            max_calls = min(max(calls, 1), _MOST_CALLS)
            sums = memory.digest(max_calls=max_calls, progress=progress)
            pending = sum(
                window.last_turn - window.first_turn + 1
                for window in store.pending()
                if not window.stored
            )
            waits = count_turns_not_taken(store) + pending
        failed = f", {sums.failed} failed" if sums.failed else ""
        refused = "".join(f"\nNot stored of {part}" for part in sums.refused)
        refused += "".join(
            f"\nHeld of {part}; a person applies it with `memory digest --apply"
            f" {part.partition(':')[0].removeprefix('turns ')}`, or drops it with --skip"
            for part in sums.undecided
        )
        return (
            f"{count(sums.stored, 'window')} stored{failed}; {sums.changed_text};"
            f" {count(waits, 'turn')} left to digest.{refused}"
        )

    @checked
    def forget(self, turn_ids: TurnIds, confirmation: str = "") -> str:
        """Remove turns and their facts for good; without a confirmation, preview that.

        Args:
            turn_ids: the numbers in brackets of the turns.
            confirmation: the word from the preview, once the user agrees.
        """
        if not turn_ids:
            raise InputError("give turn_ids; recall shows them in brackets")
        with self._written() as store:
            turns = matching_turns(store, ids=turn_ids)
            gone, receipts = forget(store, turns, lambda gone: gone.confirmation == confirmation)
        if not receipts:
            return _preview_lines(gone)
        return "\n".join(
            f"Forgotten: {count(len(receipt.turns), 'turn')}, {count(len(receipt.facts), 'fact')}."
            f" Receipt: sha256 {receipt.sha256}, salt {receipt.salt}."
            + (" Removed; the bytes go when the server vacuums." if receipt.vacuum else "")
            for receipt in receipts
        )


def _preview_lines(gone: Preview) -> str:
    turns, facts = count(len(gone.going), "turn"), count(len(gone.facts), "fact")
    lines = [*map(turn_line, gone.going[:_TURNS_IN_PREVIEW]), *map(spoken_line, gone.facts)]
    preview = first_lines((trim(line, _ROW_TOKENS // 4) for line in lines), RESULT_TOKENS // 2)
    reopened = count(len(gone.reopened), "fact")
    copies = f" Copies of this memory keep them: {len(gone.copies)}." if gone.copies else ""
    again = ", ".join(str(turn.id) for turn in gone.repeats[:_TURNS_IN_PREVIEW])
    repeats = f" The same words stay in turns {again}." if again else ""
    named = gone.mentions
    mentions = (
        f" Other turns and facts still name the speakers: {named.turns} and {named.facts}."
        if named.turns or named.facts
        else ""
    )
    return (
        f"{turns} and {facts} would be removed for good:\n{preview}\n"
        f"{reopened} would be reopened, as these turns ended them.{copies}{repeats}{mentions}\n"
        f"Ask the user. If they agree, call forget again with confirmation={gone.confirmation!r}."
    )


def _done(change: Change) -> str:
    note = f" {change.note.capitalize()}." if change.note else ""
    return f"Done as change {change.id}; undo_change({change.id}) undoes it.{note}"


def _object(arguments: str) -> dict[str, Any]:
    """A JSON object; other text becomes the argument `input`."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = arguments
    return value if isinstance(value, dict) else {"input": value}


def _table(rows: Rows) -> str:
    """Rows as lines below their column names, as many as fit, and their number."""
    lines = [
        trim(unnumbered(" | ".join(one_line(cell_text(cell)) for cell in row)), _ROW_TOKENS)
        for row in rows.rows
    ]
    table = first_lines([" | ".join(rows.columns), *lines], RESULT_TOKENS - _LAST_LINE_TOKENS)
    count = max(len(table.splitlines()) - 1, 0)
    if count == len(lines) and not rows.truncated:
        return f"{table}\n({count} row{'' if count == 1 else 's'})"
    total = f"more than {len(lines)}" if rows.truncated else len(lines)
    return f"{table}\n({count} of {total} rows; count in SQL, or select fewer)"
