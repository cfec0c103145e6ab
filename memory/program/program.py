"""The program: a memory's modules together, and which of them a model runs."""

from collections.abc import Callable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import dspy

from memory.errors import InputError
from memory.evidence.block import Options
from memory.models.local import SmallModelAdapter
from memory.models.model import Model
from memory.models.model_names import PACKAGED_MODEL, stores_facts
from memory.models.packaged import tuned_modules
from memory.models.sizes import SMALL_BUDGET
from memory.models.small_prompts import SMALL
from memory.program.abstention import checked_cost
from memory.program.asking import ask_with_bill
from memory.program.brief import AnswerBriefly, ChooseRows, TemplateRows
from memory.program.brief_store import StoreRows
from memory.program.chat import QuoteTurns, ReadCorrections, ReplyToMessage
from memory.program.digest import TellStory
from memory.program.heart import AnswerQuestion, AskMemory, RetrieveRows, StoreTurns
from memory.program.packaged import TINY_BUDGET, Checked, StoreQuotation
from memory.program.predict import MemoryModule, PromptedModule
from memory.program.refine import AskAboutTurns, JudgeAnswer, RefineMemory
from memory.program.signatures.forms import AnswerInWords, Form, WriteSearch
from memory.records import SqlUse

if TYPE_CHECKING:
    from memory.program.program_card import Card

_FORMS: Mapping[str, Form] = {"tiny": "tiny", "small": "brief", "large": "full"}


class MemoryProgram(MemoryModule):
    """The modules of a memory: what is saved in one file and loaded from it.

    Optimizers compile its parts: `ask` (AskMemory) and `store` (StoreTurns). `reply` and `correct`
    are for a chat, `tell` for a digest's story, `refine`, `question` and `compare` improve and
    measure facts; None if a model is too small. Called itself, it asks, and adds to an answer its
    bill, its sources and the nearest turns.

    Arguments:
        form: "full" for a large model, "brief" for one of up to 8 billion parameters, "tiny" for
            the packaged one.

    `composes` says whether its model can talk, tell stories and merge facts, `writes_sql` whether
    it decides itself when SELECTs pay.
    `card`: how it was compiled, if it was loaded from a file; None for the plain program.
    `feature_weights`: for the ranking, fitted to your own conversations; None: the shipped ones.
    """

    card: "Card | None" = None
    feature_weights: Mapping[str, float] | None = None

    def __init__(self, form: Form = "full") -> None:
        super().__init__()
        self.form = form
        ask, store, self.composes, self.writes_sql = _COMPOSITIONS[form]
        self.ask = ask()
        self.store = store()
        composes = self.composes
        self.stores_facts = composes
        self.reply: ReplyToMessage | QuoteTurns = ReplyToMessage() if composes else QuoteTurns()
        self.correct = ReadCorrections() if composes else None
        self.tell = TellStory() if composes else None
        self.refine = RefineMemory() if composes else None
        self.question = AskAboutTurns() if composes else None
        self.compare = JudgeAnswer() if composes else None

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
        if sql == "always" and self.retrieve and not self.composes:
            return self.asking(retrieve=self.retrieve)
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

    def with_rows_always(self) -> "MemoryProgram":
        """The same program, which looks for rows of facts at every question.

        A large model writes SELECTs; a tiny one's rows still come from templates.
        """
        return self.with_sql("always") if self.composes else self

    @property
    def writes_one_row(self) -> bool:
        """Whether a digest's SQL is at most one INSERT of one row, as a tiny model's grammar is."""
        return not self.composes

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


def _large() -> AskMemory:
    """The model writes SQL, answers, and may look further once."""
    return AskMemory(RetrieveRows(), AnswerQuestion())


def _small() -> AskMemory:
    """The model chooses rows, which decide; else it answers over quotations."""
    return AskMemory(
        TemplateRows(ChooseRows()),
        AnswerBriefly(),
        sql="always",
        budget=SMALL_BUDGET,
        options=Options(lists=False, spans=False, wishes=False, periods=True),
    )


