"""Random sequences of writes, applied to a memory and to a model of it in plain Python."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import strategies as st

from memory import InputError, Store, Turn
from memory.store.changes.history import revert_to
from tests.conftest import INSERT

START = datetime(2023, 1, 1, 12, tzinfo=UTC)
State = dict[int, tuple[str, str, int]]  # fact id -> value, ended_on, turn
Operation = tuple[Any, ...]


@dataclass
class Model:
    """What the journal promises, in plain Python: states are kept whole, not computed."""

    facts: State = field(default_factory=dict)
    last_id: int = 0
    turns: list[Turn] = field(default_factory=list)
    digested: int = 0
    states: list[State] = field(default_factory=lambda: [{}])
    touched: list[set[int]] = field(default_factory=lambda: [set()])
    counts_from: list[str] = field(default_factory=lambda: [""])
    undoes: dict[int, int] = field(default_factory=dict)
    dates_of_facts: dict[tuple[int, int], str] = field(
        default_factory=dict
    )  # of a change's new facts

    def done(self, facts: State, touched: set[int], counts_from: str) -> None:
        self.facts = facts
        self.states.append(dict(facts))
        self.touched.append(touched)
        self.counts_from.append(counts_from)

    def undone(self, change: int) -> bool:
        return any(not self.undone(u) for u, of in self.undoes.items() if of == change)

    def moment(self, change: int, fact: int) -> str:
        return self.dates_of_facts.get((change, fact), self.counts_from[change])

    def at(self, day: str) -> State:
        facts: State = {}
        for change, touched in enumerate(self.touched):
            for fact in touched:
                if day_of(self.moment(change, fact)) > day:
                    continue
                facts.pop(fact, None)
                if fact in self.states[change]:
                    facts[fact] = self.states[change][fact]
        return facts

    def heard(self, day: str) -> list[Turn]:
        last, turns = "", []
        for turn in self.turns:
            last = day_of(turn.said_at) or last
            if last <= day:
                turns.append(turn)
        return turns


def day_of(date: str) -> str:
    return (date + "0000-01-01"[len(date) :])[:10] if date.startswith("20") else ""


class Clock:
    """A day goes by between two operations."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> str:
        return self.time.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def day(self, ahead: int, form: str = "%Y-%m-%d") -> str:
        return (self.time + timedelta(days=ahead)).strftime(form)


