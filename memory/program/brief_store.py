"""How a little model stores: it writes rows of a turn, and code checks and inserts them.

What does not stand in the turn is left out. So its rows add to a memory, and end or replace nothing
that templates or people stored.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dspy.utils.exceptions import AdapterParseError

from memory.errors import SqlError
from memory.evidence.messages import has_statement, is_evidence
from memory.facts.related import known_facts
from memory.facts.window_writes import WindowWriter
from memory.models.brief_prompts import MOST_ROWS
from memory.program.digest import StoreTurns, WindowContext, stored_window
from memory.program.fact_checks import dated
from memory.program.signatures.brief import EXAMPLES_OF_ROWS
from memory.records import Fact, Turn
from memory.sql import quoted
from memory.sql.refused_parts import RefusedPartError
from memory.store.fact_reads import by_template, facts_now_about
from memory.store.vocabulary_edits import vocabulary_of
from memory.text.dates import is_iso_date
from memory.text.turn_forms import turn_forms
from memory.text.turn_lines import resolved_line
from memory.text.word_forms import is_among, telling_words
from memory.text.words import words
from memory.vocabulary.entities import key, relation_words

_RELATED = 40  # facts that a turn may say again
_SENTENCE = re.compile(r"[^.!?;\n]+")


class StoreRows(StoreTurns):
    """Writes what each turn of a window says as rows, which code checks and inserts.

    A turn is shown by itself. Returns as StoreTurns; `unsaid` counts the rows that were left out.
    """

    def __init__(self) -> None:
        super().__init__("brief")
        self.predict.demos = list(EXAMPLES_OF_ROWS)

    @property
    def is_compiled(self) -> bool:
        """Whether an optimizer gave it other examples than it comes with, or instructions."""
        instructions = self.predict.signature.instructions
        return instructions != self.plain_instructions or self.predict.demos != [*EXAMPLES_OF_ROWS]

    def _stored(self, context: WindowContext, writer: WindowWriter) -> dict[str, Any]:
        facts: list[Fact] = []
        calls = unsaid = 0
        for turn in context.turns:
            if not (is_evidence(turn.text) and has_statement(turn.text)):
                continue  # a question, a greeting, thanks: nothing is asked of the model
            line = resolved_line(turn, dates=False, iso=True).partition("] ")[2]
            calls += 1
            try:
                with self._traced():
                    text = str(self._predicted(turn=line).rows or "")
            except AdapterParseError:
                continue
            rows = rows_in(text)
            new = _new_facts(rows, turn, line, writer, facts)
            facts += new
            unsaid += len(rows) - len(new)
        return _written(facts, writer, calls, unsaid)

    def _as_stored(self, fact: Fact, turn: Turn) -> Fact | None:
        return dated(fact, turn)


def _written(
    facts: Sequence[Fact], writer: WindowWriter, calls: int, unsaid: int
) -> dict[str, Any]:
    """The window with those of these facts that the store takes."""
    sql = insert_of(facts)
    if not sql:
        return stored_window(writer.write_checked(()), calls=calls, unsaid=unsaid)
    try:
        change, left_out = writer.write(sql)
    except RefusedPartError as error:
        change = writer.write_checked(error.without)
        return stored_window(change, sql=sql, calls=calls, refused=str(error), unsaid=unsaid)
    except SqlError as error:
        change = writer.write_checked(())
        return stored_window(
            change, sql=sql, calls=calls, refused=str(error), unsaid=unsaid + len(facts)
        )
    return stored_window(change, sql=sql, calls=calls, unsaid=unsaid + left_out)


def rows_in(text: str) -> list[tuple[str, str, str, str]]:
    """The rows that a model wrote: subject, attribute, value and date ("" for none)."""
    rows = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip(" |").split("|")]
        if 3 <= len(cells) <= 4 and all(cells[:3]):
            rows.append((cells[0], cells[1], cells[2], cells[3] if len(cells) > 3 else ""))
    return rows[:MOST_ROWS]


def insert_of(facts: Sequence[Fact]) -> str:
    """The INSERT of some facts; "" for none."""
    if not facts:
        return ""
    rows = ",\n  ".join(
        f"({', '.join(map(quoted, (f.subject, f.attribute, f.value, f.happened_on)))}, {f.turn_id})"
        for f in facts
    )
    return f"INSERT INTO facts (subject, attribute, value, happened_on, turn_id) VALUES\n  {rows};"


def _new_facts(
    rows: Sequence[tuple[str, str, str, str]],
    turn: Turn,
    line: str,
    writer: WindowWriter,
    written: Sequence[Fact],
) -> list[Fact]:
    """Those of a turn's rows that it says and that nothing says already, as facts."""
    if not rows:
        return []
    store = writer.store
    vocabulary = vocabulary_of(store)
    stated = [state.fact for state in store.facts_of_turns([turn.id])]
    standing = [*stated, *known_facts(store, [f"{turn.speaker}: {turn.text}"], _RELATED), *written]
    facts: list[Fact] = []
    for subject, name, value, day in rows:
        if not (who := _subject(subject, value, turn)) or not _says(turn, value):
            continue
        known = vocabulary.canonical(name.casefold().replace(" ", "_"))
        attribute = known.name if known else "_".join(words(name))
        # A date that the line does not show was made up.
        happened_on = day if is_iso_date(day) and f"({day})" in line else ""
        fact = Fact(who, attribute, value, happened_on=happened_on, turn_id=turn.id)
        if not telling_words(attribute.replace("_", " ")) or any(
            _is_double(fact, old) for old in (*standing, *facts)
        ):
            continue
        if any(_is_same(fact, old) for old in stated):
            continue  # a template read this of the turn
        if known and known.kind == "one value":
            # What a template read before this turn, surer than this; of what it read later no more.
            before = [
                old.id
                for old in facts_now_about(store, [who])
                if old.attribute == attribute and old.turn_id <= turn.id
            ]
            if by_template(store, before):
                continue
        facts.append(fact)
    return facts


