"""Supervised examples from gold conversations: what each module should have said.

store: a turn, and its gold rows as one INSERT. retrieve: a question, and its gold SELECTs. answer:
several questions about one context, which is what our own retrieval brings for the first of them,
so that hits and misses are learnt from as they come: answerable ones, those of category 5, and one
whose person is exchanged for another (a minimal pair: the same words, nobody said it). What is not
in the context is to be refused. No model is asked.
"""

import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from locomo.dataset.format import ABSTENTION, Question
from locomo.examples.from_teacher import ChatMessages, example
from locomo.examples.gold import NOTHING, Gold
from locomo.harness import FactsOnly, Setup
from locomo.metrics import gold, normalize
from locomo.tasks.modules import Target
from locomo.tasks.rewards import RIGHT
from memory import Memory, Rows, SqlError, Store, open_store
from memory.program.signatures import ABSTAIN, TUNED_INSERT, TUNED_SELECT
from memory.prompt import Context, turn_lines
from memory.search.doubt import doubt
from memory.sql import quoted

MOST_FACTS = 4  # of a turn
NONES = 0.6  # of the turns that tell nothing: as many as there are, turns left out counted
ROWS, STRAY, FACTS_ONLY, SWAPPED, MISSED = 0.3, 0.25, 0.1, 0.5, 0.12
BUDGETS = 0.5, 0.75, 1.0, 1.25  # of the student's
_STRAY_WORDS = 2  # of a question, that bring rows as a poor SELECT does
_RANKED = 400  # turns, as in Memory.gather
_BESIDE = 4  # answerable questions about a context beside its own
_OFTEN = 2  # a question that was asked so often gets no context of its own
_LIMIT = " LIMIT 30;"
_FROM_FACTS = re.compile(r"\bFROM facts WHERE (.*?)(?= GROUP BY | ORDER BY | LIMIT |;|$)", re.S)
_ORDER = re.compile(r" ORDER BY happened_on(?: DESC)?")
_BY_ATTRIBUTE = re.compile(
    rf"(?P<head>{TUNED_SELECT} (?:subject = '(?:[^']|'')*' AND )?)"
    r"(?P<by>attribute (?:= '\w+'|IN \([^)]*\)))"
    r"(?P<tail>(?: ORDER BY happened_on(?: DESC)?)? LIMIT 30;)"
)
_STEM = 6  # letters
_LONGEST = 16  # words of a value
_PAUSES, _CLAUSE = ".!?,;:", 0.05  # where clauses end; what an end is worth, in F1
_COUNTS = re.compile(r"SELECT\s+(?:COUNT|SUM|MIN|MAX|AVG)\(", re.I)


@dataclass(frozen=True)
class SupervisedExamples:
    """Examples by module, and of those for answering how many are to be refused."""

    by_target: Mapping[Target, Sequence[ChatMessages]]
    abstentions: int


def supervised_examples(
    golds: Sequence[Gold],
    student: Setup,
    targets: Sequence[Target],
    seed: int = 0,
    progress: Callable[[str], None] = lambda conversation: None,
) -> SupervisedExamples:
    """All examples of these conversations, those that begin alike next to one another."""
    shape = _Shape(student, tuple(targets))
    found: dict[Target, list[ChatMessages]] = {target: [] for target in targets}
    refused = 0
    for one in golds:
        draw = random.Random(f"{seed} {one.conversation.id}")  # noqa: S311
        with (
            tempfile.TemporaryDirectory(prefix="examples-") as folder,
            open_store(Path(folder) / "turns.db") as store,
        ):
            store.add(one.conversation.turns)
            written = _write(store, one)
            if "store" in found:
                found["store"] += _store(shape, store, one, written, draw)
            if "retrieve" in found:
                found["retrieve"] += _retrieve(shape, store, one)
            if "answer" in found:
                for asked in _Exam(store, one, draw, student).contexts():
                    found["answer"] += [shape.answer(*part) for part in asked]
                    refused += sum(answer == ABSTAIN for _, _, answer in asked)
        progress(one.conversation.id)
    mixed = random.Random(seed)  # noqa: S311
    for target in ("store", "retrieve"):
        if target in found:
            mixed.shuffle(found[target])
    return SupervisedExamples(found, refused)


