"""Questions that measure a memory: a model writes them from turns, and facts alone answer them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from dspy.utils.exceptions import AdapterParseError

from memory.evidence.layout import Evidence, lay_out
from memory.evidence.lines import RowLine, row_lines, turn_lines
from memory.evidence.messages import is_evidence
from memory.facts.audit import is_said
from memory.models import Model
from memory.program.heart import AnswerQuestion
from memory.program.metrics import word_f1
from memory.program.refine import AskAboutTurns, JudgeAnswer
from memory.records import ABSTAIN, Fact, Hit, Rows, Turn
from memory.refine.near_facts import near_facts
from memory.refine.workbench import FactSet, said_in
from memory.store import Store
from memory.text.words import telling_words

# The budget of a question's facts, in tokens: about thirty facts, so the choice matters.
READER_TOKENS = 500
QUESTIONS_A_CALL = 4
_WINDOW_TURNS = 12
_WINDOW_TOKENS = 2_000
_RANKED_TURNS = 200
_LINE = re.compile(r"^\W*(\d{1,18})\W*\|\s*(.+?)\s*\|\s*(.+?)\s*$", re.MULTILINE)
_COLUMNS = ("turn_id", "subject", "attribute", "value", "happened_on", "ended_on")


@dataclass(frozen=True)
class MeasuredQuestion:
    """A question that a turn answers in its own words."""

    text: str
    answer: str
    turn_id: int


@dataclass(frozen=True)
class QuestionWindow:
    """Turns shown to a model, and the number of questions to write about them."""

    turns: tuple[Turn, ...]
    number: int


def windows_all_over(turns: Sequence[Turn], number: int) -> list[QuestionWindow]:
    """Windows for this number of questions, spread evenly over the conversation."""
    telling = [turn for turn in turns if turn.kind == "message" and is_evidence(turn.text)]
    windows = [
        tuple(telling[begin : begin + _WINDOW_TURNS])
        for begin in range(0, len(telling), _WINDOW_TURNS)
    ]
    calls = min(-(-number // QUESTIONS_A_CALL), len(windows))
    places = [(2 * n + 1) * len(windows) // (2 * calls) for n in range(calls)]
    shares = [(n + 1) * number // calls - n * number // calls for n in range(calls)]
    return [
        QuestionWindow(windows[place], share) for place, share in zip(places, shares, strict=True)
    ]


def windows_of(turns: Sequence[Turn]) -> list[QuestionWindow]:
    """Windows of these turns, with one question for each turn."""
    runs = [turns[begin : begin + _WINDOW_TURNS] for begin in range(0, len(turns), _WINDOW_TURNS)]
    return [QuestionWindow(tuple(run), len(run)) for run in runs]


def written_questions(
    store: Store,
    model: Model,
    write: AskAboutTurns,
    windows: Sequence[QuestionWindow],
    progress: Callable[[], object] = lambda: None,
) -> list[MeasuredQuestion]:
    """The questions that a model writes about windows, without duplicates.

    `write` is the module that writes them. A question is left out if its turn does not contain the
    answer. `progress` is called after each call of the model. Raises ModelError when the model
    cannot be used.
    """
    questions: dict[str, MeasuredQuestion] = {}
    for window in windows:
        lines = turn_lines(window.turns, _WINDOW_TOKENS, iso=True, spans=True)
        with model.active():
            text = str(write(lines, window.number).questions)
        turn_ids = {turn.id for turn in window.turns}
        for digits, question, answer in _LINE.findall(text)[: window.number]:
            turn_id = int(digits)
            if turn_id in turn_ids and _is_in_turn(store, turn_id, answer):
                questions.setdefault(question, MeasuredQuestion(question, answer, turn_id))
        progress()
    return list(questions.values())


def _is_in_turn(store: Store, turn_id: int, answer: str) -> bool:
    return bool(telling_words(answer)) and is_said(answer, said_in(store, [turn_id])[turn_id])


@dataclass
class FactReader:
    """Answers questions from facts alone, and scores the answers.

    Answers are cached by question and facts.

    Arguments:
        store: the memory, for its turns and its ranking.
        model: a hosted model, which answers; the packaged model answers from turns.
        answer: the answering module.
        compare: the module that compares answers with the right ones; without it, `word_f1` does.
        weights: of the ranking, as for `Store.search`.
    """

    store: Store
    model: Model
    answer: AnswerQuestion
    compare: JudgeAnswer | None = None
    tokens: int = READER_TOKENS
    weights: Mapping[str, float] | None = None
    _answers: dict[tuple[str, str], str] = field(default_factory=dict)
    _verdicts: dict[tuple[str, str], float] = field(default_factory=dict)
    _hits: dict[str, list[Hit]] = field(default_factory=dict)

    def context(self, question: str, state: FactSet) -> Evidence:
        """The facts for a question: the nearest ones, within the budget."""
        if question not in self._hits:
            self._hits[question] = self.store.search(question, _RANKED_TURNS, self.weights)
        hits = self._hits[question]
        ranked = near_facts(question, state.facts.values(), state.turn_ids, hits)
        lines = [line for fact, nearness in ranked if nearness for line in _lines(fact)]
        return lay_out(lines, (), self.tokens)

    def answered(self, question: str, context: Evidence) -> str:
        """The answer from these facts; "" if it cannot be parsed, or if there are no facts.

        Raises ModelError when the model cannot be used.
        """
        key = (question, context.text)
        if key not in self._answers:
            with self.model.active():
                self._answers[key] = self._predicted(question, context)
        return self._answers[key]

    def score(self, question: MeasuredQuestion, state: FactSet) -> float:
        """The score of the answer from these facts, 0 to 1. Raises the errors of `answered`."""
        text = self.answered(question.text, self.context(question.text, state))
        if not self.compare or not text or text.lower().startswith(ABSTAIN.lower()):
            return word_f1(text, question.answer)
        key = (question.text, text)
        if key not in self._verdicts:
            with self.model.active():
                self._verdicts[key] = _compared(self.compare, question, text)
        return self._verdicts[key]

    def mean(self, questions: Sequence[MeasuredQuestion], state: FactSet) -> float:
        """The mean score of the questions; 0 without questions."""
        return fmean([self.score(question, state) for question in questions] or [0.0])

    def _predicted(self, question: str, context: Evidence) -> str:
        if not context.text:
            return ""
        return str(self.answer(question=question, evidence=context.text).answer)


def _compared(compare: JudgeAnswer, question: MeasuredQuestion, answer: str) -> float:
    """1 if a model judges the answer right, else 0; F1 of words if its verdict is unreadable."""
    try:
        return float(compare(question.text, question.answer, answer).same)
    except AdapterParseError:
        return word_f1(answer, question.answer)


def _lines(fact: Fact) -> list[RowLine]:
    """A fact as the answering module reads it."""
    row = tuple(getattr(fact, name) for name in _COLUMNS)
    return row_lines([Rows(_COLUMNS, (row,))], {})


def scores_by_question(
    reader: FactReader,
    questions: Sequence[MeasuredQuestion],
    state: FactSet,
    progress: Callable[[], object] = lambda: None,
) -> Mapping[str, float]:
    """The score of each question, by its text."""
    scores = {}
    for question in questions:
        scores[question.text] = reader.score(question, state)
        progress()
    return scores
