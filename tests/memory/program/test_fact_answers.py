"""Questions that facts decide: what each kind is told, and what is left to the turns."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from memory import Memory, Store, Turn, open_store
from memory.facts import correct, supersede
from memory.program.fact_answers import answer_by_facts
from tests.support.scripted import scripted_packaged_model

TODAY = "2026-11-22"
# subject, attribute, value, happened_on, ended_on
FACTS = (
    ("Mara", "lives_in", "Braga", "2019-06", "2025-03-03"),
    ("Mara", "lives_in", "Porto", "2025-03-03", ""),
    ("Mara", "works_as", "baker", "2021-01-01", "2026-11-13"),
    ("Mara", "age", "41", "2026-05-02", ""),
    ("Mara", "went_running", "5 km", "2026-11-03", ""),
    ("Mara", "went_running", "8 km", "2026-11-10", ""),
    ("Mara", "went_running", "3 km", "2026-10-20", ""),
    ("Mara", "read", "The Salt Ledger", "2026-02", ""),
    ("Mara", "read", "Night Ferry", "2026-08", ""),
    ("Mara", "allergic_to", "hazelnuts", "", ""),
    ("Mara", "has_pet", "a tortoise called Otto", "2020", ""),
    ("Mara", "plays_instrument", "cello", "", "2024-06-30"),
    ("Mara", "partner", "Joaquim", "2023-04-01", ""),
    ("Mara", "took", "Otto to the vet", "2026-09-14", ""),
    ("Mara", "plans_to_move_to", "Porto", "2025-02-01", "2025-03-03"),
    ("Mara", "has_sister", "Elena", "", ""),
    ("Mara", "stopped", "smoking", "2026-01-01", ""),
    ("Mara", "bought", "a blue bicycle", "2026-04-11", ""),
    ("Mara", "sold", "the blue bicycle", "2026-10-02", ""),
    ("Mara", "joined", "the rowing club", "2026-01-10", "2026-09-01"),
    ("Mara", "left", "the rowing club", "2026-09-01", ""),
    ("Mara", "birthday", "2 May", "", ""),
    ("Mara", "appointment", "dentist", "2026-12-03", ""),
    ("Mara", "watched", "a film about whales", "2026-07-12", ""),
    ("Elena", "lives_in", "Faro", "2022", ""),
    ("Elena", "works_as", "nurse", "", ""),
    ("Ilka", "allergic_to", "cats", "", ""),
    ("Ilka", "lives_in", "Gdansk", "2018", ""),
    ("Ilka", "born_in", "Sopot", "", TODAY),
    ("Ilka", "born_in", "Gdynia", TODAY, ""),
    ("Ilka", "birthday", "4 March", TODAY, ""),
    ("Ilka", "wedding", "in Sopot", "2027-06-12", ""),
    ("Ilka", "appointment", "wedding", "2026-09-19", ""),
    ("Ilka", "learns", "Danish", "", ""),
    ("Juno", "has_pet", "dog", "", ""),
    ("Juno", "put_up", "kayak in the rafters", "2026-10-25", ""),
    ("Juno", "is_moving_out", "at the end of the month", "", ""),
    ("Juno", "plays", "in a band called Windrow", "", ""),
)


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with open_store(str(path)) as opened:
        opened.add([Turn("Mara", "All of it.", said_at="2026-11-20T18:00")])
        rows = (
            ", ".join(f"'{text}'" if text else "NULL" for text in fact) + ", 1" for fact in FACTS
        )
        opened.write(
            "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id)"
            f" VALUES ({'), ('.join(rows)})",
            cause="test",
        )
        yield opened


def told(store: Store, question: str) -> str | None:
    answer = answer_by_facts(question, TODAY, read=store.read, vocabulary=store.vocabulary())
    return answer and answer.text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # now and then
        ("Where does Mara live?", "Porto, since 3 March 2025; before that Braga"),
        ("Where does Mara live now?", "Porto, since 3 March 2025; before that Braga"),
        ("Where did Mara live in 2022?", "Braga, since June 2019, until 3 March 2025"),
        ("Where did Mara live before?", "Braga, since June 2019, until 3 March 2025"),
        ("Where did Mara live before Porto?", "Braga, since June 2019, until 3 March 2025"),
        ("What is Mara's job?", "no more baker: until 13 November 2026"),
        ("How old is Mara?", "41, since 2 May 2026"),
        ("Who is Mara dating?", "Joaquim, since 1 April 2023"),
        # lists and counts
        ("Which books did Mara read?", "The Salt Ledger, Night Ferry"),
        ("Which books did Mara read in August 2026?", "Night Ferry, August 2026"),
        (
            "How often did Mara go running in November?",
            "2 (5 km, 3 November 2026; 8 km, 10 November 2026)",
        ),
        ("How many times did Mara go running in September 2026?", "0"),
        ("What allergies do Mara and Ilka have?", "Mara: hazelnuts; Ilka: cats"),
        ("Which pets does Mara have?", "a tortoise called Otto, 2020"),
        ("Which instrument does Mara play?", "none any more; cello until 30 June 2024"),
        # first and last, when, how long
        ("When did Mara last go running?", "8 km, 10 November 2026"),
        ("What did Mara read first?", "The Salt Ledger, February 2026"),
        ("When did Mara move to Porto?", "3 March 2025"),
        ("When did Mara take Otto to the vet?", "14 September 2026"),
        ("When will Ilka's wedding be?", "12 June 2027"),
        ("How long has Mara lived in Porto?", "1 year and 8 months (since 3 March 2025)"),
        (
            "How long did Mara live in Braga?",
            "5 years and 9 months (since June 2019 until 3 March 2025)",
        ),
        (
            "How long have Mara and Joaquim been together?",
            "3 years and 7 months (since 1 April 2023)",
        ),
        # yes or no, who, where
        ("Is Mara allergic to hazelnuts?", "Yes: hazelnuts"),
        ("Does Mara still play the cello?", "No, not any more: cello until 30 June 2024"),
        ("Who is allergic to cats?", "Ilka"),
        ("Where will Ilka's wedding be?", "in Sopot, 12 June 2027"),
        ("Where does Mara's sister live?", "Elena: Faro, since 2022"),
        ("What is Mara's sister called?", "Elena"),
        ("Who is a nurse?", "Elena"),
        ("Is Mara a baker?", "No, not any more: baker until 13 November 2026"),
        ("Was Mara ever a baker?", "Yes: baker, 1 January 2021"),
        ("What does Mara do for a living?", "no more baker: until 13 November 2026"),
        ("What was Mara's previous job?", "baker, since 1 January 2021, until 13 November 2026"),
        ("Does Mara still smoke?", "No, not any more: stopped smoking, 1 January 2026"),
        (
            "Does Mara still have the blue bicycle?",
            "No, not any more: sold the blue bicycle, 2 October 2026",
        ),
        ("When is Mara's birthday?", "2 May"),
        ("Where was Ilka born?", "Gdynia"),
        ("When is Ilka's birthday?", "4 March"),
        ("When is Mara's next appointment?", "dentist, 3 December 2026"),
        ("When was Ilka's wedding appointment?", "19 September 2026"),
        ("Has Mara moved?", "Yes: Porto, 3 March 2025"),
        ("Which books has Mara read since June 2026?", "Night Ferry, August 2026"),
        # what facts do not say is left to the turns
        ("Is Mara allergic to cats?", None),
        ("Is Mara allergic to mango?", None),
        ("Where does Otto live?", None),
        ("How old is Ilka?", None),
        ("Which instrument does Ilka play?", None),
        ("What did Mara cook?", None),
        ("How many times did Mara go running before the race?", None),
        ("Whose dog is Waldo?", None),
        ("Where has Juno been out with the kayak?", None),
        ("What instrument does Juno play?", None),
        ("When did Juno move out?", None),  # she was going to
        ("When was Ilka's dentist appointment?", None),
        ("When was Ilka's first Danish lesson?", None),  # not when she told of learning it
        ("Why does Mara live in Porto?", None),
        ("How does Mara feel about Otto?", None),
        ("What did Mara say about her tortoise?", None),  # not that she has one
        ("How did Mara train her tortoise?", None),
        ("How is Mara's tortoise doing?", None),
        ("What is Mara's brother called?", None),
        ("What?", None),
    ],
)  # fmt: skip
def test_facts_decide_what_they_say_and_nothing_else(
    store: Store, question: str, answer: str | None
) -> None:
    assert told(store, question) == answer


def test_a_month_without_a_year_is_the_latest_that_has_begun(store: Store) -> None:
    assert told(store, "How often did Mara go running in December?") == "0"
    assert told(store, "Which books did Mara read in February?") == "The Salt Ledger, February 2026"


def test_a_fact_may_tell_of_several_times(store: Store) -> None:
    store.write(
        "INSERT INTO facts (subject, attribute, value, happened_on, turn_id)"
        " VALUES ('Mara', 'went_to', 'dentist twice', '2026-11', 1),"
        " ('Mara', 'went_to', 'dentist', '2026-09-03', 1),"
        " ('Mara', 'went_to', 'dentist three times', '2025-02', 1)",
        cause="test",
    )
    assert (told(store, "How often did Mara go to the dentist?") or "").startswith("6 (")
    answer = told(store, "How many times did Mara go to the dentist in November?")
    assert answer == "2 (dentist twice, November 2026)"


def test_the_attributes_of_an_application_are_asked_by_their_other_names(store: Store) -> None:
    store.write(
        "INSERT INTO facts (subject, attribute, value, turn_id)"
        " VALUES ('Mara', 'hometown', 'Viseu', 1)",
        cause="test",
    )
    assert told(store, "What is Mara's hometown?") == "Viseu"


def test_a_fact_that_a_person_corrected_is_the_answer_at_every_door(store: Store) -> None:
    model = scripted_packaged_model([])  # nothing is asked
    [tortoise] = [fact for fact in store.facts() if fact.value == "a tortoise called Otto"]
    supersede(store, tortoise.id, "a turtle called Otto", by="Mara")
    with Memory(store, model=model) as memory:
        answer = memory.ask("What pets do I have?", asker="Mara")
        assert answer.text.startswith("a turtle called Otto")
        [turn_id] = answer.turns
        assert "turtle" in store.turn(turn_id).text
        assert "has_pet" in answer.sql[0]
        assert answer.rows[0].rows
        reply = memory.reply(Turn("Mara", "What pets do I have?"))  # now, as the correction was
        assert "".join(reply).startswith("a turtle called Otto")


def test_an_undone_correction_is_no_answer_any_more(store: Store) -> None:
    [pet] = [fact for fact in store.facts() if fact.value == "a tortoise called Otto"]
    change = correct(store, pet.id, value="a turtle called Otto", by="Mara")
    assert told(store, "Which pets does Mara have?") == "a turtle called Otto, 2020"
    store.undo(change.id)
    assert told(store, "Which pets does Mara have?") == "a tortoise called Otto, 2020"


@pytest.mark.slow
def test_a_hostile_question_stays_inside_its_select(store: Store) -> None:
    for question in (
        "Where does Mara' OR 1 = 1 -- live?",
        "Which books %_\\ did Mara'); DELETE FROM facts; -- read?",
        "Where does " + "Mara " * 5_000 + "live?",
    ):
        told(store, question)
    assert len(store.facts()) == len(FACTS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # words that mean nearly the same, classes, a title with a surname
        ("What does Ilka carry?", "flowers"),
        ("Which cats has Ilka had?", "Mog, a cat"),
        ("Where did Mr Tarrow fall?", "outside the library, 4 May 2025"),
        ("Where is Mog buried?", "under the plum tree"),
        ("Has Mr Tarrow ever lent the kayak?", "Yes: the kayak, to Ben, April 2025"),
        # states that change, begin and end
        (
            "How has what Mr Tarrow eats changed?",
            "soft food, since January 2025, until 1 March 2025; normal food, since 1 March 2025",
        ),
        ("What was Mr Tarrow's last day at the archive?", "30 April 2025"),
        ("When did Mr Tarrow start at the vet's?", "13 May 2025"),
        ("What has Mr Tarrow lent that has not come back?", "the kayak, to Ben, April 2025"),
        ("Does Mr Tarrow eat gammon?", None),
        ("Does Ilka eat gammon?", "No: no meat, 1 January 2025"),
        # from one event to another
        (
            "How long after his stroke did Mr Tarrow come home?",
            "34 days (2 December 2024 to 5 January 2025)",
        ),
        (
            "How many falls has Mr Tarrow had since he came home?",
            "1 (outside the library, 4 May 2025), since 5 January 2025",
        ),
        # of each, and of the asker's people
        ("Who is allergic to what?", "Ilka: cats; Jonas Tarrow: penicillin"),
        ("Who looks after our boiler?", "Ger, April 2025"),
        # what nobody told, or another
        ("Which car does Mr Tarrow drive?", None),
        ("What is Ilka's brother called?", None),
        ("Do we have a car?", None),
    ],
)
def test_words_that_no_table_foresees_are_matched(
    path: Path, question: str, answer: str | None
) -> None:
    facts = (
        ("Ilka", "transports", "flowers", "", ""),
        ("Ilka", "has_pet", "Mog, a cat", "", ""),
        ("Ilka", "has_sister", "Ada", "", ""),
        ("Ilka", "allergic_to", "cats", "", ""),
        ("Ilka", "diet", "no meat", "2025-01-01", ""),
        ("Ilka", "boiler_engineer", "Ger", "2025-04", ""),
        ("Ilka", "bought", "a cargo bike", "2025-03-09", ""),
        ("Mog", "buried", "under the plum tree", "", ""),
        ("Jonas Tarrow", "allergic_to", "penicillin", "", ""),
        ("Jonas Tarrow", "had_stroke", "a stroke", "2024-12-02", ""),
        ("Jonas Tarrow", "came_home", "from hospital", "2025-01-05", ""),
        ("Jonas Tarrow", "fell", "outside the library", "2025-05-04", ""),
        ("Jonas Tarrow", "diet", "soft food", "2025-01", "2025-03-01"),
        ("Jonas Tarrow", "diet", "normal food", "2025-03-01", ""),
        ("Jonas Tarrow", "works_at", "the archive", "", "2025-04-30"),
        ("Jonas Tarrow", "works_at", "the vet's", "2025-05-13", ""),
        ("Jonas Tarrow", "lent", "the drill, to Con", "2025-02", "2025-03"),
        ("Jonas Tarrow", "lent", "the kayak, to Ben", "2025-04", ""),
    )
    with open_store(str(path)) as store:
        store.add([Turn("Ilka", "All of it.", said_at="2025-06-20T18:00")])
        for fact in facts:
            values = ", ".join("'{}'".format(t.replace("'", "''")) if t else "NULL" for t in fact)
            store.write(
                "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id)"
                f" VALUES ({values}, 1)",
                cause="test",
            )
        told_answer = answer_by_facts(
            question, "2025-06-22", read=store.read, vocabulary=store.vocabulary(), asker="Ilka"
        )
    assert (told_answer and told_answer.text) == answer


@pytest.mark.slow
@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # a turn tells of a run that has no fact, and none tells of another allergy
        ("How often did Mara go running?", None),
        ("How often did Mara go running in October?", None),
        ("What is Mara allergic to?", "hazelnuts"),
        ("Where does Mara live?", None),  # a later turn speaks of where she lives
        # what a later turn tells changes none of these
        ("Where did Mara live in 2022?", "Braga, since June 2019, until 3 March 2025"),
        ("When did Mara first go running?", "5 km, 3 November 2026"),
        ("When did Mara last go running?", None),
        ("Did Mara go running?", "Yes: 5 km, 3 November 2026"),
        ("How old is Mara?", None),  # told a year and a half ago
        ("Does Mara still play the cello?", "No, not any more: cello until 30 June 2026"),
        ("Where does Mara work?", "the archive, since 3 March 2026; before that the bakery"),
        ("What is the name of Mara's dog?", "Bramble"),
    ],
)
def test_noted_facts_decide_where_no_other_turn_speaks_of_the_same(
    path: Path, question: str, answer: str | None
) -> None:
    turns = [
        Turn("Mara", "All of it.", said_at="2025-05-20T18:00"),
        Turn("Mara", "I was out for a run in the rain.", said_at="2026-11-20T18:00"),
        Turn("Mara", "I am living by the river these days.", said_at="2026-11-20T18:01"),
    ]
    facts = (
        ("went_running", "5 km", "2026-11-03", ""),
        ("allergic_to", "hazelnuts", "", ""),
        ("lives_in", "Braga", "2019-06", "2025-03-03"),
        ("lives_in", "Porto", "2025-03-03", ""),
        ("age", "41", "", ""),
        ("plays_instrument", "cello", "", "2026-06-30"),
        ("works_at", "the bakery", "", "2026-03-03"),
        ("works_at", "the archive", "2026-03-03", ""),
        ("has_pet", "a spaniel, Bramble", "2024-04", ""),
    )
    with open_store(str(path)) as store:
        store.add(turns)
        for attribute, value, happened_on, ended_on in facts:
            dates = ", ".join(f"'{day}'" if day else "NULL" for day in (happened_on, ended_on))
            store.write(
                "INSERT INTO facts (subject, attribute, value, happened_on, ended_on, turn_id)"
                f" VALUES ('Mara', '{attribute}', '{value}', {dates}, 1)",
                cause="test",
            )
        answers = [
            answer_by_facts(
                question, TODAY, read=store.read, vocabulary=store.vocabulary(), noted=noted
            )
            for noted in (set, lambda ids: set())
        ]
    by_rules, by_person = (answered and answered.text for answered in answers)
    assert by_rules == answer
    assert by_person is not None


def test_a_state_without_a_day_that_replaced_another_began_when_that_one_ended(
    path: Path,
) -> None:
    days = ("2026-06-03", "2026-08-02", "2026-09-20")
    weights = (("94 kg", "'2026-08-02'"), ("91 kg", "'2026-09-20'"), ("88 kg", "NULL"))
    with open_store(str(path)) as store:
        turn_ids = store.add([Turn("Emil", "All of it.", said_at=f"{day}T18:00") for day in days])
        for turn_id, (value, ended_on) in zip(turn_ids, weights, strict=True):
            store.write(
                "INSERT INTO facts (subject, attribute, value, ended_on, turn_id)"
                f" VALUES ('Emil', 'weight', '{value}', {ended_on}, {turn_id})",
                cause="test",
            )
        answers = [
            told(store, f"What was Emil's weight in {month} 2026?") for month in ("July", "October")
        ]
    assert answers[0] is not None
    assert answers[0].startswith("94 kg")
    assert "91" not in answers[0]
    assert answers[1] is not None
    assert answers[1].startswith("88 kg")
    assert "94" not in answers[1]


@pytest.mark.parametrize(
    ("fact", "question", "answer"),
    [
        # neither "house" nor "at home" is a place where somebody lives
        (("Wen", "moved", "house"), "Where does Wen live now?", None),
        (("Wen", "is", "at home"), "Where was Wen living in August 2025?", None),
        # "a new doctor" names nobody
        (("Wen", "has_doctor", "new doctor"), "Who was Wen's first doctor?", None),
        (
            ("Wen", "has_doctor", "Dr Lund"),
            "Who was Wen's first doctor?",
            "Dr Lund, 31 August 2025",
        ),
        # what was made for Wen is not what Wen made
        (("Kim", "made", "Wen a cake"), "What has Wen made?", None),
        (("Wen", "made", "a cake"), "What has Wen made?", "a cake"),
    ],
)
def test_a_fact_answers_what_it_tells_and_of_whom(
    path: Path, fact: tuple[str, str, str], question: str, answer: str | None
) -> None:
    subject, attribute, value = fact
    with open_store(str(path)) as store:
        store.add([Turn("Wen", "All of it.", said_at="2025-08-31T08:20")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            f" VALUES ('{subject}', '{attribute}', '{value}', 1)",
            cause="test",
        )
        assert told(store, question) == answer


def test_one_noted_fact_is_a_part_of_a_list(path: Path) -> None:
    with open_store(str(path)) as store:
        store.add([Turn("Wen", "All of it.", said_at="2025-08-31T08:20")])
        for subject, value in (("Wen", "a cat"), ("Kim", "a dog"), ("Kim", "a parrot")):
            store.write(
                "INSERT INTO facts (subject, attribute, value, turn_id)"
                f" VALUES ('{subject}', 'has_pet', '{value}', 1)",
                cause="test",
            )

        def noted(question: str) -> str | None:
            answer = answer_by_facts(
                question, TODAY, read=store.read, vocabulary=store.vocabulary(), noted=set
            )
            return answer and answer.text

        assert noted("Which pets has Wen had?") == "a cat, perhaps more"
        assert noted("What pets does Wen have?") == "a cat, perhaps more"
        assert noted("What pets did Wen have in 2025?") is None
        assert noted("Which pets has Kim had?") == "a dog, a parrot"
        assert told(store, "Which pets has Wen had?") == "a cat"


def test_what_has_been_going_on_is_as_long_as_it_lasts(path: Path) -> None:
    with open_store(str(path)) as store:
        store.add([Turn("Wen", "I've been learning Greek.", said_at="2025-08-31T08:20")])
        store.write(
            "INSERT INTO facts (subject, attribute, value, happened_on, turn_id)"
            " VALUES ('Wen', 'learns', 'Greek', '2025-05', 1)",
            cause="test",
        )

        def noted(question: str) -> str | None:
            answer = answer_by_facts(
                question, "2025-09-20", read=store.read, vocabulary=store.vocabulary(), noted=set
            )
            return answer and answer.text

        lasting = "4 months (since May 2025)"
        assert noted("How long has Wen been learning Greek?") == lasting
        assert noted("How long did Wen learn Greek?") is None


def test_what_somebody_has_left_is_no_yes_to_whether_it_still_is(store: Store) -> None:
    still = told(store, "Is Mara still in the rowing club?")
    assert still is not None
    assert still.startswith("No, not any more: ")
    left = told(store, "Has Mara left the rowing club?")
    assert left is not None
    assert left.startswith("Yes: ")
