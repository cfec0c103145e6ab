"""The OpenAPI document of the JSON API, generated from its endpoints."""

from importlib.metadata import version
from typing import Any, Literal

from pydantic import TypeAdapter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from memory.server.api_whole import NDJSON
from memory.server.json_api import ENDPOINTS, Endpoint

_REFERENCE = "#/components/schemas/{model}"
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["kind", "message"],
            "properties": {"kind": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
_REFUSALS = {
    "400": "Invalid input; the message says what to change",
    "401": "Missing or invalid token",
    "403": "The token lacks the right, or the origin is not allowed",
    "404": "No such namespace, turn, fact, change, job or endpoint",
    "409": "Somebody else edited this fact: `fact` is the present one, `change` what they did;"
    " or a wrong confirmation, with the `preview` and its own",
    "413": "The body is too large",
    "429": "Too many requests, or a limit of a day is used; `Retry-After` has the seconds to wait",
    "503": "The memory or its model is unavailable; its owner must act",
}


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    answers, schemas = _answers()
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        path = paths.setdefault(f"/api/{{namespace}}{endpoint.path}", {})
        path[endpoint.method.lower()] = _operation(endpoint, answers, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sql-memory",
            "version": version("sql-memory"),
            "description": "Turns, facts and answers of one namespace."
            " Each operation needs a right of the token: read, write, forget or tokens.",
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR, **schemas},
        },
        "security": [{"token": []}],
        "paths": paths,
    }


def _answers() -> tuple[dict[str, Any], dict[str, Any]]:
    """The schema of each endpoint's answer by its operation, and what these refer to."""
    typed = [endpoint for endpoint in ENDPOINTS if endpoint.answer is not None]
    mode: Literal["serialization"] = "serialization"  # what has a default is always there
    adapters = [(_id(endpoint), mode, TypeAdapter(endpoint.answer)) for endpoint in typed]
    by_key, common = TypeAdapter.json_schemas(adapters, ref_template=_REFERENCE)
    schemas = {name: _untitled(schema) for name, schema in common.get("$defs", {}).items()}
    return {name: _untitled(schema) for (name, _), schema in by_key.items()}, schemas


def _untitled(schema: Any) -> Any:
    """A schema without titles, which repeat the names of its properties."""
    if isinstance(schema, list):
        return [_untitled(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _untitled(part) for name, part in value.items()}
        if key == "properties"
        else _untitled(value)
        for key, value in schema.items()
        if key != "title"
    }


def _optional(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a body without defaults: generators take what has one for always given."""
    properties = {
        name: {key: value for key, value in part.items() if key != "default"}
        for name, part in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties}


def _id(endpoint: Endpoint) -> str:
    return endpoint.function.__name__.strip("_")


def _operation(
    endpoint: Endpoint, answers: dict[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    """An operation; the types that its inputs refer to are added to `schemas`."""
    schema = endpoint.inputs.model_json_schema(ref_template=_REFERENCE)
    schemas |= {name: _optional(_untitled(part)) for name, part in schema.pop("$defs", {}).items()}
    schema = _untitled(schema)
    parameters = [_parameter("namespace", "path", {"type": "string"}, required=True)]
    if "{id}" in endpoint.path:
        parameters.append(_parameter("id", "path", {"type": "integer"}, required=True))
    lines = {NDJSON: {"schema": {"type": "string"}}}
    content = lines
    if endpoint.answer is not None:
        content = {"application/json": {"schema": answers[_id(endpoint)]}}
    done = {"description": "OK", "content": content}
    statuses = {str(endpoint.status): done}
    if endpoint.method == "PUT":
        statuses["201"] = {**done, "description": "Created"}
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "description": f"Requires the right `{endpoint.right}`.",
        "operationId": _id(endpoint),
        "parameters": parameters,
        "responses": {
            **statuses,
            **{status: _refusal(text) for status, text in _REFUSALS.items()},
        },
    }
    properties = schema.get("properties", {})
    if endpoint.method == "GET":
        required = schema.get("required", [])
        for name, argument in properties.items():
            parameters.append(_parameter(name, "query", argument, required=name in required))
    elif endpoint.takes_lines:
        operation["requestBody"] = {"required": True, "content": lines}
    elif properties:
        operation["requestBody"] = {
            "required": bool(schema.get("required")),
            "content": {"application/json": {"schema": _optional(schema)}},
        }
    return operation


def _parameter(
    name: str, location: str, schema: dict[str, Any], *, required: bool
) -> dict[str, Any]:
    return {"name": name, "in": location, "required": required, "schema": schema}


def _refusal(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def document_route() -> Route:
    """The route of the document; it needs no token."""

    async def show(request: Request) -> Response:
        return JSONResponse(document())

    return Route("/api/openapi.json", show, methods=["GET"])
