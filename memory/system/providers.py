"""Imports litellm, which knows the providers of models, quietly and only when needed.

By default litellm fetches prices from the internet, reports its use, and logs to standard output
whatever the root logger allows, among the output of the program that uses it.
"""

import json
import logging
import os
import socket
import sys
import urllib.request
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from memory.errors import ModelError

# Providers whose only setting is a key: asking litellm costs its import, which takes seconds. Its
# list lacks Jina's key, and has an older name of Together's.
_KEYS = {
    "openai": "OPENAI_API_KEY",
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "mistral": "MISTRAL_API_KEY",
    "groq": "GROQ_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "xai": "XAI_API_KEY",
    "cohere": "COHERE_API_KEY",
    "jina_ai": "JINA_AI_API_KEY",
    "together": "TOGETHER_API_KEY",
    "together_ai": "TOGETHER_API_KEY",
}
_MODELS = "model_prices_and_context_window_backup.json"
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")


def quiet_litellm() -> None:
    """Keep litellm from fetching prices, and let it log only warnings, whoever imports it.

    A level that its loggers already have, or that LITELLM_LOG sets, stays.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_TELEMETRY", "False")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not logger.level and "LITELLM_LOG" not in os.environ:
            logger.setLevel(logging.WARNING)


def load_litellm() -> Any:
    """The module litellm. The first call takes seconds."""
    quiet_litellm()
    import litellm

    litellm.suppress_debug_info = True  # it prints advice to standard output
    return litellm


def listed_models() -> Mapping[str, Mapping[str, Any]]:
    """What litellm knows of models by their names, such as their contexts.

    From its file, in a fifth of a second, if no one has imported litellm and added to its list. It
    says nothing of the newest models' further names: "bedrock/claude-opus-latest".
    """
    if "litellm" not in sys.modules and (models := _models_in_file()):
        return models
    listed: Mapping[str, Mapping[str, Any]] = load_litellm().model_cost
    return listed


@cache
def _models_in_file() -> Mapping[str, Mapping[str, Any]]:
    spec = find_spec("litellm")
    file = Path(spec.origin).parent / _MODELS if spec and spec.origin else None
    if file is None or not file.exists():  # of a later version: its module still has the list
        return {}
    models: Mapping[str, Mapping[str, Any]] = json.loads(file.read_bytes())
    return models


def missing_keys(name: str) -> list[str]:
    """The keys that a provider's model needs and the environment lacks; empty if one may work.

    Some providers accept several names for their key, and litellm's list has one of them. So any
    key or token whose name begins with the provider's first letter counts.
    """
    initial = name[:1].upper()
    if any(key.startswith(initial) and key.endswith(("_KEY", "_TOKEN")) for key in os.environ):
        return []
    if key := _KEYS.get(name.partition("/")[0]):
        return [key]
    missing = [str(key) for key in load_litellm().validate_environment(name)["missing_keys"]]
    # Other settings, such as an address or a project, may come from a file of the provider.
    return missing if all(key.endswith("_KEY") for key in missing) else []


def refuse_unreachable(name: str, api_base: str | None = None) -> None:
    """Raises ModelError for a model without its key or its server, before anything is imported.

    Of a provider that is not in _KEYS its first call says so.
    """
    provider, _, model = name.partition("/")
    if model and api_base:
        check_listening(api_base)
    own = (f"{provider.upper()}_API_BASE", f"{provider.upper()}_BASE_URL")
    if api_base or not model or provider not in _KEYS or any(map(os.environ.get, own)):
        return
    if missing := missing_keys(name):
        raise ModelError(f"{name} needs a key: set {' or '.join(missing)}")


def check_listening(api_base: str) -> None:
    """Raises ModelError for an invalid address, and if nothing listens at it."""
    try:
        address = urlsplit(api_base)
        host = address.hostname if address.scheme in ("http", "https") else None
        port = address.port or (443 if address.scheme == "https" else 80)
    except ValueError:  # a bracket that is not closed, a port that is no number
        host = None
    if not host:
        raise ModelError(f"{api_base!r} is no address; write http://HOST:PORT/v1")
    if urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return
    try:
        socket.create_connection((host, port), timeout=10).close()
    except OSError as error:
        raise ModelError(
            f"nothing answers at {api_base} ({error.strerror or error}); start the server or "
            "correct --api-base"
        ) from error
