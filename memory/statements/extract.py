"""The facts that a turn states in plain words: its clauses, read by rules; no model is asked."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

from memory.records import Turn
from memory.statements.clause import Clause, subject_name
from memory.statements.clauses import Telling, ToldPart
from memory.statements.denials import denials
from memory.statements.duties import duty_of
from memory.statements.endings import endings_of
from memory.statements.generous import Unread, unread
from memory.statements.instructions import ASSISTANT, instructions
from memory.statements.last_days import last_days
from memory.statements.listed import listed
from memory.statements.moved_dates import moved_dates
from memory.statements.other_languages import in_other_languages
from memory.statements.people import people_named
from memory.statements.possessions import is_said_plainly, of_possession
from memory.statements.predicates import predicate
from memory.statements.readings import Reading
from memory.statements.references import Context
from memory.statements.sentences import languages
from memory.statements.statement import Over, Statement
from memory.statements.things import about_thing
from memory.statements.worth import worth_storing

# What people tell of themselves stands at the beginning of a long text; the rest is pasted.
_LONGEST_TEXT = 6_000  # characters
# Instructions to a model, pasted or not, tell of nobody.
_PROMPT = re.compile(
    r"\b(?:from now on,? you|act as|you are (?:now )?an? [\w ]{3,40}(?:expert|instructor"
    r"|assistant|writer"
    r"|teacher|editor|engineer|bot|model)|i want you to|ignore (?:all|the) previous)\b",
    re.IGNORECASE,
)
# Whoever writes more tells a story, or pastes.
_LONGEST_MESSAGE = 1_000  # characters
_COUNTED = re.compile(r"(?:two|three|four|five|six|seven|eight|nine|ten|\d+)\b", re.IGNORECASE)
# What is said beside a name tells nothing of other names: "Piotr, a plumber".
_OF_ANYBODY = frozenset({"works_as", "works_at", "lives_in", "comes_from", "age"})
_UNNAMED = re.compile(r"(?:an? |\d+ )?[a-z][\w -]*")


@dataclass(frozen=True)
class Told:
    """What a turn tells: facts, what is over, and who was spoken of last.

    `unread` are the statements that clauses may make of which rules read nothing; those that are
    likely enough to be worth a fact are among `statements`.
    """

    statements: tuple[Statement, ...] = ()
    endings: tuple[Over, ...] = ()
    context: Context = field(default_factory=Context)
    unread: tuple[Unread, ...] = ()


def stated(turn: Turn, speakers: Collection[str] = ()) -> list[Statement]:
    """What a turn states of its speaker, of somebody named in it, and of the speaker's own.

    English. Questions, wishes and suppositions state nothing, and nor do documents, tool uses and
    the turns of an assistant. `speakers` are the names of those who speak in the memory. Of a very
    long turn only the beginning is read.
    """
    return list(told(turn, speakers).statements)


def told(turn: Turn, speakers: Collection[str] = (), context: Context | None = None) -> Told:
    """What a turn states, and what it says is over, where `context` is who was spoken of before."""
    speaker = turn.speaker.strip()
    if turn.kind != "message" or not speaker or ASSISTANT.fullmatch(speaker):
        return Told()
    text = turn.text[:_LONGEST_TEXT]
    standing = instructions(text, speaker)
    if _PROMPT.search(text):
        return Told(tuple(standing))
    may_be_english, may_be_other = languages(text)
    others = in_other_languages(text, speaker) if may_be_other else []
    if others or not may_be_english:
        return Told((*standing, *others))
    telling = Telling(text, speakers, context)
    parts = list(telling.parts())
    of_parts = [[*_of_part(part, turn)] for part in parts]
    read = [statement for of_part in of_parts for statement in of_part]
    statements = _statements(text, turn, speakers, standing, read)
    candidates: list[Unread] = []
    if len(text) <= _LONGEST_MESSAGE:
        left = [part for part, of_part in zip(parts, of_parts, strict=True) if not of_part]
        candidates = [candidate for part in left for candidate in unread(part, turn)]
        statements += _new(worth_storing(candidates, turn), statements)
    endings = dict.fromkeys(ending for part in parts for ending in endings_of(part, turn))
    return Told(tuple(statements), tuple(endings), telling.context, tuple(candidates))


def _statements(
    text: str,
    turn: Turn,
    speakers: Collection[str],
    standing: Sequence[Statement],
    read: Sequence[Statement],
) -> list[Statement]:
    speaker = turn.speaker.strip()
    statements: dict[tuple[str, str, str], Statement] = {}
    items = [*listed(turn, text)]
    people = [*people_named(text, speaker, speakers), *items]
    named = {person.attribute for person in people} - _OF_ANYBODY
    leavings = [*last_days(turn, text)]
    moved = [*moved_dates(turn, text)]
    people += moved
    denied = [*denials(turn, text, speakers)]
    for statement in (*standing, *people, *read, *leavings, *denied):
        is_move = statement.attribute in ("moved", "changed", "postponed", "appointment")
        if moved and is_move and statement is not moved[0]:
            continue
        if items and _COUNTED.match(statement.value):
            continue  # "we had two trips: Sandbanks and Bon Echo"
        is_unnamed = statement.attribute in named and _UNNAMED.fullmatch(statement.value)
        if is_unnamed and statement not in people:
            continue  # "I have a sister, Elena"
        if statement.attribute == "left_job" and leavings:
            if statement is leavings[0] and any(key[1] == "left_job" for key in statements):
                continue  # "I quit the bakery. Friday was my last day."
            day = statement.happened_on or leavings[0].happened_on
            statement = replace(statement, happened_on=day)
        key = statement.subject.lower(), statement.attribute, statement.value.lower()
        statements.setdefault(key, statement)
    return list(statements.values())


def _new(found: Sequence[Statement], statements: Sequence[Statement]) -> list[Statement]:
    """Those whose value no other statement of their subject has."""
    known = {(each.subject.lower(), each.value.lower()) for each in statements}
    return [each for each in found if (each.subject.lower(), each.value.lower()) not in known]


def _of_part(part: ToldPart, turn: Turn) -> Iterator[Statement]:
    for clause in part.clauses:
        if not clause.noun:
            yield from _of_predicate(clause, turn)
            continue
        facts = [*of_possession(clause, turn)]
        yield from facts
        if not facts and not is_said_plainly(clause) and (thing := about_thing(clause)):
            yield from _of_predicate(thing, turn)


def _of_predicate(clause: Clause, turn: Turn) -> Iterator[Statement]:
    subject = subject_name(clause, turn.speaker)
    if duty := duty_of(clause, turn):
        yield replace(duty, subject=subject)
        return
    verbs = predicate(clause.text, has_subject=clause.has_subject)
    if verbs is None:
        return
    reading = Reading(subject, verbs, clause, turn)
    yield from reading.statements()
