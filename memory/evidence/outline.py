"""The outline of a long turn: amounts with labels, what is taken up, headings and items.

An assistant answers in 600 tokens of headings, lists and code. Later questions are about what it
proposed, with the amounts, and what the person took up; this fits a tenth. Closings are left out.
Compares words and marks of Markdown, without a model.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from memory.records import Turn
from memory.text.passages import CUT, sentences
from memory.text.speakers import is_by_assistant
from memory.text.tokens import CHARACTERS_PER_TOKEN, count_tokens, trim
from memory.text.words import forms_of, telling_words, words

# BEAM's assistants answer in 600 tokens, its users ask in 80. A digest reads half as many tokens as
# when all turns were cut alike (docs/figures.md).
OUTLINE_TOKENS = 80
LONG_MESSAGE_TOKENS = 400
# For a person's words other than code, where there is no room for more. Eight of 1,216 turns of
# BEAM's 100K have more than 400 such tokens, and hold 8 % of all that people say there.
PROSE_TOKENS = 1_000
# Of a block that is shown in a short message: people put lists and addresses between fences, too.
CODE_TOKENS = 60
_CODE = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[^\n]*$|\Z)", re.DOTALL | re.MULTILINE)
_CODE_LEFT_OUT = "(code)"
_HEADING = re.compile(r"^\s{0,3}#{1,6}\s+(?P<text>.+?)[\s#:]*$")
_BOLD_LINE = re.compile(r"^\s*(?:\*\*|__)(?P<text>[^*_]{2,120}?):?(?:\*\*|__):?\s*$")
_ITEM = re.compile(r"^(?P<indent>\s*)(?:[-*+\u2022]|\d{1,3}[.)])\s+(?P<text>.+)$")
_MARKER = re.compile(r"^\s*(?:[-*+\u2022]|\d{1,3}[.)])\s+")
_LABEL = re.compile(r"^(?:\*\*|__)?(?P<text>[^*_:]{2,80}?)(?:\*\*|__)?\s*:(?:\*\*|__)?(?:\s|$)")
_MARKS = re.compile(r"\*\*|__|`|^#{1,6}\s+", re.MULTILINE)
# Prices, amounts, times, years: a number of one digit is mostly an item's.
_NUMBER = re.compile(r"\d+(?:[.,:]?\d+)+")
_ITEM_WORDS = 12  # of a list item without a label, and of a clause with an amount
_MOST_READ = 40_000  # characters of a text
# The order of choice, apart from amounts: what is taken up, the beginning, items, other sentences,
# items of items, headings, headings that say little ("Pros", "Sample Message"). Closings are left
# out.
_TAKEN_UP, _FIRST, _OF_ITEM, _OTHER, _OF_INNER_ITEM, _OF_HEADING, _BARE_HEADING, _CLOSING = range(8)
# Telling words of a heading that says something. Without any headings, outlines keep .47 of the
# words of right answers, not .53 (docs/log.md).
_HEADING_WORDS = 3
# The share of an outline that amounts may take. It keeps .12 of the numbers of 1,208 long answers
# at 0, .36 at .3 and .57 at .6; of the words of right answers .53, .52 and .51 (the log).
_SHARE_OF_AMOUNTS = 0.6
# Telling words that a sentence shares with what follows, if that takes it up.
_SHARED_WORDS = 3
_LEAST_FIRST_WORDS = 4  # "Certainly!" does not count as a beginning
_LEAST_OF_SENTENCE = 20  # tokens of a cut sentence
# Formulas of LaTeX: a block is one line, and its commands are not words.
_FORMULA = re.compile(r"\\\[.{,400}?\\\]|\$\$.{,400}?\$\$", re.DOTALL)
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|boxed)\{([^{}]*)\}|\\[()\[\]]|\$\$")
_LETTER_FORM = re.compile(r"^\s*(?:\[[^\]]*\]|(?:\S+\s+){0,3}\S+,)\s*$")
_TABLE_ROW = re.compile(r"^\s*\|(?P<cells>.+)\|\s*$")
_SENTENCE_ENDS = (".", "!", "?", CUT)
_WORD = re.compile(r"[^\W_]+")
_WORDS_BEFORE, _WORDS_AFTER = 4, 3  # an amount in a long clause
_TABLE_RULE = re.compile(r"^[\s|:-]+$")


@dataclass(frozen=True)
class _Part:
    """A piece of the outline, shown in the order of the text.

    `label` replaces an item that does not fit. `amounts` is its form by its numbers, "" if it has
    none, and `has_label` says whether they have a separate label. `is_label` is for a list's
    entries.
    """

    text: str
    order: int
    shared: int = 0
    is_label: bool = False
    label: str = ""
    amounts: str = ""
    has_label: bool = False


def outline(text: str, limit: int, taken_up: str = "", *, closes: bool = True) -> str:
    """The text unchanged if it fits, else its outline of at most about `limit` tokens.

    Arguments:
        text: a turn's; only the beginning of a huge one is read. Code is left out.
        limit: in tokens.
        taken_up: the next message: sentences that share words with it are kept.
        closes: whether the text may end in a closing, as an assistant's does.
    """
    if _fits(text, limit):
        return text
    parts = _parts(text, taken_up, closes)
    chosen, tokens_left = _amounts(parts, limit)
    remaining = [n for n, part in enumerate(parts) if n not in chosen and part.order != _CLOSING]
    labels = list[int]()  # of items that do not fit
    for number in sorted(remaining, key=lambda n: (parts[n].order, -parts[n].shared)):
        part = parts[number]
        size = count_tokens(part.text) + 1
        if part.label and size > tokens_left:
            labels.append(number)
        elif size > limit and tokens_left >= _LEAST_OF_SENTENCE:
            # Such a sentence would never fit, and people tell a dozen things in one.
            chosen[number] = replace(part, text=trim(part.text, tokens_left))
            tokens_left = 0
        elif size <= tokens_left:
            chosen[number] = part
            tokens_left -= size
    for number in labels:
        label = replace(parts[number], text=parts[number].label)
        size = count_tokens(label.text) + 1
        if size <= tokens_left:
            chosen[number] = label
            tokens_left -= size
    if not chosen:
        return f"{trim(text[: limit * CHARACTERS_PER_TOKEN], limit)} {CUT}"
    return _joined(parts, chosen)


def _amounts(parts: Sequence[_Part], limit: int) -> tuple[dict[int, _Part], int]:
    """The parts that tell most numbers for their size, by place, and the tokens that are left.

    Those with a label come first: the label says what the number is.
    """
    numbers = {n: numbers_in(part.amounts) for n, part in enumerate(parts) if part.amounts}
    sizes = {n: count_tokens(parts[n].amounts) + 1 for n in numbers}
    room = int(limit * _SHARE_OF_AMOUNTS)
    chosen: dict[int, _Part] = {}
    counted: set[str] = set()

    def rank(n: int) -> tuple[bool, float]:
        return not parts[n].has_label, -len(numbers[n]) / sizes[n]

    for n in sorted(numbers, key=rank):
        if sizes[n] <= room and not numbers[n] <= counted:
            chosen[n] = replace(parts[n], text=parts[n].amounts, is_label=True)
            counted |= numbers[n]
            room -= sizes[n]
            limit -= sizes[n]
    return chosen, limit


def _parts(text: str, taken_up: str, closes: bool) -> list[_Part]:
    next_forms = forms_of(telling_words(taken_up))
    parts: list[_Part] = []
    seen: set[str] = set()
    lines = _lines(text)
    end = _closing(lines) if closes else len(lines)
    for place, line in enumerate(lines):
        label = _label(line)
        for sentence in [line] if label else sentences(line):
            row = _TABLE_ROW.match(line)
            item = _row(row["cells"]) if row else _MARKER.sub("", line)
            whole = _plain(item if label else sentence, end="")
            is_empty = not any(character.isalnum() for character in whole)
            if is_empty or (closes and whole == _CODE_LEFT_OUT):  # an assistant's code is expected
                continue
            if not parts and not label and len(whole.split()) < _LEAST_FIRST_WORDS:
                continue
            shared = sum(word in next_forms for word in set(words(whole))) if next_forms else 0
            part = _part(whole, label, shared, is_first=not parts)
            if place >= end and part.order != _TAKEN_UP:
                part = replace(part, order=_CLOSING)
            if part.text not in seen:
                seen.add(part.text)
                name, amounts = _amounts_of(sentence)
                parts.append(replace(part, amounts=name + amounts, has_label=bool(name)))
    return parts


def _lines(text: str) -> list[str]:
    """The lines of a text without its code and a letter's forms, each formula on one line."""
    plain = _FORMULA.sub(lambda formula: " ".join(formula[0].split()), without_code(text))
    return [line for line in plain.splitlines() if line.strip() and not _is_form(line)]


