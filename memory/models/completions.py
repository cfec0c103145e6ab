"""The one reader of what models write: DSPy's markers if present, else anything unambiguous.

Small models and self-hosted servers answer as bare SQL, in a fence, as JSON, with thoughts before
it. One adapter reads all of it, for digests, questions, chats, refining and judging. Prompts are
DSPy's, unchanged.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any

import dspy
from dspy.adapters.utils import parse_value
from dspy.utils.exceptions import AdapterParseError

from memory.models.brief_prompts import brief_messages, brief_module
from memory.models.thinking import without_thinking
from memory.sql import statements_in
from memory.text.characters import without_chat_markers

_STATEMENTS = "sql"  # the output field that holds statements
_TOOL_CALLS = "tool_calls"
_SPACES = r"[ \t]*"
# A marker as models write it: in bold or code, as a heading, with fewer spaces.
_BARE_MARKER = rf"\[\[{_SPACES}##{_SPACES}(\w+){_SPACES}##{_SPACES}\]\]"
_MARKER = re.compile(rf"(?:#{{1,6}}{_SPACES})?([*_`]{{0,3}}){_BARE_MARKER}\1")
# Of texts that may be long, and begin with any number of backticks.
_FORGED_MARKER = re.compile(_BARE_MARKER)
_MOST_BRACES = 200  # of an answer in JSON that open no object
_LINE_END = re.compile(r"[^\S\n]*+(?:\n|\Z)")
_FENCE = re.compile(r"^[ \t]*+(?P<mark>```|~~~)[ \t]*+(?P<info>\w*+)[ \t]*+(?:\n|\Z)", re.M)


class CompletionAdapter(dspy.ChatAdapter):
    """DSPy's ChatAdapter, which also reads malformed answers with only one possible meaning.

    Raises AdapterParseError for the rest, without the model's thoughts in `lm_response`; it makes
    no second call in another form, which would go uncounted.
    """

    def __init__(self, callbacks: Any = None, use_native_function_calling: bool = False) -> None:
        super().__init__(
            callbacks=callbacks,
            use_native_function_calling=use_native_function_calling,
            use_json_adapter_fallback=False,
        )

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """As DSPy's; a little model gets its instruction and its inputs alone.

        Many servers read the markers of a chat template in a message as the end of it.
        """
        if brief_module(signature):
            messages = brief_messages(signature, demos, inputs)
        else:
            messages = super().format(signature, demos, inputs)
        return [
            {**message, "content": without_chat_markers(content)}
            if isinstance(content := message.get("content"), str)
            else message
            for message in messages
        ]

    def format_user_message_content(
        self, signature: type[dspy.Signature], inputs: dict[str, Any], *args: Any, **kwargs: Any
    ) -> str:
        """The inputs after DSPy's markers; a marker inside one is broken up."""
        plain = {
            name: _FORGED_MARKER.sub(lambda marker: marker[0].replace("[[", "[ ["), value)
            if isinstance(value, str)
            else value
            for name, value in inputs.items()
        }
        return super().format_user_message_content(signature, plain, *args, **kwargs)

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """The output fields of what a model wrote."""
        spoken = without_thinking(completion)
        texts = (
            _marked(signature, spoken) or _tagged(signature, spoken) or _unmarked(signature, spoken)
        )
        if not texts:
            raise _unreadable(signature, spoken)
        outputs = {}
        for name, field in signature.output_fields.items():
            if name not in texts and field.annotation is not str:
                raise _unreadable(signature, spoken)
            value = texts.get(name, "")
            try:
                outputs[name] = parse_value(value, field.annotation)
            except ValueError as error:
                raise _unreadable(signature, spoken) from error
        return outputs


def _unreadable(signature: type[dspy.Signature], spoken: str) -> AdapterParseError:
    return AdapterParseError(
        adapter_name="CompletionAdapter", signature=signature, lm_response=spoken
    )


def _marked(signature: type[dspy.Signature], spoken: str) -> dict[str, Any]:
    """The texts after the markers of output fields; of two for one field the first.

    A marker begins its line, or is the first of its field, or is the last and ends its line.
    """
    names = {name.lower(): name for name in signature.output_fields}
    starts: list[tuple[str, int, int]] = []  # field, start and end of its marker
    last_end = 0
    for marker in _MARKER.finditer(spoken):
        line_start = spoken.rfind("\n", last_end, marker.start()) + 1
        is_after_marker = last_end and not line_start
        begins_line = not (is_after_marker or spoken[line_start : marker.start()].strip())
        ends_line = _LINE_END.match(spoken, marker.end())
        last_end = marker.end()
        name = names.get(marker[2].lower(), "")
        is_new = name and all(name != other for other, _, _ in starts)
        if begins_line or is_new or (ends_line and marker[2].lower() == "completed"):
            starts.append((name, marker.start(), marker.end()))
    texts: dict[str, Any] = {}
    ends = [start for _, start, _ in starts[1:]] + [len(spoken)]
    for (name, _, begin), end in zip(starts, ends, strict=False):
        if name and name not in texts:
            text = "\n".join(spoken[begin:end].splitlines()).strip()
            texts[name] = without_thinking(text)
    return texts


