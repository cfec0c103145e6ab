"""Facts by subject, each with its source; forms to edit, end, delete and undo."""

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from memory import facts as fact_edits
from memory.errors import InputError
from memory.facts import change_of, edits_since, fact_of, is_current, read_facts
from memory.records import Change, Fact
from memory.related_facts import related_facts
from memory.settings import Settings
from memory.sql import quoted
from memory.store import Store
from memory.store.derived_facts import origins
from memory.store.turn_validation import local_now
from memory.web.markup import in_words, shown_text
from memory.web.page_request import Inputs, Page, PageRequest, PageResponse, PageRoute, Redirect

_SUBJECTS_A_PAGE = 30
_MOST_FACTS = 200  # that a SELECT returns
_FACTS_OF_A_SUBJECT = 5  # on the page of all subjects
_MOST_RELATED = 60


def all_facts(request: PageRequest, store: Store) -> PageResponse:
    """The subjects with the most facts, or the facts that match a query."""
    question = request.inputs.text("q")
    include_ended = bool(request.inputs.text("ended"))
    values: dict[str, Any] = {"q": question, "ended": include_ended, "facts": None, "subjects": []}
    if question:
        weights = request.handles.searcher.weights
        related = related_facts(store, [question], _MOST_RELATED, weights=weights)
        facts = [fact for fact, _ in related]
        values["facts"] = [fact for fact in facts if include_ended or is_current(fact, _today())]
        return Page("facts.html", values)
    after = request.inputs.text("after")
    order = "2 DESC, 1" if not after else "1"
    where = f" WHERE subject > {quoted(after)}" if after else ""
    rows = store.read(
        f"SELECT subject, COUNT(*) AS facts FROM facts{where} GROUP BY subject"
        f" ORDER BY {order} LIMIT {_SUBJECTS_A_PAGE + 1}"
    ).rows
    [(total,)] = store.read("SELECT COUNT(DISTINCT subject) AS subjects FROM facts").rows
    page_rows = rows[:_SUBJECTS_A_PAGE]
    newest = _newest(store, [subject for subject, _ in page_rows], include_ended)
    values["subjects"] = [(subject, count, newest[subject]) for subject, count in page_rows]
    values["total"] = total
    values["after"] = page_rows[-1][0] if after and len(rows) > _SUBJECTS_A_PAGE else ""
    values["has_all"] = not after and total <= _SUBJECTS_A_PAGE
    return Page("facts.html", values)


def subject(request: PageRequest, store: Store) -> PageResponse:
    """The facts about one subject, by attribute."""
    name = request.inputs.text("name")
    include_ended = bool(request.inputs.text("ended"))
    facts = read_facts(
        store, f"WHERE subject = {quoted(name)} ORDER BY attribute, id LIMIT {_MOST_FACTS}"
    )
    current = [fact for fact in facts if is_current(fact, _today())]
    groups = [
        (attribute, list(group))
        for attribute, group in groupby(
            facts if include_ended else current, lambda fact: fact.attribute
        )
    ]
    values = {
        "name": name,
        "groups": groups,
        "ended": include_ended,
        "hidden": 0 if include_ended else len(facts) - len(current),
        "turns": {turn.id: turn for turn in store.turns_by_id([fact.turn_id for fact in facts])},
        "is_cut": len(facts) == _MOST_FACTS,
    }
    return Page("subject.html", values)


def fact(request: PageRequest, store: Store) -> PageResponse:
    """One fact: its sources, its history, and forms to edit it."""
    fact_id = request.inputs.number("fact")
    edits = store.journal(fact_id=fact_id)
    if not edits:
        return Page("missing.html", {"wanted": f"fact {fact_id}"}, status=404)
    present = edits[-1].after
    past = present or edits[-1].before
    assert past is not None  # an edit has one of the two
    changes = {edit.change_id: change_of(store, edit.change_id) for edit in edits}
    values = {
        "fact": past,
        "is_there": present is not None,
        "is_current": present is not None and is_current(present, _today()),
        "turns": store.turns_by_id(_turns_of(store, past), missing_ok=True),
        "history": [(changes.get(edit.change_id), edit) for edit in reversed(edits)],
        "seen": edits[-1].change_id,
    }
    return Page("fact.html", values)


def edit(request: PageRequest, store: Store) -> PageResponse:
    """Correct, supersede, end or delete a fact.

    When somebody else has edited it since the page was loaded, nothing changes; the response shows
    both versions and what was typed, with the status 409.
    """
    inputs = request.inputs
    fact_id, seen = inputs.number("fact"), inputs.number("seen")
    make = EDITS.get(inputs.text("edit"))
    if make is None:
        raise InputError("there is no such edit")
    if edits_since(store, fact_id, seen):
        return _conflict(request, store, fact_id, seen)
    try:
        change = make(store, fact_id, inputs, str(Settings(store).get("user", "user")))
    except InputError:
        if edits_since(store, fact_id, seen):
            return _conflict(request, store, fact_id, seen)
        raise
    return Redirect(request.address("facts", fact_id, done=change.id))


