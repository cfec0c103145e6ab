"""Plain forms of what people say and ask, matched as the vocabulary's templates write them."""

from memory.records import Assertion, Turn
from memory.vocabulary import Vocabulary


def assertions_in(turn: Turn, vocabulary: Vocabulary) -> list[Assertion]:
    """What the whole clauses of a person's message assert by the templates, in their order."""
    return []
