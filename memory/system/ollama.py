"""Ollama on this machine: where it listens, and the models it has."""

import json
import os
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

_ADDRESS = "http://localhost:11434"
_PORT = 11434
_SECONDS = 0.5  # a page waits for it
_MOST_BYTES = 1_000_000
# Of OLLAMA_HOST, if it says that the server listens at every address.
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104 - nothing is bound to it here


def ollama_address() -> str:
    """The address that OLLAMA_API_BASE or OLLAMA_HOST names; "" if neither is set."""
    host = (os.environ.get("OLLAMA_API_BASE") or os.environ.get("OLLAMA_HOST") or "").strip()
    if not host:
        return ""
    try:
        parts = urlsplit(host if "://" in host else f"http://{host}")
        port = parts.port or {"https": 443}.get(parts.scheme, _PORT)
    except ValueError:
        return ""
    name = parts.hostname or ""
    if name in _EVERYWHERE:
        name = "127.0.0.1"
    return f"{parts.scheme}://{f'[{name}]' if ':' in name else name}:{port}"


def ollama_models() -> list[str]:
    """The names of the models that Ollama can run, without those for vectors; [] without Ollama."""
    address = urlsplit(ollama_address() or _ADDRESS)
    connect = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = connect(address.hostname or "localhost", address.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/api/tags")
        models = json.loads(connection.getresponse().read(_MOST_BYTES))["models"]
        return sorted(model["name"] for model in models if not _makes_vectors(model))
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return []
    finally:
        connection.close()


def _makes_vectors(model: dict[str, object]) -> bool:
    details = model.get("details")
    family = details.get("family") if isinstance(details, dict) else ""
    return "bert" in str(family) or "embed" in str(model["name"])
