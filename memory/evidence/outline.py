"""The outline of a long turn: what it is about, its headings and list items, and what is taken up.

An assistant answers in 600 tokens of headings, lists and code. What somebody may ask of it later is
what it proposed and which of that the person went on with, and this fits a tenth. Compares words
and marks of Markdown, without a model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from memory.records import Turn
from memory.text.passages import CUT, sentences
from memory.text.speakers import is_assistant
from memory.text.tokens import CHARACTERS_PER_TOKEN, count_tokens, trim
from memory.text.word_forms import forms_of, telling_words
from memory.text.words import words

# BEAM's assistants answer in 600 tokens, its users ask in 80. A digest reads half of the tokens
# that it read when all turns were cut alike (docs/figures.md).
OUTLINE_TOKENS = 80
LONG_MESSAGE_TOKENS = 400
# Of what a person says beside code. Eight of 1,216 turns of BEAM's 100K have more than 400 of it,
# and hold 8 % of all that people say there.
PROSE_TOKENS = 1_000
_CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[^\n]*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE_LEFT_OUT = "(code)"
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(?P<text>.+?)[\s#:]*$")
_BOLD_LINE = re.compile(r"^\s*(?:\*\*|__)(?P<text>[^*_]{2,120}?):?(?:\*\*|__):?\s*$")
_ITEM = re.compile(r"^(?P<indent>\s*)(?:[-*+\u2022]|\d{1,3}[.)])\s+(?P<text>.+)$")
_LABEL = re.compile(r"^(?:\*\*|__)?(?P<text>[^*_:]{2,80}?)(?:\*\*|__)?\s*:(?:\*\*|__)?(?:\s|$)")
_MARKS = re.compile(r"\*\*|__|`|^#{1,6}\s+", re.MULTILINE)
# Of 290 long answers in three of BEAM's chats 103 lose a number, 45 two and more (the log).
_LEAST_LOST = 2
# Prices, amounts, times, years: a number of one digit is mostly an item's.
_NUMBER = re.compile(r"\d+(?:[.,:]?\d+)+")
_ITEM_WORDS = 12  # of a list item without a label
_MOST_READ = 40_000  # characters of a text
# What is chosen first: the beginning, headings, what is taken up, items, items of items, the rest.
_FIRST, _OF_HEADING, _TAKEN_UP, _OF_ITEM, _OF_INNER_ITEM, _OTHER = range(6)
# Telling words that a sentence shares with what follows where it is taken up.
_SHARED_WORDS = 3
_LEAST_FIRST_WORDS = 4  # "Certainly!" is no beginning
_LEAST_OF_SENTENCE = 20  # tokens of one that is cut


@dataclass(frozen=True)
class _Part:
    """A piece of the outline, shown in the order of the text."""

    text: str
    order: int
    shared: int = 0
    is_label: bool = False


def outline(text: str, limit: int, taken_up: str = "") -> str:
    """A text as it is where it fits, else its outline of at most about `limit` tokens.

    Arguments:
        text: a turn's; of a huge one only the beginning is read. Code is left out.
        limit: in tokens.
        taken_up: what is said next: sentences that share words with it are kept.
    """
    if _fits(text, limit):
        return text
    parts = _parts(text, taken_up)
    chosen: set[int] = set()
    tokens_left = limit
    ranked = sorted(range(len(parts)), key=lambda n: (parts[n].order, -parts[n].shared))
    for number in ranked:
        part = parts[number]
        size = count_tokens(part.text) + 1
        if size > limit and tokens_left >= _LEAST_OF_SENTENCE:
            # No room would ever hold a sentence like that, and people tell a dozen things in one.
            parts[number] = replace(part, text=trim(part.text, tokens_left))
            chosen.add(number)
            tokens_left = 0
        elif size <= tokens_left:
            chosen.add(number)
            tokens_left -= size
    if not chosen:
        return f"{trim(text[: limit * CHARACTERS_PER_TOKEN], limit)} {CUT}"
    return _joined(parts, chosen)


def _parts(text: str, taken_up: str) -> list[_Part]:
    next_forms = forms_of(telling_words(taken_up))
    parts: list[_Part] = []
    seen: set[str] = set()
    for line in _without_code(text).splitlines():
        label = _label(line)
        for sentence in [line] if label else sentences(line):
            whole = " ".join(_MARKS.sub("", sentence).split())
            if not any(character.isalnum() for character in whole):
                continue
            if not parts and not label and len(whole.split()) < _LEAST_FIRST_WORDS:
                continue
            shared = sum(word in next_forms for word in set(words(whole))) if next_forms else 0
            part = _part(whole, label, shared, is_first=not parts)
            if part.text not in seen:
                seen.add(part.text)
                parts.append(part)
    return parts


def _part(whole: str, label: tuple[str, int] | None, shared: int, is_first: bool) -> _Part:
    if is_first:
        return _Part(whole, _FIRST)
    if shared >= _SHARED_WORDS and not (label and label[1] == _OF_HEADING):
        return _Part(whole, _TAKEN_UP, shared=shared)
    if label:
        return _Part(label[0], label[1], is_label=True)
    return _Part(whole, _OTHER)


def _label(line: str) -> tuple[str, int] | None:
    """What a heading or a list item is about; None for another line."""
    if heading := _HEADING.match(line) or _BOLD_LINE.match(line):
        return _plain(heading["text"]), _OF_HEADING
    item = _ITEM.match(line)
    if not item:
        return None
    order = _OF_INNER_ITEM if item["indent"] else _OF_ITEM
    label = _LABEL.match(item["text"])
    if label:
        return _plain(label["text"]), order
    item_words = _plain(item["text"]).split()
    cut = f" {CUT}" if len(item_words) > _ITEM_WORDS else ""
    return " ".join(item_words[:_ITEM_WORDS]) + cut, order


def _plain(text: str) -> str:
    return " ".join(_MARKS.sub("", text).split()).rstrip(":")


def _joined(parts: Sequence[_Part], chosen: set[int]) -> str:
    """The chosen parts in their order: labels as a list, an ellipsis where sentences are gone."""
    pieces: list[str] = []
    after_label = is_cut = False
    for number, part in enumerate(parts):
        if number not in chosen:
            is_cut = is_cut or not part.is_label
            continue
        if pieces and after_label:
            pieces.append("; " if part.is_label else ". ")
        elif pieces:
            pieces.append(f" {CUT} " if is_cut and not part.is_label else " ")
        pieces.append(part.text)
        after_label = part.is_label
        is_cut = False
    return f"{''.join(pieces)} {CUT}"


def outlined(turns: Sequence[Turn]) -> list[Turn]:
    """Turns as a model reads them that stores facts: long messages by their outlines.

    Of an assistant's OUTLINE_TOKENS are shown at most. Of anybody else's that has more than
    LONG_MESSAGE_TOKENS only code is left out, and what goes beyond PROSE_TOKENS. Documents and
    tool uses stay as they are: their chunks are short.
    """
    next_texts = [*(turn.text for turn in turns[1:]), ""][: len(turns)]
    return [
        replace(turn, text=_read(turn, next_text)) if turn.kind == "message" else turn
        for turn, next_text in zip(turns, next_texts, strict=True)
    ]


def _read(turn: Turn, next_text: str) -> str:
    if is_assistant(turn.speaker):
        return outline(turn.text, OUTLINE_TOKENS, next_text)
    if _fits(turn.text, LONG_MESSAGE_TOKENS):
        return turn.text
    return outline(_without_code(turn.text), PROSE_TOKENS, next_text)


def _fits(text: str, limit: int) -> bool:
    return len(text) <= limit * CHARACTERS_PER_TOKEN and count_tokens(text) <= limit


def _without_code(text: str) -> str:
    return _CODE.sub(_CODE_LEFT_OUT, text[:_MOST_READ])


def answers_cut(turns: Sequence[Turn], limit: int) -> list[Turn]:
    """The assistants' turns whose outlines lack _LEAST_LOST numbers of theirs, without their code.

    Those that lack most, in their order, in at most `limit` tokens together: one alone is cut.
    """
    lost: list[tuple[int, Turn]] = []
    for turn, shown in zip(turns, outlined(turns), strict=True):
        if is_assistant(turn.speaker) and shown.text != turn.text:
            text = _without_code(turn.text)
            count = len(numbers_in(text) - numbers_in(shown.text))
            if count >= _LEAST_LOST:
                lost.append((count, replace(turn, text=trim(text, limit))))
    chosen = []
    for _, turn in sorted(lost, key=lambda pair: (-pair[0], pair[1].id)):
        size = count_tokens(turn.text)
        if size <= limit:
            chosen.append(turn)
            limit -= size
    return sorted(chosen, key=lambda turn: turn.id)


def numbers_in(text: str) -> set[str]:
    """The numbers of two digits and more in a text, by their digits: `1,582` is `1582`."""
    return {re.sub(r"\D", "", number) for number in _NUMBER.findall(text)}
