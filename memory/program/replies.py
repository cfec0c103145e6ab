"""Replies in a chat, as they are made: a model's words in pieces, or turns quoted as they stand."""

import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace

import dspy
from dspy.utils.exceptions import AdapterParseError

from memory.model import Answer, Hit, Rows, Turn
from memory.program.lm import Model
from memory.program.messages import is_evidence, quotation
from memory.program.modules import answer_from
from memory.program.signatures import ReplyInChat
from memory.prompt import Context, turn_line, turn_lines
from memory.search.asker import as_asked
from memory.sql import quoted
from memory.tokens import count_tokens, trim

_MESSAGE_TOKENS = 2_000  # of what is replied to, and of what was said before it
_CANDIDATES = 200  # turns of the ranking from which quotations are taken
_MOST_QUOTED = 2
_NEARLY_BEST = 0.95  # of the best score: such a turn is quoted beside the best one
_RANKED_TURNS = """SELECT s.turn_id, s.score FROM search({question}, {k}) s \
JOIN turns t ON t.id = s.turn_id
WHERE t.speaker <> {character} AND t.id <> {message} ORDER BY s.score DESC"""


class Reply:
    """What a character says, piece by piece; `answer` is the whole, once all was said."""

    answer: Answer | None = None

    def __init__(self, pieces: Generator[str, None, Answer]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[str]:
        # Iterated again, an exhausted generator returns None: the answer stays.
        self.answer = (yield from self._pieces) or self.answer


def quote_turns(
    message: Turn,
    *,
    character: str,
    listener_names: Collection[str],
    budget: int,
    read: Callable[[str], Rows],
    search: Callable[[str, int], Sequence[Hit]],
    turn_of: Callable[[int], Turn],
) -> Generator[str, None, Answer]:
    """Answer a question by quoting the best turns that people told; no model is asked.

    Arguments:
        message: the question, which is not quoted itself.
        character: who answers; what this speaker said is not quoted.
        listener_names: all names of whoever asks.
        budget: how many tokens of the question are searched for.
        read: runs one SELECT.
        search: the ranking of a text: its best k turns.
        turn_of: the turn with an id.

    Yields the reply in one piece and returns it as an Answer with the SELECT that found it.
    """
    question = as_asked(trim(message.text, budget), message.speaker, message.said_at)
    sql = _RANKED_TURNS.format(
        question=quoted(question),
        k=_CANDIDATES,
        character=quoted(character),
        message=message.id,
    )
    sql = sql.encode("utf-8", "replace").decode().replace("\0", "?")  # no turn holds these
    rows = read(sql)
    # A turn that ranks well by its date or speaker, without a word of the question, is no answer.
    sharing_words = {
        hit.turn_id for hit in search(question, _CANDIDATES) if hit.shares["words"] > 0
    }

    best: list[tuple[float, Turn]] = []
    for turn_id, score in rows.rows:
        turn = turn_of(turn_id)
        if turn_id in sharing_words and is_evidence(turn.text):
            best.append((score, turn))
        if len(best) == _MOST_QUOTED:
            break

    turns = [turn for score, turn in best if score >= best[0][0] * _NEARLY_BEST]
    turns.sort(key=lambda turn: turn.id)
    turn_ids = tuple(turn.id for turn in turns)
    text = quotation(turns, listener_names)
    yield text
    return Answer(
        text=text,
        turns=turn_ids,
        sql=(sql,),
        rows=(rows,),
        tokens=count_tokens(text),
        calls=0,
        shown=turn_ids,
    )


def speak(
    model: Model,
    message: Turn,
    recent: Sequence[Turn],
    *,
    inputs: Mapping[str, str],
    budget: int,
    retrieve: Callable[[str], dspy.Prediction],
    gather: Callable[[str, Sequence[Rows], Collection[int]], Context],
) -> Generator[str, None, Answer]:
    """The model's reply to a message, streamed; the packaged model is shown the message alone.

    Arguments:
        message: what is replied to.
        recent: the conversation just before it; its latest turns are shown, as many as fit.
        inputs: of ReplyInChat: character, persona and known_as.
        budget: the model's tokens of memory.
        retrieve: rows for a text, as RetrieveRows returns them.
        gather: memory for a text, from its rows, without the turns of these ids.

    Returns the reply as an Answer. Raises ModelError when the model cannot be used.
    """
    limit = min(budget, _MESSAGE_TOKENS)
    text = trim(message.text, limit)
    if model.packaged:
        with model.active():
            inputs = {**inputs, "memory": "", "recent": "", "message": text}
            reply, _ = yield from stream(model, inputs)
        return answer_from(
            text=reply, cited=(), retrieved=None, context=Context("", (), 0), calls=1
        )

    latest = _latest(recent, limit)
    with model.active():
        retrieved = retrieve(text)
        shown_elsewhere = {message.id, *(turn.id for turn in latest)}
        asked_text = as_asked(text, message.speaker, message.said_at)
        context = gather(asked_text, retrieved.rows, shown_elsewhere)
        inputs = {
            **inputs,
            "memory": context.text,
            "recent": turn_lines(latest, limit),
            "message": turn_line(replace(message, text=text)),
        }
        reply, cited = yield from stream(model, inputs, context.turn_ids)
    return answer_from(text=reply, cited=cited, retrieved=retrieved, context=context, calls=1)


def stream(
    model: Model, inputs: Mapping[str, str], turn_ids: Collection[int] = ()
) -> Generator[str, None, tuple[str, list[int]]]:
    """The reply in pieces; returns the whole, and which of the `turn_ids` it names.

    `inputs` are those of ReplyInChat. A model whose engine cannot stream says all in one piece; so
    does one that answers out of form. Raises dspy's LMError, inside `model.active()`.
    """
    predict = dspy.Predict(ReplyInChat)
    reply = ""
    cited = ""
    try:
        for part in _parts(model, predict, inputs):
            if isinstance(part, dspy.Prediction):
                # The whole comes last; its text was streamed already, unless nothing was.
                piece = "" if reply.strip() else str(part.reply or "")
                cited = str(part.turns or "")
            else:
                piece = part
            reply += piece
            if piece:
                yield piece
    except AdapterParseError as error:  # what came is a reply all the same
        if not reply.strip():
            reply = re.sub(r"\[\[ ## \w+ ## \]\]", "", error.lm_response).strip()
            yield reply
    # At most 18 digits: a longer number fits no id of the database.
    named = [int(digits[:18]) for digits in re.findall(r"\d+", cited)]
    return reply.strip(), [turn_id for turn_id in dict.fromkeys(named) if turn_id in turn_ids]


def _parts(
    model: Model, predict: dspy.Predict, inputs: Mapping[str, str]
) -> Iterator[str | dspy.Prediction]:
    engine = model.lm.engine
    if not isinstance(engine, str) and not hasattr(engine, "stream"):
        yield predict(**inputs)
        return
    # What the packaged model says is the reply and nothing else; others write it between marks.
    listeners = [] if model.packaged else [dspy.streaming.StreamListener("reply")]
    speak_in_parts = dspy.streamify(predict, stream_listeners=listeners, async_streaming=False)
    for part in speak_in_parts(**inputs):
        if isinstance(part, dspy.Prediction):
            yield part
        elif isinstance(part, dspy.streaming.StreamResponse):
            yield part.chunk
        elif choices := getattr(part, "choices", None):
            yield choices[0].delta.content or ""


def _latest(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """As many of the last turns as fit a number of tokens, in the order they were said."""
    latest: list[Turn] = []
    for turn in reversed(turns):
        tokens -= count_tokens(turn_line(turn) + "\n")
        if tokens < 0:
            break
        latest.insert(0, turn)
    return latest
