"""What a turn says that somebody has never done or had, and whom they do not have.

"I've never flown" is `never`: flown; "I have no siblings" is `has_no`: siblings. They are facts to
compare others with: what was done contradicts what was never done.
"""

import re
from collections.abc import Collection, Iterator

from memory.records import Turn
from memory.statements.sentences import sentences, written_out
from memory.statements.statement import Statement

NEVER, HAS_NO = "never", "has_no"

_LEAD = (
    r"\W*(?:(?:and|but|so|well|oh|no|yes|honestly|actually|also|to be honest|strangely"
    r"|apparently)[,\s]+){0,2}"
)
_NAME = r"(?-i:[A-Z][\w-]+)"
_HAS_NEVER = re.compile(
    rf"{_LEAD}(?P<subject>I|{_NAME}) (?:have|has|'s) never (?:ever |actually |really |once"
    r" |even |yet )*(?P<verb>[a-z]+) ?(?P<rest>[^,.;:!?()]*)",
    re.IGNORECASE,
)
_NO_SIBLINGS = re.compile(
    rf"{_LEAD}(?P<subject>I|{_NAME}) (?:(?:do|does) not have (?:any )?|(?:have|has) no"
    r" |(?:have|has) never had (?:any )?)(?:siblings|brothers or sisters|brothers and sisters"
    r"|sisters or brothers)\b|"
    rf"{_LEAD}(?P<child>I|{_NAME}) (?:am|is|was) an only child\b",
    re.IGNORECASE,
)
# The rest of the sentence after these says when, why or what else.
_REST_ENDS = re.compile(
    r"\s*\b(?:so|but|because|since|though|although|and (?:i|i'm|we|now|it|that|he|she|then)|which"
    r"|who|until|till|while|as|if|unless|except|apart|besides|before|yet|in my (?:whole |entire )?"
    r"life|in all my life|myself)\b.*",
    re.IGNORECASE,
)
# "never flown until last week", "never been there except once": it was done.
_BUT_ONCE = re.compile(
    r"\b(?:until|till|except|apart|besides|unless|but for|other than|since|before (?:last|this|that"
    r"|then|the|my|we|i|today|yesterday|now|\d|[a-z]+day))\b",
    re.IGNORECASE,
)
# Thoughts, feelings and comparisons deny no deed; "it" and "here" say nothing alone.
_NO_DEED = frozenset(
    {
        *("thought", "heard", "felt", "known", "said", "told", "understood", "liked", "loved"),
        *("wanted", "expected", "imagined", "believed", "realised", "realized", "dreamed"),
        *("dreamt", "hoped", "minded", "meant", "doubted", "regretted", "forgotten", "failed"),
        *("stopped", "noticed", "considered", "needed", "cared", "trusted", "looked", "seemed"),
        *("become", "gotten", "got", "quite", "fully", "truly", "properly", "able"),
    }
)
_POINTS = re.compile(
    r"\b(?:it|its|that|this|these|those|them|him|her|there|here|one|such|so|more|better|worse|less"
    r"|happier|as|anyone|anybody|anything like|able|sure|good|bad|big|much|too|very|fan|easy|hard"
    r"|ready|close|far|late|early|afraid|alone|before|you|your)\b",
    re.IGNORECASE,
)
# "in this project" names what the talk is about.
_IN_THIS = re.compile(r"\b(?:in|for|on|with) this [a-z]+$", re.IGNORECASE)
_LONGEST = 14  # words


def denials(turn: Turn, text: str, speakers: Collection[str] = ()) -> Iterator[Statement]:
    """The `never` and `has_no` of a turn, of its speaker or of another speaker by name."""
    for sentence in sentences(text):
        plain = written_out(sentence)
        if plain.rstrip().endswith("?"):
            continue
        for match in _HAS_NEVER.finditer(plain):
            if match.start() and plain[match.start() - 1].isalnum():
                continue
            subject = _subject(match["subject"], turn, speakers)
            value = _deed(match["verb"].lower(), match["rest"])
            if subject and value:
                yield Statement(subject, NEVER, value)
        for match in _NO_SIBLINGS.finditer(plain):
            subject = _subject(match["subject"] or match["child"], turn, speakers)
            if subject and not (match.start() and plain[match.start() - 1].isalnum()):
                yield Statement(subject, HAS_NO, "siblings")


def _subject(name: str, turn: Turn, speakers: Collection[str]) -> str:
    if name == "I":
        return turn.speaker.strip()
    return name if name in speakers else ""


def _deed(verb: str, object_: str) -> str:
    """What was never done, in the speaker's words; "" where that says nothing by itself."""
    if verb in _NO_DEED or _BUT_ONCE.search(object_):
        return ""
    object_ = _REST_ENDS.sub("", object_).strip(" -\"'")
    if _POINTS.search(_IN_THIS.sub("", object_)) or len(object_.split()) > _LONGEST:
        return ""
    if not object_ and verb in ("been", "had", "done", "gone", "made", "taken", "given", "used"):
        return ""
    if verb == "been" and not re.match(
        r"(?:to|in|on|inside|aboard|abroad)\b", object_, re.IGNORECASE
    ):
        return ""
    return f"{verb} {object_}".strip()
