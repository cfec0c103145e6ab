"""States that are replaced or end, told in everyday words, end in the memory."""

import pytest

from tests.benchmarks.changes import CASES, cases, facts_of, mistakes

# "A fox took the hens", "I'm in Lewes now", "New number: 5550199", "training is on Thursdays now".
_NOT_READ = 4


@pytest.mark.slow
def test_states_end_by_everyday_words() -> None:
    wrong = [case["turns"] for case in cases() if mistakes(case, facts_of(case["turns"]))]
    assert len(wrong) <= _NOT_READ, wrong


@pytest.mark.slow
def test_each_class_of_language_is_read() -> None:
    told = cases(CASES.with_name("told.toml"))
    assert not [case["turns"] for case in told if mistakes(case, facts_of(case["turns"]))]


@pytest.mark.parametrize(
    ("turns", "facts"),
    [
        # What names it ends: by its value, by its attribute's own noun, in any form.
        (("I sing in the harbour choir.", "I quit the choir."), ["sings ended", "stopped"]),
        (("I drive a Skoda.", "the car's gone"), ["drives ended"]),
        # Nothing else does: not another thing, nor a taste, nor what is kept of the dead.
        (("I have a dog called Pug.", "I sold the dog crate."), ["has_pet", "sold"]),
        (("I'm allergic to cats.", "The cats are gone from the garden."), ["allergic_to"]),
        # What was planned is over when it has happened, or is off.
        (("My driving test is on 3 February.", "Passed my driving test!"), ["appointment ended"]),
        (("I'm flying to Malta on 4 April.", "Malta's off."), ["plans ended"]),
        (("I'm going to buy a van.", "I bought the van."), ["plans ended", "bought", "owns"]),
        # A new amount takes the place of the old one.
        (("My weight is 88 kg.", "down to 84 kg!"), ["weight ended", "weight"]),
        # A home or a job that is left for another gives way to it; one that is not known does not.
        (
            ("I live in Split with my cat.", "We left Split for Zadar."),
            ["lives_in ended", "lives_in"],
        ),
        (("I live in Split.", "I left Split for good."), ["lives_in ended"]),
        (("I work at Ericsson.", "I left Ericsson for Nokia."), ["works_at ended", "works_at"]),
        (("I live in Split.", "I left Zagreb for Zadar."), ["lives_in"]),
        (("I live in Split.", "I left Split for Zadar on Friday."), ["lives_in"]),
        (("I drive a Fiat.", "I swapped the Fiat for a Seat."), ["drives ended", "drives"]),
    ],
)
def test_an_ending_hits_what_it_names(turns: tuple[str, str], facts: list[str]) -> None:
    left = [
        f"{fact.attribute}{' ended' if fact.ended_on else ''}"
        for fact in facts_of([f"Anna: {turn}" for turn in turns])
    ]
    assert [fact for fact in left if fact not in ("passed", "swapped", "left")] == facts
