"""A digest adds to the facts that are there, and removes only what its SQL names."""

import random
from dataclasses import dataclass, field

import pytest

from memory import Memory, Turn, facts
from memory.digest.held_windows import decide
from memory.digest.windows import Digest
from memory.records import Fact
from memory.store import Store
from tests.conftest import INSERT
from tests.support.scripted import ScriptedLM, scripted_model, sql

BOTH_STORES = "slow"
PLAIN = [
    "I'm allergic to {}.",
    "I live in {}.",
    "My sister {} called.",
    "I work for {}.",
    "I play the {}.",
    "How was your day?",
    "Nothing new about {} here.",
]
WORDS = ["nuts", "Oslo", "Elena", "rowing", "cello", "Bonn", "pollen", "Kim", "tea", "Porto"]
ATTRIBUTES = ["lives_in", "likes", "home", "visited", "watched", "has_sister", "said", "goal"]


def digested(store: Store, answer: str, calls: int = 1) -> Digest:
    """Digest what waits, by a model that gives this answer so often."""
    return Memory(store, scripted_model([([], sql(answer))] * calls)).digest()


def told(store: Store, *texts: str, said_at: str = "2026-03-01") -> list[int]:
    with Memory(store, scripted_model([])) as memory:
        return list(memory.add([Turn("Nora", text, said_at=said_at) for text in texts]))


@pytest.fixture
def nora(store: Store) -> Store:
    """A memory whose first turns are digested, with two facts by templates that wait."""
    store.write("-- none", cause="digest", window=(1, 5))
    told(store, "I'm allergic to nuts.", "I live in Oslo.")
    return store


def lines(store: Store) -> list[str]:
    return [facts.fact_line(fact).rpartition(" (")[0] for fact in store.facts()]


NUTS, OSLO = "Nora allergic_to: nuts", "Nora lives_in: Oslo"


def test_a_model_that_writes_nothing_changes_nothing(nora: Store) -> None:
    before = nora.facts()
    digest = digested(nora, "-- none")
    assert (digest.stored, digest.facts, digest.changed_text) == (
        1,
        0,
        "0 facts changed (0 ended, 0 removed)",
    )
    assert nora.facts() == before
    assert lines(nora) == [NUTS, OSLO]


def test_the_facts_of_a_windows_turns_are_known_by_their_ids(nora: Store) -> None:
    known = ["id 1: Nora | allergic_to | nuts", "id 2: Nora | lives_in | Oslo"]
    Memory(nora, scripted_model([(known, sql("-- none"))])).digest()


@pytest.mark.parametrize("text", ["We walked along the river.", "I miss the sea at Oslo."])
def test_what_has_ended_is_known_where_the_window_says_a_word_of_it(nora: Store, text: str) -> None:
    digested(nora, "-- none")
    told(nora, "I live in Bergen.")
    digested(nora, "-- none")
    told(nora, text)
    model = scripted_model(
        [(["id 1: Nora | allergic_to | nuts", "| lives_in | Bergen"], sql("-- none"))]
    )
    Memory(nora, model).digest()
    assert isinstance(model.lm, ScriptedLM)
    [prompt] = model.lm.script.prompts
    assert ("| lives_in | Oslo" in prompt) is ("Oslo" in text)


@pytest.mark.parametrize(
    ("row", "is_new"),
    [
        ("'Nora', 'allergic_to', 'Nuts'", False),
        ("'nora', 'home', 'Oslo.'", False),  # another name of lives_in
        ("'Nora', 'lives_in', 'Oslo, Norway'", True),
        ("'Nora', 'likes', 'nuts'", True),
    ],
)
def test_what_is_there_is_not_stored_again(nora: Store, row: str, is_new: bool) -> None:
    digest = digested(nora, f"{INSERT}({row}, '', 7)")
    assert (digest.facts, len(nora.facts())) == (int(is_new), 2 + int(is_new))
    assert lines(nora)[:2] == [NUTS, OSLO]


def test_what_an_earlier_turn_told_is_not_stored_again(nora: Store) -> None:
    digested(nora, "-- none")
    [last] = told(nora, "Nuts still make me ill.", said_at="2026-05-01")
    assert digested(nora, f"{INSERT}('Nora', 'allergic_to', 'nuts', '', {last})").facts == 0
    assert lines(nora) == [NUTS, OSLO]


