"""The packaged model: SmolLM2-135M, run by llama.cpp in this process, as a DSPy engine and adapter.

A model this small needs other things than a large one: short prompts, examples as real chat turns,
and a grammar, so that anything it writes is at least SQL (all in `small_prompts.SMALL`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dspy
from dspy.lm15 import (
    Message,
    Request,
    Response,
    StreamDeltaEvent,
    StreamEndEvent,
    StreamStartEvent,
    TextDelta,
    TextPart,
    Usage,
)

from memory.models.gguf.server import Completion, Lora, Messages
from memory.models.llama import copy_of_the_model
from memory.models.small_prompts import SMALL, SmallPrompt
from memory.records import ABSTAIN
from memory.system.machines import over_machines

# Each kind of prompt has a slot of the model, which keeps the beginning that all prompts of the
# kind share, so that it is read once. All other prompts use one more.
_OTHER = 0
_SLOTS = {fields: slot for slot, fields in enumerate(SMALL, 1)}
_ALL_SLOTS = 1 + len(_SLOTS)
_TOP_LOGPROBS = 3
ABSTAIN_WORD = "5230"  # the id of the first word of ABSTAIN for the packaged model's tokenizer


@dataclass(frozen=True)
class LocalEngine:
    """Answers a request with the packaged model; the same request, the same answer.

    `grammar` is GBNF that the answer must follow (empty: anything). An `opening` is what the answer
    begins with: it is fed to the model, which takes a quarter of the time of generating it, and the
    grammar covers what follows. With `declined`, the model may say that instead of the opening: the
    first word it would choose decides. The `closing` is added to an answer that ends in its first
    letter. The `seed` draws the answer where the temperature is above 0. Engines with the same
    `loras` share copies of the model; each engine applies the LoRA in `applied`, or none.
    `abstention_bias` is added to the logit of the first word of ABSTAIN. `over` says where the
    model runs (see `over_machines`); empty for this process. Raises dspy.lm15 errors:
    ContextLengthError, InvalidRequestError.
    """

    grammar: str = ""
    opening: str = ""
    closing: str = ""
    declined: str = ""
    slot: int = _OTHER
    seed: int = 0
    loras: tuple[Lora, ...] = ()
    applied: Lora | None = None
    abstention_bias: float = 0.0
    over: str = ""

    def complete(self, request: Request) -> Response:
        if self.over:
            here = replace(self, over="")
            [(_, response)] = over_machines(_complete, [(here, request)], self.over)
            return response
        return self._complete_here(request)

    def stream(
        self, request: Request
    ) -> Iterator[StreamStartEvent | StreamDeltaEvent | StreamEndEvent]:
        """The answer in one piece: it is a few words."""
        response = self.complete(request)
        yield StreamStartEvent(model=request.model)
        yield StreamDeltaEvent(TextDelta(response.text or ""))
        yield StreamEndEvent(response.finish_reason, response.usage)

    def _complete_here(self, request: Request) -> Response:
        messages = chat_messages(request)
        slot_and_lora = (self.slot, self.applied)
        settings = _settings(request, self.seed)
        if request.config.logprobs is not None:
            settings |= {"logprobs": True, "top_logprobs": _TOP_LOGPROBS}
        if self.abstention_bias:
            settings["logit_bias"] = [[ABSTAIN.split()[0], self.abstention_bias]]
        with copy_of_the_model(self.loras, _ALL_SLOTS) as model:
            model.keep_only(messages[:-1], slot_and_lora)
            if self.declined:
                either = f'root ::= "{self.declined}" | "{self.opening[:6]}"'
                first = model.say(
                    messages, slot_and_lora, grammar=either, max_tokens=1, seed=settings["seed"]
                )
                if first.text and self.declined.startswith(first.text):
                    return _response(request, replace(first, text=self.declined))
            if self.opening:
                messages = [*messages, {"role": "assistant", "content": self.opening}]
            completion = model.say(messages, slot_and_lora, grammar=self.grammar, **settings)
        text = self.opening + completion.text
        # The rest of the closing needs no model. An answer cut short lacks its first letter.
        if self.closing and completion.text.endswith(self.closing[0]):
            text += self.closing[1:]
        return _response(request, replace(completion, text=text))


def _complete(asked: tuple[LocalEngine, Request]) -> Response:
    """The answer of an engine on another machine."""
    engine, request = asked
    return engine.complete(request)


def _settings(request: Request, seed: int) -> dict[str, Any]:
    temperature = request.config.temperature or 0.0
    return {
        "temperature": temperature,
        "seed": seed if temperature else 0,  # at temperature 0 nothing is drawn
        "max_tokens": request.config.max_tokens or 64,
    }


def _response(request: Request, completion: Completion) -> Response:
    return Response(
        id=None,
        model=request.model,
        message=Message.assistant([TextPart(completion.text)]),
        finish_reason="stop",  # a grammar bounds the text; being cut is this model's normal end
        usage=Usage(
            input_tokens=completion.prompt_tokens,
            output_tokens=completion.tokens,
            total_tokens=completion.prompt_tokens + completion.tokens,
        ),
        logprobs=completion.logprobs or None,
    )


class SmallModelAdapter(dspy.ChatAdapter):
    """Short prompts with examples as chat turns; the answer is the first output field, verbatim.

    A predictor whose signature is not in `small_prompts.SMALL` is served by the stock ChatAdapter.
    Examples that an optimizer put on a predictor replace the short ones. Rollouts (`rollout_id`) of
    the packaged model are drawn by their own seeds. Modules in `tuned` ("answer", "retrieve",
    "store") run with the engine's LoRA, which learned what the short examples show, so these are
    left out. It did not learn repairs: these are made without it, under the grammar.
    """

    def __init__(self, tuned: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.tuned = tuned

    def examples(self, small: SmallPrompt) -> tuple[Mapping[str, str], ...]:
        """The examples in a prompt that no optimizer changed."""
        return () if small.target in self.tuned else small.demos

    def _by_tuned(self, small: SmallPrompt, inputs: Mapping[str, Any]) -> bool:
        return small.target in self.tuned and not inputs.get("feedback")

    def _lm_for(
        self,
        lm: dspy.LM,
        small: SmallPrompt,
        *,
        inputs: Mapping[str, Any],
        slot: int,
        seed: int,
    ) -> dspy.LM:
        """The model, set up for one call: with the module's adapter, or under its grammar."""
        loras = lm.engine.loras
        if self._by_tuned(small, inputs):
            engine = LocalEngine(
                opening=small.tuned_opening,
                declined=small.declined,
                slot=slot,
                seed=seed,
                loras=loras,
                applied=next((lora for lora in loras if small.target in lora.targets), None),
                abstention_bias=small.abstention_bias,
                over=lm.engine.over,
            )
            return lm.copy(engine=engine, max_tokens=small.tuned_tokens, logprobs=True)
        engine = LocalEngine(
            grammar=small.grammar(inputs),
            opening=small.opening,
            closing=small.closing,
            declined=small.declined,
            slot=slot,
            seed=seed,
            loras=loras,
            over=lm.engine.over,
        )
        return lm.copy(engine=engine, max_tokens=small.max_tokens)

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        fields = tuple(signature.fields)
        small = SMALL.get(fields)
        if isinstance(lm.engine, LocalEngine):
            seed = int(lm_kwargs.get("rollout_id") or lm.kwargs.get("rollout_id") or 0)
            if small:
                slot = _SLOTS.get(fields, _OTHER)
                lm = self._lm_for(lm, small, inputs=inputs, slot=slot, seed=seed)
            elif seed:
                lm = lm.copy(engine=replace(lm.engine, seed=seed))
        elif small and self._by_tuned(small, inputs) and (bias := small.abstention_bias):
            # In training it is served, and learns what it should say with the bias of its use.
            lm_kwargs = {**lm_kwargs, "logit_bias": {ABSTAIN_WORD: bias}}
        return super().__call__(lm, lm_kwargs, signature, demos, inputs)

    def format(
        self,
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        small = SMALL.get(tuple(signature.fields))
        if small is None:
            return super().format(signature, demos, inputs)
        output = next(iter(signature.output_fields))
        tuned = self._by_tuned(small, inputs)
        messages = [{"role": "system", "content": signature.instructions}]
        for demo in demos or (() if tuned else small.demos):
            messages.append({"role": "user", "content": small.user(demo, tuned)})
            messages.append({"role": "assistant", "content": str(demo.get(output) or "")})
        return [*messages, {"role": "user", "content": small.user(inputs, tuned)}]

    def format_assistant_message_content(
        self,
        signature: type[dspy.Signature],
        outputs: dict[str, Any],
        missing_field_message: str | None = None,
    ) -> str:
        if tuple(signature.fields) not in SMALL:
            return str(
                super().format_assistant_message_content(signature, outputs, missing_field_message)
            )
        return str(outputs[next(iter(signature.output_fields))])

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        if tuple(signature.fields) not in SMALL:
            return super().parse(signature, completion)
        answer, *further_fields = signature.output_fields
        outputs = {answer: completion.strip(), **dict.fromkeys(further_fields, "")}
        return _tidy_answer(outputs) if "turns" in outputs else outputs


def _tidy_answer(outputs: Mapping[str, str]) -> dict[str, str]:
    """An answer without the ids in it, which are its citations, and without repetitions.

    A model this small repeats items, and cites in the answer itself if at all. A larger model's
    text is left alone: "40, 70, 70" and "[2, 5]" may be the answer.
    """
    answer = re.sub(r"\s*\[\d+(?:, *\d+)*\]", "", outputs["answer"]).strip()
    cited = re.findall(r"\[(\d+)", outputs["answer"])
    return {
        **outputs,
        "answer": ", ".join(dict.fromkeys(answer.split(", "))),
        "turns": ", ".join(cited),
    }


def chat_messages(request: Request) -> Messages:
    """The messages of a request as a chat template takes them, the system's first."""
    system = request.system or ""
    if not isinstance(system, str):
        system = "".join(part.text for part in system)
    # Without a system message the chat template inserts its own persona.
    messages = [{"role": "system", "content": system}]
    return messages + [{"role": m.role, "content": m.text or ""} for m in request.messages]
