"""Hosted models: called over the network with a deadline, and given what large models can use."""

import asyncio
import logging
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

import dspy
from dspy.utils import exceptions as lm_errors

from memory.errors import InputError, ModelError, PromptTooLong, UnusableAnswer
from memory.evidence.block import Options
from memory.evidence.lines import (
    NAME_TOKENS,
    turn_line,
    turn_lines,
)
from memory.evidence.messages import is_question, is_quotation
from memory.evidence.outline import outlined
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.recollection import RANKED_TURNS
from memory.program.answer_sources import answer_from
from memory.program.completions import CompletionAdapter
from memory.program.costs import StepLog, traced_call
from memory.program.fact_checks import dated
from memory.program.model import ChatMessage, Model, Modules, Retrieval, SqlUse
from memory.program.model_errors import (
    CallTimeoutError,
    MissingKeyError,
    ServerDownError,
    explain_unusable,
    retry_after,
)
from memory.program.quotations import quotations_of
from memory.program.retrieval import retrieve
from memory.program.server_refusals import accepted_instead
from memory.program.signatures.choice import Form, form_for
from memory.program.signatures.forms import Prompts
from memory.program.signatures.full import NAMES_IN_QUESTION, SUMMARIES_IN_QUESTION
from memory.program.streaming import stream
from memory.records import Answer, Fact, FormChoice, Turn
from memory.system.provider_calls import call_seconds, run, too_slow, within
from memory.system.providers import check_listening, listed_models, load_litellm, missing_keys
from memory.system.terminal import clean_line
from memory.text.characters import sound_text
from memory.text.dates import dated_question
from memory.text.tokens import count_tokens, trim
from memory.text.word_forms import telling_words

# Who waits longer than this for an answer is told so, at most once a minute.
_NOTICE_SECONDS, _NOTICE_EVERY = 10.0, 60.0
# A call that has not ended by then asks whether anything listens at all; a server that is started
# anew has until the last.
_DOWN_SECONDS = (0.5, 1.0, 1.0)
_log = logging.getLogger(__name__)
# Tokens of memory shown with a question. Of the evidence of LoCoMo, the ranking alone shows
# .900 in 2,000, .948 in 6,000, .994 in 20,000; of LongMemEval's .903, .976, .991 (docs/figures.md).
HOSTED_BUDGET = 6_000
# By the form of the prompts. Calls of 24 turns cost half as much again in full form: the
# instruction stands in each of them. Strong readers answered as well from what they stored of 48
# (docs/log/reading-and-answering.md). In short form a call and its answer fit 4,096 tokens, which
# is what Ollama gives many models by default.
_LIMITS: Mapping[Form, Mapping[str, Any]] = MappingProxyType(
    {
        "full": {"window": 48, "window_tokens": 8_000, "budget": HOSTED_BUDGET},
        "short": {"window": 12, "window_tokens": 2_000, "budget": 2_000},
    }
)
_UNKNOWN_CONTEXT = 128_000
_MESSAGE_TOKENS = 2_000  # of what is replied to, and of what was said before it
_calling_thread = ContextVar[threading.Thread | None]("calling_thread", default=None)


def _without_advice(record: logging.LogRecord) -> bool:
    """DSPy advises to change a setting of its own, which no command has; the fact stays."""
    if "was truncated" in str(record.msg):
        record.msg = "an answer was cut off at its limit of tokens"
    return True


logging.getLogger("dspy.clients.lm").addFilter(_without_advice)


def calling_thread() -> threading.Thread:
    """The thread that waits for the current call: hosted models are called in another thread."""
    return _calling_thread.get() or threading.current_thread()


