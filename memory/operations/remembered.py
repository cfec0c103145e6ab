"""What the tool remember stores: turns word for word, and a model's facts of them."""

from collections.abc import Iterator, Sequence

from memory.errors import InputError, SqlError
from memory.facts import add, correct, fact_of
from memory.facts.edits import refuse_secrets
from memory.facts.near_attributes import known_name
from memory.facts.queries import iso_date
from memory.facts.row_checks import RowChecks
from memory.operations.consequences import refuse_expiring
from memory.operations.tool_arguments import NewFact, NewTurn
from memory.records import Fact, Turn, Withheld
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import person_of
from memory.store.facts.fact_reads import by_template, facts_from, spelling_of
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.turns.turn_validation import A_MODEL, FORGET_AFTER, WRITTEN_BY
from memory.system.terminal import count
from memory.text.message_parts import INVISIBLE
from memory.text.words import telling_words
from memory.text.written_dates import clean_date
from memory.vocabulary import name_key
from memory.vocabulary.entities import key
from memory.vocabulary.fact_lines import spoken_line

_TURNS_BEFORE = 5  # of the same session, which may complete what a turn says


def date_of(said_at: str) -> str:
    """A date or time as ISO text. Raises InputError for what is none."""
    if clean := clean_date(said_at):
        return clean
    raise InputError(
        f"said_at {said_at[:60]!r} is no date; write 2017-05-08T13:56, 2017-05 or 2017"
    )


def spoken_turn(store: Store, new: NewTurn, *, session: str, said_at: str) -> Turn:
    return Turn(
        person_of(store, new.get("speaker", "")),
        new["text"],
        session=session,
        said_at=date_of(new["said_at"]) if new.get("said_at") else said_at,
        source=new.get("source", ""),
        tags={
            WRITTEN_BY: A_MODEL,
            **({FORGET_AFTER: new["expires"]} if new.get("expires") else {}),
        },
    )


def stored_lines(stored: Sequence[tuple[int, bool, Withheld]]) -> Iterator[str]:
    """Which turns are stored, and what was withheld of them."""
    for is_new, done in ((True, "Remembered"), (False, "Known already")):
        if numbers := [str(number) for number, new, _ in stored if number and new is is_new]:
            *others, last = numbers
            listed = f"turns {', '.join(others)} and {last}" if others else f"turn {last}"
            yield f"{done} as {listed}."
    if secrets := sum(withheld.secrets for _, _, withheld in stored):
        yield f"{count(secrets, 'secret')} withheld."
    if private := sum(withheld.private for _, _, withheld in stored):
        yield f"{count(private, 'private piece')} of text not stored."


def store_fact(
    store: Store,
    new: NewFact,
    stored: Sequence[tuple[int, bool, Withheld]],
    may_forget: bool = True,
) -> str:
    """Store a fact of one of the turns just stored, or of an earlier one, and say so.

    What its turn has said once is not stored again: it may have been corrected since.
    """
    turn_id, is_new = new.get("turn_id", 0), False
    if not turn_id:
        number = new.get("turn", 0) or len(stored)
        if not 1 <= number <= len(stored):
            raise InputError(f"turn {number} of the fact is not one of the {len(stored)} in turns")
        turn_id, is_new, _ = stored[number - 1]
        if not turn_id:
            raise InputError(f"turn {number} of the fact is not stored: {INVISIBLE}")
    if not (is_new or may_forget):
        refuse_expiring(store, [new["attribute"]])
    if not is_new and (fact := _known(store, new, turn_id)):
        return f"Known already: {spoken_line(fact)}"
    turn = store.turn(turn_id)
    subject = person_of(store, new["subject"])
    before = [
        earlier
        for earlier in store.turns(turn_id - _TURNS_BEFORE, turn_id - 1)
        if earlier.session == turn.session
    ]
    fact = Fact(subject, "_".join(new["attribute"].split()), new["value"].strip(), turn_id)
    if reason := RowChecks(store, [turn], before).reason_against(fact):
        raise InputError(f"{subject} {new['attribute']} {fact.value!r}: {reason}")
    if read := _by_template(store, new, turn_id):
        return _in_its_place(store, new, read)
    if key(subject) != key(turn.speaker):
        return _by_another(store, new, turn)
    change = add(
        store,
        turn_id=turn_id,
        subject=new["subject"],
        attribute=new["attribute"],
        value=new["value"],
        happened_on=new.get("on", ""),
        new_attribute=new.get("new_attribute", False),
        by="tool remember",
    )
    [fact] = [
        entry.after for entry in edits_of(store, change.id) if entry.after and entry.before is None
    ]
    return f"{spoken_line(fact)}: change {change.id}"


