"""The nearest turns to a question, word for word: shown when there is no answer."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from memory.evidence.block import without_others_selves
from memory.evidence.lines import marked
from memory.evidence.messages import (
    NEAREST_HEAD,
    is_evidence,
    is_quotation,
    originals_first,
)
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.facts.restated import newest_first
from memory.records import (
    ABSTAIN,
    CORRECTIONS,
    Answer,
    Hit,
    MemoryTurn,
    Quotation,
    Turn,
)
from memory.search.embed import embed
from memory.search.question import third_person
from memory.text.characters import one_line
from memory.text.dates import is_past_before, short_day
from memory.text.passages import excerpt
from memory.text.turn_lines import speaker_name
from memory.text.words import words

MOST_QUOTATIONS = 5
_QUOTED_TOKENS = 60  # of one turn: excerpts of this many lost 1 of 209 answers (docs/log.md)
# A cosine: lower ones swap more turns that tell of two things (docs/development/log.md).
_ALIKE, _COMPARED = 0.5, 1_000
# Of the ranking, before questions and quotations are left out: a chat has many.
_CANDIDATES, _CHAT_CANDIDATES = 20, 200
NO_TURNS = "This memory holds no turn that could answer."


def nearest_turns(
    question: UserQuestion, hits: Sequence[Hit], reader: MemoryReader, without: str = ""
) -> list[tuple[Turn, str]]:
    """The best MOST_QUOTATIONS turns that can be evidence, and the mark of each.

    A person's correction comes before what it corrects, a restated value before the value it
    replaces, and a turn before the turns that it changes (`_changed_last`). What the assistant says
    of itself is no evidence of its user, nor the other way round.
    `without` is a speaker who quotes others: the character of a chat; if it quotes someone from an
    earlier chat, the quoted turn comes first.
    """
    most = _CHAT_CANDIDATES if without else _CANDIDATES
    ids = [hit.turn_id for hit in hits[:most]]
    turns = reader.turns_by_id(ids, missing_ok=True)
    evidence = [turn for turn in turns if turn.speaker != without and is_evidence(turn.text)]
    evidence = without_others_selves(evidence, question, reader)
    turns = newest_first(originals_first(evidence), question.text)[:MOST_QUOTATIONS]
    recalled = reader.recalled(turns, question.text, question.today)
    turns = _changed_last(turns, question, recalled.newer)
    marks = recalled.marks
    if marks:
        turns.sort(key=lambda turn: turn.id in marks or not _corrects(turn, marks.values()))
    return [(turn, marks.get(turn.id, "")) for turn in turns]


def _changed_last(
    turns: Sequence[Turn], question: UserQuestion, newer: Mapping[int, int]
) -> list[Turn]:
    """The turns in order, but each before the turns that it changes.

    By id, `newer` has the turn that changes one, as the memory stored it. For a question about what
    holds now of the asker, older turns also come after a newer, similar one of their speaker.
    """
    changed = {*newer.items()}
    if len(turns) > 1 and _asks_what_holds(question.text):
        vectors = embed([turn.text[:_COMPARED] for turn in turns])
        alike = np.einsum("ij,kj->ik", vectors, vectors) >= _ALIKE
        changed |= {
            (turns[old].id, turns[new].id)
            for old, new in np.argwhere(alike).tolist()
            if turns[old].speaker == turns[new].speaker
            and (turns[old].said_at[:10], turns[old].id) < (turns[new].said_at[:10], turns[new].id)
        }
    ordered: list[Turn] = []
    for turn in turns:
        places = [n for n, above in enumerate(ordered) if (above.id, turn.id) in changed]
        ordered.insert(places[0] if places else len(ordered), turn)
    return ordered


def _asks_what_holds(question: str) -> bool:
    """Whether an English question asks what is so now of the asker: "Do I have a car?"."""
    is_own = third_person(question, "Somebody") != question
    return is_own and is_past_before(question.rstrip(" ?")) is False


def _corrects(turn: Turn, marks: Iterable[str]) -> bool:
    """Whether a person's correction names what is outdated: "the back door, not the shed"."""
    if turn.session != CORRECTIONS:
        return False
    named = {*words(turn.text)}
    outdated = (mark.removeprefix("outdated: ").partition(" until ")[0] for mark in marks)
    return any({*words(text)} <= named for text in outdated)


def quotation(question: str, turn: Turn, mark: str = "") -> Quotation:
    """The text to quote of a turn: for a long one, what the question asks for."""
    text = excerpt(question, one_line(turn.text), _QUOTED_TOKENS)
    memory = turn.memory if isinstance(turn, MemoryTurn) else ""
    return Quotation(turn.id, turn.speaker, turn.said_at, text, mark, memory)


def quotations_of(
    question: UserQuestion, hits: Sequence[Hit], reader: MemoryReader, without: str = ""
) -> tuple[Quotation, ...]:
    """The quotations of the nearest turns."""
    return tuple(
        quotation(question.text, turn, mark)
        for turn, mark in nearest_turns(question, hits, reader, without)
    )


def quotation_line(quoted: Quotation) -> str:
    """`[12] Anna, 8 May 2017: "We moved to Bergen." [outdated: ...]`."""
    memory = f"{one_line(quoted.memory)} " if quoted.memory else ""
    day = f", {short_day(quoted.said_at)}" if quoted.said_at else ""
    name = speaker_name(quoted.speaker)
    line = f"[{quoted.turn_id}] {memory}{name}{day}: \u201c{quoted.text}\u201d"
    return marked(line, quoted.mark)


def answer_lines(answer: Answer) -> list[str]:
    """What a person reads of an answer: its text, and the nearest turns if it has no source.

    ABSTAIN alone is left out, and so is a text that is these turns.
    """
    if not answer.quotations:
        return [NO_TURNS if answer.basis == "none" else answer.text]
    is_bare = words(answer.text) == words(ABSTAIN) or is_quotation(answer.text)
    return [*([] if is_bare else [answer.text]), *nearest_lines(answer)]


def nearest_lines(answer: Answer) -> list[str]:
    """The nearest turns below an answer, with their heading; none if it has sources."""
    quoted = [quotation_line(quotation) for quotation in answer.quotations]
    return [NEAREST_HEAD, *quoted] if quoted else []
