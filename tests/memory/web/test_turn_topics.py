"""What turns are about, without facts."""

from memory import Turn
from memory.server.web.turn_topics import topics


def of(*texts: str, session: str = "") -> list[str]:
    return topics([Turn("Anna Berg", text, session) for text in texts])


def test_topics_are_the_words_that_tell_and_names_first() -> None:
    talk = ["Anna said the trombone was good.", "My trombone is in Leeds.", "We went to Leeds."]
    assert of(*talk)[:2] == ["Leeds", "trombone"]
    assert of() == []


def test_dates_counts_short_words_and_speakers_are_no_topics() -> None:
    assert of("On Monday and Wed, in March or sept, Anna Berg had two or 12 ok.") == []


def test_a_word_of_every_session_is_none_of_its_topics() -> None:
    turns = [Turn("Anna", f"Der Garten und Haus {n}", f"s{n % 4}") for n in range(40)]
    turns += [Turn("Anna", "Das Schlagzeug", "s1")] * 5
    assert topics(turns)[0] == "Schlagzeug"


def test_one_word_in_two_forms_is_one_topic() -> None:
    assert of("Boats and a boat.", "Boats!") == ["boats"]


def test_scripts_without_spaces_have_no_topics() -> None:
    assert of("プリンの店を開く", "プリンの店") == []
