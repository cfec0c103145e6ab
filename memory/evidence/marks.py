"""For the turns of a search: which of their facts are true, no longer so, or disputed."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from memory.evidence.lines import DISPUTED, OUTDATED, in_words
from memory.facts.latest_word import latest_of_turns, latest_words
from memory.facts.restated import restated
from memory.records import CUT_ANSWER, Contradiction, Fact, StatedFact, Turn
from memory.store import Store
from memory.store.facts.fact_reads import current_among, deleted_facts, successors
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.files.united import first_store
from memory.text.characters import one_line
from memory.text.dates import short_day
from memory.text.tokens import trim
from memory.text.words import forms_of, is_among, telling_words, words
from memory.vocabulary.fact_lines import has_ended, is_current

_MOST_LATEST = 8  # current facts whose latest word is looked for; more have no room in a block


@dataclass(frozen=True)
class Recalled:
    """The current facts of some turns, best first, and the marks of turns, by id.

    A mark says what in a turn is outdated or disputed, or which value a later turn gives. `stored`
    are all facts of these turns, past ones too, and `newer` the later turn that changes one, by id.
    """

    in_force: tuple[Fact, ...] = ()
    marks: Mapping[int, str] = field(default_factory=dict)
    stored: tuple[Fact, ...] = ()
    newer: Mapping[int, int] = field(default_factory=dict)


def recalled_facts(
    store: Store,
    turns: Sequence[Turn],
    question: str,
    day: str,
    *,
    periods: bool = False,
    without: Collection[int] = (),
) -> Recalled:
    """The facts that a question's turns (best first) have as their source, on a day (ISO).

    Facts with a word of the question come first. Other facts are from the best turn only. With
    `periods` a mark also says when an ended state began. What turns in `without` say is not told.
    """
    if not turns:
        return Recalled()
    rank = {turn.id: number for number, turn in enumerate(turns)}
    is_united = first_store(store) is not store
    stated = [
        replace(state, disputed_by=None) if _is_from(state.disputed_by, without) else state
        for state in store.facts_of_turns([*rank])
    ]
    stated.sort(key=lambda state: rank[state.fact.turn_id])
    ended = [state.fact for state in stated if has_ended(state.fact, day)]
    present = [state for state in stated if not has_ended(state.fact, day)]
    replaced = [] if is_united else _replaced(store, present, day)
    # A fact that may no longer be true is not shown as one.
    in_force = [
        state.fact for state in present if not state.disputed_by and state.fact not in replaced
    ]
    # With several memories, only what the facts themselves say.
    outlived = [] if is_united else [*ended, *replaced]
    followers = successors(store, outlived, day) if outlived else {}
    followers = {key: new for key, new in followers.items() if not _is_from(new, without)}
    known = {fact.id for fact in in_force}
    in_force += [fact for fact in followers.values() if fact.id not in known]

    outdated: dict[int, str] = {}
    for fact in ended:
        new = followers.get(fact.id)
        since = f" from {fact.happened_on}" if periods and fact.happened_on else ""
        text = f"{_in_words(fact)}{since} until {fact.ended_on}"
        _append(outdated, fact.turn_id, text + (f", now {new.value}" if new else ""))
    for fact in replaced:
        new = followers.get(fact.id)
        now = f", now {new.value}" if new else " no longer"
        _append(outdated, fact.turn_id, f"{_in_words(fact)}{now}")
    for state in [] if is_united else present:
        fact, before = state.fact, state.before
        if before and before.turn_id == fact.turn_id:
            _append(outdated, fact.turn_id, f"{_in_words(before)} was wrong, it is {fact.value}")
    known_values = {(fact.turn_id, fact.attribute, fact.value) for fact in in_force}
    for fact in [] if is_united else deleted_facts(store):
        is_stored_again = (fact.turn_id, fact.attribute, fact.value) in known_values
        if fact.turn_id in rank and not is_stored_again:
            _append(outdated, fact.turn_id, f"{_in_words(fact)} was wrong, and was deleted")
    disputed: dict[int, str] = {}
    for state in stated:
        if new := state.disputed_by:
            text = f"{_in_words(state.fact)}, by turn {new.turn_id}: {_in_words(new)}"
            _append(disputed, state.fact.turn_id, text)

    question_forms = forms_of(telling_words(question))
    question_words = {*words(question)}

    def order(fact: Fact) -> tuple[int, bool, int, int]:
        shared = question_forms & forms_of(telling_words(_in_words(fact)))
        is_other = question_words.isdisjoint(words(fact.subject))
        return -len(shared), is_other, rank.get(fact.turn_id, 0), -fact.id

    fitting = [
        fact
        for fact in dict.fromkeys(in_force)
        if order(fact)[0] or rank.get(fact.turn_id, 0) == 0 or fact in followers.values()
    ]
    fitting.sort(key=order)
    # A turn is shown with the latest word on its facts, whatever was asked.
    shown = [*dict.fromkeys((*fitting, *in_force))]
    latest = latest_words(store, shown[:_MOST_LATEST], day, without)
    fitting = [fact for fact in fitting if fact.id not in latest]
    marks = {turn_id: f"{OUTDATED}{text}" for turn_id, text in outdated.items()}
    for turn_id, text in disputed.items():
        _append(marks, turn_id, f"{DISPUTED}{text}")
    for turn in turns:
        if CUT_ANSWER.items() <= turn.tags.items():
            _append(marks, turn.id, "its end is missing")
    for turn_id, again in restated(turns, question).items():
        if again.is_asked_for or again.is_news:
            marks.setdefault(turn_id, again.mark)
    for fact in in_force:
        if word := latest.get(fact.id):
            marks.setdefault(fact.turn_id, word.text)
    newer = latest_of_turns(store, turns, day, without)
    for turn_id, word in newer.items():
        marks.setdefault(turn_id, word.text)
    stored = tuple(state.fact for state in stated)
    changed = {turn_id: word.turn.id for turn_id, word in newer.items()}
    return Recalled(tuple(fitting), marks, stored, changed)


def _replaced(store: Store, present: Sequence[StatedFact], day: str) -> list[Fact]:
    """The facts that have not ended, but are no longer true by what was said later."""
    contested = [state.fact for state in present if state.is_contested]
    if not contested:
        return []
    current = current_among(store, contested, day)
    vocabulary = vocabulary_of(store)
    return [fact for fact in contested if fact not in current and is_current(fact, day, vocabulary)]


def _is_from(fact: Fact | None, turn_ids: Collection[int]) -> bool:
    return fact is not None and fact.turn_id in turn_ids


def _in_words(fact: Fact) -> str:
    return in_words(fact.attribute, fact.value)


def _append(texts: dict[int, str], turn_id: int, text: str) -> None:
    texts[turn_id] = f"{texts[turn_id]}; {text}" if turn_id in texts else text


# Words of a question that ask without saying what for.
_ASKING = frozenset(
    words("ever when what which who where how often many much long year day date time exactly tell")
)
_LEAST_TOUCHED = 0.5  # of a question's words, in a pair that is shown with it
_MOST_SHOWN = 3


def touched(
    question: str, pairs: Sequence[Contradiction], askers: Iterable[str] = ()
) -> list[Contradiction]:
    """The pairs that a question may be about; pairs with most of its words come first."""
    shares = {
        number: _share(question, pair, askers)
        for number, pair in enumerate(pairs)
        if _is_about(question, pair, askers)
    }
    ranked = sorted(shares, key=lambda number: -shares[number])
    return [pairs[number] for number in ranked if shares[number] >= _LEAST_TOUCHED][:_MOST_SHOWN]


def pair_line(pair: Contradiction, tokens: int) -> str:
    """`[3] (1 Feb 2024) Anna | never: flown <-> [9] (3 Feb 2024) Anna | travelled_to: Rome ...`.

    Each fact takes at most this many tokens.
    """
    sides = []
    for fact, said_at in zip(pair.facts, pair.said_at, strict=True):
        day = f"(said {short_day(said_at)}) " if said_at else ""
        happened = f" (happened {fact.happened_on})" if fact.happened_on else ""
        told = f"{day}{fact.subject} | {fact.attribute}: {fact.value}{happened}"
        sides.append(trim(f"[{fact.turn_id}] {one_line(told)}", tokens))
    return " <-> ".join(sides)


def _is_about(question: str, pair: Contradiction, askers: Iterable[str]) -> bool:
    """Whether a question names a pair's subject, its asker is the subject, or no asker is known."""
    subjects = {fact.subject.casefold() for fact in pair.facts}
    names = [name for name in askers if name]
    if subjects & {name.casefold() for name in names} or not names:
        return True
    return any({*words(subject)} <= {*words(question)} for subject in subjects)


def _share(question: str, pair: Contradiction, askers: Iterable[str]) -> float:
    """The share of a question's telling words that a pair contains."""
    names = {word for name in askers for word in words(name)}
    names |= {word for fact in pair.facts for word in words(fact.subject)}
    sought = [word for word in telling_words(question) if word not in names | _ASKING]
    pair_words = {
        word
        for fact in pair.facts
        for word in words(f"{fact.attribute} {fact.value}".replace("_", " "))
    }
    pair_forms = forms_of(pair_words)
    covered = sum(is_among(word, pair_forms) for word in sought)
    return covered / len(sought) if sought else 0.0
