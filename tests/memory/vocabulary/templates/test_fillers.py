"""Words that add nothing, sought by the word at the end of a clause: as all would find them."""

from hypothesis import example, given
from hypothesis import strategies as st

from memory.vocabulary.templates.clauses import (
    _Fillers,
    _fillers_after,
    _fillers_before,
    _first_word,
    _last_word,
    _start_of_end,
    without_fillers,
)
from memory.vocabulary.templates.patterns import any_of, edge_words, pattern
from memory.vocabulary.templates.words import language_words

WORDS = language_words()
TEMPLATES = (*WORDS.before, *WORDS.after, *WORDS.comments)
# Words of fillers, and what may stand between and around them.
OTHERS = ("I", "live", "in", "Rom", "It's", "don’t", "STRAẞE", "wow", "NOW", "ſo", "naïve")
PIECES = sorted({*OTHERS, *(word for template in TEMPLATES for word in template.split())})
MARKED = st.tuples(st.sampled_from(PIECES), st.sampled_from(["", ",", "!", "–", "."])).map("".join)
TEXTS = st.builds(str.join, st.sampled_from([" ", "  ", "\t"]), st.lists(MARKED, max_size=6))


@given(TEXTS)
@example("Well, it's late now")
@example("no, no, I live in Rome, please")
@example("bleß her")
def test_the_fillers_of_a_word_are_the_ones_that_all_fillers_would_find(text: str) -> None:
    clause = f"{text} "
    for fillers, word in (
        (_fillers_before(), _first_word(clause)),
        (_fillers_after(), _last_word(clause)),
    ):
        found = fillers.match(clause, word)
        among_all = fillers.match(clause, "\N{REPLACEMENT CHARACTER}")  # no ASCII: tries all
        assert (found and found.span()) == (among_all and among_all.span())


def test_each_filler_is_taken_off_at_its_end() -> None:
    for template in WORDS.before:
        first = template.replace("[", "").replace("]", "").replace("(", "").split("|")[0]
        if ")" not in template:
            assert without_fillers(f"{first} Anna lives here") == "Anna lives here", template
    for template in (*WORDS.after, *WORDS.comments):
        if not any(mark in template for mark in "[(|"):
            assert without_fillers(f"Anna lives here, {template}") == "Anna lives here", template


def test_a_match_begins_and_ends_with_one_of_the_edge_words_of_its_template() -> None:
    assert edge_words("[please] don't (stop|go)") >= {"please", "do", "don't", "dont"}
    assert edge_words("[please] don't (stop|go)", at_end=True) == {"stop", "go"}
    assert edge_words("so it is", at_end=True) >= {"is", "it's"}


def test_options_of_templates_are_tried_the_longest_first() -> None:
    assert any_of(["so", "so much", "well"]) == "|".join(
        pattern(template).expression.pattern for template in ("so much", "well", "so")
    )
    assert _Fillers(["so", "so much"], at_end=False).match("so much tea ", "so")[0] == "so much "  # type: ignore[index]


@given(st.lists(MARKED, max_size=12), st.sampled_from([" ", "  ", "\t", " , "]))
def test_only_the_end_of_a_clause_is_searched_for_fillers(pieces: list[str], space: str) -> None:
    clause = f"{space.join(pieces)} "
    fillers = _fillers_after()
    fillers.match(clause, "\N{REPLACEMENT CHARACTER}")
    expression, words = fillers._expressions[""]
    found = expression.search(clause, _start_of_end(clause, words))
    anywhere = expression.search(clause)
    assert (found and found.span()) == (anywhere and anywhere.span())
