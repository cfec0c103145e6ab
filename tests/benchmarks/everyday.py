"""Everyday questions, scored without a judge: right, wrong or abstained by kind of question.

    python -m tests.benchmarks.everyday [FOLDER] [--model NAME] [--facts FILE] [--decided]

Each conversation of the folder becomes a memory that the model digests; then its questions are
asked. With `--facts` the memory gets these facts instead of a digest or of noted ones: a file with
a list for each sample_id, or a folder with a file for each. A fact has subject, attribute, value,
happened_on, ended_on and turn. With `--share 0.3` of them only as many are stored, drawn by a seed.
With `--questions` other questions are asked, from a file or a folder like the facts'. With
`--decided` no model is asked: what facts alone do not decide counts as abstained, and the SELECT
can be printed.

An answer is right when it holds one text of every list in the question's `must` and none of
`must_not`, as whole words in any case. It is a part when it says that there may be more, and holds
a text of some of the lists. Of questions that were never answered, or only by another person
(category 5), an abstention is right.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Annotated, Any

import typer
from memory.program.decided_answers import decided_answer
from memory.program.grounding import PERHAPS_MORE
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Question, load_conversations
from locomo.metrics import abstained
from memory import Memory, Store, load_model
from memory.program.messages import ABSTAIN, is_refusal
from memory.search.asker import as_asked
from memory.sql import quoted

CHATS = Path(__file__).parents[1] / "held_out" / "everyday"
OUTCOMES = ("right", "part", "wrong", "abstained")


def outcome(
    answer: str,
    category: int,
    must: Sequence[Sequence[str]],
    must_not: Sequence[str] = (),
) -> str:
    """One of OUTCOMES for an answer."""
    has_abstained = abstained(answer) or is_refusal(answer)
    if category == ABSTENTION:
        return "right" if has_abstained else "wrong"
    if has_abstained:
        return "abstained"
    held = [any(_holds(answer, text) for text in texts) for texts in must]
    if any(_holds(answer, text) for text in must_not):
        return "wrong"
    if all(held):
        return "right"
    return "part" if answer.endswith(PERHAPS_MORE) and any(held) else "wrong"


def _holds(answer: str, text: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(text)}(?!\w)", answer, re.IGNORECASE))


def measure(
    folder: Annotated[Path, typer.Argument(help="conversations with `must` and `kind`")] = CHATS,
    model: Annotated[str, typer.Option(help="local, or a litellm name")] = "local",
    facts: Annotated[Path | None, typer.Option(help="facts to store instead of a digest")] = None,
    questions: Annotated[Path | None, typer.Option(help="questions to ask instead")] = None,
    decided: Annotated[bool, typer.Option("--decided", help="ask the facts alone")] = False,
    share: Annotated[float, typer.Option(help="of the facts to store")] = 1.0,
    wrong: Annotated[bool, typer.Option("--wrong", help="print what was not right")] = False,
) -> None:
    """Print a table of outcomes by kind of question."""
    files = sorted(folder.glob("*.json"))
    scores = {conversation: score for file in files for conversation, score in _scores(file)}
    conversations = [conversation for file in files for conversation in load_conversations(file)]
    if questions is not None:
        scores = _other_questions(questions)
        conversations = [
            replace(conversation, questions=_questions(scores[conversation.id]))
            for conversation in conversations
            if conversation.id in scores
        ]
    counts: Counter[tuple[str, str]] = Counter()
    console = Console()
    loaded = load_model(model)
    total = sum(len(conversation.questions) for conversation in conversations)
    with Progress(console=Console(stderr=True)) as bar, tempfile.TemporaryDirectory() as home:
        task = bar.add_task("asking", total=total)
        for conversation in conversations:
            with Memory(Path(home) / f"{conversation.id}.db", model=loaded) as memory:
                # Noted facts are not to stand beside those that are given.
                add = memory.add if facts is None else memory.store.add
                ids = add(conversation.turns)
                if facts is None:
                    memory.digest()
                else:
                    sources = [turn.source for turn in conversation.turns]
                    turn_ids = dict(zip(sources, ids, strict=True))
                    given = facts_of(facts, conversation.id)
                    drawn = Random(conversation.id).sample(given, round(share * len(given)))
                    store_facts(memory.store, sorted(drawn, key=given.index), turn_ids)
                for question in conversation.questions:
                    score = scores[conversation.id][question.index]
                    ask = _ask_facts if decided else _ask
                    text = ask(memory, question)
                    result = outcome(
                        text,
                        question.category,
                        score.get("must", ()),
                        score.get("must_not", ()),
                    )
                    counts[score["kind"], result] += 1
                    if wrong and result != "right":
                        line = f"{result}: {question.text} -> {text} ({question.answer})"
                        console.print(line, markup=False, highlight=False, soft_wrap=True)
                    bar.advance(task)
    console.print(_table(counts))


def _ask(memory: Memory, question: Question) -> str:
    return memory.ask(question.text, asker=question.asker, now=_moment(question)).text


def _ask_facts(memory: Memory, question: Question) -> str:
    """What the facts say, or the turns that rules read."""
    moment = _moment(question)
    today = moment.date().isoformat() if moment else ""
    asked = as_asked(question.text, question.asker, today)
    answer = decided_answer(asked, today, reader=memory._reader, asker=question.asker)
    return answer.text if answer else ABSTAIN


def _other_questions(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The questions of each conversation: of one file, or of a folder with a file for each."""
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        return {file.stem: json.loads(file.read_text("utf-8")) for file in files}
    return dict(json.loads(path.read_text("utf-8")))


