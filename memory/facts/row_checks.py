"""What a model's row must satisfy to be stored: a turn that the model was shown states it.

One sentence of that turn states the fact: it is not denied, supposed, asked, quoted or said of
someone else (vocabulary/statements.py), and it has the value's words and the row's years. A name
that it gives someone is theirs, an instruction or a preference is its speaker's own, and no person
has said otherwise since. Any other row is set aside with the reason, for the model and then for a
person. For what rows may do to existing facts see memory/store/facts/digest_rights.py.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache

from numpy import float32
from numpy.typing import NDArray

from memory.errors import InputError
from memory.facts.given_years import GivenYears
from memory.records import Assertion, Fact, Turn
from memory.sql.checked import (
    CheckedAliases,
    CheckedChange,
    CheckedInsert,
    CheckedSummaries,
    CheckedWrite,
    CheckedWrites,
)
from memory.sql.policy import check_facts
from memory.store import Store
from memory.store.configuration.settings import settings_of
from memory.store.configuration.withheld import POLICY, policy_of
from memory.store.facts.digest_rights import PersonEdit, persons_edits, why_against_edits
from memory.store.facts.entities import names_of
from memory.store.facts.fact_reads import ALIAS
from memory.store.facts.standing_facts import characters_of, why_without_effect
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.turns.summaries import parts_of_sessions, session_advice
from memory.store.turns.turn_reads import speakers_by_messages
from memory.text.characters import LONGEST_VALUE, label
from memory.text.secrets import mask
from memory.text.tokens import trim
from memory.text.words import words
from memory.vocabulary import STANDING
from memory.vocabulary.entities import key, names_somebody, relation_named
from memory.vocabulary.rewording import stand_in
from memory.vocabulary.said import ShownTurns, gives_name, unsaid_part, wrong_subject
from memory.vocabulary.statements import why_unstated
from memory.vocabulary.templates import assertions_in

# Two words of the packaged embedder that mean about the same: film and movie have .84, fly and
# flight .61, red and blue -.11. Only if no exact word is asked for: vegan and vegetarian have .71.
_LEAST_COSINE = 0.57
_VALUE_TOKENS = 45  # of a value, in a reason
_MOST_SPEAKERS = 500  # of a memory, who may not be in the window
_OWN_NAMES = frozenset({"name", "nickname", ALIAS, "wants_to_be_called"})


class RowChecks:
    """Checks the rows that a model writes about a window of turns.

    Arguments:
        store: the memory, whose vocabulary, settings and speakers count.
        turns, before: the window, and the turns before it that the model saw.
        known: what else it saw: lines of facts and names.
    """

    def __init__(
        self,
        store: Store,
        turns: Sequence[Turn],
        before: Sequence[Turn] = (),
        known: str = "",
    ) -> None:
        self._store = store
        self._turns = {turn.id: turn for turn in turns}
        self._before = before
        self._known = known
        self._vocabulary = vocabulary_of(store)
        names = [name for name, _ in speakers_by_messages(store, _MOST_SPEAKERS)]
        names += [turn.speaker for turn in (*before, *turns)]
        self.speakers = {key(name): name for name in names}
        # "Darryl" is who is called user in the turns, if an alias says so.
        for name, entity in names_of(store, {turn.speaker for turn in turns}):
            if speaker := self.speakers.get(key(entity)):
                self.speakers.setdefault(key(name), speaker)

    @cached_property
    def _shown(self) -> ShownTurns:
        return ShownTurns((*self._before, *self._turns.values()), self._known.replace("_", " "))

    @cached_property
    def _years(self) -> GivenYears:
        return GivenYears([*self._turns.values()], self._before, self._known)

    @cached_property
    def _characters(self) -> set[str]:
        return characters_of(settings_of(self._store, "character"))

    @cached_property
    def _edits(self) -> list[PersonEdit]:
        return persons_edits(self._store)

    @cached_property
    def _refuses_secrets(self) -> bool:
        return policy_of(settings_of(self._store, POLICY)) != "off"

    def checked(self, writes: CheckedWrites) -> tuple[CheckedWrites, list[str]]:
        """The statements with the rows that may be stored, and why others may not.

        A date of an unknown year is left out and named among the reasons.
        """
        reasons: list[str] = []
        parts = [self._checked(write, reasons) for write in writes]
        return tuple(part for part in parts if part), reasons

    def _checked(self, write: CheckedWrite, reasons: list[str]) -> CheckedWrite | None:
        match write:
            case CheckedInsert():
                facts = [self._fact(fact, reasons) for fact in write.facts]
                stored = [fact for fact in facts if fact]
                return write if stored == write.facts else check_facts(stored) if stored else None
            case CheckedAliases():
                names = [row for row in write.rows if not _told(self._wrong_name(*row), reasons)]
                return replace(write, rows=tuple(names)) if names else None
            case CheckedSummaries():
                lines = [row for row in write.rows if not _told(self._wrong_line(row), reasons)]
                return replace(write, rows=tuple(lines)) if lines else None
            case CheckedChange():
                change = self._years.of_change(write)
                if change is not write:
                    reasons.append(_unknown_year(write.text))
                return change
        return write

    # --- facts ------------------------------------------------------------------------------------

    def reason_against(self, fact: Fact) -> str:
        """Why a fact may not be stored, with what to write instead; "" if it may."""
        turn = self._turns.get(fact.turn_id)
        if turn is None:
            return f"turn {fact.turn_id} is not one of the turns shown; use the number in brackets"
        return self._why_not(fact, turn)

    def _fact(self, fact: Fact, reasons: list[str]) -> Fact | None:
        if reason := self.reason_against(fact):
            reasons.append(f"{_row(fact)}: {reason}")
            return None
        dated = self._years.of_fact(fact)
        if dated != fact:
            reasons.append(_unknown_year(_row(fact)))
        return dated

    def _why_not(self, fact: Fact, turn: Turn) -> str:
        """Why a fact may not be stored of a turn, with what to write instead; "" if it may."""
        for name in ("subject", "attribute", "value"):
            if not label(getattr(fact, name)):
                return f"its {name} is empty; write what the turn says, or leave the row out"
        if len(fact.value) > LONGEST_VALUE:
            return f"its value is longer than {LONGEST_VALUE:,} characters; write what matters"
        if self._refuses_secrets and mask(f"{fact.subject} {fact.value}").secrets:
            return "it holds what looks like a secret (a key, token or password); leave it out"
        try:
            attribute, _ = self._vocabulary.stored(fact.attribute, fact.value)
        except InputError as error:
            # The store leaves out what a strict vocabulary lacks, and says so.
            return str(error) if self._vocabulary.canonical(fact.attribute) else ""
        fact = replace(fact, attribute=attribute)
        if reason := why_against_edits(fact, turn, self._edits, self._vocabulary):
            return reason
        if attribute in STANDING:
            return self._why_not_standing(fact, turn)
        view = self._shown.with_turn(turn)
        if reason := wrong_subject(fact.subject, fact.value, turn, view, self.speakers):
            return reason
        if reason := self._why_of_another(fact, attribute, turn):
            return reason
        if attribute == ALIAS:
            return self._wrong_name(fact.value, fact.subject, fact.turn_id)
        if reason := why_unstated(fact, turn):
            return f"turn {turn.id} does not state it: {reason}"
        known = self._vocabulary.canonical(attribute)
        if known and known.allowed_values:  # a choice, which need not be a word of the turn
            return ""
        unsaid = unsaid_part(
            fact.value,
            fact.subject,
            attribute,
            view,
            is_strict=bool(known and (known.profile or known.kind == "one value")),
            is_similar=_is_similar,
        )
        advice = "write what the turn says, in its own words and numbers, or leave the row out"
        return f"turn {turn.id} does not say {unsaid}; {advice}" if unsaid else ""

    def _why_of_another(self, fact: Fact, attribute: str, turn: Turn) -> str:
        """Whether a template reads this very value in the turn, of someone else."""
        same = [
            assertion.subject
            for assertion in self._assertions(turn)
            if assertion.attribute == attribute and key(assertion.value) == key(fact.value)
        ]
        is_another = bool(same) and key(fact.subject) not in map(key, same)
        if is_another and key(fact.subject) in self.speakers:
            return f"turn {turn.id} says it of {same[0]}"
        return ""

    def _why_not_standing(self, fact: Fact, turn: Turn) -> str:
        texts = [
            near_turn.text
            for near_turn in (*self._before, *self._turns.values())
            if near_turn.speaker != turn.speaker or near_turn.kind != "message"
        ]
        reason = why_without_effect(fact, turn, self._characters, stand_in(texts))
        if not reason:
            return ""
        return (
            f"{reason}. Write an instruction or preference of the turn's own speaker in the words"
            " of that turn alone; leave out what others want, and store their likes as 'likes'"
        )

    # --- names and summaries ----------------------------------------------------------------------

    def _wrong_name(self, name: str, entity: str, turn_id: int) -> str:
        """Why a turn does not show that a name means an entity; "" if it may."""
        row = f"alias ({name}, {entity})"
        turn = self._turns.get(turn_id)
        if turn is None:
            return f"{row}: turn {turn_id} is not one of the turns shown"
        if not (names_somebody(name) and names_somebody(entity)) or any(
            map(relation_named, words(name))
        ):
            return ""  # "the car", "my mother"
        advice = "leave it out unless the turn says that both are names of one person"
        own_names = {
            key(assertion.value)
            for assertion in self._assertions(turn)
            if assertion.attribute in _OWN_NAMES and key(assertion.subject) == key(entity)
        }
        if key(name) in own_names:
            return ""
        if key(name) in self.speakers and key(entity) in self.speakers and key(name) != key(entity):
            return f"{row}: both speak here, so they are two; {advice}"
        of_entity = [
            assertion.attribute
            for assertion in self._assertions(turn)
            if key(assertion.value) == key(name) and assertion.attribute not in _OWN_NAMES
        ]
        if of_entity or not gives_name(name, entity, turn):
            return f"{row}: turn {turn_id} does not say that {name} is {entity}; {advice}"
        return ""

    def _wrong_line(self, row: tuple[int, int, str]) -> str:
        first, last, text = row
        if parts := parts_of_sessions((first, last), [*self._turns.values()]):
            return session_advice((first, last), parts)
        return "" if self._years.give(text) else _unknown_year(text[:60])

    def _assertions(self, turn: Turn) -> list[Assertion]:
        if turn.id not in self._asserted:
            self._asserted[turn.id] = assertions_in(turn, self._vocabulary)
        return self._asserted[turn.id]

    @cached_property
    def _asserted(self) -> dict[int, list[Assertion]]:
        return {}


def _told(reason: str, reasons: list[str]) -> bool:
    """Whether there is a reason, which goes to the others."""
    if reason:
        reasons.append(reason)
    return bool(reason)


def _row(fact: Fact) -> str:
    texts = (fact.subject, fact.attribute, trim(fact.value, _VALUE_TOKENS), fact.happened_on)
    return f"({', '.join(filter(None, texts))})"


def _unknown_year(text: str) -> str:
    return (
        f"no turn gives the year in {text}; take years only from what turns say and from their"
        " dates, and where they give none, leave the date empty"
    )


def _is_similar(word: str, candidates: Collection[str]) -> bool:
    """Whether a word means about the same as one of others, by the packaged embedder."""
    vector = _vector(word)
    return any(float(vector @ _vector(candidate)) >= _LEAST_COSINE for candidate in candidates)


@lru_cache(maxsize=20_000)
def _vector(word: str) -> NDArray[float32]:
    from memory.search.embed import embed  # with numpy

    vector: NDArray[float32] = embed([word])[0]
    return vector
