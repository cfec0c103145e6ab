"""Tasks that an optimizer compiles: one module of the program, run on prepared examples.

Each module has its own examples: answer and retrieve learn from questions about prepared memories,
store from windows and the questions with evidence inside them. The other modules are frozen.
"""

import hashlib
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import dspy

from locomo.choices import MODULES, Target
from locomo.dataset.format import ABSTENTION, Conversation, Question
from locomo.dataset.rows import GoldRows
from locomo.harness import PROMPT_TOKENS, Setup, temporary_memory
from locomo.systems import retrieved_facts_alone
from locomo.tasks.lost_facts import lost_share
from locomo.tasks.rewards import Episode, Outcome
from memory import Answer, Fact, Memory, MemoryProgram, SqlError, Store, Turn, open_store
from memory.errors import ModelError, UnusableAnswer
from memory.evidence import RowLine, lay_out
from memory.program import (
    EXAMPLE_TOKENS,
    HISTORY_TOKENS,
    LEAST_EXAMPLE,
    MOST_OPERATIONS,
    TURNS_BEFORE,
    ToolUse,
    program_for,
    shown_turn,
)
from memory.refine import Draft, FactReader, FactSet, RefiningTools, memory_in_short
from memory.sql import quoted

MOST_FACTS = 4  # a turn; the instructions ask for 1.2
HIDDEN = "(not shown)"
_AROUND_MEMORY = 64  # tokens: an example's question and answer
_SHORT_MEMORY = 400  # tokens of the catalog, and of some facts, that an episode begins with
_EQUAL_OUTPUTS = 10  # after which a prompt is dropped
# Of memory, where SELECTs are compiled: with more, the ranking shows the evidence without them.
RETRIEVE_BUDGET = 500
_T = TypeVar("_T")


class Race:
    """Which prompts store the same as the plain one: after ten equal turns no more are asked for.

    Most instructions leave most outputs of a little model the same, letter by letter.
    """

    def __init__(self, plain: str) -> None:
        self._plain = plain
        self._facts: dict[tuple[str, str], Any] = {}  # by prompt and example

    def known(self, candidate: str, example: str) -> Any:
        """What a prompt stores of an example: the plain one's facts if it is dropped, else None."""
        plain = self._facts.get((self._plain, example))
        return plain if candidate != self._plain and self._is_same(candidate) else None

    def add(self, candidate: str, example: str, facts: Any) -> None:
        """Keep what a prompt stored of an example."""
        self._facts[candidate, example] = facts

    def _is_same(self, candidate: str) -> bool:
        of_candidate = [(e, facts) for (c, e), facts in [*self._facts.items()] if c == candidate]
        same = [facts == self._facts.get((self._plain, example)) for example, facts in of_candidate]
        return len(same) >= _EQUAL_OUTPUTS and all(same)


