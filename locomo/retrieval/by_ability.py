"""Evidence shown by kind of question in several budgets: this memory, cosine and FTS5.

Calls no model. Cosine ranks turns by the packaged embedder's vectors, FTS5 by bm25 over stemmed
words. Both fill a budget best first with the passages of long turns that the question asks for, so
they differ only in the turns they choose and in how they lay them out.

A cell is `evidence / words / details`: the share of the evidence turns that are shown at all, of
the answer's words that evidence turns hold, the share that the context still has, and the same for
its numbers and names. Cutting turns short raises the first and costs the others.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from rich.box import SIMPLE
from rich.table import Table

from locomo.choices import EMBEDDER
from locomo.dataset.format import ABSTENTION, Conversation, Question
from locomo.harness import fingerprint, temporary_memory
from locomo.json_lines import JsonLines
from locomo.metrics import bootstrap
from locomo.retrieval.baselines import Cosine, FullText
from memory import Memory, Turn
from memory.evidence import Evidence, lay_out
from memory.search import load_embedder
from memory.text import forms_of, is_among, telling_words

# How a hosted model is shown a memory; it is never called.
_NOT_ASKED = "openai/nobody"
_RANKED_TURNS = 400
SYSTEMS = ("this memory", "cosine", "FTS5")
_Gather = Callable[[Question, int], Evidence]
Shares = tuple[float, float | None, float | None]
# A number, even with marks inside (4,000; 12:30), and a word that begins with a capital.
_DETAIL = re.compile(r"\d(?:[\d.,:]*\d)?|\b[^\W\d_a-z][\w'-]+")


@dataclass(frozen=True)
class ShownEvidence:
    """The part of a question's evidence that contexts show, by budget and system.

    A share is (evidence turns shown, words of the answer in them that are shown, its numbers and
    names), each 0 to 1; the others are None if evidence turns have no such words. `made_from`
    identifies the code and options.
    """

    made_from: str
    conversation: str
    index: int
    kind: str
    shares: dict[str, Shares]
    tokens: dict[str, int]


EvidenceLog = JsonLines[tuple[str, str, int], ShownEvidence]


def evidence_log(path: Path) -> EvidenceLog:
    """The measurements in a file, which a run adds to; results of other code stay."""
    return JsonLines(
        path,
        ShownEvidence,
        key=lambda measurement: (
            measurement.made_from,
            measurement.conversation,
            measurement.index,
        ),
        resume=True,
    )


def made_from(budgets: Sequence[int], embedder: str | None) -> str:
    """A hash of the memory's code and the options."""
    return fingerprint([*budgets], embedder or "")


def measured(
    conversation: Conversation,
    budgets: Sequence[int],
    *,
    log: EvidenceLog,
    embedder: str | None = None,
) -> list[ShownEvidence]:
    """The evidence shown for each question that names some; what the log has is not repeated."""
    origin = made_from(budgets, embedder)
    questions = [
        question
        for question in conversation.questions
        if question.evidence and question.category != ABSTENTION
    ]
    keys = [(origin, conversation.id, question.index) for question in questions]
    missing = [
        question for question, key in zip(questions, keys, strict=True) if key not in log.records
    ]
    if missing:
        with temporary_memory(conversation.turns, embedder) as store:
            turns = {turn.id: turn for turn in store.turns()}
            systems = _systems(Memory(store, model=_NOT_ASKED), [*turns.values()], embedder)
            for question in missing:
                shares, tokens = _shares(question, budgets, systems, turns)
                log.add(
                    ShownEvidence(
                        made_from=origin,
                        conversation=conversation.id,
                        index=question.index,
                        kind=question.question_type or str(question.category),
                        shares=shares,
                        tokens=tokens,
                    )
                )
    return [log.records[key] for key in keys]


def _shares(
    question: Question,
    budgets: Sequence[int],
    systems: Mapping[str, _Gather],
    turns: Mapping[int, Turn],
) -> tuple[dict[str, Shares], dict[str, int]]:
    evidence = [turn for turn in turns.values() if turn.source in question.evidence]
    shares: dict[str, Shares] = {}
    tokens: dict[str, int] = {}
    for name, gather in systems.items():
        for budget in budgets:
            context = gather(question, budget)
            ids = set(context.turn_ids)
            shown = fmean(turn.id in ids for turn in evidence)
            words = words_shown(question, evidence, context.text)
            details = details_shown(question, evidence, context.text)
            shares[f"{name} {budget}"] = (round(shown, 4), words, details)
            tokens[f"{name} {budget}"] = context.tokens
    return shares, tokens