class BoundedLM(dspy.LM):
    """A hosted model: each call ends after `seconds`, its tries and the waits between included.

    A call that takes long is told of by the log of this module, as information. What a server
    refuses of a request (`memory.program.server_refusals`) is not sent to it again.
    """

    def __init__(self, model: str, *, seconds: float, **settings: Any) -> None:
        super().__init__(model, **settings)
        self.seconds = seconds
        self._noticed_at = -_NOTICE_EVERY
        self._refused: frozenset[str] = frozenset()
        self._instead: Mapping[str, Any] = {}

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
            with traced_call(self.model):
                call = self._accepted(prompt, messages, kwargs)
                return _spoken(await within(self._unless_down(call), self.seconds))
        except TimeoutError as error:
            raise CallTimeoutError(
                too_slow(self.model, self.seconds), retry_after=retry_after(error)
            ) from error
        finally:
            notice.cancel()

    async def _accepted(self, prompt: Any, messages: Any, kwargs: Mapping[str, Any]) -> Any:
        """A call's result, asked for again without what the server refuses of its settings."""
        while True:
            instead = self._instead
            try:
                return await super().acall(prompt, messages=messages, **{**kwargs, **instead})
            except lm_errors.LMInvalidRequestError as error:
                # Meanwhile another call may have found out.
                if instead is self._instead and not self._learn(error, {**self.kwargs, **kwargs}):
                    raise

    def _learn(self, error: lm_errors.LMInvalidRequestError, settings: Mapping[str, Any]) -> bool:
        """Note what a server takes instead of what it refused; False if there is nothing new."""
        refused, instead = accepted_instead(error, {**settings, **self._instead})
        if not refused or refused in self._refused:
            return False
        self._refused |= {refused}
        self._instead = {**self._instead, **instead}
        if refused not in ("temperature", "room"):
            self._engine_spec = "litellm"  # DSPy's own client has one name for the limit
        return True

    async def _unless_down(self, call: Coroutine[Any, Any, Any]) -> Any:
        """A call's result; it is not tried on and on where nothing listens at your own address."""
        task = asyncio.ensure_future(call)
        try:
            address = self._own_address()
            for seconds in _DOWN_SECONDS if address else ():
                await asyncio.wait({task}, timeout=seconds)
                if task.done() or await _listens(address):
                    break
            else:
                if address:
                    raise ServerDownError(f"nothing answers at {address}")
            return await task
        finally:
            task.cancel()

    def _own_address(self) -> str:
        provider = self.model.partition("/")[0].upper()
        names = (f"{provider}_BASE_URL", f"{provider}_API_BASE")
        addresses = (self.kwargs.get("api_base"), *map(os.environ.get, names))
        return str(next(filter(None, addresses), ""))

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


