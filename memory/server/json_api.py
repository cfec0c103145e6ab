"""The JSON API at /api/NAMESPACE, for programs without MCP."""

import re
import time
from asyncio import sleep
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from memory.errors import EditConflict, InputError, MemoryFault, NotThereError, SqlError
from memory.facts import add, edit, end
from memory.facts.contradictions import settle
from memory.facts.standing import standing_facts
from memory.forgetting.forget import forget, matching_turns
from memory.records import Change, Turn, Withheld
from memory.server import api_whole as whole
from memory.server.api_answers import (
    AddedTurn,
    AddedTurns,
    AnswerRecord,
    ChangeList,
    ContextBlock,
    Contradictions,
    Erased,
    FactPage,
    ForgetAnswer,
    Imported,
    JobList,
    JobRecord,
    NewMemory,
    NewTokenRecord,
    Revoked,
    SearchHits,
    Summaries,
    TagCounts,
    TokenList,
    TurnPage,
)
from memory.server.api_jobs import Jobs
from memory.server.api_whole import Inputs
from memory.server.day_limits import DayLimitError
from memory.server.fault_messages import fault_message, unavailable
from memory.server.handles import Handles, NoNamespaceError
from memory.server.tokens import Grant, Tokens
from memory.store import Store
from memory.store.contradictions import open_contradictions
from memory.store.owner import owner_of, person_of
from memory.store.points_in_time import time_of_question
from memory.store.tags import count_tags, remove_tags, set_tags
from memory.store.turn_validation import local_now
from memory.store.united import MOST_MEMORIES, cited_turns, first_store, own_hits, turns_in
from memory.text.turn_filter import FILTER_EXAMPLE, read_filter
from memory.text.written_dates import clean_date
from memory.tools import Right, add_turn, facts_named, past_or_present

MOST_LISTED = 200
_LOOK_EVERY_S = 1.0  # for a change that a client waits for
_AS_OF = Field("", description="State on this date: 2017-06-01, 2017-06 or 2017.")
LARGEST_ID = 2**63 - 1  # what a database can hold
_Id = Annotated[int, Field(ge=0, le=LARGEST_ID)]
_AFTER = Field(0, description="The `after` of the previous page.")
_LISTS = ("also",)  # query parameters that may be repeated
_LIMIT = Field(50, ge=1, le=MOST_LISTED)


class _Page(Inputs):
    after: _Id = _AFTER
    limit: int = _LIMIT


class _NewTurn(Inputs):
    text: str
    speaker: str = Field("", description="Who said it; by default the memory's owner.")
    session: str = ""
    said_at: str = Field("", description="ISO date or time, as exact as known; default: now.")
    source: str = Field("", description="Your own id: a turn with the same id is stored once.")
    tags: dict[str, str | list[str]] = Field({}, description='Such as {"project": "move"}.')


class _NewTurns(Inputs):
    turns: list[_NewTurn] = Field(min_length=1, max_length=1_000)


class _Context(Inputs):
    messages: str | list[dict[str, Any]] = Field(
        description="The message, or a conversation in OpenAI's form; its last message counts."
    )
    speaker: str = Field("", description="Who speaks; by default the memory's owner.")
    budget: int | None = Field(None, description="The most tokens of the block.")
    session: str = Field("", description="The running session, which the prompt has already.")
    gate: bool = Field(True, description="Whether a message that touches nothing gets nothing.")


class _United(Inputs):
    also: list[str] = Field(
        [],
        max_length=MOST_MEMORIES - 1,
        description="More namespaces to ask with this one; the token needs `read` in each.",
    )


class _Search(_United):
    query: str
    limit: int = Field(10, ge=1, le=MOST_LISTED)
    as_of: str = _AS_OF
    filter: str = Field("", description=f"Only turns that pass; JSON: {FILTER_EXAMPLE}")


class _Question(_United):
    question: str
    asker: str = Field(
        "", description="Who is asking; I and my mean this person. Default: the memory's owner."
    )
    as_of: str = _AS_OF


