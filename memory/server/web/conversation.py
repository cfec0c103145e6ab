"""The conversation: turns by page, by search and one at a time; a form to add one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from memory.errors import InputError
from memory.records import Fact, Turn
from memory.server.web.page_request import Page, PageRequest, PageResponse, PageRoute, Redirect
from memory.store import Store
from memory.store.facts.fact_reads import facts_by_id, facts_from
from memory.store.turns.expiry import NEVER
from memory.store.turns.traces import trace_of_turn
from memory.store.turns.turn_reads import passing_turns, sessions_before
from memory.store.turns.turn_validation import local_now
from memory.text.turn_filter import TurnFilter, read_filter, tags_of_pairs
from memory.text.words import forms_of, is_among, telling_words
from memory.text.written_dates import clean_date

_TURNS_A_PAGE = 40
_MOST_HITS = 30
_SESSIONS_A_PAGE = 60
_NEIGHBOURS = 4  # turns shown before and after a single turn
FEATURES: Mapping[str, str] = {
    "words": "the same words",
    "own_words": "rare words of the question",
    "meaning": "similar meaning",
    "kind": "the kind of answer asked for",
    "session": "from a matching session",
    "speaker": "said by the person named",
    "implied": "said by the person meant",
    "date": "said on the date named",
    "time": "mentions a time",
    "asks": "is itself a question",
    "length": "long enough",
}


@dataclass(frozen=True)
class Share:
    """What one feature of the ranking contributed to a turn's score."""

    name: str
    words: str
    amount: float


@dataclass(frozen=True)
class Line:
    """A turn on a page: its facts, and why a search found it."""

    turn: Turn
    facts: Sequence[Fact] = ()
    shares: Sequence[Share] = ()
    score: float = 0.0


def shares_of(shares: Mapping[str, float], question: str, text: str) -> list[Share]:
    """The features that mattered for a turn's text, the largest first."""
    forms = forms_of(telling_words(text))
    has_word = any(is_among(word, forms) for word in telling_words(question))
    names = FEATURES if has_word else {**FEATURES, "words": "similar words, or turns nearby"}
    weighed = [(name, amount) for name, amount in shares.items() if abs(amount) >= 0.05]
    weighed.sort(key=lambda share: -abs(share[1]))
    return [Share(name, names.get(name, name), amount) for name, amount in weighed]


def conversation(request: PageRequest, store: Store) -> PageResponse:
    """Turns by session, newest page first; with a query, the best hits."""
    inputs = request.inputs
    names = ("speaker", "session", "tag", "since", "until")
    filters = {name: inputs.text(name) for name in names}
    turn_filter = _filter(filters)
    question = inputs.text("q")
    values: dict[str, Any] = {"q": question, "filters": filters, "earlier": None, "later": None}
    values["opens_at_end"] = not question and inputs.optional_number("after") is None
    if question:
        lines = hits(store, question, turn_filter, request.handles.weights)
        return Page("conversation.html", values | {"groups": [("", lines)], "found": len(lines)})
    turns, has_earlier, has_later = _page(
        store,
        turn_filter or TurnFilter(),
        before=inputs.optional_number("before"),
        after=inputs.optional_number("after"),
    )
    values["earlier"] = turns[0].id if has_earlier else None
    values["later"] = turns[-1].id if has_later else None
    lines = _with_facts(store, turns)
    groups = [
        (session, list(group)) for session, group in groupby(lines, lambda line: line.turn.session)
    ]
    return Page("conversation.html", values | {"groups": groups, "found": None})


def turn(request: PageRequest, store: Store) -> PageResponse:
    """One turn with its neighbours and facts, and a form to add a fact."""
    turn_id = request.inputs.number("turn")
    around = store.turns(max(turn_id - _NEIGHBOURS, 1), turn_id + _NEIGHBOURS)
    matches = [turn for turn in around if turn.id == turn_id]
    if not matches:
        return Page("missing.html", {"wanted": f"number {turn_id}"}, status=404)
    session = matches[0].session
    lines = _with_facts(store, [turn for turn in around if turn.session == session])
    trace = trace_of_turn(store, turn_id)
    values = {"lines": lines, "turn": matches[0], "trace": trace}
    return Page("turn.html", values | {"trace_facts": facts_by_id(store, trace.facts)})


def add_turn(request: PageRequest, store: Store) -> PageResponse:
    """Add a turn typed on the page."""
    if not request.inputs.text("speaker"):
        raise InputError("give a speaker")
    session = request.inputs.text("session") or local_now()[:10]
    added = request.perform(store, "add_turn", session=session)
    return Redirect(request.address("turns", added["id"]))


