"""Memory end to end over a real store, with a scripted language model."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from memory import InputError, Memory, SqlError, Store, Turn, open_store
from memory.digest.windows import WINDOW_ATTEMPTS
from memory.errors import ModelError
from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.messages import NEAREST_HEAD
from memory.facts import supersede
from memory.program.quotations import NO_TURNS, answer_lines
from memory.records import ABSTAIN
from memory.store.changes.journal import MOST_ENDED
from memory.text.tokens import count_tokens
from tests.conftest import CAT, DOG, INSERT, MOVED
from tests.support.scripted import ScriptedLM, answer, scripted_model, scripted_packaged_model, sql

BOTH_STORES = "slow"

NO_SQL = "[[ ## sql ## ]]\nSELECT nothing FROM nowhere\n\n[[ ## completed ## ]]"


def done(memory: Memory) -> None:
    lm = memory.model.lm
    assert isinstance(lm, ScriptedLM)
    lm.assert_done()


# ---------------------------------------------------------------------------------- digest


def test_a_window_becomes_facts_in_one_call(store: Store) -> None:
    moved = "[1] (Mon 08 May 2017) Anna: I moved to Oslo last Saturday (2017-05-06)!"
    shown = [moved, "[5] (Mon 12 Jun 2017)"]
    memory = Memory(store, model=scripted_model([(shown, sql(f"{MOVED};\n{CAT};\n{DOG};"))]))
    digest = memory.digest()
    assert (digest.stored, digest.failed, digest.facts, digest.calls) == (1, 0, 3, 1)
    assert store.changes()[0].cause == "digest by scripted"
    assert store.pending() == []
    assert memory.digest().calls == 0, "what is stored is not stored again"
    done(memory)


def test_a_computed_date_goes_where_dates_are(store: Store) -> None:
    written = f"{INSERT}('Anna', 'moved_to', 'Oslo last Saturday (2017-05-06)', '', 1)"
    Memory(store, model=scripted_model([([], sql(written))])).digest()
    [fact] = store.facts()
    assert (fact.value, fact.happened_on) == ("Oslo last Saturday", "2017-05-06")


def test_a_window_sees_the_facts_it_may_end_and_the_turns_before_it(store: Store) -> None:
    memory = Memory(store, model=scripted_model([([], sql(MOVED))], window=2))
    memory.digest(max_calls=1)
    known = [fact for fact in store.facts() if fact.attribute == "lives_in"]
    assert [fact.id for fact in known] == [1]
    store.add([Turn("Anna", "I moved to Bergen last weekend.", "s2", said_at="2018-03-07")])
    store.add([Turn("Ben", "Both of you?", "s2", said_at="2018-03-07")])
    ended = (
        "UPDATE facts SET ended_on = '2018-03-03' WHERE id = 1;"
        f"{INSERT}('Anna', 'lives_in', 'Bergen', '2018-03-03/2018-03-04', 6)"
    )
    pairs = [
        (["[[ ## before ## ]]\n[1] (Mon 08 May 2017) Anna: I moved to Oslo"], sql("-- none")),
        (
            ["id 1: Anna | lives_in | Oslo | happened 2017-05-06", "(2018-03-03/2018-03-04)"],
            sql(ended),
        ),
    ]
    memory = Memory(store, model=scripted_model(pairs, window=3))
    assert memory.digest().stored == 2
    done(memory)
    assert [(fact.value, fact.ended_on) for fact in store.facts()] == [
        ("Oslo", "2018-03-03"),
        ("Bergen", ""),
    ]


def test_a_refused_statement_is_the_next_prompt(store: Store) -> None:
    wrong = MOVED.replace(", 1)", ", 77)")
    pairs = [
        (["[1]"], sql(wrong)),
        (["turn 77 is not one of the turns shown", "number in brackets"], sql(MOVED)),
    ]
    memory = Memory(store, model=scripted_model(pairs))
    assert memory.digest().calls == 2
    assert len(store.changes()) == 1
    done(memory)


def test_after_two_repairs_the_window_waits_and_can_be_replayed(store: Store) -> None:
    refused = [(["[1]"], sql("DROP TABLE facts"))] * 3
    memory = Memory(store, model=scripted_model(refused))
    digest = memory.digest()
    assert (digest.stored, digest.failed, digest.calls) == (0, 1, 3)
    [left] = store.pending()
    assert (left.first_turn, left.last_turn, left.attempts) == (1, 5, 1)
    assert "DROP" in left.error
    assert store.changes() == []
    memory = Memory(store, model=scripted_model([(["[1]"], sql(MOVED))]))
    assert memory.digest().stored == 1
    assert store.pending() == []


def test_a_window_that_keeps_failing_waits_to_be_asked_for(store: Store) -> None:
    for _ in range(WINDOW_ATTEMPTS):
        Memory(store, model=scripted_model([(["[1]"], NO_SQL)] * 3)).digest()
    assert Memory(store, model=scripted_model([])).digest().calls == 0
    assert store.pending()[0].attempts == WINDOW_ATTEMPTS
    replayed = Memory(store, model=scripted_model([(["[1]"], sql(MOVED))])).digest(replay=True)
    assert replayed.stored == 1


MANY = INSERT + ", ".join(f"('Anna', 'likes', 'thing {n}', NULL, 1)" for n in range(MOST_ENDED + 1))
END_ALL = "UPDATE facts SET ended_on = '2017-06' WHERE subject = 'Anna'"


def test_what_ends_many_facts_waits_and_its_window_is_stored(store: Store) -> None:
    store.write(MANY, cause="test", window=(1, 3))
    why = "no later turn of Anna's in the window says that it is over"
    pairs = [(["[4]"], sql(f"{END_ALL}; {DOG}")), ([why], sql(END_ALL))]
    digest = Memory(store, model=scripted_model(pairs)).digest()
    assert (digest.stored, digest.failed, digest.facts, digest.calls) == (1, 0, 1, 2)
    assert [fact.value for fact in store.facts() if fact.turn_id == 4] == ["dog Rufus"]
    [held] = store.pending()
    assert held.stored
    assert why in held.error
    assert held.statement.startswith("UPDATE facts SET ended_on = '2017-06' WHERE id = 1 AND")
    assert Memory(store, model=scripted_model([])).digest(replay=True).calls == 0
    assert store.apply_held((4, 5)).facts == MOST_ENDED + 1
    assert all(fact.ended_on for fact in store.facts() if fact.subject == "Anna")
    assert store.pending() == []


def test_a_window_is_lost_to_who_forgets_one_of_its_turns_and_the_digest_goes_on(
    store: Store,
) -> None:
    memory = Memory(store, model=scripted_model([], window=3))

    class Forgetful(ScriptedLM):
        """While it thinks about the first window, another process forgets a turn of it."""

        def __call__(self, *args: object, **kwargs: object) -> object:
            if not self.script.prompts:
                with open_store(store.address) as second:
                    second.forget([2])
            return super().__call__(*args, **kwargs)

    lm = Forgetful([(["[1]"], sql(MOVED)), (["[4]"], sql(DOG))])
    memory.model = replace(memory.model, lm=lm)
    digest = memory.digest()
    assert (digest.stored, digest.failed, digest.calls) == (1, 0, 2)
    assert [(waiting.first_turn, waiting.last_turn) for waiting in store.pending()] == [(1, 3)]
    lm.assert_done()


def test_a_failing_window_does_not_hold_up_the_next(store: Store) -> None:
    pairs = [*[(["[1]"], NO_SQL)] * 3, (["[4]"], sql(DOG))]
    digest = Memory(store, model=scripted_model(pairs, window=3)).digest()
    assert (digest.stored, digest.failed) == (1, 1)


def test_an_interrupted_digest_goes_on_where_it_stopped(store: Store) -> None:
    memory = Memory(store, model=scripted_model([(["[1]"], sql(MOVED))], window=3))

    def interrupt(so_far: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        memory.digest(progress=interrupt)
    assert [change.window for change in store.changes()] == [(1, 3)]
    rest = Memory(store, model=scripted_model([(["[4]"], sql(DOG))], window=3))
    assert rest.digest().stored == 1


def test_a_model_that_fails_stops_the_digest_and_loses_no_window(store: Store) -> None:
    memory = Memory(store, model="openai/none", api_base=None)
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        memory.digest()
    [left] = store.pending()
    assert (left.error, left.attempts) == ("interrupted: ModelError", 0)
    assert Memory(store, model=scripted_model([(["[1]"], sql(MOVED))])).digest().stored == 1


# ------------------------------------------------------------------------------------- ask

PETS = (
    "SELECT turn_id, subject, value, happened_on FROM facts WHERE attribute = 'has_pet'"
    " ORDER BY turn_id"
)


def test_an_answer_names_its_turns_and_shows_the_sql_that_found_them(store: Store) -> None:
    store.write(f"{CAT}; {DOG}", cause="test")
    pairs = [
        (["Which pets", "speakers: Anna(3), Ben(2)"], sql(PETS)),
        (
            ["[3] Anna: Small, but my cat Miso", "I adopted a dog, Rufus."],
            answer("cat Miso, dog Rufus", "3, 4, 99"),
        ),
    ]
    memory = Memory(store, model=scripted_model(pairs))
    told = memory.ask("Which pets do they have?")
    assert told.text == "cat Miso, dog Rufus"
    assert told.turns == (3, 4), "a turn that was not shown cannot be cited"
    assert told.sql == (PETS,)
    assert [(citation.turn_id, citation.sql) for citation in told.citations] == [
        (3, (PETS,)),
        (4, (PETS,)),
    ]
    ranked = [hit.turn_id for hit in store.search("Which pets do they have?")]
    assert [ranked[citation.rank - 1] for citation in told.citations] == [3, 4]
    assert all(citation.shares["words"] > 0 for citation in told.citations)
    assert [len(rows.rows) for rows in told.rows] == [2]
    assert (told.calls, told.refusals) == (2, ())
    assert 0 < told.tokens <= memory.budget
    done(memory)


@pytest.mark.parametrize(
    ("invented", "text", "turns"),
    [
        ("a dog, Rufus", "a dog, Rufus", (4,)),  # these words stand in a turn, which is cited
        ("Likely yes, at Olivia's office", ABSTAIN, ()),
    ],
)
def test_the_packaged_model_is_held_to_the_turns_and_asked_for_no_sql_without_facts(
    store: Store, invented: str, text: str, turns: tuple[int, ...]
) -> None:
    store.add([Turn("Ben", "Did Ben adopt an animal?"), Turn("Miku", ABSTAIN)])
    model = scripted_packaged_model([(["Rufus"], answer(invented, "1"))])
    memory = Memory(store, model=model)
    reply = memory.ask("Which dog did Ben adopt?")
    assert (reply.text, reply.turns) == (text, turns)
    assert (reply.calls, reply.sql, reply.refusals) == (1, (), ())
    assert tuple(citation.turn_id for citation in reply.citations) == turns
    done(memory)


@pytest.mark.slow
def test_the_answering_model_sees_no_more_than_the_budget(address: str) -> None:
    said = [
        Turn("Anna", f"Thing number {n} is blue and old.", said_at="2017-05-08") for n in range(200)
    ]
    for budget in (LEAST_BUDGET, 200, 1000):
        model = scripted_model([([], sql("SELECT * FROM turns")), ([], answer("blue"))])
        with Memory(address, model=model, budget=budget) as memory:
            if budget == LEAST_BUDGET:
                memory.add(said)
            told = memory.ask("What is blue?")
            lm = memory.model.lm
            assert isinstance(lm, ScriptedLM)
            shown = (
                lm.script.prompts[-1].split("[[ ## evidence ## ]]")[1].split("[[ ## ")[0].strip()
            )
            assert budget - 40 < count_tokens(shown) == told.tokens <= budget


def test_where_nothing_answers_the_nearest_turns_are_quoted(store: Store) -> None:
    store.add([Turn("Ben", "Which dog does Ben have?", said_at="2017-06-13")])
    memory = Memory(store, model=scripted_packaged_model([([], answer(ABSTAIN))]))
    told = memory.ask("What is the name of the dog of Ben?")
    assert (told.text, told.turns, told.basis) == (ABSTAIN, (), "quotes")
    [first, *others] = told.quotations
    assert (first.turn_id, first.speaker, first.said_at) == (4, "Ben", "2017-06-12T09:00")
    assert first.text == "I adopted a dog, Rufus."
    assert len(others) <= 4
    assert 6 not in {quoted.turn_id for quoted in told.quotations}, "a question tells nothing"
    assert answer_lines(told)[:2] == [
        NEAREST_HEAD,
        "[4] Ben, 12 Jun 2017: \u201cI adopted a dog, Rufus.\u201d",
    ]


def test_a_quoted_turn_says_what_is_outdated_in_it(store: Store) -> None:
    store.write(MOVED, cause="digest by test")
    supersede(store, 1, "Bergen", since="2018")
    model = replace(scripted_packaged_model([([], answer(ABSTAIN))]), name="local")
    memory = Memory(store, model=model)
    quoted = {quoted.turn_id: quoted for quoted in memory.ask("Is Anna by the sea?").quotations}
    assert quoted[1].mark == "outdated: lives in Oslo until 2018, now Bergen"


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("Which dog did Ben adopt?", "Rufus"),
        ("Which dog did Anna adopt?", "No information available"),
        ("Which dog was adopted?", "Rufus"),
    ],
)
def test_an_answer_is_said_by_whom_the_question_names(
    store: Store, question: str, text: str
) -> None:
    model = scripted_packaged_model([([], answer("Rufus", "4"))])
    memory = Memory(store, model=model)
    assert memory.ask(question).text == text
    done(memory)


def test_a_question_changes_nothing(store: Store, path: Path) -> None:
    store.close()
    before = path.read_bytes()
    model = scripted_model([([], sql(PETS)), ([], answer("nothing"))])
    with open_store(path, read_only=True) as reading:
        Memory(reading, model=model).ask("Which pets?")
    assert path.read_bytes() == before


@pytest.mark.parametrize("when", [datetime(2017, 6, 9, 10, 30), date(2017, 6, 9)])
def test_a_model_is_told_who_asks_and_when(store: Store, when: date) -> None:
    expected = [
        "Where did I move last month (2017-05)?",
        "[[ ## asker ## ]]\nAnna",
        "[[ ## today ## ]]\nFri 09 Jun 2017",
    ]
    pairs = [(expected, sql("SELECT id FROM turns")), (expected, answer("Oslo", "1"))]
    memory = Memory(store, model=scripted_model(pairs))
    assert memory.ask("Where did I move last month?", asker="Anna", now=when).text == "Oslo"


def test_in_a_chat_the_speaker_asks_on_the_day_of_the_message(store: Store) -> None:
    asks = ["last month (2017-05)", "[[ ## asker ## ]]\nAnna", "[[ ## today ## ]]\nFri 09 Jun 2017"]
    said = "[[ ## reply ## ]]\nTo Oslo.\n\n[[ ## turns ## ]]\n1\n\n[[ ## completed ## ]]"
    pairs = [(asks, sql("-- none")), (["(Fri 09 Jun 2017) Anna: Where did I"], said)]
    memory = Memory(store, model=scripted_model(pairs))
    message = Turn("Anna", "Where did I move last month?", said_at="2017-06-09T10:00")
    assert "".join(memory.reply(message)) == "To Oslo."
    done(memory)


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_an_input_error(store: Store, question: str) -> None:
    with pytest.raises(InputError, match="empty"):
        Memory(store, model=scripted_model([])).ask(question)


@pytest.mark.parametrize(("now", "advice"), [("banana", "no date"), ("2017-06", "no day")])
def test_a_question_is_asked_on_a_day(store: Store, now: str, advice: str) -> None:
    with pytest.raises(InputError, match=f"'{now}' is {advice}; write 2026-11-25"):
        Memory(store, model=scripted_model([])).ask("Which?", now=now)


def test_a_budget_too_small_for_one_turn_is_refused_before_the_file_is_made(path: Path) -> None:
    with pytest.raises(InputError, match=f"at least {LEAST_BUDGET}"):
        Memory(path, model=scripted_model([]), budget=LEAST_BUDGET - 1)
    assert not path.exists()


def test_odd_questions_are_only_questions(store: Store) -> None:
    for question in ("'; DROP TABLE turns; --", "🎉" * 50, "(((", '"', "شكرا", "x" * 5000):
        model = scripted_model(
            [([], sql("SELECT 1 AS one")), ([], answer("No information available"))]
        )
        assert Memory(store, model=model).ask(question).turns == ()
    with pytest.raises(SqlError):
        store.read("SELECT * FROM search('', 5)")


def test_a_memory_without_turns_abstains_and_asks_nobody_for_an_answer(address: str) -> None:
    with open_store(address) as empty:
        memory = Memory(empty, model=scripted_model([([], sql("SELECT value FROM facts"))]))
        told = memory.ask("Where does Maria live?")
        done(memory)
    assert (told.text, told.turns, told.calls) == ("No information available", (), 1)
    assert (told.basis, answer_lines(told)) == ("none", [NO_TURNS])