def test_a_repetition_dates_the_fact_of_its_turn(nora: Store) -> None:
    assert digested(nora, f"{INSERT}('Nora', 'lives_in', 'Oslo', '2026', 7)").facts == 1
    assert lines(nora) == [NUTS, f"{OSLO} since 2026"]
    [last] = told(nora, "Since spring.", said_at="2026-05-01")
    digested(nora, f"{INSERT}('Nora', 'allergic_to', 'nuts', '2026', {last})")
    assert lines(nora) == [NUTS, f"{OSLO} since 2026", f"{NUTS} since 2026"]
    nora.forget([last])
    assert lines(nora) == [NUTS, f"{OSLO} since 2026"]


def test_a_fact_that_is_replaced_in_the_same_answer_is_stored_anew(nora: Store) -> None:
    again = f"{INSERT}('Nora', 'lives_in', 'Oslo', '2026', 7)"
    digest = digested(nora, f"DELETE FROM facts WHERE id = 2; {again}")
    assert digest.changed_text == "2 facts changed (0 ended, 1 removed)"
    assert lines(nora) == [NUTS, f"{OSLO} since 2026"]


def test_what_a_turn_says_again_can_be_linked_as_a_contradiction(nora: Store) -> None:
    digested(nora, "-- none")
    told(nora, "I never flew. I flew to Rome in May.", said_at="2026-05-01")
    digested(
        nora,
        f"{INSERT}('Nora', 'never', 'flew', '', 8), ('Nora', 'flew_to', 'Rome', '2026-05', 8);"
        " INSERT INTO contradictions (first_turn, first_attribute, turn_id, attribute)"
        " VALUES (8, 'never', 8, 'flew_to')",
    )
    from memory.store.facts.contradictions import open_contradictions

    [pair] = open_contradictions(nora)
    assert (pair.first.value, pair.second.value) == ("flew", "Rome")


def test_a_digest_reports_what_it_did_to_facts_that_were_there(nora: Store) -> None:
    text = "I speak Danish. I live in Porto, no longer in Oslo. The nuts were a doctor's mistake."
    told(nora, text, said_at="2026-04-01")
    digest = digested(
        nora,
        "UPDATE facts SET ended_on = '2026-04' WHERE id = 2; DELETE FROM facts WHERE id = 1;"
        " UPDATE facts SET happened_on = '2026-04' WHERE id = 3;"
        f" {INSERT}('Nora', 'lives_in', 'Porto', '2026-04', 8)",
    )
    assert digest.changed_text == "4 facts changed (1 ended, 1 removed, 1 rewritten)"


# --- undone ---------------------------------------------------------------------------------------


def test_after_an_undo_the_facts_are_back_and_the_turns_wait(nora: Store) -> None:
    digested(nora, f"{INSERT}('Nora', 'likes', 'Oslo', '', 7)")
    undo = nora.undo(nora.changes()[-1].id)
    assert lines(nora) == [NUTS, OSLO]
    assert undo.note == "turns 6-7 wait to be digested again"
    [window] = nora.pending()
    assert (window.first_turn, window.last_turn, window.stored) == (6, 7, False)
    assert digested(nora, "-- none").stored == 1
    assert not nora.pending()


def test_what_is_digested_by_now_does_not_wait_and_an_undo_says_so(nora: Store) -> None:
    digested(nora, f"{INSERT}('Nora', 'likes', 'Oslo', '', 7)")
    first = nora.changes()[-1].id
    nora.undo(first)
    digested(nora, f"{INSERT}('Nora', 'visited', 'Oslo', '', 7)")
    second = nora.changes()[-1].id
    nora.undo(second)
    redone = nora.undo(nora.changes()[-1].id)
    assert redone.note == "turns 6-7 count as digested again"
    assert not nora.pending()
    nora.undo(second)
    nora.forget([6, 7])
    assert not nora.pending()


def test_an_undo_says_why_turns_do_not_wait(nora: Store) -> None:
    digested(nora, f"{INSERT}('Nora', 'visited', 'Oslo', '', 7)")
    first = nora.changes()[-1].id
    nora.write(f"{INSERT}('Nora', 'likes', 'rum', '', 7)", cause="digest again", window=(7, 7))
    second = nora.changes()[-1].id
    assert nora.undo(first).note == (
        f"turns 6-7 do not wait to be digested again: change {second} has digested turns 7-7 since"
    )
    assert not nora.pending()


