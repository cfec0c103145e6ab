"""What turns are about, if there are no facts: the words that tell most of them."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from memory.records import Turn
from memory.search.embed import word_weights
from memory.text.dates import COUNT, MONTHS, WEEKDAYS
from memory.text.words import STOP_WORDS, UNSPACED, words

_MOST_TOPICS = 16
_MOST_WEIGHED = 400  # words, the most frequent
_SHORTEST = 3  # letters: "ok" and "im" are not topics
_LONGEST_TEXT = 4_000  # characters of a turn that are read
_FEW_TURNS = 20  # among which a topic may come up once
# Dates are next to the topics on the page, in full and in short.
_DATES = {name[:end] for name in (*MONTHS, *WEEKDAYS) for end in (3, 4, len(name))}
_NO_TOPICS = STOP_WORDS | COUNT.keys() | _DATES
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}\b")  # not at the beginning of a sentence
_NAME_WEIGHT = 2.0


def topics(turns: Sequence[Turn]) -> list[str]:
    """The words that best tell what turns are about, best first, at most sixteen.

    A word counts by its turns and by its weight in the packaged embedder, and names count twice.
    Words that most sessions have are of the language rather than of a topic. Words of scripts
    without spaces are left out: the index cuts them into pairs of characters.
    """
    turn_counts: Counter[str] = Counter()
    names: Counter[str] = Counter()
    sessions: defaultdict[str, set[str]] = defaultdict(set)
    speakers = {word for turn in turns for word in words(turn.speaker)}
    for turn in turns:
        text = turn.text[:_LONGEST_TEXT]
        names.update({*_NAME.findall(text)})
        for word in {*words(text)} - speakers:
            if _may_be_topic(word):
                turn_counts[word] += 1
                sessions[word].add(turn.session)

    # Words that have a capital letter in at least half of their turns.
    name_of = {
        name.lower(): name
        for name, count in names.items()
        if count * 2 >= turn_counts[name.lower()]
    }
    least = 1 if len(turns) < _FEW_TURNS else 2
    frequent = [word for word, count in turn_counts.most_common(_MOST_WEIGHED) if count >= least]
    all_sessions = len({turn.session for turn in turns})
    scores: dict[str, float] = {}
    for word, weight in zip(frequent, word_weights(frequent), strict=True):
        elsewhere = (len(sessions[word]) - 1) / all_sessions
        scores[word] = turn_counts[word] * weight * (1 - elsewhere) ** 2
        if word in name_of:
            scores[word] *= _NAME_WEIGHT
    best: list[str] = []
    for word in sorted(scores, key=lambda word: (-scores[word], word)):
        if not {word, f"{word}s", word.removesuffix("s")} & {*best}:
            best.append(word)
    return [name_of.get(word, word) for word in best[:_MOST_TOPICS]]


def _may_be_topic(word: str) -> bool:
    is_long = len(word) >= _SHORTEST and word.isalpha()
    return is_long and word not in _NO_TOPICS and not UNSPACED.match(word)