def _by_another(store: Store, new: NewFact, turn: Turn) -> str:
    """Store what a turn says of someone else: it is kept next to their own, and ends nothing."""
    from memory.sql.policy import check_facts  # with the parser

    attribute = known_name(store, new["attribute"], new_attribute=new.get("new_attribute", False))
    subject = spelling_of(store, person_of(store, new["subject"]))
    _, value = vocabulary_of(store).stored(attribute, new["value"].strip())
    refuse_secrets(store, value)
    day = iso_date(new["on"]) if new.get("on") else ""
    fact = Fact(subject, attribute, value, turn.id, happened_on=day)
    try:
        change = store.write((check_facts([fact]),), cause="digest by the tool remember")
    except SqlError as error:
        raise InputError(f"this cannot be stored: {error}") from error
    return f"{spoken_line(fact)}: change {change.id}"


def _by_template(store: Store, new: NewFact, turn_id: int) -> Fact | None:
    """What a template made of a fact's turn a moment ago; the model's words are better."""
    vocabulary = vocabulary_of(store)
    attribute = vocabulary.name_of(new["attribute"])
    known = vocabulary.canonical(attribute)
    subject = person_of(store, new["subject"]).casefold()
    value_words = {*telling_words(new["value"])}

    def is_same(fact: Fact) -> bool:
        if fact.subject.casefold() != subject:
            return False
        shared = value_words & {*telling_words(fact.value)}
        if name_key(fact.attribute) != name_key(attribute):
            # Under another attribute, only the same value: "has: red Fiat" and "owns: a red Fiat".
            return shared == value_words == {*telling_words(fact.value)}
        return bool(shared) or (known is not None and known.kind == "one value")

    same = [fact for fact in facts_from(store, [turn_id]) if is_same(fact)]
    same.sort(key=lambda fact: name_key(fact.attribute) != name_key(attribute))
    templates = by_template(store, [fact.id for fact in same])
    return next((fact for fact in same if fact.id in templates), None)


def _in_its_place(store: Store, new: NewFact, read: Fact) -> str:
    """Put a model's words in the place of what a template made."""
    value, on = new["value"].strip(), new.get("on", "")
    attribute = vocabulary_of(store).name_of("_".join(new["attribute"].split()))
    if (value, attribute) == (read.value, read.attribute) and on in ("", read.happened_on):
        return f"Known already: {spoken_line(read)}"
    change = correct(
        store,
        read.id,
        attribute=attribute,
        value=value,
        happened_on=on or None,
        by="tool remember",
    )
    return f"{spoken_line(fact_of(store, read.id))}: change {change.id}"


def _known(store: Store, new: NewFact, turn_id: int) -> Fact | None:
    """The fact that a turn already stated in these words, with its state then."""
    attribute = vocabulary_of(store).name_of(new["attribute"])
    subject = person_of(store, new["subject"])
    for entry in edits_of(store):
        fact = entry.after
        if (
            fact is not None
            and fact.turn_id == turn_id
            and name_key(fact.attribute) == name_key(attribute)
            and fact.subject.casefold() == subject.casefold()
            and fact.value.casefold() == new["value"].strip().casefold()
        ):
            return fact
    return None
