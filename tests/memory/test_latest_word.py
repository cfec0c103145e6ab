"""Nothing derived is shown without the later turn of its speaker that speaks of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from memory import Memory, Store, Turn, open_store
from memory.facts import find, newer_words
from memory.facts.latest_word import latest_words
from memory.operations.tools import memory_tools
from tests.support.scripted import scripted_model, sql

BOTH_STORES = "slow"
NOW = "2026-02-01"


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    """A memory without turns."""
    with open_store(address) as store:
        yield store


def told(store: Store, *texts: str) -> Memory:
    """What Anna says, a month after the other."""
    memory = Memory(store)
    memory.add(
        [
            Turn("Anna", text, f"month {month}", f"2025-{month:02}-01")
            for month, text in enumerate(texts, 1)
        ]
    )
    return memory


def about_anna(memory: Memory) -> str:
    block = memory.context("Any ideas for tonight?", speaker="Anna", now=NOW).text
    return (
        block.partition("About the asker:")[2]
        .partition("What was said:")[0]
        .removesuffix("</memory>")
    )


def test_two_long_messages_are_compared_in_bounded_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of many sentences with each of another message took 26 s of a processor."""
    compared: list[int] = []

    def restated(turns: Sequence[Turn], question: str) -> Any:
        compared.append(max(len(turn.text) for turn in turns))
        return {}

    monkeypatch.setattr(newer_words, "restated", restated)
    with Memory(store) as memory:
        for end in ("", "Again."):
            memory.add(Turn("Ben", "I moved to Oslo. " * 300 + end))
    assert 0 < len(compared) <= 1_000
    assert max(compared) <= 2_000


def test_the_same_sentence_with_another_value_gives_the_new_one(store: Store) -> None:
    memory = told(store, "I live in Oslo.", "I live in Ulm now, the move was tiring.")
    assert "[2] lives in Ulm; before: Oslo" in about_anna(memory)
    answer = memory.ask("Where do I live?", asker="Anna", now=NOW)
    assert answer.text == "Ulm, said 1 February 2025; before that Oslo"
    assert answer.turns == (1, 2)


LATER = [
    ("My girlfriend is called Mia.", "mia and me split up"),
    ("I'm allergic to walnuts.", "The tests came back, no more trouble with walnuts!"),
    ("I work at Nokia.", "Nokia laid off half of us, me too."),
    ("I live in Graz.", "we left graz in august, linz is home now"),
    ("I work at Siemens.", "Last day at Siemens today, cake and tears."),
]


@pytest.mark.parametrize(("first", "later"), LATER)
def test_a_word_of_change_about_the_value_stands_beside_the_fact(
    store: Store, first: str, later: str
) -> None:
    memory = told(store, first, "The bus was late.", later)
    assert f'; later, turn 3, 1 Mar 2025: "{later}"' in about_anna(memory)


UNNAMED = [
    ("I live in Oslo.", "The movers left, our new flat still smells of paint.", "Where do I live?"),
    ("I work at Nokia.", "My first day at the new company was fun.", "Where do I work?"),
    ("I'm vegan.", "I eat meat again.", "What is my diet?"),
    ("I have a dog called Rex.", "We buried Rex in the garden.", "What pets do I have?"),
    # Names and a second clause are near to nothing.
    (
        "I work at Nokia.",
        "Started at Rheinmetall this morning, the coffee is terrible.",
        "Where do I work?",
    ),
    (
        "I live in Oslo.",
        "First week in Bergen done, the garden is two streets from the beach.",
        "Where do I live?",
    ),
    ("I live in Bergen.", "I'm back in Oslo.", "Where do I live?"),
    # Near to no sentence of change, but with the value or another place.
    ("I live in Oslo.", "Post for us goes to Bergen now, the flat is smaller.", "Where do I live?"),
    (
        "My boyfriend is called Mateo.",
        "Three weeks without Mateo, and I sleep better.",
        "Who is my boyfriend?",
    ),
    # The quotation is the whole turn if that is short.
    (
        "I have a rabbit called Clover.",
        "The vet came. We had to let Clover go.",
        "What pets do I have?",
    ),
]


