"""A model by its litellm name behind the proxy, as if it were a server that speaks OpenAI's API.

litellm speaks the provider's protocol and builds the answers; here they become HTTP again. Keys and
addresses are this machine's: a request cannot name others.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from memory.errors import ModelError
from memory.server.proxy_messages import CHAT, MESSAGES, RESPONSES
from memory.system.provider_calls import server_address, without_keys
from memory.system.providers import load_litellm

MODEL_ADDRESS = "http://model/v1"  # no one's: requests to it never leave this process
_ANTHROPIC, _ANTHROPIC_VERSION = "https://api.anthropic.com", "2023-06-01"
_SECONDS = 600.0  # a model may think for minutes before its first word
_SAMPLING = ("temperature", "top_p", "stream", "tools", "tool_choice")
# The fields that a request may have. litellm has further arguments, among them `api_base`, which
# would send this machine's key elsewhere.
_FIELDS = {
    CHAT: (
        *_SAMPLING,
        *("messages", "stream_options", "stop", "seed", "n", "user", "logprobs", "top_logprobs"),
        *("max_tokens", "max_completion_tokens", "presence_penalty", "frequency_penalty"),
        *("logit_bias", "response_format", "parallel_tool_calls", "functions", "function_call"),
        *("modalities", "audio", "prediction", "reasoning_effort", "thinking", "verbosity"),
        *("web_search_options", "service_tier", "prompt_cache_key", "safety_identifier"),
    ),
    RESPONSES: (
        *_SAMPLING,
        *("input", "instructions", "include", "max_output_tokens", "metadata", "reasoning"),
        *("parallel_tool_calls", "previous_response_id", "store", "text", "truncation", "user"),
        *("service_tier", "prompt_cache_key", "safety_identifier", "max_tool_calls"),
    ),
    MESSAGES: (
        *_SAMPLING,
        *("messages", "system", "max_tokens", "metadata", "stop_sequences", "thinking", "top_k"),
    ),
}
# Headers of a provider's error that its client acts on.
_ERROR_HEADERS = ("retry-after", "retry-after-ms", "x-should-retry", "x-request-id")


class LiteLLMTransport(httpx.AsyncBaseTransport):
    """Answers requests of `httpx` by calls of litellm.

    Arguments:
        model: a litellm name, "provider/model"; requests may name any other, or none.
        api_base: the address of a server that speaks the provider's protocol; by default the
            provider's own, or PROVIDER_API_BASE.

    Raises ModelError for a name without a provider, and for a key that is missing.
    """

    def __init__(self, model: str, api_base: str | None = None) -> None:
        self._model = model
        self._litellm = load_litellm()
        try:
            provider = self._litellm.get_llm_provider(model, api_base=api_base)[1]
        except self._litellm.BadRequestError as error:
            raise ModelError(
                f"the model {model!r} names no provider of litellm; write openai/MODEL"
            ) from error
        self._provider = str(provider)
        self._address = {"api_base": api_base} if api_base else server_address(model)
        self._anthropic = httpx.AsyncHTTPTransport()
        # Else it takes OpenAI's responses, whose stream ends in an import of litellm's own proxy.
        self._litellm.use_chat_completions_url_for_anthropic_messages = True
        self._calls = {
            CHAT: self._litellm.acompletion,
            RESPONSES: self._litellm.aresponses,
            MESSAGES: self._litellm.anthropic_messages,
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer of the model, whole or as server-sent events."""
        path = request.url.path.removeprefix("/v1/")
        if request.method == "GET" and path == "models":
            about = {"id": self._model, "object": "model", "created": 0, "owned_by": self._provider}
            return _whole(200, {"object": "list", "data": [about]})
        if request.method != "POST" or path not in _FIELDS:
            message = "a proxy of --model has chat/completions, responses, messages and models"
            return _whole(404, _error_body(path, message, "not_found"))
        try:
            body = json.loads(await request.aread())
            fields = {name: body[name] for name in _FIELDS[path] if name in body}
        except (ValueError, TypeError, RecursionError):
            message = "the body is no JSON object"
            return _whole(400, _error_body(path, message, "invalid_request_error"))
        if path == MESSAGES and self._provider == "anthropic":
            return await self._ask_anthropic(request, body)
        try:
            answer = await self._calls[path](
                model=self._model, max_retries=0, timeout=_SECONDS, **self._address, **fields
            )
        except Exception as error:  # noqa: BLE001
            # Whatever it is, its sender must hear of it; litellm passes on errors of any kind.
            return _whole(_status(error), _error(path, error), _headers(error))
        if not hasattr(answer, "__aiter__"):
            return _whole(200, _fields(answer))
        kind = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=kind, stream=_Events(path, answer))

    async def _ask_anthropic(self, request: httpx.Request, body: dict[str, Any]) -> httpx.Response:
        """Anthropic's own answer: litellm streams its protocol only with its whole proxy."""
        base = self._address.get("api_base") or os.environ.get("ANTHROPIC_BASE_URL") or _ANTHROPIC
        key = self._address.get("api_key") or os.environ.get("ANTHROPIC_API_KEY", "")
        headers = {"anthropic-version": _ANTHROPIC_VERSION} | {
            name: value for name, value in request.headers.items() if name.startswith("anthropic-")
        }
        asked = httpx.Request(
            "POST",
            f"{base.rstrip('/').removesuffix('/v1')}/v1/messages",
            json=body | {"model": self._model.removeprefix("anthropic/")},
            headers=headers | {"x-api-key": key},
            extensions=request.extensions,
        )
        return await self._anthropic.handle_async_request(asked)

    async def aclose(self) -> None:
        await self._anthropic.aclose()


