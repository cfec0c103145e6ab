"""Memory, the main class: a store, the model and program that work on it, and a token budget."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from memory import facts
from memory.api.calls import for_user, refuses_others
from memory.api.other_libraries import AnswersOthersNames, is_config, refuse_config
from memory.api.several import open_together, places_by_name, with_others
from memory.api.users import Place, UserId, UserMemories
from memory.errors import InputError, ModelError, PromptTooLong
from memory.evidence.layout import Evidence
from memory.evidence.lines import LEAST_BUDGET, citations, refuse_budget
from memory.evidence.reader import MemoryReader
from memory.evidence.upcoming import Upcoming, upcoming
from memory.facts.additions import add_turns, record_assertions, refuse_used_sources
from memory.facts.edit_history import newest_change
from memory.facts.latest_word import with_later
from memory.recall.messages import (
    Defaults,
    Message,
    Moment,
    date_text,
    day_of,
    moment_of,
    read_ids,
    said_at_of,
    tags_of,
    turns_of,
)
from memory.records import (
    Answer,
    Change,
    Fact,
    Forgotten,
    Hit,
    MemoryFact,
    MemoryTurn,
    Results,
    Rows,
    Trace,
    Turn,
    TurnIds,
)
from memory.store import Store, namespaces, open_store
from memory.store.configuration.setting_values import PROMPTS, WRONG_ANSWER_COST
from memory.store.configuration.settings import settings_of
from memory.store.facts.standing_facts import names_of_askers
from memory.store.files.united import (
    first_store,
    found_turns,
    numbered_hits,
    numbered_rows,
    own_answer,
    own_hits,
    own_rows,
    stores_by_name,
)
from memory.store.forgetting.preview import forget_matching
from memory.store.store_source import NamedStore, OpenStore, StoreSource, off_the_record
from memory.store.turns.expiry import Expiring, Expiry, expiring_turns, expiry_text, set_expiry
from memory.store.turns.pins import keep_out, pin, pins_of, turns_of_facts, unpin
from memory.store.turns.traces import record_trace, trace_of_fact, trace_of_turn
from memory.store.turns.turn_validation import FORGET_AFTER
from memory.system.logs import clean_logger
from memory.text.characters import sound_text
from memory.text.tokens import own_tokens, packaged_tokens
from memory.text.turn_filter import TurnFilter, passes, read_filter

if TYPE_CHECKING:
    from dspy import BaseLM, Module

    from memory.digest.windows import Digest
    from memory.evidence.ltm import LtmConfig
    from memory.evidence.prompt_block import Injected
    from memory.models import Model
    from memory.program import MemoryProgram
    from memory.program.replies import ChatMessage, Reply
    from memory.recall.corrections import Correction
    from memory.records import SqlUse
    from memory.sql import CheckedSelect

T = TypeVar("T")
_log = clean_logger("memory.api")

# What a memory without a model says where one is needed.
NO_MODEL = 'it needs a language model: give --model, or model="openai/gpt-4o-mini" in Python'
# For which questions SELECTs are written, unless a program says otherwise.
SQL_USE: SqlUse = "when it pays"


@dataclass
class Setup:
    """What works on a memory. The users of an application share one."""

    given_model: str | Model | BaseLM | None
    program: Module | None
    budget: int | None
    api_base: str | None
    embedder: str | None

    @cached_property
    def loaded_model(self) -> Model:
        """The model, loaded when it is first needed. Raises ModelError if there is none."""
        if self.given_model is None:
            raise ModelError(NO_MODEL)
        from memory.models import as_model

        return as_model(self.given_model, api_base=self.api_base)

    def warn_of_concerns(self) -> None:
        """Warn of a program that was compiled for another model, or gained nothing."""
        from memory.program import concerns

        for concern in concerns(self.program, self.loaded_model.name):
            warnings.warn(concern, UserWarning, stacklevel=4)


class Memory(AnswersOthersNames):
    """A namespace with a language model that works on it.

    Threads may share it (docs/guides/concurrency.md); AsyncMemory is the same to await.

    `Memory("anna")` is the namespace of this name in MEMORY_HOME, and `Memory()` is "default",
    which the commands use. On both, a call with `user_id="ben"` goes to `Memory("ben")` instead: a
    user is a namespace, made on first use. A memory in a file takes no `user_id`.

    Arguments:
        store: a namespace's name, a path or an address (both have a dot or a slash), or an open
            Store (which the caller then closes).
        model: any litellm name ("openai/gpt-4o-mini"), any LM of DSPy, a loaded Model, or "local"
            (the packaged model). Without one, rows of facts answer, or the nearest turns are shown.
        program: a compiled program, or a part of one (AskMemory, StoreTurns); the plain one by
            default. Searches rank by its weights.
        budget: how many tokens of memory the answering model may see, in its own tokens where its
            name tells its vocabulary; the model's by default.
        api_base: the address of an OpenAI-compatible server for `model`.
        embedder: the name of an embedder for a path or an address (see `open_store`).

    Warns when the program was compiled for another model, or gained nothing. Raises InputError for
    a budget too small for one turn, or for an embedder other than the memory's; StoreError and
    ModelError when the namespace or the model cannot be used.
    """

    @refuses_others
    def __init__(
        self,
        store: Store | str | Path | None = None,
        model: str | Model | BaseLM | None = None,
        program: Module | None = None,
        budget: int | None = None,
        api_base: str | None = None,
        embedder: str | None = None,
    ) -> None:
        if is_config(store):
            refuse_config("Memory")
        if budget is not None:
            refuse_budget(budget)
        setup = Setup(model, program, budget, api_base, embedder)
        if model is not None:
            setup.warn_of_concerns()
        is_name = store is None or (isinstance(store, str) and namespaces.is_name(store))
        name = str(store or namespaces.DEFAULT) if is_name else ""
        place = Place(_opened(store, embedder), name, is_default=store is None)
        self._begin(setup, place, UserMemories(self._open_for_user))

    def _begin(self, setup: Setup, place: Place, users: UserMemories[Memory]) -> None:
        """Set all that a memory has. The memory of a user shares `setup` and `users`."""
        self._setup, self._place, self._users = setup, place, users

    @classmethod
    def over(
        cls,
        memories: Sequence[Memory | Store | str | Path] | Mapping[str, Memory | Store | str | Path],
        model: str | Model | BaseLM | None = None,
        program: Module | None = None,
        budget: int | None = None,
        api_base: str | None = None,
    ) -> Self:
        """Ask several memories as one; writes go to the first.

        `ask`, `reply`, `search` and `read` work on all of them, and name the memory of each hit,
        citation and row, with the turn's id in that memory. `store` is the first memory's store,
        and `stores` has all stores by name.

        Arguments:
            memories: names, paths, addresses, open Stores or Memory objects (which the caller then
                closes), or a mapping of names to them. Without names a memory is named after its
                namespace or file. Memories opened here are opened read-only, except the first.
            model, program, budget, api_base: as for a Memory. By default the first
                memory's, if that is a Memory.

        Raises InputError for no memory, for more than MOST_MEMORIES, and for a memory given twice;
        otherwise like Memory.
        """
        if isinstance(memories, str):
            raise InputError(f"name several memories: Memory.over([{memories!r}, ...])")
        if isinstance(memories, Mapping):
            places = {name: _place_of(memory) for name, memory in memories.items()}
        else:
            places = places_by_name([_place_of(memory) for memory in memories])
        listed = memories.values() if isinstance(memories, Mapping) else memories
        first = next(iter(listed), None)
        like = first._setup if isinstance(first, Memory) else None
        with ExitStack() as opened:
            source = open_together(places, opened)
            together = cls(
                source.to_read(),
                model or (like.given_model if like else None),
                program=program or (like.program if like else None),
                budget=budget or (like.budget if like else None),
                api_base=api_base,
            )
            together._place = replace(together._place, source=source)
            opened.pop_all()
        return together

    @property
    def store(self) -> Store:
        """The open namespace, or the first of several. A new user's is created here."""
        return first_store(self._place.source.to_write())

    @property
    def stores(self) -> Mapping[str, Store]:
        """The open namespaces by name; a single one has the name ""."""
        return stores_by_name(self._united)

    @property
    def _united(self) -> Store:
        """What questions go to: the store, or several as one. Looking at it creates no memory."""
        return self._place.source.to_read()

    @property
    def _first(self) -> Store:
        return first_store(self._united)

    @property
    def has_model(self) -> bool:
        """Whether a language model works on this memory."""
        return self._setup.given_model is not None

    @cached_property
    def model(self) -> Model:
        """The model, with the prompts from the memory's settings if the caller chose none.

        Raises ModelError if there is none.
        """
        model = self._setup.loaded_model
        history = settings_of(self._first, PROMPTS) if model.prompts == "auto" else []
        if not history:
            return model
        from memory.models import with_prompts

        return with_prompts(model, history[-1].value)

    @cached_property
    def program(self) -> MemoryProgram:
        """The modules that the model runs: plain or compiled."""
        from memory.program import program_for

        return program_for(self.model, self._setup.program)

    @cached_property
    def budget(self) -> int:
        """How many tokens of memory the answering model may see."""
        if self._setup.budget or self.has_model:
            return self._setup.budget or self.model.limits.budget
        from memory.evidence.prompt_block import BUDGET

        return BUDGET

    def close(self) -> None:
        """Close the stores that this memory opened."""
        if self._place.is_of_user:
            self._users.discard(self._place.name)
        else:
            self._users.close()
        if self._place.owns_source:
            self._place.source.close()

    def __len__(self) -> int:
        """How many turns there are."""
        return self._united.count_turns()

    def __bool__(self) -> bool:
        """True, also without a turn."""
        return True

    def __contains__(self, item: object) -> bool:
        """Whether a turn has this text, ignoring case: `"Biscuit" in memory`; or this turn."""
        if isinstance(item, str):
            return any(item.casefold() in turn.text.casefold() for turn in self)
        return isinstance(item, Turn) and any(turn == item for turn in self)

    def __iter__(self) -> Iterator[Turn]:
        """All turns, in their order."""
        return iter(self.get_all())

    def __repr__(self) -> str:
        name = self._place.name or self._first.location
        return f"<{type(self).__name__} {name!r}: {len(self):,} turns>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # ---------------------------------------------------------------- users

    @refuses_others
    def of(self, user_id: UserId) -> Memory:
        """The memory of a user, with this memory's model: its calls need no `user_id=`.

        It is created when something is added. It belongs to this memory, which closes it.

        Raises InputError if this memory is not a namespace by name, for a blank id, and for None.
        """
        return self._users.of(self._place.user(user_id))

    def off_the_record(self) -> Memory:
        """This memory opened anew, to be asked and talked to without leaving anything in it.

        It answers as this one does, with its model, and keeps no count of the turns it showed. What
        would change it raises StoreError, `add` as well. Close it, or use it in `with`.
        """
        memory = type(self).__new__(type(self))
        source = off_the_record(self._united)
        place = Place(OpenStore(source, [source]), is_of_user=self._place.is_of_user)
        memory._begin(self._setup, place, UserMemories(memory._open_for_user))
        return memory

    def users(self) -> list[str]:
        """The ids of all users that have a memory: the other namespaces, sorted."""
        return [name for name in namespaces.names() if name != self._place.name]

    def _renew(self) -> None:
        self._place.source.renew()

    def _open_for_user(self, name: str) -> Memory:
        """A memory with the setup of this one, and nothing else of it: no property that it read."""
        memory = type(self).__new__(type(self))
        memory._begin(self._setup, self._place.of_user(name, self._setup.embedder), self._users)
        return memory

    @refuses_others
    def delete_all(
        self,
        user_id: UserId = "",
        *,
        run_id: str | None = None,
        agent_id: str | None = None,
    ) -> None:
        """Delete the memory of a user for good, with its facts and history; backups stay.

        Arguments:
            run_id, agent_id: only the turns of a session, or with the tag `agent_id`, as `forget`
                does.

        A user without a memory is not an error. Raises InputError without a user.
        """
        if user_id == "":
            options = {"run_id": run_id, "agent_id": agent_id}.items()
            words = "".join(f', {name}="{value}"' for name, value in options if value is not None)
            raise InputError(f"say whose memory to delete: memory.delete_all(user_id{words})")
        user = self.of(user_id)
        if run_id is None and agent_id is None:
            namespaces.delete(user._place.name, missing_ok=True)
            user._renew()
        elif turns := user.get_all(run_id=run_id, agent_id=agent_id):
            user.forget([turn.id for turn in turns])

    # ---------------------------------------------------------------- storing

    @property
    def stores_facts(self) -> bool:
        """Whether a digest asks a model for facts: not "local", unless it was tuned to."""
        return self.has_model and bool(self.program.stores_facts)

    @for_user
    def add(
        self,
        /,
        turns: Message | Sequence[Message],
        *,
        speaker: str = "",
        session: str = "",
        said_at: Moment | None = None,
        tags: Mapping[str, Any] | None = None,
        source: str = "",
        expires: Expiry = "",
        block: Injected | None = None,
        user_id: UserId = "",
        agent_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> TurnIds:
        """Store turns and return their ids; durable on return, no model is asked.

        One call stores all its turns or none. It holds them all, about 1 kB each besides the texts,
        so add millions in calls of some thousands.

        A turn is a Turn, a text, a pair ("Anna", "I moved.") as a tuple, a dict: {"speaker": ...,
        "text": ...} or a message of the OpenAI shape, or a message object of OpenAI, LangChain,
        pydantic or a dataclass. Instructions to a model (role "system"), tool calls and messages
        without visible text are skipped, and `skipped` of the ids lists them with the reason. A
        message with only a picture is kept as "[image]".

        Arguments:
            speaker: the speaker of texts and of the user's messages without a name; the memory's
                owner by default.
            session, said_at, tags: for the turns that have none. `said_at` is now by default;
                `said_at=""` leaves the time unknown.
            source: your own id, for one turn; several have each their own. With the same id a turn
                is stored once, so a call whose answer was lost can be made again; `new` of the ids
                has the turns stored by this one.
            expires: from when on all these turns are forgotten, with all that they say: a date,
                which counts whole, a time, or how long ("12h", "7d", a timedelta).
            block: what `context` returned for a reply, the last of these turns: its `trace` then
                says which turns and facts it was made from.
            run_id, metadata, agent_id: a session, tags, and the tag `agent_id` by other names.

        Secrets are masked, and `withheld` of the ids counts them (`Store.add`). Statements that
        match the vocabulary's templates are stored as facts at the same time.
        """
        new, skipped = turns_of(
            turns,
            Defaults(
                session=session or run_id or "",
                said_at=said_at_of(said_at),
                tags=tags_of(tags, metadata, agent_id),
                speaker=speaker,
                user_names=lambda: names_of_askers(self._first),
            ),
        )
        if source:
            if len(new) != 1:
                raise InputError(f"source is the id of one turn, and here are {len(new)}")
            new = [replace(new[0], source=source)]
        if expires:
            moment: dict[str, str] = {FORGET_AFTER: expiry_text(expires)}
            new = [replace(turn, tags={**turn.tags, **moment}) for turn in new]
        refuse_used_sources(self._first, new)
        ids = add_turns(self.store, new, once=True) if new else TurnIds()
        ids.skipped = skipped
        if block is not None and ids:
            record_trace(self.store, ids[-1], block.turn_ids, block.fact_ids)
        return ids

    @for_user
    def trace(
        self, turn_id: int | str | None = None, *, fact_id: int | None = None, user_id: UserId = ""
    ) -> Trace:
        """What the block of a reply held, and which replies a turn or a fact shaped.

        Replies of `memory chat`, the page and the proxy have a trace, and those that were added
        with their `block`. Give one of both ids. Raises NotThereError for a turn or a fact that is
        not there, InputError without a user if the application has several users.
        """
        if (turn_id is None) == (fact_id is None):
            raise InputError("give the id of a turn, or fact_id=")
        if fact_id is not None:
            self._place.refuse_ids_of_no_user(f"trace(fact_id={fact_id}", self._users.are_in_use)
            return trace_of_fact(self._first, fact_id)
        [number] = read_ids(turn_id)
        self._place.refuse_ids_of_no_user(f"trace({number}", self._users.are_in_use)
        return trace_of_turn(self._first, number)

    @for_user
    def expire(
        self, turn_ids: int | Collection[int], expires: Expiry, *, user_id: UserId = ""
    ) -> Change:
        """Have turns forgotten after a moment, as `add(expires=)` does, or "never".

        A change, which can be undone until then. Raises InputError for a turn that is not there,
        and a moment that is none or has passed.
        """
        ids = read_ids(turn_ids)
        self._place.refuse_ids_of_no_user(f"expire({[*ids]}", self._users.are_in_use)
        return set_expiry(self._first, ids, expires, str(user_id))

    @for_user
    def expiring(self, *, user_id: UserId = "") -> list[Expiring]:
        """The turns that will be forgotten, the next one first."""
        return expiring_turns(self._first)

    @for_user
    def pin(self, turn_ids: int | Collection[int], *, user_id: UserId = "") -> Change:
        """Keep turns in every block of `context`, first, whatever a message is about.

        A memory has at most twelve. A change, which can be undone. Raises InputError for more, and
        for a turn that is not there or is pinned already.
        """
        return pin(self._first, read_ids(turn_ids), str(user_id))

    @for_user
    def unpin(self, turn_ids: int | Collection[int], *, user_id: UserId = "") -> Change:
        """Unpin turns, or let them into blocks again that were kept out.

        Raises InputError if none is pinned or kept out.
        """
        return unpin(self._first, read_ids(turn_ids), str(user_id))

    @for_user
    def pinned(self, *, user_id: UserId = "") -> Results[Turn]:
        """The pinned turns, in the order they were said."""
        return Results(self._first.turns_by_id(pins_of(self._first).pinned, missing_ok=True))

    @for_user
    def keep_out(
        self,
        turn_ids: int | Collection[int] = (),
        *,
        fact_ids: Collection[int] = (),
        user_id: UserId = "",
    ) -> Change:
        """Keep turns and their facts out of every block of `context`; `fact_ids` keep their turns
        out.

        They stay stored, and `search`, `ask`, `get` and `facts` find them. A change, which can be
        undone; `unpin` lets them in again. Raises InputError for a turn that is not there or is
        kept out already, NotThereError for a fact that is not there.
        """
        ids = [*read_ids(turn_ids), *turns_of_facts(self._first, fact_ids)]
        return keep_out(self._first, ids, str(user_id))

    @for_user
    def kept_out(self, *, user_id: UserId = "") -> Results[Turn]:
        """The turns that are in no block, in the order they were said."""
        ids = sorted(pins_of(self._first).kept_out)
        return Results(self._first.turns_by_id(ids, missing_ok=True))

    @for_user
    def upcoming(
        self, days: int = 7, *, now: str | date | None = None, user_id: UserId = ""
    ) -> Results[Upcoming]:
        """What is due from today until `days` later: what was said for these days, by day.

        Each has a `day`, the `turn` that says it or the `fact`, a `mark` if a later turn changed
        it, and all of that as a `line`. `now` is another day to begin with. Raises InputError for
        a number of days that is none.
        """
        day = day_of(now)
        return Results(upcoming(self._first, days, day.isoformat()[:10] if day else ""))

    @for_user
    def forget(
        self,
        turn_ids: int | Collection[int] = (),
        *,
        speaker: str = "",
        session: str | None = None,
        matching: str = "",
        about: str = "",
        before: str | date | None = None,
        replies: bool = True,
        repeats: bool = False,
        user_id: UserId = "",
    ) -> list[Forgotten]:
        """Forget the turns that meet all conditions for good, with their facts, without asking.

        Arguments:
            turn_ids: one id or several.
            matching: words that a turn has, whole, in any case and with any spaces.
            about: a name: only turns about this person or thing.
            before: only turns from before this day.
            replies: also forget replies of assistants that quote these turns.
            repeats: also forget turns of people who say the same again.

        Returns receipts; `quoted_in` has the turns that stay with the same words or longer ones.
        `memory.store.forgetting.preview` shows beforehand what would be removed. Raises InputError
        without a condition, if no turn meets them, and for ids without a user if the application
        has several users.
        """
        ids = read_ids(turn_ids)
        if ids:
            self._place.refuse_ids_of_no_user(f"forget({[*ids]}", self._users.are_in_use)
        conditions = {
            "ids": ids,
            "speaker": speaker,
            "session": session,
            "matching": matching,
            "about": about,
            "before": date_text(before),
        }
        return forget_matching(self._first, conditions, replies=replies, repeats=repeats)

    @for_user
    def delete(
        self, turn_id: int | str | Collection[int], *, user_id: UserId = ""
    ) -> list[Forgotten]:
        """Forget a turn for good, or several, as `forget` does: `delete(hit.turn_id)`."""
        ids = read_ids(turn_id)
        listed = ids[0] if len(ids) == 1 else [*ids]
        self._place.refuse_ids_of_no_user(f"delete({listed}", self._users.are_in_use)
        return forget_matching(self._first, {"ids": ids})

    @for_user
    def digest(
        self,
        replay: bool = False,
        max_calls: int | None = None,
        progress: Callable[[Digest], None] | None = None,
        since: int = 0,
        *,
        user_id: UserId = "",
    ) -> Digest:
        """Let the model store new windows as facts.

        Without a model, and with "local" (see `stores_facts`), statements in all turns that match
        the vocabulary's templates are recorded, including templates added since. The turns still
        wait for a larger model, whose digest adds to these facts.

        A window whose SQL cannot be repaired waits in `pending`. Later calls try it again,
        WINDOW_ATTEMPTS times in all, or without a limit with `replay`. If a window would end or
        delete many facts, only these edits wait there for a person (`Store.apply_held`), and the
        rest is stored. A window whose names move many facts waits as a whole, and only `replay`
        tries it again. With `replay` no answer comes from DSPy's cache. A digest stops after
        `max_calls` model calls, and an interrupted one continues where it stopped. `progress` gets
        the totals after each window. Turns before the id `since` are left to a later digest.
        """
        from memory.digest.windows import digest_windows, sums_of

        if not self.stores_facts:
            report = progress or (lambda sums: None)
            recorded = record_assertions(self._first, lambda so_far: report(sums_of(so_far)))
            return sums_of(recorded)
        return digest_windows(
            self._first,
            self.model.uncached() if replay else self.model,
            self.program,
            replay=replay,
            max_calls=max_calls,
            progress=progress,
            since=since,
        )

    # ---------------------------------------------------------------- asking

    @for_user
    def ask(
        self,
        question: str,
        *,
        speaker: str = "",
        now: str | date | None = None,
        progress: Callable[[str], None] = lambda step: None,
        user_id: UserId = "",
    ) -> Answer:
        """Answer from memory, or say that memory does not hold the answer.

        Without a model, rows of facts answer a question in a template's form. For any other
        question the answer's text is the nearest turns, and its `basis` is "quotes".

        Arguments:
            question: a whole question.
            speaker: the name of the person asking, as in the turns: I, me and my in the question.
                By default the memory's owner (the setting "user"), or "user" if that is a speaker.
                `asker` is another name for it.
            now: the day or moment of the question, from which "last week" in it counts. Without it,
                such words count from the newest turn.
            progress: called with a description of each step. An exception in it ends the question.

        Raises InputError for an empty question and a `now` that is not a date, ModelError when the
        model cannot be used.
        """
        if not question.strip():
            raise InputError("the question is empty")
        day = day_of(now)
        if not self.has_model:
            progress("finding what was said")
            answer, hits = self._answered_without_model(question, speaker, day)
            return self._shown(answer, hits)
        from memory.program.answer_sources import as_answer

        program = self._program_at_cost()

        def answered(budget: int) -> Any:
            with self.model.active():
                return program(
                    sound_text(question),
                    self,
                    asker=speaker,
                    today=day.isoformat()[:10] if day else "",
                    budget=budget,
                    sql=SQL_USE,
                    progress=progress,
                )

        prediction = self._that_fits(answered)
        return self._shown(as_answer(prediction), prediction.hits)

    def _answered_without_model(
        self, question: str, asker: str, day: date | None
    ) -> tuple[Answer, Sequence[Hit]]:
        from memory.evidence.question import UserQuestion
        from memory.program.without_model import answer_without_model

        if self._setup.program is not None:
            raise ModelError(f"a compiled program runs on a model; {NO_MODEL}")
        today = day.isoformat()[:10] if day else ""
        reader = self.reader
        user_question = UserQuestion(sound_text(question), reader.asker(asker), today)
        return answer_without_model(user_question, reader)

    def _shown(self, answer: Answer, hits: Sequence[Hit]) -> Answer:
        """An answer as callers get it: its turns cited with what found them."""
        answer = replace(answer, citations=citations(answer, hits))
        return own_answer(self._united, answer)

    def _program_at_cost(self) -> MemoryProgram:
        """The program, with the memory's own cost of a wrong answer, if it has one."""
        if not self.program.weighs_answers:
            return self.program
        history = settings_of(self._first, WRONG_ANSWER_COST)
        return self.program.at_cost(history[-1].value) if history else self.program

    @refuses_others
    def reply(
        self,
        message: Turn,
        recent: Sequence[Turn] = (),
        character: str = "Assistant",
        persona: str = "",
        known_as: Sequence[str] = (),
    ) -> Reply:
        """Let a character reply to a message, streamed in pieces. Nothing is stored.

        Arguments:
            message: the last message, with its id if it is stored already.
            recent: the conversation just before it. As many of its latest turns as fit are shown.
            character: the name of the character that answers.
            persona: anything else the model should know about the character.
            known_as: names that the message's speaker had before.

        Iterating raises ModelError when the model cannot be used. Raises InputError for an empty
        message.
        """
        from memory.program.replies import ChatMessage, Reply

        if not message.text.strip():
            raise InputError("the message is empty")
        chat_message = ChatMessage(message, recent, character, persona, known_as)
        if self.has_model:
            return Reply(self._counted(self._reply_that_fits(chat_message)))
        from memory.program.without_model import reply_without_model

        return Reply(
            self._pieces_shown(reply_without_model(chat_message, self.reader, self.budget))
        )

    @refuses_others
    def correct(
        self, message: Turn, answer: Answer, seen: int | None = None
    ) -> Sequence[Correction]:
        """Let the model read which parts of the last answer a message corrects, and edit these
        facts.

        Each edit is a separate change, which can be undone. If the answer is based on no fact, the
        message is a question, or the model is the packaged one, no model is asked and nothing
        changes.

        Arguments:
            message: the message right after the answer.
            answer: the answer, of `ask` or of a reply.
            seen: the newest change at that time. Facts edited since then are not touched.
        """
        from memory.evidence.messages import is_question
        from memory.recall.corrections import correct_answer

        read = self.program.correct if self.has_model else None
        if read is None or is_question(message.text):
            return ()
        return correct_answer(self._first, self.model, read, answer, message, seen)

    @for_user
    def context(
        self,
        messages: str | Sequence[Mapping[str, Any]],
        *,
        config: LtmConfig | Mapping[str, Any] | str | Path | None = None,
        speaker: str = "",
        character: str = "",
        character_context: str = "",
        now: str | date | None = None,
        budget: int | None = None,
        session: str = "",
        run_id: str | None = None,
        since: int | None = None,
        reload: bool = False,
        gate: bool = True,
        profile: bool = True,
        also: str | Sequence[Memory | Store | str | Path] = (),
        user_id: UserId = "",
    ) -> Injected:
        """What memory holds for a message, as a block for a prompt. No language model is asked.

        Arguments and errors are the same as in `memory.evidence.prompt_block.inject`, which the
        command `memory context` calls too. `budget` is this memory's by default, if it was given
        one, and `run_id` is another name for `session`. `also` are further memories to read, such
        as a channel's next to a person's own: their lines follow in the same block, each under its
        memory's name. Over several memories the block is from all of them.
        """
        from memory.evidence.prompt_block import inject_together

        places = [also] if isinstance(also, str) else [_place_of(memory) for memory in also]
        with ExitStack() as opened:
            stores = self.stores
            if places:
                stores = with_others(self._place.name, self._first, places, opened)
            return inject_together(
                stores,
                messages,
                config=config,
                speaker=speaker,
                character=character,
                character_context=character_context,
                now=moment_of(now),
                budget=self._setup.budget if budget is None else budget,
                session=session or run_id or "",
                since=since,
                reload=reload,
                gate=gate,
                profile=profile,
                weights=self.weights,
            )

    @for_user
    def search(
        self,
        query: str,
        k: int = 10,
        filter: TurnFilter | Mapping[str, Any] | None = None,
        *,
        limit: int | None = None,
        filters: TurnFilter | Mapping[str, Any] | None = None,
        user_id: UserId = "",
    ) -> Results[Hit]:
        """The best k turns of `Store.search`, best first, with text, speaker and date.

        `limit` and `filters` are other names for `k` and `filter`. Raises ModelError like
        `Store.search`, InputError for an empty query and for less than one turn.
        """
        if not query.strip():
            raise InputError("the query is empty; write memory.get_all() for all turns")
        wanted = filter if filters is None else filters
        number = k if limit is None else limit
        if number < 1:
            raise InputError(f"search finds k={number} turns; give at least 1")
        hits = self._united.search(query, number, wanted, weights=self.weights)
        return Results(found_turns(self._united, hits))

    def _ranked(self, question: str, k: int) -> list[Hit]:
        """The hits of `search` without their texts."""
        return own_hits(self._united, self._united.search(question, k, weights=self.weights))

    @for_user
    def facts(
        self,
        about: str = "",
        *,
        as_of: str | date | None = None,
        ended: bool = False,
        user_id: UserId = "",
    ) -> Results[Fact]:
        """The current facts, or the facts of a day, as `memory.facts.find` finds them.

        Arguments:
            about: a name, or words of the facts; all by default.
            as_of: the facts known on this day.
            ended: also past facts and facts that have not begun.
        """
        point = date_text(as_of) or None
        return Results(
            MemoryFact(**vars(fact), memory=name) if name else fact
            for name, store in self.stores.items()
            for fact in _found(store, about, ended=ended, point=point)
        )

    @for_user
    def get(self, turn_id: int | str, *, user_id: UserId = "") -> Turn | None:
        """One turn, or None if it does not exist: `get(hit.turn_id)`.

        Raises InputError without a user if the application has several users.
        """
        [turn_id] = read_ids(turn_id)
        self._place.refuse_ids_of_no_user(f"get({turn_id}", self._users.are_in_use)
        turns = self._first.turns_by_id([turn_id], missing_ok=True)
        return turns[0] if turns else None

    @for_user
    def get_all(
        self,
        *,
        run_id: str | None = None,
        agent_id: str | None = None,
        limit: int | None = None,
        filters: TurnFilter | Mapping[str, Any] | None = None,
        user_id: UserId = "",
    ) -> Results[Turn]:
        """All turns, in their order.

        Arguments:
            run_id, agent_id: only the turns of a session, or with the tag `agent_id`.
            limit: at most this many, the last ones.
            filters: as for `search`.
        """
        wanted = read_filter(filters) or TurnFilter()
        if run_id is not None:
            wanted = replace(wanted, session=(run_id,))
        if agent_id is not None:
            wanted = replace(wanted, tags=(*wanted.tags, ("agent_id", (agent_id,))))
        turns = [
            MemoryTurn(**vars(turn), memory=name) if name else turn
            for name, store in self.stores.items()
            for turn in store.turns()
            if passes(turn, wanted)
        ]
        return Results(turns if limit is None else turns[max(0, len(turns) - limit) :])

    @for_user
    def changes(self, *, limit: int | None = None, user_id: UserId = "") -> Results[Change]:
        """Every write to facts, oldest first; with a `limit`, only the last ones."""
        changes = self._first.changes()
        return Results(changes if limit is None else changes[max(0, len(changes) - limit) :])

    @for_user
    def undo(self, change_id: int | None = None, *, user_id: UserId = "") -> Change:
        """Undo a change, or the last change to facts that is not undone; the undo is a change too.

        Raises NotThereError for an id without a change, InputError if there is nothing to undo or
        later changes depend on it.
        """
        return self._first.undo(newest_change(self._first).id if change_id is None else change_id)

    @refuses_others
    def read(self, sql: str | CheckedSelect) -> Rows:
        """Run one SELECT that a model may write; `search()` in it ranks by the program's weights.

        Raises SqlError when it is refused, wrong or too slow.
        """
        return own_rows(self._united, self._united.read(sql, weights=self.weights))

    @property
    def weights(self) -> Mapping[str, float] | None:
        """The program's weights of the ranking's features; None for the packaged ones."""
        return getattr(self._setup.program, "feature_weights", None)

    def evidence(
        self,
        question: str,
        rows: Sequence[Rows] = (),
        without: Collection[int] = (),
        hits: Sequence[Hit] | None = None,
        asker: str = "",
    ) -> Evidence:
        """What the answering model would see for a question, within the budget; calls no model.

        Arguments:
            rows: the results of `read` for the question.
            without: turns that are left out, because they are shown elsewhere.
            hits: the results of `search` for the question; without them, this searches.
            asker: the name of the person asking. A summary or an order begins with their turns.

        Over several memories, each turn has a number that no other turn shares.
        """
        from memory.evidence.block import RANKED_TURNS, Options, evidence
        from memory.evidence.question import UserQuestion

        asked = UserQuestion(question, asker)
        if hits is None:
            hits = self._ranked(asked.ranked_text, RANKED_TURNS)
        ask = self.program.ask if self.has_model else None
        lay_out = ask.evidence if ask else evidence
        return lay_out(
            asked,
            self.reader,
            numbered_hits(self._united, hits),
            [numbered_rows(self._united, result) for result in rows],
            budget=packaged_tokens(self.model.name, self.budget) if ask else self.budget,
            options=replace(ask.options if ask else Options(), without=frozenset(without)),
        )

    @property
    def reader(self) -> MemoryReader:
        """The view of this memory that a program's modules read, for one question."""
        return MemoryReader(self._united, self.weights)

    def _reply_that_fits(self, message: ChatMessage) -> Generator[str, None, Answer]:
        """The pieces of a reply to a prompt that the model's server takes.

        Where turns are kept out, no SELECT is written, which could read them.
        """
        first = self._first
        kept_out = pins_of(first).kept_out if first is self._united else frozenset()
        while True:
            budget = self.budget
            try:
                pieces = self.program.reply.pieces(
                    message,
                    self.program.ask,
                    MemoryReader(self._united, self.weights, kept_out),
                    budget=packaged_tokens(self.model.name, budget),
                    sql="never" if kept_out else SQL_USE,
                )
                return (yield from self.model.pieces(pieces))
            except PromptTooLong as error:  # before the first piece
                self._show_less(budget, error)

    def _that_fits(self, act: Callable[[int], T]) -> T:
        """The result of an act with a token budget whose prompts the server accepts."""
        while True:
            budget = self.budget
            try:
                return act(budget)
            except PromptTooLong as error:
                self._show_less(budget, error)

    def _show_less(self, budget: int, error: PromptTooLong) -> None:
        """From now on show half of a budget that made a prompt too long.

        Raises PromptTooLong if less than that has no room for a turn.
        """
        if budget <= LEAST_BUDGET:
            raise PromptTooLong(
                f"the prompt is too long for {self.model.name} even with {budget} tokens of memory;"
                " give its server a larger context, or choose another model"
            ) from error
        if self.budget >= budget:  # else another thread has found out meanwhile
            self.budget = max(budget // 2, LEAST_BUDGET)
        _log.warning(
            "%s takes shorter prompts: it is shown %s tokens of memory at most from now on",
            self.model.name,
            f"{self.budget:,}",
        )

    def _counted(self, pieces: Generator[str, None, Answer]) -> Generator[str, None, Answer]:
        """The same pieces, with the answer's tokens as the model counts them."""
        answer = yield from self._pieces_shown(pieces)
        return replace(answer, tokens=own_tokens(self.model.name, answer.tokens))

    def _pieces_shown(self, pieces: Generator[str, None, Answer]) -> Generator[str, None, Answer]:
        """The same pieces; the answer names turns as callers know them."""
        answer = yield from pieces
        return own_answer(self._united, answer)


def _found(store: Store, about: str, *, ended: bool, point: str | None) -> list[Fact]:
    """The facts that `memory.facts.find` finds; current ones with their latest word."""
    found = facts.find(store, about, ended=ended, point=point)
    return found if point else with_later(store, found)


def _opened(store: Store | str | Path | None, embedder: str | None) -> StoreSource:
    """The store of a memory, opened by name, path or address, or open already."""
    if store is None:
        # Made by what is first added: an application that names users in each call needs none.
        namespaces.place_of(namespaces.DEFAULT)
        unnamed = NamedStore(namespaces.DEFAULT, embedder)
        unnamed.to_read()
        return unnamed
    if isinstance(store, str) and namespaces.is_name(store):
        namespaces.place_of(store)  # no name of a file in this folder
        named = NamedStore(store, embedder)
        named.to_write()
        return named
    if isinstance(store, (str, Path)):
        opened = open_store(namespaces.place_of(store), embedder=embedder)
        return OpenStore(opened, owned=[opened])
    if not hasattr(store, "vectors"):
        raise InputError(
            "a memory is a name, a path, an address or an open Store, not"
            f" {type(store).__name__} {store!r:.60}"
        )
    if embedder not in (None, store.vectors.embedder):
        raise InputError(f"this store's embedder is {store.vectors.embedder}, not {embedder}")
    return OpenStore(store)


def _place_of(memory: Memory | Store | str | Path) -> Store | str | Path:
    """The store of one memory, or where it is. Raises InputError for a Memory over several."""
    if not isinstance(memory, Memory):
        return memory
    if len(memory.stores) > 1:
        raise InputError("a Memory over several is given; give each of its memories by itself")
    return memory.store
