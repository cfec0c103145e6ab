"""How well a model serves: stored, retrieved and answered by itself, beside another and a rule.

python -m locomo.serving --model FOLDER --against local [--data FILE-OR-FOLDER] [--turns-only]
"""

import json
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Annotated, Any, cast

import dspy
import typer
from rich.console import Console
from rich.progress import Progress
from typer import Option

from locomo.dataset import Conversation, Question, is_dated, run_command
from locomo.figures import (
    VALID,
    FactsOf,
    Figure,
    NotedStore,
    answer_figures,
    fact_figures,
    facts_only_figures,
    figure_table,
    first_attempts,
    gold_facts,
    markdown,
    mean,
    retrieval_accepted,
    storing_seconds,
    turn_facts,
)
from locomo.gold import Gold, load_gold
from locomo.harness import (
    AnswerLog,
    Built,
    Result,
    Setup,
    ask_memory,
    build_all,
    check_folder,
    fingerprint,
    probe,
    progress_bar,
    result_of,
    run_all,
)
from locomo.metrics import f1, normalize
from locomo.tasks import drawn
from locomo.teaching import ABSTAIN
from memory import (
    Context,
    InputError,
    Memory,
    MemoryProgram,
    Model,
    Rows,
    Turn,
    load_model,
    open_store,
    read_card,
    write_whole,
)

KEPT = "what is stored and answered is kept; the same command with --resume goes on"
DATA, OUTPUT = Path("data/train/validation"), Path("results/serving")
TUNED, UNTUNED, RULE = "tuned", "untuned", "rule"
FACTS, TURNS = "facts only", "without retrieve"  # without rows, turns are all that is shown
EXAMPLES = 10
_FACT = ("turn_id", "subject", "attribute", "value", "happened_on", "ended_on")
# Words that questions share with any turn.
_EMPTY_WORDS = (
    "of to in on at for from with by as is are was were be been do does did has have had will would"
    " can could should what which who whom whose when where why how that this these those it its he"
    " she they his her their him them i you we my your our me us not about if so any or but"
)
Asked = tuple[Conversation, Question]
Ask = Callable[[Conversation, Question], Result]
console = Console()


# --- readers ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reader:
    """Who answers: a model with its program, from memories (by conversation) that it may share."""

    model: Model
    program: MemoryProgram
    built: Mapping[str, Built]
    kind: type[Memory] = Memory

    def __call__(self, conversation: Conversation, question: Question) -> Result:
        """Answer one question, over a read-only handle of its own."""
        setup = Setup(self.model, self.program, self.model.budget)
        path = self.built[conversation.id].path
        return ask_memory(conversation, question, setup, path, self.kind)


class FactsOnly(Memory):
    """A memory whose answering model is shown facts, those of the best turns first, and no turn."""

    def gather(
        self, question: str, rows: Sequence[Rows] = (), without: Collection[int] = ()
    ) -> Context:
        """The rows that were retrieved and the facts, ranked by their turns, within the budget."""
        facts = tuple(tuple(getattr(one, name) for name in _FACT) for one in self.store.facts())
        every_turn = {turn.id for turn in self.store.turns()}
        return super().gather(question, [*rows, Rows(_FACT, facts)], every_turn)


def by_rule(built: Mapping[str, Built], conversation: Conversation, question: Question) -> Result:
    """The answer that asks no model: see `rule`; of the turn that the ranking puts first."""
    start = time.monotonic()
    with open_store(built[conversation.id].path, read_only=True) as store:
        [hit] = store.search(question.text, 1)
    best = conversation.turns[hit.turn_id - 1]
    text = rule(question.text, best)
    result = result_of(conversation, question, "memory", text, [hit.turn_id], start)
    return replace(result, cited=() if text == ABSTAIN else (best.source,))


def rule(question: str, turn: Turn) -> str:
    """The turn's sentence that shares most words with the question; its date where "when" is asked.

    An abstention when none shares a word. Words are stemmed; those like "did" do not count.
    """
    asked = set(normalize(question).split()) - set(_EMPTY_WORDS.split())
    sentences = [part.strip() for part in re.findall(r"[^.!?\n]+[.!?]*", turn.text)] or [turn.text]
    shared = [sum(f1(word, sentence) > 0 for word in asked) for sentence in sentences]
    if not max(shared):
        return ABSTAIN
    if question.strip().lower().startswith("when") and is_dated(turn):
        said = date.fromisoformat(turn.said_at[:10])
        return f"{said.day} {said:%B %Y}"
    return sentences[shared.index(max(shared))]


