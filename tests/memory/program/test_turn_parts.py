"""Who, where and what: the part of a sentence that stands where the question word points."""

import pytest

from memory import Store, Turn
from memory.program.turn_parts import answer_by_parts

BOTH_STORES = "slow"
TODAY = "2025-12-31"
_TOLD = (
    ("Sigrun", "2025-01-10", "I sold my old tandem to my neighbour Pelle for 90 euros."),
    ("Tadeo", "2025-01-11", "My uncle Ruben mended the garden gate."),
    ("Sigrun", "2025-01-12", "Jorunn came over from Bergen and cooked for me all week."),
    ("Tadeo", "2025-02-01", "We buried the hamster under the plum tree."),
    ("Tadeo", "2025-02-02", "I found my ring in the drawer of a wardrobe in Lund."),
    ("Sigrun", "2025-02-03", "Tadeo gave me a brass lamp for my birthday."),
    ("Sigrun", "2025-02-04", "My sister Yrsa came from Ghent, where she lives."),
    ("Tadeo", "2025-02-05", "It's my cousin Amaro who is allergic to cats."),
    ("Tadeo", "2025-03-01", "I'm allergic to sesame."),
    ("Sigrun", "2025-03-02", "Yrsa and Matthis are engaged."),
    ("Tadeo", "2025-03-03", "My armchair went to Sigrun, and a student took the floor lamp."),
    ("Sigrun", "2025-03-04", "The wedding is on the 3rd of May at the Swan Inn."),
    ("Tadeo", "2025-03-05", "Who looks after the ferrets?"),
    ("Sigrun", "2025-03-05", "Our caretaker does."),
    ("Tadeo", "2025-03-06", "I might have bought a loom."),
    ("Tadeo", "2025-03-07", "I went fishing on Saturday with Sigrun's dad and caught nothing."),
    ("Tadeo", "2025-03-08", "I bought a scarf for Yrsa."),
    ("Tadeo", "2025-04-08", "I bought a kettle for Yrsa."),
    ("Sigrun", "2025-04-09", "I have a parrot called Cosmo."),
)


@pytest.fixture
def told(store: Store) -> Store:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _TOLD])
    return store


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        # Who did it: the subject of the verb or of one that means the same, ...
        ("Who repaired Tadeo's gate?", "Tadeo's uncle Ruben"),
        ("Who cooked for Sigrun?", "Jorunn"),
        ("Who took the floor lamp?", "student"),
        # ... or whom the opposite deed was done to.
        ("Who bought Sigrun's old tandem?", "Sigrun's neighbour Pelle"),
        ("Who got Tadeo's armchair?", "Sigrun"),
        ("Who looks after the ferrets?", "Sigrun's caretaker"),
        ("Who is Yrsa engaged to?", "Matthis"),
        ("Who did Tadeo go fishing with?", "Sigrun's dad"),
        # Where: the place behind the verb.
        ("Where did Tadeo find his ring?", "drawer of a wardrobe in Lund"),
        ("Where was the hamster buried?", "plum tree"),
        ("Where will the wedding take place?", "Swan Inn"),
        ("Where does Sigrun's sister live?", "Ghent"),
        # What: what stands behind the verb.
        ("What did Tadeo give Sigrun for her birthday?", "brass lamp"),
        ("What is Tadeo allergic to?", "sesame"),
        ("What is Sigrun's parrot called?", "Cosmo"),
        # Another's, what is only possible, several things, a list, and what nobody told.
        ("What is Amaro's parrot called?", None),
        ("What is Sigrun allergic to?", None),
        ("What did Tadeo buy in June 2025?", None),
        ("What did Tadeo buy for Yrsa?", None),
        ("What has Tadeo bought?", None),
        ("Who bought Tadeo's tandem?", None),
        ("Where did Sigrun lose her watch?", None),
        ("Where does Tadeo live?", None),
        ("How old is Yrsa?", None),
    ],
)
def test_the_part_that_is_asked_for_is_read(told: Store, question: str, answer: str | None) -> None:
    told_answer = answer_by_parts(question, TODAY, read=told.read)

    assert (told_answer.text if told_answer else None) == answer


def test_the_asker_is_spoken_to(told: Store) -> None:
    answer = answer_by_parts(
        "Who bought Sigrun's old tandem?", TODAY, read=told.read, asker="Sigrun"
    )

    assert answer is not None
    assert answer.text == "your neighbour Pelle"


_MORE = (
    ("Sigrun", "2024-01-01", "The old loom has a new home. A weaver from Falun drove off with it."),
    ("Sigrun", "2024-01-02", "I was on the Kebne ridge in May with Matthis, and it snowed."),
    ("Tadeo", "2024-01-03", "In the end my aunt Pilar repaired the oven."),
    ("Tadeo", "2024-01-04", "We bought a barn, Yrsa and I. It's on a hill near Leksand."),
    ("Tadeo", "2024-01-05", "My cousin Amaro has a flat in Malaga, he's a baker there."),
    ("Sigrun", "2024-01-06", "I met Mr Lind. Did you know that I sold the moped to him?"),
)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Who bought Sigrun's old loom?", "weaver from Falun"),
        ("Who was with Sigrun on the Kebne ridge?", "Matthis"),
        ("Who got the oven working again?", "Tadeo's aunt Pilar"),
        ("Where is the barn that Tadeo and Yrsa bought?", "hill near Leksand"),
        ("In which town does Tadeo's cousin Amaro work as a baker?", "Malaga"),
        ("Who bought Sigrun's moped?", "Mr Lind"),
        ("Who was with Tadeo on the Kebne ridge?", None),
        ("Where is the barn that Sigrun sold?", None),
    ],
)
def test_other_words_for_the_same_deed_are_read(
    store: Store, question: str, answer: str | None
) -> None:
    store.add([Turn(speaker, text, session=day, said_at=day) for speaker, day, text in _MORE])
    told_answer = answer_by_parts(question, TODAY, read=store.read)

    assert (told_answer.text if told_answer else None) == answer
