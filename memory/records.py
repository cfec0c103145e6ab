"""The values that pass between the layers: plain, immutable, without behaviour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

_Item = TypeVar("_Item")
Kind = Literal["message", "document", "tool"]
FormChoice = Literal["auto", "full", "short"]  # of the prompts that a model is given
# When SELECTs are written for a question: for each, or where they pay.
SqlUse = Literal["always", "when it pays", "never"]
Tags = Mapping[str, str | Sequence[str]]  # key -> its value, or several
# A store reads the turn of a correction that was undone with this before its text.
WITHDRAWN = "(withdrawn) "
CUT_ANSWER: Tags = {"answer": "cut"}  # of an answer whose end is missing
ABSTAIN = "No information available"  # what every answering model says when memory does not
CORRECTIONS = "corrections"  # the session of the turns in which persons add and edit facts


class HasKeys:
    """A record whose fields are also there by the keys that mem0 has for them: `hit["memory"]`.

    KeyError and AttributeError say what to write for a name that only other libraries have.
    """

    KEYS: ClassVar[Mapping[str, str]] = {}  # mem0's key -> the attribute
    ADVICE: ClassVar[Mapping[str, str]] = {}  # a name that is not here -> what to write

    def __getitem__(self, key: str) -> Any:
        if key in self.KEYS:
            return getattr(self, self.KEYS[key])
        raise KeyError(self._advice(key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key of mem0's, or the default for a key that no library has."""
        return self[key] if key in self.KEYS or key in self.ADVICE else default

    if not TYPE_CHECKING:

        def __getattr__(self, name):
            raise AttributeError(self._advice(name), name=name, obj=self)

    def _advice(self, name: str) -> str:
        kind, advice = type(self).__name__, self.ADVICE.get(name, "")
        return f"a {kind} has no {name!r}" + (f"; write {advice}" if advice else "")


@dataclass(frozen=True)
class Turn(HasKeys):
    """A message, a chunk of a document, or a tool use. Immutable once stored.

    `said_at` is ISO text as exact as known (`2017-05-08T13:56`, `2017-05-08`, `2017-05`, ``);
    `source` is an outside id (LoCoMo's `D1:3`); `id` is 0 until the store has numbered the turn.
    `tags` are what an application says of it: {"project": "move", "topic": ["flat", "rent"]}.
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
        "id": "id",
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


@dataclass(frozen=True)
class Withheld:
    """How much a memory did not store: secrets, and pieces of text in <private> tags."""

    secrets: int = 0
    private: int = 0


NOTHING_WITHHELD = Withheld()


@dataclass(frozen=True)
class Skipped:
    """Something that became no turn, or a date that a turn lost: where it is, and why."""

    where: str
    why: str


class Results(list[_Item]):
    """A list of what a call found or made. mem0's `["results"]` of it is the list itself."""

    if not TYPE_CHECKING:  # the types stay those of a list

        def __getitem__(self, index):
            if not isinstance(index, str):
                return super().__getitem__(index)
            if index == "results":
                return self._results()
            raise KeyError(f"this is a list, without {index!r}; write `for item in` it")

        def get(self, key, default=None):
            return self[key] if key == "results" else default

        def _results(self):
            return self


class TurnIds(Results[int]):
    """The ids of turns that were added, how much of their text was withheld, and what was skipped.

    `withheld` is of all that are new, `by_turn` of each turn: None where it was there before.
    `skipped` are the messages that became no turn, each with the reason.
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
    def withheld(self) -> Withheld:
        counts = [count for count in self.by_turn if count is not None]
        return Withheld(
            sum(count.secrets for count in counts), sum(count.private for count in counts)
        )


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
class Assertion:
    """What a clause of a turn says in a template: a fact, or with `is_end` that one is over.

    `happened_on` is the day, month or year (ISO) that its words name, "" where they name none. An
    end without a value is of every value.
    """

    subject: str
    attribute: str
    value: str
    happened_on: str = ""
    is_end: bool = False


@dataclass(frozen=True)
class TurnAssertions:
    """What a turn asserts, and the names that it gives: each a name and the entity it means.

    `is_new` says that the turn was not in the memory before.
    """

    turn: Turn
    assertions: Sequence[Assertion] = ()
    names: Sequence[tuple[str, str]] = ()
    is_new: bool = False


@dataclass(frozen=True)
class Removal:
    """A value that a person took from a subject at a moment, by correcting or deleting a fact.

    `turn_id` is the turn that the fact came from. A deletion put nothing in its place.
    """

    subject: str
    attribute: str
    value: str
    at: str
    turn_id: int = 0
    is_deletion: bool = False


@dataclass(frozen=True)
class Contradiction:
    """Two facts in force that cannot both be true, the one stored first first.

    `said_at` is when the turn of each was said (ISO text).
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
    """A turn of one of several memories that were asked together, with the memory's name."""

    memory: str = ""


