"""Texts cut into chunks that overlap: between paragraphs or sentences, never inside a word."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memory.search.words import UNSPACED
from memory.tokens import CHARACTERS_PER_TOKEN, count_tokens

# Where a text may be cut: after each paragraph and each sentence. A sentence that is too long is
# cut after a line, else after a word, or after a letter where words have no spaces between them.
# The full stop of a number ends no sentence, so that "1." stays with the item of a list it counts.
_PARAGRAPH, _SENTENCE = 0, 1
_CUTS = [
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile("(?<=[^\\d\\s][.!?])[\"')\\]]*\\s+|(?<=[\u3002\uff01\uff1f])"),
    re.compile(r"\n\s*"),
    re.compile(r"\s+"),
    re.compile(f"(?<={UNSPACED.pattern})"),
]

# With 20 questions about five documents 60 to 800 tokens were tried: 100 to 150 found most in
# little room, and of these the larger have fewer turns to be digested (docs/log.md).
CHUNK_TOKENS = 150
OVERLAP_TOKENS = 40


class _Atom(NamedTuple):
    """A part of the text that is not cut: `text[start:end]`, and its size in tokens."""

    start: int
    end: int
    tokens: int
    ends_paragraph: bool


def chunk_text(
    text: str, size: int = CHUNK_TOKENS, overlap: int = OVERLAP_TOKENS
) -> list[tuple[str, int, int]]:
    """Chunks of at most `size` tokens, each beginning with the end of the one before.

    A chunk ends with a paragraph if that leaves it half full, else with a sentence, else (where
    one sentence exceeds `size`) with a line or a word. A single word that is longer is a chunk.
    The overlap is whole sentences too (or lines, or words), at most `overlap` tokens of them.

    Returns (chunk, start, end) in order: the chunk is `text[start:end]`. White space between
    chunks aside, all of the text is in them.
    """
    atoms = list(_atoms(text, 0, len(text), size=size, level=_PARAGRAPH))
    chunks: list[tuple[str, int, int]] = []
    first = 0
    while first < len(atoms):
        end = _chunk_end(atoms, first, size)
        piece = text[atoms[first].start : atoms[end - 1].end]
        chunk = piece.strip()
        start = atoms[first].start + len(piece) - len(piece.lstrip())
        # Where the overlap leaves no room for what follows it, the chunk would say nothing new.
        end_of_last = chunks[-1][2] if chunks else -1
        if chunk and start + len(chunk) > end_of_last:
            chunks.append((chunk, start, start + len(chunk)))
        first = _next_start(atoms, first=first, end=end, overlap=overlap)
    return chunks


def _atoms(text: str, start: int, end: int, size: int, level: int) -> Iterator[_Atom]:
    """The parts that are not cut: sentences, or less where one exceeds the size.

    `level` is the index in _CUTS of the first cut to try. White space stays with what it follows,
    so the parts are together the whole text.
    """
    if level > _SENTENCE:
        # A part that cannot fit is not counted: that takes long for millions of characters.
        is_too_long = end - start > size * CHARACTERS_PER_TOKEN
        tokens = size + 1 if is_too_long else count_tokens(text[start:end])
        if tokens <= size or level == len(_CUTS):
            ends_paragraph = bool(_CUTS[_PARAGRAPH].search(text, start, end))
            yield _Atom(start, end, tokens=tokens, ends_paragraph=ends_paragraph)
            return
    ends = [match.end() for match in _CUTS[level].finditer(text, start, end)]
    for cut in [*ends, end]:
        if cut > start:
            yield from _atoms(text, start, cut, size=size, level=level + 1)
            start = cut


def _chunk_end(atoms: Sequence[_Atom], first: int, size: int) -> int:
    """The index after the last atom of the chunk that begins with atom `first`."""
    total = 0
    end = first
    paragraph_end = 0  # of the last paragraph that leaves the chunk at least half full
    while end < len(atoms) and (end == first or total + atoms[end].tokens <= size):
        total += atoms[end].tokens
        end += 1
        if atoms[end - 1].ends_paragraph and total >= size // 2:
            paragraph_end = end
    return paragraph_end if paragraph_end and end < len(atoms) else end


def _next_start(atoms: Sequence[_Atom], first: int, end: int, overlap: int) -> int:
    """The atom that begins the chunk after [first, end): as far back as the overlap allows."""
    if end == len(atoms):
        return end
    tokens_left = overlap
    start = end
    # Never back to `first`: the next chunk would be the same one again, without an end.
    while start - 1 > first and atoms[start - 1].tokens <= tokens_left:
        start -= 1
        tokens_left -= atoms[start].tokens
    return start