def _packaged() -> AskMemory:
    """Rows of templates decide, and answers are checked."""
    return AskMemory(
        TemplateRows(RetrieveRows(WriteSearch)),
        Checked(AnswerQuestion(AnswerInWords)),
        sql="always",
        budget=TINY_BUDGET,
        options=Options(lists=False, spans=False, wishes=False),
    )


# How each form asks and stores, whether it composes texts, and whether it writes any SQL.
_COMPOSITIONS: Mapping[Form, tuple[Callable[[], AskMemory], type[StoreTurns], bool, bool]] = {
    "full": (_large, StoreTurns, True, True),
    "brief": (_small, StoreRows, True, False),
    "tiny": (_packaged, StoreQuotation, False, False),
}


def plain_program(model: Model) -> MemoryProgram:
    """The plain program for a model of this size.

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
    program = compiled if isinstance(compiled, MemoryProgram) else plain_program(model)
    program = _for_tiny(model, program) if model.size == "tiny" else _as_tuned(model, program)
    if isinstance(compiled, AskMemory):
        program.ask = compiled
        program.feature_weights = compiled.feature_weights
    elif isinstance(compiled, StoreTurns):
        program.store = compiled
        program.stores_facts = True
    return program


def _for_tiny(model: Model, compiled: MemoryProgram) -> MemoryProgram:
    """A program adapted to the packaged model.

    The shipped model writes no SELECT and stores no facts that a SELECT would find, unless compiled
    or tuned to do so.
    """
    program = _in_tiny_form(compiled) if compiled.composes else copy(compiled)
    is_asked = _is_asked_for_facts(model) or is_changed(program.store)
    program.stores_facts = program.stores_facts or is_asked
    retrieve = program.retrieve
    finds_facts = program.stores_facts or (retrieve and is_changed(retrieve))
    if isinstance(getattr(program.ask, "retrieve", None), TemplateRows) and not finds_facts:
        return program.asking(retrieve=TemplateRows())
    return program


def _is_asked_for_facts(model: Model) -> bool:
    """Whether a digest asks the packaged model for facts: only if it was tuned to."""
    if model.name.startswith(f"{PACKAGED_MODEL}+"):
        return model.weights.get("store") == model.name
    return stores_facts(model.name)


def _in_tiny_form(compiled: MemoryProgram) -> MemoryProgram:
    """The parts of a program compiled in another form that work with the packaged model."""
    program = MemoryProgram("tiny")
    program.card, program.feature_weights = compiled.card, compiled.feature_weights
    _adopt(compiled.store, program.store)
    _adopt(compiled.answer, program.answer)
    if compiled.retrieve and program.retrieve:
        _adopt(compiled.retrieve, program.retrieve)
    program = program.asking(evidence=compiled.ask.evidence)
    return program.with_sql(compiled.ask.sql) if compiled.ask.sql else program


def _adopt(compiled: PromptedModule, plain: PromptedModule) -> None:
    """Give a plain module the instructions and examples that an optimizer gave another."""
    if compiled.is_compiled:
        instructions = compiled.predict.signature.instructions
        plain.predict.signature = plain.predict.signature.with_instructions(instructions)
        plain.predict.demos = compiled.predict.demos


def is_changed(module: PromptedModule) -> bool:
    """Whether a module has changed; the packaged model's examples come with it."""
    small = SMALL.get(tuple(module.predict.signature.fields))
    demos = [dict(demo) for demo in module.predict.demos]
    if small and demos == [dict(demo) for demo in small.demos]:
        return module.predict.signature.instructions != module.plain_instructions
    return module.is_compiled


def starting_program(model: Model) -> MemoryProgram:
    """The program that an optimizer starts from, with the prompts that `model` really gets.

    The packaged model's examples are on the predictors, where optimizers look.
    """
    program = plain_program(model)
    if isinstance(model.adapter, SmallModelAdapter):
        for module in filter(None, (program.store, program.retrieve, program.answer)):
            small = SMALL[tuple(module.predict.signature.fields)]
            module.predict.demos = [dspy.Example(**demo) for demo in model.adapter.examples(small)]
    return program
