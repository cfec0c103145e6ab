"""A message that asks not to be remembered is not, and whoever adds it is told so."""

import pytest

from memory import Memory
from memory.text.private_text import PRIVATE

ASKED = (
    "Don't remember this: {}.",
    "Please don\u2019t store that, but {}.",
    "Do not write this down. {}.",
    "Off the record, {}.",
    "(off the record) {}.",
    "Keep it out of your notes: {}.",
    "{}. Don't save that.",
    "{} - please don't log this!",
    "{} (off the record)",
    "{}.\nDon't keep this in your memory, please.",
    "Nicht speichern: {}.",
    "{}. Merk dir das bitte nicht.",
    "Ne note pas \u00e7a : {}.",
    "No guardes esto: {}.",
)
NOT_ASKED = (
    "Don't forget this: {}.",
    "I don't remember this, but {}.",
    "Don't save this file to disk; {}.",
    "He said off the record that {}.",
    "{}. I can't remember that.",
    "Please don't remind me of it: {}.",
    "The minister's words were off the record, and {}.",
)
SAID = "my sister plays the tuba"


@pytest.mark.parametrize("form", ASKED)
def test_what_is_asked_not_to_be_remembered_is_not(form: str) -> None:
    with Memory(":memory:") as memory:
        ids = memory.add(form.format(SAID), speaker="Ada")
        assert ids.withheld.private == 1
        assert PRIVATE in memory.get_all()[0].text
        assert not [turn for turn in memory.get_all() if "tuba" in turn.text]
        assert not memory.facts()


@pytest.mark.parametrize("form", NOT_ASKED)
def test_other_messages_are_kept_word_for_word(form: str) -> None:
    with Memory(":memory:") as memory:
        ids = memory.add(form.format(SAID), speaker="Ada")
        assert memory.get_all()[0].text == form.format(SAID)
        assert not ids.withheld.private


def test_an_assistants_message_is_no_request() -> None:
    with Memory(":memory:") as memory:
        assert not memory.add(f"Don't save this: {SAID}.", speaker="assistant").withheld.private