class HostedModel(Model):
    """A model of a provider or on your own server: it can use dates, known facts and lists."""

    options: ClassVar[Options] = Options()
    refines: ClassVar[bool] = True
    takes_persona: ClassVar[bool] = True
    writes_any_sql: ClassVar[bool] = True
    reads_known_facts: ClassVar[bool] = True
    follows_instructions: ClassVar[bool] = True
    fixed_limits: ClassVar[bool] = False
    answer_tokens: ClassVar[Mapping[str, int]] = MappingProxyType(
        {"store": 60, "retrieve": 150, "answer": 40, "refine": 150}
    )
    seconds_a_call: ClassVar[float] = 10.0
    stop_seconds: ClassVar[float] = 0.5  # the next start digests the window of this call again
    cpus: ClassVar[float] = 0.25

    # ---------------------------------------------------------------- who is asked

    @property
    def _address(self) -> str:
        """The address of your own server; "" for a provider."""
        provider = self.name.partition("/")[0].upper()
        # Clients look for these by themselves.
        names = (f"{provider}_BASE_URL", f"{provider}_API_BASE")
        addresses = (self.api_base, *(os.environ.get(name) for name in names))
        return next(filter(None, addresses), "")

    @property
    def server(self) -> str:
        """An address without a password, or a provider's name."""
        if not self._address:
            return self.name.partition("/")[0]
        scheme, _, host = self._address.partition("://")
        return f"{scheme}://{host.rpartition('@')[2]}"

    @property
    def price(self) -> tuple[float, float] | None:
        """From litellm's list; None for your own server and for models that it does not have."""
        if self._address:
            return None
        listed = self._among(load_litellm().model_cost)
        try:
            return float(listed["input_cost_per_token"]), float(listed["output_cost_per_token"])
        except KeyError:
            return None

    def _among(self, known: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
        """The model in litellm's list; empty where that lacks it."""
        provider, _, model = self.name.partition("/")
        listed = known.get(self.name) or known.get(model) or {}
        if listed.get("litellm_provider") != provider and self.name not in known:
            return {}  # the same name, sold by somebody else
        return listed

    @property
    def weights(self) -> Mapping[str, str]:
        return dict.fromkeys(("store", "retrieve", "answer"), self.name)

    def over_machines(self, over: str) -> "HostedModel":
        if over:
            raise InputError(
                f"--over is for the packaged model here; {self.name} runs on a server: raise"
                " --num-threads instead"
            )
        return self

    def with_prompts(self, choice: FormChoice) -> "HostedModel":
        """With the windows and the budget of that form, where nobody has set others."""
        known = None if self._address else self._among(listed_models()).get("max_input_tokens")
        form = form_for(self.name, known, choice)
        before, after = _LIMITS[self.form], _LIMITS[form]
        limits = {name: after[name] for name in after if getattr(self, name) == before[name]}
        context = known if known and form == "short" else _UNKNOWN_CONTEXT
        if "budget" in limits:
            limits["budget"] = min(limits["budget"], context // 2)
        return replace(self, prompts=choice, form=form, context=context, **limits)

    # ---------------------------------------------------------------- storing

    def looks_for_facts_in(self, text: str) -> bool:
        return not is_quotation(text)

    def window_lines(self, turns: Sequence[Turn]) -> str:
        return turn_lines(
            outlined(turns),
            budget=self.window_tokens,
            dates=self.dates,
            iso=True,
            spans=True,
            sessions=self.form == "full",
        )

    def as_stored(self, fact: Fact, turn: Turn) -> Fact:
        return dated(fact, turn)

    # ---------------------------------------------------------------- answering

    def catalog_for(self, question: UserQuestion, reader: MemoryReader, prompts: Prompts) -> str:
        """With what is said of the names in the question, where the memory has any."""
        catalog = super().catalog_for(question, reader, prompts)
        if not prompts.with_names:
            return catalog
        if any(summary.text for summary in reader.summaries()):
            catalog = f"{catalog}\n{SUMMARIES_IN_QUESTION}"
        names = reader.name_lines(f"{question.asker} {question.text}", NAME_TOKENS)
        return f"{catalog}\n{NAMES_IN_QUESTION}\n{names}" if names else catalog

    def write_query(
        self,
        program: Modules,
        question: UserQuestion,
        reader: MemoryReader,
        pays: Callable[[], bool],
    ) -> dspy.Prediction | None:
        """Where SELECTs pay: for other questions a second call brings less than it costs."""
        if not self.asks_for_sql(pays):
            return None
        try:
            with self.active():
                return super().write_query(program, question, reader, pays)
        except PromptTooLong:
            return None  # what the ranking finds can be cut to any size

    def question_text(self, question: UserQuestion) -> str:
        """With its dates resolved; the asker is a separate input."""
        return dated_question(question.text, question.today)

    def answer(
        self,
        program: Modules,
        question: UserQuestion,
        retrieval: Retrieval,
        reader: MemoryReader,
    ) -> Answer:
        evidence = retrieval.evidence
        prediction = self._predict_answer(program, question, evidence)
        if prediction.unusable:
            raise UnusableAnswer(
                explain_unusable(clean_line(prediction.unusable), self.name, self.api_base),
                answer_from(text="", cited=(), retrieved=retrieval.query, evidence=evidence),
            )
        answer = answer_from(
            text=prediction.answer,
            cited=prediction.turns,
            retrieved=retrieval.query,
            evidence=evidence,
            calls=prediction.calls,
        )
        counted = any(result.rows for result in answer.rows)  # a number that no turn says
        if prediction.cites or counted or answer.basis == "quotes":
            return answer
        # It may say in its own words that it does not know.
        return replace(answer, quotations=quotations_of(question, retrieval.hits, reader))

    def reply(
        self, program: Modules, message: ChatMessage, reader: MemoryReader, budget: int
    ) -> Generator[str, None, Answer]:
        """The model's own words, streamed, based on what was retrieved for the message."""
        limit = min(budget, _MESSAGE_TOKENS)
        turn = replace(message.turn, text=trim(message.turn.text, limit))
        latest = _latest(message.recent, limit)
        question = UserQuestion(
            turn.text, turn.speaker, today=turn.said_at, known_as=tuple(message.known_as)
        )
        log = StepLog()
        with self.active():
            just_said = {turn.id, *(recent.id for recent in latest)}
            with log.step("search"):
                ranked = reader.search(question.ranked_text, RANKED_TURNS)
                hits = [hit for hit in ranked if hit.turn_id not in just_said]
            show = partial(
                program.evidence, question, reader, hits, budget=budget,
                options=replace(self.options, without=just_said),
            )  # fmt: skip
            retrieval = retrieve(program, self, question, reader, hits=hits, show=show, log=log)
            evidence = retrieval.evidence
            inputs = {
                "character": message.character,
                "persona": message.persona,
                "known_as": ", ".join(message.known_as),
                "memory": evidence.text,
                "recent": turn_lines(latest, limit, spans=True),
                "message": turn_line(turn),
            }
            with log.step("answer"):
                text, cited = yield from stream(self, inputs, evidence.turn_ids)
        answer = answer_from(
            text=text, cited=cited, retrieved=retrieval.query, evidence=evidence, calls=1
        )
        asks = not cited and is_question(turn.text) and telling_words(turn.text)
        return replace(
            answer,
            steps=log.steps,
            standing=evidence.standing.facts,
            contradictions=evidence.standing.pairs,
            quotations=quotations_of(question, hits, reader, message.character) if asks else (),
        )


def _latest(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """The last turns that fit a number of tokens, in the order they were said."""
    latest: list[Turn] = []
    for turn in reversed(turns):
        tokens -= count_tokens(turn_line(turn) + "\n")
        if tokens < 0:
            break
        latest.insert(0, turn)
    return latest


def _spoken(outputs: Any) -> Any:
    """What a model says, in whole characters; "" where it only thinks or calls a tool.

    DSPy gives an answer as a text, or as a dictionary with what else came with it.
    """
    if not isinstance(outputs, list):
        return outputs
    return [
        {**output, "text": sound_text(output["text"])}
        if isinstance(output, dict) and output.get("text")
        else sound_text(output if isinstance(output, str) else "")
        for output in outputs
    ]


def load_hosted(
    name: str,
    api_base: str | None,
    *,
    temperature: float,
    retries: int,
    sql: SqlUse = "when it pays",
    prompts: FormChoice = "auto",
) -> HostedModel:
    """A hosted model by its litellm name, "provider/model".

    Raises ModelError for a name without a provider, or a server that does not listen.
    """
    provider, _, model = name.partition("/")
    if not provider or not model:
        guess = provider or "MODEL"
        raise ModelError(
            f"the model {name!r} names no provider; write openai/{guess}, ollama_chat/{guess}, "
            "or local for the packaged model"
        )
    # No cache: DSPy's keeps answers on disk, where `forget` does not reach what somebody said; it
    # does not know addresses either, and two servers may have one name for two models.
    seconds = call_seconds()
    settings: dict[str, Any] = {
        "num_retries": retries,
        "cache": False,
        "seconds": seconds,
        "timeout": seconds,  # of the client's, which else gives up on a silent server after 600
    }
    if api_base:
        check_listening(api_base)
        settings["api_key"] = _own_key(name)
        settings["api_base"] = api_base
    try:
        lm = BoundedLM(name, temperature=temperature, max_tokens=3_000, **settings)
    except lm_errors.LMConfigurationError:  # reasoning models: their own temperature, room to think
        lm = BoundedLM(name, temperature=None, max_tokens=16_000, **settings)
    return hosted_lm(name, lm, api_base=api_base, sql=sql, prompts=prompts)


def hosted_lm(
    name: str,
    lm: dspy.LM,
    *,
    api_base: str | None = None,
    sql: SqlUse = "when it pays",
    prompts: FormChoice = "auto",
) -> HostedModel:
    """An LM of DSPy as a hosted model of this name."""
    model = HostedModel(
        name,
        lm,
        CompletionAdapter(),
        **_LIMITS["full"],
        dates=True,
        context=_UNKNOWN_CONTEXT,
        api_base=api_base,
        sql=sql,
    )
    return model.with_prompts(prompts)


def _own_key(name: str) -> str:
    """The key for your own server: few check it, but the protocol needs one."""
    return os.environ.get(f"{name.partition('/')[0].upper()}_API_KEY") or "none"


async def _listens(address: str) -> bool:
    """Whether anything takes a connection at an address; True where a proxy stands between."""
    parts = urlsplit(address)
    if not parts.hostname or urllib.request.getproxies():
        return True
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except ConnectionRefusedError:
        return False
    except OSError:  # a slow network is no server that is down
        return True
    writer.close()
    return True
