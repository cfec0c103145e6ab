"""Replies in a chat, as they are made: a model's words in pieces, turns told again, or phrases."""

import re
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import replace

import dspy
from dspy.utils.exceptions import (
    AdapterParseError,
    LMInvalidRequestError,
    LMStreamAssemblyError,
)

from memory.program.grounding import LEAST_COVERAGE, coverage
from memory.program.lm import Model
from memory.program.messages import is_evidence, question_of, tells
from memory.program.modules import answer_from
from memory.program.phrases import all_phrases, is_request, is_short, language_of, small_talk
from memory.program.recall import recall
from memory.program.signatures import ReplyInChat
from memory.prompt import Context, turn_line, turn_lines
from memory.records import Answer, Hit, Rows, Turn
from memory.search.asker import as_asked
from memory.sql import quoted
from memory.tokens import count_tokens, trim

_MESSAGE_TOKENS = 2_000  # of what is replied to, and of what was said before it
_CANDIDATES = 200  # turns of the ranking from which quotations are taken
_MOST_QUOTED = 2
_NEARLY_BEST = 0.95  # of the best score: such a turn is quoted beside the best one
# What it looks like when a server answers a request for a stream in one piece, or refuses it.
_NO_STREAM_ERRORS = (LMStreamAssemblyError, LMInvalidRequestError)
# Names and addresses of models that were found not to stream: asked so, they would be paid twice.
_WITHOUT_STREAMS: set[tuple[str, str | None]] = set()
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


def stock_reply(message: Turn, character: str) -> Generator[str, None, Answer]:
    """Reply by rule to what asks nothing of the memory; right after good and bad news alike.

    Yields the reply in one piece and returns it as an Answer; no model is asked.
    """
    phrases = all_phrases()[language_of(message.text)]
    if kind := small_talk(message.text, character):
        text = getattr(phrases, f"{kind}_reply").format(character=character)
    elif is_request(message.text) or not tells(message.text):
        text = phrases.limits
    else:
        choices = phrases.listening if is_short(message.text) else phrases.noted
        text = choices[message.id % len(choices)]
    yield text
    return answer_from(text=text, cited=(), retrieved=None, context=Context("", (), 0), calls=0)


def quote_turns(
    message: Turn,
    *,
    character: str,
    listener_names: Collection[str],
    budget: int,
    read: Callable[[str], Rows],
    search: Callable[[str, int], Sequence[Hit]],
    turns_by_id: Callable[[Sequence[int]], Sequence[Turn]],
) -> Generator[str, None, Answer]:
    """Answer a question by the best turns that people told; no model is asked.

    Arguments:
        message: the question, which is not quoted itself.
        character: who answers; what this speaker said is not quoted.
        listener_names: all names of whoever asks.
        budget: how many tokens of the question are searched for.
        read: runs one SELECT.
        search: the ranking of a text: its best k turns.
        turns_by_id: the turns with these ids, in their order.

    Yields the reply in one piece and returns it as an Answer with the SELECT that found it.
    """
    text = trim(message.text, budget)
    question = as_asked(text, message.speaker, message.said_at)
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

    scores = dict(rows.rows)
    turns = turns_by_id([turn_id for turn_id in scores if turn_id in sharing_words])
    best = [(scores[turn.id], turn) for turn in turns if is_evidence(turn.text)][:_MOST_QUOTED]

    turns = [turn for score, turn in best if score >= best[0][0] * _NEARLY_BEST]
    turns = _covering(question_of(text), turns, speakers={character, *listener_names})
    turn_ids = tuple(turn.id for turn in turns)
    reply = recall(message, turns, listener_names)
    yield reply
    return Answer(
        text=reply,
        turns=turn_ids,
        sql=(sql,),
        rows=(rows,),
        tokens=count_tokens(reply),
        calls=0,
        shown=turn_ids,
    )


def _covering(question: str, turns: Sequence[Turn], speakers: Collection[str]) -> list[Turn]:
    """The turns that hold most of a question's telling words, in order; none with less than half.

    Without the last, of 14 questions in data/personal_chats.json whose answers were never told 9
    were answered by something else; with it 6, and of 60 told 53 rightly in place of 54.
    """
    phrases = all_phrases()[language_of(question)]
    if phrases.words:
        question = phrases.without_common(question)
    # A question may hold no telling word ("What is my name?"): the ranking decides alone then.
    least = LEAST_COVERAGE * coverage(question, Turn("", question), speakers)
    if not phrases.words:
        least = 0.0  # of words that are pairs of characters, many are no words
    shares = {turn.id: coverage(question, turn, speakers) for turn in turns}
    most = max(shares.values(), default=0.0)
    covering = [turn for turn in turns if shares[turn.id] == most >= least]
    return sorted(covering, key=lambda turn: turn.id)


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
    """The model's reply to a message, streamed.

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
    """The reply's pieces, then the whole; the whole alone where the model cannot stream."""
    server = (model.name, model.api_base)
    streams = isinstance(model.lm.engine, str) or hasattr(model.lm.engine, "stream")
    if not streams or server in _WITHOUT_STREAMS:
        yield predict(**inputs)
        return
    speak_in_parts = dspy.streamify(
        predict,
        stream_listeners=[dspy.streaming.StreamListener("reply")],
        # A hosted model is asked by its own coroutine, which ends in time (memory.program.lm).
        is_async_program=isinstance(model.lm.engine, str),
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
    except _NO_STREAM_ERRORS:
        if any_came:
            raise
        yield predict(**inputs)
        _WITHOUT_STREAMS.add(server)  # only now: with the same error again, the request is bad


def _latest(turns: Sequence[Turn], tokens: int) -> list[Turn]:
    """As many of the last turns as fit a number of tokens, in the order they were said."""
    latest: list[Turn] = []
    for turn in reversed(turns):
        tokens -= count_tokens(turn_line(turn) + "\n")
        if tokens < 0:
            break
        latest.insert(0, turn)
    return latest
