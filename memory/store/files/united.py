"""Several memories as one to ask: what they hold is united, each item named by its memory.

Each memory is searched and read by its own store, behind that store's own walls; only the results
meet. What is written goes to the first.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import parse_qs, urlsplit

from memory.errors import InputError, SqlError, StoreError
from memory.records import (
    Answer,
    Fact,
    Hit,
    MemoryFact,
    MemoryHit,
    MemoryTurn,
    Rows,
    StatedFact,
    Summary,
    Turn,
    hits_with_turns,
)
from memory.store.changes.points_in_time import read_moment
from memory.store.protocol import Store
from memory.text.tokens import count_tokens, first_lines
from memory.text.turn_filter import TurnFilter

# Each is searched three times for a question, and has an index in memory.
MOST_MEMORIES = 16
# Numbers in prompts stay short; a memory may hold ten times what it holds when it is opened.
_LEAST_STEP = 100_000
_GROWTH = 10
_MEMORY = "memory"  # the first column of united rows
_ID_COLUMNS = (
    *("id", "turn_id", "last_turn_id"),
    *("first_fact", "second_fact", "first_turn"),
)


def unite(stores: Mapping[str, Store], owned: Iterable[Store] = ()) -> Store:
    """Several stores by name as one to read. Writes go to the first, and only there.

    A turn or fact of the first memory keeps its id as its number here. An item of another memory
    has a number that the first does not use. Functions of this module give back the names and own
    ids. `owned` stores are closed with it. Raises InputError for no memory, too many, or a memory
    named twice.
    """
    # What a united store lacks it takes from the first, so it has all that a store has.
    return cast(Store, UnitedStore(stores, owned))


def open_united(
    opens: Mapping[str, Callable[[bool], Store]],
) -> Store:
    """Open several stores by name as one to read, all but the first for reading only.

    `opens` open each; each gets whether it is for reading only. The united store owns them.
    Raises what they do, and InputError as `unite` does.
    """
    with ExitStack() as stack:
        stores = {
            name: stack.enter_context(open_store(place > 0))
            for place, (name, open_store) in enumerate(opens.items())
        }
        stack.pop_all()
    return unite(stores, owned=stores.values())


class UnitedStore:
    """See `unite`. Anything else is the first store's: settings, the journal, writes."""

    def __init__(self, stores: Mapping[str, Store], owned: Iterable[Store] = ()) -> None:
        self._owned = list(owned)
        self.stores = dict(stores)
        try:
            _refuse_unusable(self.stores)
            self._names = list(self.stores)
            self.first = self.stores[self._names[0]]
            highest = max(_highest_id(store) for store in self.stores.values())
            self._step = max(_LEAST_STEP, int(10 ** len(str(_GROWTH * highest))))
        except BaseException:
            self.close()
            raise

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "first":  # not there yet
            raise AttributeError(name)
        return getattr(self.first, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the stores that it owns."""
        for store in self._owned:
            store.close()

    # ---------------------------------------------------------------- numbers

    def number_of(self, memory: str, own_id: int) -> int:
        """The number here of a turn or fact with this id in its memory."""
        if own_id >= self._step:
            raise StoreError(
                f"the memory {memory!r} has grown too much since it was opened; open it again"
            )
        return self._names.index(memory) * self._step + own_id

    def own_id(self, number: int) -> tuple[str, int]:
        """The memory and the own id of a number. Raises InputError for one of no memory."""
        memory, own_id = divmod(number, self._step)
        if not 0 <= memory < len(self._names):
            raise InputError(f"there is no turn {number}")
        return self._names[memory], own_id

    def _own_ids(self, numbers: Iterable[int]) -> dict[str, list[int]]:
        by_memory: dict[str, list[int]] = {name: [] for name in self._names}
        for number in numbers:
            if 0 <= number < len(self._names) * self._step:
                memory, own_id = self.own_id(number)
                by_memory[memory].append(own_id)
        return by_memory

    def _numbered_turn(self, memory: str, turn: Turn) -> MemoryTurn:
        fields = {**vars(turn), "id": self.number_of(memory, turn.id), "memory": memory}
        return MemoryTurn(**fields)

    def numbered_facts(
        self, read: Callable[[Store, list[int]], Iterable[Fact]], numbers: Sequence[int]
    ) -> Iterator[MemoryFact]:
        """See `united_facts`."""
        own_ids = self._own_ids(numbers)
        for memory, store in self.stores.items():
            for fact in read(store, own_ids[memory]):
                ids = {
                    "id": self.number_of(memory, fact.id),
                    "turn_id": self.number_of(memory, fact.turn_id),
                }
                yield MemoryFact(**{**vars(fact), **ids, "memory": memory})

    # ---------------------------------------------------------------- turns

    def turn(self, turn_id: int) -> Turn:
        """See `Store.turn`."""
        [turn] = self.turns_by_id([turn_id])
        return turn

    def turns_by_id(self, turn_ids: Sequence[int], missing_ok: bool = False) -> list[Turn]:
        """See `Store.turns_by_id`."""
        found = {
            turn.id: turn
            for memory, own_ids in self._own_ids(turn_ids).items()
            for turn in (
                self._numbered_turn(memory, own)
                for own in self.stores[memory].turns_by_id(own_ids, missing_ok=True)
            )
        }
        missing = [turn_id for turn_id in turn_ids if turn_id not in found]
        if missing and not missing_ok:
            raise InputError(f"there is no turn {missing[0]}")
        return [found[turn_id] for turn_id in turn_ids if turn_id in found]

    def turns(self, first: int = 1, last: int | None = None) -> list[Turn]:
        """See `Store.turns`; the first memory's turns come first."""
        turns: list[Turn] = []
        for place, memory in enumerate(self._names):
            start = place * self._step
            own_first = max(first - start, 1)
            own_last = None if last is None else last - start
            if own_first < self._step and (own_last is None or own_last >= own_first):
                own_turns = self.stores[memory].turns(own_first, own_last)
                turns += [self._numbered_turn(memory, turn) for turn in own_turns]
        return turns

    def count_turns(self) -> int:
        """See `Store.count_turns`."""
        return sum(store.count_turns() for store in self.stores.values())

    def catalog(self, tokens: int) -> str:
        """The catalogs of all memories under their names, which share the tokens.

        What a small memory does not need, the others get.
        """
        head = (
            f"{len(self._names)} memories; each statement runs in every one of them by itself, and"
            f" its rows begin with a column {_MEMORY} that no table has"
        )
        headings = {name: f"memory {' '.join(name.split())}:" for name in self._names}
        tokens -= sum(count_tokens(f"\n{line}") for line in (head, *headings.values()))
        texts = {name: store.catalog(max(tokens, 0)) for name, store in self.stores.items()}
        sizes = {name: count_tokens(f"\n{text}") for name, text in texts.items()}
        for place, name in enumerate(sorted(sizes, key=lambda name: sizes[name])):
            share = tokens // (len(sizes) - place)
            if sizes[name] > share:
                texts[name] = first_lines(texts[name].splitlines(), share)
            tokens -= count_tokens(f"\n{texts[name]}")
        parts = [part for name in self._names for part in (headings[name], texts[name])]
        return "\n".join([head, *filter(None, parts)])

    def name_lines(self, text: str, tokens: int) -> str:
        """See `Store.name_lines`; the first memory's lines come first."""
        lines = [store.name_lines(text, tokens) for store in self.stores.values()]
        return first_lines([line for part in lines for line in part.splitlines()], tokens)

    def summaries(self) -> list[Summary]:
        """See `Store.summaries`: of all memories, with the numbers of their turns."""
        return [
            replace(
                summary,
                turn_id=self.number_of(name, summary.turn_id),
                last_turn_id=self.number_of(name, summary.last_turn_id),
            )
            for name, store in self.stores.items()
            for summary in store.summaries()
        ]

    def digested_facts(self, turn_ids: Sequence[int]) -> list[Fact]:
        """See `Store.digested_facts`: of all memories, with the numbers of their turns."""
        return [
            replace(fact, turn_id=self.number_of(name, fact.turn_id))
            for name, own_ids in self._own_ids(turn_ids).items()
            for fact in self.stores[name].digested_facts(own_ids)
        ]

    def facts_of_turns(self, turn_ids: Sequence[int]) -> list[StatedFact]:
        """See `Store.facts_of_turns`: of all memories, with the numbers of their turns."""

        def numbered(name: str, fact: Fact) -> Fact:
            return replace(fact, turn_id=self.number_of(name, fact.turn_id))

        return [
            replace(
                stated,
                fact=numbered(name, stated.fact),
                disputed_by=stated.disputed_by and numbered(name, stated.disputed_by),
            )
            for name, own_ids in self._own_ids(turn_ids).items()
            for stated in self.stores[name].facts_of_turns(own_ids)
        ]

    def search(
        self,
        text: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        weights: Mapping[str, float] | None = None,
        *,
        limit: int | None = None,
    ) -> list[Hit]:
        """See `Store.search`: one ranking over the turns of all memories."""
        # Not at the top: it loads numpy.
        from memory.store.files.united_search import search_several

        k = k if limit is None else limit
        hits = search_several([*self.stores.values()], text, k, filter, weights)
        named = ((self._names[place], hit) for place, hit in hits)
        return [
            MemoryHit(**{**vars(hit), "turn_id": self.number_of(name, hit.turn_id)}, memory=name)
            for name, hit in named
        ]

    # ---------------------------------------------------------------- facts

    def read(self, sql: Any, weights: Mapping[str, float] | None = None) -> Rows:
        """Run a SELECT in each memory by itself; rows begin with the name of their memory.

        The ids in columns named `id` and `turn_id` become numbers. Raises SqlError where it is
        refused, wrong or too slow in any of them.
        """
        from memory.sql import check_select

        select = check_select(sql) if isinstance(sql, str) else sql
        results = {name: store.read(select, weights) for name, store in self.stores.items()}
        columns = next(iter(results.values())).columns
        return Rows(
            columns=(_MEMORY, *columns),
            rows=tuple(
                (name, *self.numbered_row(name, columns, row))
                for name, rows in results.items()
                for row in rows.rows
            ),
            truncated=any(rows.truncated for rows in results.values()),
        )

    def numbered_row(
        self, memory: str, columns: Sequence[str], row: Sequence[Any]
    ) -> Iterable[Any]:
        """The cells of a memory's row, with numbers for the ids of turns and facts."""
        for column, cell in zip(columns, row, strict=True):
            is_id = column in _ID_COLUMNS and isinstance(cell, int)
            if is_id and not 0 <= cell < self._step:
                raise SqlError(f"{cell} in the column {column} is no id; name the column otherwise")
            yield self.number_of(memory, cell) if is_id else cell

    def facts(self, point: str | int | None = None) -> list[Fact]:
        """See `Store.facts`; a point is a moment, as a change is of one memory."""
        if point is not None:
            read_moment(str(point))
        return united_facts(cast(Store, self), lambda own, _: own.facts(point))

    # ---------------------------------------------------------------- the whole

    def as_of(self, moment: str) -> Store:
        """All memories at a moment in the past: copies for reading, removed when it is closed."""
        with ExitStack() as stack:
            past = {
                name: stack.enter_context(store.as_of(moment))
                for name, store in self.stores.items()
            }
            stack.pop_all()
        return unite(past, owned=past.values())

    # ---------------------------------------------------------------- own ids

    def own_row(self, columns: Sequence[str], row: Sequence[Any]) -> tuple[Any, ...]:
        """A united row with the ids that its memory has."""
        return tuple(
            self.own_id(cell)[1] if column in _ID_COLUMNS and isinstance(cell, int) else cell
            for column, cell in zip(columns, row, strict=True)
        )


def stores_by_name(store: Store) -> Mapping[str, Store]:
    """The stores of a united one by name, in their order; one store has the name ""."""
    return store.stores if isinstance(store, UnitedStore) else {"": store}


def united_facts(
    store: Store,
    read: Callable[[Store, list[int]], Iterable[Fact]],
    numbers: Sequence[int] = (),
) -> list[Fact]:
    """The facts that `read` finds in a store; in each of several, with their numbers there.

    `read` takes a store, and the ids among the given ones that belong to it.
    """
    if isinstance(store, UnitedStore):
        return [*store.numbered_facts(read, numbers)]
    return [*read(store, [*numbers])]


def first_store(store: Store) -> Store:
    """The store that writes go to: the first of several, or the store itself."""
    return store.first if isinstance(store, UnitedStore) else store


def past_or_present(store: Store, as_of: str) -> AbstractContextManager[Store]:
    """The store itself, or its state at a moment."""
    return store.as_of(as_of) if as_of else nullcontext(store)


def own_hits(store: Store, hits: Sequence[Hit]) -> list[Hit]:
    """Hits with the ids that their memories have."""
    if not isinstance(store, UnitedStore):
        return list(hits)
    return [replace(hit, turn_id=store.own_id(hit.turn_id)[1]) for hit in hits]


def numbered_hits(store: Store, hits: Sequence[Hit]) -> list[Hit]:
    """The reverse of `own_hits`."""
    if not isinstance(store, UnitedStore):
        return list(hits)
    return [replace(hit, turn_id=store.number_of(memory_of(hit), hit.turn_id)) for hit in hits]


def memory_of(hit: Hit) -> str:
    """The name of a hit's memory; "" where one alone was searched."""
    return hit.memory if isinstance(hit, MemoryHit) else ""


def own_rows(store: Store, rows: Rows) -> Rows:
    """Rows with the ids that their memories have."""
    if not isinstance(store, UnitedStore):
        return rows
    return replace(rows, rows=tuple(store.own_row(rows.columns, row) for row in rows.rows))


def numbered_rows(store: Store, rows: Rows) -> Rows:
    """The reverse of `own_rows`."""
    if not isinstance(store, UnitedStore):
        return rows
    _, *columns = rows.columns
    numbered = [
        (memory, *store.numbered_row(memory, columns, cells)) for memory, *cells in rows.rows
    ]
    return replace(rows, rows=tuple(numbered))


def own_answer(store: Store, answer: Answer) -> Answer:
    """An answer with the ids that the turns have in their memories, which it names."""
    if not isinstance(store, UnitedStore):
        return answer
    cited = [store.own_id(number) for number in answer.turns]
    shown = [store.own_id(number) for number in answer.shown]
    return replace(
        answer,
        turns=tuple(own_id for _, own_id in cited),
        memories=tuple(memory for memory, _ in cited),
        shown=tuple(own_id for _, own_id in shown),
        shown_memories=tuple(memory for memory, _ in shown),
        rows=tuple(own_rows(store, rows) for rows in answer.rows),
        citations=tuple(
            replace(citation, turn_id=own_id, memory=memory)
            for citation, (memory, own_id) in zip(answer.citations, cited, strict=False)
        ),
        sources=tuple(_own_turns(store, answer.sources)),
        quotations=tuple(
            replace(quotation, turn_id=store.own_id(quotation.turn_id)[1])
            for quotation in answer.quotations
        ),
    )


def _own_turns(store: Store, turns: Sequence[Turn]) -> list[Turn]:
    if not isinstance(store, UnitedStore):
        return [*turns]
    return [replace(turn, id=store.own_id(turn.id)[1]) for turn in turns]


def found_turns(store: Store, hits: Sequence[Hit]) -> list[Hit]:
    """Hits with their turns, and the ids of their memories; without turns forgotten since."""
    ids = [hit.turn_id for hit in hits]
    turns = {turn.id: turn for turn in store.turns_by_id(ids, missing_ok=True)}
    return own_hits(store, hits_with_turns(hits, turns))


def cited_turns(store: Store, answer: Answer, numbered: bool = False) -> list[Turn]:
    """The turns that an answer of this store's Memory cites, with the ids of their memories.

    If `numbered`, with their numbers in a united store.
    """
    memories = answer.memories or [""] * len(answer.turns)
    turns = _numbered_turns(store, [*zip(memories, answer.turns, strict=True)], missing_ok=True)
    return turns if numbered else _own_turns(store, turns)


def _numbered_turns(
    store: Store, own_ids: Sequence[tuple[str, int]], missing_ok: bool = False
) -> list[Turn]:
    if not isinstance(store, UnitedStore):
        return store.turns_by_id([turn_id for _, turn_id in own_ids], missing_ok)
    numbers = [store.number_of(memory, own_id) for memory, own_id in own_ids]
    return store.turns_by_id(numbers, missing_ok)


def memory_name(address: str | Path) -> str:
    """What the memory of an address is called: its namespace, or its file without the ending."""
    text = str(address)
    if text.startswith(("postgresql://", "postgres://")):
        return parse_qs(urlsplit(text).query).get("namespace", [""])[-1]
    return Path(text.removeprefix("sqlite:///")).stem


def refuse_repeated(names: Sequence[str]) -> None:
    """Raise InputError for a name that is given twice, and for too many."""
    if len({*names}) < len(names):
        raise InputError("a memory is named twice; name each once")
    if len(names) > MOST_MEMORIES:
        raise InputError(f"{len(names)} memories; ask at most {MOST_MEMORIES} together")


def _refuse_unusable(stores: Mapping[str, Store]) -> None:
    if not stores:
        raise InputError("name at least one memory")
    refuse_repeated([*stores])
    if blank := [name for name in stores if not name.strip()]:
        raise InputError(f"the name {blank[0]!r} of a memory is blank")
    locations: dict[str, str] = {}
    for name, store in stores.items():
        other = locations.setdefault(_identity(store), name)
        if other != name:
            raise InputError(f"{other!r} and {name!r} are the same memory; name it once")


def _identity(store: Store) -> str:
    location = store.location
    return location if "://" in location else str(Path(location).resolve())


def _highest_id(store: Store) -> int:
    """The highest id of a turn or fact."""
    with store.reading() as conn:
        return int(max(conn.run("highest_ids").fetchone()))
