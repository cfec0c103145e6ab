"""The sentence that decides a question is quoted where it is likely to answer, and only there."""

from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest

from memory import Turn, open_store
from memory.program.answer_checks import AskedFor, asked_for
from memory.program.decisive_sentence import (
    Scored,
    best_sentence,
    is_dated_anew,
    is_sure,
    quotation,
    quoted_answer,
)
from memory.program.sentence_features import Sentence, candidate_sentences
from memory.program.spoken_days import days_in, spoken
from memory.search.ranking import FEATURE_WEIGHTS

TURNS = [
    Turn("Anna", "Coffee is up again. We moved to Church Street on Sat 17th.", "1", "2024-03-04"),
    Turn("Ben", "Congratulations! Is it warm?", "1", "2024-03-04"),
    Turn("Ben", "My sister Ingrid teaches the cello in Bergen.", "2", "2024-04-01"),
]
SPEAKERS = {"Anna", "Ben"}


def best(question: str, folder: Path) -> tuple[AskedFor, Scored | None]:
    folder.mkdir(exist_ok=True)
    asked = asked_for(question, SPEAKERS)
    with open_store(folder / "memory.db") as store:
        turns = {turn_id: store.turn(turn_id) for turn_id in store.add(TURNS)}
        sentences = candidate_sentences(asked, store.search(question, 40), turns, SPEAKERS)
    return asked, best_sentence(sentences)


def test_the_sentence_with_what_is_asked_is_the_best(tmp_path: Path) -> None:
    _, scored = best("Where does Ben's sister Ingrid teach the cello?", tmp_path)
    assert scored is not None
    assert quotation(scored.sentence) == (
        "Ben, 1 April 2024: \u201cMy sister Ingrid teaches the cello in Bergen.\u201d"
    )


@pytest.mark.parametrize("factor", [1, 2])
def test_a_ranking_by_other_weights_changes_no_feature_of_a_sentence(
    tmp_path: Path, factor: int
) -> None:
    asked = asked_for("Where does Ben's sister Ingrid teach the cello?", SPEAKERS)
    weights = {name: factor * weight for name, weight in FEATURE_WEIGHTS.items()}
    with open_store(tmp_path / "memory.db") as store:
        turns = {turn_id: store.turn(turn_id) for turn_id in store.add(TURNS)}
        hits = store.search(asked.text, 1, weights=weights)
        values = candidate_sentences(asked, hits, turns, SPEAKERS, weights)[0].values
    shares = {name: values[f"ranking_{name}"] * weights[name] for name in weights}
    assert shares == pytest.approx(dict(hits[0].shares))
    assert values["ranking_speaker"] == 1


def test_what_nobody_spoke_of_is_less_likely_answered(tmp_path: Path) -> None:
    _, told = best("Where does Ben's sister Ingrid teach the cello?", tmp_path / "told")
    _, never_told = best("Where did Ben park the lorry?", tmp_path / "never")
    assert told is not None
    assert never_told is not None
    assert told.likelihood > 2 * never_told.likelihood


def scored(text: str, likelihood: float, **values: float) -> Scored:
    turn = Turn("Anna", text, said_at="2024-03-04", id=1)
    return Scored(Sentence(turn, text, {}), {"asks_date": 0.0, **values}, likelihood)