def _is_form(line: str) -> bool:
    """Whether it is a table's rule, or of a letter what has no name: "Sincerely," "[Your name]"."""
    return bool(
        _TABLE_RULE.match(line) or (_LETTER_FORM.match(line) and not _details(line.strip("[ ]")))
    )


def _closing(lines: Sequence[str]) -> int:
    """The index of the closing's first line; the number of lines if there is none.

    A closing is prose after the last list, code or table, with its heading, or without these after
    the last of several headings, that adds no number and no name.
    """
    kinds = [_kind(line) for line in lines]
    headings = [place for place, kind in enumerate(kinds) if kind == "heading"]
    if "list" in kinds:
        first = 0
    elif len(headings) > 1:
        first = headings[-1]
    else:
        return len(lines)  # prose alone ends where it ends
    known: set[str] = set()
    for place, (line, kind) in enumerate(zip(lines, kinds, strict=True)):
        details = _details(line)
        if kind == "list" or not details <= known:
            first = max(first, place + 1)
        known |= details
    return first


def _kind(line: str) -> str:
    """`heading`, `list` for anything else but prose, or ""."""
    if _HEADING.match(line) or _BOLD_LINE.match(line):
        return "heading"
    is_list = _ITEM.match(line) or _TABLE_ROW.match(line) or line.strip() == _CODE_LEFT_OUT
    return "list" if is_list else ""


