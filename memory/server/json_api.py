"""The JSON API at /api/NAMESPACE, for programs without MCP."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from memory.errors import InputError, MemoryFault, SqlError
from memory.facts import note, supersede
from memory.forget import forget, matching_turns
from memory.records import Turn
from memory.server.fault_messages import fault_message
from memory.server.handles import Handles, NoNamespaceError
from memory.server.tokens import Grant
from memory.store import Store
from memory.store.points_in_time import time_of_question
from memory.store.turn_validation import local_now
from memory.tools import Right, add_turn, facts_named, past_or_present

MOST_LISTED = 200
_AS_OF = Field("", description="State on this date: 2017-06-01, 2017-06 or 2017.")
_AFTER = Field(0, description="The `after` of the previous page.")
_LIMIT = Field(50, ge=1, le=MOST_LISTED)


class Inputs(BaseModel):
    """The inputs of an endpoint: query parameters for GET, else a JSON object."""

    model_config = ConfigDict(extra="forbid")


class _Page(Inputs):
    after: int = _AFTER
    limit: int = _LIMIT


class _NewTurn(Inputs):
    text: str
    speaker: str = "user"
    session: str = ""
    said_at: str = Field("", description="ISO date or time, as exact as known; default: now.")
    source: str = Field("", description="Your own id: a turn with the same id is stored once.")


class _Search(Inputs):
    query: str
    limit: int = Field(10, ge=1, le=MOST_LISTED)
    as_of: str = _AS_OF


class _Question(Inputs):
    question: str
    asker: str = Field("", description="Who is asking; I and my mean this person.")
    as_of: str = _AS_OF


class _Facts(_Page):
    subject: str = ""
    attribute: str = ""
    as_of: str = _AS_OF


class _NewFact(Inputs):
    subject: str
    attribute: str
    value: str
    turn_id: int
    happened_on: str = ""


class _Correction(Inputs):
    value: str
    since: str = ""


class _Changes(Inputs):
    before: int | None = Field(None, description="Only changes with a smaller id.")
    limit: int = _LIMIT


class _Forget(Inputs):
    turn_ids: list[int] = Field(min_length=1)
    confirmation: str = Field(
        "", description="The confirmation of the preview; omit it to get the preview."
    )


@dataclass(frozen=True)
class Endpoint:
    """One endpoint; it calls `function(store, inputs, id of the path, handles)`.

    A slow endpoint uses its own store and thread.
    """

    method: str
    path: str  # below /api/{namespace}
    right: Right
    summary: str
    inputs: type[Inputs]
    function: Callable[[Store, Any, int, Handles], dict[str, Any]]
    is_slow: bool = False


def _turns(store: Store, page: _Page, number: int, handles: Handles) -> dict[str, Any]:
    turns = store.turns(page.after + 1, page.after + page.limit)
    if len(turns) < page.limit:  # forgotten turns leave gaps in the ids
        select = f"SELECT id FROM turns WHERE id > {page.after} ORDER BY id LIMIT {page.limit}"
        turns = store.turns_by_id([row[0] for row in store.read(select).rows])
    return {"turns": [asdict(turn) for turn in turns], "after": turns[-1].id if turns else None}


def _turn(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return asdict(store.turn(number))


def _add_turn(store: Store, new: _NewTurn, number: int, handles: Handles) -> dict[str, Any]:
    turn = Turn(
        new.speaker,
        new.text,
        session=new.session,
        said_at=new.said_at or local_now(),
        source=new.source,
    )
    turn_id, is_new = add_turn(store, turn)
    return {"id": turn_id, "new": is_new}


def _search(store: Store, search: _Search, number: int, handles: Handles) -> dict[str, Any]:
    if not search.query.strip():
        raise InputError("the query is empty; say what to look for")
    with past_or_present(store, search.as_of) as past:
        hits = handles.searcher.search(past, search.query, search.limit)
        turns = past.turns_by_id([hit.turn_id for hit in hits])
    return {
        "hits": [
            {"score": hit.score, "shares": dict(hit.shares), "turn": asdict(turn)}
            for hit, turn in zip(hits, turns, strict=True)
        ]
    }


def _ask(store: Store, question: _Question, number: int, handles: Handles) -> dict[str, Any]:
    from memory.answers import answer_record

    now = time_of_question(question.as_of)
    with past_or_present(store, question.as_of) as past:
        answer = handles.memory_of(past).ask(question.question, asker=question.asker, now=now)
        return answer_record(answer, past.turns_by_id(answer.turns))


def _facts(store: Store, wanted: _Facts, number: int, handles: Handles) -> dict[str, Any]:
    facts = facts_named(store, wanted.subject, wanted.attribute, wanted.as_of)
    page = [fact for fact in facts if fact.id > wanted.after][: wanted.limit]
    more = page and page[-1] is not facts[-1]
    return {"facts": [asdict(fact) for fact in page], "after": page[-1].id if more else None}


def _note(store: Store, new: _NewFact, number: int, handles: Handles) -> dict[str, Any]:
    change = note(
        store,
        new.turn_id,
        subject=new.subject,
        attribute=new.attribute,
        value=new.value,
        happened_on=new.happened_on,
        by="API",
    )
    return asdict(change)


def _correct(store: Store, new: _Correction, number: int, handles: Handles) -> dict[str, Any]:
    return asdict(supersede(store, number, new.value, since=new.since))


def _changes(store: Store, page: _Changes, number: int, handles: Handles) -> dict[str, Any]:
    changes = store.changes(before=page.before, limit=page.limit)
    return {"changes": [asdict(change) for change in changes]}


def _undo(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return asdict(store.undo(number))


def _forget(store: Store, wanted: _Forget, number: int, handles: Handles) -> dict[str, Any]:
    turns = matching_turns(store, ids=wanted.turn_ids)
    gone, receipts = forget(store, turns, lambda gone: gone.confirmation == wanted.confirmation)
    if not receipts:
        return {"preview": asdict(gone), "confirmation": gone.confirmation}
    *earlier, receipt = map(asdict, receipts)
    return {"receipt": receipt, "earlier_receipts": earlier}


ENDPOINTS = (
    Endpoint("GET", "/turns", "read", "List turns", _Page, _turns),
    Endpoint("POST", "/turns", "write", "Add a turn; durable on return", _NewTurn, _add_turn),
    Endpoint("GET", "/turns/{id}", "read", "Get a turn", Inputs, _turn),
    Endpoint("GET", "/search", "read", "Search turns; calls no model", _Search, _search),
    Endpoint(
        "POST",
        "/ask",
        "read",
        "Answer a question, with sources and SQL",
        _Question,
        _ask,
        is_slow=True,
    ),
    Endpoint("GET", "/facts", "read", "List current facts", _Facts, _facts),
    Endpoint("POST", "/facts", "write", "Add a fact from a turn", _NewFact, _note),
    Endpoint(
        "POST",
        "/facts/{id}/correction",
        "write",
        "End a fact and add its new value",
        _Correction,
        _correct,
    ),
    Endpoint("GET", "/changes", "read", "List the newest changes", _Changes, _changes),
    Endpoint("POST", "/changes/{id}/undo", "write", "Undo a change", Inputs, _undo),
    Endpoint(
        "POST",
        "/forget",
        "forget",
        "Preview what to forget; with its confirmation, forget it",
        _Forget,
        _forget,
    ),
)


def api_routes(handles: Handles, rights: Sequence[Right]) -> list[Route]:
    """The routes of the API. No token has more than these `rights`."""
    return [
        Route(
            "/api/{namespace:path}" + endpoint.path.replace("{id}", "{id:int}"),
            _answering(endpoint, handles, rights),
            methods=[endpoint.method],
        )
        for endpoint in ENDPOINTS
    ]


def _answering(
    endpoint: Endpoint, handles: Handles, rights: Sequence[Right]
) -> Callable[[Request], Any]:
    run = handles.run_slow_on_store if endpoint.is_slow else handles.run_on_store

    async def answer(request: Request) -> Response:
        namespace = request.path_params["namespace"]
        grant: Grant = request.state.grant
        if endpoint.right not in rights or not grant.allows(namespace, endpoint.right):
            message = f"the token {grant.name!r} may not {endpoint.right} in {namespace!r}"
            return _error(403, "Forbidden", message)
        try:
            inputs = await _inputs(request, endpoint.inputs)
            number = request.path_params.get("id", 0)
            result = await run(
                namespace, lambda store: endpoint.function(store, inputs, number, handles)
            )
        except NoNamespaceError as fault:
            return _error(404, "NoNamespace", str(fault))
        except MemoryFault as fault:
            status = 400 if isinstance(fault, (InputError, SqlError)) else 503
            return _error(status, type(fault).__name__, fault_message(fault))
        return JSONResponse(result)

    return answer


async def _inputs(request: Request, model: type[Inputs]) -> Inputs:
    """The inputs of a request. Raises InputError for invalid JSON or invalid values."""
    try:
        if request.method == "GET":
            return model.model_validate(dict(request.query_params))
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        faults = ("{}: {}".format(".".join(map(str, f["loc"])), f["msg"]) for f in error.errors())
        raise InputError("; ".join(faults)) from None
    except ClientDisconnect:
        raise InputError("the body is incomplete") from None


def _error(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"error": {"kind": kind, "message": message}}, status)
