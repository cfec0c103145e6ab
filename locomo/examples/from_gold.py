"""Supervised examples from gold conversations: the right output of each module.

store: a turn, and its gold rows as one INSERT; for a little model the rows that quote it
(`rows_from_gold`). retrieve: a question, and its gold SELECTs. answer: `answers_from_gold`. Calls
no model.
"""

import random
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from locomo.choices import Target
from locomo.examples.answers_from_gold import AnswerExamples
from locomo.examples.from_teacher import ChatMessages, render_example
from locomo.examples.gold import NOTHING, Gold
from locomo.examples.rows_from_gold import row_examples
from locomo.examples.selects import STEM_LETTERS, canonical_selects, widened
from locomo.harness import Setup, temporary_memory
from locomo.metrics import normalize
from locomo.tasks.rewards import RIGHT
from memory import Store
from memory.evidence import turn_lines
from memory.sql import quoted

# A choice: of the 1,744 turns of data/train that have gold facts 13 have more to copy.
MAX_FACTS_PER_TURN = 4
# The chance that a turn which tells nothing becomes an example: a choice that makes them a third of
# the examples, about their share of the turns (some turns with facts are left out, too).
TURNS_WITHOUT_FACTS = 0.6

# Choices of how a turn's words are compared with a value: the longest run of words, and the bonus,
# in F1, for a run that begins or ends where a clause does.
_MAX_VALUE_WORDS = 16
_CLAUSE_BONUS = 0.05
_INSERT = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES "
_CLAUSE_ENDS, _SENTENCE_ENDS = ".!?,;:", ".!?"


def supervised_examples(
    golds: Sequence[Gold],
    student: Setup,
    targets: Sequence[Target],
    seed: int = 0,
    progress: Callable[[str], None] = lambda conversation: None,
    left_out: Counter[str] | None = None,
) -> dict[Target, list[ChatMessages]]:
    """All examples, by module, that these conversations have for a student tuned for `targets`.

    Examples for answering are grouped by context, because packing computes what neighbours share
    once; examples for store and retrieve are shuffled. `progress` is called with the id of each
    finished conversation. `left_out` counts, by target, facts that a little model cannot quote. It
    has no examples for retrieve: gold has no choices. Raises SqlError when the database refuses
    gold SQL.
    """
    left_out = Counter() if left_out is None else left_out
    examples: dict[Target, list[ChatMessages]] = {target: [] for target in targets}
    for gold in golds:
        rng = random.Random(f"{seed} {gold.conversation.id}")  # noqa: S311
        for target, inputs, outputs in _inputs_and_outputs(
            gold, student, targets, rng=rng, left_out=left_out
        ):
            messages = render_example(
                student, targets=targets, target=target, inputs=inputs, outputs=outputs
            )
            examples[target].append(messages)
        progress(gold.conversation.id)

    shuffler = random.Random(seed)  # noqa: S311
    for target in ("store", "retrieve"):
        if target in examples:
            shuffler.shuffle(examples[target])
    return examples


def _inputs_and_outputs(
    gold: Gold,
    student: Setup,
    targets: Collection[Target],
    *,
    rng: random.Random,
    left_out: Counter[str],
) -> Iterator[tuple[Target, dict[str, str], dict[str, str]]]:
    """The inputs and right outputs of each module in a conversation, by field."""
    is_brief = student.program.quotes_rows
    if "store" in targets and is_brief and gold.rows:
        for turn, rows in row_examples(gold.rows, rng=rng, left_out=left_out):
            yield "store", {"turn": turn}, {"rows": rows}
    with temporary_memory(gold.conversation.turns) as store:
        facts = write_gold_facts(store, gold)
        if "store" in targets and not is_brief:
            inserts = _inserts(gold, facts=facts, store=store, student=student, rng=rng)
            for line, sql in inserts:
                yield "store", {"window": line, "catalog": "", "feedback": ""}, {"sql": sql}
        if "retrieve" in targets and not is_brief:
            for question, sql in _selects(gold, store):
                inputs = {"question": question, "catalog": "", "feedback": ""}
                yield "retrieve", inputs, {"sql": sql}
        if "answer" in targets:
            answer_examples = AnswerExamples(gold, store=store, student=student, rng=rng)
            for context in answer_examples.by_context():
                for memory, question, answer in context:
                    inputs = {"evidence": memory, "question": question}
                    yield "answer", inputs, {"answer": answer, "turns": ""}


# --- store ------------------------------------------------------------------------------------


class GoldRow(NamedTuple):
    """The columns of a gold fact that a student writes, in addition to its turn."""

    subject: str
    attribute: str
    value: str
    happened_on: str


