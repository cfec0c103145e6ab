"""Cuts texts into overlapping chunks: between paragraphs or sentences, never inside a word."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from memory.text.tokens import CHARACTERS_PER_TOKEN, count_tokens
from memory.text.words import UNSPACED

# The cuts: after a paragraph or a sentence. A sentence that is too long is cut after a line, else
# after a word, or after a character where words have no spaces between them. A full stop after a
# number does not end a sentence: "1." stays with its list item.
_PARAGRAPH, _SENTENCE = 0, 1
_CUTS = [
    re.compile(r"\n[^\S\n]*\n\s*"),
    re.compile("(?<=[^\\d\\s][.!?])[\"')\\]]*\\s+|(?<=[\u3002\uff01\uff1f])"),
    re.compile(r"\n\s*"),
    re.compile(r"\s+"),
    re.compile(f"(?<={UNSPACED.pattern})"),
]

# With 20 questions about five documents, of 60 to 800 tokens, 100 to 150 found the most in little
# room; of these, 150 gives the fewest turns to digest (the log).
CHUNK_TOKENS = 150
OVERLAP_TOKENS = 40


class _Atom(NamedTuple):
    """An uncut part of the text: `text[start:end]`, and its size in tokens."""

    start: int
    end: int
    tokens: int
    ends_paragraph: bool


def chunk_text(
    text: str, size: int = CHUNK_TOKENS, overlap: int = OVERLAP_TOKENS
) -> list[tuple[str, int, int]]:
    """Chunks of at most `size` tokens, each beginning with the end of the one before.

    A chunk ends with a paragraph if that leaves it at least half full, else with a sentence, else
    (where one sentence exceeds `size`) with a line or a word. A single longer word is a chunk.
    The overlap also consists of whole sentences (or lines, or words), at most `overlap` tokens.

    Returns (chunk, start, end) in order: the chunk is `text[start:end]`. The chunks contain all of
    the text except white space between them.
    """
    atoms = list(_atoms(text, 0, len(text), size=size, level=_PARAGRAPH))
    chunks: list[tuple[str, int, int]] = []
    first = 0
    while first < len(atoms):
        end = _chunk_end(atoms, first, size)
        piece = text[atoms[first].start : atoms[end - 1].end]
        chunk = piece.strip()
        start = atoms[first].start + len(piece) - len(piece.lstrip())
        # Where the overlap leaves no room for the next atom, the chunk would contain nothing new.
        end_of_last = chunks[-1][2] if chunks else -1
        if chunk and start + len(chunk) > end_of_last:
            chunks.append((chunk, start, start + len(chunk)))
        first = _next_start(atoms, first=first, end=end, overlap=overlap)
    return chunks


def _atoms(text: str, start: int, end: int, size: int, level: int) -> Iterator[_Atom]:
    """The uncut parts: sentences, or less where a sentence exceeds the size.

    `level` is the index in _CUTS of the first cut to try. White space stays with the part before
    it, so the parts together are the whole text.
    """
    if level > _SENTENCE:
        # Skips the count for a part that cannot fit: it takes long for millions of characters.
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
    """The atom where the chunk after [first, end) begins: as far back as the overlap allows."""
    if end == len(atoms):
        return end
    tokens_left = overlap
    start = end
    # Never back to `first`: the next chunk would be the same, and the loop would not end.
    while start - 1 > first and atoms[start - 1].tokens <= tokens_left:
        start -= 1
        tokens_left -= atoms[start].tokens
    return start
