"""Standing instructions and preferences as they are stored: facts of persons who said them.

What a document, a tool, an assistant or a character said, or one person about another, is none,
whatever a model made of it.
"""

from collections.abc import Sequence
from dataclasses import replace

from memory.records import CORRECTIONS, Fact
from memory.speakers import is_assistant
from memory.store import settings, vocabulary_table
from memory.store.database import Connection
from memory.store.journal import to_fact
from memory.vocabulary import STANDING

_MOST = 200  # the newest


def standing_facts(conn: Connection, names: Sequence[str]) -> list[Fact]:
    """Those of the persons with these names, of all without any, newest first."""
    vocabulary = vocabulary_table.read_definition(conn).vocabulary
    rows = conn.run(
        "facts_that_subjects_said",
        attributes=[name for standing in STANDING for name in vocabulary.names_of(standing)],
        every=int(not names),
        names=list(names),
        lower_names=[name.lower() for name in names],
        corrections=CORRECTIONS,
        most=_MOST,
    ).fetchall()
    if not rows:
        return []
    characters = {
        str(setting.value).casefold() for setting in settings.setting_history(conn, "character")
    }
    facts = []
    for *columns, speaker in rows:
        fact = to_fact(columns)
        if speaker.casefold() not in characters and not is_assistant(speaker):
            facts.append(replace(fact, attribute=vocabulary.name_of(fact.attribute)))
    return facts
