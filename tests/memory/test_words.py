"""Words: what people write in any language and spelling is found by what people ask."""

import sqlite3
import unicodedata
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import Turn, open_store
from memory.store.sqlite.store import SqliteStore
from memory.text.words import (
    indexed_words,
    words,
)
from tests.support.rows import rows_of

# What was said, and one question for each further way to write a word of it.
SAID = {
    "我上周去了故宫博物院参观。": ["故宫", "你什么时候去的博物院？"],
    "我家养了一只貓。": ["貓", "谁有貓？"],
    "週末に富士山に登りました。": ["富士山", "富士山はどうでしたか"],
    "新しいカメラを買った！": ["カメラ", "ｶﾒﾗ", "カメラはいくら？"],
    "어제 도서관에서 책을 읽었어요": ["도서관", "도서관은 어때?", "\u1103\u1169\u1109\u1165"],
    "ฉันชอบกินส้มตำมาก": ["ส้มตำ", "กินส้มตำที่ไหน"],
    "ذهبت إلى المكتبة أمس": ["المكتبة", "الْمَكْتَبَة", "المكتبه", "أين المكتبــة؟"],
    "قابلت أحمد في المطار": ["أحمد", "احمد", "آحمد", "ٱحمد", "أَحْمَد"],
    "رقم الغرفة هو ٤٥٢": ["٤٥٢", "452", "۴۵۲"],
    "کتاب‌های تازه‌ای خریدم": ["کتاب", "كتاب", "تازه‌ای"],
    "מצאתי את הַמַּפְתֵּחַ שלי": ["הַמַּפְתֵּחַ", "המפתח"],
    "मुझे हिन्दी किताबें पढ़ना पसंद है": ["किताबें", "हिन्दी", "पढ़ना"],
    "Мы нарядили ёлку к празднику": ["ёлку", "елку", "ЁЛКУ", "Кто нарядил елку?"],
    "Das Mädchen wohnt in der Schloßstraße": ["Mädchen", "madchen", "SCHLOSSSTRASSE"],
    "Hôm qua tôi ăn phở ở Hà Nội": ["phở", "pho", "ha noi"],
    "Dessert was a crème brûlée.": ["crème brûlée", "creme brulee", "cre\u0300me"],
    "Room １２３ in ﬁve-star style": ["123", "room 123", "five"],
    "İstanbul'da buluştuk": ["İstanbul", "istanbul", "ISTANBUL"],
    "Her old zi\u00adther\u2060 broke": ["zither", "zi\u00adther"],
    "The \u200bledger\ufeff\u200b is lost": ["ledger"],
    "I ordered the ½ size, model ⑴": ["½ size", "model ⑴", "⑴"],
    "my_secret_recipe uses saffron": ["secret recipe", "saffron"],
    "They ran a marathon": ["running marathons", "marathon's"],
}
FILLER = [
    *(
        "ok",
        "lol",
        "👍🏽",
        "Nice, see you there!",
        "我也是。",
        "はい、わかりました。",
        "네, 좋아요",
    ),
    *("ดีมาก", "نعم، طبعا", "हाँ, ठीक है", "Да, конечно", "Ja, gerne!", "12 of them", "Room 9"),
]


@pytest.fixture(scope="module")
def polyglot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    """Each text of SAID in the middle of small talk in all these languages."""
    with open_store(tmp_path_factory.mktemp("words") / "polyglot.db") as opened:
        assert isinstance(opened, SqliteStore)
        for session, text in enumerate(SAID):
            around = [*FILLER[:7], text, *FILLER[7:]]
            opened.add([Turn("ABcd"[n % 2], t, str(session)) for n, t in enumerate(around)])
        yield opened


@pytest.mark.parametrize(
    ("text", "question"),
    [(text, question) for text, questions in SAID.items() for question in questions],
)
def test_a_word_finds_its_turn_in_any_language(
    polyglot: SqliteStore, text: str, question: str
) -> None:
    [best] = polyglot.search(question, 1)
    assert polyglot.turn(best.turn_id).text == text
    assert best.shares["words"] > 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna's dog_sitter, 2nd try", ["anna", "s", "dog", "sitter", "2nd", "try"]),
        ("Anna’s dog", ["anna", "s", "dog"]),
        ("我家", ["我", "家", "我家"]),
        ("さくら", ["さく", "くら"]),
        ("책", ["책"]),
        ("हिन्दी किताबें", ["हिन्दी", "किताबें"]),
        ("我love你", ["我", "love", "你"]),
        ("", []),
        ("?! 🎉 \0 \ud800 \u200d \u0301", []),
    ],
)
def test_a_text_is_split_into_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


NASTY = st.sampled_from(
    [*"⑴½ﷺﬁİßῼ🄂㈠กำ가ｶﾞ猫😀\0\ud800\u200d\ufeff\u0301\u0345\"'*_-^", "\u1112\u1161", "AND", "NEAR("]
)
TEXT = st.lists(NASTY | st.text(st.characters(exclude_categories=[]), max_size=5)).map("".join)


def index_of(written: str) -> list[str]:
    """The words that the index of turns finds in what is written into it."""
    with sqlite3.connect(":memory:") as conn:
        conn.execute("CREATE VIRTUAL TABLE w USING fts5 (words, tokenize = 'porter ascii')")
        conn.execute("CREATE VIRTUAL TABLE v USING fts5vocab ('w', 'instance')")
        conn.execute("INSERT INTO w (words) VALUES (?)", (written,))
        return [word for (word,) in conn.execute('SELECT term FROM v ORDER BY "offset"')]


@given(st.text(st.characters(min_codepoint=1, max_codepoint=127)) | TEXT.map(indexed_words))
def test_the_index_finds_the_same_words_in_text_that_is_left_as_it_is(text: str) -> None:
    assert index_of(indexed_words(text)) == index_of(" ".join(words(text)))


def test_every_character_that_unicode_decomposes_gives_words_that_the_index_takes_as_one() -> None:
    characters = (c for c in map(chr, range(0x110000)) if unicodedata.decomposition(c))
    for word in words(" ".join(f"x{c}y" for c in characters)):
        assert word.encode("ascii", "replace").replace(b"?", b"x").isalnum(), word


@pytest.mark.slow
@given(text=TEXT)
def test_every_word_of_any_turn_finds_it(polyglot: SqliteStore, text: str) -> None:
    [turn] = polyglot.add([Turn("Anna", f"x{text}")])
    for word in words(polyglot.turn(turn).text):
        match = "SELECT max(rowid) FROM turns_words WHERE turns_words MATCH ?"
        assert rows_of(polyglot, match, (f'"{word}"',)) == [(turn,)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "word " * 800_000,
        "a" * 4_000_000,
        "猫" * 1_000_000,
        "कि" * 1_000_000,
        "a" + "\u0301\u0316" * 60_000,
        "🎉" * 4_000_000,
        "\ud800\0" * 2_000_000,
    ],
    ids=["words", "one letter", "Chinese", "Hindi", "marks in disorder", "emoji", "no text"],
)
def test_the_words_of_a_very_long_turn_are_read_in_one_go(text: str) -> None:
    """Read more than once for each of its words, or letters, it would take hours."""
    words(text)