# --- any window, any answer -----------------------------------------------------------------------


@dataclass
class Answers:
    """What a model answers at random, and the ids of the facts that its SQL names."""

    chance: random.Random
    day: str
    statements: list[str] = field(default_factory=list)
    named: set[int] = field(default_factory=set)

    def add(self, window: list[int], of_window: list[Fact], of_before: list[Fact]) -> None:
        """A statement: one that inserts, rewrites, deletes or ends."""
        match self.chance.choice(["insert", "insert", "repeat", "rewrite", "delete", "end"]):
            case "insert":
                self.insert(window, self.chance.choice(ATTRIBUTES), self.chance.choice(WORDS))
            case "repeat" if of_window + of_before:
                fact = self.chance.choice(of_window + of_before)
                self.insert(window, fact.attribute, fact.value.upper(), fact.subject)
            case "rewrite" if of_window:
                fact = self.name(of_window)
                self.statements.append(f"UPDATE facts SET value = 'other' WHERE id = {fact.id}")
            case "delete" if of_window:
                fact = self.chance.choice(of_window)
                same = [f for f in of_window if (f.turn_id, f.value) == (fact.turn_id, fact.value)]
                self.named |= {f.id for f in same}
                self.statements.append(
                    f"DELETE FROM facts WHERE turn_id = {fact.turn_id} AND value = '{fact.value}'"
                )
            case "end" if open_facts := [fact for fact in of_before if not fact.ended_on]:
                fact = self.name(open_facts)
                self.statements.append(
                    f"UPDATE facts SET ended_on = '{self.day}' WHERE id = {fact.id}"
                )

    def name(self, known: list[Fact]) -> Fact:
        fact = self.chance.choice(known)
        self.named.add(fact.id)
        return fact

    def insert(self, window: list[int], attribute: str, value: str, subject: str = "Nora") -> None:
        day = self.chance.choice(["", "", self.day])
        row = f"'{subject}', '{attribute}', '{value}', '{day}', {self.chance.choice(window)}"
        self.statements.append(f"{INSERT}({row})")


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(5))
def test_facts_that_no_sql_names_are_there_after_any_window(nora: Store, seed: int) -> None:
    """Forty windows in each of five memories."""
    chance = random.Random(seed)
    for month in range(40):
        day = f"20{26 + month // 12}-{1 + month % 12:02}-01"
        window = told(
            nora,
            *(
                chance.choice(PLAIN).format(chance.choice(WORDS))
                for _ in range(chance.randint(1, 4))
            ),
            said_at=day,
        )
        if chance.random() < 0.2:
            fact = facts.add(
                nora, subject="Nora", attribute="likes", value=f"no. {month}", turn_id=window[0]
            )
            assert fact.facts == 1
        before = {fact.id: fact for fact in nora.facts()}
        of_window = [fact for fact in before.values() if fact.turn_id in window]
        of_before = [fact for fact in before.values() if fact.turn_id not in window]
        answers = Answers(chance, day)
        for _ in range(chance.choice([0, 0, 1, 3])):
            answers.add(window, of_window, of_before)
        nonsense = chance.random() < 0.15
        if nonsense:
            answers.named.clear()
        answer = "I am sorry, Dave." if nonsense else "; ".join(answers.statements) or "-- none"
        digested(nora, answer, calls=3)
        for pending in nora.pending():
            decide(nora, (pending.first_turn, pending.last_turn), apply=False)

        after = {fact.id: fact for fact in nora.facts()}
        untouched = {number: fact for number, fact in before.items() if number not in answers.named}
        lost = {n: fact for n, fact in untouched.items() if n not in after}
        assert not lost, (seed, month, answer)
        # A repetition may date a fact of its own turn, and nothing else.
        changed = {n for n, fact in untouched.items() if after[n] != fact}
        assert all(
            (after[n].value, after[n].ended_on) == (untouched[n].value, untouched[n].ended_on)
            for n in changed
        ), (seed, month, answer)


