"""What the packaged model may write: GBNF grammars made for one call from what the call shows.

A model of 135 million parameters copies names and values from its examples when it may write
anything. So the ids, the speakers and the words it can put into SQL are those in front of it.
"""

import re
from collections.abc import Iterable

from memory.text.words import STOP_WORDS

# How an INSERT and the SELECTs of the packaged model begin; the grammars go on from there.
INSERT = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('"
SELECT = (
    "SELECT turn_id, subject, attribute, value, happened_on, ended_on FROM facts"
    " WHERE lower(value) LIKE '%"
)
ONE_LINE = r"root ::= [^\n]{1,160}"
_OR = "%' OR lower(value) LIKE '%"
_SEARCH = "%' LIMIT 30;\nSELECT s.turn_id, t.said_at, t.speaker, t.text FROM search('"
SELECT_END = "', 10) s JOIN turns t ON t.id = s.turn_id ORDER BY s.score DESC;"
# A turn as every model sees it: `[12] (Mon 08 May 2017) Anna: text`.
_LINE = re.compile(r"^\[(\d+)\] (?:\([^)]*\) )?([^:\n]{1,60}): (.*)$", re.MULTILINE)
_ENDS = re.compile(r"[.!?:;][\"')\]]*$")  # of a sentence, or of a part that stands alone
_LEAST_WORDS = 4  # of a value, unless its sentence is shorter
_MOST_WORDS = 60  # offered to the model: more rules cost more time than they are worth


def insert_fact(turns: str) -> str:
    """The rest of an INSERT: a speaker shown, a word and a sentence they said, the id."""
    lines = _LINE.findall(turns) or [("0", "nobody", "nothing")]
    words = _words(" ".join(text for _, _, text in lines))
    ends = [n for n, word in enumerate(words) if _ENDS.search(word) or n == len(words) - 1]
    starts = [0, *(end + 1 for end in ends[:-1])]
    # A question tells nothing, so values begin in other sentences if there are any.
    tell = [start for start, end in zip(starts, ends, strict=True) if "?" not in words[end]]
    runs = []
    for n, word in enumerate(words[:-1]):
        since = n - max(start for start in starts if start <= n)
        more = f' " " run{n + 1}' if since < _LEAST_WORDS - 1 else f' (" " run{n + 1})?'
        runs.append(f"run{n} ::= {_text(word)}" + ("" if _ENDS.search(word) else more))
    return "\n".join(
        [
            """root ::= speaker "', '" attribute "', '" value "', " id ");" """,
            "speaker ::= " + _one_of(" ".join(_words(speaker)) for _, speaker, _ in lines),
            "attribute ::= " + _one_of(_stems(words)),
            "id ::= " + _one_of(turn_id for turn_id, _, _ in lines),
            "value ::= " + " | ".join(f"run{n}" for n in tell or starts),
            *runs,
            f"run{len(words) - 1} ::= {_text(words[-1])}",
        ]
    )


def select_rows(question: str) -> str:
    """The middle of two SELECTs, over facts and with search(): words of the question."""
    words = list(dict.fromkeys(_stems(_words(question))))
    # search() gets some of the words in their order, so that none is repeated.
    chosen = [
        f'from{n} ::= {_text(word)} (" " ({_later(n + 1, len(words))}))?'
        for n, word in enumerate(words[:-1])
    ]
    return "\n".join(
        [
            f'root ::= word or? or? {_text(_SEARCH)} ({_later(0, len(words))}) "\'"',
            f"or ::= {_text(_OR)} word",
            "word ::= " + _one_of(words),
            *chosen,
            f"from{len(words) - 1} ::= {_text(words[-1])}",
        ]
    )


def _later(first: int, end: int) -> str:
    return " | ".join(f"from{n}" for n in range(first, end))


def _words(text: str) -> list[str]:
    """The first words of a text, as in an SQL string; never empty."""
    words = [
        word.replace("'", "''") for word in text.split() if word.isprintable() and len(word) < 41
    ]
    return words[:_MOST_WORDS] or ["?"]


def _stems(words: Iterable[str]) -> list[str]:
    """The telling words of three and more letters, in lower case; never empty."""
    bare = (word.removesuffix("''s").strip(".,;:!?\"'()[]").lower() for word in words)
    telling = (word for word in bare if len(word) > 2 and word.isalpha())
    return [word for word in telling if word not in STOP_WORDS] or ["something"]


def _text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _one_of(texts: Iterable[str]) -> str:
    return " | ".join(_text(text) for text in dict.fromkeys(texts))
