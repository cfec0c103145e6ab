"""Plain forms of what people say and ask, matched as the vocabulary's templates write them."""

from memory.vocabulary.templates.clauses import plays_somebody, supposes
from memory.vocabulary.templates.forms import name_at_end
from memory.vocabulary.templates.matching import (
    Found,
    Reading,
    assertions_in,
    template_of,
    templates_of,
)
from memory.vocabulary.templates.names import aliases_in, names_given
from memory.vocabulary.templates.questions import (
    Question,
    asked_about,
    question_templates_of,
    whom,
)

__all__ = [
    "Found",
    "Question",
    "Reading",
    "aliases_in",
    "asked_about",
    "assertions_in",
    "name_at_end",
    "names_given",
    "plays_somebody",
    "question_templates_of",
    "supposes",
    "template_of",
    "templates_of",
    "whom",
]