@dataclass(frozen=True)
class _Shape:
    student: Setup
    targets: tuple[Target, ...]

    def example(
        self, target: Target, inputs: Mapping[str, str], outputs: Mapping[str, str]
    ) -> ChatMessages:
        return example(self.student, self.targets, target, inputs, outputs)

    def answer(self, memory: str, question: str, answer: str) -> ChatMessages:
        inputs = {"memory": memory, "question": question}
        return self.example("answer", inputs, {"answer": answer, "turns": ""})


# --- store ------------------------------------------------------------------------------------


def _write(store: Store, one: Gold) -> dict[int, list[tuple[str, ...]]]:
    """Write all gold facts; returns the rows that each turn's SQL added."""
    written: dict[int, list[tuple[str, ...]]] = {}
    columns = "subject, attribute, value, COALESCE(happened_on, '') AS happened_on"
    last = 0
    for n, sql in sorted(one.store.items()):
        if sql == NOTHING:
            continue
        store.write(sql, cause="gold", window=(n, n))
        rows = store.read(f"SELECT id, {columns} FROM facts WHERE id > {last} ORDER BY id").rows
        last = max([last, *(row[0] for row in rows)])
        written[n] = [tuple(map(str, row[1:])) for row in rows]
    return written


def _store(
    shape: _Shape,
    store: Store,
    one: Gold,
    written: Mapping[int, Sequence[tuple[str, ...]]],
    draw: random.Random,
) -> Iterator[ChatMessages]:
    model = shape.student.model
    for n in one.store:
        if n not in written and draw.random() > NONES:
            continue
        said = store.turns(n, n)
        shown = turn_lines(said, model.window_tokens, model.dates, iso=True)
        told = _told(shown, written.get(n, ()))
        if not told and n in written:
            continue  # it takes other turns to know these: who sees this one would make them up
        rows = [", ".join([*map(quoted, row), str(n)]) for row in told[:MOST_FACTS]]
        sql = f"{TUNED_INSERT[:-2]}{', '.join(f'({row})' for row in rows)};" if rows else NOTHING
        yield shape.example("store", {"turns": shown, "catalog": "", "feedback": ""}, {"sql": sql})


