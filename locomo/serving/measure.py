"""A model measured beside another: memories stored, questions answered by all readers, figures."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress

from locomo.dataset.format import Conversation, Question
from locomo.examples.gold import Gold
from locomo.harness import AnswerKey, AnswerLog, Result, answer_log, fingerprint
from locomo.parallel import run_parallel
from locomo.serving.answers import answer_figures, facts_only_figures
from locomo.serving.facts import FactsByTurn
from locomo.serving.figures import Figure
from locomo.serving.memories import store_all
from locomo.serving.readers import (
    FACTS_READER,
    TUNED_READER,
    TURNS_READER,
    UNTUNED_READER,
    Reader,
    all_readers,
)
from memory.program import Model


class ConversationQuestion(NamedTuple):
    """A question, and the conversation that it is about."""

    conversation: Conversation
    question: Question


@dataclass(frozen=True)
class ServingComparison:
    """A model, the untuned one beside it, and what both are measured on.

    `golds` are all conversations of the data, `questions` those to ask; `facts` has what the gold
    SQL of each conversation that is asked about writes, by its id. With `turns_only` no model
    stores or retrieves.
    """

    tuned: Model
    untuned: Model
    golds: Sequence[Gold]
    questions: Sequence[ConversationQuestion]
    facts: Mapping[str, FactsByTurn]
    turns_only: bool = False

    @property
    def conversations(self) -> dict[str, Conversation]:
        """The conversations that are asked about, by id."""
        return {conversation.id: conversation for conversation, _ in self.questions}

    @property
    def answers_folder(self) -> str:
        """A folder's name for the answers, which other data, models or options do not share."""
        golds = [asdict(gold) for gold in self.golds]
        models = [(model.weights, model.api_base) for model in (self.tuned, self.untuned)]
        return f"answers-{fingerprint((golds, models), self.turns_only)}"


def measure_serving(
    comparison: ServingComparison, output_dir: Path, *, threads: int, resume: bool, bar: Progress
) -> tuple[list[Figure], list[Result]]:
    """Store, ask and count; returns all figures, and the answers of the model as a whole.

    Memories and answers are written to `output_dir` as they are made; with `resume` answers that
    are there are not asked for again. Raises ModelError.
    """
    conversations = list(comparison.conversations.values())
    store = partial(
        store_all,
        conversations,
        cache=output_dir / "memories",
        threads=threads,
        bar=bar,
        turns_only=comparison.turns_only,
    )
    tuned = store(model=comparison.tuned)
    untuned = store(model=comparison.untuned)
    # A file of answers for each reader, so that --resume goes on in the midst of any of them.
    answers: dict[str, list[Result]] = {}
    for name, reader in all_readers(tuned, untuned, comparison.turns_only).items():
        file = output_dir / comparison.answers_folder / f"{name.replace(' ', '-')}.jsonl"
        answers[name] = _ask_all(
            name,
            reader,
            comparison.questions,
            log=answer_log(file, resume),
            threads=threads,
            bar=bar,
        )

    questions = [question for _, question in comparison.questions]
    figures = answer_figures(answers, questions, whole=TUNED_READER)
    if not comparison.turns_only:
        figures += facts_only_figures(
            answers[FACTS_READER], answers[TURNS_READER], names=(FACTS_READER, "turns only")
        )
        golds = [
            (gold, comparison.facts[gold.conversation.id])
            for gold in comparison.golds
            if gold.conversation.id in comparison.facts
        ]
        figures += tuned.figures(TUNED_READER, golds, answers[TUNED_READER])
        figures += untuned.figures(UNTUNED_READER, golds, answers[UNTUNED_READER])
    return figures, answers[TUNED_READER]


def _ask_all(
    name: str,
    reader: Reader,
    questions: Sequence[ConversationQuestion],
    *,
    log: AnswerLog,
    threads: int,
    bar: Progress,
) -> list[Result]:
    """What a reader answers, in the order of the questions; those in the log are not asked."""
    # Of all readers the system is "memory"; their answers lie in files of their own.
    keys: list[AnswerKey] = [
        ("memory", conversation.id, question.index) for conversation, question in questions
    ]
    jobs = [
        partial(reader, conversation, question)
        for key, (conversation, question) in zip(keys, questions, strict=True)
        if key not in log.records
    ]
    task = bar.add_task(f"asking: {name}", total=len(jobs))

    def finished(result: Result) -> None:
        log.add(result)
        bar.advance(task)

    run_parallel(jobs, threads, finished)
    return [log.records[key] for key in keys]
