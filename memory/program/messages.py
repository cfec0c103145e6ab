"""What a message of a chat is: a question, news, or a quotation; judged by its words alone."""

import re
from collections.abc import Collection, Sequence

from memory.model import WITHDRAWN, Turn
from memory.prompt import spoken_date
from memory.tokens import trim

ABSTAIN = "No information available"  # what every answering model says when memory does not
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
# What an assistant says when it does not know. "I have no car" and "I never told my mother" tell.
_NOT = r"(?:not|n['\u2019]t|never)"
_REFUSAL = re.compile(
    rf"\W*(?:(?:sorry|well|hm+|unfortunately|i(?: a|['\u2019])m (?:sorry|afraid))\W+(?:but )?)?"
    rf"(?:{ABSTAIN}"
    r"|I (?:(?:can )?find|found|see|know|remember|recall|have) (?:nothing|no"
    r" (?:information|memory|memories|record|mention|note)s?)\b"
    rf"|I (?:(?:do|did|can|could) ?{_NOT}|cannot) (?:know|remember|recall|find|see|have)"
    r"(?:\W*$| (?:it|that|anything|any (?:information|memory|record|mention)|if|whether|where|who"
    r"|what|when|which|how)\b)"
    rf"|I have ?{_NOT} (?:been told|heard)\b"
    rf"|(?:(?:nobody|no one)(?: has)?|you(?: have| did)? ?{_NOT}) (?:told|tell|mention|said|say)"
    rf"|I(?: a|['\u2019])m not sure\b)",
    re.IGNORECASE,
)
_LONGEST_REFUSAL = 20  # words; what is longer tells something besides


def is_question(text: str) -> bool:
    """Whether a message asks something: by a question mark, or a question's first words."""
    return bool(_QUESTION.search(text))


def is_first_person(text: str) -> bool:
    """Whether somebody speaks, or asks, of themselves."""
    return bool(_FIRST_PERSON.search(text))


def asks_memory(text: str) -> bool:
    """Whether a message asks for what was told, and not about the listener ("How are you?")."""
    about_listener = _SECOND_PERSON.search(text) and not is_first_person(text)
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


def is_refusal(text: str) -> bool:
    """Whether a text begins by saying that its speaker does not know, and tells nothing more."""
    return bool(_REFUSAL.match(text)) and len(text.split()) <= _LONGEST_REFUSAL


def is_withdrawn(text: str) -> bool:
    """Whether a text is that of a correction which was undone."""
    return text.startswith(WITHDRAWN)


def is_evidence(text: str) -> bool:
    """Whether a text can be evidence of something.

    That is no question alone, quotation, refusal or withdrawn correction.
    """
    return tells(text) and not (is_quotation(text) or is_refusal(text) or is_withdrawn(text))


def is_news(text: str, packaged: bool) -> bool:
    """Whether a model should look for facts in a text.

    The packaged model makes facts of questions and refusals too: these are kept from it.
    """
    return is_evidence(text) if packaged else not is_quotation(text)


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
