"""Phrases: the language of a text, small talk, and that every language has all of them."""

import pytest

from memory.program.phrases import (
    SMALL_TALK,
    agrees,
    all_phrases,
    introduced_name,
    is_short,
    language_of,
    small_talk,
    stock_phrases,
)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("My sister Ingrid is getting married in June!", "en"),
        ("Bought bread.", "en"),
        ("Ich habe heute meine Schlüssel verloren.", "de"),
        ("Wo arbeite ich?", "de"),
        ("Mon chien s'appelle Rufus.", "fr"),
        ("Où est-ce que je travaille ?", "fr"),
        ("Ayer comí pizza con mi hermana.", "es"),
        ("Il mio cane si chiama Rufus.", "it"),
        ("O meu cão chama-se Rufus.", "pt"),
        ("Ik werk in het ziekenhuis.", "nl"),
        ("Мою собаку зовут Руфус.", "ru"),
        ("今日は母の誕生日です。", "ja"),
        ("今天是我妈妈的生日。", "zh"),
        # Languages without phrases, which have words in common with those above.
        ("I dag kjøpte jeg bil.", "en"),
        ("Jag har köpt en ny bil idag.", "en"),
        ("Mam na imię Anna i mieszkam w Krakowie.", "en"),
        ("Я живу у Києві, це моє місто.", "en"),
        ("Казвам се Ана и живея в София.", "en"),
        ("제 이름은 안나입니다", "en"),
    ],
)
def test_the_language_of_a_text_is_told_or_taken_for_english(text: str, language: str) -> None:
    assert language_of(text) == language


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Hi Miku!", "greeting"),
        ("Hello, how are you?", "how_are_you"),
        ("Thanks for your help!", "thanks"),
        ("Thanks to Ben I found my keys.", ""),
        ("Good night", "farewell"),
        ("Who are you?", "who_are_you"),
        ("Who are you going to vote for?", ""),
        ("Hi! I moved to Oslo.", ""),
        ("Merci beaucoup !", "thanks"),
        ("ありがとうございます", "thanks"),
        ("!?", ""),
    ],
)
def test_small_talk_is_known_as_a_whole(text: str, kind: str) -> None:
    assert small_talk(text, "Miku") == kind


@pytest.mark.parametrize(("text", "short"), [("ok", True), ("はい", True), ("I moved", False)])
def test_what_is_too_short_tells_nothing(text: str, short: bool) -> None:
    assert is_short(text) == short


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("My name is Anna.", "Anna"),
        ("hi! my name's anna", "Anna"),
        ("My name is Anna Maria Berg and I live in Oslo.", "Anna Maria Berg"),
        ("Hi, I'm Jean-Luc!", "Jean-Luc"),
        ("Ich heiße Jürgen, und du?", "Jürgen"),
        ("Mein Name ist Anna.", "Anna"),
        ("Je m\u2019appelle Zoé.", "Zoé"),
        ("Hola, me llamo José.", "José"),
        ("Mi chiamo Anna", "Anna"),
        ("O meu nome é Inês.", "Inês"),
        ("Ik heet Anna.", "Anna"),
        ("Меня зовут Анна.", "Анна"),
        ("私の名前はアンナです。", "アンナ"),
        ("我叫安娜。", "安娜"),
        ("Call me later.", ""),
        ("Please call me Ben.", "Ben"),
        ("My name is not important.", ""),
        ("My dog's name is Rufus.", ""),
        ('She said "my name is Tom".', ""),
        ("I'm tired.", ""),
    ],
)
def test_a_name_is_told_in_many_ways(text: str, name: str) -> None:
    assert introduced_name(text) == name


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Yes, please!", True),
        ("ja", True),
        ("はい", True),
        ("No thanks", False),
        ("Yes, Anna", None),
    ],
)
def test_yes_and_no_are_known_in_any_language(text: str, answer: bool | None) -> None:
    assert agrees(text) is answer


@pytest.mark.parametrize("language", all_phrases())
def test_each_language_says_all_in_words_of_its_own(language: str) -> None:
    phrases = all_phrases()[language]
    assert len(phrases.noted) % 2, "a message's id chooses, and every other id is the character's"
    for text in [*phrases.noted, phrases.limits, phrases.nothing]:
        assert language_of(text) in (language, "en")
        assert stock_phrases().fullmatch(text)
    for kind in SMALL_TALK:
        assert stock_phrases().fullmatch(getattr(phrases, f"{kind}_reply").format(character="Miku"))
    fields = {"speaker": "Tom", "date": phrases.date or "today", "text": "Hi."}
    for form in (phrases.said, phrases.said_once, phrases.you_said, phrases.you_said_once):
        assert "Hi." in form.format(**fields)
