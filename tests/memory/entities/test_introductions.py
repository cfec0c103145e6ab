"""What the rules take for a name that a turn gives somebody, and what they leave."""

import pytest

from memory import Turn
from memory.entities import introductions

STATED = {  # what Anna says -> the name that she gives, and whose it is
    "I saw my sister Elena today.": ("Elena", "Elena (Anna's sister)"),
    "We met Elena, my sister, at the lake.": ("Elena", "Elena (Anna's sister)"),
    "Elena (my sister) called.": ("Elena", "Elena (Anna's sister)"),
    "Elena is my sister.": ("Elena", "Elena (Anna's sister)"),
    "My mother is called Ilse and she is 80.": ("Ilse", "Ilse (Anna's mother)"),
    "My mum's name is Ilse.": ("Ilse", "Ilse (Anna's mother)"),
    "My older brother Tom Baker's house": ("Tom Baker", "Tom Baker (Anna's brother)"),
    "My best friend said so. My friend Mika agrees.": ("Mika", "Mika (Anna's friend)"),
    "Meine Schwester heißt Elena.": ("Elena", "Elena (Anna's sister)"),
    "Mi hermana se llama Lucía.": ("Lucía", "Lucía (Anna's sister)"),
    "Мою маму зовут Ольга.": ("Ольга", "Ольга (Anna's mother)"),
    "私の母は洋子です。": ("洋子", "洋子 (Anna's mother)"),
    "我妈妈叫王芳。": ("王芳", "王芳 (Anna's mother)"),
    "Call me Tom.": ("Tom", "Anna"),
    "My friends call me Annie Lee.": ("Annie Lee", "Anna"),
    "Ich heiße Annelie.": ("Annelie", "Anna"),
}
LEFT = [
    "I met Elena, my sister, and Tom.",
    "I met Tom, Elena, my sister, yesterday.",
    "I met Elena, my sister, Tom and Ada.",
    "my sister, Elena and Tom",
    "my sister and Elena",
    "my friends Ada and Bob",
    "I taught my sister French.",
    "I gave my mother Chanel.",
    "I saw my sister Monday.",
    "My mom I think",
    "my sister said Tuesday is fine",
    "Ich habe meiner Schwester Blumen geschenkt.",
    "моя сестра сказала",
    "Tom is my brother's friend.",
    "My sister's friend Tom left.",
    "My ex-husband Tom left.",
    "My mother is German.",
    "Please call me Mum.",
    "Call me tomorrow. Call me Monday!",
    "She said: your sister Elena is here.",
]


@pytest.mark.parametrize(("text", "expected"), STATED.items())
def test_a_name_that_is_stated_is_taken(text: str, expected: tuple[str, str]) -> None:
    *_, alias = introductions(Turn("Anna", text, id=3))
    assert (alias.name, alias.entity, alias.turn_id) == (*expected, 3)


@pytest.mark.parametrize("text", LEFT)
def test_everything_else_is_left(text: str) -> None:
    assert introductions(Turn("Anna", text, id=3)) == []


def test_somebody_with_the_name_of_a_speaker_is_unclear_in_the_turn() -> None:
    aliases = introductions(Turn("Anna", "My brother Tom moved.", id=3), ["Anna", "Tom"])
    assert [(alias.name, alias.entity) for alias in aliases] == [
        ("my brother", "Tom (Anna's brother)"),
        ("Tom", "Tom (Anna's brother)"),
        ("Tom", "Tom"),
    ]


def test_documents_and_speakers_without_a_name_introduce_nobody() -> None:
    text = "My sister Elena sings."
    assert introductions(Turn("Anna", text, kind="document", id=3)) == []
    assert introductions(Turn("", text, id=3)) == []
