"""Facts by subject, each with its source."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, get_args

from memory.errors import InputError
from memory.facts import change_of
from memory.facts.latest_word import latest_words, with_later
from memory.facts.related import related_facts
from memory.facts.standing import standing_facts, standing_without_effect
from memory.records import Fact
from memory.server.web.markup import in_words
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute
from memory.store import Store
from memory.store.changes.history import edits_of
from memory.store.configuration.settings import is_unnamed, owner_of
from memory.store.facts.contradictions import open_contradictions
from memory.store.facts.entity_edits import known_entities
from memory.store.facts.fact_reads import (
    Order,
    by_template,
    count_entities,
    current_among,
    entities_by_facts,
    facts_about,
    facts_now_about,
    listed_facts,
    newest_of_each,
)
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.forgetting.derived_facts import origins
from memory.store.namespaces import DEFAULT
from memory.store.turns.tags import has_tag
from memory.store.turns.traces import trace_of_fact
from memory.store.turns.turn_reads import all_speakers
from memory.text.speakers import is_assistant
from memory.text.tool_uses import AGENT_TAG
from memory.text.words import forms_of, telling_words
from memory.vocabulary import PROFILE_PARTS
from memory.vocabulary.templates import template_of

_SUBJECTS_A_PAGE = 12
_MOST_FACTS = 200  # of a subject
_MOST_NEWEST = 200  # from which the newest of the vocabulary's attributes are taken
_FACTS_OF_A_SUBJECT = 30  # on the page of all subjects, of the newest
_NEWEST_OF_A_SUBJECT = 40
# Beside the profile, what a person asks first of another.
_FAMILY = (
    *("married_to", "wife", "husband", "partner", "marital_status", "engaged_to", "has_child"),
    *("has_son", "has_daughter", "has_mother", "has_father", "has_sibling", "has_sister"),
    *("has_brother", "has_pet"),
)
_MOST_RELATED = 60
_FACTS_A_PAGE = 40
ORDERS: tuple[Order, ...] = get_args(Order)  # of the list, by their names on the page
SORT_KEYS: dict[str, Callable[[Fact], Any]] = {  # the same, of facts that a search has found
    "new": lambda fact: fact.id,
    "date": lambda fact: fact.happened_on,
    "person": lambda fact: (fact.subject, fact.attribute),
    "attribute": lambda fact: (fact.attribute, fact.subject),
}


def all_facts(request: PageRequest, store: Store) -> PageResponse:
    """Facts by person, or as a list that is searched, sorted and filtered."""
    inputs = request.inputs
    question, order = inputs.text("q"), inputs.text("sort")
    include_ended, standing = bool(inputs.text("ended")), bool(inputs.text("standing"))
    filters = {name: inputs.text(name) for name in ("person", "attribute")}
    if order not in ORDERS and order:
        raise InputError(f"sort: give one of {', '.join(ORDERS)}")
    values: dict[str, Any] = {
        "q": question,
        "sort": order,
        "orders": ORDERS,
        "ended": include_ended,
        "standing": standing,
        "filters": filters,
        "facts": None,
        "matching": None,
        "subjects": [],
        "later": None,
        "pairs": len(open_contradictions(store)),
        "seen": newest_seen(store),
    }
    if standing:
        values["facts"] = standing_facts(store)
        values["without_effect"] = standing_without_effect(store)
    elif question:
        weights = request.handles.weights
        related = related_facts(store, [question], _MOST_RELATED, weights=weights)
        matching, remaining = with_words_first(question, [fact for fact, _ in related])
        listed = [*matching, *remaining]
        fitting = [
            fact
            for fact in (listed if include_ended else current_among(store, listed))
            if filters["attribute"].replace(" ", "_") in ("", fact.attribute)
            and filters["person"] in ("", fact.subject)
        ]
        if order:
            fitting.sort(key=SORT_KEYS[order], reverse=order in ("new", "date"))
        values["facts"] = fitting
        values["matching"] = sum(fact in matching for fact in fitting)
    elif order or any(filters.values()):
        first = inputs.optional_number("first") or 0
        facts = listed_facts(
            store,
            next((name for name in ORDERS if name == order), "new"),
            about=filters["person"],
            attribute=filters["attribute"].replace(" ", "_"),
            ended_too=include_ended,
            day=store.today,
            most=_FACTS_A_PAGE + 1,
            first=first,
        )
        values["facts"] = facts[:_FACTS_A_PAGE]
        values["later"] = first + _FACTS_A_PAGE if len(facts) > _FACTS_A_PAGE else None
    else:
        values |= _by_person(request, store, include_ended)
    if values["facts"] and not standing:
        values["facts"] = with_later(store, values["facts"])
    return Page("facts.html", values)


def with_words_first(question: str, facts: Sequence[Fact]) -> tuple[list[Fact], list[Fact]]:
    """The facts that hold a telling word of a question, in any of its forms, and the others."""
    wanted = forms_of(telling_words(question))
    matching = [fact for fact in facts if wanted & forms_of(telling_words(in_words(str(fact))))]
    return matching, [fact for fact in facts if fact not in matching]


def names_of_speakers(store: Store, namespace: str) -> dict[str, str]:
    """The name to show for a speaker who is stored as "user".

    What they said that they are called, else the owner's name, else the id whose memory this is.
    """
    said = listed_facts(store, about="user", attribute="name", day=store.today, most=1)
    owner = owner_of(store)
    name = said[0].value if said else owner
    if not name and namespace != DEFAULT and not has_tag(store, AGENT_TAG):
        # The memory of a user id is called by it. Where others speak too, it may be someone else's.
        people = (one for one in all_speakers(store) if not is_assistant(one))
        name = namespace if all(map(is_unnamed, people)) else ""
    return dict.fromkeys(("user", "User"), name) if name else {}


def newest_facts(store: Store) -> list[Fact]:
    """The newest current facts.

    Those of the vocabulary's attributes come before all others: an attribute that it lacks is
    whatever verb a turn had, and may say anything.
    """
    facts = listed_facts(store, day=store.today, most=_MOST_NEWEST)
    return _vocabulary_first(store, facts)


def _vocabulary_first(store: Store, facts: Iterable[Fact]) -> list[Fact]:
    vocabulary = vocabulary_of(store)
    return sorted(facts, key=lambda fact: vocabulary.canonical(fact.attribute) is None)


def each_once(facts: Sequence[Fact], earlier: Sequence[Fact] = ()) -> list[Fact]:
    """Facts, each once, and without any that repeat one of `earlier`."""

    def words(fact: Fact) -> tuple[str, ...]:
        return (fact.subject.lower(), fact.attribute, fact.value.lower())

    first: dict[tuple[str, ...], Fact] = {}
    for fact in facts:
        first.setdefault(words(fact), fact)
    return [fact for said, fact in first.items() if said not in set(map(words, earlier))]


def _by_person(request: PageRequest, store: Store, include_ended: bool) -> dict[str, Any]:
    """The subjects with the most facts, or the next ones after one, each with its newest facts."""
    after = request.inputs.text("after")
    rows = entities_by_facts(store, _SUBJECTS_A_PAGE + 1, after)
    total = count_entities(store)
    page_rows = rows[:_SUBJECTS_A_PAGE]
    newest = newest_of_each(
        store,
        [subject for subject, _ in page_rows],
        attributes=vocabulary_of(store).names,
        ended_too=include_ended,
        day=store.today,
        most=_NEWEST_OF_A_SUBJECT,
    )
    place = _places(store)
    shown = {
        subject: sorted(newest[subject], key=lambda fact: place(fact.attribute))[
            :_FACTS_OF_A_SUBJECT
        ]
        for subject, _ in page_rows
    }
    all_shown = [fact for facts in shown.values() for fact in facts]
    later = {fact.id: fact for fact in with_later(store, all_shown)}
    return {
        "subjects": [
            (subject, count, [later[fact.id] for fact in shown[subject]])
            for subject, count in page_rows
        ],
        "total": total,
        "after": page_rows[-1][0] if after and len(rows) > _SUBJECTS_A_PAGE else "",
        "has_all": not after and total <= _SUBJECTS_A_PAGE,
    }


def _places(store: Store) -> Callable[[str], int]:
    """Where an attribute of a person is listed: the profile and family first, unknown ones last."""
    vocabulary = vocabulary_of(store)
    profile = sorted(
        vocabulary.profile_names,
        key=lambda name: PROFILE_PARTS.index(vocabulary.profile_part(name)),
    )
    names = dict.fromkeys((*profile, *_FAMILY, *vocabulary.names))
    places = {name: number for number, name in enumerate(names)}
    return lambda attribute: places.get(vocabulary.name_of(attribute), len(places))


def newest_seen(store: Store) -> int:
    """The newest change: what a form of this page has seen."""
    return max((change.id for change in store.changes(limit=1)), default=0)


def subject(request: PageRequest, store: Store) -> PageResponse:
    """The facts about one subject, whatever it is called in them, by attribute."""
    name = request.inputs.text("name")
    include_ended = bool(request.inputs.text("ended"))
    every_fact, current = facts_about(store, [name]), facts_now_about(store, [name])
    facts = (every_fact if include_ended else current)[:_MOST_FACTS]
    groups = [
        (attribute, list(group))
        for attribute, group in groupby(with_later(store, facts), lambda fact: fact.attribute)
    ]
    place = _places(store)
    groups.sort(key=lambda group: place(group[0]))
    values = {
        "name": name,
        "groups": groups,
        "ended": include_ended,
        "hidden": 0 if include_ended else len(every_fact) - len(current),
        "turns": {turn.id: turn for turn in store.turns_by_id([fact.turn_id for fact in facts])},
        "is_cut": len(facts) < len(every_fact if include_ended else current),
        "entity": next((one for one in known_entities(store) if one.name == name), None),
        "seen": newest_seen(store),
    }
    return Page("subject.html", values)


def fact(request: PageRequest, store: Store) -> PageResponse:
    """One fact: its sources, its history, and forms to edit it."""
    fact_id = request.inputs.number("fact")
    edits = edits_of(store, fact_id=fact_id)
    if not edits:
        return Page("missing.html", {"wanted": f"fact {fact_id}"}, status=404)
    present = edits[-1].after
    past = present or edits[-1].before
    assert past is not None  # an edit has one of the two
    current = current_among(store, [present]) if present else []
    changes = {edit.change_id: change_of(store, edit.change_id) for edit in edits}
    values = {
        "fact": past,
        "is_there": present is not None,
        "is_current": bool(current),
        "later": latest_words(store, current).get(fact_id),
        "contradicting": [
            rival
            for pair in open_contradictions(store)
            for fact, rival in (pair.facts, pair.facts[::-1])
            if fact.id == fact_id
        ],
        "without_effect": next(
            (wish.reason for wish in standing_without_effect(store) if wish.fact.id == fact_id), ""
        ),
        "turns": store.turns_by_id(_turns_of(store, past), missing_ok=True),
        "template": _template(store, past),
        "history": [(changes.get(edit.change_id), edit) for edit in reversed(edits)],
        "trace": trace_of_fact(store, fact_id),
        "seen": edits[-1].change_id,
        "back": request.inputs.text("back"),
    }
    return Page("fact.html", values)


def _template(store: Store, fact: Fact) -> str:
    """The template that made a fact, "" for a fact that a person or a model wrote."""
    turns = store.turns_by_id([fact.turn_id], missing_ok=True)
    if not turns or not by_template(store, [fact.id]):
        return ""
    return template_of(fact, turns[0], vocabulary_of(store))


def _turns_of(store: Store, fact: Fact) -> list[int]:
    """The sources of a fact: its own turn, and the turns of the facts it was merged from."""
    first = edits_of(store, fact_id=fact.id)[0].change_id
    change = change_of(store, first)
    made_of = origins(edits_of(store, first), [change] if change else []).get(fact.id, ())
    turn_ids = [fact.turn_id]
    for origin in made_of:
        turn_ids += _turns_of(store, origin)
    return list(dict.fromkeys(turn_ids))


PAGES: list[PageRoute] = [
    ("GET", "/facts", all_facts),
    ("GET", "/subject", subject),
    ("GET", "/facts/{fact}", fact),
]