def _tagged(signature: type[dspy.Signature], spoken: str) -> dict[str, Any]:
    """The texts in XML tags of output fields, as XMLAdapter asks for them; of two the first."""
    texts = {}
    for name in signature.output_fields:
        _, _, opened = spoken.partition(f"<{name}>")
        text, closed, _ = opened.partition(f"</{name}>")
        if closed:
            texts[name] = unescape(text).strip()
    return texts


def _fences(text: str) -> tuple[list[str], str]:
    """The content of closed fences, and the text without them."""
    lines = [*_FENCE.finditer(text)]
    closings = {
        mark: [n for n, line in enumerate(lines) if line["mark"] == mark and not line["info"]]
        for mark in ("```", "~~~")
    }
    fences, rest = [], []
    position = number = 0
    while number < len(lines):
        opening, closers = lines[number], closings[lines[number]["mark"]]
        index = bisect_right(closers, number)
        number += 1
        if index < len(closers):
            number = closers[index] + 1
            closing = lines[closers[index]]
            fences.append(text[opening.end() : closing.start()].strip())
            rest.append(text[position : opening.start()])
            position = closing.end()
    return fences, "".join([*rest, text[position:]])


def _unmarked(signature: type[dspy.Signature], spoken: str) -> dict[str, Any]:
    """The fields of a JSON object, the only fence, the only statements, or the only field."""
    fields = signature.output_fields
    fences, rest = _fences(spoken)
    for text in [*fences[:1], spoken] if len(fences) < 2 else []:
        if values := _json_fields(signature, text):
            return values
    if _STATEMENTS in fields:
        statements = statements_in(spoken)
        return {_STATEMENTS: statements} if statements else {}
    texts = [name for name, field in fields.items() if field.annotation is str]
    if len(texts) != len(fields):
        return {}  # a verdict or a call is not text
    if len(fences) == 1 and not rest.strip():
        return {texts[0]: fences[0]}
    is_page = spoken.lstrip().startswith("<")  # from a server, which is not an answer
    return {texts[0]: spoken.strip()} if len(texts) == 1 and spoken.strip() and not is_page else {}


def _json_fields(signature: type[dspy.Signature], text: str) -> dict[str, Any]:
    """The output fields that the only JSON object of a text has; {} for no such object."""
    objects: list[dict[str, Any]] = []
    names = {name.lower(): name for name in signature.output_fields}
    for value in _objects(text):
        fields = {names[k.lower()]: v for k, v in value.items() if k.lower() in names}
        if not fields and _TOOL_CALLS in names and isinstance(value.get("name"), str):
            fields = {_TOOL_CALLS: {_TOOL_CALLS: [value]}}
        if isinstance(fields.get(_TOOL_CALLS), list):
            fields[_TOOL_CALLS] = {_TOOL_CALLS: fields[_TOOL_CALLS]}
        if fields:
            objects.append(fields)
    if len(objects) != 1:
        return {}
    annotations = {name: field.annotation for name, field in signature.output_fields.items()}
    return {
        name: _as_text(value) if annotations[name] is str else _normal(name, value)
        for name, value in objects[0].items()
    }


def _objects(text: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of a text, none inside another.

    Gives up after _MOST_BRACES that open none: each costs a look at all that is before it.
    """
    decoder = json.JSONDecoder(strict=False)  # models break lines inside strings
    at, failures = text.find("{"), 0
    while at >= 0 and failures < _MOST_BRACES:
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
            failures += 1
        else:
            if isinstance(value, dict):
                yield value
        at = text.find("{", end)


def _as_text(value: Any) -> str:
    """A value of a JSON object for a text field: statements and ids may come as a list."""
    if isinstance(value, str):
        return without_thinking(value).strip()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)


def _normal(name: str, value: Any) -> Any:
    """A verdict as DSPy reads it; tool calls with `args`, which OpenAI calls `arguments`."""
    if name != _TOOL_CALLS or not isinstance(value, dict):
        return value if isinstance(value, (dict, bool)) else str(value)
    calls = []
    for call in value.get(_TOOL_CALLS) or []:
        call = call.get("function", call) if isinstance(call, dict) else {}
        args = call.get("args", call.get("arguments", {}))
        if isinstance(args, str):
            args = next(
                iter(_objects(args)), {}
            )  # none from broken JSON: the tool says what it needs
        calls.append({"name": call.get("name"), "args": args})
    return {_TOOL_CALLS: calls}


def prompt_messages(
    adapter: dspy.Adapter,
    signature: type[dspy.Signature],
    inputs: Mapping[str, Any],
    demos: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """A prompt as the chat messages that an adapter makes of it.

    What `Adapter.format` returns is read here alone: DSPy 3.5 changes it.
    """
    return list(adapter.format(signature, [*demos], dict(inputs)))
