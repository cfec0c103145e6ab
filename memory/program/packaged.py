"""The packaged model: small, in this process, and held to what was said."""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import dspy

from memory.evidence.block import Options
from memory.evidence.lines import turn_lines
from memory.evidence.messages import ABSTAIN, is_evidence, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.program.abstention import PEOPLE_COST, Evidence, checked_cost, likelihood_of, pays
from memory.program.answer_sources import answer_from
from memory.program.fact_checks import dated, is_quoted
from memory.program.gguf.server import Lora
from memory.program.llama import CONTEXT, load_lora, packaged_gguf
from memory.program.local import LocalEngine, SmallModelAdapter
from memory.program.lookup import look_up
from memory.program.model import ChatMessage, Model, Modules, Retrieval, SqlUse
from memory.program.model_names import PACKAGED_MODEL, UNTUNED_MODEL
from memory.program.quotations import quote_turns
from memory.program.support import is_attributed, supported_part, with_known_years
from memory.records import Answer, Fact, Turn

SHIPPED = tuple(sorted((Path(__file__).parent / "tuned").glob("[a-z]*")))


@dataclass(frozen=True)
class PackagedModel(Model):
    """The packaged model, with adapters or without.

    A model of 135 million parameters completes sentences: it is asked about few turns, without
    dates and known facts, and what it says counts when turns say it, too.

    `wrong_answer_cost` is what a wrong answer costs, in right ones (`memory.program.abstention`).
    """

    wrong_answer_cost: float = PEOPLE_COST
    sql: SqlUse = "when it pays"

    options: ClassVar[Options] = Options(lists=False, spans=False, wishes=False)
    refines: ClassVar[bool] = False
    takes_persona: ClassVar[bool] = False
    writes_any_sql: ClassVar[bool] = False
    reads_known_facts: ClassVar[bool] = False
    follows_instructions: ClassVar[bool] = False
    weighs_answers: ClassVar[bool] = True
    fixed_limits: ClassVar[bool] = True
    answer_tokens: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"store": 25, "retrieve": 60, "answer": 12, "refine": 60}
    )
    seconds_a_call: ClassVar[float] = 1.0  # as measured on two busy cores
    stop_seconds: ClassVar[float] = 15.0
    cpus: ClassVar[float] = 1.0

    # ---------------------------------------------------------------- who is asked

    @property
    def server(self) -> str:
        """None: "" for a model in this process."""
        return ""

    @property
    def price(self) -> tuple[float, float]:
        return 0.0, 0.0

    @property
    def weights(self) -> Mapping[str, str]:
        """An adapter is for its targets only."""
        names = dict.fromkeys(("store", "retrieve", "answer"), UNTUNED_MODEL)
        for lora in getattr(self.lm.engine, "loras", ()):
            for target in lora.targets & self.tuned_modules:
                names[target] = f"{PACKAGED_MODEL}+{lora.sha256[:8]}"
        if not self.writes_facts:
            names["store"] = "templates"
        return names

    @property
    def tuned_modules(self) -> frozenset[str]:
        return getattr(self.adapter, "tuned", frozenset())

    def over_machines(self, over: str) -> "PackagedModel":
        if not over:
            return self
        return replace(self, lm=self.lm.copy(engine=replace(self.lm.engine, over=over)))

    def as_tuned(self, targets: Collection[str]) -> "PackagedModel":
        return replace(self, adapter=SmallModelAdapter(frozenset(targets)), writes_facts=True)

    def with_wrong_answer_cost(self, cost: float) -> "PackagedModel":
        return replace(self, wrong_answer_cost=checked_cost(cost))

    def as_shipped(self) -> "PackagedModel":
        shipped, _, added = self.name.partition("+")
        return load_packaged(shipped) if added else self

    # ---------------------------------------------------------------- storing

    def looks_for_facts_in(self, text: str) -> bool:
        """It makes facts of questions and refusals too: these are kept from it."""
        return is_evidence(text)

    def window_lines(self, turns: Sequence[Turn]) -> str:
        return turn_lines(turns, budget=self.window_tokens, dates=self.dates, iso=True)

    def as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        """Only what stands in the turn, word for word."""
        fact = dated(fact, turn)
        return fact if is_quoted(fact, turn) else None

    # ---------------------------------------------------------------- answering

    def question_text(self, question: UserQuestion) -> str:
        """With names in place of "I": it is not shown who asks."""
        return question.ranked_text

    def write_query(
        self,
        program: Modules,
        question: UserQuestion,
        reader: MemoryReader,
        pays: Callable[[], bool],
    ) -> dspy.Prediction | None:
        """Rows decide a question in a template's form; the model as shipped writes no SELECT.

        It stores no facts that a SELECT would find, unless somebody tuned or compiled it to. With
        `sql="always"` it writes SELECTs for every question, as it must where it learns to.
        """
        if self.sql == "never":
            return None
        if self.sql == "always":
            return super().write_query(program, question, reader, pays)
        if found := look_up(question, reader):
            return dspy.Prediction(
                sql=list(found.sql),
                rows=list(found.rows),
                calls=0,
                error="",
                refusals=[],
                decided=found,
            )
        is_shipped = self.name == PACKAGED_MODEL and not program.retrieve.is_compiled
        if is_shipped and not self.stores_facts(program):
            return None
        has_facts = bool(reader.read("SELECT id FROM facts LIMIT 1").rows)
        return super().write_query(program, question, reader, pays) if has_facts else None

    def answer(
        self,
        program: Modules,
        question: UserQuestion,
        retrieval: Retrieval,
        reader: MemoryReader,
    ) -> Answer:
        """Rows decide; else a phrase that a shown turn supports, by whoever the question names."""
        if decided := retrieval.query and retrieval.query.get("decided"):
            return answer_from(
                text=decided.text,
                cited=decided.turn_ids,
                retrieved=retrieval.query,
                evidence=retrieval.evidence,
                basis="rows",
            )
        prediction = self._predict_answer(program, question, retrieval.evidence)
        text, cited = self._supported(prediction, retrieval, reader)
        return answer_from(
            text=text,
            cited=cited,
            retrieved=retrieval.query,
            evidence=retrieval.evidence,
            calls=prediction.calls,
        )

    def _supported(
        self, prediction: dspy.Prediction, retrieval: Retrieval, reader: MemoryReader
    ) -> tuple[str, list[int]]:
        """What shown turns say of an answer, and their ids, where that pays; else ABSTAIN."""
        if prediction.answer.startswith(ABSTAIN):
            return ABSTAIN, []
        shown = {*retrieval.evidence.turn_ids}
        ranked = [hit.turn_id for hit in retrieval.hits if hit.turn_id in shown]
        turn_ids = list(dict.fromkeys([*ranked, *sorted(shown)]))
        turns = originals_first(
            turn for turn in reader.turns_by_id(turn_ids, missing_ok=True) if is_evidence(turn.text)
        )
        text, sources = supported_part(prediction.answer, turns)
        if not sources:
            return ABSTAIN, []
        evidence = Evidence(
            likelihood_of(prediction.logprobs),
            is_whole=text == prediction.answer,
            is_by_named=is_attributed(sources, retrieval.hits, turns),
            rank=turn_ids.index(sources[0].id),
        )
        if not self.is_worth_giving(evidence):
            return ABSTAIN, []
        return with_known_years(text, sources), [turn.id for turn in sources]

    def is_worth_giving(self, evidence: Evidence) -> bool:
        """Whether an answer of such evidence is more likely to help than a wrong one to harm."""
        return pays(evidence, self.wrong_answer_cost)

    def reply(
        self, program: Modules, message: ChatMessage, reader: MemoryReader, budget: int
    ) -> Generator[str, None, Answer]:
        """The nearest turns: a model of this size cannot talk, and says so."""
        return quote_turns(message, reader, budget)


