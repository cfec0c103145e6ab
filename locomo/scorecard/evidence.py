"""The evidence that a memory shows: for the tokens it takes, and among other people's chatter."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import numpy as np
from rich.table import Table

from locomo.dataset.format import ABSTENTION, Conversation, Question
from locomo.metrics import recall
from locomo.retrieval.shown import Shown, evidence_shown
from locomo.scorecard.chatter import chatter
from locomo.scorecard.scratch import Scratch
from memory import Memory, Turn

BUDGETS = (500, 1_000, 2_000, 4_000)  # tokens
FACTORS = (0, 1, 3, 10)  # of the conversation's own turns
_FOUND = 10  # turns of a search


@dataclass(frozen=True)
class Block:
    """What `Memory.context` showed for a question: the share of its evidence, and the tokens."""

    budget: int
    evidence: float
    tokens: int


def blocks_shown(scratch: Scratch, conversation: Conversation) -> list[Block]:
    """What a prompt is given for each question with evidence, in each of BUDGETS."""
    blocks: list[Block] = []
    with Memory(scratch.new_name()) as memory:
        sources = _stored(memory, conversation.turns)
        last_day = _last_day(conversation)
        for question in _with_evidence(conversation):
            # Not today: the current facts would change with it.
            now = question.question_date or last_day
            for budget in BUDGETS:
                block = memory.context(question.standalone_question, now=now, budget=budget)
                shown = [sources[turn_id] for turn_id in block.turn_ids]
                blocks.append(Block(budget, recall(shown, question.evidence), block.tokens))
    return blocks


def filled_contexts(conversation: Conversation) -> dict[int, Shown]:
    """The evidence in contexts that are filled up to each of BUDGETS, as `Memory.ask` fills one."""
    return evidence_shown(conversation, BUDGETS)


def tokens_table(blocks: Iterable[Block], filled: Iterable[Mapping[int, Shown]]) -> Table:
    """A row for each budget: evidence shown, tokens taken, and evidence for 1,000 of them.

    Means over questions; the last but one is the mean evidence over the mean tokens.
    """
    table = Table(
        "tokens at most",
        "Memory.context",
        "its tokens",
        "evidence per 1,000 tokens",
        "filled, as Memory.ask does",
        "questions",
        title="evidence shown for tokens",
    )
    blocks, filled = [*blocks], [*filled]
    for budget in BUDGETS:
        group = [block for block in blocks if block.budget == budget]
        if not group:
            continue
        evidence = float(np.mean([block.evidence for block in group]))
        tokens = float(np.mean([block.tokens for block in group]))
        with_passages = [passages for part in filled for _, passages in part[budget].evidence]
        table.add_row(
            f"{budget:,}",
            f"{evidence:.3f}",
            f"{tokens:,.0f}",
            f"{1000 * evidence / tokens:.3f}" if tokens else "-",
            f"{np.mean(with_passages):.3f}",
            str(len(group)),
        )
    return table


@dataclass(frozen=True)
class Noisy:
    """The recall@10 of a question where others have said `factor` times as much as its people."""

    factor: int
    recall: float


def recalled_in_noise(scratch: Scratch, conversation: Conversation) -> list[Noisy]:
    """The recall of each question's evidence after each of FACTORS of chatter has been added.

    Raises InputError if there is too little chatter for so long a conversation.
    """
    recalls: list[Noisy] = []
    noise = chatter(max(FACTORS) * len(conversation.turns), without=[conversation.id])
    with Memory(scratch.new_name()) as memory:
        sources = _stored(memory, conversation.turns)
        added = 0
        for factor in FACTORS:
            wanted = factor * len(conversation.turns)
            sources |= _stored(memory, noise[added:wanted])
            added = wanted
            for question in _with_evidence(conversation):
                hits = memory.search(question.standalone_question, _FOUND)
                ranked = [sources[hit.turn_id] for hit in hits]
                recalls.append(Noisy(factor, recall(ranked, question.evidence)))
    return recalls


def noise_table(recalls: Iterable[Noisy]) -> Table:
    """A row for each amount of chatter: recall@10, and what is lost of it."""
    table = Table(
        "chatter of others", "R@10", "loss", "questions", title="evidence among others' chatter"
    )
    by_factor: dict[int, list[float]] = {}
    for noisy in recalls:
        by_factor.setdefault(noisy.factor, []).append(noisy.recall)
    means = {factor: float(np.mean(values)) for factor, values in by_factor.items()}
    for factor, mean in means.items():
        name = f"{factor}x the turns" if factor else "none"
        loss = means[FACTORS[0]] - mean
        table.add_row(name, f"{mean:.3f}", f"{loss:.3f}", str(len(by_factor[factor])))
    return table


def _with_evidence(conversation: Conversation) -> list[Question]:
    """The questions of a conversation whose evidence is known; that of category 5 distracts."""
    return [
        question
        for question in conversation.questions
        if question.evidence and question.category != ABSTENTION
    ]


def _last_day(conversation: Conversation) -> date | None:
    """The day of the last turn that has one."""
    days: list[date] = []
    for turn in conversation.turns:
        with suppress(ValueError):
            days.append(date.fromisoformat(turn.said_at[:10]))
    return max(days, default=None)


def _stored(memory: Memory, turns: Sequence[Turn]) -> dict[int, str]:
    """Add turns, and return the source of each by its id."""
    ids = memory.add(turns, said_at="") if turns else ()
    return dict(zip(ids, (turn.source for turn in turns), strict=True))
