"""The program: a memory's modules together, and which of them a model runs."""

from collections.abc import Callable, Collection, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import dspy

from memory.errors import InputError
from memory.evidence.block import Options
from memory.models.in_process import tuned_modules
from memory.models.model import Model
from memory.models.model_names import is_of_packaged, stores_facts
from memory.models.sizes import SMALL_BUDGET, Size
from memory.program.abstention import checked_cost
from memory.program.asking import ask_with_bill
from memory.program.brief import AnswerBriefly, ChooseRows, TemplateRows
from memory.program.brief_store import StoreRows
from memory.program.chat import QuoteTurns, ReadCorrections, ReplyToMessage
from memory.program.digest import TellStory
from memory.program.heart import AnswerQuestion, AskMemory, RetrieveRows, StoreTurns
from memory.program.packaged import Checked, packaged_ask
from memory.program.predict import MemoryModule, PromptedModule
from memory.program.program_card import Form
from memory.program.refine import AskAboutTurns, JudgeAnswer, RefineMemory
from memory.records import SqlUse

if TYPE_CHECKING:
    from memory.program.program_card import Card

_FORMS: Mapping[Size, Form] = {"small": "brief", "large": "full"}


class MemoryProgram(MemoryModule):
    """The modules of a memory: what is saved in one file and loaded from it.

    Optimizers compile its parts: `ask` (AskMemory) and `store` (StoreTurns). `reply` and `correct`
    are for a chat, `tell` for a digest's story, `refine`, `question` and `compare` improve and
    measure facts; None if a model is too small. Called itself, it asks, and adds to an answer its
    bill, its sources and the nearest turns.

    Arguments:
        form: "full" for a large model, "brief" for one of up to 8 billion parameters.

    `writes_sql` says whether its model decides itself when SELECTs pay.
    `stores_facts`: whether a digest asks its model for facts; None: as is usual for that model.
    `card`: how it was compiled, if it was loaded from a file; None for the plain program.
    `feature_weights`: for the ranking, fitted to your own conversations; None: the shipped ones.
    """

    card: "Card | None" = None
    feature_weights: Mapping[str, float] | None = None
    stores_facts: bool | None = None

    def __init__(self, form: Form = "full") -> None:
        super().__init__()
        self.form = form
        ask, store, self.writes_sql = _COMPOSITIONS[form]
        self.ask = ask()
        self.store = store()
        self.reply: ReplyToMessage | QuoteTurns = ReplyToMessage()
        self.correct: ReadCorrections | None = ReadCorrections()
        self.tell: TellStory | None = TellStory()
        self.refine: RefineMemory | None = RefineMemory()
        self.question: AskAboutTurns | None = AskAboutTurns()
        self.compare: JudgeAnswer | None = JudgeAnswer()

    @property
    def quotes_rows(self) -> bool:
        """Whether its model gives a turn's facts as rows, and not as SQL."""
        return isinstance(self.store, StoreRows)

    def forward(
        self, question: str, memory: Any, asker: str = "", today: str = "", **settings: Any
    ) -> dspy.Prediction:
        """As AskMemory, with the bill, the sources and the nearest turns (`ask_with_bill`)."""
        return ask_with_bill(self.ask, question, memory, asker, today, **settings)

    def at_cost(self, wrong_answer_cost: float) -> "MemoryProgram":
        """The same program, giving answers if a wrong one costs as much as this many right ones.

        A large model decides itself whether to answer: nothing changes. Raises InputError for a
        negative cost.
        """
        cost = checked_cost(wrong_answer_cost)
        if not self.weighs_answers:
            return self
        return self.asking(answer=Checked(self.ask.answer.unchecked, cost))

    @property
    def weighs_answers(self) -> bool:
        """Whether the cost of a wrong answer decides what to give; a large model decides itself."""
        return isinstance(self.ask.answer, Checked)

    def with_sql(self, sql: SqlUse) -> "MemoryProgram":
        """The same program, which writes SELECTs for these questions.

        A small model's rows decide, and are looked for at every question, except with "never".
        """
        if self.writes_sql or sql == "never":
            program = self.asking(sql=sql)
            if sql == "never" and hasattr(program.ask, "retrieve"):
                del program.ask.retrieve  # an optimizer would give it a turn
            return program
        return self

    def with_retrieve(self, retrieve: RetrieveRows) -> "MemoryProgram":
        """The same program with another module that writes SELECTs."""
        before = self.ask.retrieve
        is_otherwise = isinstance(before, TemplateRows)
        return self.asking(retrieve=TemplateRows(retrieve) if is_otherwise else retrieve)

    def with_answer(self, answer: AnswerQuestion) -> "MemoryProgram":
        """The same program with another module that answers."""
        before = self.ask.answer
        if isinstance(before, Checked):
            return self.asking(answer=Checked(answer, before.wrong_answer_cost))
        return self.asking(answer=answer)

    def asking(self, **changes: Any) -> "MemoryProgram":
        """The same program with these attributes of its `ask` changed."""
        program, asking = copy(self), copy(self.ask)
        for name, value in changes.items():
            setattr(asking, name, value)
        program.ask = asking
        return program

    @property
    def retrieve(self) -> RetrieveRows | None:
        """The module that writes SELECTs for questions; None if none does."""
        module = getattr(self.ask, "retrieve", None)
        return module.otherwise if isinstance(module, TemplateRows) else module

    @property
    def answer(self) -> AnswerQuestion:
        """The module that answers questions."""
        module = self.ask.answer
        answering = module.unchecked if isinstance(module, Checked) else module
        if not isinstance(answering, AnswerQuestion):
            raise InputError(f"{type(answering).__name__} is no AnswerQuestion: it only asks")
        return answering


