"""Coordinations: "the sign and the gate" is two things, "a bed and breakfast" is one.

What tells them apart is grammar. Where each thing has a determiner of its own, there are as many
things as determiners; where the last alone lacks one, it may be one thing, or a title.
"""

import re

from memory.statements.predicates import has_verb, is_finite
from memory.statements.word_lists import is_past_form, word_lists

_DETERMINER = (
    r"(?:an?|the|my|our|his|her|their|some|another|two|three|four|five|six|seven|eight|nine|ten"
    r"|\d{1,3})"
)
_BEGINS = re.compile(rf"{_DETERMINER} (?=\S)", re.IGNORECASE)
_JOINED = re.compile(
    r",? (?P<and>and|&|plus|as well as) (?:(?:also|then|finally) )?"
    rf"(?={_DETERMINER} (?!half\b|quarter\b|bit\b)\S)|, (?=(?!\d){_DETERMINER} \S)",
    re.IGNORECASE,
)
BEGINS_LAST_THING = re.compile(rf"and {_DETERMINER} \S", re.IGNORECASE)
# "a house with a garden and a pond": whose pond it is, the words do not tell.
_OPEN_PLACE = re.compile(
    r" (?:with|for|from|of|between|about|in|at|to|into|on|by|like|than|over|under|near|behind"
    r"|around|through|and|or) (?:an?|the|my|our|his|her|their|some|[A-Z])\b"
    r"|(?:^| )(?:between|both|with|for|from|to|into|about) ",
    re.IGNORECASE,
)
_PARALLEL = frozenset(("from", "for", "at", "in"))
# "The Old Man and the Sea": a title is written with capitals.
_TITLE = re.compile(r"(?:The|A|An|My|Our|His|Her) [A-Z]|[\"'\u201c*_]")
# "the old and the new house", "the first and the second book": one noun for both.
_NO_NOUN = re.compile(
    rf"{_DETERMINER} (?:older|newer|bigger|smaller|longer|shorter|first|second|third|last|next"
    r"|other|old|new|big|small|long|short|left|right|front|back|red|blue|green|white|black"
    r"|yellow|brown|grey|whole|only|best|same|one|few|many|most|bit|lot|hundred|thousand)$",
    re.IGNORECASE,
)
# "my leg up and a whole pot of tea", "his, mine and the captain's"
_NO_END = re.compile(r"(?: (?:up|down|out|off|on|in|away|back|over)|['\u2019]s)$", re.IGNORECASE)
# "gave Mum a scarf and a hat": whom both were for.
_FOR_WHOM = re.compile(
    rf"(?P<whom>(?:(?:my|our|his|her) \w+|[A-Z][\w-]+)) (?={_DETERMINER} )(?!and\b)"
)
# "got her a mug and some tea": of two facts neither would say for whom.
_FOR_SOMEBODY = re.compile(rf"(?:me|you|him|her|us|them) (?={_DETERMINER} )", re.IGNORECASE)
_BARE_THING = re.compile(
    rf"(?:and )?{_DETERMINER} (?P<noun>[\w'-]+(?: [\w'-]+)??)"
    r"(?=$|[,.!]| (?:in|on|at|for|with|from|of|to|by|near|behind|under|too|yesterday|today|last"
    r"|this|again|together|as well)\b)",
    re.IGNORECASE,
)
# What is done to several together is one deed: "mixed the flour and the butter".
OF_ALL_TOGETHER = frozenset(
    "mix combine compare connect merge swap introduce link confuse choose pick marry".split()  # noqa: SIM905
)
_LONGEST_THING = 6  # words


