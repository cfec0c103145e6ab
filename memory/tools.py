"""Tools for agents: plain functions on one memory, which every framework can wrap.

They are methods of `Tools`, which LangGraph, the OpenAI Agents SDK, DSPy, MCP and the JSON API
share. Errors that the agent can fix are InputError and SqlError, whose messages name the tools to
call; StoreError and ModelError need a person.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from pydantic import ValidationError, validate_call

from memory.documents import tool_use
from memory.errors import InputError
from memory.facts import fact_line, find, named, note, supersede
from memory.forget import Preview, forget, matching_turns
from memory.program.messages import NO_FACTS
from memory.prompt import turn_line, turn_lines
from memory.records import Change, Fact, Rows, Turn
from memory.refine.tools import RefiningTools
from memory.refine.workbench import StoreWorkbench
from memory.searcher import Searcher
from memory.settings import Settings
from memory.store import Store, open_store
from memory.store.points_in_time import time_of_question
from memory.store.turn_validation import local_now
from memory.store.undigested import turns_not_taken
from memory.terminal import count
from memory.tokens import first_lines, trim

if TYPE_CHECKING:
    from memory.api import Memory
    from memory.digest import Digest

Right = Literal["read", "write", "forget"]
# Group -> its tools, with the right that each requires.
GROUPS: Mapping[str, Mapping[str, Right]] = {
    "core": {
        "recall": "read",
        "ask_memory": "read",
        "list_facts": "read",
        "query_memory": "read",
        "remember": "write",
        "note_fact": "write",
        "correct_fact": "write",
        "undo_change": "write",
    },
    "tool_uses": {"record_tool_use": "write"},
    "settings": {"get_settings": "read", "set_setting": "write"},
    "digest": {"digest": "write"},
    "forget": {"forget": "forget"},
    "refine": {
        "search_memory": "read",
        "sample_memory": "read",
        "manage_memory": "write",
        "delete_memory": "write",
        "merge_memory": "write",
        "split_memory": "write",
    },
}
RESULT_TOKENS = 2_000  # of a tool's result
_ROW_TOKENS = 400
_LAST_LINE_TOKENS = 40  # for the line with the number of rows, and how to get more
_MOST_TURNS = 50
_MOST_CALLS = 50  # model calls in one step of a digest
_TURNS_IN_PREVIEW = 10
P = ParamSpec("P")


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
        memory: the memory, with its model, program, budget and reranker.
        session: the session of the turns that they store.
        groups: the groups of GROUPS to add to "core". Raises InputError for an unknown group.
        refining: whether to add the six tools that refine facts, the group "refine".
    """
    if refining:
        groups = [*groups, "refine"]
    store = memory.store
    address, read_only = store.address, store.read_only
    # A memory without turns has not recorded its embedder yet: pass it to each store.
    recorded = store.read("SELECT id FROM turns LIMIT 1").rows
    embedder = None if recorded else store.embedder

    def memory_of(opened: Store) -> "Memory":
        from memory.api import Memory

        return Memory(
            opened,
            memory.model,
            program=memory.program,
            budget=memory.budget,
            reranker=memory.reranker,
        )

    tools = Tools(
        lambda: open_store(address, read_only, embedder),
        memory_of,
        searcher=memory.searcher,
        session=session,
    )
    return [getattr(tools, name) for name in tool_rights(groups)]


def tool_rights(groups: Iterable[str]) -> dict[str, Right]:
    """The tools of "core" and of these groups, with the right that each requires.

    Raises InputError for an unknown group.
    """
    rights = dict(GROUPS["core"])
    for group in groups:
        if group not in GROUPS:
            raise InputError(f"unknown group of tools {group!r}; choose from {', '.join(GROUPS)}")
        rights |= GROUPS[group]
    return rights


