"""Standing answers: kept when asked for, stale with what is new, made anew by a digest."""

import pytest

from memory import Memory, Store, Turn
from memory.errors import InputError
from memory.injection import inject
from memory.noting import note_turns
from memory.records import StandingAnswer
from memory.standing_answers import (
    ANSWER_TOKENS,
    SHOWN_HEAD,
    answer_line,
    answers_for,
    people,
    person_asked_for,
    profile_of,
    standing_answers,
)
from memory.tokens import count_tokens
from tests.conftest import MOVED
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"
WHERE = "Where does Anna live?"
BERGEN = Turn("Anna", "I live in Bergen now, the moving van left.", "s3", "2018-02-03")
NO_ROWS = sql("SELECT id FROM turns WHERE id = 0")


def kept(store: Store, question: str = WHERE, text: str = "In Oslo.", *turns: int) -> None:
    last_turn, last_change = store.newest()
    store.set_answer(
        StandingAnswer(
            question,
            text,
            turns,
            answered_at="2017-07-01T10:00",
            last_turn=last_turn,
            last_change=last_change,
        )
    )


def staleness(store: Store) -> list[str]:
    return [answer.stale for answer in standing_answers(store)]


def test_an_answer_is_kept_and_read_without_a_model(store: Store) -> None:
    model = scripted_model([(WHERE, NO_ROWS), (WHERE, answer("Oslo", "1"))])
    kept_answer = Memory(store, model).keep(f"  {WHERE}", asker="Ben")
    assert (kept_answer.text, kept_answer.turns, kept_answer.asker) == ("Oslo", (1,), "Ben")
    assert kept_answer.last_turn == 5
    [read] = Memory(store, scripted_model([])).answers()
    assert read == kept_answer
    assert read.stale == ""


def test_newer_turns_that_speak_of_it_make_it_stale(store: Store) -> None:
    kept(store)
    store.add([Turn("Ben", "What a nice day.", "s3", "2018-02-01")])
    assert staleness(store) == [""]
    store.add([Turn("Ben", "So Anna does live there?", "s3", "2018-02-02"), BERGEN])
    assert staleness(store) == ["a newer turn speaks of it since 2018-02-02"]
    note_turns(store)  # "I" is Anna in the fact
    assert staleness(store) == ["2 newer turns speak of it since 2018-02-02"]
    kept(store, "Who has a dog?", "")
    assert "not answered yet" in staleness(store)


def test_a_digest_asks_again_for_what_is_stale_and_for_nothing_else(store: Store) -> None:
    kept(store, WHERE, "In Oslo.", 1)
    kept(store, "Who has a dog?", "Ben.", 4)
    for window in iter(lambda: store.claim(16), None):
        store.write("-- none", "test", window=window)
    store.add([BERGEN])
    model = scripted_model(
        [
            (
                BERGEN.text,
                sql(
                    "INSERT INTO facts (subject, attribute, value, turn_id)"
                    " VALUES ('Anna', 'lives_in', 'Bergen', 6)"
                ),
            ),
            (WHERE, NO_ROWS),
            (WHERE, answer("In Bergen", "6")),
        ]
    )
    digest = Memory(store, model).digest()
    assert (digest.answers, digest.facts) == (1, 1)
    assert [(a.question, a.text, a.stale) for a in standing_answers(store)] == [
        (WHERE, "In Bergen", ""),
        ("Who has a dog?", "Ben.", ""),
    ]
    assert store.changes()[-1].cause == "answer by digest"
    store.undo(store.changes()[-1].id)
    assert standing_answers(store)[0].text == "In Oslo."


def test_a_digest_keeps_to_its_calls(store: Store) -> None:
    kept(store, text="")
    for window in iter(lambda: store.claim(16), None):
        store.write("-- none", "test", window=window)
    assert Memory(store, scripted_model([])).digest(max_calls=0).answers == 0


def test_a_corrected_fact_makes_its_answer_stale(store: Store) -> None:
    store.write(MOVED, "test")
    kept(store, WHERE, "In Oslo.", 1)
    assert staleness(store) == [""]
    store.write("UPDATE facts SET value = 'Bergen' WHERE turn_id = 1", "test", by_person=True)
    assert staleness(store)[0].startswith("a fact it cites changed on 20")


def test_rules_tell_a_person_by_facts_and_a_story_by_turns(store: Store) -> None:
    memory = Memory(store)
    profile = memory.keep(profile_of("Ben"))
    assert profile.text == "has pet: Rufus, a dog"
    assert profile.turns == (4,)
    story = memory.keep("Give me a summary of the flat.")
    assert "[3]" in story.text or "[2]" in story.text
    assert set(story.turns) <= {1, 2, 3, 4, 5}
    assert count_tokens(story.text) <= ANSWER_TOKENS


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("What is Anna like?", "Anna"),
        ("Who is Mary Jane Watson?", "Mary Jane Watson"),
        ("tell me about Zoë", "Zoë"),
        ("What is the plan like?", ""),
        ("What is Anna's dog like?", ""),
        ("Where does Anna live?", ""),
    ],
)
def test_a_question_for_a_whole_person_is_told_by_its_words(question: str, name: str) -> None:
    assert person_asked_for(question) == name


def test_profiles_are_of_people(store: Store) -> None:
    store.add([Turn("Assistant", "Hello."), Turn("Aria", "Hello.")])
    store.set("character", "Aria")
    assert people(store) == ["Anna", "Ben"]


def test_a_context_shows_the_answer_that_a_message_touches(store: Store) -> None:
    kept(store, WHERE, "In Oslo.", 1)
    kept(store, "Who has a dog?", "Ben.", 4)
    store.add([BERGEN])
    note_turns(store)
    injected = inject(store, "Does Anna still live by the sea?")
    [line] = [answer_line(a) for a in standing_answers(store) if a.question == WHERE]
    assert injected.text.startswith(f"{SHOWN_HEAD}\n{line}\n")
    assert "(as of 2017-07-01; a fact it cites changed on 20" in line
    assert "Who has a dog?" not in injected.text
    assert injected.tokens == count_tokens(injected.text)
    small = inject(store, "Does Anna still live by the sea?", budget=100)
    assert small.tokens <= 100
    assert SHOWN_HEAD not in small.text


def test_an_answer_is_kept_in_one_memory(store: Store) -> None:
    with pytest.raises(InputError, match="the question is empty"):
        Memory(store, scripted_model([])).keep(" ")


def test_a_message_that_touches_no_kept_question_reads_no_turns(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept(store)
    store.add([BERGEN])
    note_turns(store)
    [touched] = answers_for(store, "Where does Anna live now?")
    assert touched.stale
    monkeypatch.setattr(store, "turns", None)
    assert answers_for(store, "What is a good soup?") == []
