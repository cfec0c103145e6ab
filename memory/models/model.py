"""A language model ready to be called, and what its calls cost; it knows no memory or program."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import dspy
from dspy.utils import exceptions as lm_errors

from memory.errors import ModelError, PromptTooLong
from memory.models.model_errors import explain, explain_here
from memory.models.server_refusals import is_too_long
from memory.models.sizes import Size
from memory.records import FormChoice
from memory.system.providers import listed_models, load_litellm

_R = TypeVar("_R")


@dataclass(frozen=True)
class Limits:
    """What a model takes, in its tokens.

    `context` is all that it reads, `budget` the memory that it is shown with a question. A call
    that stores gets `window` turns of `window_tokens` at most.

    `are_own` says that these are the model's and not its server's.
    """

    context: int
    budget: int
    window: int
    window_tokens: int
    are_own: bool = False


@dataclass(frozen=True)
class Pace:
    """What a call takes: seconds, before any was made, and cores of this machine.

    `stop_seconds` is how long the end of a chat waits for a call under way.
    """

    seconds_a_call: float
    stop_seconds: float
    cpus: float


@dataclass(frozen=True)
class Model:
    """A language model ready to be called.

    `name` is as `load_model` takes it; with an adapter of weights, "+" and eight digits of its
    sha256 follow. `adapter` renders its prompts and reads its answers. `server` says where calls
    go, for people to read: an address or a provider, "" for a model in this process; `api_base` the
    address that was given. `weights` names the weights that each module of a program runs on.
    `prompts` is the choice that led to its size.
    """

    name: str
    lm: dspy.BaseLM
    adapter: dspy.Adapter
    size: Size
    limits: Limits
    pace: Pace
    server: str = ""
    api_base: str | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    prompts: FormChoice = "auto"

    @property
    def price(self) -> tuple[float, float] | None:
        """US dollars a prompt token and an answer token; None if they are not known."""
        return listed_price(self.name, self.server)

    def uncached(self) -> "Model":
        """The same model, called again whatever DSPy's cache holds."""
        return replace(self, lm=self.lm.copy(cache=False))

    @contextmanager
    def active(self) -> Iterator[None]:
        """Modules called inside use this model. Raises ModelError, one line, when it fails."""
        with dspy.context(lm=self.lm, adapter=self.adapter):
            try:
                yield
            except lm_errors.LMError as error:
                kind = PromptTooLong if is_too_long(error) else ModelError
                raise kind(_explained(self, error)) from error

    def pieces(self, made: Generator[str, None, _R]) -> Generator[str, None, _R]:
        """The pieces of a generator whose calls use this model, whichever thread asks for them."""

        def by_this_model() -> Generator[str, None, _R]:
            with self.active():
                return (yield from made)

        pieces, context = by_this_model(), copy_context()
        try:
            while True:
                yield context.run(next, pieces)
        except StopIteration as end:
            whole: _R = end.value
            return whole
        finally:
            context.run(pieces.close)


def _explained(model: Model, error: lm_errors.LMError) -> str:
    """What went wrong with a call and what to do, in one line."""
    if model.server:
        return explain(error, model.name, model.api_base)
    seconds = getattr(getattr(model.lm, "engine", None), "seconds", 0.0)
    return explain_here(error, model.name, model.limits.context, seconds)


def listed_price(name: str, server: str) -> tuple[float, float] | None:
    """US dollars a prompt token and an answer token of a model.

    Nothing in this process, without a `server`. None for your own server (an address), and for
    models that litellm does not list.
    """
    if not server:
        return 0.0, 0.0
    if "://" in server:
        return None
    listed = _listed(name, load_litellm().model_cost)
    try:
        return float(listed["input_cost_per_token"]), float(listed["output_cost_per_token"])
    except KeyError:
        return None


def listed_context(name: str) -> int | None:
    """The tokens that a model of a provider reads; None if litellm does not list it."""
    return _listed(name, listed_models()).get("max_input_tokens")


def _listed(name: str, known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """The model in litellm's list; empty if that lacks it."""
    provider, _, model = name.partition("/")
    listed = known.get(name) or known.get(model) or {}
    if listed.get("litellm_provider") != provider and name not in known:
        return {}  # the same name, sold by someone else
    return listed
