"""Replies of the packaged model: what a message asks for, what it quotes, what it says itself."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from memory.program.phrases import all_phrases
from memory.program.recall import recall

from memory import Memory, Turn
from memory.program import load_model
from memory.program.messages import asks_memory, tells
from tests.support.talk import talker


@pytest.mark.parametrize(
    ("text", "asked", "told"),
    [
        ("What is my dog called?", True, False),
        ("where does Ben work", True, False),
        ("what's my name", True, False),
        ("Do you remember my dog?", True, False),
        ("How are you?", False, False),
        ("When I was young I lived in Rome.", False, True),
        ("What a day!", False, True),
        ("which city did I come from", True, False),
        ("What I have is a cold.", False, True),
        ("Hi Miku! Where do I live?", True, False),
        ("I moved to Bergen! Isn't that great?", False, True),
        ("I passed the test, can you believe it?", False, True),
        ("Isn't he called Rufus?", True, False),
        ("I got the job! Do you like offices?", False, True),
        ("Do you remember Tom?", True, False),
        ("Do you like Tom?", False, False),
        ("Can you tell me a joke?", False, False),
        ("Wie geht es dir?", False, False),
        ("Wie heißt mein Hund?", True, False),
        ("Magst du Hunde?", False, False),
        ("Weißt du, wo ich arbeite?", True, False),
        ("私の犬の名前は何ですか。", True, False),
        ("你喜欢狗吗", False, False),
    ],
)
def test_a_question_to_the_memory_is_told_from_talk(text: str, asked: bool, told: bool) -> None:
    assert (asks_memory(text), tells(text)) == (asked, told)


@pytest.mark.parametrize(
    ("text", "packaged", "hosted"),
    [
        ("My dog is called Rufus.", True, True),
        ("What is my dog called?", False, True),
        ("I moved! Where do you live?", False, True),  # "I moved!" is as short as a greeting
        ('I remember what you said: "Rufus."', False, False),
        ("You said today: \u201cMy dog is called Rufus.\u201d", False, False),
        ("You told me on 3 May 2017 that you moved.", False, False),
        ("Tom hat am 3.5.2017 gesagt: \u201eNein.\u201c", False, False),
        ("I'll remember that.", False, False),
        ('Ben said yesterday: "I quit."', True, True),
        ("You told me on the train that you moved.", True, True),
    ],
)
def test_the_packaged_model_makes_no_facts_of_questions(
    text: str, packaged: bool, hosted: bool
) -> None:
    hosted_model, packaged_model = load_model("openai/x"), load_model("local")
    assert packaged_model.looks_for_facts_in(text) == packaged
    assert hosted_model.looks_for_facts_in(text) == hosted


def test_a_quotation_adds_nothing_to_a_memory(path: Path) -> None:
    dog = Turn("Anna", "My dog is called Rufus.", "s")
    question = Turn("Anna", "What is my dog called?")
    model, engine = talker(window=1)
    with Memory(path, model, budget=64) as memory:
        memory.add(dog)
        for n in range(9):
            memory.add(Turn("Miku", recall(question, [dog], {"Anna"}), f"t{n}"))
        memory.add([replace(dog, text="His walks are long.", session="u")])
        assert {1, 11} <= set(memory.gather("What is her dog called?").turn_ids)
        assert memory.digest().stored == 11
        assert engine.calls() == {"store": 2}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Miku", "O'Brien -- /* \\"])
def test_the_packaged_model_answers_from_what_was_told(path: Path, name: str) -> None:
    with Memory(path, load_model()) as memory:
        memory.add([Turn("Anna", "What is my dog called?", "r")])
        memory.add([Turn(name, "Your dog is called Rex.", "r")])
        retold = {
            "My dog's name is Rufus.": "You told me yesterday that your dog's name is Rufus.",
            "I live in Bergen! Wet.": "You said yesterday: \u201cI live in Bergen! Wet.\u201d",
        }
        for text in retold:
            memory.add([Turn("User", text, "s", "2026-11-20"), Turn(name, "Rufus?", "s")])
        for question, text in zip(
            ["What is my dog's name?", "Hi; I ask again -- where do I live?"],
            retold.values(),
            strict=True,
        ):
            asked = Turn("Anna", question, "t", "2026-11-21")
            [turn_id] = memory.add(asked)
            reply = memory.reply(replace(asked, id=turn_id), (), name, known_as=["User"])
            assert list(reply) == [text]
            assert reply.answer
            assert reply.answer.calls == 0
            [found] = [memory.store.read(statement) for statement in reply.answer.sql]
            assert reply.answer.turns[0] in [turn_id for turn_id, _ in found.rows]
        nothing = [all_phrases()["en"].nothing]
        assert list(memory.reply(Turn("Anna", "Who won the match?"))) == nothing
        pills = Turn("Anna", "Which pills did the vet give my dog?")  # of its words, a turn has one
        assert list(memory.reply(pills, (), name)) == nothing


def test_a_pasted_book_is_quoted_in_short(path: Path) -> None:
    with Memory(path, load_model()) as memory:
        memory.add(Turn("Anna", "My book begins. " + "It goes on and on. " * 5_000, "s"))
        assert len("".join(memory.reply(Turn("Anna", "How does my book begin?")))) < 2_000


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Good morning, Miku!", "greeting_reply"),
        ("Danke schön", "thanks_reply"),
        ("Buona notte!", "farewell_reply"),
        ("Hi! How are you today?", "how_are_you_reply"),
        ("¿Cómo te llamas?", "who_are_you_reply"),
        ("What do you think of cats?", "limits"),
        ("Write me a poem.", "limits"),
    ],
)
def test_small_talk_is_answered_by_rule_in_its_language(path: Path, text: str, kind: str) -> None:
    languages = {"Danke": "de", "Buona": "it", "¿Cómo": "es"}
    phrases = all_phrases()[languages.get(text.split()[0], "en")]
    with Memory(path, load_model()) as memory:
        reply = memory.reply(Turn("Anna", text), character="Miku")
        assert "".join(reply) == getattr(phrases, kind).format(character="Miku")
        assert reply.answer
        assert reply.answer.calls == 0


def test_news_get_a_phrase_that_is_neither_glad_nor_sorry(path: Path) -> None:
    """The replies of many turns vary; none of them takes a side, in any language."""
    told = {
        "en": "Our dog died yesterday.",
        "de": "Meine Schwester heiratet im Juni!",
        "fr": "J'ai perdu mes clés dans le tram.",
        "ja": "今日は母の誕生日です。",
    }
    with Memory(path, load_model()) as memory:
        for language, text in told.items():
            replies = {
                "".join(memory.reply(Turn("Anna", text, id=turn_id)))
                for turn_id in range(1, 11, 2)  # between them, the character's turns
            }
            assert replies == set(all_phrases()[language].noted)
        assert "".join(memory.reply(Turn("Anna", "lol"))) in all_phrases()["en"].listening
    takes_sides = re.compile(r"sorry|sad|glad|great|congrat|wonderful|nice|happy|oh no", re.I)
    assert not takes_sides.search(" ".join(all_phrases()["en"].noted))
