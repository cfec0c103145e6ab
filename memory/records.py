"""The values that pass between the layers: plain, immutable, without behaviour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["message", "document", "tool"]
# A store reads the turn of a correction that was undone with this before its text.
WITHDRAWN = "(withdrawn) "


@dataclass(frozen=True)
class Turn:
    """A message, a chunk of a document, or a tool use. Immutable once stored.

    `said_at` is ISO text as exact as known (`2017-05-08T13:56`, `2017-05-08`, `2017-05`, ``);
    `source` is an outside id (LoCoMo's `D1:3`); `id` is 0 until the store has numbered the turn.
    """

    speaker: str
    text: str
    session: str = ""
    said_at: str = ""
    source: str = ""
    kind: Kind = "message"
    id: int = 0


@dataclass(frozen=True)
class Fact:
    """One statement about a subject, with the turn it came from. Dates are ISO text or ``."""

    subject: str
    attribute: str
    value: str
    turn_id: int
    happened_on: str = ""
    ended_on: str = ""
    recorded_at: str = ""
    id: int = 0


@dataclass(frozen=True)
class Rows:
    """What a SELECT returned; `truncated` when more rows matched than were read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


@dataclass(frozen=True)
class Change:
    """One journaled write to facts: `facts` counts the rows it inserted, updated or deleted.

    `window` is the run of turns it digested, None for a write by a person or an undo.
    """

    id: int
    at: str
    cause: str
    statement: str
    facts: int = 0
    undone_at: str | None = None
    window: tuple[int, int] | None = None


@dataclass(frozen=True)
class Edit:
    """What one change did to one fact: how it was before and after (None: it was not there).

    `moment` is when the change counts from for `as_of`: for a digested window the date of its last
    turn, when that has one and lies before the digest; else when the change was made (UTC).
    """

    change_id: int
    moment: str
    fact_id: int
    before: Fact | None
    after: Fact | None


@dataclass(frozen=True)
class Setting:
    """One value that a setting had from `set_at` (UTC) on: anything that JSON holds."""

    name: str
    value: Any
    set_at: str


@dataclass(frozen=True)
class Forgotten:
    """What a `forget` removed: ids of turns and facts, changes whose text went with them.

    `sha256` is the hash of what was removed, preceded by `salt`, which is kept nowhere: with the
    salt and the turns somebody can prove later that these were the ones, without it nobody can
    guess them. `files` are the files that were searched and overwritten, backups included;
    `unreached` are backups that could not be. `copies` are memories of their own that one was
    copied from the other: they hold some of the turns still, or could not be looked into.
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


@dataclass(frozen=True)
class Pending:
    """A window (first to last turn id, inclusive) that no model has stored yet.

    `error` is why the last attempt failed, empty while a process is at work on it. `statement` is
    what a model wrote and a person must decide about, empty where nothing is held.
    """

    first_turn: int
    last_turn: int
    error: str
    attempts: int
    statement: str = ""


@dataclass(frozen=True)
class Hit:
    """One turn found by a search; scores of one search can be compared with each other only.

    `shares` says how much each feature of the ranking gave; they sum to the score.
    """

    turn_id: int
    score: float
    shares: Mapping[str, float] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Citation:
    """A turn that an answer cites, and what brought it up.

    `rank` is its rank for the question, after a reranker where there is one (1 is
    the best; 0 where the ranking did not bring it up), and `shares` says how much each feature of
    the ranking gave. `sql` are the SELECTs whose rows name the turn.
    """

    turn_id: int
    rank: int
    shares: Mapping[str, float]
    sql: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """An answer and what it rests on.

    `turns` are the ids it cites, `shown` those the answering model saw; `sql` ran and returned
    `rows`; `tokens` counts the memory shown, `calls` the calls of the language model; `refusals`
    are what the retrieving model wrote and the database refused, and why, in order; `citations`
    say of each of `turns` what brought it up (`Memory.ask` fills them in).
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
