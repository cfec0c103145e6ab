"""Replies of the packaged model's character: turns told again, or phrases; no model is asked."""

from collections.abc import Collection, Generator, Sequence

from memory.program.corrected_turns import CorrectedTurns
from memory.program.decided_answers import decided_answer
from memory.program.grounding import LEAST_COVERAGE, coverage
from memory.program.messages import is_evidence, question_of, tells
from memory.program.model import ChatMessage, MemoryReader
from memory.program.modules import answer_from
from memory.program.phrases import all_phrases, is_request, is_short, language_of, small_talk
from memory.program.recall import recall
from memory.prompt import Context
from memory.records import Answer, Turn
from memory.search.asker import as_asked
from memory.sql import quoted
from memory.tokens import count_tokens, trim

_CANDIDATES = 200  # turns of the ranking from which quotations are taken
_MOST_QUOTED = 2
_NEARLY_BEST = 0.95  # of the best score: such a turn is quoted beside the best one
_RANKED_TURNS = """SELECT s.turn_id, s.score FROM search({question}, {k}) s \
JOIN turns t ON t.id = s.turn_id
WHERE t.speaker <> {character} AND t.id <> {message} ORDER BY s.score DESC"""


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
    message: ChatMessage, *, reader: MemoryReader, budget: int
) -> Generator[str, None, Answer]:
    """Answer a question by the best turns of other speakers; no model is asked.

    What the character itself said is not quoted. Of the question `budget` tokens are searched for.
    Yields the reply in one piece and returns it as an Answer with the SELECT that found it.
    """
    asked, character = message.turn, message.character
    listener_names = {asked.speaker, *message.known_as}
    text = trim(asked.text, budget)
    question = as_asked(text, asked.speaker, asked.said_at)
    decided = decided_answer(
        question_of(question), asked.said_at, reader=reader, asker=asked.speaker
    )
    if decided:
        yield decided.text
        return Answer(
            text=decided.text,
            turns=decided.turn_ids,
            sql=decided.sql,
            rows=decided.rows,
            tokens=count_tokens(decided.text),
            calls=0,
            shown=decided.turn_ids,
        )
    sql = _RANKED_TURNS.format(
        question=quoted(question),
        k=_CANDIDATES,
        character=quoted(character),
        message=asked.id,
    )
    sql = sql.encode("utf-8", "replace").decode().replace("\0", "?")  # no turn holds these
    rows = reader.read(sql)
    # A turn that ranks well by its date or speaker, without a word of the question, is no answer.
    scores = {
        hit.turn_id: hit.score
        for hit in reader.search(question, _CANDIDATES)
        if hit.shares["words"] > 0
    }

    # Rows of several memories begin with the memory's name and come memory by memory; the scores of
    # the search over all of them can be compared.
    score_by_id = {turn_id: scores[turn_id] for *_, turn_id, _ in rows.rows if turn_id in scores}
    ranked = sorted(score_by_id, key=lambda turn_id: -score_by_id[turn_id])
    candidates = CorrectedTurns(reader).turns_by_id(ranked, missing_ok=True)
    evidence = [turn for turn in candidates if is_evidence(turn.text)]
    best = [(score_by_id[turn.id], turn) for turn in evidence[:_MOST_QUOTED]]

    turns = [turn for score, turn in best if score >= best[0][0] * _NEARLY_BEST]
    turns = _covering(question_of(text), turns, speakers={character, *listener_names})
    turn_ids = tuple(turn.id for turn in turns)
    reply = recall(asked, turns, listener_names)
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
