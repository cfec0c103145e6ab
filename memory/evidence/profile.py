"""The asker's profile: facts that always matter, such as an allergy, shown with any question.

The vocabulary marks their attributes (`Attribute.profile`). They are facts that the asker said, so
no one else can put a line there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, zip_longest

from memory.evidence.lines import in_words
from memory.facts.latest_word import LatestWord
from memory.records import Fact
from memory.text.tokens import fitting_lines, line_tokens, trim
from memory.vocabulary import PROFILE_PARTS, Vocabulary
from memory.vocabulary.fact_lines import is_state

PROFILE_HEAD = "About the asker:"
PROFILE_TOKENS = 120  # with the heading
LATER_TOKENS = 200  # more, for the latest words on its facts
# What an agent that works on a project needs to know of the person.
WORKING_PARTS = ("name", "work", "languages")
_LINE_TOKENS = 24


def profile_of(
    facts: Sequence[Fact],
    vocabulary: Vocabulary,
    *,
    mentions: Mapping[tuple[str, str], int] | None = None,
    parts: Sequence[str] = PROFILE_PARTS,
    tokens: int = PROFILE_TOKENS,
    latest: Mapping[int, LatestWord] | None = None,
) -> list[tuple[Fact, str]]:
    """The facts of a profile with their lines, in the order of its parts, within some tokens.

    Each part gets a line before any gets a second; the most mentioned facts come first.

    Args:
        facts: the asker's current facts of marked attributes, newest first.
        mentions: how often each was said, by `mention_key`.
        parts: the parts to show.
        tokens: for the facts; the latest words on them have LATER_TOKENS more.
        latest: the latest words on facts, by their ids.
    """
    counts = mentions or {}
    # Sorting is stable, so facts mentioned equally often stay newest first.
    often = sorted(_once(facts), key=lambda fact: -counts.get(mention_key(fact), 0))
    of_part: dict[str, list[Fact]] = {part: [] for part in parts}
    for fact in often:
        part = vocabulary.profile_part(fact.attribute)
        if part in of_part:
            of_part[part].append(fact)
    in_turn = [fact for fact in chain.from_iterable(zip_longest(*of_part.values())) if fact]
    lines = [(profile_line(fact), fact) for fact in in_turn]
    fitting = fitting_lines(lines, tokens - line_tokens(PROFILE_HEAD))
    fitting = _with_latest(fitting, latest or {})
    place = {fact: number for number, fact in enumerate(chain(*of_part.values()))}
    return sorted(((fact, line) for line, fact in fitting), key=lambda pair: place[pair[0]])


def profile_line(fact: Fact) -> str:
    """`[3] lives in Lisbon since 2026-03-10`; a long value is cut, and never the date."""
    since = f" since {fact.happened_on}" if fact.happened_on and is_state(fact) else ""
    said = trim(f"[{fact.turn_id}] {in_words(fact.attribute, fact.value)}", _LINE_TOKENS)
    return f"{said}{since}"


def _with_latest(
    lines: Sequence[tuple[str, Fact]], latest: Mapping[int, LatestWord]
) -> list[tuple[str, Fact]]:
    """The lines with the latest word on each; where there is no room, with its first words.

    A value that was said again with another one is shown as what was before.
    """
    room = LATER_TOKENS
    with_latest = []
    for line, fact in lines:
        if word := latest.get(fact.id):
            if word.value:
                newer = replace(fact, value=word.value, turn_id=word.turn.id, happened_on="")
                line = f"{profile_line(newer)}; before: {trim(fact.value, _LINE_TOKENS)}"
            elif (needed := line_tokens(word.text)) <= room:
                room -= needed
                line = f"{line}; {word.text}"
            else:
                line = f"{line}; {word.short_text}"
        with_latest.append((line, fact))
    return with_latest


def mentions_of(facts: Sequence[Fact]) -> Counter[tuple[str, str]]:
    """How often each value of an attribute was said."""
    return Counter(map(mention_key, facts))


def mention_key(fact: Fact) -> tuple[str, str]:
    """The key that two mentions of a fact share."""
    return fact.attribute, " ".join(fact.value.casefold().split())


def _once(facts: Sequence[Fact]) -> Iterator[Fact]:
    """The newest fact of each value."""
    seen: set[tuple[str, str]] = set()
    for fact in facts:
        if mention_key(fact) not in seen:
            seen.add(mention_key(fact))
            yield fact