class _NewTags(Inputs):
    turn_ids: list[_Id] = Field(min_length=1)
    tags: dict[str, str | list[str]] = Field(
        {}, description="These values of the keys replace those the turns have."
    )
    remove: list[str] = Field([], description="Keys to take from the turns.")


class _Facts(_Page):
    subject: str = ""
    attribute: str = ""
    as_of: str = _AS_OF
    standing: bool = Field(
        False, description="Only standing instructions and preferences in force."
    )


class _NewFact(Inputs):
    subject: str
    attribute: str
    value: str
    turn_id: _Id | None = Field(
        None, description="The turn that says it; omitted, one is stored for it."
    )
    happened_on: str = Field("", description="Since when, or when: 2017-05-06, 2017-05 or 2017.")
    new_attribute: bool = Field(
        False, description="Whether the attribute is another than those near to it."
    )


_SEEN = Field(
    None,
    description="The newest change that you have seen. What others changed later is answered 409,"
    " with the present fact and their change; with the id of that, yours is put over theirs.",
)


class _Correction(Inputs):
    value: str = ""
    kind: Literal["changed", "was wrong", "is over"] = Field(
        "changed",
        description="changed: the fact was true, and the value is now. was wrong: it never was; the"
        " value takes its place, without one it is deleted. is over: nothing took its place.",
    )
    since: str = Field("", description="Since when, or when it ended; today by default.")
    seen: _Id | None = _SEEN


class _Verdict(Inputs):
    fact: _Id
    other: _Id = Field(description="The fact that contradicts it.")
    right: _Id | Literal["both"] = Field(description="The id of the one that is right, or both.")
    seen: _Id | None = _SEEN


class _End(Inputs):
    on: str = Field("", description="The date it stopped being true; today by default.")
    seen: _Id | None = _SEEN


class _Changes(Inputs):
    before: _Id | None = Field(None, description="Only changes with a smaller id, the newest.")
    after: _Id | None = Field(None, description="Only changes with a larger id, the oldest.")
    wait: float = Field(
        0, ge=0, le=60, description="With `after`: how many seconds to wait for the first of them."
    )
    limit: int = _LIMIT


class _Forget(Inputs):
    turn_ids: list[_Id] = Field(min_length=1)
    confirmation: str = Field(
        "", description="The confirmation of the preview; omit it to get the preview."
    )


class _WrongConfirmation(InputError):
    """The confirmation is not that of the turns; it carries their preview."""

    def __init__(self, preview: dict[str, Any]) -> None:
        super().__init__("this confirmation is not the one of these turns; nothing was forgotten")
        self.preview = preview


@dataclass(frozen=True)
class Endpoint:
    """One endpoint; it calls `function(store, inputs, id of the path, handles)`.

    A slow endpoint uses its own store and thread. A whole one answers the request itself, as a
    function of `Call` and inputs. `answer` is the type of what it answers with `status`, None for
    lines of JSON.
    """

    method: str
    path: str  # below /api/{namespace}
    right: Right | Literal["tokens"]
    summary: str
    inputs: type[Inputs]
    function: Callable[..., Any]
    answer: Any
    is_slow: bool = False
    is_whole: bool = False
    status: int = 200
    takes_lines: bool = False  # a body of JSON lines, instead of `inputs`


def _turns(store: Store, page: _Page, number: int, handles: Handles) -> dict[str, Any]:
    turns = store.turns(page.after + 1, page.after + page.limit)
    if len(turns) < page.limit:  # forgotten turns leave gaps in the ids
        select = f"SELECT id FROM turns WHERE id > {page.after} ORDER BY id LIMIT {page.limit}"
        turns = store.turns_by_id([row[0] for row in store.read(select).rows])
    return {"turns": [asdict(turn) for turn in turns], "after": turns[-1].id if turns else None}


