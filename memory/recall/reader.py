"""A store as its model reads it: what `memory.program.model.MemoryReader` asks for."""

from functools import partial

from memory.facts.contradictions import shown_before
from memory.recall.recalled_facts import marks_of
from memory.recall.searcher import Searcher
from memory.store import Store
from memory.store.united import first_store
from memory.store.vocabulary_edits import vocabulary_of


class StoreReader:
    """A store, searched as one program searches."""

    def __init__(self, store: Store, searcher: Searcher) -> None:
        self.read = partial(searcher.read, store)
        self.search = partial(searcher.search, store)
        self.turns = store.turns
        self.turns_by_id = store.turns_by_id
        self.catalog = store.catalog
        self.name_lines = store.name_lines
        self.standing = partial(shown_before, first_store(store))
        self.vocabulary = partial(vocabulary_of, store)
        self.marks = partial(marks_of, store)
        self.summaries = store.summaries
        self.digested_facts = store.digested_facts


def reader_of(store: Store) -> StoreReader:
    """An open store for a program that is called by itself, ranked by the shipped weights."""
    return StoreReader(store, Searcher())
