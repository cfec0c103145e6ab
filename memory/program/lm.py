"""The models: a name becomes a DSPy model, its adapter and its limits; its errors become one line.

`MODELS` is the table of what differs between the packaged model and a hosted one.
"""

import asyncio
import logging
import os
import re
import socket
import threading
import time
import urllib.request
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dspy
from dspy.utils import exceptions as lm_errors

from memory.errors import InputError, ModelError
from memory.program.adapter_card import is_adapter
from memory.program.llama import CONTEXT, Lora, load_lora, packaged_gguf
from memory.program.local import LocalEngine, SmallModelAdapter
from memory.provider_calls import call_seconds, one_line, run, too_slow, within
from memory.providers import load_litellm, missing_keys

# The packaged model as it comes with this package, tuned; and without.
PACKAGED_MODEL, UNTUNED_MODEL = "local", "local-base"
SHIPPED = tuple(sorted((Path(__file__).parent / "tuned").glob("[a-z]*")))
# Who waits longer than this for an answer is told so, at most once a minute.
_NOTICE_SECONDS, _NOTICE_EVERY = 10.0, 60.0
_log = logging.getLogger(__name__)
CALL_RETRIES = 5  # with 1, 2, 4, 8, 16 seconds between them, or what the server asks for


@dataclass(frozen=True)
class Limits:
    """What a kind of model can take, in turns a window and in tokens."""

    window: int
    window_tokens: int
    dates: bool  # whether it can do something with the date of a turn that it stores
    context: int
    budget: int


MODELS = {
    "local": Limits(window=1, window_tokens=200, dates=False, context=CONTEXT, budget=360),
    "hosted": Limits(window=16, window_tokens=8_000, dates=True, context=128_000, budget=20_000),
}

# litellm calls it a failure of the server when its name cannot be looked up.
_UNREACHABLE = re.compile(
    r"Cannot connect to host|Domain name not found|Name or service not known|getaddrinfo"
)
_calling_thread = ContextVar[threading.Thread | None]("calling_thread", default=None)


def calling_thread() -> threading.Thread:
    """The thread that waits for the call under way: a hosted model is asked in another one."""
    return _calling_thread.get() or threading.current_thread()


class CallTimeoutError(lm_errors.LMTimeoutError):
    """A call was ended because it took too long as a whole."""


class MissingKeyError(lm_errors.LMNotConfiguredError):
    """The provider's key is not set; `env_keys` are its names."""

    def __init__(self, env_keys: Sequence[str]) -> None:
        super().__init__("a key is missing")
        self.env_keys = env_keys