@pytest.mark.parametrize(
    ("question", "text", "likelihood", "answer"),
    [
        (
            "When did Anna move to Church Street?",
            "We moved to Church Street on Sat 17th.",
            0.8,
            "17 February 2024"
            " (Anna, 4 March 2024: \u201cWe moved to Church Street on Sat 17th.\u201d)",
        ),
        ("When did Anna move to Church Street?", "We moved to Church Street on Sat 17th.", 0.2, ""),
        ("When did Anna move to Church Street?", "We moved to Church Street.", 0.8, ""),
        (
            "Since when has Anna been married?",
            "Karen and I have been married since 1974.",
            0.5,
            "1974 (Anna, 4 March 2024: “Karen and I have been married since 1974.”)",
        ),
        ("When did Anna marry?", "I was in Oslo in 1974 and in 1976.", 0.9, ""),
        ("When is Anna's wedding?", "I went to a wedding in 1974.", 0.9, ""),
        # What had passed is not to come, and what somebody wants has no day.
        ("When is Anna's wedding?", "The wedding was on 2 March.", 0.8, ""),
        ("When did Anna lose her tooth?", "Dentist on Friday, she wants the tooth out.", 0.8, ""),
        (
            "Where does Anna swim?",
            "I swim in the tarn.",
            0.8,
            "Anna, 4 March 2024: “I swim in the tarn.”",
        ),
        ("Where does Anna swim?", "I swim in the tarn.", 0.2, ""),
        # One sentence tells neither how many there were nor all of them.
        ("How many hats has Anna knitted?", "I have knitted three hats.", 0.9, ""),
        ("Which hats has Anna knitted?", "I have knitted a red hat.", 0.9, ""),
        ("Where did Anna swim first?", "I swim in the tarn.", 0.9, ""),
        # But a number before what is counted tells what was once, and a length is one.
        (
            "How many hats did Anna knit?",
            "I knitted three warm hats.",
            0.3,
            "three (Anna, 4 March 2024: “I knitted three warm hats.”)",
        ),
        ("How many hats did Anna knit?", "I knitted three warm hats.", 0.2, ""),
        ("How many hats did Anna knit?", "I knitted three hats so far.", 0.9, ""),
        ("How many hats did Anna knit by May?", "I knitted three hats.", 0.9, ""),
        ("How many hats did Anna knit?", "I knitted for three days.", 0.9, ""),
        ("How many hats did Anna knit?", "Two hats for Ben, three hats for me.", 0.9, ""),
        (
            "How long did Anna work at the lido?",
            "I was there three and a half years.",
            0.4,
            "three and a half years (Anna, 4 March 2024: “I was there three and a half years.”)",
        ),
        (
            "How long did Anna work at the lido?",
            "I was there three years.",
            0.4,
            "three years (Anna, 4 March 2024: “I was there three years.”)",
        ),
        ("How long did Anna stay at the lido?", "I'll be there three weeks.", 0.9, ""),
        # A person is told more often than other things by a sentence that is half as likely.
        ("Who taught Anna?", "Ben taught me.", 0.45, "Anna, 4 March 2024: “Ben taught me.”"),
        ("Where does Anna swim?", "I swim in the tarn.", 0.45, ""),
        # It has no number or name where one is asked for.
        ("How much did the house cost?", "We have signed for the house.", 0.9, ""),
        ("What is the name of Anna's dog?", "The dog is afraid of the bath.", 0.9, ""),
        # It is of somebody else, or is a question without its mark.
        ("What is Anna allergic to?", "No nuts please, she's allergic.", 0.9, ""),
        ("What is Anna allergic to?", "Nour is allergic to kiwi.", 0.9, ""),
        ("What colour is the bath?", "What colour did we paint the bath, I forgot", 0.9, ""),
        (
            "What is Nour allergic to?",
            "Nour is allergic to kiwi.",
            0.9,
            "Anna, 4 March 2024: “Nour is allergic to kiwi.”",
        ),
    ],
)
def test_a_likely_sentence_is_quoted(
    question: str, text: str, likelihood: float, answer: str
) -> None:
    assert quoted_answer(asked_for(question, SPEAKERS), scored(text, likelihood)) == answer


def logprobs(first: float, nearly: float) -> SimpleNamespace:
    other = SimpleNamespace(logprob=nearly)
    return SimpleNamespace(
        content=[SimpleNamespace(logprob=first, top_logprobs=[other])],
    )


def test_what_the_model_says_counts_where_it_is_sure_or_the_sentence_says_so() -> None:
    asked = asked_for("What does Anna like?", SPEAKERS)
    likely = scored("I swim in the tarn.", 0.6)
    unlikely = scored("I swim in the tarn.", 0.02)
    assert is_sure("the tarn", logprobs(-0.1, -4.0), asked, likely)
    assert not is_sure("the lido", logprobs(-1.9, -0.5), asked, unlikely)
    assert is_sure("the lido", logprobs(-0.1, -9.0), asked, unlikely)


def test_of_what_is_true_now_the_model_has_to_be_surer() -> None:
    sentence = scored("I swim in the tarn.", 0.1)
    asked = asked_for("What does Anna like?", SPEAKERS)
    asked_now = asked_for("What does Anna like now?", SPEAKERS)
    assert is_sure("the lido", logprobs(-0.8, -0.9), asked, sentence)
    assert not is_sure("the lido", logprobs(-0.8, -0.9), asked_now, sentence)


