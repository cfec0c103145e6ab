"""A model's reply in a chat, in pieces as it makes them."""

import re
from collections.abc import Collection, Generator, Iterator, Mapping
from copy import deepcopy
from typing import Any

import dspy
from dspy.utils.exceptions import (
    AdapterParseError,
    LMInvalidRequestError,
    LMStreamAssemblyError,
)

from memory.models.server_refusals import is_too_long
from memory.models.thinking import SpokenPieces, without_thinking
from memory.text.characters import WholeCharacters

# The errors when a server answers a request for a stream in one piece, or refuses it.
_NO_STREAM_ERRORS = (LMStreamAssemblyError, LMInvalidRequestError)
_LONGEST_MARKER = 40
# Names and addresses of models known not to stream: asking again would cost a second call.
_WITHOUT_STREAMS: set[tuple[str, str | None]] = set()


def stream(
    predict: dspy.Predict, inputs: Mapping[str, str], turn_ids: Collection[int] = ()
) -> Generator[str, None, tuple[str, list[int]]]:
    """The reply in pieces; returns the whole, and the `turn_ids` that it names.

    `predict` has the prompt ReplyInChat, whose inputs these are. An LM whose engine cannot stream
    gives all in one piece, and so does a malformed answer. Raises dspy's LMError.
    """
    reply = ""
    cited = ""
    spoken = SpokenPieces()
    try:
        for part in _parts(predict, inputs):
            if isinstance(part, dspy.Prediction):
                # The whole comes last; its text was streamed already, unless nothing was.
                piece = "" if reply.strip() else str(part.reply or "")
                cited = str(part.turns or "")
            else:
                piece = spoken.after(part)
            reply += piece
            if piece:
                yield piece
    except AdapterParseError as error:  # the text is still a reply
        if not reply.strip():
            said = without_thinking(error.lm_response)
            reply = re.sub(r"\[\[ ## \w+ ## \]\]", "", said).strip()
            yield reply
    # At most 18 digits: a longer number fits no id of the database.
    named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
    return reply.strip(), [turn_id for turn_id in dict.fromkeys(named) if turn_id in turn_ids]


def hear_again(module: dspy.Module) -> None:
    """Let listeners of a stream hear an answer, if they heard the call that asked for a look.

    DSPy's hear one call of a predictor by default.
    """
    predictors = module.predictors()
    for listener in dspy.settings.stream_listeners or ():
        if any(listener.predict is predictor for predictor in predictors):
            listener.allow_reuse = True


class WholeMarkers:
    """The pieces of a stream, with each of DSPy's markers in one: it misses one in many pieces."""

    def __init__(self) -> None:
        self._held = ""

    def after(self, piece: str) -> str:
        """What can be read once this piece has arrived."""
        text = self._held + piece
        begin = text.rfind("[[") if "[[" in text else len(text) - text.endswith("[")
        may_be_marker = "]]" not in text[begin:] and len(text) - begin < _LONGEST_MARKER
        self._held = text[begin:] if may_be_marker else ""
        return text.removesuffix(self._held)


class _ReplyListener(dspy.streaming.StreamListener):
    """Hears a reply in DSPy's form; a marker in the model's thoughts does not begin one."""

    def __init__(self, field: str) -> None:
        super().__init__(field)
        # DSPy knows its adapters by name; ours write in the form of this one.
        for name in ("CompletionAdapter", "GgufAdapter"):
            self.adapter_identifiers[name] = self.adapter_identifiers["ChatAdapter"]
        self._spoken = SpokenPieces()
        self._characters = WholeCharacters()
        self._markers = WholeMarkers()

    def receive(self, chunk: Any) -> Any:
        try:
            delta = chunk.choices[0].delta
        except (AttributeError, IndexError):  # the usage alone, in the last chunk
            return None
        if delta.content:
            chunk = deepcopy(chunk)  # others put the whole together from it
            piece = self._spoken.after(self._characters.after(delta.content))
            chunk.choices[0].delta.content = self._markers.after(piece) or None
        return super().receive(chunk)


def _parts(predict: dspy.Predict, inputs: Mapping[str, str]) -> Iterator[str | dspy.Prediction]:
    """The reply's pieces, then the whole; the whole alone where the LM cannot stream."""
    lm = predict.lm or dspy.settings.lm
    server = (lm.model, lm.kwargs.get("api_base"))
    engine = getattr(lm, "engine", None)
    is_hosted = isinstance(engine, str)
    if not (is_hosted or hasattr(engine, "stream")) or server in _WITHOUT_STREAMS:
        yield predict(**inputs)
        return
    speak_in_parts = dspy.streamify(
        predict,
        stream_listeners=[_ReplyListener("reply")],
        # A hosted model has its own coroutine, which ends in time (memory.models.hosted).
        is_async_program=is_hosted,
        async_streaming=False,
    )
    any_came = False
    try:
        for part in speak_in_parts(**inputs):
            any_came = True
            if isinstance(part, dspy.Prediction):
                yield part
            elif isinstance(part, dspy.streaming.StreamResponse):
                yield part.chunk
    except _NO_STREAM_ERRORS as error:
        if any_came or is_too_long(error):
            raise
        yield predict(**inputs)
        _WITHOUT_STREAMS.add(server)  # only now: with the same error again, the request is bad
