"""Turns that repeat what their speaker said: "too cold", "as I said, too cold" share a line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain, groupby

from memory.records import Turn
from memory.text.dates import COUNT, is_iso_date, resolve_dates, short_day
from memory.text.text_cache import TextCache
from memory.text.words import words
from memory.vocabulary.templates.words import language_words

# Chosen by 22 pairs of sentences, between "I called Anna" and "I called Anna's mother" (.85) and "I
# want to leave" and "as I keep saying, I want to leave" (.90; the log).
_LEAST_COSINE = 0.9
_FEWEST = 3  # turns; two are no burden
_LONGEST = 200  # characters; in a longer text something else is said too
_MOST_DAYS = 12  # that are named
_words_of = TextCache(lambda text: tuple(words(text)), most=1_000, longest=_LONGEST)


def said_again(turns: Sequence[Turn]) -> Mapping[int, list[Turn]]:
    """Of each message that its speaker said three times or more, by its id: all that say it.

    First comes the turn that represents them, the newest of the longest. A turn says the same as
    another if it has all of its words, in order, and others that hardly change its meaning: no
    number and no "not".
    """
    groups: dict[int, list[Turn]] = {}
    by_speaker = defaultdict[str, list[Turn]](list)
    for turn in turns:
        if turn.kind == "message" and len(turn.text) <= _LONGEST:
            by_speaker[turn.speaker].append(turn)
    for group in chain.from_iterable(map(_groups, by_speaker.values())):
        # "It rained today" says another thing each day.
        same = [turn for turn in group if resolve_dates(turn.text, turn.said_at) == turn.text]
        if len(same) >= _FEWEST:
            same.sort(key=lambda turn: (len(_words_of[turn.text]), turn.said_at, turn.id))
            same.reverse()
            groups |= {turn.id: same for turn in same}
    return groups


def again_mark(turns: Sequence[Turn]) -> str:
    """`said 9 times, also on 1, 2, 7 Feb 2026`: when the same was said, besides the first turn."""
    first_day, *days = (turn.said_at[:10] for turn in turns)
    days = sorted({day for day in days if is_iso_date(day) and day != first_day})
    times = f"said {len(turns)} times"
    if len(days) > _MOST_DAYS:
        return f"{times}, from {short_day(days[0])} to {short_day(days[-1])}"
    parts = [short_day(day).partition(" ") for day in days]
    months = [
        f"{', '.join(day for day, _, _ in of_month)} {month}"
        for month, of_month in groupby(parts, lambda part: part[2])
    ]
    return f"{times}, also on {', '.join(months)}" if months else times


def _groups(turns: Sequence[Turn]) -> list[list[Turn]]:
    """Of one speaker's turns, those together that say the same or say what says the same."""
    words_in = {turn.id: _words_of[turn.text] for turn in turns}
    holders = defaultdict[str, list[Turn]](list)
    for turn in turns:
        for word in {*words_in[turn.id]}:
            holders[word].append(turn)
    group_of: dict[int, list[Turn]] = {}
    for turn in turns:
        # What has all of its words has the rarest of them.
        candidates = min(map(holders.__getitem__, words_in[turn.id]), key=len, default=())
        if len(candidates) < 2:  # itself alone
            continue
        for candidate in candidates:
            group = group_of.setdefault(turn.id, [turn])
            joined = group_of.setdefault(candidate.id, [candidate])
            if group is not joined and _says_the_same(turn, candidate, words_in):
                group += joined
                group_of |= dict.fromkeys((turn.id for turn in joined), group)
    large = {id(group): group for group in group_of.values() if len(group) >= _FEWEST}
    return [*large.values()]


def _says_the_same(turn: Turn, longer: Turn, words_in: Mapping[int, Sequence[str]]) -> bool:
    """Whether a turn is said by another that has as many words or more."""
    words_of_turn, longer_words = words_in[turn.id], words_in[longer.id]
    if words_of_turn == longer_words:
        return True
    if not len(words_of_turn) < len(longer_words) <= 2 * len(words_of_turn):
        return False
    added = _added(words_of_turn, longer_words)
    if not added or any(map(_tells, added)):
        return False
    from memory.search.embed import embed  # with numpy, which most commands do not need

    vector, longer_vector = embed([turn.text, longer.text])
    return float(vector @ longer_vector) >= _LEAST_COSINE


def _added(shorter: Sequence[str], longer: Sequence[str]) -> list[str]:
    """The words that the longer text has besides the shorter one's; [] if it lacks one of these."""
    added = [*longer]
    place = 0
    for word in shorter:
        if word not in added[place:]:
            return []
        place = added.index(word, place)
        del added[place]
    return added


@cache
def _negations() -> frozenset[str]:
    return language_words().negations | {"t"}  # "can't" is read as two words


def _tells(word: str) -> bool:
    """Whether a word that is added changes what is said: a number or a negation."""
    return not word.isalpha() or word in COUNT or word in _negations()