@dataclass(frozen=True)
class MemoryFact(Fact):
    """A fact of one of several memories that were asked together, with the memory's name."""

    memory: str = ""


@dataclass(frozen=True)
class Rows:
    """What a SELECT returned; `truncated` when more rows matched than were read."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool = False


@dataclass(frozen=True)
class CurrencyRules:
    """The names of the attributes for which a date or a newer fact decides what is current.

    `one_valued` have one value at a time, `states` begin on their date, `opposed` have an opposite
    that says the contrary of the same value.
    """

    one_valued: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    opposed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One journaled write to facts: `facts` counts the rows it inserted, updated or deleted.

    `rows` counts what it did to tags, attributes, entities and aliases. `window` is the run of
    turns it digested, None for a write by a person or an undo. `left_out` are the attributes of the
    facts that were not stored, as the memory's vocabulary is strict and lacks them; only the write
    itself tells them. `note` is what an undo says of the turns that a digest had read: they wait
    again, or why they do not.
    """

    id: int
    at: str
    cause: str
    statement: str
    facts: int = 0
    undone_at: str | None = None
    window: tuple[int, int] | None = None
    left_out: tuple[str, ...] = ()
    rows: int = 0
    note: str = ""


@dataclass(frozen=True)
class Edit:
    """What one change did to one fact: how it was before and after (None: it was not there).

    `moment` is when the edit counts from for `as_of`: for a fact that a digest stored the date of
    the fact's turn, for what it did to other facts the date of its window's last turn, where these
    lie before the digest; else when the change was made (UTC).
    """

    change_id: int
    moment: str
    fact_id: int
    before: Fact | None
    after: Fact | None


@dataclass(frozen=True)
class EntityName:
    """A name of an entity, and the turn that says so; 0: a person said it of every turn."""

    name: str
    turn_id: int


@dataclass(frozen=True)
class Entity:
    """Somebody or something that facts are about, or name in their values.

    `names` are its aliases beside its own name; `facts` counts the facts about it, `mentions` those
    whose value names it.
    """

    name: str
    description: str = ""
    names: tuple[EntityName, ...] = ()
    facts: int = 0
    mentions: int = 0


@dataclass(frozen=True)
class StatedFact:
    """A fact that turns state, and what has been said of it since.

    `before` is the fact as it was before a person changed its value in place; `disputed_by` is the
    newest fact in force that is linked to it as one that contradicts it, or that it may no longer
    hold beside. None where there is none. `is_contested` says that a newer fact may take its place
    without ending it: the attribute has one value at a time, or an opposite.
    """

    fact: Fact
    before: Fact | None = None
    disputed_by: Fact | None = None
    is_contested: bool = False


@dataclass(frozen=True)
class Summary:
    """What happened from one turn to another, in a sentence or two, as a model told it.

    `kind` is "session", or "month" for all lines of a month. `text` is empty where it waits to be
    written anew: a fact of its turns was corrected, or one of them was forgotten.
    """

    turn_id: int
    last_turn_id: int
    kind: str
    text: str


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
    `vacuum` is the SQL that makes a server drop the bytes of the rows, empty where there is none or
    where it has run: `vacuumed_at`. `unreached` are backups that could not be. `copies` are
    memories of their own that one was copied from the other: they hold some of the turns still, or
    could not be looked into.
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


@dataclass(frozen=True)
class Pending:
    """A window (first to last turn id, inclusive) that no model has stored yet, or not whole.

    `error` is why the last attempt failed, empty while a process is at work on it. `statement` is
    what a model wrote and a person must decide about, empty where nothing is held. Where it is
    `stored`, all else of the window is.
    """

    first_turn: int
    last_turn: int
    error: str
    attempts: int
    statement: str = ""
    stored: bool = False