def _details(line: str) -> set[str]:
    """The numbers and names of a line: words with a digit, and capitals within a sentence."""
    return {
        word
        for sentence in sentences(_MARKS.sub("", line))
        for place, word in enumerate(_WORD.findall(sentence))
        if (place and word[0].isupper()) or any(map(str.isdigit, word))
    }


def _part(whole: str, label: tuple[str, int] | None, shared: int, is_first: bool) -> _Part:
    if is_first:
        return _Part(whole, _FIRST)
    if shared >= _SHARED_WORDS and not (label and label[1] == _OF_HEADING):
        return _Part(whole, _TAKEN_UP, shared=shared)
    if not label:
        return _Part(whole, _OTHER)
    text, order = label
    whole, text = (text, "") if order == _OF_HEADING else (whole.rstrip(":"), text)
    says_little = len({*telling_words(whole)}) < _HEADING_WORDS
    return _Part(whole, _BARE_HEADING if says_little else order, is_label=True, label=text)


def _label(line: str) -> tuple[str, int] | None:
    """The subject of a heading, a list item or a table's row; None for another line."""
    if heading := _HEADING.match(line) or _BOLD_LINE.match(line):
        return _plain(heading["text"]), _OF_HEADING
    if row := _TABLE_ROW.match(line):
        return _short(_row(row["cells"])), _OF_INNER_ITEM
    item = _ITEM.match(line)
    if not item:
        return None
    order = _OF_INNER_ITEM if item["indent"] else _OF_ITEM
    label = _LABEL.match(item["text"])
    return (_plain(label["text"]) if label else _short(item["text"])), order


def _row(cells: str) -> str:
    """`Deficit: 350 kcal, 12 weeks` of a table's row."""
    label, *values = [cell.strip() for cell in cells.split("|")]
    return ": ".join(filter(None, (label, ", ".join(filter(None, values)))))


def _short(text: str) -> str:
    text_words = _plain(text).split()
    cut = f" {CUT}" if len(text_words) > _ITEM_WORDS else ""
    return " ".join(text_words[:_ITEM_WORDS]) + cut


