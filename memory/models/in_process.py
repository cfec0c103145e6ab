"""Any instruct model in this process: a GGUF file.

It gets the same input as a hosted model, through the same program; only the engine differs.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dspy

from memory.models.adapter_card import CARD, check_base, gguf_of, read_card
from memory.models.brief_prompts import ABSTENTION_BIAS, brief_grammar, brief_module
from memory.models.completions import CompletionAdapter
from memory.models.gguf.engine import GgufEngine
from memory.models.gguf.files import file_of
from memory.models.gguf.header import check_lora, file_sha256
from memory.models.gguf.model_file import ModelFile, context_of, read_model, threads
from memory.models.gguf.server import Lora
from memory.models.hosted import HOSTED_BUDGET
from memory.models.model import Limits, Model, Pace
from memory.models.sizes import SIZE_OF_FORM, SMALL_BUDGET, SMALL_WINDOW, Size
from memory.records import ABSTAIN, FormChoice
from memory.system.provider_calls import call_seconds

# Seconds of a call: a machine without a GPU reads a prompt of 2,000 tokens in a minute.
_CALL_SECONDS = 600.0
# From here on a model follows the full prompts.
_LARGE = 10e9  # parameters
_WINDOWS: Mapping[Size, int] = MappingProxyType({"large": 24, "small": 1})
_PACE = Pace(seconds_a_call=30.0, stop_seconds=15.0, cpus=2.0)
# Shares of the context: the turns of a window, and the memory that an answer is based on.
_WINDOW_SHARE, _BUDGET_SHARE = 1 / 6, 1 / 4
_LONGEST_ANSWER = 1_000  # tokens, and a quarter of the context at most
_MODULES = ("", "answer", "reply", "retrieve", "store")  # each has a slot
# The fields of DSPy's form, where a small model would get lost.
_ANSWER_FIELDS = r"""
root ::= field line ("\n" line){0,9} "\n\n[[ ## turns ## ]]\n" cited end
line ::= [^\n\x5b] [^\n]{0,300}
cited ::= turn? (", " turn){0,7}
end ::= "\n\n[[ ## completed ## ]]"
""".strip()
_END = "[[ ## completed"
_TURN = re.compile(r"\[(\d+)\]")


class GgufAdapter(CompletionAdapter):
    """The adapter of hosted models, which binds an answer to its form and to the turns shown.

    Arguments:
        tuned: modules whose weights were tuned, which need no examples in their prompts.
    """

    def __init__(self, tuned: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.tuned = tuned

    def __call__(
        self,
        lm: dspy.LM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        if isinstance(lm.engine, GgufEngine):
            module = _module_of(signature)
            is_brief = bool(brief_module(signature))
            engine = replace(
                lm.engine,
                grammar=brief_grammar(module, inputs) if is_brief else _grammar(module, inputs),
                stop="" if is_brief else _END,
                slot=_MODULES.index(module),
                applies_lora=bool(lm.engine.lora and module in lm.engine.lora.targets),
                seed=int(lm_kwargs.get("rollout_id") or lm.kwargs.get("rollout_id") or 0),
                logit_bias=self._biases(module) if is_brief else (),
            )
            lm = lm.copy(engine=engine)
        return super().__call__(lm, lm_kwargs, signature, demos, inputs)

    def _biases(self, module: str) -> tuple[tuple[str, float], ...]:
        if module == "answer" and module not in self.tuned:  # else they learned when to abstain
            return ((ABSTAIN.split()[0], ABSTENTION_BIAS),)
        return ()


def _module_of(signature: type[dspy.Signature]) -> str:
    """Whose prompt this is: one of the three modules', a reply's in a chat; "" for any other."""
    inputs, outputs = signature.input_fields, [*signature.output_fields]
    if module := brief_module(signature):
        return module
    if outputs == ["sql"]:
        return "store" if "window" in inputs else "retrieve"
    is_from_memory = "evidence" in inputs and outputs in (["answer", "turns"], ["reply", "turns"])
    return outputs[0] if is_from_memory else ""


def _grammar(module: str, inputs: Mapping[str, Any]) -> str:
    """What a module may answer; "" for anything."""
    if module not in ("answer", "reply"):
        return ""
    turns = dict.fromkeys(_TURN.findall(str(inputs["evidence"])))
    ids = " | ".join(f'"{turn}"' for turn in turns) or '"0"'
    field = f'"[[ ## {module} ## ]]\\n"'
    return f"{_ANSWER_FIELDS}\nfield ::= {field}\nturn ::= {ids}"


def load_in_process(
    name: str,
    *,
    temperature: float = 0.0,
    adapter: str | Path | None = None,
    prompts: FormChoice = "auto",
) -> Model:
    """A model by "gguf:FILE", or by "gguf:NAME" if `memory setup` has fetched it.

    Arguments:
        adapter: a LoRA of this model as a .gguf file, or the folder of one. With a card it is
            for the modules that were tuned, whose prompts then have no examples; else for all.

    Its file is read when the first call is made. Raises InputError for a file that is not a chat
    model or does not fit into memory, an adapter of another model, and an invalid setting.
    """
    file = read_model(file_of(name))
    lora = lora_of(file, Path(adapter)) if adapter is not None else None
    context = context_of(file)
    lm = dspy.LM(
        f"gguf/{file.path.stem}" + (f"+{lora.sha256[:8]}" if lora else ""),
        engine=GgufEngine(
            file, context, threads(), call_seconds(_CALL_SECONDS), len(_MODULES), lora
        ),
        cache=False,
        temperature=temperature,
        max_tokens=min(_LONGEST_ANSWER, context // 4),
        num_retries=0,
    )
    targets = lora.targets if lora else frozenset[str]()
    tuned_name = f"{name}+{lora.sha256[:8]}" if lora else name
    budget, window_tokens = _room("small", context)
    limits = Limits(
        context=context,
        budget=budget,
        window=_WINDOWS["small"],
        window_tokens=window_tokens,
        are_own=True,
    )
    modules = ("store", "retrieve", "answer")
    weights = {module: tuned_name if module in targets else name for module in modules}
    prompting = GgufAdapter(tuned_by(lora))
    model = Model(tuned_name, lm, prompting, "small", limits, pace=_PACE, weights=weights)
    return sized_file(model, prompts)


def tuned_by(lora: Lora | None) -> frozenset[str]:
    """The modules whose prompts have no examples, because an adapter learnt what these show.

    One for all modules does not tell which examples its prompts had.
    """
    return lora.targets if lora and lora.targets < {*_MODULES} else frozenset()


def tuned_modules(model: Model) -> frozenset[str]:
    """The modules that run on weights tuned for them."""
    return getattr(model.adapter, "tuned", frozenset())


def sized_file(model: Model, prompts: FormChoice) -> Model:
    """A model in this process with prompts of a form: brief ones below ten billion parameters."""
    engine: GgufEngine = model.lm.engine
    parameters = engine.model.parameters
    automatic: Size = "large" if parameters >= _LARGE else "small"
    size = SIZE_OF_FORM.get(prompts, automatic)
    budget, window_tokens = _room(size, model.limits.context)
    limits = replace(
        model.limits, budget=budget, window=_WINDOWS[size], window_tokens=window_tokens
    )
    return replace(model, prompts=prompts, size=size, limits=limits)


def _room(size: Size, context: int) -> tuple[int, int]:
    """The tokens of a memory that are shown with a question, and of a window."""
    budget, window = int(context * _BUDGET_SHARE), int(context * _WINDOW_SHARE)
    if size == "small":
        budget, window = min(budget, SMALL_BUDGET), min(window, SMALL_WINDOW)
    return min(budget, HOSTED_BUDGET), window


def lora_of(model: ModelFile, path: Path) -> Lora:
    """An adapter of a model, by its .gguf file or its folder, with or without a card.

    Raises InputError for an adapter of another model, or one llama.cpp cannot run.
    """
    file = gguf_of(path)
    targets = frozenset(_MODULES)
    if (file.parent / CARD).is_file():  # that convert_lora_to_gguf.py of llama.cpp writes has none
        card = read_card(file)
        targets = frozenset(card.targets)
        if card.base_sha256:  # of the hub's weights, converted: only the sizes can be compared
            check_base(card, file_sha256(model.path), of=model.name)
    check_lora(file, model.path, of=model.name)
    return Lora(file.absolute(), file_sha256(file), targets)