def readers(tuned: "Stored", untuned: "Stored", turns_only: bool = False) -> dict[str, Ask]:
    """All who answer: the whole, the untuned, the rule, and the whole without one module each.

    Without store and without answer, the untuned model does that; without retrieve nobody does.
    Of turns only, nobody retrieves, and there is nothing to leave out.
    """
    plain, no_rows, untuned_answer = (cast(Any, MemoryProgram()) for _ in range(3))
    no_rows.retrieve = lambda **_: dspy.Prediction(sql=[], rows=[], calls=0, refusals=[])
    if turns_only:
        both = {TUNED: tuned, UNTUNED: untuned}
        asked = {name: Reader(one.model, no_rows, one.built) for name, one in both.items()}
        return {**asked, RULE: partial(by_rule, tuned.built)}
    untuned_answer.answer = partial(_run_by, untuned.model, plain.answer)
    return {
        TUNED: Reader(tuned.model, plain, tuned.built),
        UNTUNED: Reader(untuned.model, plain, untuned.built),
        RULE: partial(by_rule, tuned.built),
        "without store": Reader(tuned.model, plain, untuned.built),
        TURNS: Reader(tuned.model, no_rows, tuned.built),
        "without answer": Reader(tuned.model, untuned_answer, tuned.built),
        FACTS: Reader(tuned.model, plain, tuned.built, FactsOnly),
    }


def _run_by(model: Model, module: Callable[..., Any], **inputs: Any) -> Any:
    with model.active():
        return module(**inputs)


# --- storing ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stored:
    """A model, the memories that it stored, by conversation, and the file of its first attempts."""

    model: Model
    built: Mapping[str, Built]
    attempts: Path

    def figures(
        self, name: str, gold: Sequence[tuple[Gold, FactsOf]], answers: Sequence[Result]
    ) -> list[Figure]:
        """How well it stores, and, of its modules without a grammar, how often its SQL is valid."""
        turns, stored = [], list[float]()
        for one, wanted in gold:
            path = self.built[one.conversation.id].path
            turns += turn_facts(one, wanted, path)
            stored += first_attempts(self.attempts, path)
        found = fact_figures(name, turns) + storing_seconds(name, [*self.built.values()])
        accepted = {"store": stored, "retrieve": [retrieval_accepted(one) for one in answers]}
        free = getattr(self.model.adapter, "tuned", accepted)
        for module, values in accepted.items():
            found += mean(VALID, module, name, values if module in free else ())
        return found


def store_all(
    conversations: Sequence[Conversation],
    model: Model,
    cache: Path,
    threads: int,
    bar: Progress,
    turns_only: bool = False,
) -> Stored:
    """The memories of conversations, found in the cache or stored by a model; or their turns."""
    attempts = cache / "first-attempts.jsonl"
    if turns_only:
        return Stored(model, _turns_of(conversations, cache, bar), attempts)
    program = cast(Any, MemoryProgram())
    program.store = NotedStore(attempts)
    setup = Setup(model, program, model.budget)
    return Stored(model, build_all(conversations, setup, cache, threads, bar), attempts)


def _turns_of(
    conversations: Sequence[Conversation], cache: Path, bar: Progress
) -> dict[str, Built]:
    """Memories of turns alone, by conversation, found in the cache or made: no model is asked."""
    cache.mkdir(parents=True, exist_ok=True)
    made, line = dict[str, Built](), bar.add_task("adding turns", total=len(conversations))
    for one in conversations:
        path = cache / f"turns-{fingerprint(one.id, [asdict(turn) for turn in one.turns])}.db"
        with open_store(path) as store:
            if not store.turns(1, 1):
                store.add(one.turns)
        made[one.id] = Built(one.id, path, len(one.turns))
        bar.advance(line)
    return made


# --- the command ------------------------------------------------------------------------------


