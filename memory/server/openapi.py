"""The OpenAPI document of the JSON API, generated from its endpoints."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from memory.server.json_api import ENDPOINTS, Endpoint

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
    "404": "No such namespace",
    "413": "The body is too large",
    "429": "Too many requests; wait a second",
    "503": "The memory or its model is unavailable; its owner must act",
}


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        path = paths.setdefault(f"/api/{{namespace}}{endpoint.path}", {})
        path[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "sql-memory",
            "version": "1",
            "description": "Turns, facts and answers of one namespace."
            " Each operation needs a right of the token: read, write or forget.",
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _ERROR},
        },
        "security": [{"token": []}],
        "paths": paths,
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    schema = endpoint.inputs.model_json_schema()
    parameters = [_parameter("namespace", "path", {"type": "string"}, required=True)]
    if "{id}" in endpoint.path:
        parameters.append(_parameter("id", "path", {"type": "integer"}, required=True))
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "description": f"Requires the right `{endpoint.right}`.",
        "operationId": endpoint.function.__name__.strip("_"),
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "OK",
                "content": {"application/json": {"schema": {"type": "object"}}},
            },
            **{status: _refusal(text) for status, text in _REFUSALS.items()},
        },
    }
    properties = schema.get("properties", {})
    if endpoint.method == "GET":
        required = schema.get("required", [])
        for name, argument in properties.items():
            parameters.append(_parameter(name, "query", argument, required=name in required))
    elif properties:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
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
