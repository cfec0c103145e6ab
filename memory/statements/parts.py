"""The parts of a sentence that may be clauses, and whether they state anything at all."""

import re
from dataclasses import dataclass
from functools import cache

from memory.statements.coordinations import is_bare_thing, is_last_of_list
from memory.statements.sentences import written_out
from memory.statements.subjects import just_a_subject
from memory.statements.word_lists import word_lists
from memory.statements.word_order import plain_order

_UNSURE = re.compile(
    r"^(?:if|unless|imagine|suppose|maybe|perhaps|let's|let us|pretend|say|assuming|in case"
    r"|apparently"
    r"|once|until|as soon as|hopefully|whenever)\b"
    r"|\b(?:would|could|might|(?<!in )(?<!of )(?<!\d )(?<!\w\w\w )(?-i:may)(?! \d)|(?:i|we|he"
    r"|she|it|they|you) may|should|almost|nearly|wish|hope|hoping|thinking (?:of|about)"
    r"|dream(?:t|ed|s|ing)? (?:of|about|that|i)|supposed to|pretend(?:ing)?|as if|if only"
    r"|considering"
    r"|rather|probably|perhaps|maybe|must have|tempted|joking|kidding|hypothetically|not sure"
    r"|feels? like|as though|basically|practically|i (?:think|guess|suppose)|i'd|tried to"
    r"|trying to"
    r"|forgot to|refuse[sd]? to|failed to|about to|like i|if i|if we|in theory|unless|possibly"
    r"|allegedly|rumour|rumor|novel i|my character|the character|in my dream|or something)\b",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"\W*(?:(?:so|and|but|wait|ok|hey|also|or|since) )?(?:(?:did|do|does|is|are|was|were|has|have"
    r"|had|can"
    r"|will|would|should|could|am) (?:i|you|he|she|it|they|we|the|your|that|this|there|any\w*"
    r"|some\w*|my|not|our|his|her|their)\b"
    r"|(?:what|where|when|who|why|how|which|whose|any)\b(?! i (?:am|was|have|love|want)\b)"
    r"|(?:you|right|ok|no|really|hm|eh|yes|remember)\W*$)",
    re.IGNORECASE,
)


# Without a question mark "had the operation" has left out "I".
_DROPS_SUBJECT = re.compile(r"(?:had|have|did) (?:the|my|our|his|her|some)\b", re.IGNORECASE)

_SECOND = r"(?:(?:the|my|our|his|her|their) \w+|I|[A-Z][\w'-]*(?: [A-Z][\w'-]*)*)"
_NO_VERB = (
    r"(?!(?:in|on|at|last|next|yesterday|today|this|for|with|from|by|to|too|twice|again|and|of|as"
    r"|before|after|over|during|so|but|which|because|while)\b)"
)


@dataclass(frozen=True)
class Part:
    """A part of a sentence that may be a clause.

    `is_name`: nothing but a name before "and". `continues`: "and" or "but" stands before it.
    `is_of_another`: it may be about somebody of a relative clause before it.
    """

    text: str
    is_unsure: bool
    is_name: bool
    continues: bool
    is_of_another: bool


def parts_of(sentence: str) -> list[Part]:
    """The parts of a sentence; none of a question."""
    text = plain_order(written_out(sentence))
    pieces: list[tuple[str, str]] = []
    at = 0
    for match in split_pattern().finditer(text):
        pieces.append((text[at : match.start()], match[0]))
        at = match.end()
    pieces.append((text[at:], ""))
    pieces = _with_coordinations(pieces)
    asking = sentence.rstrip(" )\"'").endswith("?")
    parts = []
    previous = ""
    is_relative = False
    for piece, separator in pieces:
        stripped = piece.strip(" ,.!*~_")
        if _ASKS.match(stripped) and (asking or not _DROPS_SUBJECT.match(stripped)):
            asking = False
            break
        is_name = (
            separator.strip(" ,") in ("and", "&")
            and bool(just_a_subject().fullmatch(stripped))
            and stripped.lower() not in word_lists().no_names
        )
        is_unsure = bool(_UNSURE.search(stripped)) or previous == "or"
        # "I know a Maite who then married a dentist"
        continues = previous in ("and", "but", "then", "&") and not is_relative
        was_relative = is_relative
        is_relative = bool(re.search(r"\w (?:who|which)\b", stripped))
        parts.append(Part(stripped, is_unsure, is_name, continues, was_relative))
        previous = separator.strip(" ,").lower()
    if asking:
        return []  # "you moved to Porto, right?"
    return parts


def _with_coordinations(pieces: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pieces, things after "and" with what comes before: "fixed the sign", "the gate"."""
    joined: list[tuple[str, str]] = []
    at = 0
    while at < len(pieces):
        end = at
        while end + 1 < len(pieces) and (
            pieces[end][1].strip(" ") in (",", "and", "&", ", and", "plus")
            and (
                is_bare_thing(pieces[end + 1][0].strip())
                or is_last_of_list(pieces[end][0].strip(), pieces[end + 1][0].strip())
            )
        ):
            end += 1
        # "my mum and my dad" are who did it, and "the bike, the red one" is a remark.
        is_joined = end > at and not (
            pieces[end - 1][1].strip(" ") == "," and not pieces[end][0].strip().startswith("and ")
        )
        if is_joined and not is_bare_thing(pieces[at][0].strip()):
            text = "".join(piece + separator for piece, separator in pieces[at:end])
            joined.append((text + pieces[end][0], pieces[end][1]))
            at = end + 1
            continue
        joined.append(pieces[at])
        at += 1
    return joined


@cache
def split_pattern() -> re.Pattern[str]:
    """Where one part ends and the next begins."""
    verbs = "|".join(sorted(word_lists().bare_verbs, key=len, reverse=True))
    # "I read Dracula and The Trial": a capital in the middle is a title's.
    persons = r"(?:i|we|he|she|they|it|you|(?-i:the)|there|that|my|our|his|her|their|mum|mom|dad)\b"
    named = (
        r"(?-i:[A-Z][\w-]+(?: [A-Z][\w-]+)?)(?:'s)? (?-i:[a-z]+(?:s|ed)|went|got|had|came"
        r"|took|made|said"
        r"|found|ran|left|gave|saw|bought|sold|met|won|lost|will|can|are|have|just|also|and)\b"
    )
    adverbs = r"(?:(?:also|now|then|finally|just|even|so|already|only) )*"
    return re.compile(
        r"\s*(?:;|\s-+\s|--|:\s|[()]|\.{2,}|\s/\s"
        r"|,?\s(?:and|but|so|because|cos|cuz|bc|'cause|while|although|though|plus|then"
        r"|whereas|&|or)\s"
        rf"(?={persons}|{named}|{adverbs}(?:{verbs})\b)"
        r"|,\s(?!the \d)(?=(?:and|but|so|because|which|who|where|when|then|though|if|or|did"
        r"|do|are|is"
        r"|can|will)\b"
        rf"|{persons}|{adverbs}(?:{verbs})\b|(?-i:[A-Z]\w+(?:'s)? (?:is|has|was|will|[a-z]+ed"
        # "Ben and Mia came", not the last of "Emma, Persuasion and Dracula".
        rf"|and {_SECOND} {_NO_VERB}[a-z]+)\b)))",
        re.IGNORECASE,
    )
