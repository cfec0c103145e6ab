"""What went wrong with a model, and what to do about it, in one line without keys."""

import re
from collections.abc import Sequence

from dspy.utils import exceptions as lm_errors

from memory.errors import Stop
from memory.models.gguf.model_file import CONTEXT_NAME
from memory.models.server_refusals import is_too_long, lacks_path
from memory.system.provider_calls import one_line, too_slow

NOTHING = "nothing"  # what a model says in an empty answer
# litellm calls it a failure of the server when its name cannot be looked up.
_UNREACHABLE = re.compile(
    r"Cannot connect to host|Domain name not found|Name or service not known|getaddrinfo"
)

_CUT = re.compile(r"bytes outstanding|incomplete (?:chunked )?read|complete message body")


class CallTimeoutError(lm_errors.LMTimeoutError):
    """A call was ended because it took too long as a whole."""


class EndlessAnswerError(lm_errors.LMProviderError):
    """A call was ended because its answer is longer than any model's."""


class ServerDownError(lm_errors.LMTransportError):
    """Nothing listens at your server's address."""


class MissingKeyError(lm_errors.LMNotConfiguredError):
    """The provider's key is not set; `env_keys` are its names."""

    def __init__(self, env_keys: Sequence[str]) -> None:
        super().__init__("a key is missing")
        self.env_keys = env_keys


def seconds_to_wait(error: BaseException) -> float | None:
    """How long to wait before a model is asked again, as its provider says; 0 if it does not.

    None for errors that waiting does not end: a key, a name or a setting.
    """
    cause = error.__cause__
    if isinstance(cause, (lm_errors.LMConfigurationError, lm_errors.LMAuthError)):
        return None
    if isinstance(cause, (lm_errors.LMUnsupportedModelError, lm_errors.LMUnsupportedFeatureError)):
        return None
    return float(getattr(cause, "retry_after", None) or 0.0)


def retry_after(error: BaseException) -> float | None:
    """The seconds that a server asked to wait for when a call was ended; None if it did not."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, lm_errors.LMError):
            return cause.retry_after
        cause = cause.__cause__ or cause.__context__
    return None


def explain(error: lm_errors.LMError, name: str, api_base: str | None) -> str:
    """What went wrong with a model and what to do, in one line without keys."""
    keys = getattr(error, "env_keys", None) or [f"{name.partition('/')[0].upper()}_API_KEY"]
    key = " or ".join(keys)
    where = f" at {api_base}" if api_base else ""
    reason = one_line(error.message)
    if is_too_long(error):
        return (
            f"the prompt is too long for {name}{where}; give the server a larger context, or a"
            f" smaller --budget where the command has one ({reason})"
        )
    match error:
        case lm_errors.LMNotConfiguredError():
            return f"{name} needs a key: set {key}"
        case lm_errors.LMAuthError():
            return f"{name}{where} refused the key: check {key}"
        case lm_errors.LMBillingError():
            return f"{name}: no credit or quota left on this account ({reason})"
        case lm_errors.LMRateLimitError():
            return f"{name}{where} still limits the rate after retries; wait, or use fewer threads"
        case CallTimeoutError():
            wait = error.retry_after
            advice = f" (it asks to wait {wait:,.0f} seconds)" if wait else ""
            return f"{error.message}{where}{advice}"
        case EndlessAnswerError():
            return f"{error.message}{where}; its server is broken or hostile"
        case _ if _UNREACHABLE.search(reason):
            where = api_base or f"the provider of {name}"
            return f"cannot reach {where}: is this machine online? ({reason})"
        case lm_errors.LMTransportError() if _CUT.search(reason):
            return f"{name}{where} broke off in its answer; ask again ({reason})"
        case lm_errors.LMTransportError() | lm_errors.LMTimeoutError():
            where = api_base or f"the provider of {name}"
            return f"cannot reach {where}: is it running, is --api-base right? ({reason})"
        case _ if getattr(error, "status", None) == 404 and lacks_path(api_base or ""):
            address = str(api_base).rstrip("/")
            return f"nothing is served at {address} or {address}/v1; check --api-base ({reason})"
        case lm_errors.LMUnsupportedModelError():
            return f"{name} does not exist{where}; check the name ({reason})"
        case lm_errors.LMServerError():
            return f"{name}{where} failed on its side; try again later ({reason})"
    if "LLM Provider NOT provided" in reason:
        return f"no provider is called {name.partition('/')[0]!r}; write for example openai/MODEL"
    return f"{name}{where} gave no usable answer ({reason})"


def explain_here(error: lm_errors.LMError, name: str, context: int, seconds: float) -> str:
    """What went wrong with a model in this process that reads `context` tokens, in one line."""
    if stop := _stop_behind(error):
        return str(stop)  # it could not be started
    if isinstance(error, lm_errors.LMTimeoutError):
        return too_slow(name, seconds)
    reason = one_line(error.message)
    if is_too_long(error):
        return (
            f"the prompt is too long for {name}, which reads {context:,} tokens here;"
            f" set {CONTEXT_NAME}, or give a smaller --budget where the command has one ({reason})"
        )
    return f"{name} gave no usable answer ({reason})"


def _stop_behind(error: BaseException) -> Stop | None:
    """The error of our own that DSPy has wrapped; None for none."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Stop):
        cause = cause.__cause__ or cause.__context__
    return cause


def explain_unusable(answer: str, name: str, api_base: str | None) -> str:
    """Why a model's text is not an answer, and what to do, in one line."""
    if answer != NOTHING:
        return (
            f"{name} answered {answer[:80]!r}, which is no answer from the memory; ask again, or"
            " choose a model that follows instructions"
        )
    if lacks_path(api_base or ""):  # some servers answer any path with status 200
        address = str(api_base).rstrip("/")
        return f"{name} at {address} answered nothing; is it {address}/v1?"
    return (
        f"{name} answered nothing, or thoughts alone; ask again, switch its thinking off on the"
        " server, or choose another model"
    )
