"""The file of a compiled program: plain text, and nothing that can be executed."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import dspy
from pydantic import BaseModel, Field, FiniteFloat, ValidationError

from memory.errors import InputError
from memory.files import write_whole
from memory.program.model_names import model_option
from memory.program.program import MemoryProgram
from memory.program.program_card import Card
from memory.search.ranking import FEATURE_WEIGHTS

FORMAT = 1
LARGEST = 5_000_000  # bytes; instructions and a few examples take a hundredth of it
_HOW = "write programs with memory.save_program"
# Modules that files of earlier versions do not have: they are plain then.
_NEWER = frozenset({"refine.predict"})


class _Prompt(BaseModel):
    model_config = Card.model_config

    # None: the signature's own. An empty text would become one of DSPy's.
    instructions: Annotated[str, Field(min_length=1)] | None
    demos: Annotated[list[dict[str, str]], Field(max_length=100)]


class _Saved(BaseModel):
    model_config = Card.model_config

    format: Literal[1]
    version: str
    signatures: dict[str, str]
    card: Card
    program: dict[str, _Prompt]
    feature_weights: dict[str, FiniteFloat] | None = None


def save_program(program: MemoryProgram, path: str | Path, card: Card) -> None:
    """Write a compiled program and its card as JSON, whole or not at all.

    Only instructions, examples (of these the signature's fields) and the ranking's weights are
    kept: no model, no key, no code. Raises InputError when the file cannot be written.
    """
    plain = _predictors(MemoryProgram())
    prompts = {}
    for name, predictor in _predictors(program).items():
        signature = predictor.signature
        changed = signature.instructions != plain[name].signature.instructions
        prompts[name] = {
            # DSPy cleans the text when it is loaded, and cleaning twice would change some texts.
            "instructions": (signature.__doc__ or signature.instructions) if changed else None,
            "demos": [
                {name: _text(demo[name]) for name in signature.fields if demo.get(name) is not None}
                for demo in predictor.demos
            ],
        }
    content = {
        "format": FORMAT,
        "version": version("sql-memory"),
        "signatures": _signatures(program),
        "card": card.model_dump(),
        "program": prompts,
        "feature_weights": program.feature_weights,
    }
    text = json.dumps(content, ensure_ascii=False, indent=2)
    write_whole(Path(path), text.encode("utf-8", "replace"))


def load_program(path: str | Path) -> MemoryProgram:
    """The program that `save_program` wrote, with its card.

    Raises InputError when the file is missing, is no such file, holds anything but text, or was
    made by another version or for other signatures.
    """
    file = Path(path)
    program = MemoryProgram()
    saved = _checked(_json(file), file)
    expected = _signatures(program)
    modules = set(saved.program)
    if modules != set(saved.signatures) or not {*expected} - _NEWER <= modules <= {*expected}:
        raise InputError(f"{file} holds other modules than {', '.join(expected)}; {_HOW}")
    for name, predictor in _predictors(program).items():
        if name not in modules:
            continue
        if saved.signatures[name] != expected[name]:
            raise InputError(f"{file}: the fields of {name} are others now; compile it again")
        prompt = saved.program[name]
        strange = {field for demo in prompt.demos for field in demo} - {*predictor.signature.fields}
        if strange:
            raise InputError(f"{file}: {name} has no field {min(strange)!r:.60}; {_HOW}")
        if prompt.instructions is not None:
            predictor.signature = predictor.signature.with_instructions(prompt.instructions)
        predictor.demos = [dspy.Example(**demo) for demo in prompt.demos]
    weights = saved.feature_weights
    if weights is not None and weights.keys() != FEATURE_WEIGHTS.keys():
        raise InputError(f"{file}: the ranking has other features now; compile it again")
    if weights is not None:
        program.feature_weights = {name: weights[name] for name in FEATURE_WEIGHTS}
    program.card = saved.card
    return program


def concerns(program: MemoryProgram, model: str) -> list[str]:
    """Reasons not to use a program with the model of this name; none for a plain program."""
    card = program.card
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
    if card and card.verdict == "not measured":
        warnings.append("what this program gains was not measured: its compile ended early")
    return warnings


def _predictors(program: MemoryProgram) -> dict[str, Any]:
    # Named by hand: DSPy's own list leaves out modules that an optimizer marked as compiled.
    return {
        f"{module}.predict": getattr(program, module).predict
        for module in ("store", "retrieve", "answer", "refine")
    }


def _text(value: Any) -> str:
    """A field of an example as text: what is called of tools, as JSON."""
    return value.model_dump_json() if isinstance(value, BaseModel) else str(value)


def _signatures(program: MemoryProgram) -> dict[str, str]:
    """A short hash of each signature's fields: their names, directions and descriptions."""
    hashes = {}
    for name, predictor in _predictors(program).items():
        inputs = predictor.signature.input_fields
        fields = [
            [field, field in inputs, info.json_schema_extra["desc"]]
            for field, info in predictor.signature.fields.items()
        ]
        hashes[name] = hashlib.sha256(json.dumps(fields).encode()).hexdigest()[:12]
    return hashes


def _checked(raw: Any, file: Path) -> _Saved:
    """What the file says, of this format and version."""
    if not isinstance(raw, dict) or "format" not in raw:
        if isinstance(raw, dict) and ("metadata" in raw or "store.predict" in raw):
            raise InputError(f"{file} is what DSPy's own save() writes; {_HOW}")
        raise InputError(f"{file} holds no program; {_HOW}")
    if raw["format"] != FORMAT:
        raise InputError(f"{file} has format {raw['format']!r:.20}, not {FORMAT}; compile it again")
    ours = version("sql-memory")
    theirs = str(raw.get("version"))
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise InputError(
            f"{file} was made by version {theirs:.20} of sql-memory, this is {ours}; compile it"
            " again, or install that version"
        )
    try:
        return _Saved.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{file}, {where!r:.100}: {first['msg']}; {_HOW}") from None


def _json(file: Path) -> Any:
    try:
        with file.open("rb") as opened:
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
        json.dumps(raw, ensure_ascii=False).encode()  # half a letter cannot be sent to a model
    except (ValueError, RecursionError):
        raise InputError(f"{file} is not JSON; {_HOW}") from None
    return raw