def load_packaged(
    name: str = PACKAGED_MODEL, temperature: float = 0.0, adapter: str | Path | None = None
) -> PackagedModel:
    """The packaged model by its name, "local" or "local-base", with an adapter of one's own.

    Raises InputError for an adapter that cannot be used, ModelError when it is not installed.
    """
    packaged_gguf()
    custom = load_lora(Path(adapter)) if adapter is not None else None
    loras: list[Lora] = [custom] if custom else []
    if name == PACKAGED_MODEL:
        # A custom adapter replaces the shipped ones, for its modules only.
        replaced = custom.targets if custom else frozenset()
        for path in SHIPPED:
            shipped = load_lora(path)
            targets = shipped.targets - replaced
            if targets:
                loras.append(replace(shipped, targets=targets))
    tuned = frozenset[str]().union(*(lora.targets for lora in loras))
    # A cache of answers knows a model by its name, so two adapters need two names.
    digits = "".join(f"+{lora.sha256[:8]}" for lora in loras)
    lm = dspy.LM(
        f"local/smollm2{digits}",
        engine=LocalEngine(loras=tuple(loras)),
        cache=False,
        temperature=temperature,
        num_retries=0,
    )
    # Who tuned a model to store wants to see what it writes.
    writes_facts = name != PACKAGED_MODEL or bool(custom and "store" in custom.targets)
    return PackagedModel(
        f"{name}+{custom.sha256[:8]}" if custom else name,
        lm,
        SmallModelAdapter(tuned),
        window=1,
        window_tokens=200,
        dates=False,
        context=CONTEXT,
        budget=360,
        writes_facts=writes_facts,
    )