def _questions(scores: Sequence[Mapping[str, Any]]) -> list[Question]:
    """The questions of a file that has nothing else; a gold answer is what must be said."""
    return [
        Question(
            index=index,
            text=score["question"],
            answer="; ".join(texts[0] for texts in score["must"]),
            category=score["category"],
            evidence=[],
            asker=score.get("asker", ""),
            question_date=score.get("question_date", ""),
        )
        for index, score in enumerate(scores)
    ]


def _scores(file: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The questions of each conversation of a file, as they stand there."""
    for sample in json.loads(file.read_text("utf-8")):
        yield sample["sample_id"], sample["qa"]


def facts_of(path: Path, conversation: str) -> list[dict[str, Any]]:
    """The facts of a conversation, of a file or a folder of them."""
    text = (path / f"{conversation}.json" if path.is_dir() else path).read_text("utf-8")
    facts = json.loads(text)
    return list(facts["facts"] if path.is_dir() else facts[conversation])


def store_facts(
    store: Store, facts: Sequence[Mapping[str, Any]], turn_ids: Mapping[str, int]
) -> None:
    """Store facts as they are given; `turn_ids` are those of their turns by source."""
    columns = ("subject", "attribute", "value", "happened_on", "ended_on")
    for fact in facts:
        values = ", ".join(
            quoted(str(fact[column])) if fact[column] else "NULL" for column in columns
        )
        store.write(
            f"INSERT INTO facts ({', '.join(columns)}, turn_id)"
            f" VALUES ({values}, {turn_ids[fact['turn']]})",
            cause="given",
        )


def _moment(question: Question) -> datetime | None:
    return datetime.fromisoformat(question.question_date) if question.question_date else None


def _table(counts: Counter[tuple[str, str]]) -> Table:
    table = Table("kind", "questions", *OUTCOMES)
    kinds = dict.fromkeys(kind for kind, _ in counts)
    for kind in kinds:
        row = [counts[kind, outcome] for outcome in OUTCOMES]
        table.add_row(kind, str(sum(row)), *map(str, row))
    sums = [sum(counts[kind, outcome] for kind in kinds) for outcome in OUTCOMES]
    shares = [f"{count} ({count / max(sum(sums), 1):.2f})" for count in sums]
    table.add_row("all", str(sum(sums)), *shares)
    return table


if __name__ == "__main__":
    typer.run(measure)