def _told(shown: str, rows: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows whose subject a turn names, with its words for their values, in its order.

    A small model copies better than it words. Only dates that are shown are kept.
    """
    text = shown.partition(": ")[2].split()
    told: dict[tuple[int, str], tuple[str, ...]] = {}
    for subject, attribute, value, happened_on in rows:
        start, end = _run(text, value)
        if start < end and subject.lower() in shown.lower():
            words = " ".join(text[start:end]).strip(" ,;:.!?")
            on = happened_on if happened_on in shown else ""
            told.setdefault((start, subject), (subject, attribute, words, on))
    return [told[place] for place in sorted(told)]


def _run(text: Sequence[str], value: str) -> tuple[int, int]:
    """Where the words lie, of one sentence, that are most like a value; an F1 of RIGHT at least.

    Of runs about as good, those that begin or end with a clause are easier to learn.
    """
    stems = [[word[:_STEM] for word in normalize(one).split()] for one in text]
    wanted = Counter(word[:_STEM] for word in normalize(value).split())
    best, place = 0.0, (0, 0)
    for start in range(len(text)):
        run: Counter[str] = Counter()
        for end in range(start, min(len(text), start + _LONGEST)):
            run.update(stems[end])
            f1 = 2 * (run & wanted).total() / (run.total() + wanted.total())
            clause = (not start or text[start - 1][-1] in _PAUSES) + (text[end][-1] in _PAUSES)
            if f1 >= RIGHT and f1 + _CLAUSE * clause > best:
                best, place = f1 + _CLAUSE * clause, (start, end + 1)
            if text[end][-1] in ".!?":
                break
    return place


# --- retrieve ---------------------------------------------------------------------------------


def _retrieve(shape: _Shape, store: Store, one: Gold) -> Iterator[ChatMessages]:
    for index, sql in one.retrieve.items():
        if selects := canonical(sql):
            question = one.conversation.questions[index].text
            inputs = {"question": question, "catalog": "", "feedback": ""}
            yield shape.example("retrieve", inputs, {"sql": widened(selects, question, store)})


def widened(sql: str, question: str, store: Store) -> str:
    """A SELECT by attributes, also by words of the question that its rows have.

    Whoever writes it does not see how this memory calls things.
    """
    found = _BY_ATTRIBUTE.fullmatch(sql)
    if found is None:
        return sql
    said = " ".join(str(row[3]).lower() for row in store.read(sql).rows)
    stems = dict.fromkeys(word[:_STEM] for word in re.findall(r"\w{4,}", question.lower()))
    in_rows = [stem for stem in stems if f" {stem}" in f" {said}"][:2]
    either = " OR ".join([found["by"], *(f"lower(value) LIKE '%{stem}%'" for stem in in_rows)])
    return f"{found['head']}({either}){found['tail']}" if in_rows else sql


def canonical(sql: str) -> str:
    """Gold SELECTs as a student writes them: rows of facts first, with all columns; then a count.

    Empty when they ask something else than facts.
    """
    rows: dict[str, None] = {}
    counts: dict[str, None] = {}
    for select in (" ".join(one.split()) for one in sql.split(";")):
        if found := _FROM_FACTS.search(select):
            order = _ORDER.search(select) if not _COUNTS.match(select) else None
            rows[f"{TUNED_SELECT} {found[1].strip()}{order[0] if order else ''}{_LIMIT}"] = None
            if _COUNTS.match(select):
                counts[f"{select};"] = None
    return "\n".join([*list(rows)[:2], *list(counts)[:1]])


# --- answer -----------------------------------------------------------------------------------

_Asked = tuple[str, str, str]  # memory, question, answer


class _Exam:
    """Contexts of one conversation, and what is asked about each."""

    def __init__(self, store: Store, one: Gold, draw: random.Random, student: Setup) -> None:
        self.store, self.gold, self.draw, self.student = store, one, draw, student
        turns = one.conversation.turns
        self.ids = {turn.source: n for n, turn in enumerate(turns, 1)}
        self.names = Counter(turn.speaker for turn in turns)
        self.asked: Counter[int] = Counter()

    def contexts(self) -> Iterator[list[_Asked]]:
        """For each question that was not asked often enough, its context with its questions."""
        questions = self.gold.conversation.questions
        for question in self.draw.sample(questions, len(questions)):
            if self.asked[question.index] >= _OFTEN or not question.evidence:
                continue
            context = self._context(question)
            asked = list(self._about(question, context))
            if asked:
                self.draw.shuffle(asked)
                said = context.text.removesuffix(self._doubt(question.text))
                yield [(said + self._doubt(text), text, answer) for text, answer in asked]

    def _doubt(self, question: str) -> str:
        """Each question has its own; what was said is the same for all, and learnt from once."""
        found = doubt(self.store.search(question, _RANKED), self.store.turn)
        return f"\n{found}" if found else ""

    def _context(self, question: Question) -> Context:
        """What would be shown: turns, often after rows of facts, to the point or not; sometimes
        facts alone."""
        kind, rows = self.draw.random(), list[Rows]()
        budget = int(self.student.budget * self.draw.choice(BUDGETS))
        sql = canonical(self.gold.retrieve.get(question.index, ""))
        if sql and kind > 1 - ROWS - FACTS_ONLY:
            for select in filter(str.strip, sql.split(";")):
                try:
                    rows.append(self.store.read(select))
                except SqlError:
                    continue
        elif kind < STRAY:
            words = re.findall(r"\w{4,}", question.text.lower())
            some = self.draw.sample(words, min(_STRAY_WORDS, len(words)))
            like = " OR ".join(f"lower(value) LIKE '%{word[:_STEM]}%'" for word in some)
            rows += [self.store.read(f"{TUNED_SELECT} {like}{_LIMIT}")] if some else []
        kind_of = FactsOnly if rows and kind > 1 - FACTS_ONLY else Memory
        return kind_of(self.store, self.student.model, budget=budget).gather(question.text, rows)

    def _about(self, first: Question, context: Context) -> Iterator[tuple[str, str]]:
        """Questions and answers. Of a list as much as is shown is the answer; otherwise a context
        that holds half of an answer teaches none."""
        shown, text = set(context.turn_ids), f" {normalize(context.text)} "
        if self._hit(first, shown, text):
            yield self._told(first)
            swapped = self._swapped(first)
            if swapped and self.draw.random() < SWAPPED:
                yield swapped, ABSTAIN
        elif items := self._items(first, shown, text):
            self.asked[first.index] += 1
            yield first.text, items
        elif self._missed(first, shown, text) and self.draw.random() < MISSED:
            yield self._told(first, refused=True)
        others = [
            question
            for question in self.gold.conversation.questions
            if question is not first and question.evidence and self._hit(question, shown, text)
        ]
        self.draw.shuffle(others)
        others.sort(key=lambda question: self.asked[question.index])
        refused = [question for question in others if question.category == ABSTENTION][:1]
        told = [question for question in others if question.category != ABSTENTION][:_BESIDE]
        for question in told + refused:
            yield self._told(question)

    def _told(self, question: Question, refused: bool = False) -> tuple[str, str]:
        self.asked[question.index] += 1
        refused = refused or question.category == ABSTENTION
        return question.text, ABSTAIN if refused else " ".join(gold(question).split())

    def _hit(self, question: Question, shown: set[int], text: str) -> bool:
        """Whether all evidence is there, and of the answer's words at least half (by a row of
        its turn, evidence may be there without)."""
        if not {self.ids[source] for source in question.evidence} <= shown:
            return False
        words = normalize(gold(question)).split()
        there = sum(f" {word} " in text for word in words)
        return question.category in (2, 3, ABSTENTION) or 2 * there >= len(words)

    def _items(self, question: Question, shown: set[int], text: str) -> str:
        """What is shown of an answer that is a list, where some of its evidence is."""
        listed = question.answer.split(", ") if question.category == 1 else []
        if len(listed) < 2 or not {self.ids[source] for source in question.evidence} & shown:
            return ""
        return ", ".join(item for item in listed if f" {normalize(item)} " in text)

    def _missed(self, question: Question, shown: set[int], text: str) -> bool:
        evidence = {self.ids[source] for source in question.evidence}
        answer = normalize(gold(question))
        return not evidence & shown and f" {answer} " not in text

    def _swapped(self, question: Question) -> str:
        """The question asked of another speaker, who said none of it; "" where there is none."""
        named = [n for n in self.names if re.search(rf"\b{re.escape(n)}\b", question.text)]
        if len(named) != 1 or question.category not in (1, 2, 4):
            return ""
        said = [self.gold.conversation.turns[self.ids[s] - 1] for s in question.evidence]
        if {turn.speaker for turn in said} != {named[0]}:
            return ""
        told = " ".join(turn.text for turn in said)
        others = [n for n in self.names if n != named[0] and n not in told]
        if not others:
            return ""
        return re.sub(rf"\b{re.escape(named[0])}\b", self.draw.choice(others), question.text)
