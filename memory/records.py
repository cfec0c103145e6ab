"""The values that pass between the layers: plain, immutable, without behaviour."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import starmap
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeVar

_Item = TypeVar("_Item")
_Kind = TypeVar("_Kind", bound="Record")
_Hit = TypeVar("_Hit", bound="Hit")
Kind = Literal["message", "document", "tool"]
# Of the prompts that a model is given; "short" is an older name of "brief".
FormChoice = Literal["auto", "full", "brief", "short"]
# When SELECTs are written for a question: for each, or when they pay.
SqlUse = Literal["always", "when it pays", "never"]
Tags = Mapping[str, str | Sequence[str]]  # key -> its value, or several
# A store puts this before the text of a correction's turn when the correction was undone.
WITHDRAWN = "(withdrawn) "
CUT_ANSWER: Tags = {"answer": "cut"}  # an answer whose end is missing
ABSTAIN = "No information available"  # what every answering model says when memory does not


class Minted(str):
    """A name that has a meaning of ours: a session, a source or a tag's key.

    Only the code that owns the name makes one of it. A file, a request or a caller gives plain
    text, which a store refuses where it reads like such a name.
    """

    __slots__ = ()


CORRECTIONS = Minted("corrections")  # the session of turns that add and edit facts by hand


class Record(dict[str, Any]):
    """A value with fields, which is also a read-only dict of them: `json.dumps` takes it.

    Other libraries' names for its fields are keys, too. For a name that only they have, KeyError
    and AttributeError say what to write.
    """

    KEYS: ClassVar[Mapping[str, str]] = {}  # another library's key -> the attribute
    ADVICE: ClassVar[Mapping[str, str]] = {}  # a name that is not here -> what to write

    def __post_init__(self) -> None:
        dict.update(self, self.__dict__)

    def to_dict(self) -> dict[str, Any]:
        """The record as JSON has it: a dict of plain values, lists and dicts."""
        return {key: plain(value) for key, value in self.items()}

    model_dump = to_dict

    def __missing__(self, key: str) -> Any:
        if key in self.KEYS:
            return getattr(self, self.KEYS[key])
        raise KeyError(self._advice(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default for a key that no library has."""
        has_key = dict.__contains__(self, key)
        return self[key] if has_key or key in self.KEYS or key in self.ADVICE else default

    if TYPE_CHECKING:
        # Of the fields, as dataclass makes it.
        def __hash__(self) -> int: ...  # type: ignore[override]

    else:
        __ne__ = object.__ne__  # a dict's compares the items, also items that do not count

        def __getattr__(self, name):
            raise AttributeError(self._advice(name), name=name, obj=self)

        def __reduce__(self):
            return _record_of, (type(self), dict(self.__dict__))

        def _refuse_writing(self, *args, **kwargs):
            kind = type(self).__name__
            raise TypeError(f"a {kind} is read-only; change a copy: {kind.lower()}.to_dict()")

        __setitem__ = __delitem__ = __ior__ = _refuse_writing
        clear = pop = popitem = setdefault = update = _refuse_writing

    def _advice(self, name: str) -> str:
        kind, advice = type(self).__name__, self.ADVICE.get(name, "")
        article = "an" if kind.startswith("A") else "a"
        return f"{article} {kind} has no {name!r}; " + (
            f"write {advice}" if advice else f"it has {', '.join(self)}"
        )


