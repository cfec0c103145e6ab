"""The file of a compiled program: plain text, and nothing that can be executed."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import dspy
from dspy.utils.saving import get_dependency_versions
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from memory.errors import InputError
from memory.models.model_names import model_option
from memory.program.brief import TemplateRows
from memory.program.brief_store import StoreRows
from memory.program.gate import StoreGate, features_of
from memory.program.packaged import Checked
from memory.program.predict import is_same_prompt, with_saved
from memory.program.program import MemoryProgram
from memory.program.program_card import Card, Form
from memory.search.ranking import FEATURE_WEIGHTS, LARGEST_WEIGHT
from memory.system.files import open_regular, write_whole

FORMAT = 2
LARGEST = 5_000_000  # bytes; instructions and a few examples are a hundredth of it
OURS = "sql_memory"  # a key next to DSPy's own; DSPy ignores it
_HOW = "write programs with memory.save_program"


_T = TypeVar("_T", bound=BaseModel)


class _Field(BaseModel):
    model_config = Card.model_config

    prefix: str
    description: str


class _Signature(BaseModel):
    model_config = Card.model_config

    instructions: Annotated[str, Field(min_length=1)]  # DSPy would replace an empty text
    fields: list[_Field]


class _Predictor(BaseModel):
    """The state of one `dspy.Predict`. Its `lm` is ignored: callers give their own."""

    model_config = Card.model_config

    traces: Annotated[list[Any], Field(max_length=0)]
    train: Annotated[list[Any], Field(max_length=0)]
    demos: Annotated[list[dict[str, str | bool | None]], Field(max_length=100)]
    signature: _Signature
    lm: dict[str, Any] | None


_Weight = Annotated[FiniteFloat, Field(ge=-LARGEST_WEIGHT, le=LARGEST_WEIGHT)]


class _Gate(BaseModel):
    """The fields of a StoreGate."""

    model_config = Card.model_config

    weights: dict[str, FiniteFloat]
    intercept: FiniteFloat
    skip: Annotated[float, Field(ge=0, le=1)]
    force: Annotated[float, Field(ge=0, le=1)]


class _Ours(BaseModel):
    model_config = Card.model_config

    format: Literal[2]
    version: str
    card: Card
    feature_weights: dict[str, _Weight] | None = None
    gate: _Gate | None = None


# Also in files from before another module was added.
_ALWAYS_SAVED = {"store.predict", "retrieve.predict", "answer.predict"}


def save_program(program: MemoryProgram, path: str | Path, card: Card) -> None:
    """Write a compiled program in DSPy's format, with its card, whole or not at all.

    The card gets the form of the program's prompts; `MemoryProgram(form).load(path)` reads the
    file, too. Only instructions, examples (their signature's fields) and the ranking's weights are
    kept: no model, no key, no code. Raises InputError when the file cannot be written.
    """
    ours = {
        "format": FORMAT,
        "version": version("sql-memory"),
        "card": card.model_copy(update={"prompts": program.form}).model_dump(),
        "feature_weights": program.feature_weights,
    }
    if gate := getattr(program.store, "gate", None):
        ours["gate"] = asdict(gate)
    content = {
        **{
            _place(program, name): _state(predictor)
            for name, predictor in _predictors(program).items()
        },
        "metadata": {"dependency_versions": get_dependency_versions()},
        OURS: ours,
    }
    text = json.dumps(content, ensure_ascii=False, indent=2)
    write_whole(Path(path), text.encode("utf-8", "replace"))


def _state(predictor: Any) -> dict[str, Any]:
    signature = predictor.signature
    # DSPy cleans the text when it is loaded, and cleaning twice would change some texts.
    instructions = signature.__doc__ or signature.instructions
    demos = [
        {name: _text(demo[name]) for name in signature.fields if demo.get(name) is not None}
        for demo in predictor.demos
    ]
    return {
        "traces": [],
        "train": [],
        "demos": demos,
        "signature": {**signature.dump_state(), "instructions": instructions},
        "lm": None,
    }


def load_program(path: str | Path) -> MemoryProgram:
    """The program that `save_program` or DSPy's own `save` wrote, with its card if it has one.

    DSPy saves a program or a part of it, such as an AskMemory; other modules are then plain. Its
    prompts have the form that it was compiled in; without a card, the form whose fields it has.

    Raises InputError when the file is missing, is another kind of file, holds anything but text, or
    was made by another version or for other signatures.
    """
    file = Path(path)
    raw = _json(file)
    ours = _ours(raw, file)
    program = MemoryProgram(ours.card.prompts if ours else _form_of(raw))
    expected = _predictors(program)
    states = {
        _module_of(name, state, expected): state
        for name, state in raw.items()
        if name not in ("metadata", OURS)
    }
    if not states or not states.keys() <= expected.keys():
        raise InputError(f"{file} holds other modules than {', '.join(expected)}; {_HOW}")
    if ours is not None and (lacking := _ALWAYS_SAVED - states.keys()):
        raise InputError(f"{file} lacks {', '.join(sorted(lacking))}; {_HOW}")
    for name, state in states.items():
        saved = _valid(_Predictor, state, name, file)
        if ours is not None:
            _check_fields(saved, expected[name].signature, name, file)
        _load_predictor(expected[name], saved, name, file)
    if ours is not None:
        weights = ours.feature_weights
        if weights is not None and weights.keys() != FEATURE_WEIGHTS.keys():
            raise InputError(f"{file}: the ranking has other features now; compile it again")
        if weights is not None:
            program.feature_weights = {name: weights[name] for name in FEATURE_WEIGHTS}
        if ours.gate is not None:
            _set_gate(program, StoreGate(**ours.gate.model_dump()), file)
        program.card = ours.card
    return program


def _set_gate(program: MemoryProgram, gate: StoreGate, file: Path) -> None:
    if not isinstance(program.store, StoreRows):
        raise InputError(f"{file} has a gate, which is for models of up to 3 billion parameters")
    if strange := gate.weights.keys() - features_of("").keys():
        raise InputError(f"{file}: no gate has the feature {min(strange)!r:.60}; {_HOW}")
    program.store.gate = gate


def _load_predictor(predictor: Any, saved: _Predictor, name: str, file: Path) -> None:
    signature = predictor.signature
    fields = [field.model_dump() for field in saved.signature.fields]
    if not is_same_prompt(fields, signature):
        raise InputError(f"{file}: the fields of {name} are others now; compile it again")
    # DSPy's optimizers put whole examples of a program into each prompt, with fields of others.
    demos = [
        {field: value for field, value in demo.items() if field in signature.fields}
        for demo in saved.demos
    ]
    for demo in demos:
        if any(not isinstance(value, str) for value in demo.values()):
            raise InputError(f"{file}: an example of {name} holds more than text; {_HOW}")
    predictor.signature = with_saved(signature, saved.signature.instructions, fields)
    predictor.demos = [dspy.Example(**demo) for demo in demos if demo]


def _check_fields(saved: _Predictor, signature: Any, name: str, file: Path) -> None:
    """Raise InputError for a field of an example that `save_program` would not have written."""
    for demo in saved.demos:
        if strange := demo.keys() - signature.fields.keys():
            raise InputError(f"{file}: {name} has no field {min(strange)!r:.60}; {_HOW}")


def _form_of(raw: Mapping[str, Any]) -> Form:
    """The form of the prompts in a file of DSPy, by their fields; full if these do not say."""
    saved = [
        state["signature"]["fields"]
        for state in raw.values()
        if isinstance(state, dict)
        and isinstance(state.get("signature"), dict)
        and "fields" in state["signature"]
    ]
    for form in get_args(Form):
        known = [one.signature for one in _predictors(MemoryProgram(form)).values()]
        if saved and all(any(is_same_prompt(f, one) for one in known) for f in saved):
            return form
    return "full"


def concerns(program: Any, model: str) -> list[str]:
    """Reasons not to use a program with the model of this name; none for a plain program."""
    card = getattr(program, "card", None)
    warnings: list[str] = []
    if card and card.model and card.model != model:
        flag = model_option(model)
        warnings.append(
            f"this program was compiled for {card.model!r} and is used with {model}, which may need"
            f" other words; compile it again with --model {flag}"
        )
    if card and card.verdict == "no gain":
        warnings.append(
            "this program gained nothing on conversations that its optimizer never saw;"
            " the plain one, without a file, is as good"
        )
    if card and card.verdict == "too few conversations":
        warnings.append(
            "this program was measured on one or two conversations, which says nothing of others"
        )
    if card and card.verdict == "not measured":
        warnings.append(
            "what this program gains was not measured: compare it with the plain one (evaluate.py)"
        )
    return warnings


def _predictors(program: MemoryProgram) -> dict[str, Any]:
    # Listed by hand: DSPy's list omits modules that an optimizer marked as compiled.
    modules = {
        "store": program.store,
        "retrieve": program.retrieve,
        "answer": program.answer,
        "reply": program.reply if program.reply.takes_persona else None,
        "correct": program.correct,
        "tell": program.tell,
        "refine": program.refine,
        "question": program.question,
        "compare": program.compare,
    }
    return {f"{name}.predict": module.predict for name, module in modules.items() if module}


def _place(program: MemoryProgram, name: str) -> str:
    """The name that DSPy gives one of these predictors in the program."""
    module, _, predictor = name.partition(".")
    if module not in ("retrieve", "answer"):
        return name
    part = getattr(program.ask, module)
    inner = {TemplateRows: ".otherwise", Checked: ".unchecked"}.get(type(part), "")
    return f"ask.{module}{inner}.{predictor}"


def _module_of(name: str, raw: Any, expected: Mapping[str, Any]) -> str:
    """The module that a name in a file of DSPy means: a part of a program, saved by itself.

    A part inside another has a longer name; a part alone is known by its prompt's fields.
    """
    plain = name.removeprefix("ask.").replace(".otherwise.", ".").replace(".unchecked.", ".")
    if plain != "predict":
        return plain
    fields = raw.get("signature", {}).get("fields") if isinstance(raw, dict) else None
    matching = [
        known
        for known, predictor in expected.items()
        if isinstance(fields, list) and is_same_prompt(fields, predictor.signature)
    ]
    return matching[0] if matching else plain


def _text(value: Any) -> str:
    """A field of an example as text; tool calls as JSON."""
    return value.model_dump_json() if isinstance(value, BaseModel) else str(value)


def _ours(raw: Any, file: Path) -> _Ours | None:
    """Our part next to DSPy's state, of this format and version; None for a file of DSPy's."""
    if isinstance(raw, dict) and "format" in raw:  # of before programs were saved as DSPy does
        raise InputError(f"{file} has format {raw['format']!r:.20}, not {FORMAT}; compile it again")
    if not isinstance(raw, dict) or "metadata" not in raw:
        raise InputError(f"{file} holds no program; {_HOW}")
    if OURS not in raw:
        return None
    ours = raw[OURS] if isinstance(raw[OURS], dict) else {}
    card = ours.get("card")
    if isinstance(card, dict) and str(card.get("prompts")) not in get_args(Form):
        raise InputError(
            f"{file} was compiled for prompts of another version ({card.get('prompts')!r:.20});"
            " compile it again"
        )
    if ours.get("format") != FORMAT:
        raise InputError(
            f"{file} has format {ours.get('format')!r:.20}, not {FORMAT}; compile it again"
        )
    here, theirs = version("sql-memory"), str(ours.get("version"))
    if theirs.split(".")[:2] != here.split(".")[:2]:
        raise InputError(
            f"{file} was made by version {theirs:.20} of sql-memory, this is {here}; compile it"
            " again, or install that version"
        )
    return _valid(_Ours, ours, OURS, file)


def _valid(kind: type[_T], raw: Any, name: str, file: Path) -> _T:
    try:
        return kind.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, [name, *first["loc"]]))
        raise InputError(f"{file}, {where!r:.100}: {first['msg']}; {_HOW}") from None


def _json(file: Path) -> Any:
    try:
        with open_regular(file) as opened:
            content = opened.read(LARGEST + 1)
    except FileNotFoundError:
        raise InputError(f"{file} does not exist; give a file that optimize.py wrote") from None
    except (OSError, ValueError) as error:  # ValueError: no system knows such a path
        why = getattr(error, "strerror", None) or error
        raise InputError(f"cannot read the program {file}: {why}") from error
    if len(content) > LARGEST:
        raise InputError(f"{file} is larger than {LARGEST:,} bytes: no program; {_HOW}")
    if content.startswith(b"\x80"):
        raise InputError(f"{file} is a pickle, which could run code; {_HOW}")
    try:
        raw = json.loads(content)
        json.dumps(raw, ensure_ascii=False).encode()  # half a pair cannot be sent to a model
    except (ValueError, RecursionError):
        raise InputError(f"{file} is not JSON; {_HOW}") from None
    return raw