def _subject(subject: str, value: str, turn: Turn) -> str:
    """Whom a row is about; "" where the turn does not name them, or speaks of somebody else."""
    pronouns = relation_words()
    if key(subject) in pronouns.speaker:
        subject = turn.speaker
    named = {*words(subject)}
    if not named or key(subject) in pronouns.others:
        return ""
    if key(subject) != key(turn.speaker):
        return subject if named <= {*words(turn.text), *words(turn.speaker)} else ""
    sentence = _sentence_of(value, turn.text)
    of_speaker = sentence & (pronouns.speaker | pronouns.possessives)
    return "" if sentence & pronouns.others and not of_speaker else turn.speaker


def _sentence_of(value: str, text: str) -> set[str]:
    """The words of the sentence that shares most of them with a value."""
    wanted = {*words(value)}
    sentences = [{*words(sentence)} for sentence in _SENTENCE.findall(text)]
    return max(sentences, key=lambda sentence: len(sentence & wanted), default=set())


def _says(turn: Turn, value: str) -> bool:
    """Whether all telling words of a value stand in the turn's text: "has_not_written" is none."""
    telling = telling_words(value)
    forms = turn_forms(replace(turn, speaker=""))
    return bool(telling) and "_" not in value and all(is_among(word, forms) for word in telling)


def _is_same(fact: Fact, old: Fact) -> bool:
    """Whether two facts are of one subject and attribute, or one subject and value."""
    if key(fact.subject) != key(old.subject):
        return False
    return fact.attribute == old.attribute or words(fact.value) == words(old.value)


def _is_double(fact: Fact, old: Fact) -> bool:
    return (
        key(fact.subject) == key(old.subject)
        and fact.attribute == old.attribute
        and telling_words(fact.value) == telling_words(old.value)
    )
