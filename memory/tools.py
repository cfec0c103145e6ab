"""Tools for agents: plain functions over one memory, which every framework turns into its own."""

import json
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from pydantic import ValidationError, validate_call

from memory.documents import tool_use
from memory.errors import InputError, SqlError
from memory.facts import supersede
from memory.model import Change, Rows, Turn
from memory.prompt import turn_lines
from memory.settings import Settings
from memory.sql import quoted
from memory.store import Store, open_store
from memory.store.turn_validation import local_now
from memory.tokens import first_lines, trim

if TYPE_CHECKING:
    from memory.api import Memory

RESULT_TOKENS = 2_000  # of what a tool gives back
_ROW_TOKENS = 400
_MOST_TURNS = 50
P = ParamSpec("P")


def memory_tools(memory: "Memory", session: str = "") -> list[Callable[..., str]]:
    """What an agent may do with a memory, as functions with types and docstrings.

    Each takes text and numbers and returns text of at most RESULT_TOKENS tokens. What a model can
    put right (SqlError, InputError) comes back as text that begins with "Error:"; StoreError and
    ModelError are raised. They may be called from any thread: each call opens the file anew, and
    goes on working when `memory` is closed.

    Arguments:
        memory: whose file they work on, with its model, program and budget.
        session: the session of the turns that they store.
    """
    tools = _Tools(memory, session)
    return [
        tools.recall,
        tools.ask_memory,
        tools.remember,
        tools.note_fact,
        tools.correct_fact,
        tools.query_memory,
        tools.record_tool_use,
        tools.get_settings,
        tools.set_setting,
        tools.undo_change,
    ]


def _with_errors_as_text(tool: Callable[P, str]) -> Callable[P, str]:
    """A tool whose arguments are checked, and whose faults the model can read and put right."""
    checked = validate_call(tool)

    @wraps(tool)
    def call(*args: P.args, **kwargs: P.kwargs) -> str:
        try:
            return trim(checked(*args, **kwargs), RESULT_TOKENS)
        except ValidationError as error:  # not every framework looks at the types
            faults = (f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors())
            return f"Error: {'; '.join(faults)}"
        except (InputError, SqlError) as error:
            return f"Error: {error}"

    return call


