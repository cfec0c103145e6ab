"""Plain forms of what people say and ask, matched as the vocabulary's templates write them."""

from memory.templates.matching import Found, Reading, assertions_in, templates_of
from memory.templates.names import aliases_in, names_given

__all__ = [
    "Found",
    "Reading",
    "aliases_in",
    "assertions_in",
    "names_given",
    "templates_of",
]