def serving(
    data: Annotated[Path, Option(help="a file or a folder, with gold or without")] = DATA,
    num_test: Annotated[int, Option(help="questions, drawn by --seed; 0: all", min=0)] = 0,
    model: Annotated[str, Option(help="local, an adapter's folder, a litellm name")] = "local",
    against: Annotated[str, Option(help="the model beside it")] = "local-base",
    num_threads: Annotated[int, Option(help="windows or questions at a time", min=1)] = 2,
    output_dir: Annotated[Path, Option(help="for figures, answers, memories")] = OUTPUT,
    seed: Annotated[int, Option(help="draws the questions and the examples", min=0)] = 0,
    resume: Annotated[bool, Option("--resume", help="keep an earlier run's answers")] = False,
    turns_only: Annotated[
        bool, Option("--turns-only", help="answers from turns alone; no model stores or retrieves")
    ] = False,
) -> list[Figure]:
    """Measure a model end to end: its answers, also from facts alone, its facts and its SQL.

    Writes serving.json and serving.md to `output_dir`. Memories are kept there too and built again
    only when the conversation, the model or the code differs. Raises InputError for what cannot
    be used, ModelError when a model cannot.
    """
    every = load_gold(data)
    asked = _asked(every, data, num_test, seed)
    check_folder(output_dir, "--output-dir")
    used = {conversation.id: conversation for conversation, _ in asked}
    gold = [(one, gold_facts(one)) for one in every if one.conversation.id in used]
    models = load_model(model), load_model(against)
    if seen := sorted(used.keys() & _learnt(Path(model))):
        said = f"warning: {model} was tuned on {', '.join(seen)}, which it is measured on"
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    for one in () if resume else models:
        probe(one)
    made_of = [asdict(one) for one in every], [(one.weights, one.api_base) for one in models]
    log, cache = output_dir / f"answers-{fingerprint(made_of, turns_only)}", output_dir / "memories"
    with progress_bar(console) as bar:
        store = partial(store_all, [*used.values()], cache=cache, threads=num_threads, bar=bar)
        tuned, untuned = (store(model=one, turns_only=turns_only) for one in models)
        answers = {}
        for name, ask in readers(tuned, untuned, turns_only).items():
            kept = AnswerLog(log / f"{name.replace(' ', '-')}.jsonl", resume)
            answers[name] = _answers(name, ask, asked, kept, num_threads, bar)
    figures = answer_figures(answers, asked, TUNED)
    if not turns_only:
        figures += facts_only_figures(answers[FACTS], answers[TURNS], (FACTS, "turns only"))
        for name, stored in {TUNED: tuned, UNTUNED: untuned}.items():
            figures += stored.figures(name, gold, answers[name])
    params = {
        "data": str(data),
        "questions": len(asked),
        "model": models[0].name,
        "against": models[1].name,
        "budget": models[0].budget,
        "turns only": turns_only,
        "num_threads": num_threads,
        "seed": seed,
    }
    _report(figures, _examples(used, answers[TUNED], seed), params, output_dir)
    return figures


def _asked(gold: Sequence[Gold], data: Path, number: int, seed: int) -> list[Asked]:
    """The questions to ask, in file order."""
    every = [(one.conversation, asked) for one in gold for asked in one.conversation.questions]
    if not every:
        raise InputError(f"{data} asks no question; give conversations that do")
    return drawn(every, number, seed)


def _learnt(model: Path) -> set[str]:
    """The conversations that an adapter was tuned on; none for a model of another kind."""
    return set(read_card(model).conversations) if (model / "adapter.json").is_file() else set()


def _answers(
    name: str, ask: Ask, asked: Sequence[Asked], log: AnswerLog, threads: int, bar: Progress
) -> list[Result]:
    """What a reader answers, in the order of what is asked; what the log has is not asked again."""
    keys = [("memory", conversation.id, question.index) for conversation, question in asked]
    open_ones = [one for key, one in zip(keys, asked, strict=True) if key not in log.results]
    line = bar.add_task(f"asking: {name}", total=len(open_ones))
    jobs = [partial(ask, *one) for one in open_ones]
    run_all(jobs, log, threads, lambda result: bar.advance(line))
    return [log.results[key] for key in keys]


def _examples(
    conversations: Mapping[str, Conversation], results: Sequence[Result], seed: int
) -> list[dict[str, str]]:
    """Some questions as they were answered, drawn by the seed; nothing is left out or corrected."""
    found = []
    for one in drawn(results, EXAMPLES, seed):
        turns = [turn for turn in conversations[one.conversation].turns if turn.source in one.cited]
        cited = [f"{t.source} ({t.said_at[:10]}) {t.speaker}: {t.text}" for t in turns]
        found.append(
            {
                "question": one.question,
                "gold": one.gold or f"({ABSTAIN})",
                "answer": one.answer,
                "cited": "\n".join(cited) or "(no turn)",
            }
        )
    return found


def _report(
    figures: Sequence[Figure],
    examples: Sequence[Mapping[str, str]],
    params: Mapping[str, object],
    output_dir: Path,
) -> None:
    """Print the tables and the examples, and write them as JSON and Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in params.items())
    text = f"# How well the model serves\n\n{about}\n\n"
    for title in dict.fromkeys(one.table for one in figures):
        own = [one for one in figures if one.table == title]
        console.print(figure_table(title, own))
        text += markdown(title, own) + "\n"
    text += f"## {len(examples)} answers, drawn by the seed\n"
    for one in examples:
        lines = [f"{name}: {' '.join(value.split())}" for name, value in one.items()]
        console.print("\n  ".join(lines) + "\n", markup=False, highlight=False)
        text += "\n- " + "\n  - ".join(lines)
    content = {"params": params, "figures": [asdict(f) for f in figures], "examples": examples}
    files = output_dir / "serving.json", output_dir / "serving.md"
    write_whole(files[0], json.dumps(content, ensure_ascii=False, indent=1).encode())
    write_whole(files[1], (text + "\n").encode())
    console.print(f"{files[0]}, {files[1]}", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(serving)
    run_command(app, KEPT)