class BoundedLM(dspy.LM):
    """A hosted model: each call ends after `seconds`, its tries and the waits between included.

    A call that takes long is told of by the log of this module, as information.
    """

    def __init__(self, model: str, *, seconds: float, **settings: Any) -> None:
        super().__init__(model, **settings)
        self.seconds = seconds
        self._noticed_at = -_NOTICE_EVERY

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        token = _calling_thread.set(threading.current_thread())
        try:
            return run(self.acall(prompt, messages=messages, **kwargs))
        finally:
            _calling_thread.reset(token)

    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        self._check_key()
        delay = min(_NOTICE_SECONDS, self.seconds / 2)
        notice = asyncio.get_running_loop().call_later(delay, self._notice)
        try:
            call = super().acall(prompt, messages=messages, **kwargs)
            return await within(call, self.seconds)
        except TimeoutError as error:
            raise CallTimeoutError(too_slow(self.model, self.seconds)) from error
        finally:
            notice.cancel()

    def __getstate__(self) -> dict[str, Any]:
        """All but the key: what goes to another machine asks with the key that is set there."""
        state = super().__getstate__()
        return {**state, "kwargs": {k: v for k, v in state["kwargs"].items() if k != "api_key"}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "api_base" in self.kwargs:
            self.kwargs["api_key"] = _own_key(self.model)

    def _check_key(self) -> None:
        """Raise MissingKeyError: litellm would ask a provider without one, and try five times."""
        provider = self.model.partition("/")[0].upper()
        if "api_base" in self.kwargs or f"{provider}_API_BASE" in os.environ:
            return
        if missing := missing_keys(self.model):
            raise MissingKeyError(missing)

    def _notice(self) -> None:
        now = time.monotonic()
        if now - self._noticed_at >= _NOTICE_EVERY:
            self._noticed_at = now
            base = urlsplit(self.kwargs.get("api_base") or "")
            host = f"{base.hostname}:{base.port or base.scheme}" if base.hostname else self.model
            _log.info("waiting for %s, %g seconds at most", host, self.seconds)


@dataclass(frozen=True)
class Model:
    """A language model ready for use.

    `name` is as load_model takes it; with an adapter, "+" and eight digits of its sha256 follow.
    `window` is the turns of one store call, `window_tokens` their tokens at most, `dates` whether
    they are shown with dates; `context` is the tokens the model can read, `budget` how many of
    them are memory when it answers. Without `writes_facts` a digest stores nothing: facts that the
    model wrote would gain nothing when it answers.
    """

    name: str
    lm: dspy.LM
    adapter: dspy.Adapter
    window: int
    window_tokens: int
    dates: bool
    context: int
    budget: int
    api_base: str | None = None
    writes_facts: bool = True

    @property
    def packaged(self) -> bool:
        """Whether this is the packaged model, with an adapter or without."""
        return self.name.partition("+")[0] in (PACKAGED_MODEL, UNTUNED_MODEL)

    def as_tuned(self, targets: Collection[str]) -> "Model":
        """The same model with the prompts of one tuned for these modules: without examples."""
        if not isinstance(self.adapter, SmallModelAdapter):
            return self
        return replace(self, adapter=SmallModelAdapter(frozenset(targets)), writes_facts=True)

    def uncached(self) -> "Model":
        """The same model, asked anew whatever DSPy's cache holds."""
        return replace(self, lm=self.lm.copy(cache=False))

    def over_machines(self, over: str) -> "Model":
        """The same model with its calls made over machines (see `memory.machines`).

        Raises InputError for a hosted model: who asks it waits for its server, on any machine.
        """
        if not over:
            return self
        if not self.packaged:
            raise InputError(
                f"--over is for the packaged model here; {self.name} runs on a server: raise"
                " --num-threads instead"
            )
        return replace(self, lm=self.lm.copy(engine=replace(self.lm.engine, over=over)))

    @property
    def weights(self) -> dict[str, str]:
        """The name of the weights that each module runs on: an adapter is for its targets only."""
        modules = ("store", "retrieve", "answer")
        if not self.packaged:
            return dict.fromkeys(modules, self.name)
        tuned: frozenset[str] = getattr(self.adapter, "tuned", frozenset())
        names = dict.fromkeys(modules, UNTUNED_MODEL)
        for lora in getattr(self.lm.engine, "loras", ()):
            for target in lora.targets & tuned:
                names[target] = f"{PACKAGED_MODEL}+{lora.sha256[:8]}"
        if not self.writes_facts:
            names["store"] = "none"
        return names

    @property
    def _address(self) -> str:
        """The address of a server of one's own; empty for a provider's, and for no server."""
        provider = self.name.partition("/")[0].upper()
        # Clients look for these by themselves.
        names = (f"{provider}_BASE_URL", f"{provider}_API_BASE")
        addresses = (self.api_base, *(os.environ.get(name) for name in names))
        return "" if self.packaged else next(filter(None, addresses), "")

    @property
    def server(self) -> str:
        """Who is asked, for people: an address without a password, or a provider's name."""
        if not self._address:
            return self.name.partition("/")[0]
        scheme, _, host = self._address.partition("://")
        return f"{scheme}://{host.rpartition('@')[2]}"

    @property
    def price(self) -> tuple[float, float] | None:
        """US dollars a prompt token and an answer token, as far as litellm's own list knows.

        None when it does not, and for a server of one's own.
        """
        if self.packaged:
            return 0.0, 0.0
        if self._address:
            return None
        provider, _, model = self.name.partition("/")
        known = load_litellm().model_cost
        prices = known.get(self.name) or known.get(model) or {}
        if prices.get("litellm_provider") != provider and self.name not in known:
            return None  # the same name, sold by somebody else
        try:
            return float(prices["input_cost_per_token"]), float(prices["output_cost_per_token"])
        except KeyError:
            return None

    @contextmanager
    def active(self) -> Iterator[None]:
        """Modules called inside use this model. Raises ModelError, one line, when it fails."""
        with dspy.context(lm=self.lm, adapter=self.adapter):
            try:
                yield
            except lm_errors.LMError as error:
                raise ModelError(explain(error, self.name, self.api_base)) from error


def load_model(
    name: str = "local",
    api_base: str | None = None,
    temperature: float = 0.0,
    retries: int = CALL_RETRIES,
    adapter: str | Path | None = None,
) -> Model:
    """A model by name. Its answers are kept in no cache.

    Arguments:
        name: "local" (the packaged model, tuned), "local-base" (untuned), the folder of a LoRA
            adapter for it, or any litellm name, "provider/model".
        api_base: address of a server that speaks the provider's protocol (vLLM, Arbor, Ollama).
        temperature: 0 for the most likely answer; reasoning models take none.
        retries: how often a rate limit or a failed connection is tried again, with backoff.
        adapter: a LoRA adapter for the packaged model, its folder or its .gguf file. It takes the
            place of what the model has for the modules that its card names.

    A call of a hosted model ends after MEMORY_CALL_SECONDS (120), its tries included.
    Raises InputError for an adapter that cannot be used; ModelError for a name without provider, a
    server that does not listen, or a packaged model that is not installed.
    """
    if adapter is not None and name not in (PACKAGED_MODEL, UNTUNED_MODEL):
        raise InputError(
            f"an adapter (--adapter) is for the packaged model only, not for {name}; serve that"
            " model with its adapter, or leave --model out"
        )
    if name in (PACKAGED_MODEL, UNTUNED_MODEL) or is_adapter(name):
        if api_base:
            raise ModelError(
                "the packaged model needs no --api-base; name the served model too, as in "
                "--model openai/NAME --api-base ADDRESS"
            )
        if is_adapter(name):
            adapter = name
            name = PACKAGED_MODEL
        return _packaged(name, temperature, adapter)
    provider, _, model = name.partition("/")
    if not provider or not model:
        guess = provider or "MODEL"
        raise ModelError(
            f"the model {name!r} names no provider; write openai/{guess}, ollama_chat/{guess}, "
            "or local for the packaged model"
        )
    return _hosted(name, api_base, temperature=temperature, retries=retries)


def _hosted(name: str, api_base: str | None, *, temperature: float, retries: int) -> Model:
    """A model of a provider, or on a server of one's own."""
    # No cache: DSPy's keeps answers on disk, where `forget` does not reach what somebody said; it
    # does not know addresses either, and two servers may have one name for two models.
    settings: dict[str, Any] = {
        "num_retries": retries,
        "cache": False,
        "seconds": call_seconds(),
    }
    if api_base:
        _check_listening(api_base)
        settings["api_key"] = _own_key(name)
        settings["api_base"] = api_base
    try:
        lm = BoundedLM(name, temperature=temperature, max_tokens=3_000, **settings)
    except lm_errors.LMConfigurationError:  # reasoning models: their own temperature, room to think
        lm = BoundedLM(name, temperature=None, max_tokens=16_000, **settings)
    # DSPy would ask again in JSON when an answer is out of form: a call that nobody counts.
    adapter = dspy.ChatAdapter(use_json_adapter_fallback=False)
    return Model(name, lm, adapter, **vars(MODELS["hosted"]), api_base=api_base)


def _own_key(name: str) -> str:
    """The key for a server of one's own: it seldom asks for one, but the protocol wants one."""
    return os.environ.get(f"{name.partition('/')[0].upper()}_API_KEY") or "none"


def _packaged(name: str, temperature: float, adapter: str | Path | None) -> Model:
    packaged_gguf()
    custom = load_lora(Path(adapter)) if adapter is not None else None
    loras: list[Lora] = [custom] if custom else []
    if name == PACKAGED_MODEL:
        # A custom adapter takes the place of the shipped ones, for its modules only.
        taken = custom.targets if custom else frozenset()
        for path in SHIPPED:
            shipped = load_lora(path)
            targets = shipped.targets - taken
            if targets:
                loras.append(replace(shipped, targets=targets))
    tuned = frozenset[str]().union(*(lora.targets for lora in loras))
    settings = {"cache": False, "temperature": temperature, "num_retries": 0}
    # A cache of answers knows a model by its name, so two adapters need two names.
    added = "".join(f"+{lora.sha256[:8]}" for lora in loras)
    lm = dspy.LM(f"local/smollm2{added}", engine=LocalEngine(loras=tuple(loras)), **settings)
    # Who tuned a model to store wants to see what it writes.
    writes_facts = name != PACKAGED_MODEL or bool(custom and "store" in custom.targets)
    if custom:
        name += f"+{custom.sha256[:8]}"
    limits = vars(MODELS["local"])
    return Model(name, lm, SmallModelAdapter(tuned), **limits, writes_facts=writes_facts)


def explain(error: lm_errors.LMError, name: str, api_base: str | None) -> str:
    """What went wrong with a model and what to do, in one line without keys."""
    keys = getattr(error, "env_keys", None) or [f"{name.partition('/')[0].upper()}_API_KEY"]
    key = " or ".join(keys)
    where = f" at {api_base}" if api_base else ""
    reason = one_line(error.message)
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
            return f"{error.message}{where}"
        case _ if _UNREACHABLE.search(reason):
            where = api_base or f"the provider of {name}"
            return f"cannot reach {where}: is this machine online? ({reason})"
        case lm_errors.LMTransportError() | lm_errors.LMTimeoutError():
            where = api_base or f"the provider of {name}"
            return f"cannot reach {where}: is it running, is --api-base right? ({reason})"
        case lm_errors.LMUnsupportedModelError():
            return f"{name} does not exist{where}; check the name ({reason})"
        case lm_errors.LMServerError():
            return f"{name}{where} failed on its side; try again later ({reason})"
    if isinstance(error, lm_errors.ContextWindowExceededError) or "context length" in reason:
        return f"the prompt is too long for {name}; give a smaller --budget ({reason})"
    if "LLM Provider NOT provided" in reason:
        return f"no provider is called {name.partition('/')[0]!r}; write for example openai/MODEL"
    return f"{name}{where} gave no usable answer ({reason})"


def _check_listening(api_base: str) -> None:
    address = urlsplit(api_base)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ModelError(f"{api_base!r} is no address; write http://HOST:PORT/v1")
    if urllib.request.getproxies() and not urllib.request.proxy_bypass(address.hostname):
        return
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), timeout=10).close()
    except OSError as error:
        raise ModelError(
            f"nothing answers at {api_base} ({error.strerror or error}); start the server or "
            "correct --api-base"
        ) from error