def _small() -> AskMemory:
    """The model chooses rows, which decide; else it answers over quotations."""
    return AskMemory(
        TemplateRows(ChooseRows()),
        AnswerBriefly(),
        sql="always",
        budget=SMALL_BUDGET,
        options=Options(lists=False, spans=False, wishes=False, periods=True),
    )


# How each form asks and stores, and whether it writes any SQL.
_COMPOSITIONS: Mapping[Form, tuple[Callable[[], AskMemory], type[StoreTurns], bool]] = {
    "full": (AskMemory, StoreTurns, True),
    "brief": (_small, StoreRows, False),
}


def plain_program(model: Model) -> MemoryProgram:
    """The plain program in the form of a model of this size: what is compiled and tuned.

    Modules that a little model was tuned for have no examples: the weights replace them.
    """
    return _as_tuned(model, MemoryProgram(_FORMS[model.size]))


def _as_tuned(model: Model, program: MemoryProgram) -> MemoryProgram:
    """A program without examples in the plain modules that a little model was tuned for."""
    modules = tuned_modules(model) if program.quotes_rows else ()
    plain = [target for target in modules if not getattr(program, target).is_compiled]
    if plain:
        program = program.deepcopy()
    for target in plain:
        module: PromptedModule = getattr(program, target)
        module.plain_examples = module.predict.demos = []
    return program


def program_for(model: Model, compiled: dspy.Module | None = None) -> MemoryProgram:
    """The program that a model runs.

    Arguments:
        compiled: a MemoryProgram, or a part of one: AskMemory, StoreTurns. A part is used
            unchanged.
    """
    whole = compiled if isinstance(compiled, MemoryProgram) else None
    program = copy(_as_tuned(model, whole) if whole else plain_program(model))
    if is_of_packaged(model.name):
        _compose_packaged(program, tuned_modules(model), asks=not whole)
    if program.stores_facts is None:
        is_tuned = program.store.is_compiled or "store" in tuned_modules(model)
        program.stores_facts = is_tuned or stores_facts(model.name)
    if isinstance(compiled, AskMemory):
        program.ask = compiled
        program.feature_weights = compiled.feature_weights
    elif isinstance(compiled, StoreTurns):
        program.store = compiled
        program.stores_facts = True
    return program


def _compose_packaged(program: MemoryProgram, tuned: Collection[str], *, asks: bool) -> None:
    """Leave out what the packaged model cannot do; with `asks`, it is asked as `packaged_ask`."""
    if asks:
        program.ask = packaged_ask(tuned)
    program.reply = QuoteTurns()
    program.correct = program.tell = program.refine = program.question = program.compare = None
