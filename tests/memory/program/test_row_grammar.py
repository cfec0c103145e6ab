"""What a row may be: a subject without a verb, an attribute with one, and no clause beside it."""

import pytest

from memory.models import clause_rows, clauses_of, row_grammar
from tests.support.gbnf import expression_of


def rows_of(turn: str) -> set[str]:
    """All rows that the grammar of a turn has."""
    speaker, _, text = turn.partition(": ")
    return {
        " | ".join(cells)
        for words, clauses in clauses_of(text, speaker)
        for clause in clauses
        for cells, _ in clause_rows(words, clause)
    }


@pytest.mark.parametrize(
    ("turn", "row"),
    [
        ("Ida: My brother Piet moved to Delft in May.", "My brother Piet | moved to | Delft"),
        ("Ida: I'm a nurse.", "Ida | am | a nurse"),
        ("Ida: The house on the hill is for sale.", "The house on the hill | is for | sale"),
        ("Ida: Gave up the gym and bought a kayak.", "Ida | bought | a kayak"),
        ("Ida: Piet wants to learn Basque.", "Piet | wants to learn | Basque"),
        ("Ida: Piet's two cats hate the new sofa.", "Piet's two cats | hate | the new sofa"),
        ("Ida: Piet's a baker now.", "Piet | is | a baker now"),
        ("Ida: Jo and I own a boat.", "Ida | own | a boat"),
        ("ida: nisha got the promotion", "nisha | got | the promotion"),
        ("Ida: I've never eaten octopus.", "Ida | never eaten | octopus"),
        ("Ida: The dog sleeps under the stairs.", "The dog | sleeps under | the stairs"),
        ("Ida: My dog died.", "My dog | does | died"),
        ("Ida: The table wobbles.", "The table | does | wobbles"),
        ("Ida: I already paid.", "Ida | does | already paid"),
        ("Ida: Piet's expecting.", "Piet | is | expecting"),
        ("Ida: My knee hurts and the cat sneezed.", "the cat | does | sneezed"),
        ("Ida: Then a reindeer walked into the tent.", "a reindeer | walked into | the tent"),
        ("Ida: One of my queens arrived dead.", "One of my queens | arrived | dead"),
        ("Ida: I'm afraid of that north ridge.", "Ida | afraid of | that north ridge"),
        ("ida: tevita's allergic to crab", "tevita | allergic to | crab"),
    ],
)
def test_a_row_is_who_does_what_and_the_rest(turn: str, row: str) -> None:
    assert row in rows_of(turn)
    assert expression_of(row_grammar(turn)).fullmatch(row)


@pytest.mark.parametrize(
    "turn",
    [
        "Ida: Dorte and I open the shop at nine.",
        "Ida: I hate the rain but loved the walk.",
        "Ida: The spare key is under the blue pot.",
        "Ida: Rui was up at three again, and he baked two cakes.",
        "Ida: My aunt sold her piano because it was too loud and bought a harp.",
        "Ida: When we got home the cat had eaten the fish and slept on the stove.",
        "ida: landlord wrote, the rent goes up to 800 and he wants it in cash",
    ],
)
def test_no_subject_has_a_verb_and_no_attribute_is_without_one(turn: str) -> None:
    rows = rows_of(turn)
    assert rows
    for row in rows:
        subject, attribute, value = (cell.casefold().split() for cell in row.split(" | "))
        verbs = {
            "is",
            "was",
            "had",
            "open",
            "hate",
            "loved",
            "baked",
            "sings",
            "sold",
            "got",
            "bought",
        }
        verbs |= {"eaten", "slept", "wrote", "goes", "wants"}
        assert not {*subject} & verbs, row
        assert {*attribute} & verbs, row
        assert not {*attribute} & {"and", "but", "i", "he", "it", "the", "who"}, row
        assert value[0] not in {"and", "but", "because", "under", "at"}, row
        assert value[-1] not in {"the", "a", "of", "and", "because"}, row


@pytest.mark.parametrize(
    ("turn", "wrong"),
    [
        ("Ida: Dorte and I open the shop.", "Dorte | and I open | the shop"),
        ("Ida: I hate the rain but loved it.", "rain | but loved | it"),
        ("Ida: The spare key is under the pot.", "The spare | key is under | the pot"),
        ("Ida: The spare key is under the pot.", "The spare key is | under | the pot"),
        ("Ida: Rui was up at three.", "Rui | was | up at three"),
        ("Ida: I sold the car and bought a bike.", "Ida | sold | the car and bought a bike"),
        ("Ida: Ana's old bike broke.", "Ana | is | old bike broke"),
        ("Ida: Did you hear that Ana sold the shop?", "Ana | sold | the shop"),
        ("Ida: My dog died.", "My | does | dog died"),
        ("Ida: He broke the cuckoo clock.", "the cuckoo | does | clock"),
        ("Ida: My dog ate the cake.", "My dog | does | ate the cake"),
        ("Ida: The porch rail shook.", "The porch | rail | shook"),
        ("Ida: First prize was his cousin.", "First | prize | was his cousin"),
        ("Ida: I know that he sings.", "Ida | know | that he sings"),
        ("Ida: This place sells cakes.", "This place | sells | cakes"),
    ],
)
def test_what_is_cut_elsewhere_is_no_row(turn: str, wrong: str) -> None:
    assert wrong not in rows_of(turn)
    assert not expression_of(row_grammar(turn)).fullmatch(wrong)