class _Tools:
    def __init__(self, memory: "Memory", session: str) -> None:
        store = memory.store
        self._path = store.path
        self._read_only = store.read_only
        self._memory = memory
        self._session = session
        # A memory without turns has no embedder on record yet, so the one that was asked for is
        # handed on to each handle.
        recorded = store.read("SELECT id FROM turns LIMIT 1").rows
        self._embedder = None if recorded else store.embedder

    def _store(self) -> Store:
        # Each call opens the file anew: frameworks call tools from threads of their own, and a
        # store belongs to the thread that opened it.
        return open_store(self._path, self._read_only, self._embedder)

    @_with_errors_as_text
    def recall(self, query: str, limit: int = 5) -> str:
        """Find what was said about something, the best matches first.

        Args:
            query: what to look for, in words that the speakers may have used.
            limit: how many turns at most.
        """
        if not query.strip():
            raise InputError("the query is empty; say what to look for")
        with self._store() as store:
            hits = store.search(query, min(max(limit, 1), _MOST_TURNS))
            turns = [store.turn(hit.turn_id) for hit in hits]
        return turn_lines(turns, RESULT_TOKENS) or "This memory is empty."

    @_with_errors_as_text
    def ask_memory(self, question: str) -> str:
        """Ask the memory a question; the answer comes with the turns it rests on.

        Args:
            question: a whole question, such as: When did Anna move to Oslo?
        """
        from memory.api import Memory

        with self._store() as store:
            memory = Memory(
                store,
                model=self._memory.model,
                program=self._memory.program,
                budget=self._memory.budget,
            )
            answer = memory.ask(question, now=datetime.now())
            turns = [store.turn(turn_id) for turn_id in answer.turns]
            cited = turn_lines(turns, RESULT_TOKENS // 2)
        return f"{trim(answer.text, RESULT_TOKENS // 4)}\n{cited}".strip()

    @_with_errors_as_text
    def remember(self, text: str, speaker: str = "user") -> str:
        """Store something that was said or learnt, word for word, so that it is never lost.

        Args:
            text: what to remember, complete without the rest of the conversation.
            speaker: who said it.
        """
        with self._store() as store:
            [turn_id] = store.add([Turn(speaker, text, session=self._session, said_at=local_now())])
        return f"Remembered as turn {turn_id}."

    @_with_errors_as_text
    def note_fact(
        self, subject: str, attribute: str, value: str, turn_id: int, happened_on: str = ""
    ) -> str:
        """Store one fact that a turn tells, so that it can be listed and counted.

        Args:
            subject: who or what the fact is about, by name.
            attribute: short snake_case, such as lives_in or has_pet.
            value: the fact, complete without the rest.
            turn_id: the number in brackets of the turn that tells it.
            happened_on: when, as exact as known: 2011-03-05, 2011-03 or 2011; empty if unknown.
        """
        values = ", ".join(quoted(text) for text in (subject, attribute, value, happened_on))
        columns = "subject, attribute, value, happened_on, turn_id"
        with self._store() as store:
            sql = f"INSERT INTO facts ({columns}) VALUES ({values}, {turn_id})"
            return _done(store.write(sql, cause="tool note_fact"))

    @_with_errors_as_text
    def correct_fact(self, fact_id: int, value: str, since: str = "") -> str:
        """Say what is true in place of a fact. The old one stays on record as ended.

        Args:
            fact_id: the id of the fact: query_memory("SELECT id, subject, value FROM facts").
            value: what is true.
            since: since when, as exact as known: 2011-03-05, 2011-03 or 2011; empty if unknown.
        """
        with self._store() as store:
            return _done(supersede(store, fact_id, value, since=since))

    @_with_errors_as_text
    def query_memory(self, select: str) -> str:
        """Run one read-only SELECT, to list and count.

        Tables: turns(id, kind, session, speaker, text, said_at, source); facts(id, subject,
        attribute, value, happened_on, ended_on, turn_id, recorded_at). Dates are text.

        Args:
            select: one SELECT of plain SQL, such as: SELECT COUNT(*) AS times FROM facts WHERE
                attribute = 'went_running' AND happened_on LIKE '2011-03%'
        """
        with self._store() as store:
            return _table(store.read(select))

    @_with_errors_as_text
    def record_tool_use(self, name: str, arguments: str, result: str, worked: bool) -> str:
        """Store that a tool was used and whether it worked, so that next time this is known.

        Args:
            name: the tool that was used.
            arguments: what it was given, as JSON.
            result: what it gave back, in short.
            worked: whether it did what was wanted.
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

    @_with_errors_as_text
    def get_settings(self) -> str:
        """List the settings, what values they may have and which they have."""
        with self._store() as store:
            return Settings(store).describe()

    @_with_errors_as_text
    def set_setting(self, name: str, value: str) -> str:
        """Change a setting. Its former values stay on record.

        Args:
            name: a name that get_settings lists.
            value: the new value; JSON where it is no text.
        """
        with self._store() as store:
            return f"Set {name} to {Settings(store).set_text(name, value).value!r}."

    @_with_errors_as_text
    def undo_change(self, change_id: int) -> str:
        """Take back a change to the facts.

        Args:
            change_id: the number that note_fact or correct_fact gave.
        """
        with self._store() as store:
            return f"Undone. {_done(store.undo(change_id))}"


def _done(change: Change) -> str:
    return f"Done as change {change.id}; undo_change({change.id}) takes it back."


def _object(arguments: str) -> dict[str, Any]:
    """A JSON object; other text is one argument without a name."""
    try:
        value = json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        value = arguments
    return value if isinstance(value, dict) else {"input": value}


def _table(rows: Rows) -> str:
    """Rows as lines under the names of their columns, as many as fit, and how many those are."""
    lines = [
        trim(" | ".join(" ".join(str(cell).split()) for cell in row), _ROW_TOKENS)
        for row in rows.rows
    ]
    # Forty tokens are for the last line, which says how many rows there are.
    table = first_lines([" | ".join(rows.columns), *lines], RESULT_TOKENS - 40)
    count = max(len(table.splitlines()) - 1, 0)
    if count == len(lines) and not rows.truncated:
        return f"{table}\n({count} row{'' if count == 1 else 's'})"
    total = f"more than {len(lines)}" if rows.truncated else len(lines)
    return f"{table}\n({count} of {total} rows; count in SQL, or select fewer)"
