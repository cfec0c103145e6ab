"""The attributes of facts: a default vocabulary, and what an application makes of it."""

from memory.vocabulary.attributes import (
    CALLED,
    INSTRUCTION,
    KINDS,
    LANGUAGE,
    LENGTH,
    PREFERENCE,
    PROFILE_PARTS,
    STANDING,
    Attribute,
    Kind,
    Vocabulary,
    check_attributes,
    combined,
    name_key,
)
from memory.vocabulary.definition import (
    Definition,
    merged,
    removed,
    renamed,
    with_attributes,
)
from memory.vocabulary.files import (
    VocabularyFile,
    default_vocabulary,
    read_vocabulary,
)
from memory.vocabulary.need import attribute_lines

__all__ = [
    "CALLED",
    "INSTRUCTION",
    "KINDS",
    "LANGUAGE",
    "LENGTH",
    "PREFERENCE",
    "PROFILE_PARTS",
    "STANDING",
    "Attribute",
    "Definition",
    "Kind",
    "Vocabulary",
    "VocabularyFile",
    "attribute_lines",
    "check_attributes",
    "combined",
    "default_vocabulary",
    "merged",
    "name_key",
    "read_vocabulary",
    "removed",
    "renamed",
    "with_attributes",
]
