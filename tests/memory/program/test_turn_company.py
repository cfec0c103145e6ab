"""With whom somebody did a thing is the other of two who are named together."""

import pytest

from memory import Store, Turn
from memory.program.turn_company import answer_with_whom

BOTH_STORES = "slow"
_TOLD = (
    ("Jo", "Tom and I are getting married in June."),
    ("Bea", "Milo and I got engaged on Saturday!"),
    ("Bea", "Me and Otto are flying to Malta in July."),
    ("Ravi", "Tess and I went to Rome."),
    ("Lea", "Nils and I are going to Oman together."),
    ("Gwen", "I saw Stefan and Ida marry in Cork."),
)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Who will Jo marry?", "Tom"),
        ("Who is Jo marrying?", "Tom"),
        ("Who is Jo going to marry?", "Tom"),
        ("Who is Bea engaged to?", "Milo"),
        ("Who is Bea flying to Malta with?", "Otto"),
        ("Who did Ravi go to Rome with?", "Tess"),
        ("Who is Lea going to Oman with?", "Nils"),
        # Another person, another place, another time, and no deed of two.
        ("Who will Gwen marry?", None),
        ("Who is Lea flying to Malta with?", None),
        ("Who did Ravi go to Oslo with?", None),
        ("Who did Jo marry?", None),
        ("Who went to Rome?", None),
        ("Who has Ravi gone to Rome with?", None),  # there may have been more
    ],
)
def test_the_other_of_two_answers(store: Store, question: str, name: str | None) -> None:
    store.add([Turn(speaker, text, said_at="2025-05-01") for speaker, text in _TOLD])

    answer = answer_with_whom(question, "2025-06-01", read=store.read)

    assert (answer.text if answer else None) == name
