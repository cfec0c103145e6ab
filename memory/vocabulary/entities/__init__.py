"""Whom a name means: names compared, aliases resolved."""

from memory.vocabulary.entities.names import (
    Relation,
    as_spoken,
    cases,
    forms,
    is_relative,
    key,
    names_somebody,
    relation_named,
    relation_words,
    spellings,
)
from memory.vocabulary.entities.people import count_people, is_name, with_names
from memory.vocabulary.entities.resolution import Alias, Names, Source

__all__ = [
    "Alias",
    "Names",
    "Relation",
    "Source",
    "as_spoken",
    "cases",
    "count_people",
    "forms",
    "is_name",
    "is_relative",
    "key",
    "names_somebody",
    "relation_named",
    "relation_words",
    "spellings",
    "with_names",
]