def words_shown(question: Question, evidence: Sequence[Turn], text: str) -> float | None:
    """The share of the answer's telling words in the evidence turns that a context has as well."""
    gold = " ".join(question.rubric) or question.answer
    in_evidence = forms_of(telling_words(" ".join(turn.text for turn in evidence)))
    expected = [word for word in telling_words(gold) if is_among(word, in_evidence)]
    if not expected:
        return None
    in_context = forms_of(telling_words(text))
    return round(fmean(is_among(word, in_context) for word in expected), 4)


def details_shown(question: Question, evidence: Sequence[Turn], text: str) -> float | None:
    """The share of the answer's numbers and names in the evidence turns that a context has too."""
    gold = " ".join(question.rubric) or question.answer
    expected = _details(gold) & _details(" ".join(turn.text for turn in evidence))
    return round(len(expected & _details(text)) / len(expected), 4) if expected else None


def _details(text: str) -> set[str]:
    details = (detail.replace(",", "") for detail in _DETAIL.findall(text))
    return {detail for detail in details if telling_words(detail)}


def _systems(memory: Memory, turns: Sequence[Turn], embedder: str | None) -> dict[str, _Gather]:
    def ours(question: Question, budget: int) -> Evidence:
        memory.budget = budget
        return memory.evidence(question.standalone_question, asker=question.asker)

    def by(ranking: Cosine | FullText) -> _Gather:
        by_id = dict(zip(ranking.add(turns), turns, strict=True))

        def gather(question: Question, budget: int) -> Evidence:
            ranked = [by_id[id_] for id_ in ranking.search(question.text, _RANKED_TURNS)]
            return lay_out([], ranked, budget, question=question.text)

        return gather

    cosine = Cosine(load_embedder(embedder or EMBEDDER))
    return dict(zip(SYSTEMS, (ours, by(cosine), by(FullText())), strict=True))


def evidence_table(measurements: Iterable[ShownEvidence], budgets: Sequence[int]) -> Table:
    """A row for each kind of question and system, and for all; a cell for each budget.

    Under "all" stand 95 % intervals of the evidence, over conversations and their questions.
    """
    by_kind: dict[str, list[ShownEvidence]] = {}
    for measurement in measurements:
        by_kind.setdefault(measurement.kind, []).append(measurement)
    by_kind = dict(sorted(by_kind.items()))
    everything = [measurement for group in by_kind.values() for measurement in group]
    table = Table(
        box=SIMPLE,
        title="evidence turns shown / words of the answer in them / its numbers and names",
    )
    for column in ("question", "n", "system"):
        table.add_column(column, no_wrap=True, justify="right" if column == "n" else "left")
    for budget in budgets:
        table.add_column(f"{budget:,}", justify="right", no_wrap=True)
    for kind, group in {**by_kind, "all": everything}.items():
        for number, system in enumerate(SYSTEMS):
            head = (kind, str(len(group))) if number == 0 else ("", "")
            cells = [_cell(group, f"{system} {budget}") for budget in budgets]
            table.add_row(*head, system, *cells, end_section=system == SYSTEMS[-1])
    names = [measurement.conversation for measurement in everything]
    if len(set(names)) > 1:
        intervals = []
        for budget in budgets:
            values = [measurement.shares[f"{SYSTEMS[0]} {budget}"][0] for measurement in everything]
            low, high = bootstrap(values, groups=names, within=True)
            intervals.append(f"{low:.3f}-{high:.3f}")
        table.add_row("95 % interval", "", SYSTEMS[0], *intervals)
    return table


def _cell(group: Sequence[ShownEvidence], column: str) -> str:
    means = []
    for number in range(3):
        shares = [
            share
            for measurement in group
            if (share := measurement.shares[column][number]) is not None
        ]
        means.append(f"{fmean(shares):.3f}" if shares else "-")
    return " / ".join(means)
