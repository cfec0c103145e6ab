"""The score of what was stored of a turn: its statements covered, its false facts, in words too."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from locomo.dataset.rows import GoldRow, GoldTurn
from memory import Fact, Turn
from memory.program import subject_of
from memory.vocabulary import default_vocabulary
from memory.vocabulary.entities import key


@dataclass(frozen=True)
class RowScore:
    """What was stored of a turn, and what it says.

    `covered` and `missed` are its statements, `false` the facts that it does not say or that are
    about someone else, `stored` the number of all facts.
    """

    covered: tuple[str, ...]
    missed: tuple[str, ...]
    false: tuple[str, ...]
    stored: int

    @property
    def statements(self) -> int:
        """How many statements the turn has."""
        return len(self.covered) + len(self.missed)

    @property
    def score(self) -> float:
        """Statements covered / (statements + false facts); of small talk 1 for no false fact."""
        total = self.statements + len(self.false)
        return len(self.covered) / total if total else 1.0

    @property
    def feedback(self) -> str:
        """The score in words, for an optimizer that reads them."""
        lines = [f"score {self.score:.2f}"]
        lines += [f"missed: {row}" for row in self.missed]
        lines += [f"false, or about somebody else: {row}" for row in self.false]
        if not self.statements:
            lines.append(
                "The message says nothing worth storing: none was right."
                if not self.stored
                else "The message says nothing worth storing: the right answer was none."
            )
        elif not self.missed and not self.false:
            lines.append("Each statement of the message is stored, and nothing else.")
        return "\n".join(lines)


def score_rows(gold: GoldTurn, turn: Turn, facts: Sequence[Fact]) -> RowScore:
    """Compare the facts that were stored of a turn with what it says."""
    covering: dict[GoldRow, bool] = dict.fromkeys(gold.facts, False)
    false = []
    for fact in facts:
        rows = [row for row in gold.facts if _covers(fact, row, turn)]
        covering.update(dict.fromkeys(rows, True))
        if not rows and not any(_says(_text(fact), word) for word in gold.other):
            false.append(f"{fact.subject} | {fact.attribute} | {fact.value}")
    return RowScore(
        covered=tuple(row.row for row, is_covered in covering.items() if is_covered),
        missed=tuple(row.row for row, is_covered in covering.items() if not is_covered),
        false=tuple(false),
        stored=len(facts),
    )


def _covers(fact: Fact, row: GoldRow, turn: Turn) -> bool:
    subjects = {key(name) for name in row.subjects}
    subjects |= {key(subject_of(name, turn)) for name in row.subjects}
    if any(name.endswith(" and I") for name in row.subjects):
        subjects.add(key(turn.speaker))
    if key(fact.subject) not in subjects:
        return False
    return any(_says(_text(fact), word) for word in row.words) or _is_renamed(fact, row)


def _is_renamed(fact: Fact, row: GoldRow) -> bool:
    """Whether a fact has the attribute that a row's own means, whose word shows the statement."""
    _, _, after_subject = row.row.partition(" | ")
    attribute = after_subject.partition(" | ")[0]
    if not any(_says(attribute, word) for word in row.words):
        return False
    known = default_vocabulary().canonical(attribute.replace(" ", "_"))
    return known is not None and known.name == fact.attribute


def _text(fact: Fact) -> str:
    return f"{fact.subject} {fact.attribute.replace('_', ' ')} {fact.value}"


def _says(text: str, word: str) -> bool:
    return bool(re.search(rf"(?<!\w){re.escape(word.casefold())}(?!\w)", text.casefold()))
