"""Replies in a chat, as they are made: what a message asks for, and the model's words in pieces."""

import re
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.model import Turn
from memory.program.lm import Model
from memory.program.signatures import ReplyInChat
from memory.prompt import spoken_date
from memory.tokens import trim

UNKNOWN = "I find nothing about that in what I was told."
_FORM = r"(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should)"
_ASKS = re.compile(
    rf"[?\uff1f\u061f]|^\W*(?:who|what|when|where|which|whose|why|how)(?:['\u2019]s| {_FORM})\b"
    rf"|^\W*(?:what|which|whose|how) (?!(?:i|you|he|she|it|we|they) )\w+ {_FORM}\b",
    re.IGNORECASE,
)
_TO_YOU = re.compile(r"\byou(?:r|rs|rself)?\b", re.IGNORECASE)
_OF_ME = re.compile(r"\b(?:i|me|my|mine|myself|we|us|our|ours)\b", re.IGNORECASE)
_QUOTED = 300  # tokens of a turn
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_QUOTES = re.compile(r'I remember what .{1,100}?: "')


def asks(text: str) -> bool:
    """Whether a message asks something: by a question mark, or a question's first words."""
    return bool(_ASKS.search(text))


def asks_memory(text: str) -> bool:
    """Whether a message asks for what was told, not after the one who is asked ("How are you?")."""
    return asks(text) and (not _TO_YOU.search(text) or bool(_OF_ME.search(text)))


def tells(text: str) -> bool:
    """Whether a text says more than a question, and a greeting of up to three words before it."""
    sentences = _SENTENCE.findall(text)
    return not asks(text) or any(len(s.split()) > 3 and not asks(s) for s in sentences)


def quotes(text: str) -> bool:
    """Whether a text is a `quotation`: it holds nothing that the turns it quotes do not."""
    return bool(_QUOTES.match(text))


def is_news(text: str, packaged: bool) -> bool:
    """Whether a model should look for facts in a text; the packaged one makes some of questions."""
    return not quotes(text) and (not packaged or tells(text))


def quotation(turns: Sequence[Turn], you: Collection[str]) -> str:
    """What the packaged model says in answer to a question: turns, or UNKNOWN when there are none.

    `you` is every name of whoever asks. The model's own words, shown the turn that answers, were
    right in 11 of 20 questions.
    """
    said = []
    for turn in turns:
        who = "you" if turn.speaker in you else turn.speaker
        when = f" on {spoken_date(turn.said_at)}" if turn.said_at else ""
        text = trim(" ".join(turn.text.split()), _QUOTED)
        said.append(f'what {who} said{when}: "{text}"')
    return f"I remember {', and '.join(said)}" if said else UNKNOWN


def stream(
    model: Model, inputs: Mapping[str, str], turn_ids: Collection[int] = ()
) -> Generator[str, None, tuple[str, list[int]]]:
    """The reply in pieces; returns the whole, and which of the `turn_ids` it names.

    `inputs` are those of ReplyInChat. A model whose engine cannot stream says all in one piece; so
    does one that answers out of form. Raises dspy's LMError, inside `model.active()`.
    """
    predict = dspy.Predict(ReplyInChat)
    said, cited = "", ""
    try:
        for part in _parts(model, predict, inputs):
            if isinstance(part, dspy.Prediction):
                piece, cited = "" if said.strip() else str(part.reply or ""), str(part.turns or "")
            else:
                piece = part
            said += piece
            if piece:
                yield piece
    except AdapterParseError as error:  # what came is a reply all the same
        if not said.strip():
            said = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response).strip()
            yield said
    named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
    return said.strip(), [turn for turn in dict.fromkeys(named) if turn in turn_ids]


def _parts(
    model: Model, predict: dspy.Predict, inputs: Mapping[str, str]
) -> Iterator[str | dspy.Prediction]:
    engine = model.lm.engine
    if not isinstance(engine, str) and not hasattr(engine, "stream"):
        yield predict(**inputs)
        return
    # What the packaged model says is the reply and nothing else; others write it between marks.
    between = [] if model.packaged else [dspy.streaming.StreamListener("reply")]
    speak = dspy.streamify(predict, stream_listeners=between, async_streaming=False)
    for part in speak(**inputs):
        if isinstance(part, dspy.Prediction):
            yield part
        elif isinstance(part, dspy.streaming.StreamResponse):
            yield part.chunk
        elif choices := getattr(part, "choices", None):
            yield choices[0].delta.content or ""