@dataclass(frozen=True)
class Task:
    """What `memory serve worker` does for a memory: digests, or changes sent to an address.

    It is served in turn with those of other memories: `served_at` says when it was last, `due_at`
    from when on it may be again, `held_until` until when `held_by` works on it (all Unix seconds).
    `failures` counts those since it last succeeded, of which `error` is the newest. `position` is
    the last change that an address has got; `calls` and `tokens` are what a `day` has cost.
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
    """What waits in a memory until a worker does it.

    `turns` are in no window yet, up to the id `last_turn`; `windows` failed before or were a dead
    process's, `claimed_windows` are under way, `dead_windows` wait for a person. `blank_summaries`
    are to be told again, `forgets` to be finished. `last_change` is the newest of the journal,
    `refine` the setting of that name, `retention_days` as well; both are JSON, or "".
    """

    name: str
    turns: int = 0
    last_turn: int = 0
    windows: int = 0
    claimed_windows: int = 0
    dead_windows: int = 0
    blank_summaries: int = 0
    forgets: int = 0
    last_change: int = 0
    refine: str = ""
    retention_days: str = ""

    @property
    def is_any(self) -> bool:
        """Whether anything waits, or is under way."""
        counts = (self.turns, self.windows, self.claimed_windows, self.dead_windows)
        settings = (self.refine, self.retention_days)
        return any((*counts, self.blank_summaries, self.forgets, *settings))


@dataclass(frozen=True)
class Hit(HasKeys):
    """One turn found by a search; scores of one search can be compared with each other only.

    `shares` says how much each feature of the ranking gave; they sum to the score. `text`,
    `speaker` and `said_at` are the turn's, where `Memory.search` returned the hit.
    """

    turn_id: int
    score: float
    shares: Mapping[str, float] = field(default_factory=dict, compare=False)
    text: str = field(default="", compare=False)
    speaker: str = field(default="", compare=False)
    said_at: str = field(default="", compare=False)

    KEYS: ClassVar[Mapping[str, str]] = {
        "id": "turn_id",
        "memory": "text",
        "score": "score",
        "created_at": "said_at",
    }
    ADVICE: ClassVar[Mapping[str, str]] = {
        "id": "hit.turn_id",
        "memory": "hit.text",
        "content": "hit.text",
        "created_at": "hit.said_at",
        "metadata": "memory.of(user_id).store.turn(hit.turn_id).tags",
        "tags": "memory.of(user_id).store.turn(hit.turn_id).tags",
    }


@dataclass(frozen=True)
class MemoryHit(Hit):
    """A hit of one of several memories that were searched together, with the memory's name.

    `turn_id` is the turn's id there.
    """

    memory: str = ""


@dataclass(frozen=True)
class Citation:
    """A turn that an answer cites, and what brought it up.

    `rank` is its rank for the question, after a reranker where there is one (1 is
    the best; 0 where the ranking did not bring it up), and `shares` says how much each feature of
    the ranking gave. `sql` are the SELECTs whose rows name the turn. `memory` is the name of the
    turn's memory where several were asked, and `turn_id` its id there.
    """

    turn_id: int
    rank: int
    shares: Mapping[str, float]
    sql: tuple[str, ...]
    memory: str = ""


@dataclass(frozen=True)
class Quotation:
    """A turn near to a question, as people are shown it where nothing answers.

    `text` is the turn's, or the part of a long one that the question asks for; `mark` says what
    of it is outdated, or said again later with another value. `memory` is the name of the turn's
    memory where several were asked.
    """

    turn_id: int
    speaker: str
    said_at: str
    text: str
    mark: str = ""
    memory: str = ""


# On what an answer rests: rows of facts that decided it, a model, nothing (the nearest turns are
# shown), or a memory without turns.
Basis = Literal["rows", "model", "quotes", "none"]

StepName = Literal["search", "select", "answer"]


@dataclass(frozen=True)
class Step:
    """What one step of answering took, and what it brought.

    "search" ranks turns and fills the budget, "select" writes SELECTs and runs them, "answer"
    answers. `calls` of the language model were answered, with `tokens_in` and `tokens_out` as its
    server counts them (0 where it does not); the step took `seconds`. `rows` are those that the
    SELECTs returned, `turns` counts the turns shown that only this step brought, and `displaced`
    those that the search alone would have shown in the room that rows took.
    """

    name: StepName
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    rows: int = 0
    turns: int = 0
    displaced: int = 0


@dataclass(frozen=True, repr=False)
class Answer:
    """An answer and what it rests on; `str(answer)` is its text.

    `turns` are the ids it cites, `shown` those the answering model saw; `sql` ran and returned
    `rows`; `tokens` counts the memory shown, `calls` the calls of the language model; `refusals`
    are what the retrieving model wrote and the database refused, and why, in order; `citations`
    say of each of `turns` what brought it up (`Memory.ask` fills them in). Where several memories
    were asked, `memories` are the names of those that `turns` belong to, and `shown_memories` those
    of `shown`; both are empty for one. `basis` says on what the answer rests; where that is
    "quotes" nothing answers. `quotations` are the nearest turns, there and where a model names no
    source. `steps` say what each step took and brought, in their order. `standing` are the asker's
    standing instructions and preferences that the model was shown, `contradictions` the facts
    it may be about of which nobody has said which is right.
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

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Answer({self.text!r}, turns={self.turns}, basis={self.basis!r})"

    @property
    def tokens_in(self) -> int:
        """What the language model read, in tokens."""
        return sum(step.tokens_in for step in self.steps)

    @property
    def tokens_out(self) -> int:
        """What the language model wrote, in tokens."""
        return sum(step.tokens_out for step in self.steps)

    @property
    def seconds(self) -> float:
        """How long the answer took."""
        return sum(step.seconds for step in self.steps)
