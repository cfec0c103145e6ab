"""Whom a name means: names compared, aliases resolved, introductions read from what was said."""

from memory.entities.introductions import NewAlias, introductions
from memory.entities.names import (
    Relation,
    as_spoken,
    cases,
    forms,
    key,
    names_somebody,
    relation_named,
    relation_words,
    spellings,
)
from memory.entities.resolution import Alias, Names, Source

__all__ = [
    "Alias",
    "Names",
    "NewAlias",
    "Relation",
    "Source",
    "as_spoken",
    "cases",
    "forms",
    "introductions",
    "key",
    "names_somebody",
    "relation_named",
    "relation_words",
    "spellings",
]
