"""Supervised examples of answering: contexts of a gold conversation, and questions about each.

A context is the result of our own retrieval for a question, so the hits and misses are realistic.
Several questions share it: answerable ones, one of category 5, and one about another person (a
minimal pair: the same words, but no one said it). The right answer to a question that the context
does not answer is an abstention.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from locomo.dataset.format import ABSTENTION, Question
from locomo.examples.gold import Gold
from locomo.examples.selects import (
    LIMIT,
    ROWS_SELECT,
    STEM_LETTERS,
    canonical_selects,
    value_has,
)
from locomo.harness import Setup
from locomo.metrics import MULTI_HOP, OPEN_DOMAIN, normalize
from locomo.metrics import gold as gold_answer
from locomo.systems import all_facts_alone
from memory import Memory, Rows, SqlError, Store
from memory.evidence import Evidence
from memory.records import ABSTAIN

# Chances, all of them choices. The first three are for what a context has before its turns: rows of
# the gold SELECTs, rows of a poor SELECT, or rows and no turns at all.
GOLD_ROWS, STRAY_ROWS, FACTS_ONLY = 0.3, 0.25, 0.1
# How often a question is asked about another speaker, and how often a question is refused because
# the context lacks its evidence. Few are: when abstentions were 34 % of the examples, a model
# learnt to give up (the log, "a supervised start on LoCoMo with many abstentions").
SWAPPED_SPEAKER, MISSED_EVIDENCE = 0.5, 0.12
# Shares of the student's budget, a choice: some contexts miss more evidence than in real use (the
# log: 200 tokens show .58 of it, 360 show .75), and some leave more to read.
BUDGETS = 0.5, 0.75, 1.0, 1.25

# Choices: words of the question in a poor SELECT; answerable questions that share a context with
# its own; and after how many times a question no longer needs a separate context.
_STRAY_WORDS = 2
_MAX_FURTHER_QUESTIONS = 4
_MAX_QUESTION_COUNT = 2

_TEMPORAL, _SINGLE_HOP = 2, 4


class AnswerExample(NamedTuple):
    """A question about the memory shown to a student, and the right answer."""

    memory: str
    question: str
    answer: str


class AnswerExamples:
    """The examples of one conversation, whose turns and gold facts a store holds.

    Arguments:
        rng: draws everything random, so that a seed makes the same examples again.
    """

    def __init__(self, gold: Gold, store: Store, student: Setup, rng: random.Random) -> None:
        self.gold = gold
        self.store = store
        self.student = student
        self.rng = rng
        self.ids_by_source: Mapping[str, int] = {
            turn.source: number for number, turn in enumerate(gold.conversation.turns, 1)
        }
        self.speakers = list(dict.fromkeys(turn.speaker for turn in gold.conversation.turns))
        self.question_counts: Counter[int] = Counter()  # by question index

    def by_context(self) -> Iterator[list[AnswerExample]]:
        """The examples of each context, for every question that was not asked often enough."""
        questions = self.gold.conversation.questions
        for question in self.rng.sample(questions, len(questions)):
            if self.question_counts[question.index] >= _MAX_QUESTION_COUNT or not question.evidence:
                continue
            context = self._context(question)
            pairs = list(self._questions_and_answers(question, context))
            if not pairs:
                continue
            self.rng.shuffle(pairs)
            yield [AnswerExample(context.text, text, answer) for text, answer in pairs]

    def _context(self, question: Question) -> Evidence:
        """The context that a student would see for a question."""
        chance = self.rng.random()
        budget = int(self.student.budget * self.rng.choice(BUDGETS))
        selects = canonical_selects(self.gold.retrieve.get(question.index, ""))
        rows: list[Rows] = []
        if selects and chance > 1 - GOLD_ROWS - FACTS_ONLY:
            rows = self._rows(selects)
        elif chance < STRAY_ROWS:
            rows = self._stray_rows(question.text)
        program = self.student.program
        if rows and chance > 1 - FACTS_ONLY:
            program = program.asking(evidence=all_facts_alone)
        memory = Memory(self.store, self.student.model, program=program, budget=budget)
        return memory.evidence(question.text, rows)

    def _rows(self, selects: list[str]) -> list[Rows]:
        rows = []
        for select in selects:
            try:
                rows.append(self.store.read(select))
            except SqlError:  # in real use, too, refused SQL brings no rows
                continue
        return rows

    def _stray_rows(self, question: str) -> list[Rows]:
        """Rows that share words with the question, relevant or not."""
        words = re.findall(r"\w{4,}", question.lower())
        sample = self.rng.sample(words, min(_STRAY_WORDS, len(words)))
        if not sample:
            return []
        where = " OR ".join(value_has(word[:STEM_LETTERS]) for word in sample)
        return [self.store.read(f"{ROWS_SELECT} {where}{LIMIT}")]

    def _questions_and_answers(
        self, question: Question, context: Evidence
    ) -> Iterator[tuple[str, str]]:
        """The questions about the context of a question, with the right answers.

        For a list, the shown items are the right answer. Other answers that the context has in part
        teach nothing and are left out.
        """
        turn_ids = set(context.turn_ids)
        text = f" {normalize(context.text)} "
        if self._is_answered(question, turn_ids, text):
            yield self._ask(question)
            swapped = self._with_another_speaker(question)
            if swapped and self.rng.random() < SWAPPED_SPEAKER:
                yield swapped, ABSTAIN
        elif listed := self._listed(question, turn_ids, text):
            self.question_counts[question.index] += 1
            yield question.text, listed
        elif self._is_missed(question, turn_ids, text) and self.rng.random() < MISSED_EVIDENCE:
            yield self._ask(question, refuse=True)
        for further in self._further_questions(question, turn_ids, text):
            yield self._ask(further)

    def _further_questions(
        self, question: Question, turn_ids: Set[int], text: str
    ) -> list[Question]:
        """Other questions that the context answers, the least asked ones, and one of category 5."""
        candidates = [
            candidate
            for candidate in self.gold.conversation.questions
            if candidate is not question
            and candidate.evidence
            and self._is_answered(candidate, turn_ids, text)
        ]
        self.rng.shuffle(candidates)
        candidates.sort(key=lambda candidate: self.question_counts[candidate.index])
        answerable = [question for question in candidates if question.category != ABSTENTION]
        unanswerable = [question for question in candidates if question.category == ABSTENTION]
        return answerable[:_MAX_FURTHER_QUESTIONS] + unanswerable[:1]

    def _ask(self, question: Question, refuse: bool = False) -> tuple[str, str]:
        self.question_counts[question.index] += 1
        if refuse or question.category == ABSTENTION:
            return question.text, ABSTAIN
        return question.text, " ".join(gold_answer(question).split())

    def _evidence(self, question: Question) -> set[int]:
        return {self.ids_by_source[source] for source in question.evidence}

    def _is_answered(self, question: Question, turn_ids: Set[int], text: str) -> bool:
        """Whether all evidence is shown, and at least half of the answer's words.

        A row of facts counts as its turn being shown, so evidence may be there without its words.
        """
        if not self._evidence(question) <= turn_ids:
            return False
        if question.category in (_TEMPORAL, OPEN_DOMAIN, ABSTENTION):
            return True  # a date is computed, an opinion inferred: no turn has their words
        words = normalize(gold_answer(question)).split()
        words_shown = sum(f" {word} " in text for word in words)
        return 2 * words_shown >= len(words)

    def _listed(self, question: Question, turn_ids: Set[int], text: str) -> str:
        """The shown part of an answer that is a list, if some of its evidence is shown; else ""."""
        if question.category != MULTI_HOP or not self._evidence(question) & turn_ids:
            return ""
        entries = question.answer.split(", ")
        if len(entries) < 2:
            return ""
        return ", ".join(entry for entry in entries if f" {normalize(entry)} " in text)

    def _is_missed(self, question: Question, turn_ids: Set[int], text: str) -> bool:
        """Whether neither evidence nor the answer is shown: another turn may say it, too."""
        answer = normalize(gold_answer(question))
        return not self._evidence(question) & turn_ids and f" {answer} " not in text

    def _with_another_speaker(self, question: Question) -> str:
        """The question about another speaker, who did not say it; "" if there is no other."""
        if question.category not in (MULTI_HOP, _TEMPORAL, _SINGLE_HOP):
            return ""
        speakers = [
            speaker
            for speaker in self.speakers
            if re.search(rf"\b{re.escape(speaker)}\b", question.text)
        ]
        turns = self.gold.conversation.turns
        evidence = [turns[self.ids_by_source[source] - 1] for source in question.evidence]
        if len(speakers) != 1 or {turn.speaker for turn in evidence} != set(speakers):
            return ""
        # A person mentioned in the evidence may have done the same.
        evidence_text = " ".join(turn.text for turn in evidence)
        strangers = [
            speaker
            for speaker in self.speakers
            if speaker != speakers[0] and speaker not in evidence_text
        ]
        if not strangers:
            return ""
        stranger = self.rng.choice(strangers)
        return re.sub(rf"\b{re.escape(speakers[0])}\b", stranger, question.text)