def _amounts_of(line: str) -> tuple[str, str]:
    """A line's label, as `Cello: `, and the words around its numbers; "" for what it lacks."""
    row = _TABLE_ROW.match(line)
    heading = _HEADING.match(line) or _BOLD_LINE.match(line)
    item = _ITEM.match(line)
    text = _row(row["cells"]) if row else heading["text"] if heading else line
    text = item["text"] if item else text
    label = _LABEL.match(text)
    text_words = _plain(text[label.end() :] if label else text).split()
    with_number = [n for n, word in enumerate(text_words) if _NUMBER.search(word)]
    if not with_number:
        return "", ""
    name = f"{_plain(label['text'])}: " if label else ""
    if len(text_words) <= _ITEM_WORDS:
        return name, " ".join(text_words)
    # An item without a label begins with its subject: "a speaker ... ($35)".
    near = {*range(_WORDS_BEFORE)} if item and not label else set[int]()
    for n in with_number:
        near.update(range(max(n - _WORDS_BEFORE, 0), min(n + _WORDS_AFTER + 1, len(text_words))))
    pieces = [
        word if place in near else CUT
        for place, word in enumerate(text_words)
        if place in near or place - 1 in near or place == 0
    ]
    return name, " ".join(pieces)


def _plain(text: str, end: str = ":") -> str:
    """A text on one line without marks of Markdown and LaTeX, and without `end` at its end."""
    return " ".join(_MARKS.sub("", _LATEX_TEXT.sub(r"\1", text)).split()).rstrip(end)


def _joined(parts: Sequence[_Part], chosen: Mapping[int, _Part]) -> str:
    """The chosen parts in their order: labels as a list, an ellipsis where sentences are gone."""
    pieces: list[str] = []
    after_label = is_cut = False
    for number, unchosen in enumerate(parts):
        part = chosen.get(number, unchosen)
        if number not in chosen:
            is_cut = is_cut or not part.is_label
            continue
        ends = _SENTENCE_ENDS[:-1] if part.is_label else _SENTENCE_ENDS
        if pieces and after_label and pieces[-1].endswith(ends):
            pieces.append(" ")
        elif pieces and after_label:
            pieces.append("; " if part.is_label else ". ")
        elif pieces:
            pieces.append(f" {CUT} " if is_cut and not part.is_label else " ")
        pieces.append(part.text)
        after_label = part.is_label
        is_cut = False
    return f"{''.join(pieces).removesuffix(CUT).rstrip()} {CUT}"


def outlined(turns: Sequence[Turn], prose: int = PROSE_TOKENS) -> list[Turn]:
    """Turns for a model that stores facts: long messages as their outlines.

    An assistant's message gets at most OUTLINE_TOKENS. Anyone else's message loses only blocks of
    code of more than CODE_TOKENS and, over LONG_MESSAGE_TOKENS, all its code and what goes beyond
    `prose` tokens. Documents and tool uses stay unchanged: their chunks are short.
    """
    next_texts = [*(turn.text for turn in turns[1:]), ""][: len(turns)]
    return [
        replace(turn, text=_read(turn, next_text, prose)) if turn.kind == "message" else turn
        for turn, next_text in zip(turns, next_texts, strict=True)
    ]


def _read(turn: Turn, next_text: str, prose: int) -> str:
    if is_by_assistant(turn):
        return outline(turn.text, OUTLINE_TOKENS, next_text)
    if _fits(turn.text, LONG_MESSAGE_TOKENS):
        return _CODE.sub(_short_code, turn.text)
    return outline(without_code(turn.text), prose, next_text, closes=False)


def _short_code(block: re.Match[str]) -> str:
    """A block of code that may be a list or an address, or what is shown in its place."""
    return block[0] if _fits(block[0], CODE_TOKENS) else _CODE_LEFT_OUT


def _fits(text: str, limit: int) -> bool:
    return len(text) <= limit * CHARACTERS_PER_TOKEN and count_tokens(text) <= limit


def without_code(text: str) -> str:
    """The beginning of a text, without its blocks of code."""
    return _CODE.sub(_CODE_LEFT_OUT, text[:_MOST_READ])


def numbers_in(text: str) -> set[str]:
    """The numbers of two digits and more in a text, by their digits: `1,582` is `1582`."""
    return {re.sub(r"\D", "", number) for number in _NUMBER.findall(text)}
