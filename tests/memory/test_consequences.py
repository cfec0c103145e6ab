"""What changes, is taken back, or rests on what changed, as a larger model's digest stores it.

The three shapes of MEME: an update, a deletion, and what depended on the one that went. No door
gives the old value without a mark afterwards.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest

from memory import Memory, Store, Turn, open_store
from memory.facts.contradictions import settle
from memory.program.signatures.full import WriteFacts
from memory.store.facts.contradictions import open_contradictions
from memory.store.waiting.pending_windows import claim_window
from tests.memory.test_evidence import DOORS
from tests.support.scripted import ScriptedLM, answer, scripted_model, sql

BOTH_STORES = "slow"
FACTS = "INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES "
LINK = "INSERT INTO contradictions (first_fact, turn_id, attribute) VALUES "
WITH_ENDS = "INSERT INTO facts (subject, attribute, value, ended_on, turn_id) VALUES "


@dataclass(frozen=True)
class Case:
    """What is said in January and in March, what a model stores of each, and a question.

    `known` is what it is shown in March. `old` is to be marked, `new` is to be given.
    """

    said: Sequence[str]
    stored: str
    later: Sequence[str]
    known: Sequence[str]
    changed: str
    question: str
    old: str
    new: str = ""


UPDATES = {
    "deposit": Case(
        ["The landlady wants a deposit of 1,850 euros for the studio."],
        FACTS + "('studio', 'deposit', '1,850 euros', '2026-01', 1);",
        ["Good news about the studio: she'd be content with 1,400 now, as a deposit."],
        ["id 1: studio | deposit | 1,850 euros"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;"
        + FACTS + "('studio', 'deposit', '1,400 euros', '2026-03-10', 3);",
        "How much is the deposit for the studio?", "1,850", "1,400",
    ),
    "train": Case(
        ["Our train to Ghent leaves at 7:42, platform 9."],
        FACTS + "('train to Ghent', 'leaves_at', '7:42', '2026-04', 1);",
        ["They've rearranged everything for Ghent, so we must be on board by 6:55."],
        ["id 1: train to Ghent | leaves_at | 7:42"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;"
        + FACTS + "('train to Ghent', 'leaves_at', '6:55', '2026-04', 3);",
        "When does our train to Ghent leave?", "7:42", "6:55",
    ),
    "chair": Case(
        ["Rosa Imhof chairs the allotment club."],
        FACTS + "('allotment club', 'chaired_by', 'Rosa Imhof', '2026-01', 1);",
        ["Pavel Dusek got all the votes, so he chairs the allotment club now."],
        ["id 1: allotment club | chaired_by | Rosa Imhof"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;"
        + FACTS + "('allotment club', 'chaired_by', 'Pavel Dusek', '2026-03-10', 3);",
        "Who chairs the allotment club?", "Rosa Imhof", "Pavel Dusek",
    ),
}  # fmt: skip
DELETIONS = {
    "bees": Case(
        ["I keep two hives of buckfast bees behind the shed."],
        FACTS + "('Anna', 'keeps', 'two hives of buckfast bees', '', 1);",
        ["About the bees: that was a story for my nephew, there never was a single hive."],
        ["id 1: Anna | keeps | two hives"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;"
        + FACTS + "('Anna', 'has_no', 'hives', '', 3);",
        "How many hives of bees do I keep?", "two hives",
    ),
    "van": Case(
        ["Leonie lends us her red van on the 28th."],
        FACTS + "('Leonie', 'lends', 'her red van to Anna', '2026-03-28', 1);",
        ["Forget what I said of Leonie and a van, I mixed her up with somebody."],
        ["id 1: Leonie | lends | her red van"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;",
        "Who lends us a van?", "red van",
    ),
    "in one window": Case(
        ["Soup again."],
        "-- none",
        ["My locker at the pool is number 118.", "No, I have no locker there, that's the gym's."],
        [],
        WITH_ENDS + "('Anna', 'locker', 'number 118 at the pool', '2026-03-10', 3);"
        + FACTS + "('Anna', 'has_no', 'locker at the pool', '', 4);",
        "What is the number of my locker at the pool?", "118",
    ),
}  # fmt: skip
CONSEQUENCES = {
    "approved by the lead": Case(
        ["Sara Lindqvist leads our team, so my leave is approved by Sara."],
        FACTS + "('team', 'lead', 'Sara Lindqvist', '2026-01', 1),"
        " ('Anna', 'leave_approved_by', 'Sara Lindqvist, as the lead', '', 1);",
        ["Big news: Tomasz Wilk is the lead of the team now."],
        ["id 1: team | lead | Sara", "id 2: Anna | leave_approved_by | Sara"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;"
        + FACTS + "('team', 'lead', 'Tomasz Wilk', '2026-03-10', 3);"
        + LINK + "(2, 3, 'lead');",
        "Who approves my leave?", "by Sara",
    ),
    "the permit of a street": Case(
        ["I live at 14 Linden Road.", "My parking permit is for zone 4."],
        FACTS + "('Anna', 'address', '14 Linden Road', '', 1),"
        " ('Anna', 'parking_permit', 'zone 4', '', 2);",
        ["The boxes are unpacked: we are at 3 Quay Street since Sunday."],
        ["id 1: Anna | address | 14 Linden Road", "id 2: Anna | parking_permit | zone 4"],
        "UPDATE facts SET ended_on = '2026-03-08' WHERE id = 1;"
        + FACTS + "('Anna', 'address', '3 Quay Street', '2026-03-08', 4);"
        + LINK + "(2, 4, 'address');",
        "For which zone is my parking permit?", "zone 4",
    ),
    "of what is no more": Case(
        ["I've got a membership at Corpo Gym, and locker 118 there."],
        FACTS + "('Anna', 'membership', 'Corpo Gym', '', 1),"
        " ('Anna', 'locker', '118 at Corpo Gym', '', 1);",
        ["I cancelled Corpo Gym."],
        ["id 1: Anna | membership | Corpo Gym", "id 2: Anna | locker | 118"],
        "UPDATE facts SET ended_on = '2026-03-10' WHERE id = 1;"
        + FACTS + "('Anna', 'has_no', 'membership at Corpo Gym', '2026-03-10', 3);"
        + LINK + "(2, 3, 'has_no');",
        "Which locker do I have at Corpo Gym?", "118",
    ),
}  # fmt: skip
CASES = {**UPDATES, **DELETIONS, **CONSEQUENCES}


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        yield opened


def digest(store: Store, case: Case) -> None:
    """Digests what was said in January and then what was said in March."""
    model = scripted_model(
        [([*case.said], sql(case.stored)), ([*case.later, *case.known], sql(case.changed))]
    )
    january = [*case.said, "We had soup, and it rained all day."]
    with Memory(store, model) as memory:
        store.add([Turn("Anna", text, "one", "2026-01-10T10:00:00") for text in january])
        assert memory.digest().stored == 1
        store.add([Turn("Anna", text, "two", "2026-03-10T10:00:00") for text in case.later])
        assert memory.digest().stored == 1
    assert isinstance(model.lm, ScriptedLM)
    model.lm.assert_done()


def lines_with(text: str, value: str) -> list[str]:
    """The lines that give a value, but for those of pairs that nobody has settled."""
    return [line for line in text.splitlines() if value in line and " <-> " not in line]


@pytest.mark.few(4)
@pytest.mark.parametrize("name", CASES)
def test_no_door_gives_what_a_digest_found_over_without_a_mark(store: Store, name: str) -> None:
    case = CASES[name]
    digest(store, case)
    for door, ask in DOORS.items():
        text = ask(store, case.question)
        for line in lines_with(text, case.old):
            assert "[outdated: " in line or "[disputed: " in line, door
        assert case.new in text, door


@pytest.mark.few(4)
@pytest.mark.parametrize("name", CASES)
def test_rows_of_a_question_are_marked_too(store: Store, name: str) -> None:
    case = CASES[name]
    digest(store, case)
    select = "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts LIMIT 30"
    model = scripted_model([([], sql(select)), ([case.new], answer("It depends", "1"))])
    with Memory(store, model) as memory:
        memory.ask(case.question, asker="Anna")
    assert isinstance(model.lm, ScriptedLM)
    shown = model.lm.script.prompts[-1].partition("[[ ## evidence ## ]]")[2]
    for line in lines_with(shown, case.old):
        assert "until 2026-03" in line or "[outdated: " in line or "[disputed: " in line


def test_what_may_rest_on_a_change_is_shown_beside_many_other_facts(store: Store) -> None:
    """The window names neither Sara nor leave: they are a step away, by the lead who goes."""
    said = ["Sara Lindqvist leads the choir board.", "Sara Lindqvist signs for the piano hire."]
    said += [f"We sang song {n} in the church of Brill." for n in range(60)]
    rows = [
        "('choir board', 'lead', 'Sara Lindqvist', '', 1)",
        "('piano hire', 'signed_by', 'Sara Lindqvist', '', 2)",
        *(f"('choir', 'sang', 'song {n} in the church of Brill', '', {n + 3})" for n in range(60)),
    ]
    store.add([Turn("Anna", text, "one", "2026-01-10") for text in said])
    while window := claim_window(store, 100):
        store.write(FACTS + ", ".join(rows), cause="digest", window=window)
    expected = ["id 1: choir board | lead", "id 2: piano hire | signed_by | Sara Lindqvist"]
    model = scripted_model([(expected, sql("-- none"))])
    later = "Tomasz Wilk is the lead of the choir board now, he sang a song in the church of Brill."
    store.add([Turn("Ben", later, "two", "2026-03-10")])
    with Memory(store, model) as memory:
        assert memory.digest().stored == 1


def test_a_dispute_ends_when_a_person_settles_it_and_an_undo_takes_it_back(store: Store) -> None:
    case = CONSEQUENCES["the permit of a street"]
    digest(store, case)

    def marked() -> bool:
        return "[disputed: parking permit zone 4, by turn 4: address 3 Quay Street]" in DOORS[
            "recall"
        ](store, case.question)

    assert marked()
    both = settle(store, 2, 3, right="both")
    assert not marked()
    assert "parking permit" in DOORS["recall"](store, case.question)
    store.undo(both.id)
    assert marked()
    store.undo(next(change.id for change in reversed(store.changes()) if change.window))
    assert not marked()
    assert not open_contradictions(store)


def test_a_later_digest_sees_which_facts_contradict_each_other(store: Store) -> None:
    digest(store, CASES["of what is no more"])
    store.add([Turn("Anna", "Corpo Gym still has my locker, by the way.", "three", "2026-04-01")])
    seen = ["locker | 118 at Corpo Gym | contradicts id 3", "| contradicts id 2"]
    model = scripted_model([(seen, "[[ ## sql ## ]]\n-- none\n\n[[ ## completed ## ]]")])
    with Memory(store, model) as memory:
        assert memory.digest().stored == 1
    assert isinstance(model.lm, ScriptedLM)
    model.lm.assert_done()


def test_a_forgotten_turn_takes_the_dispute_with_it(store: Store) -> None:
    case = CONSEQUENCES["the permit of a street"]
    digest(store, case)
    store.forget([4])
    assert "disputed" not in DOORS["recall"](store, case.question)


def test_the_prompt_asks_for_what_rests_on_a_change() -> None:
    prompt = " ".join((WriteFacts.__doc__ or "").split())
    assert "if both cannot be true, or it may no longer hold" in prompt