def things_of(text: str) -> list[str]:
    """The things of a coordination, each with its determiner; the text itself where it is one."""
    whom = _FOR_WHOM.match(text)
    bare = text[whom.end() :] if whom else text
    joints = [*_JOINED.finditer(bare)]
    if not joints or not joints[-1]["and"] or _TITLE.match(bare) or _FOR_SOMEBODY.match(bare):
        return [text]
    starts = [0, *(joint.end() for joint in joints)]
    ends = [*(joint.start() for joint in joints), len(bare)]
    members = [bare[start:end].strip() for start, end in zip(starts, ends, strict=True)]
    *earlier, last = members
    if not all(map(_is_thing, earlier)) or not _begins_alike(earlier[0]):
        return [text]
    if (
        _TITLE.match(last)
        or any(_is_open(member, last) for member in earlier)
        or _NO_END.search(last)
    ):
        return [text]
    prefix = f"{whom['whom']} " if whom else ""
    return [f"{prefix}{member}" for member in members]


def _is_thing(text: str) -> bool:
    """Whether words are a noun with what belongs to it: no clause, and not an adjective alone."""
    words = text.lower().split()
    if not 0 < len(words) <= _LONGEST_THING or "," in text:
        return False
    if _NO_NOUN.match(text) or _NO_END.search(text):
        return False
    return not any(map(is_finite, words[2:]))


def _is_open(member: str, last: str) -> bool:
    """Whether a thing may have the last one in it; not "a card from Ann and a book from Tom"."""
    match = _OPEN_PLACE.search(member)
    word = match[0].split()[0].lower() if match else ""
    return bool(word) and not (word in _PARALLEL and f" {word} " in last)


def _begins_alike(text: str) -> bool:
    """Whether the first thing has a determiner, or is a noun by itself ("beans and two rows")."""
    return bool(_BEGINS.match(text)) or bool(re.fullmatch(r"[a-z][\w'-]{2,}s", text))


def is_bare_thing(text: str) -> bool:
    """Whether a part of a sentence is a thing and no clause: "the gate", "my phone at the bar"."""
    match = _BARE_THING.match(text)
    if match is None:
        return False
    nouns = match["noun"].lower().split()
    behind = text[match.end() :].lower().split()
    # "the roof leaks", "the boards look": of two words the second may be a verb.
    may_be_verb = is_past_form(nouns[0]) and not text.lower().startswith("the ")
    may_be_verb |= nouns[0] in ("is", "are", "was", "were", "have", "had", "did", "do", "of")
    may_be_verb |= len(nouns) > 1 and nouns[0].endswith("s") and not nouns[0].endswith("ss")
    may_be_verb |= any(
        re.search(r"(?:[^s]s|ed|ly)$", word) or is_finite(word) or is_past_form(word)
        for word in nouns[1:]
    )
    is_adverb = not word_lists().adverbs.isdisjoint(nouns)
    is_clause = may_be_verb or is_adverb or has_verb(" ".join(nouns[1:]))
    return not (is_clause or _NO_END.search(match["noun"]) or any(map(is_finite, behind)))


def is_last_of_list(before: str, last: str) -> bool:
    """Whether a part of a sentence is the last thing of a list before it.

    "and red lentils" after "I eat rice, beans": a comma stands before each, and no verb follows.
    """
    thing = _LAST_THING.fullmatch(last.rstrip(" .!"))
    if thing is None or not _LIST_BEFORE.search(before) or _DETERMINED.search(before):
        return False  # "a bike, second hand, and new tyres"
    nouns = thing["thing"].lower().split()
    is_clause = has_verb(" ".join(nouns[1:])) or any(
        is_finite(word) or is_past_form(word) or word in word_lists().adverbs for word in nouns
    )
    return not is_clause and nouns[0] not in word_lists().bare_verbs


_LAST_THING = re.compile(
    r"and (?P<thing>[\w'-]+(?: (?!(?:is|are|was|were|has|had)\b)[\w'-]+){0,3})"
)
_DETERMINED = re.compile(rf"\b{_DETERMINER} ", re.IGNORECASE)
_LIST_BEFORE = re.compile(r"[\w'-], [\w'-]+(?: [\w'-]+){0,2}$")