def _checked(tool: Callable[P, str]) -> Callable[P, str]:
    """A tool with validated arguments and a result of limited length."""
    checked = validate_call(tool)

    @wraps(tool)
    def call(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            return trim(checked(*args, **kwargs), RESULT_TOKENS)
        except ValidationError as error:  # not every framework checks the types
            faults = (f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
            raise InputError("; ".join(faults)) from None

    return call


class Tools:
    """The tools of one memory.

    Arguments:
        open_store: opens the store for one call, as a context manager.
        memory_of: the Memory on a store, for the tools that call a model.
        searcher: how the memory's program searches, in the order of `Memory.search`.
        session: the session of the turns that they store.
        progress: called with each step of a slow tool; an exception from it ends the tool.
    """

    def __init__(
        self,
        open_store: Callable[[], AbstractContextManager[Store]],
        memory_of: Callable[[Store], "Memory"],
        *,
        searcher: Searcher,
        session: str = "",
        progress: Callable[[str], None] = lambda step: None,
    ) -> None:
        self._store = open_store
        self._memory_of = memory_of
        self._searcher = searcher
        self._session = session
        self._progress = progress
        # Shared with `RefineMemory`, which uses them on a draft of the facts.
        for tool in RefiningTools(StoreWorkbench(open_store, searcher.weights)).functions():
            setattr(self, tool.__name__, _checked(tool))

    @_checked
    def recall(self, query: str, limit: int = 5, as_of: str = "") -> str:
        """Search what was said, best matches first.

        Args:
            query: what to look for, in words that the speakers may have used.
            limit: how many turns at most.
            as_of: search the memory as of 2017-06-01, 2017-06 or 2017.
        """
        if not query.strip():
            raise InputError("the query is empty; say what to look for")
        with self._store() as store, past_or_present(store, as_of) as past:
            hits = self._searcher.search(past, query, min(max(limit, 1), _MOST_TURNS))
            turns = past.turns_by_id([hit.turn_id for hit in hits])
        return turn_lines(turns, RESULT_TOKENS, question=query) or "This memory is empty."

    @_checked
    def ask_memory(self, question: str, as_of: str = "") -> str:
        """Ask the memory a question; returns the answer with its sources.

        Takes seconds; recall does not.

        Args:
            question: a whole question, such as: When did Anna move to Oslo?
            as_of: ask the memory as of 2017-06-01, 2017-06 or 2017.
        """
        now = time_of_question(as_of)
        with self._store() as store, past_or_present(store, as_of) as past:
            answer = self._memory_of(past).ask(question, now=now, progress=self._progress)
            turns = past.turns_by_id(answer.turns)
            cited = turn_lines(turns, RESULT_TOKENS // 2, question=question)
        return f"{trim(answer.text, RESULT_TOKENS // 4)}\n{cited}".strip()

    @_checked
    def list_facts(
        self, subject: str = "", attribute: str = "", as_of: str = "", cursor: int = 0
    ) -> str:
        """List current facts, each with its id and source turn.

        Args:
            subject: only those about this person or thing, by name.
            attribute: only these, such as lives_in.
            as_of: list the facts as of 2017-06-01, 2017-06 or 2017.
            cursor: the number that the previous page ended with.
        """
        with self._store() as store:
            facts = facts_named(store, subject, attribute, as_of)
        lines = {fact.id: fact_line(fact) for fact in facts if fact.id > cursor}
        page = first_lines(
            (trim(line, _ROW_TOKENS) for line in lines.values()),
            RESULT_TOKENS - _LAST_LINE_TOKENS,
        )
        listed = len(page.splitlines())
        if listed == len(lines):
            return f"{page}\n({count(len(facts), 'fact')} in all)".strip()
        last = list(lines)[listed - 1]
        return f"{page}\n({listed} of {count(len(facts), 'fact')}; the next ones: cursor={last})"

    @_checked
    def query_memory(self, select: str) -> str:
        """Run one read-only SELECT, to list and count.

        Tables: turns(id, kind, session, speaker, text, said_at, source); facts(id, subject,
        attribute, value, happened_on, ended_on, turn_id, recorded_at). Dates are text.

        Args:
            select: one SELECT of plain SQL, such as: SELECT COUNT(*) AS times FROM facts WHERE
                attribute = 'went_running' AND happened_on LIKE '2011-03%'
        """
        with self._store() as store:
            return _table(self._searcher.read(store, select))

    @_checked
    def remember(self, text: str, speaker: str = "user", source: str = "") -> str:
        """Store something that was said or learnt, word for word.

        Args:
            text: what to remember, complete without the rest of the conversation.
            speaker: who said it.
            source: your own id; the same id is stored only once.
        """
        turn = Turn(speaker, text, session=self._session, said_at=local_now(), source=source)
        with self._store() as store:
            turn_id, is_new = add_turn(store, turn)
        return f"{'Remembered' if is_new else 'Known already'} as turn {turn_id}."

    @_checked
    def note_fact(
        self, subject: str, attribute: str, value: str, turn_id: int, happened_on: str = ""
    ) -> str:
        """Store one fact from a turn, to list and count it later.

        Args:
            subject: who or what the fact is about, by name.
            attribute: short snake_case, such as lives_in or has_pet.
            value: the fact, complete without the rest.
            turn_id: the number in brackets of the source turn.
            happened_on: when, as exact as known: 2011-03-05, 2011-03 or 2011; empty if unknown.
        """
        with self._store() as store:
            change = note(
                store,
                turn_id,
                subject=subject,
                attribute=attribute,
                value=value,
                happened_on=happened_on,
                by="tool note_fact",
            )
        return _done(change)

    @_checked
    def correct_fact(self, fact_id: int, value: str, since: str = "") -> str:
        """Replace a fact by what is true now. The history keeps the old one.

        Args:
            fact_id: the id of the fact, as list_facts shows it.
            value: what is true now.
            since: since when, as exact as known: 2011-03-05, 2011-03 or 2011; empty if unknown.
        """
        with self._store() as store:
            return _done(supersede(store, fact_id, value, since=since))

    @_checked
    def undo_change(self, change_id: int) -> str:
        """Undo a change to the facts.

        Args:
            change_id: the number that note_fact or correct_fact returned.
        """
        with self._store() as store:
            return f"Undone. {_done(store.undo(change_id))}"

    @_checked
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
        with self._store() as store:
            [turn_id] = store.add([use])
        return f"Recorded as turn {turn_id}."

    @_checked
    def get_settings(self) -> str:
        """List the settings with their allowed and current values."""
        with self._store() as store:
            return Settings(store).describe()

    @_checked
    def set_setting(self, name: str, value: str) -> str:
        """Change a setting. The history keeps earlier values.

        Args:
            name: a name that get_settings lists.
            value: the new value; JSON if it is not text.
        """
        with self._store() as store:
            return f"Set {name} to {Settings(store).set_text(name, value).value!r}."

    @_checked
    def digest(self, calls: int = 10) -> str:
        """Extract facts from new turns, some at a time.

        Args:
            calls: how many model calls to make at most; call again to continue.
        """

        def progress(sums: "Digest") -> None:
            self._progress(f"{count(sums.stored, 'window')} stored, {sums.facts} facts")

        with self._store() as store:
            memory = self._memory_of(store)
            if not memory.stores_facts:
                return f"{NO_FACTS[:1].upper()}{NO_FACTS[1:]}."
            max_calls = min(max(calls, 1), _MOST_CALLS)
            sums = memory.digest(max_calls=max_calls, progress=progress)
            pending = sum(window.last_turn - window.first_turn + 1 for window in store.pending())
            waits = turns_not_taken(store) + pending
        failed = f", {sums.failed} failed" if sums.failed else ""
        return (
            f"{count(sums.stored, 'window')} stored{failed}; {sums.facts} facts changed;"
            f" {count(waits, 'turn')} left to digest."
        )

    @_checked
    def forget(self, turn_ids: list[int], confirmation: str = "") -> str:
        """Remove turns and their facts for good. There is no undo.

        First call it without a confirmation to get a preview and the word to confirm.

        Args:
            turn_ids: the numbers in brackets of the turns.
            confirmation: the word from the preview, once the user agrees.
        """
        if not turn_ids:
            raise InputError("give turn_ids; recall shows them in brackets")
        with self._store() as store:
            turns = matching_turns(store, ids=turn_ids)
            gone, receipts = forget(store, turns, lambda gone: gone.confirmation == confirmation)
        if not receipts:
            return _preview_lines(gone)
        return "\n".join(
            f"Forgotten: {count(len(receipt.turns), 'turn')}, {count(len(receipt.facts), 'fact')}."
            f" Receipt: sha256 {receipt.sha256}, salt {receipt.salt}."
            for receipt in receipts
        )


def add_turn(store: Store, turn: Turn) -> tuple[int, bool]:
    """Store a turn, but only once for its source. Returns its id, and whether it is new."""
    known = store.known([turn.source]) if turn.source else {}
    [turn_id] = store.add([turn], once=bool(turn.source))
    return turn_id, not known


def facts_named(store: Store, subject: str, attribute: str, as_of: str) -> list[Fact]:
    """The current facts of a subject and an attribute; an empty name stands for all.

    Raises InputError for a name that no fact has.
    """
    facts = find(store, point=as_of or None)
    return named(named(facts, "subject", subject), "attribute", attribute)


def past_or_present(store: Store, as_of: str) -> AbstractContextManager[Store]:
    """The store itself, or its state at a moment."""
    return store.as_of(as_of) if as_of else nullcontext(store)


def _preview_lines(gone: Preview) -> str:
    turns, facts = count(len(gone.turns), "turn"), count(len(gone.facts), "fact")
    lines = [*map(turn_line, gone.turns[:_TURNS_IN_PREVIEW]), *map(fact_line, gone.facts)]
    preview = first_lines((trim(line, _ROW_TOKENS // 4) for line in lines), RESULT_TOKENS // 2)
    reopened = count(len(gone.reopened), "fact")
    copies = f" Copies of this memory keep them: {len(gone.copies)}." if gone.copies else ""
    return (
        f"{turns} and {facts} would be removed for good:\n{preview}\n"
        f"{reopened} would be reopened, as these turns ended them.{copies}\n"
        f"Ask the user. If they agree, call forget again with confirmation={gone.confirmation!r}."
    )


def _done(change: Change) -> str:
    return f"Done as change {change.id}; undo_change({change.id}) undoes it."


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
        trim(" | ".join(" ".join(str(cell).split()) for cell in row), _ROW_TOKENS)
        for row in rows.rows
    ]
    table = first_lines([" | ".join(rows.columns), *lines], RESULT_TOKENS - _LAST_LINE_TOKENS)
    count = max(len(table.splitlines()) - 1, 0)
    if count == len(lines) and not rows.truncated:
        return f"{table}\n({count} row{'' if count == 1 else 's'})"
    total = f"more than {len(lines)}" if rows.truncated else len(lines)
    return f"{table}\n({count} of {total} rows; count in SQL, or select fewer)"