def _record_of(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    return kind(**fields)


def records_of(kind: type[_Kind], fields: Iterable[dict[str, Any]]) -> list[_Kind]:
    """Records of a kind from all of their fields, in the kind's order.

    As calling `kind` for each makes them, in a third of the time: a question reads hundreds.
    """
    records = []
    for values in fields:
        record = dict.__new__(kind)
        vars(record).update(values)
        dict.update(record, values)
        records.append(record)
    return records


def plain(value: Any) -> Any:
    """A value as JSON has it: tuples are lists, records are dicts."""
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value


@dataclass(frozen=True)
class Turn(Record):
    """A message, a chunk of a document, or a tool use. Immutable once stored.

    `said_at` is ISO text as exact as known (`2017-05-08T13:56`, `2017-05-08`, `2017-05`, ``);
    `source` is an outside id (LoCoMo's `D1:3`); `id` is 0 until the store has numbered the turn.
    `tags` are the application's own labels: {"project": "move", "topic": ["flat", "rent"]}.
    """

    speaker: str
    text: str
    session: str = ""
    said_at: str = ""
    source: str = ""
    kind: Kind = "message"
    id: int = 0
    tags: Tags = field(default_factory=dict, hash=False)

    KEYS: ClassVar[Mapping[str, str]] = {
        "memory": "text",
        "metadata": "tags",
        "created_at": "said_at",
        "run_id": "session",
    }
    ADVICE: ClassVar[Mapping[str, str]] = {
        "memory": "turn.text",
        "metadata": "turn.tags",
        "created_at": "turn.said_at",
        "content": "turn.text",
        "role": "turn.speaker",
    }

    if not TYPE_CHECKING:  # dataclass's own error would not say what to write

        def __new__(cls, *args, **fields):
            columns = cls.__dataclass_fields__
            unknown = next((name for name in fields if name not in columns), "")
            filled = {*list(columns)[: len(args)], *fields}
            # Pydantic makes an empty one and fills it.
            if unknown or (filled and not {"speaker", "text"} <= filled):
                aliases = {"content": "text", "role": "speaker"} | cls.KEYS
                code = f"{aliases[unknown]}=" if unknown in aliases else 'Turn("user", "I moved.")'
                fault = f"takes no {unknown}=" if unknown else "needs a speaker and a text"
                raise TypeError(f"a {cls.__name__} {fault}; write {code}")
            return super().__new__(cls)

    def __str__(self) -> str:
        return f"{self.speaker}: {self.text}"


@dataclass(frozen=True)
class Withheld(Record):
    """What a memory did not store, counted: secrets, and pieces of text in <private> tags."""

    secrets: int = 0
    private: int = 0


NOTHING_WITHHELD = Withheld()


@dataclass(frozen=True)
class Skipped(Record):
    """An item that did not become a turn, or what a turn lost of it: where it is, and why."""

    where: str
    why: str


def _html_table(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of cells for a notebook. Cells are text, whatever they look like."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    lines = ("".join(f"<td>{escape(str(cell))}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


class Results(list[_Item]):
    """A list of the items that a call found or made. mem0's `["results"]` gives the list itself."""

    if not TYPE_CHECKING:  # its types are a list's

        def __getitem__(self, index):
            if not isinstance(index, str):
                return super().__getitem__(index)
            if index == "results":
                return self._results()
            raise KeyError(f"this is a list, without {index!r}; write `for item in` it")

        def get(self, key, default=None):
            return self[key] if key == "results" else default

        @property
        def results(self):
            return self._results()

        def _results(self):
            return self

        def __contains__(self, item):
            if isinstance(item, str):  # a word of an item
                return any(item.casefold() in str(each).casefold() for each in self)
            return super().__contains__(item)

        def __getattr__(self, name):
            advice = "for item in it"
            if name in ("to_dataframe", "to_pandas", "to_df", "df", "dataframe"):
                advice = "pandas.DataFrame(results.to_dict())"
            kind = "a list of results"
            raise AttributeError(f"{kind} has no {name}; write {advice}", name=name, obj=self)

    def to_dict(self) -> list[Any]:
        """The items as JSON has them."""
        return [plain(item) for item in self]

    model_dump = to_dict

    def _repr_html_(self) -> str:
        """A table, in a notebook."""
        records = [item for item in self if isinstance(item, Record)]
        if len(records) < len(self):
            return f"<pre>{escape(repr(self))}</pre>"
        columns = dict.fromkeys(key for record in records for key in record)
        rows = ([record.get(key, "") for key in columns] for record in records)
        return _html_table(columns, rows)


class TurnIds(Results[int]):
    """The ids of turns that were added, how much of their text was withheld, and what was skipped.

    `withheld` counts all new turns, `by_turn` each turn (None for a turn that was there before).
    `new` are the ids that were not there before. `skipped` has the messages that did not become
    turns, each with the reason.
    """

    by_turn: Sequence[Withheld | None] = ()
    skipped: Sequence[Skipped] = ()

    if not TYPE_CHECKING:

        def _results(self):
            raise KeyError(
                "add returns the ids of turns, without 'results'; write"
                " `for turn_id in memory.add(...)`"
            )

    @property
    def new(self) -> list[int]:
        return [
            turn_id for turn_id, text in zip(self, self.by_turn, strict=True) if text is not None
        ]

    @property
    def withheld(self) -> Withheld:
        counts = [count for count in self.by_turn if count is not None]
        return Withheld(
            sum(count.secrets for count in counts), sum(count.private for count in counts)
        )


@dataclass(frozen=True)
class Fact(Record):
    """One statement about a subject, with the turn it came from. Dates are ISO text or ``."""

    subject: str
    attribute: str
    value: str
    turn_id: int
    happened_on: str = ""
    ended_on: str = ""
    recorded_at: str = ""
    id: int = 0

    def __str__(self) -> str:
        return f"{self.subject} {self.attribute} {self.value}"


@dataclass(frozen=True)
class Assertion:
    """What a clause of a turn says in a template: a fact, or with `is_end` the end of one.

    `happened_on` is the day, month or year (ISO) named in it, or "". An end without a value ends
    every value.
    """

    subject: str
    attribute: str
    value: str
    happened_on: str = ""
    is_end: bool = False


@dataclass(frozen=True)
class TurnAssertions:
    """What a turn asserts, and the names it introduces: each a name and the entity it means.

    `is_new` is true if the turn was not in the memory before.
    """

    turn: Turn
    assertions: Sequence[Assertion] = ()
    names: Sequence[tuple[str, str]] = ()
    is_new: bool = False


@dataclass(frozen=True)
class Removal:
    """A value that a person removed from a subject at a moment, by correcting or deleting a fact.

    `turn_id` is the turn that the fact came from. After a deletion nothing replaced it.
    """

    subject: str
    attribute: str
    value: str
    at: str
    turn_id: int = 0
    is_deletion: bool = False


@dataclass(frozen=True)
class Contradiction(Record):
    """Two current facts that cannot both be true, in the order they were stored.

    `said_at` has the times of their turns (ISO text).
    """

    first: Fact
    second: Fact
    said_at: tuple[str, str] = ("", "")

    @property
    def facts(self) -> tuple[Fact, Fact]:
        """Both facts."""
        return self.first, self.second


@dataclass(frozen=True)
class MemoryTurn(Turn):
    """A turn from one of several memories that are used together, with the memory's name."""

    memory: str = ""


@dataclass(frozen=True)
class MemoryFact(Fact):
    """A fact from one of several memories that are used together, with the memory's name."""

    memory: str = ""


@dataclass(frozen=True)
class FactWithLater(Fact):
    """A fact of a list, with the later turn of its speaker that may change it.

    `later` is in words: `later, turn 3, 10 Mar 2026: "no dog anymore"`.
    """

    later: str = ""


class _Row(tuple[Any, ...]):
    """A row, whose values have the names of its columns, too: `row["text"]`."""

    columns: tuple[str, ...]

    @classmethod
    def of(cls, columns: tuple[str, ...], values: tuple[Any, ...]) -> Self:
        row = cls(values)
        row.columns = columns
        return row

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return super().__getitem__(key)
        if key not in self.columns:
            raise KeyError(f"no column {key!r}; there are {', '.join(self.columns)}")
        return super().__getitem__(self.columns.index(key))


@dataclass(frozen=True)
class Rows:
    """The result of a SELECT; `truncated` when more rows matched than were read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False

    def __iter__(self) -> Iterator[Any]:
        return (_Row.of(self.columns, row) for row in self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, str):
            raise TypeError(f"these are several rows; write [row[{index!r}] for row in rows]")
        return [*self][index]

    if not TYPE_CHECKING:  # else mypy would find every name

        def __getattr__(self, name):
            raise AttributeError(
                f"a Rows has no {name!r}; write rows.rows, or [row['text'] for row in rows]",
                name=name,
                obj=self,
            )

    def to_dict(self) -> dict[str, Any]:
        """The rows as JSON has them."""
        return {name: plain(value) for name, value in vars(self).items()}

    model_dump = to_dict
    toDict = to_dict  # what DSPy calls to write a Prediction as JSON

    def _repr_html_(self) -> str:
        return _html_table(self.columns, self.rows)


@dataclass(frozen=True)
class CurrencyRules:
    """The names of the attributes for which a date or a newer fact decides what is current.

    `one_valued` attributes have one value at a time, `states` begin on their date, and `opposed`
    have an opposite attribute for the same value. `exclusive` are values that exclude each other,
    with their attribute: "diet=vegan".
    """

    one_valued: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    opposed: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change(Record):
    """One journaled write to facts: `facts` counts the rows it inserted, updated or deleted.

    `rows` counts its edits of tags, attributes, entities and aliases. `window` is the run of turns
    it digested, None for a write by a person or an undo. `left_out` has the attributes of facts
    that were not stored, because the memory's vocabulary is strict and lacks them; `set_aside` says
    which rows of a digest were not, and why, and `undecided` which wait for a person to decide.
    Only the write itself returns these three. `note` is an undo's remark on the turns that a digest
    had read: they wait again, or why they do not; or an edit's on the replies that its fact shaped.
    """

    id: int
    at: str
    cause: str
    statement: str
    facts: int = 0
    undone_at: str | None = None
    window: tuple[int, int] | None = None
    left_out: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    undecided: str = ""
    rows: int = 0
    note: str = ""

    def __str__(self) -> str:
        return f"change {self.id} ({self.cause})"


@dataclass(frozen=True)
class Edit(Record):
    """What one change did to one fact: the fact before and after (None: it did not exist).

    `moment` is when the edit begins to count for `as_of`. For a fact stored by a digest that is the
    date of the fact's turn, and for the digest's edits of other facts the date of its window's last
    turn, if these are before the digest. Otherwise it is the time of the change (UTC).
    """

    change_id: int
    moment: str
    fact_id: int
    before: Fact | None
    after: Fact | None


@dataclass(frozen=True)
class EntityName(Record):
    """A name of an entity, and the turn that says so; 0 if a person set it for every turn."""

    name: str
    turn_id: int


@dataclass(frozen=True)
class Entity(Record):
    """A person or thing that facts are about, or that their values name.

    `names` are its other names. `facts` counts the facts about it, and `mentions` the facts whose
    value names it.
    """

    name: str
    description: str = ""
    names: tuple[EntityName, ...] = ()
    facts: int = 0
    mentions: int = 0

    @property
    def other_names(self) -> list[str]:
        """Its other names, each once."""
        return [
            name for name in dict.fromkeys(alias.name for alias in self.names) if name != self.name
        ]


@dataclass(frozen=True)
class StatedFact:
    """A fact that turns state, and what was said about it later.

    `before` is the fact before a person changed its value in place. `disputed_by` is the newest
    current fact linked to it as contradicting it, or as making it doubtful. Both may be None.
    `is_contested` is true if a newer fact may replace it without ending it: the attribute has one
    value at a time, or an opposite.
    """

    fact: Fact
    before: Fact | None = None
    disputed_by: Fact | None = None
    is_contested: bool = False


@dataclass(frozen=True)
class Summary(Record):
    """What happened from one turn to another, in a sentence or two by a model.

    `kind` is "session". `text` is empty while it waits to be rewritten, because a fact of its turns
    was corrected or one of them was forgotten.
    """

    turn_id: int
    last_turn_id: int
    kind: str
    text: str


@dataclass(frozen=True)
class Setting(Record):
    """One value that a setting had from `set_at` (UTC) on: any JSON value."""

    name: str
    value: Any
    set_at: str


@dataclass(frozen=True)
class Forgotten(Record):
    """What a `forget` removed: ids of turns and facts, and of changes whose text was removed too.

    `sha256` is the hash of the removed text after `salt`, which is kept nowhere else. With the salt
    and the turns you can prove later that these were the ones, and without it they cannot be
    guessed. `files` are the files that were searched and overwritten, backups included, and
    `unreached` the backups that could not be. `vacuum` is the SQL that makes a server drop the
    bytes of the rows; it is empty for a file, or once it has run, at `vacuumed_at`. `copies` are
    memories that this one was copied to or from, which still hold some of the turns or could not be
    checked. `exports` are exported files that hold some of their words, and `quoted_in` the turns
    that stay although they do. `shaped` are replies that stay and whose blocks held the turns or
    facts.
    """

    at: str
    turns: tuple[int, ...]
    facts: tuple[int, ...]
    changes: tuple[int, ...]
    sha256: str
    salt: str
    files: tuple[str, ...] = ()
    unreached: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()
    vacuum: str = ""
    vacuumed_at: str = ""
    exports: tuple[str, ...] = ()
    quoted_in: tuple[int, ...] = ()
    shaped: tuple[int, ...] = ()


@dataclass(frozen=True)
class Trace(Record):
    """What the block of a reply held, and which replies a turn or fact shaped, as ids in order.

    `turns` and `facts` (wishes are facts) were in the block that the reply was made from; both are
    empty for what is no reply with a trace. `left_out` counts those beyond a bound. `replies` are
    the later turns whose blocks held this turn or fact.
    """

    turns: tuple[int, ...] = ()
    facts: tuple[int, ...] = ()
    replies: tuple[int, ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class Pending(Record):
    """A window (first to last turn id, inclusive) that no model has stored yet, or only in part.

    `error` is why the last attempt failed; it is empty while a process works on the window.
    `statement` is the model's SQL that a person must decide about, or "". If `stored`, the rest of
    the window is stored.
    """

    first_turn: int
    last_turn: int
    error: str
    attempts: int
    statement: str = ""
    stored: bool = False


@dataclass(frozen=True)
class Task:
    """What `memory serve worker` does for a memory: digests, refining, forgetting.

    Tasks of all memories take turns. `served_at` is when this one was last served, `due_at` the
    earliest time for the next, and `held_by` works on it until `held_until` (all Unix seconds).
    `failures` counts the failures since the last success, and `error` is the newest. `position` is
    the day on which a clock had jumped. `calls` and `tokens` are the cost of a `day`.
    """

    name: str
    served_at: float = 0.0
    due_at: float = 0.0
    held_by: str = ""
    held_until: float = 0.0
    failures: int = 0
    error: str = ""
    position: int = 0
    day: str = ""
    calls: int = 0
    tokens: int = 0


@dataclass(frozen=True)
class WaitingWork:
    """The work that waits in a memory until a worker does it.

    `turns` are in no window yet, up to the id `last_turn`. `windows` failed before or belonged to a
    dead process, `claimed_windows` are under way, `dead_windows` wait for a person.
    `blank_summaries` must be rewritten, and `forgets` finished. `retention_days` is the setting of
    this name, as JSON or "". `next_expiry` is the moment (UTC) at which the next turn expires, or
    "".
    """

    name: str
    turns: int = 0
    last_turn: int = 0
    windows: int = 0
    claimed_windows: int = 0
    dead_windows: int = 0
    blank_summaries: int = 0
    forgets: int = 0
    retention_days: str = ""
    next_expiry: str = ""

    @property
    def has_expired(self) -> bool:
        """Whether turns are to be forgotten now."""
        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return "" < self.next_expiry <= now

    @property
    def is_any(self) -> bool:
        """Whether anything waits, or is under way."""
        counts = (self.turns, self.windows, self.claimed_windows, self.dead_windows)
        due = (self.blank_summaries, self.forgets, self.retention_days, self.has_expired)
        return any((*counts, *due))


@dataclass(frozen=True)
class Hit(Record):
    """One turn found by a search. Scores can only be compared within one search.

    `shares` says how much each feature of the ranking gave; they sum to the score. The other fields
    are the turn's, if `Memory.search` returned the hit.
    """

    turn_id: int
    score: float
    shares: Mapping[str, float] = field(default_factory=dict, compare=False)
    text: str = field(default="", compare=False)
    speaker: str = field(default="", compare=False)
    said_at: str = field(default="", compare=False)
    session: str = field(default="", compare=False)
    source: str = field(default="", compare=False)
    kind: Kind = field(default="message", compare=False)
    tags: Tags = field(default_factory=dict, compare=False)

    KEYS: ClassVar[Mapping[str, str]] = {
        "id": "turn_id",
        "memory": "text",
        "created_at": "said_at",
        "metadata": "tags",
        "run_id": "session",
    }
    ADVICE: ClassVar[Mapping[str, str]] = {
        "id": "hit.turn_id",
        "memory": "hit.text",
        **dict.fromkeys(("content", "page_content"), "hit.text"),
        "created_at": "hit.said_at",
        "metadata": "hit.tags",
        "role": "hit.speaker",
    }

    def __str__(self) -> str:
        return f"[{self.turn_id}] {self.speaker}: {self.text}"

    def of(self, turn: Turn) -> Self:
        """The hit with its turn."""
        [hit] = hits_with_turns([self], {self.turn_id: turn})
        return hit

    @property
    def turn(self) -> Turn:
        """The turn, if `Memory.search` returned the hit."""
        return Turn(
            self.speaker,
            self.text,
            session=self.session,
            said_at=self.said_at,
            source=self.source,
            kind=self.kind,
            id=self.turn_id,
            tags=self.tags,
        )


@dataclass(frozen=True)
class MemoryHit(Hit):
    """A hit in one of several memories that were searched together, with the memory's name.

    `turn_id` is the turn's id in that memory.
    """

    memory: str = ""

    @property
    def turn(self) -> Turn:
        return MemoryTurn(**vars(super().turn), memory=self.memory)


_UNRANKED = vars(Hit(0, 0.0))


def ranked_hits(
    turn_ids: Iterable[int], scores: Iterable[float], shares: Iterable[Mapping[str, float]]
) -> list[Hit]:
    """The hits of a ranking, still without their turns."""
    return records_of(
        Hit,
        [
            {**_UNRANKED, "turn_id": turn_id, "score": score, "shares": of_features, "tags": {}}
            for turn_id, score, of_features in zip(turn_ids, scores, shares, strict=True)
        ],
    )


def hits_with_turns(hits: Sequence[_Hit], turns: Mapping[int, Turn]) -> list[_Hit]:
    """The hits of a search with their turns, given by id; without a hit whose turn is missing."""
    of_turns = [(hit, turns[hit.turn_id]) for hit in hits if hit.turn_id in turns]
    if not of_turns:
        return []
    return records_of(
        type(hits[0]),
        [
            {
                **vars(hit),
                "text": turn.text,
                "speaker": turn.speaker,
                "said_at": turn.said_at,
                "session": turn.session,
                "source": turn.source,
                "kind": turn.kind,
                "tags": turn.tags,
            }
            for hit, turn in of_turns
        ],
    )


def _fill_with_memory(source: "Citation | Quotation") -> None:
    """Fill a record with its fields, with the name of its memory if several were asked."""
    dict.update(source, vars(source))
    if not source.memory:
        dict.pop(source, "memory")


@dataclass(frozen=True)
class Citation(Record):
    """A turn that an answer cites, and what brought it up.

    `rank` is its rank for the question (1 is the best, 0 if the ranking did not
    find it), and `shares` says how much each feature of the ranking gave. `sql` has
    the SELECTs whose rows name the turn. If several memories were asked, `memory` is the name of
    the turn's memory, and `turn_id` its id there.
    """

    turn_id: int
    rank: int
    shares: Mapping[str, float]
    sql: tuple[str, ...]
    memory: str = ""

    def __post_init__(self) -> None:
        _fill_with_memory(self)


@dataclass(frozen=True)
class Quotation(Record):
    """A turn close to a question, shown to people when nothing answers it.

    `text` is the turn's, or the relevant part of a long turn. `mark` says which part of it is
    outdated, or was said again later with another value. If several memories were asked, `memory`
    is the name of the turn's memory.
    """

    turn_id: int
    speaker: str
    said_at: str
    text: str
    mark: str = ""
    memory: str = ""

    def __post_init__(self) -> None:
        _fill_with_memory(self)


# The basis of an answer: rows of facts that decided it, a model, nothing (the nearest turns are
# shown), or a memory without turns.
Basis = Literal["rows", "model", "quotes", "none"]

StepName = Literal["search", "select", "answer"]


@dataclass(frozen=True)
class Step(Record):
    """The cost of one step of answering, and its results.

    "search" ranks turns and fills the budget, "select" writes SELECTs and runs them (or says in
    place of an answer what else to look up), "answer" answers. `calls` counts answered calls of the
    language model, with `tokens_in` and `tokens_out` as its server counts them (0 if it does not).
    The step took `seconds`. `rows` counts the rows that the SELECTs returned, `turns` the shown
    turns that only this step found, and `displaced` the turns that the search alone would have
    shown in the space of the rows.
    """

    name: StepName
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    rows: int = 0
    turns: int = 0
    displaced: int = 0


_TOKENS_IN, _TOKENS_OUT = attrgetter("tokens_in"), attrgetter("tokens_out")
_SECONDS = attrgetter("seconds")


def _statement(sql: str, rows: Rows) -> dict[str, Any]:
    return {"statement": sql, **vars(rows)}


@dataclass(frozen=True, repr=False)
class Answer(Record):
    """An answer and its sources; `str(answer)` is its text. False if nothing answers the question.

    `turns` are the ids of the turns it cites, and `shown` the ids of the turns that the answering
    model saw. `sql` ran and returned `rows`. `tokens` counts the memory shown, `calls` the calls of
    the language model. `refusals` has the retrieving model's SQL that the database refused, and
    why, in order. `citations` say for each of `turns` how it was found (`Memory.ask` fills them
    in). If several memories were asked, `memories` has the name of the memory of each of `turns`,
    and `shown_memories` of each of `shown`; both are empty for one memory. `basis` is what the
    answer is based on; with "quotes" nothing answers. `quotations` are the nearest turns, given in
    that case and when a model names no source. `steps` has the cost and results of each step, in
    order. `standing` has the asker's standing instructions and preferences that the model saw,
    `contradictions` the contradicting facts that may matter and are not settled. `sources` are the
    turns of `turns`, with their texts. `shown_facts` are the ids of the current facts that a
    character saw for its reply. As a dict it is the record that the JSON API returns.
    """

    text: str
    turns: tuple[int, ...]
    sql: tuple[str, ...]
    rows: tuple[Rows, ...]
    tokens: int
    calls: int
    shown: tuple[int, ...]
    refusals: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    memories: tuple[str, ...] = ()
    shown_memories: tuple[str, ...] = ()
    basis: Basis = "model"
    quotations: tuple[Quotation, ...] = ()
    steps: tuple[Step, ...] = ()
    standing: tuple[Fact, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    sources: tuple[Turn, ...] = ()
    shown_facts: tuple[int, ...] = ()

    KEYS: ClassVar[Mapping[str, str]] = {"text": "text", "response": "text", "content": "text"}
    ADVICE: ClassVar[Mapping[str, str]] = {
        "answer": "answer.text",
        "content": "answer.text",
        "response": "answer.text",
    }

    def __post_init__(self) -> None:
        statements = zip(self.sql, self.rows, strict=True) if self.sql else ()
        record = {
            "answer": self.text,
            "basis": self.basis,
            "nearest": self.quotations,
            "turns": self.sources,
            "citations": self.citations,
            "sql": [*starmap(_statement, statements)],
            "standing": self.standing,
            "contradictions": self.contradictions,
            "tokens": self.tokens,
            "calls": self.calls,
            "tokens_in": sum(map(_TOKENS_IN, self.steps)),
            "tokens_out": sum(map(_TOKENS_OUT, self.steps)),
            "seconds": round(sum(map(_SECONDS, self.steps)), 3),
            "steps": self.steps,
        }
        dict.update(self, record)

    def __bool__(self) -> bool:
        return self.basis in ("rows", "model")

    def __contains__(self, item: object) -> bool:
        """Whether its text has this word, or its record this key."""
        return dict.__contains__(self, item) or (isinstance(item, str) and item in self.text)

    def __str__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        cited = [(turn.id, turn.speaker, turn.said_at, turn.text) for turn in self.sources]
        near = [(turn.turn_id, turn.speaker, turn.said_at, turn.text) for turn in self.quotations]
        table = _html_table(("turn", "speaker", "said at", "text"), cited or near)
        return f"<p>{escape(self.text)}</p>{table if cited or near else ''}"

    def __repr__(self) -> str:
        return f"Answer({self.text!r}, turns={self.turns}, basis={self.basis!r})"

    @property
    def tokens_in(self) -> int:
        """How many tokens the language model read."""
        return int(self["tokens_in"])

    @property
    def tokens_out(self) -> int:
        """How many tokens the language model wrote."""
        return int(self["tokens_out"])

    @property
    def seconds(self) -> float:
        """How long the answer took, to the millisecond."""
        return float(self["seconds"])
