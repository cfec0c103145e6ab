"""Which attributes of a memory a new name may mean."""

import pytest

from memory.facts.near_attributes import near_attributes
from memory.vocabulary import default_vocabulary

NAMES = (
    "favourite_tea shoe_size blood_type wifi_password drives_car number_plate has_doctor hair_color"
    " lives_in likes dislikes has_pet allergic_to mother_name"
)
KNOWN = {name: default_vocabulary().names_of(name) for name in NAMES.split()}


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("preferred_tea", "favourite_tea"),
        ("favorite tea", "favourite_tea"),
        ("size_of_shoes", "shoe_size"),
        ("blood_group", "blood_type"),
        ("wlan_password", "wifi_password"),
        ("owns_car", "drives_car"),
        ("licence_plate", "number_plate"),
        ("physician", "has_doctor"),
        ("lives_inn", "lives_in"),
    ],
)
def test_a_name_of_the_same_meaning_is_near(name: str, near: str) -> None:
    assert near_attributes(name, KNOWN)[0] == near


@pytest.mark.parametrize(
    "name",
    [
        *("shirt_size", "favourite_color", "eye_color", "height", "religion", "voted_for", "cooks"),
        *("dentist", "father_name", "coffee_order", "won", "?", "名前"),
    ],
)
def test_a_name_of_another_meaning_is_not(name: str) -> None:
    assert near_attributes(name, KNOWN) == []
    assert near_attributes(name, {}) == []