@pytest.mark.parametrize(("first", "later", "question"), UNNAMED)
def test_a_turn_that_speaks_of_a_change_and_names_nothing_stands_beside_the_answer(
    store: Store, first: str, later: str, question: str
) -> None:
    memory = told(store, first, "The bus was late.", later, "It rains again.")
    answer = memory.ask(question, asker="Anna", now=NOW)
    assert f'later, 1 March 2025: "{later}"' in answer.text
    assert answer.turns == (1, 3)


def test_a_turn_that_is_shown_has_the_latest_word_on_its_fact(store: Store) -> None:
    memory = told(
        store, "I have a dog called Rex.", "The bus was late.", "We buried Rex in the garden."
    )
    block = memory.context("Tell me something.", speaker="Anna", now=NOW, gate=False).text
    [line] = [line for line in block.splitlines() if line.startswith("[1]")]
    assert "[later, turn 3, 1 Mar 2025:" in line


def test_every_list_of_facts_has_the_latest_word_on_them(store: Store) -> None:
    memory = told(store, "I have a dog called Rex.", "We buried Rex in the garden.")
    later = 'later, turn 2, 1 Feb 2025: "We buried Rex in the garden."'
    asked = "What do you know about me?"
    assert later in memory.ask(asked, asker="Anna", now=NOW).text
    block = memory.context(asked, speaker="Anna", now=NOW).text
    [line] = [line for line in block.splitlines() if "Anna has_pet" in line]
    assert later in line
    listed = next(tool for tool in memory_tools(memory) if tool.__name__ == "list_facts")
    assert later in listed()


def test_a_digest_is_shown_what_it_knows_without_marks_of_later_turns(store: Store) -> None:
    told(store, "I have a dog called Rex.", "We buried Rex in the garden.")
    known = "a dog called Rex\n"
    model = scripted_model([([], sql("-- none")), ([known], sql("-- none"))])
    with Memory(store, model=model) as digesting:
        digesting.digest()
        digesting.add(Turn("Anna", "I found a photo of Rex.", "s", "2025-03-01"))
        assert digesting.digest().calls == 1


def test_a_taste_changes_where_it_is_named(store: Store) -> None:
    memory = told(store, "I like reggae.", "It's one of my favourites now, that film.")
    block = memory.context("I like reggae. What else?", speaker="Anna", now=NOW).text
    assert "[later" not in block


def test_a_change_of_somebody_else_is_none(store: Store) -> None:
    memory = told(store, "I live in Oslo.", "My sister unpacked the boxes in her new flat.")
    assert memory.ask("Where do I live?", asker="Anna", now=NOW).text == "Oslo"


def test_a_mother_s_birthday_is_no_change_of_ones_own(store: Store) -> None:
    memory = told(store, "My birthday is 4 June.", "My mother's birthday is on 9 May.")
    assert "9 May" not in memory.ask("When is my birthday?", asker="Anna", now=NOW).text


def test_a_change_of_somebody_is_told_by_their_name_or_relation(store: Store) -> None:
    later = "My brother unpacked the boxes in his new flat."
    memory = told(store, "My brother Emil lives in Bonn.", later)
    answer = memory.ask("Where does Emil live?", asker="Anna", now=NOW)
    assert later in answer.text


def test_another_thing_of_many_is_no_change_of_the_first(store: Store) -> None:
    memory = told(store, "We have two cats.", "I have a cat called Miso.")
    assert "later" not in memory.ask("What pets do I have?", asker="Anna", now=NOW).text


def test_an_answer_from_facts_gives_both_with_dates(store: Store) -> None:
    memory = told(store, "I work at Nokia.", "Nokia laid off half of us, me too.")
    answer = memory.ask("Where do I work?", asker="Anna", now=NOW)
    assert answer.text == ('Nokia; later, 1 February 2025: "Nokia laid off half of us, me too."')
    assert answer.turns == (1, 2)


def test_a_correction_at_once_needs_no_value(store: Store) -> None:
    memory = Memory(store)
    for text in ("I live in Cork.", "Sorry, I meant Galway."):
        memory.add(Turn("Anna", text, "s", "2025-02-01"))
    assert "Sorry, I meant Galway." in about_anna(memory)


SAME = [
    "The bus to Oslo was late.",
    "Where in Oslo is the museum?",
    "I live in Oslo.",
    "If I left Oslo?",
]


