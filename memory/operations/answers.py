"""What operations and the other endpoints of the JSON API answer, as types."""

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from memory.evidence.upcoming import Upcoming
from memory.facts.audit import Finding
from memory.records import (
    Change,
    Contradiction,
    Edit,
    Entity,
    Fact,
    FactWithLater,
    Forgotten,
    Skipped,
    Step,
    Summary,
    Turn,
    Withheld,
)
from memory.store.forgetting.preview import Preview
from memory.store.turns.expiry import Expiring


class TurnOfMemory(TypedDict):
    """A turn; `memory` is its memory's name where several were asked."""

    speaker: str
    text: str
    session: str
    said_at: str
    source: str
    kind: str
    id: int
    tags: dict[str, str | list[str]]
    memory: NotRequired[str]


class Fault(TypedDict):
    """What was wrong, and what to do; some kinds have more."""

    kind: str
    message: str


class ErrorRecord(TypedDict):
    """A refusal."""

    error: Fault


class NewMemory(TypedDict):
    """A memory that exists now; `new` if this request created it."""

    namespace: str
    new: bool
    owner: str


class Erased(TypedDict):
    """The name that was erased, and its backups that remain."""

    erased: str
    backups: list[str]


class TurnPage(TypedDict):
    """Turns by id; `after` is the last id, null at the end."""

    turns: list[Turn]
    after: int | None


class AddedTurn(TypedDict):
    """The id of a stored turn; not `new` where its source was known."""

    id: int
    new: bool
    withheld: NotRequired[Withheld]


class AddedTurns(TypedDict):
    """The stored turns, in the order of the request, and the skipped ones."""

    turns: list[AddedTurn]
    skipped: NotRequired[list[Skipped]]


class AddedTrace(TypedDict):
    """Not `new` where the reply has a trace already, or nothing that was named is there."""

    new: bool


class HitRecord(TypedDict):
    """A turn, its score, and what each feature of the ranking gave."""

    turn_id: int
    score: float
    shares: dict[str, float]
    text: str
    speaker: str
    said_at: str
    session: str
    source: str
    kind: str
    tags: dict[str, str | list[str]]
    memory: NotRequired[str]


class SearchHits(TypedDict):
    """The best turns, best first."""

    hits: list[HitRecord]


class RecalledTurn(TypedDict):
    """A turn, and what of it is outdated or disputed."""

    mark: str
    turn: Turn


class Recalled(TypedDict):
    """The owner's wishes and profile, contradictions, current facts, and turns, best first."""

    standing: list[Fact]
    profile: list[Fact]
    contradictions: list[Contradiction]
    facts: list[Fact]
    turns: list[RecalledTurn]


class Summaries(TypedDict):
    """What happened, a line for each run of turns."""

    summaries: list[Summary]


class TagCounts(TypedDict):
    """How many turns have each value of each key."""

    tags: dict[str, dict[str, int]]


class CitationRecord(TypedDict):
    """A cited turn, and what brought it up."""

    turn_id: int
    rank: int
    shares: dict[str, float]
    sql: list[str]
    memory: NotRequired[str]


class Statement(TypedDict):
    """A SELECT that was run, and its rows."""

    statement: str
    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


class QuotationRecord(TypedDict):
    """A turn near to a question, and its mark: what is outdated in it."""

    turn_id: int
    speaker: str
    said_at: str
    text: str
    mark: str
    memory: NotRequired[str]


class AnswerRecord(TypedDict):
    """An answer with its sources, SQL and bill; without a source, the nearest turns."""

    answer: str
    basis: Literal["rows", "model", "quotes", "none"]
    nearest: list[QuotationRecord]
    turns: list[TurnOfMemory]
    citations: list[CitationRecord]
    sql: list[Statement]
    standing: list[Fact]
    contradictions: list[Contradiction]
    tokens: int
    calls: int
    tokens_in: int
    tokens_out: int
    seconds: float
    steps: list[Step]


class FactPage(TypedDict):
    """Facts by id; `after` is the last id, null at the end.

    A fact that its speaker mentions again has that turn as `later`, in words.
    """

    facts: list[Fact | FactWithLater]
    after: int | None


class Contradictions(TypedDict):
    """Pairs of facts that cannot both be true."""

    contradictions: list[Contradiction]


class ChangeList(TypedDict):
    """Changes, oldest first."""

    changes: list[Change]


class FactHistory(TypedDict):
    """The edits of a fact, oldest first; before the first and after a deletion there is none."""

    edits: list[Edit]


class SettingRecord(TypedDict):
    """A setting, what it takes in words, and its value, null where it was never set."""

    name: str
    takes: str
    value: Any


class SettingList(TypedDict):
    """All settings that a memory knows."""

    settings: list[SettingRecord]


class AttributeRecord(TypedDict):
    """An attribute, and how many current facts have it.

    `by` says who set it: "you", "default", or "facts only" where no vocabulary has it.
    """

    name: str
    kind: str
    other_names: list[str]
    allowed_values: list[str]
    instruction: str
    form: str
    says: list[str]
    ends: list[str]
    asks: list[str]
    asks_count: list[str]
    asks_date: list[str]
    asks_first: list[str]
    asks_last: list[str]
    opposite: str
    profile: str
    one_of: str
    by: str
    facts: int


class AttributeCounts(TypedDict):
    """Your own attributes, the default ones, then what only facts have.

    If the vocabulary is `strict`, facts of other attributes are not stored.
    """

    attributes: list[AttributeRecord]
    strict: bool


class Entities(TypedDict):
    """The people and things that facts are about."""

    entities: list[Entity]


class HeldChange(TypedDict):
    """SQL of a digest that waits for a person, of the window between two turns."""

    first_turn: int
    last_turn: int
    reason: str
    sql: str


class HeldChanges(TypedDict):
    """What digests wrote and a person has to decide."""

    changes: list[HeldChange]


class Findings(TypedDict):
    """Problems for a person to check."""

    findings: list[Finding]


class ForgetAnswer(TypedDict):
    """The preview and the word that confirms it; or, once confirmed, the receipts."""

    preview: NotRequired[Preview]
    confirmation: NotRequired[str]
    receipt: NotRequired[Forgotten]
    earlier_receipts: NotRequired[list[Forgotten]]


class PinnedTurns(TypedDict):
    """The turns that are in every block for a prompt, and those that are in none."""

    pinned: list[Turn]
    kept_out: list[Turn]


class Due(TypedDict):
    """What is due, by day."""

    upcoming: list[Upcoming]


class Expiries(TypedDict):
    """Turns that will be forgotten."""

    expiring: list[Expiring]


class ContextBlock(TypedDict):
    """Memories as a block for a prompt, and what it is made of."""

    text: str
    prompt: str
    tokens: int
    turn_ids: list[int]
    memories: list[str]
    standing: list[Fact]
    profile: list[Fact]
    fact_ids: list[int]
    contradictions: list[Contradiction]
    also: dict[str, list[int]]


class Imported(TypedDict):
    """How many turns an import has stored."""

    turns: int


class JobRecord(TypedDict):
    """Work that goes on after its request: "running", "done" or "failed".

    `result` counts what it did, once it is done; `error` says why it failed.
    """

    id: int
    kind: str
    state: str
    started_at: str
    ended_at: str
    result: dict[str, float | list[str]]
    error: str


class JobList(TypedDict):
    """The jobs of a memory since the server started, newest first."""

    jobs: list[JobRecord]
