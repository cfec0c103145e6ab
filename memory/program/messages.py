"""Whether a chat message is a question, news or a quotation, judged by its words alone."""

import re

from memory.dates import named_day
from memory.program import phrases
from memory.program.spoken_days import spoken
from memory.records import WITHDRAWN, Turn

ABSTAIN = "No information available"  # what every answering model says when memory does not
# Of `local`: to ask a model of its size for facts gained nothing (docs/decisions.md).
BY_RULES = (
    "facts are stored by rules, without a model: what turns state in plain English. A larger model"
    " stores more, as in `memory digest --model openai/gpt-4o-mini`"
)

_AUXILIARY = r"(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should)"
# The question marks of Latin, Chinese and Arabic script; what a question ends with in Japanese and
# Chinese; or an English question word that stands before a verb ("When I was young ..." and "What a
# day!" ask nothing).
_QUESTION = re.compile(
    rf"[?\uff1f\u061f]|[\u304b\u5417\u55ce]\u3002?\s*$"
    rf"|^\W*(?:who|what|when|where|which|whose|why|how)(?:['\u2019]s| {_AUXILIARY})\b"
    rf"|^\W*(?:what|which|whose|how) (?!(?:i|you|he|she|it|we|they) )\w+ {_AUXILIARY}\b",
    re.IGNORECASE,
)
_FIRST_PERSON = re.compile(r"\b(?:i|me|my|mine|myself|we|us|our|ours)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")
_SENTENCE_END = re.compile(r"(?<=[.!?;:\uff01\uff1f\u3002])\s*|(?<!\s)\s+(?:-+|\u2013|\u2014)\s+")
# What asks for no answer, at the end of what somebody tells.
_RHETORICAL = re.compile(
    r"(?:(?<=[,.!;:\u2026] )|^)(?:can you (?:believe|imagine) (?:it|that|this)"
    r"|(?:is|was|are)n['\u2019]t (?:it|that|this|they)"
    r"(?: (?:so )?(?:great|nice|cool|funny|lovely|amazing|awesome|wonderful|beautiful|crazy"
    r"|exciting|strange|weird|sad|awful|terrible))?|right|you know(?: what i mean)?|huh|eh)\?+",
    re.IGNORECASE,
)
_OLD_QUOTATION = re.compile(r'I remember what .{1,100}?: "')  # as earlier versions quoted
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
# What an abstention names beside (`abstention_near`).
_NEAREST = re.compile(rf"(?<={ABSTAIN})\. The nearest that .{{1,100}}? said\b.*", re.DOTALL)
_LONGEST_NEAREST = 200  # characters of the turn
_LONGEST_REFUSAL = 20  # words; what is longer tells something besides


def is_question(text: str) -> bool:
    """Whether a message asks something: by a question mark, or a question's first words."""
    return bool(_QUESTION.search(_RHETORICAL.sub("", text)))


def is_first_person(text: str) -> bool:
    """Whether the speaker talks or asks about themselves."""
    return bool(_FIRST_PERSON.search(text))


def asks_memory(text: str) -> bool:
    """Whether a message asks about the past, and not about the listener ("How are you?")."""
    if not is_question(text) or phrases.small_talk(text) or phrases.is_request(text):
        return False
    return not phrases.is_about_listener(question_of(text))


def question_of(text: str) -> str:
    """The sentences of a text that ask something; the text itself where none does by itself."""
    sentences = [sentence for sentence in _SENTENCE_END.split(text) if is_question(sentence)]
    return " ".join(sentences) or text


def tells(text: str) -> bool:
    """Whether a text says more than a question, and a greeting of up to three words before it."""
    if not is_question(text):
        return True
    sentences = _SENTENCE.findall(text)
    return any(len(sentence.split()) > 3 and not is_question(sentence) for sentence in sentences)


def is_quotation(text: str) -> bool:
    """Whether a text repeats earlier turns and adds nothing to them.

    So it is with what the packaged model's character says by rule ("I'll remember that.").
    """
    return bool(
        _OLD_QUOTATION.match(text)
        or phrases.quotations().match(text)
        or phrases.stock_phrases().fullmatch(text.strip())
    )


def is_refusal(text: str) -> bool:
    """Whether the speaker only says that they do not know."""
    text = _NEAREST.sub("", text)
    return bool(_REFUSAL.match(text)) and len(text.split()) <= _LONGEST_REFUSAL


def abstention_near(turn: Turn) -> str:
    """An abstention that names a turn as the nearest to what was asked, with its number and day."""
    day = named_day(turn.said_at)
    when = f", {spoken(day)}" if day else ""
    spoken_text = " ".join(turn.text.split())
    if len(spoken_text) > _LONGEST_NEAREST:
        spoken_text = f"{spoken_text[:_LONGEST_NEAREST].rsplit(' ', 1)[0]} \u2026"
    return (
        f"{ABSTAIN}. The nearest that {turn.speaker} said (turn {turn.id}{when}):"
        f" \u201c{spoken_text}\u201d"
    )


def is_withdrawn(text: str) -> bool:
    """Whether a text is that of a correction which was undone."""
    return text.startswith(WITHDRAWN)


def is_evidence(text: str) -> bool:
    """Whether a text can be evidence of something.

    That is no question alone, quotation, refusal or withdrawn correction.
    """
    return tells(text) and not (is_quotation(text) or is_refusal(text) or is_withdrawn(text))
