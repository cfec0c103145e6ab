"""The texts of a stored fact: each is one line of bounded length."""

from memory.records import Fact
from memory.text.characters import LONGEST_LABEL, LONGEST_SOURCE, LONGEST_VALUE, label

# Characters. A value that is longer is refused by its table.
LONGEST = {"subject": LONGEST_SOURCE, "attribute": LONGEST_LABEL, "value": 2 * LONGEST_VALUE}


def has_clean_texts(fact: Fact) -> bool:
    """Whether a fact's texts have today's form; an older version stored any text."""
    texts = (fact.subject, fact.attribute, fact.value)
    return all(
        text == label(text, longest) for text, longest in zip(texts, LONGEST.values(), strict=True)
    )
