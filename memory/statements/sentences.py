"""The sentences of a chat message in which somebody may state something, in plain writing."""

import re
from collections.abc import Iterator
from functools import lru_cache

# Curly quotation marks, long dashes and ellipses, as keyboards have them.
_PLAIN_MARKS = str.maketrans(
    {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2013: "-", 0x2014: " - ", 0x2026: "..."}
)
_NOT_SAID = re.compile(
    r"```.*?(?:```|\Z)|^\s*>.*$|`[^`\n]*`|https?://\S+|^ {4}.*$", re.DOTALL | re.MULTILINE
)
# What stands in quotation marks was said by somebody else, if it is a sentence and no title.
_QUOTED = re.compile(r'"([^"\n]*)"')
_IS_SENTENCE = re.compile(
    r"\s*(?:i|we|you|he|she|it|they|my|our|your|his|her|this|that|there|do|don't|can|please"
    r"|let)\b"
    r"|.*[.!?,]\s*$|(?:\S+\s+){7}",
    re.IGNORECASE,
)
_SENTENCE = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|vs|approx|no)\.|\d\.(?=\d| (?:jan|feb|mär|apr|mai|jun|jul|aug"
    r"|sep|okt|nov|dez))|\.(?=\w)|\.{2,}(?=\s*[a-z])|[^.!?\n])+"
    r"[.!?)]*",
    re.IGNORECASE,
)
# Hundreds of dots in a row took seconds: each of them may begin what ends with the last.
_MANY_DOTS = re.compile(r"\.{4,}")
# The cost of a sentence grows faster than its length.
_LONGEST_SENTENCE = 600  # characters
_CONTRACTIONS = tuple(
    (re.compile(pattern, re.IGNORECASE), words)
    for pattern, words in (
        (r"\bcan'?t\b|\bcan not\b", "cannot"),
        (r"\bwon't\b", "will not"),
        (r"\bain'?t\b", "is not"),
        (r"\b(do|does|did|is|are|was|were|has|have|had|would|could|should)n'?t\b", r"\1 not"),
        (r"\bi'?m\b", "I am"),
        (r"\b(i|we|you|they)'?ve\b", r"\1 have"),
        (r"\b(i|we|you|they|he|she|it)'ll\b", r"\1 will"),
        (r"\b(i|we|you|they|he|she|it)'d (?=been\b|\w+ed\b|had\b|got\b|gone\b)", r"\1 had "),
        (r"\b(i|we|you|they|he|she|it)'d\b", r"\1 would"),
        (r"\b(we|they|you)'re\b", r"\1 are"),
        (r"\bgonna\b", "going to"),
        (r"\bwanna\b", "want to"),
        (r"\bgotta\b", "have to"),
        (r"\bdunno\b", "do not know"),
        (
            r"\b(?:me|myself) and (?=(\w+) (?:are|were|have|had|went|got|moved|split"
            r"|broke)\b)\w+",
            r"\1 and I",
        ),
        (r"\b(\w+) and me (?=(?:are|were|have|had|went|got|moved|split|broke)\b)", r"\1 and I "),
    )
)


# A dozen readers of a turn ask for the same sentences.
@lru_cache(maxsize=16)
def sentences(text: str) -> tuple[str, ...]:
    """The sentences of a text, without code, links and what others say in it."""
    return tuple(_sentences(text))


def _sentences(text: str) -> Iterator[str]:
    plain = _NOT_SAID.sub(" ", text.translate(_PLAIN_MARKS))
    plain = _MANY_DOTS.sub("...", plain)
    plain = _QUOTED.sub(lambda match: '""' if _IS_SENTENCE.match(match[1]) else match[0], plain)
    for match in _SENTENCE.finditer(plain):
        if sentence := match[0].strip():
            yield sentence if len(sentence) <= _LONGEST_SENTENCE else sentence[:_LONGEST_SENTENCE]


# Each reader of a turn asks for the same sentences.
@lru_cache(maxsize=256)
def written_out(text: str) -> str:
    """A text with its contractions written out: "I'm" is "I am"; not those of names."""
    for contraction, words in _CONTRACTIONS:
        text = contraction.sub(words, text)
    return text


_ENGLISH = frozenset(
    {
        *("the", "a", "i", "is", "to", "of", "and", "my", "it", "that", "was", "for", "you", "we"),
        *(
            "i'm",
            "on",
            "with",
            "he",
            "she",
            "have",
            "has",
            "at",
            "be",
            "this",
            "but",
            "not",
            "from",
        ),
    }
)
_OTHER = frozenset(
    {
        *("ich", "und", "der", "die", "das", "ist", "nicht", "mit", "ein", "eine", "für", "auf"),
        *("den", "dem", "wir", "habe", "hat", "bin", "sind", "mein", "meine", "zu", "im", "sie"),
        *("er", "es", "war", "auch", "noch", "aber", "von", "je", "le", "les", "est", "et", "une"),
        *("des", "pas", "pour", "que", "qui", "dans", "mon", "ma", "mes", "j'ai", "j'habite", "un"),
        *(
            "suis",
            "avec",
            "sur",
            "nous",
            "elle",
            "il",
            "la",
            "au",
            "du",
            "c'est",
            "yo",
            "el",
            "los",
        ),
        *("las", "y", "en", "mi", "con", "por", "una", "tengo", "para", "vivo", "soy", "trabajo"),
        *(
            "mis",
            "del",
            "está",
            "muy",
            "pero",
            "como",
            "heiße",
            "wohne",
            "arbeite",
            "hablo",
            "parle",
        ),
        *("mudé", "mudado", "mudamos", "llamo", "llama", "nací", "alérgico", "alérgica", "gezogen"),
        *("née", "né", "déménagé", "nach", "allergique", "allergisch", "soy", "casada", "casado"),
    }
)


def languages(text: str) -> tuple[bool, bool]:
    """Whether a text may be English, and whether it may be German, French or Spanish.

    By its small words; a text that has none may be either.
    """
    words = re.findall(r"[\w']+", text.lower().replace("\u2019", "'"))
    english = sum(word in _ENGLISH for word in words)
    other = sum(word in _OTHER for word in words)
    return english >= other, other >= english