some = st.integers(0, 30)
ahead = st.sampled_from([0, 0, 0, -1, -2, -5, -400, 3, 40])
form = st.sampled_from(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m", "", "soon"])
word = st.sampled_from(["cat", "Oslo", "'' it''s", "東京", "running"])
say = st.tuples(st.just("say"), st.sampled_from("ab"), st.sampled_from("AB"), ahead, form, word)
statement = st.tuples(st.sampled_from(["insert", "value", "end", "move", "delete"]), some, word)
operations = st.lists(
    st.one_of(
        st.tuples(st.just("say many"), st.lists(say, min_size=1, max_size=4)),
        st.tuples(st.just("write"), st.lists(statement, min_size=1, max_size=4)),
        st.tuples(st.just("digest"), st.lists(word, min_size=1, max_size=3)),
        st.tuples(st.just("undo"), some),
        st.tuples(st.just("revert"), some),
        st.tuples(st.just("revert to day"), some),
    ),
    min_size=3,
    max_size=14,
)


def play(store: Store, clock: Clock, sequence: Sequence[Operation]) -> Model:
    """Do all of it to a store and to a model."""
    model = Model()
    for name, what in [("say many", [("say", "a", "A", 0, "%Y-%m-%d", "cat")]), *sequence]:
        clock.time += timedelta(days=1)
        match name:
            case "say many":
                _say(store, model, clock, what)
            case "write":
                _write(store, model, clock, what)
            case "digest":
                _digest(store, model, clock, what)
            case "undo":
                _undo(store, model, clock, 1 + what % max(len(model.states) - 1, 1))
            case "revert":
                change = what % len(model.states)
                _revert(store, model, clock, change, model.states[change])
            case "revert to day":
                day = clock.day(-what)
                _revert(store, model, clock, day, model.at(day))
        assert state(store) == model.facts
    return model


def state(store: Store, point: str | int | None = None) -> State:
    return {f.id: (f.value, f.ended_on, f.turn_id) for f in store.facts(point)}


def _say(store: Store, model: Model, clock: Clock, what: Sequence[Operation]) -> None:
    # No turn says the number of a fact: a fact whose words only a later turn says is not known yet.
    new = [
        Turn(who, f"I say {word} t{len(model.turns)}", session, clock.day(ahead, form))
        for _, session, who, ahead, form, word in what
    ]
    ids = store.add(new)
    model.turns += [replace(turn, id=n) for turn, n in zip(new, ids, strict=True)]


def _write(store: Store, model: Model, clock: Clock, what: Sequence[Operation]) -> None:
    facts, last, touched, sql = dict(model.facts), model.last_id, set(), []
    for name, number, word in what:
        turn = model.turns[number % len(model.turns)].id
        text = word.replace("''", "'")
        if name == "insert":
            last += 1
            touched.add(last)
            facts[last] = (text, "", turn)
            sql.append(f"{INSERT}('Anna', 'likes', '{word}', NULL, {turn})")
            continue
        some = [fact for fact in facts if fact % 3 == number % 3]
        touched |= set(some)
        where = f"WHERE id IN ({', '.join(map(str, [*some, 0]))})"
        for fact in some:
            value, ended, rests_on = facts.pop(fact)
            match name:
                case "value":
                    facts[fact] = (text, ended, rests_on)
                case "end":
                    facts[fact] = (value, "2024-01", rests_on)
                case "move":
                    facts[fact] = (value, ended, turn)
        sql.append(
            {
                "value": f"UPDATE facts SET value = '{word}' {where}",
                "end": f"UPDATE facts SET ended_on = '2024-01' {where}",
                "move": f"UPDATE facts SET turn_id = {turn} {where}",
                "delete": f"DELETE FROM facts {where}",
            }[name]
        )
    store.write("; ".join(sql), cause="test")
    model.last_id = last
    model.done(facts, touched, clock.now())


def _digest(store: Store, model: Model, clock: Clock, words: Sequence[str]) -> None:
    window = [turn for turn in model.turns if turn.id > model.digested]
    if not window:
        return
    facts = dict(model.facts)
    for n, word in enumerate(words, model.last_id + 1):
        # Each value is another: what a digest repeats is not stored.
        facts[n] = (f"{word} {n}".replace("''", "'"), "", window[n % len(window)].id)
    sql = [
        f"{INSERT}('Anna', 'likes', '{word} {n}', NULL, {facts[n][2]})"
        for n, word in enumerate(words, model.last_id + 1)
    ]
    store.write("; ".join(sql), "digest", (window[0].id, window[-1].id))

    def dated(turns: Sequence[Turn]) -> str:
        dates = [turn.said_at for turn in turns if turn.said_at.startswith("20")]
        return dates[-1] if dates and dates[-1] <= clock.now() else clock.now()

    for n in facts.keys() - model.facts.keys():
        by_then = [turn for turn in window if turn.id <= facts[n][2]]
        if any(turn.said_at.startswith("20") for turn in by_then):
            model.dates_of_facts[len(model.states), n] = dated(by_then)
    model.digested = window[-1].id
    model.done(facts, facts.keys() - model.facts.keys(), dated(window))
    model.last_id += len(words)


def _undo(store: Store, model: Model, clock: Clock, change: int) -> None:
    before = store.facts(), store.changes()
    possible = change < len(model.states) and not model.undone(change)
    touched = model.touched[change] if possible else set()
    if not possible or any(model.facts.get(f) != model.states[change].get(f) for f in touched):
        with pytest.raises(InputError):
            store.undo(change)
        assert (store.facts(), store.changes()) == before
        return
    undo = store.undo(change)
    facts = {f: fact for f, fact in model.facts.items() if f not in touched}
    facts |= {f: fact for f, fact in model.states[change - 1].items() if f in touched}
    model.undoes[undo.id] = change
    model.done(facts, touched, clock.now())
    # Undone, an undo leaves no trace but in the journal.
    redo = store.undo(undo.id)
    assert store.facts() == before[0]
    assert [one.undone_at for one in store.changes()[: len(before[1])]] == [
        one.undone_at for one in before[1]
    ]
    model.undoes[redo.id] = undo.id
    model.done(dict(model.states[-2]), touched, clock.now())
    again = store.undo(redo.id)
    model.undoes[again.id] = redo.id
    model.done(facts, touched, clock.now())


def _revert(store: Store, model: Model, clock: Clock, point: str | int, then: State) -> None:
    if then == model.facts:
        with pytest.raises(InputError, match="nothing to revert"):
            revert_to(store, point)
        return
    exactly = store.facts(point)
    revert_to(store, point)
    assert store.facts() == exactly
    touched = {f for f in then.keys() | model.facts.keys() if then.get(f) != model.facts.get(f)}
    model.done(dict(then), touched, clock.now())
