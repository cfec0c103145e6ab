"""Evidence shown per token: passages of long turns compared with whole turns, in equal budgets.

A whole turn counts as shown. A shortened turn counts if its passage has all those words of the gold
answer, in any form, that the turn has. If the turn has no such words, the evidence sentence is
unknown, so it counts as not shown.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from rich.table import Table

from locomo.commands import number_table
from locomo.dataset.format import ABSTENTION, Conversation
from locomo.harness import temporary_memory
from locomo.metrics import paired_bootstrap
from memory import Turn
from memory.evidence import LONG_TURN, NOTE_TOLD, Evidence, lay_out
from memory.text import count_tokens, forms_of, is_among, resolved_line, telling_words

_RANKED_TURNS = 400  # the number that `Memory.evidence` uses
_LINE = re.compile(r"^\[(\d+)\] .*", re.MULTILINE)


@dataclass
class Shown:
    """The evidence in contexts of one budget, first with whole turns, then with passages.

    `evidence` has for each question the share of its evidence that is shown, `long_evidence` for
    each piece of evidence in a long turn whether it is shown, both (n, 2); `turns` has the number
    of turns in each question's context.
    """

    evidence: list[tuple[float, float]] = field(default_factory=list)
    long_evidence: list[tuple[float, float]] = field(default_factory=list)
    turns: list[tuple[int, int]] = field(default_factory=list)


def evidence_shown(
    conversation: Conversation, budgets: Sequence[int], embedder: str | None = None
) -> dict[int, Shown]:
    """The evidence that contexts show for each question of categories 1 to 4, by budget."""
    shown = {budget: Shown() for budget in budgets}
    with temporary_memory(conversation.turns, embedder) as store:
        turns = {turn.id: turn for turn in store.turns()}
        turns_by_source = {turn.source: turn for turn in turns.values()}
        for question in conversation.questions:
            if not question.evidence or question.category == ABSTENTION:
                continue
            hits = store.search(question.standalone_question, _RANKED_TURNS)
            ranked = [turns[hit.turn_id] for hit in hits]
            evidence = [turns_by_source[source] for source in question.evidence]
            for budget, sums in shown.items():
                contexts = (
                    lay_out([], ranked, budget),
                    lay_out([], ranked, budget, question=question.standalone_question),
                )
                _count(sums, contexts, evidence=evidence, answer=question.answer)
    return shown


def _count(
    sums: Shown, contexts: tuple[Evidence, Evidence], *, evidence: Sequence[Turn], answer: str
) -> None:
    """Add the evidence that two contexts show for one question."""
    shares = [[is_shown(turn, context, answer) for turn in evidence] for context in contexts]
    whole, passages = shares
    sums.evidence.append((float(np.mean(whole)), float(np.mean(passages))))
    sums.turns.append((len(contexts[0].turn_ids), len(contexts[1].turn_ids)))
    for turn, *is_in in zip(evidence, whole, passages, strict=True):
        if count_tokens(turn.text) > LONG_TURN:
            sums.long_evidence.append((is_in[0], is_in[1]))


def is_shown(turn: Turn, context: Evidence, answer: str) -> bool:
    """Whether a context shows a piece of evidence, or all its words of the gold answer."""
    if turn.id not in context.turn_ids:
        return False
    line = next(match[0] for match in _LINE.finditer(context.text) if int(match[1]) == turn.id)
    whole_line = resolved_line(turn)
    if line == whole_line:
        return True
    # A note that another line tells is shown.
    if (told := NOTE_TOLD.search(line)) and line.startswith(whole_line[: told.start()]):
        return True
    forms = forms_of(telling_words(whole_line))
    answer_words = [word for word in telling_words(answer) if is_among(word, forms)]
    forms_shown = forms_of(telling_words(line))
    return bool(answer_words) and all(is_among(word, forms_shown) for word in answer_words)


def shown_table(parts: Iterable[dict[int, Shown]]) -> Table:
    """A line for each budget: evidence shown by whole turns and by passages, and the difference.

    The difference is paired by question, with its 95 % interval.
    """
    columns = ("tokens", "whole turns", "passages", "difference", "questions", "turns")
    title = "evidence shown, of each question, in the same tokens"
    table = number_table(title, (), (*columns, "evidence in long turns"))
    sums: dict[int, Shown] = {}
    for part in parts:
        for budget, shown in part.items():
            total = sums.setdefault(budget, Shown())
            total.evidence += shown.evidence
            total.long_evidence += shown.long_evidence
            total.turns += shown.turns
    for budget, shown in sums.items():
        if not shown.evidence:
            continue
        whole, passages = zip(*shown.evidence, strict=True)
        low, high = paired_bootstrap(passages, whole)
        turns = np.mean(shown.turns, axis=0)
        long_evidence = "-"
        if shown.long_evidence:
            means = np.mean(shown.long_evidence, axis=0)
            long_evidence = f"{means[0]:.3f} {means[1]:.3f} of {len(shown.long_evidence)}"
        table.add_row(
            f"{budget:,}",
            f"{np.mean(whole):.3f}",
            f"{np.mean(passages):.3f}",
            f"{np.mean(passages) - np.mean(whole):+.3f} [{low:+.3f}, {high:+.3f}]",
            str(len(whole)),
            f"{turns[0]:.1f} {turns[1]:.1f}",
            long_evidence,
        )
    return table
