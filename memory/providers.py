"""litellm, which knows the providers of models: imported quietly, and only when it is needed.

By itself it asks the internet for prices, reports its use, and logs on standard output whatever the
root logger lets through: in somebody's program, among what that program prints.
"""

import logging
import os
from typing import Any

# Keys that litellm asks for and that its list of keys leaves out.
_UNLISTED_KEYS = {"jina_ai": "JINA_AI_API_KEY"}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")


def quiet_litellm() -> None:
    """Let litellm, whoever imports it from now on, look nothing up and print warnings only.

    A level that somebody gave its loggers, or asked for in LITELLM_LOG, stays.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_TELEMETRY", "False")
    os.environ.setdefault("DO_NOT_TRACK", "1")
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not logger.level and "LITELLM_LOG" not in os.environ:
            logger.setLevel(logging.WARNING)


def load_litellm() -> Any:
    """The module litellm; the first time this takes seconds."""
    quiet_litellm()
    import litellm

    litellm.suppress_debug_info = True  # it prints advice to standard output
    logging.getLogger("LiteLLM").addFilter(_is_news)  # adding it again changes nothing
    return litellm


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of litellm's log says what its errors do not say: they are raised, too."""
    return not str(record.msg).startswith("Error in rerank")


def missing_keys(name: str) -> list[str]:
    """The keys that a provider's model needs and the environment lacks; none where it may do.

    Some providers take their key under several names, of which litellm's list has one: a key or a
    token whose name begins like the provider's will do.
    """
    initial = name[:1].upper()
    if any(key.startswith(initial) and key.endswith(("_KEY", "_TOKEN")) for key in os.environ):
        return []
    if unlisted := _UNLISTED_KEYS.get(name.partition("/")[0]):
        return [unlisted]
    missing = [str(key) for key in load_litellm().validate_environment(name)["missing_keys"]]
    # What is not a key, as an address or a project, may come from a file of the provider's own.
    return missing if all(key.endswith("_KEY") for key in missing) else []
