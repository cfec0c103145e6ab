"""How much evidence is shown with facts beside turns, against turns alone, within one budget.

python -m tests.benchmarks.evidence_shown data/train data/friends [--wide] [--quoting] [--by kind]

No model is asked. Facts are gold where a conversation has them (its `store`, or `facts.json` in the
folder above), else what rules state of its turns; SELECTs are gold, else written by rule. With
--wide each question has one SELECT more, by stems of its words, as a generous model writes it: its
rows are mostly noise. With --quoting it has one that quotes turns, as weak models write them. "When
it pays" shows the rows for questions of `sql_pays` only, turns alone for the others.
A cell is `evidence / answer`: the share of the evidence turns that are shown, as turns or by a
fact, and the share of the gold answer's words that stand in the context.
"""

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer
from memory.program.fact_questions import read_fact_question
from memory.program.fact_select import select_about
from memory.statements import stated
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import run_command
from locomo.dataset.format import Question, files_of
from locomo.examples.gold import NOTHING, Gold, load_gold
from locomo.metrics import normalize
from memory import Memory, Rows, SqlError, Store, open_store
from memory.program.shown_turns import RANKED_TURNS
from memory.program.sql_questions import sql_pays
from memory.search.word_forms import telling_words
from memory.sql import check_select, quoted, split

NOT_ASKED = "openai/nobody"  # a hosted model's way of being shown a memory; it is never called
_STEM = 5  # letters
_COLUMNS = ("turn_id", "subject", "attribute", "value", "happened_on", "ended_on")
_QUOTED_TURNS = 10


def main(
    data: list[Path],
    wide: bool = False,
    quoting: bool = False,
    budgets: str = "500,1000,2000,6000",
    by: Annotated[str, typer.Option(help="kind (of talk: the folder) or category")] = "kind",
) -> None:
    """Print a table by kind of talk or by category of question."""
    shares: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    sizes = [int(size) for size in budgets.split(",")]
    golds = [
        (path, file, gold) for path in data for file in files_of(path) for gold in load_gold(file)
    ]
    for path, file, gold in track(golds, description="asking", console=Console(stderr=True)):
        for question, column, pair in _measured(gold, file, sizes, wide=wide, quoting=quoting):
            kind = str(path) if by == "kind" else f"category {question.category}"
            shares[kind, column].append(pair)
            shares["all", column].append(pair)
    columns = list(dict.fromkeys(column for _, column in shares))
    table = Table(by, "questions", *columns)
    kinds = dict.fromkeys(kind for kind, _ in shares if kind != "all")
    for kind in (*kinds, "all"):
        cells = []
        for column in columns:
            evidence, words = zip(*shares[kind, column], strict=True)
            cells.append(f"{statistics.mean(evidence):.3f} / {statistics.mean(words):.3f}")
        table.add_row(kind, str(len(shares[kind, columns[0]])), *cells)
    Console(width=40 + 20 * len(columns)).print(table)


def _measured(
    gold: Gold, file: Path, budgets: list[int], *, wide: bool, quoting: bool
) -> Iterator[tuple[Question, str, tuple[float, float]]]:
    with (
        tempfile.TemporaryDirectory(prefix="evidence-") as folder,
        open_store(Path(folder) / "memory.db") as store,
    ):
        turn_ids = store.add(gold.conversation.turns)
        id_of = dict(zip([t.source for t in gold.conversation.turns], turn_ids, strict=True))
        _store_facts(store, gold, file, turn_ids=turn_ids, id_of=id_of)
        memory = Memory(store, model=NOT_ASKED)
        for question in gold.conversation.questions:
            evidence = {id_of[source] for source in question.evidence if source in id_of}
            gold_sql = gold.retrieve.get(question.index)
            if not evidence or (gold.retrieve and not gold_sql):
                continue
            if gold_sql:
                rows = [store.read(check_select(select)) for select in split(gold_sql)]
            else:
                rows = _rows_by_rule(store, question)
            if wide:
                rows += _wide_rows(store, question.text)
            if quoting:
                rows += _quoting_rows(store, question.text)
            answer = set(normalize(str(question.answer)).split())
            hits = memory.search(question.text, RANKED_TURNS)
            for budget in budgets:
                memory.budget = budget
                when_it_pays = rows if sql_pays(question.text) else []
                contents = (("turns", []), ("with facts", rows), ("when it pays", when_it_pays))
                for name, results in contents:
                    context = memory.gather(question.text, results, hits=hits)
                    text_words = set(normalize(context.text).split())
                    pair = (
                        len(evidence & set(context.turn_ids)) / len(evidence),
                        len(answer & text_words) / max(len(answer), 1),
                    )
                    yield question, f"{budget} {name}", pair