HOSTILE = [
    "UPDATE facts SET ended_on = '2026-06-01' WHERE id = {id}",
    "UPDATE facts SET ended_on = '2026-06-01' WHERE attribute = '{attribute}'",
    "UPDATE facts SET ended_on = '2026-06-01' WHERE subject = 'Nora'",
    "UPDATE facts SET value = 'nothing' WHERE id = {id}",
    "DELETE FROM facts WHERE id = {id}",
    "DELETE FROM facts WHERE subject = 'Nora'",
    "DELETE FROM facts",
    f"{INSERT}('Nora', '{{attribute}}', 'nothing', '', {{turn}})",
    f"{INSERT}('Nora', '{{attribute}}', '{{value}} no more', '2099-01-01', {{turn}})",
    f"{INSERT}('Mallory', 'lives_in', 'Pyongyang', '', {{turn}})",
]
TALK = ["The bus was late.", "Nothing new here.", "It rained again.", "How was your day?"]


def test_a_value_that_only_denies_takes_no_place(nora: Store) -> None:
    window = told(nora, "Nothing new here.")
    for value in ("Oslo no more", "nothing"):
        digested(nora, f"{INSERT}('Nora', 'lives_in', '{value}', '', {window[0]})", calls=3)
        assert [fact.value for fact in facts.find(nora)] == ["nuts", "Oslo"]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_no_fact_is_lost_to_a_model_that_ends_what_no_turn_ends(nora: Store, seed: int) -> None:
    """Fifty windows, ten in each of five memories."""
    chance = random.Random(seed)
    for month in range(10):
        day = f"2026-{4 + month // 2:02}-{1 + 10 * (month % 2):02}"
        word = chance.choice(WORDS)
        own = chance.choice(["I like {}.", "I'm allergic to {}.", "I play the {}."]).format(word)
        window = told(nora, own, *chance.sample(TALK, 2), said_at=day)
        before = facts.find(nora)
        fact = chance.choice(before)
        values = {"id": fact.id, "attribute": fact.attribute, "value": fact.value}
        statements = chance.sample(HOSTILE, chance.randint(1, 4))
        answer = "; ".join(each.format(**values, turn=window[-1]) for each in statements)
        digested(nora, answer, calls=3)
        for pending in nora.pending():
            decide(nora, (pending.first_turn, pending.last_turn), apply=False)
        after = facts.find(nora)
        lost = [each for each in before if each not in after]
        assert lost == [], (seed, month, answer)


TEA = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Anna', 'likes', 'tea', {})"


def say_three_times(store: Store) -> None:
    store.add([Turn("Anna", f"I do like tea, {n}.", said_at=f"2026-0{n}-01") for n in (1, 2, 3)])
    for n in (1, 2, 3):
        store.write(TEA.format(n), cause="digest", window=(n, n))


def sources(store: Store) -> list[tuple[int, str]]:
    return [(fact.turn_id, fact.ended_on) for fact in store.facts()]


def test_what_another_turn_says_again_stays_when_the_first_is_forgotten(store: Store) -> None:
    say_three_times(store)
    assert sources(store) == [(1, "")]
    for forgotten, left in ((1, [(2, "")]), (2, [(3, "")]), (3, [])):
        store.forget([forgotten])
        assert sources(store) == left
        assert store.check() == []


def test_what_has_ended_since_and_what_was_taken_back_is_not_brought_back(store: Store) -> None:
    say_three_times(store)
    *_, third = store.changes()
    store.undo(third.id)
    store.write("UPDATE facts SET ended_on = '2026-05' WHERE value = 'tea'", cause="edit by Anna")
    store.forget([1])
    assert sources(store) == []


def test_an_undone_repetition_is_not_brought_back(store: Store) -> None:
    say_three_times(store)
    for change in store.changes()[1:]:
        store.undo(change.id)
    store.forget([1])
    assert sources(store) == []


@pytest.mark.parametrize(("days", "all_read"), [(200, True), (700, False)])
def test_a_long_message_is_read_as_far_as_a_window_has_room_and_the_rest_is_told(
    store: Store, days: int, all_read: bool
) -> None:
    store.write("-- none", cause="digest", window=(1, 5))
    walks = " ".join(f"On day {number} we walked {number + 3} miles." for number in range(days))
    told(store, walks)
    model = scripted_model([([], sql("-- none"))])
    digest = Memory(store, model).digest()
    [prompt] = model.lm.script.prompts
    assert (f"walked {days + 2} miles" in prompt) is all_read
    assert digest.characters_given == len(walks)
    assert (digest.characters_read == len(walks)) is all_read
    assert digest.characters_read > 3_200, "as many as were read of any message before"