def note(request: PageRequest, store: Store) -> PageResponse:
    """Add a fact from a turn."""
    inputs = request.inputs
    turn_id = inputs.number("turn")
    change = fact_edits.note(
        store,
        turn_id,
        subject=inputs.text("subject"),
        attribute=inputs.text("attribute").replace(" ", "_"),
        value=inputs.text("value"),
        happened_on=inputs.text("happened_on"),
        by=str(Settings(store).get("user", "user")),
    )
    return Redirect(request.address("turns", turn_id, done=change.id))


def undo(request: PageRequest, store: Store) -> PageResponse:
    """Undo a change, and show the result."""
    change = store.undo(request.inputs.number("change"))
    edits = store.journal(change.id)
    if len({edit.fact_id for edit in edits}) in (1, 2):
        return Redirect(request.address("facts", edits[0].fact_id, done=change.id))
    return Redirect(request.address("journal", change.id, done=change.id))


def _conflict(request: PageRequest, store: Store, fact_id: int, seen: int) -> Page:
    before = [edit for edit in store.journal(fact_id=fact_id) if edit.change_id <= seen]
    later = edits_since(store, fact_id, seen)
    values = {
        "fact_id": fact_id,
        "yours": before[-1].after if before else later[0].before,
        "theirs": later[-1].after,
        "changes": [change for edit in later if (change := change_of(store, edit.change_id))],
        "typed": {
            name: request.inputs.text(name)
            for name in ("edit", "value", "since", "on", "subject", "attribute", "happened_on")
            if request.inputs.text(name)
        },
        "seen": later[-1].change_id,
    }
    return Page("conflict.html", values, status=409)


def _turns_of(store: Store, fact: Fact) -> list[int]:
    """The sources of a fact: its own turn, and those of the facts it was merged from."""
    first = store.journal(fact_id=fact.id)[0].change_id
    change = change_of(store, first)
    made_of = origins(store.journal(first), [change] if change else []).get(fact.id, ())
    turn_ids = [fact.turn_id]
    for origin in made_of:
        turn_ids += _turns_of(store, origin)
    return list(dict.fromkeys(turn_ids))


def _newest(store: Store, subjects: Sequence[str], include_ended: bool) -> dict[str, list[Fact]]:
    """The newest facts of each subject, as far as one SELECT returns them."""
    names = ", ".join(map(quoted, subjects)) or "''"
    newest: dict[str, list[Fact]] = {subject: [] for subject in subjects}
    for fact in read_facts(
        store, f"WHERE subject IN ({names}) ORDER BY id DESC LIMIT {_MOST_FACTS}"
    ):
        of_subject = newest[fact.subject]
        if len(of_subject) < _FACTS_OF_A_SUBJECT and (include_ended or is_current(fact, _today())):
            of_subject.append(fact)
    return newest


def _today() -> str:
    return local_now()[:10]


def _supersede(store: Store, fact_id: int, inputs: Inputs, by: str) -> Change:
    return fact_edits.supersede(
        store, fact_id, inputs.text("value"), since=inputs.text("since"), by=by
    )


def _correct(store: Store, fact_id: int, inputs: Inputs, by: str) -> Change:
    old = fact_of(store, fact_id)

    def typed(name: str, current: str) -> str | None:
        """A field that was edited; None when it is as the page showed it."""
        text = inputs.text(name)
        return None if text == str(shown_text(current)).strip() else text

    attribute = typed("attribute", in_words(old.attribute))
    return fact_edits.correct(
        store,
        fact_id,
        value=typed("value", old.value),
        subject=typed("subject", old.subject),
        attribute=attribute and attribute.replace(" ", "_"),
        happened_on=typed("happened_on", old.happened_on),
        by=by,
    )


def _end(store: Store, fact_id: int, inputs: Inputs, by: str) -> Change:
    return fact_edits.end(store, fact_id, inputs.text("on"), by=by)


def _remove(store: Store, fact_id: int, inputs: Inputs, by: str) -> Change:
    return fact_edits.remove(store, fact_id, by)


EDITS: dict[str, Callable[[Store, int, Inputs, str], Change]] = {
    "supersede": _supersede,
    "correct": _correct,
    "end": _end,
    "remove": _remove,
}
PAGES: list[PageRoute] = [
    ("GET", "/facts", all_facts),
    ("POST", "/facts", note),
    ("GET", "/subject", subject),
    ("GET", "/facts/{fact}", fact),
    ("POST", "/facts/{fact}", edit),
    ("POST", "/undo", undo),
]