@pytest.mark.parametrize(
    ("question", "likelihood", "counts"),
    [
        ("What does Anna like?", 0.1, True),
        ("Where does Anna swim?", 0.1, False),
        ("Where does Anna swim?", 0.6, True),
        ("Who taught Anna?", 0.1, False),
        ("How much did Anna pay?", 0.3, False),
        ("How much does Anna weigh?", 0.3, True),
    ],
)
def test_of_persons_places_and_money_the_model_has_to_be_surer(
    question: str, likelihood: float, counts: bool
) -> None:
    asked = asked_for(question, SPEAKERS)
    sentence = scored("I swim in the tarn.", likelihood)
    assert is_sure("the tarn", logprobs(-0.8, -0.9), asked, sentence) is counts


def test_a_day_counts_where_the_sentence_is_likely() -> None:
    # A model this small picks the day of another turn, and is sure of it.
    asked = asked_for("When did Anna move?", SPEAKERS)
    day = scored("I swim in the tarn.", 0.1, asks_date=1.0)
    assert not is_sure("5 May 2024", logprobs(-0.1, -2.0), asked, day)


def test_a_day_to_come_is_told_by_the_tense_beside_it() -> None:
    said_on = date(2026, 5, 9)
    [service] = days_in("Lost my dad. The service is on the 16th in Dauphin.", said_on, True)
    [visit] = days_in("We came on the 16th.", said_on, False)
    assert spoken(service.day) == "16 May 2026"
    assert spoken(visit.day) == "16 April 2026"


def test_two_days_of_one_month_are_two() -> None:
    days = days_in("I was there on the 10th and the 25th of August.", date(2025, 9, 1), True)
    assert [spoken(day.day) for day in days] == ["10 August 2025", "25 August 2025"]


def test_a_day_without_a_year_is_the_one_that_is_near() -> None:
    # The question asks about the past, and the sentence tells of what was to come.
    [to_come] = days_in("Twelfth of March, at Airedale.", date(2025, 2, 2), True)
    [by_weekday] = days_in("Make that Saturday the 25th.", date(2024, 5, 6), True)
    [past] = days_in("The second of April, in her sleep.", date(2025, 4, 13), True)
    [long_past] = days_in("We married on 20 March.", date(2025, 2, 2), True)
    told = [to_come, by_weekday, past, long_past]
    assert [spoken(each.day) for each in told] == [
        "12 March 2025",
        "25 May 2024",
        "2 April 2025",
        "20 March 2024",
    ]


@pytest.mark.parametrize(
    ("question", "text", "answers"),
    [
        ("Where did Leela marry?", "Leela's marrying and I have to do a speech.", False),
        ("Where did Leela marry?", "Leela married in the town hall.", True),
        ("Where did Leela live before Ghent?", "Leela has moved to Ghent.", False),
        # whoever says it is Anna
        ("When did Anna break her wrist?", "Nuno slipped and broke his wrist on 4 May.", False),
        ("When did Anna break her wrist?", "I slipped and broke my wrist on 4 May.", True),
        ("What is Anna allergic to?", "Nour is allergic to kiwi.", False),
        ("Where did Leela live before Ghent?", "Leela moved from Bruges to Ghent.", True),
    ],
)
def test_a_sentence_is_quoted_where_it_tells_what_and_whom_is_asked_for(
    question: str, text: str, answers: bool
) -> None:
    assert bool(quoted_answer(asked_for(question, SPEAKERS), scored(text, 0.9))) is answers


def test_a_day_that_is_told_later_in_the_best_sentence_counts() -> None:
    asked = asked_for("When did Anna have the tooth out?", SPEAKERS)
    moved = scored("They put the tooth back to 9 April.", 0.8)
    assert is_dated_anew(asked, moved, [0])
    assert not is_dated_anew(asked, moved, [1])  # its own turn
    assert not is_dated_anew(asked, scored("The tooth is out.", 0.8), [0])
    assert not is_dated_anew(asked_for("Who has the tooth?", SPEAKERS), moved, [0])


def test_a_yes_that_a_rule_reads_needs_no_sure_model() -> None:
    asked = asked_for("Is Anna allergic to cats now?", SPEAKERS)
    unlikely = scored("I swim in the tarn.", 0.05)
    unsure = logprobs(-4.0, -4.1)
    assert is_sure("Yes: I'm allergic to cats.", unsure, asked, unlikely)
    assert not is_sure("cats", unsure, asked, unlikely)