def _turn(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return asdict(store.turn(number))


def _add_turn(store: Store, new: _NewTurn, number: int, handles: Handles) -> dict[str, Any]:
    [added] = _added(store, [new], handles)
    return added


def _add_turns(store: Store, new: _NewTurns, number: int, handles: Handles) -> dict[str, Any]:
    added = _added(store, new.turns, handles)
    return {"turns": added}


def _added(store: Store, new_turns: Sequence[_NewTurn], handles: Handles) -> list[dict[str, Any]]:
    """Store turns; none where one of them has no date, or a limit of a day refuses them."""
    turns = [_turn_of(store, new) for new in new_turns]
    added = []
    with handles.adding(turns):
        for turn in turns:
            turn_id, is_new, withheld = add_turn(store, turn)
            counts = {"withheld": asdict(withheld)} if withheld != Withheld() else {}
            added.append({"id": turn_id, "new": is_new, **counts})
    return added


def _turn_of(store: Store, new: _NewTurn) -> Turn:
    if new.said_at and not clean_date(new.said_at):
        raise InputError(
            f"said_at {new.said_at[:60]!r} is not a date; write 2017-05-08T13:56, 2017-05 or 2017"
        )
    return Turn(
        person_of(store, new.speaker),
        new.text,
        session=new.session,
        said_at=new.said_at or local_now(),
        source=new.source,
        tags=new.tags,
    )


def _context(store: Store, wanted: _Context, number: int, handles: Handles) -> dict[str, Any]:
    from memory.injection import inject

    block = inject(
        store,
        wanted.messages,
        speaker=wanted.speaker or owner_of(store),
        budget=wanted.budget,
        session=wanted.session,
        weights=handles.searcher.weights,
        counts=not store.read_only,
        gate=wanted.gate,
    )
    names = ("text", "tokens", "turn_ids", "memories", "standing", "contradictions")
    return {name: value for name, value in asdict(block).items() if name in names}


def _search(store: Store, search: _Search, number: int, handles: Handles) -> dict[str, Any]:
    if not search.query.strip():
        raise InputError("the query is empty; say what to look for")
    turn_filter = read_filter(search.filter or None)
    with past_or_present(store, search.as_of) as past:
        hits = own_hits(
            past, handles.searcher.search(past, search.query, search.limit, turn_filter)
        )
        turns = turns_in(past, [(hit.memory, hit.turn_id) for hit in hits])
    return {
        "hits": [
            {"score": hit.score, "shares": dict(hit.shares), "turn": asdict(turn)}
            for hit, turn in zip(hits, turns, strict=True)
        ]
    }


def _summaries(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return {"summaries": [asdict(summary) for summary in store.summaries()]}


def _tags(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return {"tags": count_tags(store)}


def _set_tags(store: Store, new: _NewTags, number: int, handles: Handles) -> dict[str, Any]:
    if bool(new.tags) == bool(new.remove):
        raise InputError("give tags to set, or keys to remove")
    if new.tags:
        return asdict(set_tags(store, new.turn_ids, new.tags, by="API"))
    return asdict(remove_tags(store, new.turn_ids, new.remove, by="API"))


def _ask(store: Store, question: _Question, number: int, handles: Handles) -> dict[str, Any]:
    from memory.recall.answers import answer_record

    now = time_of_question(question.as_of)
    with past_or_present(store, question.as_of) as past:
        asker = question.asker or owner_of(first_store(store))
        answer = handles.memory_of(past).ask(question.question, asker=asker, now=now)
        return answer_record(answer, cited_turns(past, answer))


def _facts(store: Store, wanted: _Facts, number: int, handles: Handles) -> dict[str, Any]:
    facts = facts_named(store, wanted.subject, wanted.attribute, wanted.as_of)
    if wanted.standing:
        ids = {fact.id for fact in standing_facts(store)}
        facts = [fact for fact in facts if fact.id in ids]
    page = [fact for fact in facts if fact.id > wanted.after][: wanted.limit]
    more = page and page[-1] is not facts[-1]
    return {"facts": [asdict(fact) for fact in page], "after": page[-1].id if more else None}


def _add_fact(store: Store, new: _NewFact, number: int, handles: Handles) -> dict[str, Any]:
    change = add(
        store,
        turn_id=new.turn_id,
        subject=new.subject,
        attribute=new.attribute,
        value=new.value,
        happened_on=new.happened_on,
        new_attribute=new.new_attribute,
        by="API",
    )
    return asdict(change)


def _correct(store: Store, new: _Correction, number: int, handles: Handles) -> dict[str, Any]:
    change = edit(store, number, new.kind, value=new.value, on=new.since, by="API", seen=new.seen)
    return asdict(change)


def _end(store: Store, wanted: _End, number: int, handles: Handles) -> dict[str, Any]:
    return asdict(end(store, number, wanted.on, by="API", seen=wanted.seen))


def _contradictions(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return {"contradictions": [asdict(pair) for pair in open_contradictions(store)]}


def _settle(store: Store, wanted: _Verdict, number: int, handles: Handles) -> dict[str, Any]:
    change = settle(
        store, wanted.fact, wanted.other, right=wanted.right, by="API", seen=wanted.seen
    )
    return asdict(change)


async def _changes(call: whole.Call, wanted: _Changes) -> Response:
    if wanted.after is None and wanted.wait:
        raise InputError("`wait` goes with `after`, the last change you have")
    if wanted.after is not None and wanted.before is not None:
        raise InputError("give `before` or `after`")

    def read(store: Store) -> list[Change]:
        return store.changes(wanted.before, wanted.limit, wanted.after)

    deadline = time.monotonic() + wanted.wait
    while True:
        changes = await call.handles.run_on_store(call.namespace, read)
        is_late = time.monotonic() >= deadline
        if changes or is_late or await call.request.is_disconnected():
            return JSONResponse({"changes": [asdict(change) for change in changes]})
        await sleep(_LOOK_EVERY_S)


def _undo(store: Store, inputs: Inputs, number: int, handles: Handles) -> dict[str, Any]:
    return asdict(store.undo(number))


def _forget(store: Store, wanted: _Forget, number: int, handles: Handles) -> dict[str, Any]:
    turns = matching_turns(store, ids=wanted.turn_ids)
    gone, receipts = forget(store, turns, lambda gone: gone.confirmation == wanted.confirmation)
    if not receipts:
        preview = {"preview": asdict(gone), "confirmation": gone.confirmation}
        if wanted.confirmation:
            raise _WrongConfirmation(preview)
        return preview
    *earlier, receipt = map(asdict, receipts)
    return {"receipt": receipt, "earlier_receipts": earlier}


ENDPOINTS = (
    Endpoint("GET", "/turns", "read", "List turns", _Page, _turns, TurnPage),
    Endpoint(
        "POST", "/turns", "write", "Add a turn; durable on return", _NewTurn, _add_turn, AddedTurn
    ),
    Endpoint("GET", "/turns/{id}", "read", "Get a turn", Inputs, _turn, Turn),
    Endpoint("GET", "/summaries", "read", "What happened, in short", Inputs, _summaries, Summaries),
    Endpoint("GET", "/tags", "read", "Count turns by tag", Inputs, _tags, TagCounts),
    Endpoint("POST", "/tags", "write", "Set or remove tags of turns", _NewTags, _set_tags, Change),
    Endpoint(
        "GET", "/search", "read", "Search turns; calls no model", _Search, _search, SearchHits
    ),
    Endpoint(
        "POST",
        "/ask",
        "read",
        "Answer a question, with sources and SQL",
        _Question,
        _ask,
        AnswerRecord,
        is_slow=True,
    ),
    Endpoint("GET", "/facts", "read", "List current facts", _Facts, _facts, FactPage),
    Endpoint("POST", "/facts", "write", "Add a fact", _NewFact, _add_fact, Change),
    Endpoint(
        "POST",
        "/facts/{id}/correction",
        "write",
        "End a fact and add its new value",
        _Correction,
        _correct,
        Change,
    ),
    Endpoint("POST", "/facts/{id}/end", "write", "End a fact", _End, _end, Change),
    Endpoint(
        "GET",
        "/contradictions",
        "read",
        "List facts that contradict each other",
        Inputs,
        _contradictions,
        Contradictions,
    ),
    Endpoint(
        "POST",
        "/contradictions",
        "write",
        "Say which of two such facts is right; the other is deleted",
        _Verdict,
        _settle,
        Change,
    ),
    Endpoint(
        "GET",
        "/changes",
        "read",
        "List the newest changes, or wait for those after one",
        _Changes,
        _changes,
        ChangeList,
        is_whole=True,
    ),
    Endpoint("POST", "/changes/{id}/undo", "write", "Undo a change", Inputs, _undo, Change),
    Endpoint(
        "POST",
        "/forget",
        "forget",
        "Preview what to forget; with its confirmation, forget it",
        _Forget,
        _forget,
        ForgetAnswer,
    ),
    Endpoint(
        "POST",
        "/turns/batch",
        "write",
        "Add many turns, in order",
        _NewTurns,
        _add_turns,
        AddedTurns,
    ),
    Endpoint(
        "POST",
        "/context",
        "read",
        "A block for a prompt; calls no model",
        _Context,
        _context,
        ContextBlock,
    ),
    Endpoint(
        "GET",
        "/export",
        "read",
        "Everything, as JSON lines",
        Inputs,
        whole.export_memory,
        None,
        is_whole=True,
    ),
    Endpoint(
        "POST",
        "/import",
        "write",
        "Store an export in an empty memory",
        Inputs,
        whole.import_memory,
        Imported,
        is_whole=True,
        takes_lines=True,
    ),
    Endpoint(
        "POST",
        "/digest",
        "write",
        "Begin to extract the facts of the turns that wait",
        whole.DigestOptions,
        whole.digest,
        JobRecord,
        is_whole=True,
        status=202,
    ),
    Endpoint("GET", "/jobs", "read", "List jobs", Inputs, whole.jobs, JobList, is_whole=True),
    Endpoint("GET", "/jobs/{id}", "read", "Get a job", Inputs, whole.job, JobRecord, is_whole=True),
    Endpoint(
        "GET",
        "/tokens",
        "tokens",
        "List the tokens of this memory",
        Inputs,
        whole.tokens,
        TokenList,
        is_whole=True,
    ),
    Endpoint(
        "POST",
        "/tokens",
        "tokens",
        "Create a token of this memory; shown once",
        whole.NewToken,
        whole.new_token,
        NewTokenRecord,
        is_whole=True,
        status=201,
    ),
    Endpoint(
        "POST",
        "/tokens/revoke",
        "tokens",
        "Revoke a token of this memory",
        whole.TokenName,
        whole.revoke_token,
        Revoked,
        is_whole=True,
    ),
    # The last ones: a name may have slashes.
    Endpoint(
        "DELETE",
        "",
        "forget",
        "Erase a memory for good; its backups stay",
        whole.Erasure,
        whole.erase_memory,
        Erased,
        is_whole=True,
    ),
    Endpoint(
        "PUT",
        "",
        "write",
        "Make a memory, or say that it is there",
        whole.MemoryOptions,
        whole.put_memory,
        NewMemory,
        is_whole=True,
    ),
)


class _IdConvertor(IntegerConvertor):
    """An id in a path. One with more digits is no id, and Python refuses to read some thousands."""

    regex = "[0-9]{1,18}"


register_url_convertor("database_id", _IdConvertor())


def api_routes(handles: Handles, rights: Sequence[Right], tokens: Tokens) -> list[Route]:
    """The routes of the API. No token has more than these `rights`."""
    jobs = Jobs(handles)
    routes = [
        Route(
            "/api/{namespace:path}" + endpoint.path.replace("{id}", "{id:database_id}"),
            _answering(endpoint, handles, rights, tokens=tokens, jobs=jobs),
            methods=[endpoint.method],
        )
        for endpoint in ENDPOINTS
    ]
    methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    return [*routes, Route("/api/{path:path}", _no_endpoint, methods=methods)]


async def _no_endpoint(request: Request) -> Response:
    message = "there is no such endpoint; /api/openapi.json lists them"
    return _error(404, "NoEndpoint", message)


def _answering(
    endpoint: Endpoint,
    handles: Handles,
    rights: Sequence[Right],
    *,
    tokens: Tokens,
    jobs: Jobs,
) -> Callable[[Request], Any]:
    run = handles.run_slow_on_store if endpoint.is_slow else handles.run_on_store
    # Who makes tokens writes, though not into the memory.
    needed: Right = "write" if endpoint.right == "tokens" else endpoint.right

    async def answer(request: Request) -> Response:
        namespace = request.path_params["namespace"]
        grant: Grant = request.state.grant
        if needed not in rights or not grant.allows(namespace, endpoint.right):
            return _forbidden(grant, endpoint.right, namespace)
        try:
            if endpoint.is_whole:
                _refuse_path(endpoint, namespace)
                inputs = Inputs() if endpoint.takes_lines else await _inputs(request, endpoint)
                call = whole.Call(request, namespace, grant, handles, tokens, jobs)
                response: Response = await endpoint.function(call, inputs)
                return response
            inputs = await _inputs(request, endpoint)
            number = request.path_params.get("id", 0)

            def work(store: Store) -> dict[str, Any]:
                result: dict[str, Any] = endpoint.function(store, inputs, number, handles)
                return result

            also = inputs.also if isinstance(inputs, _United) else []
            # Before any of them is looked for: a refusal does not tell whether there is one.
            for name in also:
                if not grant.allows(name, endpoint.right):
                    return _forbidden(grant, endpoint.right, name)
            if also:
                result = await handles.run_united([namespace, *also], work)
            else:
                result = await run(namespace, work)
        except NoNamespaceError as fault:
            advice = f"; create it: PUT /api/{namespace}" if endpoint.right == "write" else ""
            return _error(404, "NoNamespace", f"{fault}{advice}")
        except NotThereError as fault:
            return _error(404, "NotThere", str(fault))
        except EditConflict as conflict:
            return _error(
                409,
                "EditConflict",
                str(conflict),
                fact=asdict(conflict.fact) if conflict.fact else None,
                change=asdict(conflict.change),
            )
        except DayLimitError as fault:
            refusal = _error(429, "DayLimit", str(fault))
            refusal.headers["retry-after"] = str(fault.seconds)
            return refusal
        except _WrongConfirmation as fault:
            return _error(409, "WrongConfirmation", str(fault), **fault.preview)
        except MemoryFault as fault:
            status = 400 if isinstance(fault, (InputError, SqlError)) else 503
            if status == 503:
                unavailable(request.scope, fault)
            return _error(status, type(fault).__name__, fault_message(fault))
        return JSONResponse(result)

    return answer


def _refuse_path(endpoint: Endpoint, namespace: str) -> None:
    """Refuse to make or erase a memory of a name that is the address of another endpoint."""
    if endpoint.path:
        return
    for other in ENDPOINTS:
        first = other.path.partition("{")[0].rstrip("/")
        if first and re.search(f"{re.escape(first)}(?:/\\d+)?$", f"/{namespace}"):
            raise InputError(
                f"a memory is not called {namespace!r}; {endpoint.method} is for /api/NAME alone"
            )


async def _inputs(request: Request, endpoint: Endpoint) -> Inputs:
    """The inputs of a request. Raises InputError for invalid JSON or invalid values."""
    model = endpoint.inputs
    try:
        if request.method == "GET":
            lists = [name for name in model.model_fields if name in _LISTS]
            values = {name: request.query_params.getlist(name) for name in lists}
            return model.model_validate({**request.query_params, **values})
        return model.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        faults = ("{}: {}".format(".".join(map(str, f["loc"])), f["msg"]) for f in error.errors())
        raise InputError("; ".join(faults)) from None
    except ClientDisconnect:
        raise InputError("the body is incomplete") from None


def _forbidden(grant: Grant, right: str, namespace: str) -> Response:
    return _error(403, "Forbidden", f"the token {grant.name!r} may not {right} in {namespace!r}")


def _error(status: int, kind: str, message: str, **details: object) -> Response:
    return JSONResponse({"error": {"kind": kind, "message": message, **details}}, status)