@pytest.mark.parametrize("later", SAME)
def test_what_says_nothing_new_does_not_stand_beside(store: Store, later: str) -> None:
    memory = told(store, "I live in Oslo.", later)
    assert about_anna(memory).strip() == "[1] lives in Oslo"


EVERYDAY = [
    ("My dog is called Rufus.", "I fed the dog."),
    ("My dog is called Rufus.", "The dog barked all night."),
    ("I have two kids.", "I picked up the kids."),
    ("I live in Oslo.", "The landlord fixed the heating."),
    ("I am a vegetarian.", "I baked bread."),
    ("I work as a nurse.", "I had lunch with my colleagues."),
    ("I live in Oslo.", "Woohoo, Paris!"),
    ("I live in Bergen.", "I'm back in Oslo for the weekend."),
    ("I work at Nokia.", "It has been hard work at the garden again."),
]


@pytest.mark.parametrize(("first", "later"), EVERYDAY)
def test_what_is_said_of_a_topic_on_any_day_is_no_change(
    store: Store, first: str, later: str
) -> None:
    memory = told(store, first, later)
    assert "later" not in about_anna(memory)
    assert "[later" not in memory.context(f"{first} What else?", speaker="Anna", now=NOW).text


def test_others_have_no_latest_word_on_her_facts(store: Store) -> None:
    memory = told(store, "I live in Oslo.")
    memory.add(Turn("Ben", "Anna left Oslo.", "s", "2025-03-01"))
    assert about_anna(memory).strip() == "[1] lives in Oslo"


def test_a_turn_that_was_forgotten_is_quoted_no_more(store: Store) -> None:
    left = "we left oslo in august, linz is home now"
    memory = told(store, "I live in Oslo.", left, "The bus was late.")
    [fact] = find(store, ended=True)
    assert latest_words(store, [fact])[fact.id].turn.id == 2
    store.forget([2])
    assert latest_words(store, [fact]) == {}
    assert "in august" not in memory.context("Where do I live?", speaker="Anna", now=NOW).text


def test_turns_added_since_are_seen(store: Store) -> None:
    memory = told(store, "I'm allergic to walnuts.")
    assert "later" not in about_anna(memory)
    memory.add(Turn("Anna", "No more trouble with walnuts!", "s", "2025-03-01"))
    assert "No more trouble" in about_anna(memory)


WITHDRAWN = [
    ("Never recommend films.", "Recommend films if you like."),
    ("No emojis please.", "You can use emojis again."),
    ("Always give sources.", "Stop giving sources."),
    ("Answer in German.", "English again, please."),
    ("Call me Bex.", "Please don't call me Bex."),
    ("From now on use metric units.", "From now on use imperial units."),
    ("From now on write in capitals.", "Go back to normal letters."),
    ("Never use abbreviations.", "Actually do use abbreviations."),
    ("Answer in Portuguese.", "English will do from here on."),
    ("Keep your answers short.", "Go into detail again, please."),
]


@pytest.mark.parametrize(("wish", "later"), WITHDRAWN)
def test_a_wish_that_was_taken_back_is_no_order_but_a_quotation(
    store: Store, wish: str, later: str
) -> None:
    memory = told(store, wish, later)
    orders, fence, quoted = memory.context("Hello", speaker="Anna", now=NOW).text.partition(
        "<memory>"
    )
    assert "[1]" not in orders
    assert fence
    assert "Wished once: [1]" in quoted
    assert later in quoted


def test_a_wish_stands_while_talk_is_of_other_things(store: Store) -> None:
    memory = told(store, "Never use tables.", "Use a table for this one.", "Tables are sturdy.")
    orders, _, _ = memory.context("Hello", speaker="Anna", now=NOW).text.partition("<memory>")
    assert "[1] Never use tables" in orders


OTHER_TALK = [
    ("From now on write in capitals.", "I sent three letters today."),
    ("Always answer in rhymes.", "Never mind the weather, we went swimming."),
    ("Never use slang.", "I don't want to go there any more."),
    ("Never use abbreviations.", "Do you know what NASA means?"),
    ("Always give sources.", "Dinner is fine again, the stove works."),
    ("Call me Chief.", "I forgot the name of the street."),
    ("Don't suggest medication.", "My doctor stopped my blood pressure medication."),
    ("Never use sarcasm.", "My boss has stopped with the sarcasm."),
]