def _whole(
    status: int, fields: Mapping[str, Any], headers: Mapping[str, str] | None = None
) -> httpx.Response:
    content = json.dumps(fields).encode()
    about = {"content-type": "application/json", "content-length": str(len(content))}
    # As a stream, which `aiter_raw` reads.
    stream = httpx.ByteStream(content)
    return httpx.Response(status, headers=about | dict(headers or {}), stream=stream)


class _Events(httpx.AsyncByteStream):
    """The pieces of an answer as server-sent events."""

    def __init__(self, path: str, pieces: Any) -> None:
        self._path = path
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._pieces:
                yield piece if isinstance(piece, bytes) else self._event(_fields(piece))
        except Exception as error:  # noqa: BLE001
            # The status has gone out: the clients of OpenAI and Anthropic raise such an event.
            yield self._event(_error(self._path, error))
            return
        if self._path == CHAT:
            yield b"data: [DONE]\n\n"

    async def aclose(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        if close:
            await close()

    def _event(self, fields: Mapping[str, Any]) -> bytes:
        name = "" if self._path == CHAT else f"event: {fields.get('type', 'error')}\n"
        return f"{name}data: {json.dumps(fields)}\n\n".encode()


def _fields(answer: Any) -> dict[str, Any]:
    """An answer, or a piece of one, as JSON has it."""
    if isinstance(answer, dict):
        return answer
    # Clients know a piece's missing fields better than its empty ones; an answer has them all.
    is_piece = getattr(answer, "object", "") == "chat.completion.chunk"
    text = answer.model_dump_json(exclude_unset=True, exclude_none=is_piece)
    fields: dict[str, Any] = json.loads(text)
    return fields


def _status(error: Exception) -> int:
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and 400 <= status < 600 else 502


def _error(path: str, error: Exception) -> dict[str, Any]:
    """The provider's own words where litellm has them, else litellm's; without keys."""
    body = getattr(error, "body", None)
    about = body if isinstance(body, dict) else {}
    message = about.get("message") or getattr(error, "message", "") or error
    kind = about.get("type") or getattr(error, "type", None) or type(error).__name__
    return _error_body(path, without_keys(str(message)), str(kind), about.get("code"))


def _headers(error: Exception) -> dict[str, str]:
    headers = getattr(error, "litellm_response_headers", None) or {}
    return {name: headers[name] for name in _ERROR_HEADERS if name in headers}


def _error_body(path: str, message: str, kind: str, code: Any = None) -> dict[str, Any]:
    if path == MESSAGES:
        return {"type": "error", "error": {"type": kind, "message": message}}
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