def write_gold_facts(store: Store, gold: Gold) -> dict[int, list[GoldRow]]:
    """Write all gold facts to a store that has the turns; returns the rows of each turn.

    Raises SqlError when the database refuses one.
    """
    rows_by_turn: dict[int, list[GoldRow]] = {}
    columns = "subject, attribute, value, COALESCE(happened_on, '') AS happened_on"
    last_id = 0
    for turn_id, sql in sorted(gold.store.items()):
        if sql == NOTHING:
            continue
        # In the order of the turns: an UPDATE changes facts of turns before it. Gold is a person's
        # and may end any number; a model's ends beyond the limits are held.
        store.write(sql, cause="gold", window=(turn_id, turn_id), by_person=True)
        rows = store.read(f"SELECT id, {columns} FROM facts WHERE id > {last_id} ORDER BY id").rows
        last_id = max([last_id, *(row[0] for row in rows)])
        rows_by_turn[turn_id] = [GoldRow(*map(str, row[1:])) for row in rows]
    return rows_by_turn


def _inserts(
    gold: Gold,
    facts: Mapping[int, Sequence[GoldRow]],
    store: Store,
    student: Setup,
    rng: random.Random,
) -> Iterator[tuple[str, str]]:
    """Turns in the form shown to a student, each with the SQL that stores it."""
    for turn_id in gold.store:
        if turn_id not in facts and rng.random() > TURNS_WITHOUT_FACTS:
            continue
        turns = store.turns(turn_id, turn_id)
        line = turn_lines(
            turns,
            student.model.limits.window_tokens,
            dates=student.program.store.reading.around,
            iso=True,
        )
        rows = _copied_rows(line, facts.get(turn_id, ()))
        if not rows and turn_id in facts:
            continue  # it takes other turns to know these: who sees this one would make them up
        yield line, _insert(turn_id, rows[:MAX_FACTS_PER_TURN])


def _insert(turn_id: int, rows: Sequence[GoldRow]) -> str:
    if not rows:
        return NOTHING
    tuples = (f"({', '.join(map(quoted, row))}, {turn_id})" for row in rows)
    return f"{_INSERT}{', '.join(tuples)};"


def _copied_rows(line: str, rows: Sequence[GoldRow]) -> list[GoldRow]:
    """Rows whose subject a turn names, with the turn's own words for their values, in its order.

    A small model copies better than it words: taught gold's own values, it made words up (the log,
    "gold's own values"). Dates that the turn does not show are left out.
    """
    words = line.partition(": ")[2].split()
    copied: dict[tuple[int, str], GoldRow] = {}
    for row in rows:
        start, end = _closest_run(words, row.value)
        if start < end and row.subject.lower() in line.lower():
            value = " ".join(words[start:end]).strip(" ,;:.!?")
            happened_on = row.happened_on if row.happened_on in line else ""
            copy = GoldRow(
                subject=row.subject, attribute=row.attribute, value=value, happened_on=happened_on
            )
            copied.setdefault((start, row.subject), copy)
    return [copied[index] for index in sorted(copied)]


def _closest_run(words: Sequence[str], value: str) -> tuple[int, int]:
    """Start and end of the words, within one sentence, that are most like a value.

    Whole clauses are preferred to other runs about as good: they are easier to learn. (0, 0) when
    no run has the F1 of a right value.
    """
    word_stems = [_stems(word) for word in words]
    value_stems = Counter(_stems(value))
    if not value_stems:
        return 0, 0
    best_score, best_run = 0.0, (0, 0)
    for start in range(len(words)):
        run_stems: Counter[str] = Counter()
        begins_clause = not start or words[start - 1][-1] in _CLAUSE_ENDS
        for end in range(start, min(len(words), start + _MAX_VALUE_WORDS)):
            run_stems.update(word_stems[end])
            overlap = (run_stems & value_stems).total()
            f1 = 2 * overlap / (run_stems.total() + value_stems.total())
            clause_ends = begins_clause + (words[end][-1] in _CLAUSE_ENDS)
            score = f1 + _CLAUSE_BONUS * clause_ends
            if f1 >= RIGHT and score > best_score:
                best_score, best_run = score, (start, end + 1)
            if words[end][-1] in _SENTENCE_ENDS:
                break
    return best_run


def _stems(text: str) -> list[str]:
    return [word[:STEM_LETTERS] for word in normalize(text).split()]


# --- retrieve ---------------------------------------------------------------------------------


def _selects(gold: Gold, store: Store) -> Iterator[tuple[str, str]]:
    """Questions, each with the SELECTs that find the gold rows in a store that has them."""
    for index, gold_sql in gold.retrieve.items():
        question = gold.conversation.questions[index].text
        selects = canonical_selects(gold_sql)
        if len(selects) == 1:
            yield question, widened(selects[0], question, store)
        elif selects:
            yield question, "\n".join(selects)
