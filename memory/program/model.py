"""What a model does for a memory: the seam that the hosted and the packaged model implement."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol, Self

import dspy
from dspy.utils import exceptions as lm_errors

from memory.errors import ModelError, PromptTooLong
from memory.evidence.block import Options
from memory.evidence.layout import Evidence
from memory.evidence.lines import CATALOG_TOKENS
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.program.model_errors import explain
from memory.program.server_refusals import is_too_long
from memory.program.signatures.choice import Form
from memory.program.signatures.forms import Prompts
from memory.records import Answer, Fact, FormChoice, Hit, Rows, Turn
from memory.text.dates import spoken_date

# When a model writes SELECTs for a question: for each, or where `sql_pays`.
SqlUse = Literal["always", "when it pays", "never"]


@dataclass(frozen=True)
class Retrieval:
    """What was retrieved for a question.

    `query` is what RetrieveRows returned, None when no SELECT was written; `hits` are the turns of
    the ranking, best first; `evidence` is what the answering model sees.
    """

    query: dspy.Prediction | None
    hits: Sequence[Hit]
    evidence: Evidence

    @property
    def rows(self) -> tuple[Rows, ...]:
        """The rows of the SELECTs that ran."""
        return tuple(self.query.rows) if self.query else ()


class Modules(Protocol):
    """A program as a model runs it (`memory.program.program.MemoryProgram`)."""

    store: Any
    retrieve: Any
    answer: Any
    prompts: Prompts

    def evidence(
        self,
        question: UserQuestion,
        reader: MemoryReader,
        hits: Sequence[Hit],
        rows: Sequence[Rows] = (),
        *,
        budget: int,
        options: Options,
    ) -> Evidence:
        """What the answering model is shown."""


@dataclass(frozen=True)
class ChatMessage:
    """A message of a chat that a character replies to, and what it needs to know for that.

    `turn` is the message, with its id when it is stored; `recent` the conversation just before it;
    `known_as` are names that its speaker had before.
    """

    turn: Turn
    recent: Sequence[Turn] = ()
    character: str = "Assistant"
    persona: str = ""
    known_as: Sequence[str] = ()


@dataclass(frozen=True)
class Model(ABC):
    """A language model ready for use, and what it does for a memory.

    `HostedModel` and `PackagedModel` are the two kinds. `load_model` chooses one by its name, and
    the other rooms do not ask which it is: they call its methods and read what it can.

    `name` is as load_model takes it; with an adapter, "+" and eight digits of its sha256 follow.
    `window` is the turns of one store call, `window_tokens` their tokens at most, `dates` whether
    they are shown with dates; `context` is the tokens the model can read, `budget` how many of
    them are memory when it answers. Without `writes_facts` a digest stores
    what templates match alone.
    `sql` says for which questions it writes SELECTs. When that pays, a packaged model decides by
    itself.
    `form` is that of the prompts of its plain program; `prompts` the choice that led to it.
    """

    name: str
    lm: dspy.LM
    adapter: dspy.Adapter
    window: int
    window_tokens: int
    dates: bool
    context: int
    budget: int
    api_base: str | None = None
    writes_facts: bool = True
    sql: SqlUse = "always"
    form: Form = "full"
    prompts: FormChoice = "auto"

    options: ClassVar[Options]  # of what it is shown

    # What a kind of model can.
    refines: ClassVar[bool]  # work with tools on a memory's facts
    takes_persona: ClassVar[bool]
    writes_any_sql: ClassVar[bool]  # False: its grammar allows one INSERT of one row
    reads_known_facts: ClassVar[bool]  # that a window may be about, and the turns before it
    follows_instructions: ClassVar[bool]  # those that the asker gave once for all answers
    weighs_answers: ClassVar[bool] = False  # by what a wrong one costs; others decide themselves
    fixed_limits: ClassVar[bool]  # its context and budget are its own, and not its server's
    # What it takes of time, for estimates, and of this machine.
    answer_tokens: ClassVar[Mapping[str, int]]  # by module; of the store module for each turn
    seconds_a_call: ClassVar[float]  # where none was made yet
    stop_seconds: ClassVar[float]  # how long the end of a chat waits for a call under way
    cpus: ClassVar[float]  # cores that a call keeps busy

    # ---------------------------------------------------------------- who is asked

    @property
    @abstractmethod
    def server(self) -> str:
        """Who is asked, for people: an address or a provider; "" for a model in this process."""

    @property
    @abstractmethod
    def price(self) -> tuple[float, float] | None:
        """US dollars a prompt token and an answer token; None where they are not known."""

    @property
    @abstractmethod
    def weights(self) -> Mapping[str, str]:
        """The name of the weights that each module runs on."""

    @property
    def tuned_modules(self) -> frozenset[str]:
        """The modules that run on weights tuned for them."""
        return frozenset()

    @abstractmethod
    def over_machines(self, over: str) -> "Model":
        """The same model with its calls made over machines (see `memory.system.machines`).

        Raises InputError for a hosted model: its caller waits for a server, on any machine.
        """

    def as_tuned(self, targets: Collection[str]) -> "Model":
        """The same model with the prompts of one tuned for these modules: without examples."""
        return self

    def as_shipped(self) -> "Model":
        """The same model without an adapter that somebody added."""
        return self

    def with_prompts(self, choice: FormChoice) -> "Model":
        """The same model with prompts in another form, and what goes with that.

        The packaged model has prompts of its own: nothing changes.
        """
        return self

    def with_wrong_answer_cost(self, cost: float) -> "Model":
        """The same model, giving answers where a wrong one costs as much as `cost` right ones gain.

        A hosted model decides by itself whether to answer: nothing changes.
        Raises InputError for a negative cost.
        """
        return self

    def uncached(self) -> Self:
        """The same model, asked anew whatever DSPy's cache holds."""
        return replace(self, lm=self.lm.copy(cache=False))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Modules called inside use this model. Raises ModelError, one line, when it fails."""
        with dspy.context(lm=self.lm, adapter=self.adapter):
            try:
                yield
            except lm_errors.LMError as error:
                kind = PromptTooLong if is_too_long(error) else ModelError
                raise kind(self._explained(error)) from error

    def _explained(self, error: lm_errors.LMError) -> str:
        """What went wrong with a call and what to do, in one line."""
        return explain(error, self.name, self.api_base)

    # ---------------------------------------------------------------- storing

    def stores_facts(self, program: Modules) -> bool:
        """Whether a digest asks the model for facts: not "local", unless it was tuned to."""
        return self.writes_facts or program.store.is_compiled

    @abstractmethod
    def looks_for_facts_in(self, text: str) -> bool:
        """Whether the model should look for facts in what somebody said."""

    @abstractmethod
    def window_lines(self, turns: Sequence[Turn]) -> str:
        """The turns of a window as the storing module reads them."""

    @abstractmethod
    def as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        """A fact that the model wrote of a turn as it is to be stored; None for not at all."""

    # ---------------------------------------------------------------- answering

    @abstractmethod
    def question_text(self, question: UserQuestion) -> str:
        """A question as the model reads it."""

    def catalog_for(self, question: UserQuestion, reader: MemoryReader, prompts: Prompts) -> str:
        """What the model is shown of the memory before it writes SELECTs for a question."""
        return reader.catalog(CATALOG_TOKENS)

    def asks_for_sql(self, pays: Callable[[], bool]) -> bool:
        """Whether the model is asked for SELECTs before it answers a question.

        `pays` says whether rows may bring up what has no room; it lays out what the ranking shows.
        """
        return self.sql == "always" or (self.sql == "when it pays" and pays())

    def write_query(
        self,
        program: Modules,
        question: UserQuestion,
        reader: MemoryReader,
        pays: Callable[[], bool],
    ) -> dspy.Prediction | None:
        """The rows that a question may need (see RetrieveRows); None when none are asked for.

        `pays` is as in `asks_for_sql`.
        """
        return program.retrieve(
            question=self.question_text(question),
            catalog=self.catalog_for(question, reader, program.prompts),
            read=reader.read,
            asker=question.asker,
            today=spoken_date(question.today),
        )

    @abstractmethod
    def answer(
        self,
        program: Modules,
        question: UserQuestion,
        retrieval: Retrieval,
        reader: MemoryReader,
    ) -> Answer:
        """The answer with the turns it rests on. Raises UnusableAnswer for what is no answer."""

    def _predict_answer(
        self, program: Modules, question: UserQuestion, evidence: Evidence
    ) -> dspy.Prediction:
        """What the answering module says, as it says it."""
        return program.answer(
            question=self.question_text(question),
            memory=evidence.text,
            turn_ids=evidence.turn_ids,
            asker=question.asker,
            today=spoken_date(question.today),
        )

    @abstractmethod
    def reply(
        self, program: Modules, message: ChatMessage, reader: MemoryReader, budget: int
    ) -> Generator[str, None, Answer]:
        """A character's reply to a message, in pieces as they are made; returns the whole."""