@pytest.mark.parametrize(("wish", "later"), OTHER_TALK)
def test_what_takes_back_something_else_leaves_a_wish(store: Store, wish: str, later: str) -> None:
    memory = told(store, wish, later)
    orders, _, _ = memory.context("Hello", speaker="Anna", now=NOW).text.partition("<memory>")
    assert "[1]" in orders


PASSING = [
    ("I am vegetarian.", "I'm not vegetarian today", ["vegetarian"]),
    ("I work at Tesco.", "I don't work at Tesco this week", ["Tesco"]),
    ("I can't eat spicy food this week", "", []),
    ("I moved to York today.", "", ["York"]),
]


@pytest.mark.parametrize(("first", "later", "current"), PASSING)
def test_a_day_that_passes_ends_nothing_and_begins_nothing(
    store: Store, first: str, later: str, current: list[str]
) -> None:
    told(store, *filter(None, (first, later)))
    assert [fact.value for fact in find(store)] == current


def test_a_block_searches_for_no_later_word(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the first of a handle either: what changes what is found when a turn is added."""
    things = ("coffee", "trains", "maps", "books", "films", "walks", "lamps", "hills")
    told(store, *(f"Always name the price when I ask about {thing}." for thing in things))
    searches = []
    search = type(store).search
    monkeypatch.setattr(
        type(store), "search", lambda self, *a, **k: searches.append(a) or search(self, *a, **k)
    )
    counts = []
    for wish in ("Answer in rhymes.", "Never use tables."):
        searches.clear()
        Memory(store).context("What about room 12?", speaker="Anna", now=NOW)
        counts.append(len(searches))
        store.add([Turn("Anna", f"Note {n} of {wish}", "s", "2025-09-01") for n in range(60)])
    assert counts == [1, 1]


def test_an_older_chat_that_is_imported_afterwards_changes_nothing(store: Store) -> None:
    memory = Memory(store)
    memory.add(Turn("Anna", "I work at Nokia.", "s", "2025-06-01"))
    memory.add(Turn("Anna", "Nokia laid off half of us, me too.", "old", "2021-02-01"))
    assert "later" not in memory.ask("Where do I work?", asker="Anna", now=NOW).text


def test_what_is_imported_afterwards_is_changed_by_what_was_said_since(store: Store) -> None:
    memory = Memory(store)
    later = "Nokia laid off half of us, me too."
    memory.add(Turn("Anna", later, "s", "2025-06-01"))
    memory.add(Turn("Anna", "I work at Nokia.", "old", "2021-02-01"))
    assert later in memory.ask("Where do I work?", asker="Anna", now=NOW).text


def test_a_turn_that_no_template_reads_has_its_later_word(store: Store) -> None:
    first = "I've been vegetarian since school so no meat for me"
    memory = told(store, first, "The bus was late.", "ok so I'm not vegetarian anymore, just picky")
    block = memory.context("Am I still vegetarian?", speaker="Anna", now=NOW, gate=False).text
    [line] = [line for line in block.splitlines() if line.startswith("[1]")]
    assert "[later, turn 3, 1 Mar 2025:" in line


def test_a_wish_is_replaced_by_a_newer_one_as_long_as_that_stands(store: Store) -> None:
    memory = told(store, "Always use Celsius.", "Always use Fahrenheit.")
    orders, _, _ = memory.context("Hello", speaker="Anna", now=NOW).text.partition("<memory>")
    assert "[2]" in orders
    assert "[1]" not in orders
    store.forget([2])
    orders, _, _ = memory.context("Hello", speaker="Anna", now=NOW).text.partition("<memory>")
    assert "[1]" in orders


def test_later_words_move_with_a_dump(store: Store, tmp_path: Path) -> None:
    memory = told(store, "I work at Nokia.", "Nokia laid off half of us, me too.")
    question = "Where do I work?"
    with open_store(tmp_path / "copy.db") as copy:
        copy.load(store.dump())
        answer = Memory(copy).ask(question, asker="Anna", now=NOW)
    assert answer.text == memory.ask(question, asker="Anna", now=NOW).text
