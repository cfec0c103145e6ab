"""Of whom sentences tell: an answer about somebody is not what was said of another."""

import pytest

from memory import Turn
from memory.program.answer_checks import asked_for
from memory.program.told_of import is_told_of_others


def of_others(question: str, answer: str, speaker: str, text: str) -> bool:
    return is_told_of_others(asked_for(question, {speaker}), answer, [Turn(speaker, text)])


@pytest.mark.parametrize(
    ("question", "answer", "speaker", "text"),
    [
        (
            "What is user allergic to?",
            "cats",
            "user",
            "It's my brother Callum who is allergic to cats, so he never stays long.",
        ),
        ("Which pill is Kofi allergic to?", "penicillin", "Kofi", "She is allergic to penicillin."),
        (
            "What is Milo allergic to?",
            "milk",
            "user",
            "Milo is seven and eats anything, but Opal is allergic to milk.",
        ),
        (
            "When did Anna have whooping cough?",
            "May 2025",
            "Anna",
            "We stayed in because Theo had whooping cough.",
        ),
        ("When did user have her hip operation?", "2 April", "user", "He had a hip operation."),
        ("Where did Sol go?", "Porto", "Sol", "My sister Elena went to Porto."),
        ("How many cats does Ben have?", "three", "Anna", "I have three cats."),
        (
            "For how many years has Elin learnt Greek?",
            "six years",
            "Elin",
            "Gwil speaks with the pride of one who's learnt Greek for six years.",
        ),
        (
            "Which race has Elin entered?",
            "the Tamar mile",
            "Elin",
            "Meir's entered the Tamar mile.",
        ),
        ("When did Elin break her wrist?", "Friday", "Elin", "Nuno slipped and broke his wrist."),
        ("When did Elin break her wrist?", "Friday", "Elin", "Nuno really broke his wrist."),
        ("When did Elin break her wrist?", "Friday", "Elin", "My brother broke his wrist."),
        ("When did Elin break her wrist?", "Friday", "Elin", "Poor Nuno. Broke his wrist."),
    ],
)
def test_what_is_said_of_another_answers_nothing(
    question: str, answer: str, speaker: str, text: str
) -> None:
    assert of_others(question, answer, speaker, text)


@pytest.mark.parametrize(
    ("question", "answer", "speaker", "text"),
    [
        ("What is Anna allergic to?", "cats", "Anna", "I'm allergic to cats, my brother isn't."),
        ("When did Anna visit Oslo?", "May 2025", "Anna", "In May we visited Oslo."),
        ("What did Ben buy?", "a lamp", "Anna", "Ben bought a lamp."),
        ("What did Ines paint?", "a sunset", "Ines", "My latest painting is a sunset."),
        ("Where does Anna work?", "a bakery", "Anna", "My work at a bakery is hard."),
        ("Where did Elena go?", "Porto", "Sol", "My sister Elena went to Porto."),
        ("What did Jo buy?", "a kettle", "Jo", "Monday was nice, bought a kettle."),
        ("When did Jo move?", "Friday", "Jo", "Friends helped me move on Friday."),
        ("Which film did Jo watch?", "The Tarn", "Jo", 'I watched "The Tarn" recently, great!'),
        ("When did Jo have a party?", "Friday", "Jo", "Here's a picture of the party on Friday."),
        ("When did Nuno break a leg?", "Friday", "Jo", "Poor Nuno. Broke his leg on Friday."),
        ("When did Jo break a leg?", "Friday", "Jo", "Finally broke my leg on Friday."),
        ("When did Jo break a leg?", "Friday", "Jo", "Nearly broke my leg on Friday."),
        ("How many cats does Ben have?", "three", "Anna", "He has three cats."),
        ("What colour is the boat?", "red", "Anna", "Tom painted the boat red."),
    ],
)
def test_what_may_be_said_of_whom_is_asked_stays(
    question: str, answer: str, speaker: str, text: str
) -> None:
    assert not of_others(question, answer, speaker, text)