@dataclass(frozen=True)
class Bench:
    """What tasks work with: the answering program, conversations and prepared memories.

    `memories` maps a conversation's id to its file. A prompt may hold at most `max_demos` examples.
    With `speakers`, storing also writes what each speaker's lines alone give. With `whole`, traces
    keep memories uncut: weights learn from the actual prompt. With `rows_matter`, all questions are
    asked as for the target retrieve (see AnswerTask). `prompts` collects the prompts tried, by key.
    A refining episode has at most `operations`, and each prompt shows `history_tokens` of earlier
    ones. With `rows`, gold rows by conversation, storing is scored by the facts themselves, and a
    `race` drops prompts that change nothing.
    """

    setup: Setup
    conversations: Mapping[str, Conversation]
    memories: Mapping[str, Path]
    max_demos: int
    speakers: bool = False
    whole: bool = False
    rows_matter: bool = False
    operations: int = MOST_OPERATIONS
    history_tokens: int = HISTORY_TOKENS
    prompts: dict[str, "Candidate"] = field(default_factory=dict)
    race: "Race | None" = None
    rows: Mapping[str, GoldRows] = field(default_factory=dict)

    def __deepcopy__(self, memo: object) -> "Bench":
        return self  # optimizers copy tasks by the hundred; models and handles are shared

    @property
    def example_tokens(self) -> int:
        """How long the memory in one example may be, so that the examples fit the context.

        A quarter of a question's budget: a prompt of five examples is read for every question.
        """
        model, budget = self.setup.model, self.setup.budget
        tokens_for_demos = model.limits.context - budget - PROMPT_TOKENS
        room = tokens_for_demos // max(self.max_demos, 1) - _AROUND_MEMORY
        return min(room, max(budget // 4, LEAST_EXAMPLE), EXAMPLE_TOKENS)


def measured_target(targets: Sequence[Target]) -> Target:
    """The target that is measured before and after: facts if only they change, else answers."""
    for alone in ("store", "refine"):
        if tuple(targets) == (alone,):
            return alone
    return "answer"


@dataclass(frozen=True)
class Candidate:
    """A module's prompt, which an optimizer changes: instructions and examples."""

    instructions: str
    demos: tuple[Mapping[str, str], ...] = ()

    @property
    def key(self) -> str:
        """A short name, the same for equal prompts."""
        # A lone surrogate becomes "?" in a file, so a prompt read from there has the same name.
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]


def candidate_of(program: MemoryProgram, target: Target) -> Candidate:
    """The current prompt of a module of this program."""
    predict = getattr(program, target).predict
    fields = predict.signature.fields
    demos = [{name: str(demo.get(name) or "") for name in fields} for demo in predict.demos]
    return Candidate(predict.signature.instructions, tuple(demos))


def _inputs(predict: Any) -> list[str]:
    return [*predict.signature.input_fields]


def with_candidate(program: MemoryProgram, target: Target, prompt: Candidate) -> MemoryProgram:
    """A copy of the program where one module has this prompt."""
    copied = program.deepcopy()
    predict = getattr(copied, target).predict
    predict.signature = predict.signature.with_instructions(prompt.instructions)
    predict.demos = [dspy.Example(**demo) for demo in prompt.demos]
    return copied


def _only(program: MemoryProgram, target: Target, example_tokens: int | None) -> MemoryProgram:
    """A copy where optimizers see only one module: DSPy treats compiled modules as frozen.

    Its calls are traced as examples of this many tokens.
    """
    copied = program.deepcopy()
    getattr(copied, target).predict.example_tokens = example_tokens
    for name in (*MODULES, "reply", "correct", "tell", "question", "compare"):
        if module := getattr(copied, name):
            module._compiled = name != target
    return copied


def task(
    program: MemoryProgram, target: Target, bench: Bench
) -> "AnswerTask | StoreWindow | StoreLabelled | RefineForQuestion":
    """The task that an optimizer compiles to improve this target of the program."""
    storing = StoreLabelled if bench.rows else StoreWindow
    kinds = {"store": storing, "refine": RefineForQuestion}
    # Weights learn from the actual prompt.
    tokens = None if bench.whole else bench.example_tokens
    return kinds.get(target, AnswerTask)(_only(program, target, tokens), target, bench)


class _Task(dspy.Module):
    """A task. A run returns a Prediction of outcomes and never raises: `failed` has the error."""

    def __init__(self, program: MemoryProgram, target: Target, bench: Bench) -> None:
        super().__init__()
        self.program = program
        self.target = target
        self.bench = bench

    @contextmanager
    def _traced(self) -> Iterator[list[Any]]:
        """Record only the compiled module's calls in the trace.

        A call whose answer could not be parsed is recorded by its signature (see `TraineeAdapter`).
        """
        outer = dspy.settings.trace
        predict = getattr(self.program, self.target).predict
        with dspy.context(trace=[]):
            trace = dspy.settings.trace
            try:
                yield trace
            finally:
                steps = [
                    (predict, *step[1:])
                    for step in trace
                    if step[0] is predict or step[0] == predict.signature
                ]
                if outer is not None:
                    outer.extend(steps)

    def _ended(
        self, outcomes: Sequence[Outcome], copied: bool, failed: str = "", **fields: Any
    ) -> dspy.Prediction:
        candidate = candidate_of(self.program, self.target)
        self.bench.prompts.setdefault(candidate.key, candidate)
        predict = getattr(self.program, self.target).predict
        return dspy.Prediction(
            outcomes=list(outcomes),
            candidate=candidate.key,
            sampled=predict.lm is not None,  # an optimizer set one, at a temperature
            copied=copied,
            failed=failed,
            **fields,
        )

    def _in_prompt(self, text: str) -> bool:
        """Whether the prompt contains this example with its answer."""
        predict = getattr(self.program, self.target).predict
        shown = [str(demo.get(field) or "") for demo in predict.demos for field in _inputs(predict)]
        return any(text in field for field in shown)

    def _turn_in_prompt(self, turn: Turn) -> bool:
        """Whether an example in the prompt shows this turn, as any form of the module shows it."""
        return self._in_prompt(" ".join(turn.text.split()))


class AnswerTask(_Task):
    """Answers a question from a prepared memory.

    The module `retrieve` sees a catalog of the memory and the question and writes SELECTs; the
    module `answer` sees the rows they return and the turns that a ranking finds.

    If `retrieve` is the target, it is called for every question, and RETRIEVE_BUDGET bounds the
    evidence, so that the rows of its SELECTs decide the answer.
    """

    @property
    def setup(self) -> Setup:
        """How questions are asked."""
        setup = self.bench.setup
        if self.target != "retrieve" and not self.bench.rows_matter:
            # Weights learn one prompt of each module, so no answer says what to look up instead.
            learns = self.bench.whole and setup.sql == "when it pays" and self.program.ask.looks
            return replace(setup, sql="always") if learns else setup
        return replace(setup, sql="always", budget=min(setup.budget, RETRIEVE_BUDGET))

    def forward(self, question: str, conversation: str) -> dspy.Prediction:
        """Ask the conversation's memory; the Prediction has one outcome."""
        bench, copied = self.bench, self._in_prompt(question)
        setup = self.setup
        with self._traced():
            try:
                with open_store(bench.memories[conversation], read_only=True) as store:
                    answer = _answer(_memory(store, setup, self.program), question)
            except ModelError as error:
                return self._ended([], copied, str(error))
        turns = bench.conversations[conversation].turns
        return self._ended([_outcome(answer, turns, setup)], copied)


class RefineForQuestion(_Task):
    """Refines a draft of a prepared memory's facts; a question is answered from facts alone.

    The module `refine` sees a summary of the memory, the question (not its answer) and the results
    of its tools. The memory itself does not change.
    """

    def forward(self, question: str, conversation: str) -> dspy.Prediction:
        """One episode; the Prediction has one outcome, with its Episode."""
        bench, setup = self.bench, self.bench.setup
        copied = self._in_prompt(question)
        with self._traced():
            try:
                with open_store(bench.memories[conversation], read_only=True) as store:
                    draft = Draft(store)
                    reader = FactReader(store, setup.model, self.program.answer)
                    answer_before = reader.answered(question, reader.context(question, draft.start))
                    uses = self._refined(store, draft, question)
                    context = reader.context(question, draft.state)
                    answer = reader.answered(question, context)
            except ModelError as error:
                return self._ended([], copied, str(error))
        sources = [turn.source for turn in bench.conversations[conversation].turns]
        outcome = Outcome(
            answer=answer,
            shown=tuple(sources[turn_id - 1] for turn_id in context.turn_ids),
            text=context.text,
            sql=("-- facts",),
            episode=_episode(draft, uses, answer_before),
        )
        return self._ended([outcome], copied)

    def _refined(self, store: Store, draft: Draft, question: str) -> list[ToolUse]:
        """Run the module on a draft; returns its tool uses."""
        bench, refine = self.bench, self.program.refine
        assert refine
        with bench.setup.model.active():
            uses: list[ToolUse] = refine(
                memory=memory_in_short(store, draft, _SHORT_MEMORY),
                tools=RefiningTools(draft).functions(),
                question=question,
                operations=bench.operations,
                history_tokens=bench.history_tokens,
            ).uses
        return uses


def _episode(draft: Draft, uses: Sequence[ToolUse], answer_before: str) -> Episode:
    """The effect of an episode on the facts of a draft."""
    return Episode(
        answer_before=answer_before,
        before=fact_lengths(draft.start),
        after=fact_lengths(draft.state),
        tools=dict(Counter(use.tool for use in uses)),
        refused=tuple(f"{use.tool}: {use.result}" for use in uses if use.failed),
        operations=tuple(f"{done.tool}: {done.reason}" for done in draft.operations),
        lost=lost_share(draft.start, draft.state),
    )


def fact_lengths(state: FactSet) -> tuple[int, ...]:
    """The lengths of facts in characters: subject, attribute and value as one line."""
    facts = state.facts.values()
    return tuple(len(f"{fact.subject} {fact.attribute} {fact.value}") for fact in facts)


class StoreWindow(_Task):
    """Stores a window of turns as facts; then questions about it are asked.

    The module `store` sees the turns and writes SQL. Retrieve and answer, which are frozen, see
    its facts and each turn's speaker and date, but not its text.
    """

    def forward(self, conversation: str, first: int, last: int) -> dspy.Prediction:
        """Store turns `first` to `last` (from 1) and ask; one outcome for each question."""
        bench = self.bench
        turns = bench.conversations[conversation].turns[first - 1 : last]
        questions = questions_within(bench.conversations[conversation], first, last)
        copied = self._turn_in_prompt(turns[0])
        target: list[tuple[str, str, str, int]] = []
        outcomes = []
        try:
            with self._traced() as trace:
                facts, not_stored = _facts(turns, self.program, bench.setup)
                refusals = [inputs["feedback"] for _, inputs, _ in trace if inputs.get("feedback")]
            refusals += not_stored
            if bench.speakers:
                target = _facts_by_speaker(turns, bench.setup)
            fits = min(1.0, MOST_FACTS * len(turns) / max(len(facts), 1))
            with _facts_only(turns, facts) as store, dspy.context(trace=[]):
                # Only retrieved facts earn a reward, so every question looks for rows.
                model = bench.setup.model
                program = self.program.asking(evidence=retrieved_facts_alone)
                program = program_for(model, program).with_sql("always")
                memory = Memory(store, model, program=program, budget=bench.setup.budget)
                text = "\n".join(" ".join(map(str, fact[:-1])) for fact in facts)
                # Evidence counts as shown when a fact names its turn: no turn is readable here.
                turn_ids = {fact[-1] for fact in facts}
                sources = tuple(turn.source for n, turn in enumerate(turns, 1) if n in turn_ids)
                for question in questions:
                    answer = _answer(memory, question.text)
                    outcomes.append(
                        Outcome(
                            answer=answer.text,
                            shown=sources,
                            text=text,
                            sql=() if not_stored and not facts else ("-- facts",),
                            refusals=tuple(refusals),
                            fits=fits,
                        )
                    )
        except ModelError as error:
            return self._ended([], copied, str(error), facts=[], target=[])
        named = [(subject, attribute, value, turn) for subject, attribute, value, *_, turn in facts]
        return self._ended(outcomes, copied, facts=named, target=target)


class StoreLabelled(_Task):
    """Stores turns whose statements are known, so that its facts can be scored without a question.

    The module `store` sees a turn, or a window of them, after the turns before it.
    """

    def forward(self, conversation: str, first: int, last: int) -> dspy.Prediction:
        """Store turns `first` to `last` (from 1); the Prediction has `facts` by turn."""
        turns = self.bench.conversations[conversation].turns
        before = turns[max(first - 1 - TURNS_BEFORE, 0) : first - 1]
        window = turns[first - 1 : last]
        lines = _shown(turns, first, last)
        copied = any(map(self._turn_in_prompt, window)) or any(
            line and self._in_prompt(line) for line in lines
        )
        candidate = candidate_of(self.program, self.target).key
        place = f"{conversation}/{first}-{last}"
        race = self.bench.race if self.program.store.predict.lm is None else None
        if race and (known := race.known(candidate, place)):
            return self._ended([], copied, facts=known, turns=list(window), calls=0)
        facts: list[list[Fact]] = [[] for _ in window]
        try:
            with self._traced(), self.bench.setup.model.active():
                stored = self.program.store(
                    turns=[*before, *window],
                    first=len(before) + 1,
                    last=len(before) + len(window),
                )
            calls, failed = stored.calls, ""
            for fact in stored.facts:
                facts[fact.turn_id - len(before) - 1].append(fact)
        except SqlError as error:  # refused after all repairs: nothing is stored
            calls, failed = len(error.refusals), ""
        except ModelError as error:
            calls, failed = 0, str(error)
        if race and not failed:
            race.add(candidate, place, facts)
        return self._ended([], copied, failed, facts=facts, turns=list(window), calls=calls)


def _answer(memory: Memory, question: str) -> Answer:
    """The answer; with an empty text, which earns nothing, if it cannot be used."""
    try:
        return memory.ask(question)
    except UnusableAnswer as error:
        return error.answer


def _memory(store: Store, setup: Setup, program: MemoryProgram) -> Memory:
    program = replace(setup, program=program).benchmark_program
    return Memory(store, model=setup.model, program=program, budget=setup.budget)


def _outcome(answer: Answer, turns: Sequence[Turn], setup: Setup) -> Outcome:
    rows = [row for result in answer.rows for row in result.rows]
    cells = [[str(cell) for cell in row if cell not in (None, "")] for row in rows]
    lines = [" ".join(" | ".join(row).split()) for row in cells]
    # Half of the budget: turns keep the other half, as when a question is answered.
    fitting = lay_out(
        [RowLine(line) for line in lines if line], (), max(setup.budget // 2, 64)
    ).text
    lines_that_fit = max(fitting.count("\n"), 0)  # the first line is a heading
    turns_shown = [turns[turn_id - 1] for turn_id in answer.shown]
    # A call answered by a cache or a ledger has no bill: its result shows that it was made.
    has_called = any(step.name == "select" and step.calls for step in answer.steps)
    sql_asked = setup.sql == "always" or has_called or bool(answer.sql or answer.refusals)
    return Outcome(
        answer=answer.text,
        shown=tuple(turn.source for turn in turns_shown),
        text="\n".join([*(turn.text for turn in turns_shown), *lines]),
        sql=answer.sql,
        refusals=answer.refusals,
        fits=lines_that_fit / len(lines) if lines else 1.0,
        fields=sum(map(len, cells)),
        sql_asked=sql_asked,
    )


_Fact = tuple[str, str, str, str, str, int]


def _facts(
    turns: Sequence[Turn], program: MemoryProgram, setup: Setup
) -> tuple[list[_Fact], list[str]]:
    """The facts that the store module writes of these turns in a fresh memory.

    The second list says what is not stored of what it wrote, and why.
    """
    with temporary_memory() as store:
        # The compiled or tuned module must write, even if the plain one does not.
        program = copy(program)
        program.stores_facts = True
        memory = _memory(store, setup, program)
        store.add([replace(turn, id=0) for turn in turns])  # without facts of templates
        digest = memory.digest()
        facts = store.read(
            "SELECT subject, attribute, value, happened_on, ended_on, turn_id FROM facts"
        )
        not_stored = [*digest.refused, *(window.error for window in store.pending())]
        return [tuple(row) for row in facts.rows], not_stored


def _facts_by_speaker(turns: Sequence[Turn], setup: Setup) -> list[tuple[str, str, str, int]]:
    """The facts that the plain module writes from one speaker's turns: no speaker to confuse."""
    facts_of_all = []
    for speaker in dict.fromkeys(turn.speaker for turn in turns):
        turn_numbers = [n for n, turn in enumerate(turns, 1) if turn.speaker == speaker]
        with dspy.context(trace=[]):
            facts, _ = _facts([turns[n - 1] for n in turn_numbers], setup.program, setup)
        facts_of_all += [
            (subject, attribute, value, turn_numbers[turn - 1])
            for subject, attribute, value, *_, turn in facts
        ]
    return facts_of_all


@contextmanager
def _facts_only(turns: Sequence[Turn], facts: Sequence[_Fact]) -> Iterator[Store]:
    """A memory with these facts; of its turns it has only the speaker and the date."""
    with temporary_memory([replace(turn, id=0, text=HIDDEN) for turn in turns]) as store:
        columns = "subject, attribute, value, happened_on, ended_on, turn_id"
        for *text, turn in facts:
            row = f"{', '.join(quoted(cell or '') for cell in text)}, {turn}"
            store.write(f"INSERT INTO facts ({columns}) VALUES ({row})", cause="copied")
        yield store


# --- examples ---------------------------------------------------------------------------------


def questions_within(conversation: Conversation, first: int, last: int) -> list[Question]:
    """The questions whose evidence lies among turns `first` to `last`, without category 5.

    The conversation has no answer to category 5, so it would reward storing nothing.
    """
    sources = {turn.source for turn in conversation.turns[first - 1 : last]}
    return [
        question
        for question in conversation.questions
        if question.category != ABSTENTION
        and question.evidence
        and sources >= set(question.evidence)
    ]


def task_examples(
    conversations: Sequence[Conversation], target: Target, window: int
) -> list[dspy.Example]:
    """All examples that these conversations have for a target, in file order.

    An example's inputs are its task's; `gold` holds its questions.
    """
    examples = []
    for conversation in conversations:
        if target == "store":
            examples += _windows(conversation, window)
            continue
        for question in conversation.questions:
            example = dspy.Example(
                question=question.text, conversation=conversation.id, gold=(question,)
            )
            examples.append(example.with_inputs("question", "conversation"))
    return examples


def labelled_examples(
    golds: Sequence[GoldRows], window: int, *, only_asked: bool = False
) -> list[dspy.Example]:
    """The turns of conversations with gold rows, as windows; `gold` holds what they say.

    With `only_asked`, without the turns that a little model is not asked about: questions and
    thanks.
    """
    examples = []
    for gold in golds:
        turns = gold.conversation.turns
        for first in range(1, len(turns) + 1, window):
            of_window = turns[first - 1 : first - 1 + window]
            if only_asked and not any(_shown(turns, first, first + len(of_window) - 1)):
                continue
            example = dspy.Example(
                conversation=gold.conversation.id,
                first=first,
                last=first + len(of_window) - 1,
                gold=tuple(gold.of(turn.source) for turn in of_window),
            )
            examples.append(example.with_inputs("conversation", "first", "last"))
    return examples


def _shown(turns: Sequence[Turn], first: int, last: int) -> list[str]:
    """Turns `first` to `last` (from 1) as a little model is shown them, "" for those it is not."""
    return [
        shown_turn(turns[n], turns[max(n - TURNS_BEFORE, 0) : n]) for n in range(first - 1, last)
    ]


def _windows(conversation: Conversation, window: int) -> list[dspy.Example]:
    """The windows that some question is about; other windows would earn nothing."""
    examples = []
    for first in range(1, len(conversation.turns) + 1, window):
        last = min(first + window - 1, len(conversation.turns))
        if questions := questions_within(conversation, first, last):
            example = dspy.Example(
                conversation=conversation.id, first=first, last=last, gold=tuple(questions)
            )
            examples.append(example.with_inputs("conversation", "first", "last"))
    return examples


def draw(population: Sequence[_T], number: int, seed: int) -> list[_T]:
    """A sample of `number` items (0: all), drawn by the seed, in the order of the population."""
    if not number or number >= len(population):
        return list(population)
    indices = sorted(random.Random(seed).sample(range(len(population)), number))  # noqa: S311
    return [population[index] for index in indices]


def example_name(example: dspy.Example) -> str:
    """The name of an example: `conv-26/17`, or `conv-26/17-32` for a window."""
    if "first" in example:
        return f"{example.conversation}/{example.first}-{example.last}"
    return f"{example.conversation}/{example.gold[0].index}"
