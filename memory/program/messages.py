"""What a message of a chat is: a question, news, or a quotation; judged by its words alone."""

import re
from collections.abc import Collection, Sequence

from memory.model import Turn
from memory.prompt import spoken_date
from memory.tokens import trim

NOTHING_FOUND = "I find nothing about that in what I was told."
_QUOTED_TOKENS = 300  # of one turn

_AUXILIARY = r"(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should)"
# The question marks of Latin, Chinese and Arabic script; or an English question word that stands
# before a verb ("When I was young ..." and "What a day!" ask nothing).
_QUESTION = re.compile(
    rf"[?\uff1f\u061f]"
    rf"|^\W*(?:who|what|when|where|which|whose|why|how)(?:['\u2019]s| {_AUXILIARY})\b"
    rf"|^\W*(?:what|which|whose|how) (?!(?:i|you|he|she|it|we|they) )\w+ {_AUXILIARY}\b",
    re.IGNORECASE,
)
_SECOND_PERSON = re.compile(r"\byou(?:r|rs|rself)?\b", re.IGNORECASE)
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|myself|we|us|our|ours)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_QUOTATION = re.compile(r'I remember what .{1,100}?: "')


def is_question(text: str) -> bool:
    """Whether a message asks something: by a question mark, or a question's first words."""
    return bool(_QUESTION.search(text))


def asks_memory(text: str) -> bool:
    """Whether a message asks for what was told, and not about the listener ("How are you?")."""
    about_listener = _SECOND_PERSON.search(text) and not _FIRST_PERSON.search(text)
    return is_question(text) and not about_listener


def tells(text: str) -> bool:
    """Whether a text says more than a question, and a greeting of up to three words before it."""
    if not is_question(text):
        return True
    sentences = _SENTENCE.findall(text)
    return any(len(sentence.split()) > 3 and not is_question(sentence) for sentence in sentences)


def is_quotation(text: str) -> bool:
    """Whether a text is a `quotation`: it holds nothing that the turns it quotes do not."""
    return bool(_QUOTATION.match(text))


def is_news(text: str, packaged: bool) -> bool:
    """Whether a model should look for facts in a text.

    The packaged model makes facts of questions too, so texts that only ask are kept from it.
    """
    return not is_quotation(text) and (not packaged or tells(text))


def quotation(turns: Sequence[Turn], listener_names: Collection[str]) -> str:
    """What the packaged model says in answer to a question: turns, or NOTHING_FOUND.

    `listener_names` are all names of whoever asks, who is quoted as "you". The model quotes because
    its own words, when it was shown the turn that answers, were right in 11 of 20 questions only.
    """
    parts = []
    for turn in turns:
        speaker = "you" if turn.speaker in listener_names else turn.speaker
        date = f" on {spoken_date(turn.said_at)}" if turn.said_at else ""
        text = trim(" ".join(turn.text.split()), _QUOTED_TOKENS)
        parts.append(f'what {speaker} said{date}: "{text}"')
    return f"I remember {', and '.join(parts)}" if parts else NOTHING_FOUND