def tag_turn(request: PageRequest, store: Store) -> PageResponse:
    """Set a tag of a turn, or remove its values."""
    turn_id = request.inputs.number("turn")
    key, value = request.inputs.text("key"), request.inputs.text("value")
    tags: dict[str, Any] = {"tags": {key: value}} if value else {"remove": [key]}
    request.perform(store, "set_tags", turn_ids=[turn_id], **tags)
    return Redirect(request.address("turns", turn_id))


def expire_turn(request: PageRequest, store: Store) -> PageResponse:
    """Set the moment after which a turn is forgotten with all that it says, or take it back."""
    turn_id = request.inputs.number("turn")
    moment = request.inputs.text("expires") or NEVER
    change = request.perform(store, "expire", turn_ids=[turn_id], expires=moment)
    return Redirect(request.address("turns", turn_id, done=change.id))


def pin_turn(request: PageRequest, store: Store) -> PageResponse:
    """Pin a turn, keep it out of every block, or neither."""
    turn_id = request.inputs.number("turn")
    kind = request.inputs.text("pin")
    if kind not in ("pin", "unpin", "keep_out"):
        raise InputError("say whether to pin the turn, to keep it out, or neither")
    if kind == "keep_out":
        change = request.perform(store, "keep_out", turn_ids=[turn_id])
    else:
        change = request.perform(store, "pin", turn_ids=[turn_id], unpin=kind == "unpin")
    return Redirect(request.address("turns", turn_id, done=change.id))


def sessions(request: PageRequest, store: Store) -> PageResponse:
    """Sessions, newest first, each with its first turn."""
    before = request.inputs.optional_number("before")
    page = sessions_before(store, _SESSIONS_A_PAGE, before or None)
    first_turns = store.turns_by_id([session.first for session in page])
    entries = [
        (session.name, turn, session.turns) for session, turn in zip(page, first_turns, strict=True)
    ]
    is_full = len(entries) == _SESSIONS_A_PAGE
    return Page(
        "sessions.html",
        {"sessions": entries, "earlier": entries[-1][1].id if is_full else None},
    )


def _filter(filters: Mapping[str, str]) -> TurnFilter | None:
    """The filter of the page's fields. Raises InputError for an invalid date."""
    given: dict[str, Any] = {name: text for name, text in filters.items() if text}
    if tag := given.pop("tag", ""):
        given["tags"] = tags_of_pairs([tag])
    for name in ("since", "until"):
        if name in given and not (day := clean_date(given[name])):
            raise InputError(f"{given[name]!r} is not a date; write 2017-05-08, 2017-05 or 2017")
        if name in given:
            given[name] = day[:10]
    return read_filter(given)


def _page(
    store: Store, turn_filter: TurnFilter, *, before: int | None, after: int | None
) -> tuple[list[Turn], bool, bool]:
    """One page of turns in order, and whether there are earlier and later ones."""
    forward = after is not None
    [(tag, tag_values)] = turn_filter.tags or [("", ())]  # the page has one field for a tag
    turns = passing_turns(
        store,
        speakers=turn_filter.speaker,
        sessions=turn_filter.session,
        tag=tag,
        tag_values=tag_values,
        since=turn_filter.since,
        until=turn_filter.until,
        after=after,
        before=None if forward else before,
        limit=_TURNS_A_PAGE + 1,
    )
    has_more = len(turns) > _TURNS_A_PAGE
    turns = turns[:_TURNS_A_PAGE] if forward else turns[-_TURNS_A_PAGE:]
    # The page that linked here lies on the other side.
    has_earlier = bool(turns) and (forward or has_more)
    has_later = bool(turns) and (has_more if forward else before is not None)
    return turns, has_earlier, has_later


def hits(
    store: Store,
    question: str,
    turn_filter: TurnFilter | None,
    weights: Mapping[str, float] | None,
    most: int = _MOST_HITS,
) -> list[Line]:
    """The best hits for a query among the turns that pass the filter."""
    best = store.search(question, most, turn_filter, weights=weights)
    lines = _with_facts(store, store.turns_by_id([hit.turn_id for hit in best]))
    return [
        Line(
            line.turn,
            facts=line.facts,
            shares=shares_of(hit.shares, question, line.turn.text),
            score=hit.score,
        )
        for line, hit in zip(lines, best, strict=True)
    ]


def _with_facts(store: Store, turns: Sequence[Turn]) -> list[Line]:
    """Turns with the facts that each is the source of."""
    if not turns:
        return []
    facts = facts_from(store, [turn.id for turn in turns])
    return [Line(turn, facts=[fact for fact in facts if fact.turn_id == turn.id]) for turn in turns]


PAGES: list[PageRoute] = [
    ("GET", "/conversation", conversation),
    ("GET", "/conversation/sessions", sessions),
    ("GET", "/turns/{turn}", turn),
    ("POST", "/turns", add_turn),
    ("POST", "/turns/{turn}/tags", tag_turn),
    ("POST", "/turns/{turn}/expiry", expire_turn),
    ("POST", "/turns/{turn}/pin", pin_turn),
]