def _store_facts(
    store: Store, gold: Gold, file: Path, *, turn_ids: Sequence[int], id_of: Mapping[str, int]
) -> None:
    facts = _listed_facts(file, gold.conversation.id)
    if gold.store:
        for number, sql in sorted(gold.store.items()):
            if sql != NOTHING:
                store.write(sql, cause="gold", window=(turn_ids[number - 1], turn_ids[number - 1]))
    elif facts:
        for fact in facts:
            values = [quoted(str(fact[name] or "")) for name in _COLUMNS[1:]]
            store.write(_insert([(*values, str(id_of[fact["turn"]]))]), cause="gold")
    else:
        speakers = {turn.speaker for turn in gold.conversation.turns}
        rows = [
            (*map(quoted, (s.subject, s.attribute, s.value, s.happened_on, "")), str(turn_id))
            for turn, turn_id in zip(gold.conversation.turns, turn_ids, strict=True)
            for s in stated(turn, tuple(sorted(speakers)))
            if s.value
        ]
        for start in range(0, len(rows), 20):
            store.write(_insert(rows[start : start + 20]), cause="stated")


def _listed_facts(file: Path, conversation: str) -> list[dict[str, str]]:
    """Gold facts of everyday chats: one file for a folder, or one for each chat."""
    of_all = file.parents[1] / "facts.json"
    of_one = file.parent / "facts" / file.name
    if of_one.exists():
        return list(json.loads(of_one.read_text("utf-8"))["facts"])
    if of_all.exists():
        return list(json.loads(of_all.read_text("utf-8")).get(conversation, []))
    return []


def _insert(rows: Sequence[tuple[str, ...]]) -> str:
    listed = ", ".join(f"({', '.join(row)})" for row in rows)
    return f"INSERT INTO facts ({', '.join(_COLUMNS[1:])}, turn_id) VALUES {listed}"


def _rows_by_rule(store: Store, question: Question) -> list[Rows]:
    """What the SELECT by rule brings up, see `memory.program.fact_questions`."""
    today = question.question_date[:10] or "2030-01-01"
    asked = read_fact_question(question.as_asked, today)
    if asked is None:
        return []
    rows = store.read(select_about(asked))
    cells = [rows.columns.index(column) for column in _COLUMNS]
    chosen = tuple(tuple(row[cell] for cell in cells) for row in rows.rows[:30])
    return [Rows(_COLUMNS, chosen)]


def _wide_rows(store: Store, question: str) -> list[Rows]:
    """What a SELECT by stems of the question's words brings up, of the subjects that it names."""
    stems = [word[:_STEM] for word in telling_words(question) if len(word) > 2]
    patterns = [quoted(f"%{stem}%") for stem in stems]
    if not patterns:
        return []
    likes = " OR ".join(
        f"lower(value) LIKE {pattern} OR attribute LIKE {pattern}" for pattern in patterns
    )
    return [
        store.read(
            "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts"
            f" WHERE {likes} OR lower(subject) IN ({', '.join(map(quoted, stems))}) LIMIT 30"
        )
    ]


def _quoting_rows(store: Store, question: str) -> list[Rows]:
    """Turns that hold the question's longest words, as a SELECT with LIKE quotes them."""
    longest = sorted(telling_words(question), key=len, reverse=True)[:2]
    likes = " OR ".join(f"lower(text) LIKE {quoted(f'%{word[:_STEM]}%')}" for word in longest)
    if not likes:
        return []
    try:
        return [
            store.read(
                "SELECT id AS turn_id, said_at, speaker, text FROM turns"
                f" WHERE {likes} LIMIT {_QUOTED_TURNS}"
            )
        ]
    except SqlError:
        return []


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
