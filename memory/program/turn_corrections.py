"""What somebody corrected later: a number, an age, a day or a side, read from the correction.

"I told you wrong about the sofa. It went for 320, not 350." has no price, no seller and no buyer in
one sentence; but it says that something was wrong, what it was about, and one new value of the kind
that is asked for. Whoever asks for the value is told the corrected one.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from memory.dates import COUNT, MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import FactQuestion, read_fact_question, with_named_asker
from memory.program.fact_words import all_forms
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, select_with, turns_of
from memory.program.spoken_days import days_in, spoken
from memory.program.told_of import quoted_of
from memory.program.turn_events import other_names
from memory.records import Rows, Turn
from memory.search.words import words

_MOST_TURNS = 80
_LEAST = 12  # below it, two numbers may be the same by chance
_PREFIX = 4  # letters at least, before the word that a compound is short for
_BEFORE = 3  # turns, in which stands what is corrected
_CUES = (
    "wrong mixed mistake sorry actually really not instead correction misread meant said wrote"
    " told swapped turned counted end correct"
)
# They say that what was told was not so.
_CORRECTS = re.compile(
    r"\b(?:(?:i|we|he|she|they) (?:\w+ ){0,2}?(?:told|gave|sent|wrote|said|read|had|got|was|were"
    r"|counted|remembered|quoted)\b[^.!?]{0,40}\b(?:wrong(?:ly)?|mistaken)"
    r"|(?:the|my) wrong \w+|(?:i|we)(?:'ve| have)? (?:mixed|muddled|swapped|confused|misread"
    r"|miscounted|misremembered|misheard|mis-?typed)\b|my mistake|correction|scratch that"
    r"|sorry,? (?:no|wrong)|no,? sorry"
    r"|(?:have|need|ought|want) to correct|(?:must|should|let me) correct"
    r"|i (?:said|wrote|told you|thought|meant)\b[^.!?]{0,40}\bbut\b|no,? (?:wait|hang on|hold on)"
    r"|tell a lie|mea culpa|set (?:me|you) straight|put (?:it )?right|must confess|own up"
    r"|nearer [\w-]+ than|closer to [\w-]+ than|more like [\w-]+ than"
    r"|it turns? out|turned out|in the end|typo|slip of the"
    r"|actually|(?:i|we)(?:'ve| have)? (?:just )?(?:looked (?:it )?up|checked)\b(?! in\b|ed))\b"
    r"|[\w'], (?:and )?not (?:on |at |in |for |to |the |about )*"
    rf"(?:[$\u00a3\u20ac]?\d|(?:{'|'.join(COUNT)})\b"
    rf"|(?:{'|'.join(WEEKDAYS)}|{'|'.join(MONTHS)})\b)"
    r"|\b(?:was|were|is|are|it's) not (?:on |at |for )?(?:the |about )*"
    rf"(?:\d|(?:{'|'.join(COUNT)})\b|(?:{'|'.join(WEEKDAYS)})\b)[^.!?]* but\b"
    r"|^\W*(?:\w+ )?sorry\b",
    re.IGNORECASE,
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_TEENS = ["thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_NUMBERS = {
    **{word: number for word, number in COUNT.items() if word not in ("a", "an", "a couple of")},
    **{word: 13 + n for n, word in enumerate(_TEENS)},
    **{word: 20 + 10 * n for n, word in enumerate(_TENS)},
}
_SMALL_NUMBER = "|".join(sorted(_NUMBERS, key=len, reverse=True))
# "seven hundred and fifty", "twenty-seven fifty"
_IN_WORDS = (
    rf"\b(?:(?:{_SMALL_NUMBER}|a)[- ])?(?:{_SMALL_NUMBER}|a)[- ](?:hundred|thousand)"
    rf"(?:(?: and)? (?:{_SMALL_NUMBER}|hundred)(?:[- ](?:{_SMALL_NUMBER}|hundred))*)?\b"
    rf"|\b(?:{'|'.join(_TENS)})-(?:{_SMALL_NUMBER}) (?:{'|'.join(_TENS)})\b"
)
_QUANTITY = re.compile(
    rf"(?P<phrase>{_IN_WORDS})|"
    r"(?P<currency>[$\u00a3\u20ac] ?)?(?<![\w.,:/])(?P<number>\d{1,3}(?:[, ]\d{3})+(?:\.\d\d?)?"
    r"|\d+(?:[.,]\d+)?(?:k\b)?)"
    rf"(?!\d|[:/]\d|(?:st|nd|rd|th)\b|[ap]m\b|%| (?:{'|'.join(MONTHS)})\b)"
    rf"|\b(?P<word>(?:(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)[- ])?"
    rf"(?:{'|'.join(word for word in _NUMBERS if word != 'one')}))\b",
    re.IGNORECASE,
)
# They say so only of what they name.
_WEAK = re.compile(
    r"(?:it )?turns? out|turned out|in the end|actually|(?:i|we)(?:'ve| have)? .*(?:up|checked)"
    r"|^\W*(?:\w+ )?sorry\b",
    re.IGNORECASE,
)
# What is counted over a whole memory is corrected by no sentence.
_OF_SEVERAL = re.compile(
    r"\b(?:times|how often|first|last|next|all|total|altogether|every|days|dates)\b", re.IGNORECASE
)
_SO = re.compile(r"\b(?:so|which makes|that makes|making)\b(?! that\b)", re.IGNORECASE)
_NOT_THE_OTHER = re.compile(r"\D{0,20}?,? (?:and )?not\b", re.IGNORECASE)
# What stands behind these was wrong: "not 13,500", "instead of 400", "I said 40".
_WAS_WRONG = re.compile(
    r"(?:\b(?:nearer|closer to|more like) [\w-]+ than"
    r"|\b(?:not|instead of|rather than|and no|n't|said|wrote|told you|thought|was told|bragged"
    r"|rather than|more than|less than|from|meant to be|supposed to be))"
    r"(?: (?:it|he|she|they|that|was|were|is|to|be|the|of|about|on|only|you|a|at|for|around|my|his"
    r"|her|our|their))*[ \u201c\"]*$",
    re.IGNORECASE,
)
_ASKS = (
    ("age", re.compile(r"^\W*(?:how old|what age)\b", re.IGNORECASE)),
    (
        "amount",
        re.compile(
            r"^\W*(?:(?:for|at|by) )?(?:how (?:much|many)|(?:at |for )?(?:what|which)"
            r" (?:price|rent|sum|fee)\b|what(?:'s| is| was| did| does)\b.*"
            r"\b(?:price|cost|rent|fee|salary|charge|weight|height|size|number)\b"
            r"|what (?:did|does|do)\b.*\b(?:pay|spend|earn|weigh|charge)\b(?!.* (?:on|with)\W*$))",
            re.IGNORECASE,
        ),
    ),
    (
        "time",
        re.compile(
            r"^\W*(?:at )?what (?:time\b|(?:is|was|are|were)\b.*\btimes?\b(?! of (?:day|year)))",
            re.IGNORECASE,
        ),
    ),
    (
        "day",
        re.compile(
            r"^\W*(?:when\b|(?:on |for )?(?:what|which) (?:\w+ )?(?:day|date)s?\b)", re.IGNORECASE
        ),
    ),
    ("side", re.compile(r"^\W*(?:in |on )?(?:which|what) (?P<what>[a-z]+)\b", re.IGNORECASE)),
)
_HAS_SIDES = frozenset(
    words(
        "wrist arm leg foot ankle knee hip shoulder eye ear hand finger thumb elbow lung kidney"
        " side cheek breast heel calf thigh"
    )
)
_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
# Of the clock, or what somebody ran.
_TIME = re.compile(
    r"(?<![\d:.])\d{1,2}(?::\d{2}){1,2}(?![\d:])(?: ?[ap]\.?m\b)?|\b\d{1,2}(?:\.\d{2})? ?[ap]\.?m\b"
    r"|\b\d{1,2} o'clock",
    re.IGNORECASE,
)
_PATTERNS = {"side": _SIDE, "time": _TIME}
# Words of a question that say nothing of what it is about.
_NO_TOPIC = frozenset(
    words(
        "much many money really actually exactly pay pays paid cost costs get gets got give gave"
        " given sell sells sold buy buys bought spend spent go went do did is was were be have has"
        " had old age day date price per month week year together altogether total people day"
        " finally take took taken place happen happened held hold people each them does right"
        " number amount euros pounds dollars euro pound dollar correct true how when which what"
        " monthly weekly yearly annual real actual"
        " break broke broken hurt injure injured receive received charge earn earned"
    )
)
# What is measured, which few say again where they correct it.
_MEASURES = frozenset(words("rent rents rented prices salary fee fees time times"))
_UNITS = frozenset(
    words("minutes minute hours hour days day weeks week months month years year times oclock")
)


@dataclass(frozen=True)
class _Correction:
    """A corrected value, and the words that say it."""

    value: str
    turn: Turn
    sentence: str


def answer_by_corrections(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer with the newest value that corrects what was told; None where none was corrected.

    Arguments:
        question: in the third person ("How much did Anna pay for the sofa?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    question = with_named_asker(question, asker)
    kind, match = next(
        ((kind, match) for kind, asks in _ASKS if (match := asks.search(question))), ("", None)
    )
    if match is None:
        return None
    several = {word[0].lower() for word in _OF_SEVERAL.finditer(question)}
    if several - ({"first"} if kind == "day" else set()):
        return None
    if kind == "side" and match["what"].lower() not in _HAS_SIDES:
        return None
    about = read_fact_question(question, today, asker)
    if about is None:
        return None
    topic = _topic(about, kind)
    if not topic:
        return None
    names = [frozenset(words(form)) for forms in about.names for form in forms[-1:]]
    searched = " ".join((*about.telling, *(word for name in names for word in name), _CUES))
    turns = {
        turn.id: turn for turn in corrected(turns_of(read(select_with(searched, _MOST_TURNS))))
    }
    cues = [
        turn
        for turn in turns.values()
        if _CORRECTS.search(turn.text) or (kind == "amount" and _new_amount(turn, topic, turns))
    ]
    near = {turn.id - number for turn in cues for number in range(1, _BEFORE + 1)} - turns.keys()
    if near := {number for number in near if number > 0}:
        turns |= {turn.id: turn for turn in corrected(turns_of(read(select_by_id(near))))}
    corrections = [
        correction
        for turn in sorted(cues, key=lambda turn: turn.id)
        if is_evidence(turn.text)
        and _is_about(turn, topic, names, turns)
        and (correction := _correction(kind, turn, topic, turns)) is not None
        and _was_told(kind, correction, topic, turns, is_named=bool(several))
    ]
    if not corrections:
        return None
    newest = corrections[-1]
    text = f"{newest.value} ({_quotation(kind, newest)})"
    sql = select_by_id([newest.turn.id])
    return FactAnswer(text, (newest.turn.id,), (sql,), (read(sql),), (), ())


def _quotation(kind: str, correction: _Correction) -> str:
    """Who said it and when, with the sentence unless it repeats what was wrong."""
    quotation = quoted_of(correction.turn, correction.sentence)
    sentence = replace(correction.turn, text=correction.sentence)
    starts = _starts(kind, sentence)
    if len(starts) > 1 or any(_is_wrong(sentence.text, start) for start in starts):
        return quotation.partition(": \u201c")[0]
    return quotation


def _topic(about: FactQuestion, kind: str) -> list[frozenset[str]]:
    """The forms of each word that says what a question is about."""
    tails = [
        word
        for forms in about.names
        for word in words(forms[0].partition("'s ")[2])
        if word not in words(forms[-1])
    ]
    telling = [*about.telling, *tails]
    if kind == "age" and about.names and not set(telling) - _NO_TOPIC:
        telling = [word for forms in about.names for word in words(forms[-1])]
    terms = [word for word in dict.fromkeys(telling) if word not in _NO_TOPIC]
    terms = [word for word in terms if word not in words(about.asker)]
    terms = [word for word in terms if word not in _MEASURES] or terms
    # Of "the Royal Mary" turns tell as "the Mary".
    names = {
        word: frozenset(words(run[0]))
        for run in re.finditer(r"(?<!^)\b[A-Z][\w-]+(?: [A-Z][\w-]+)+", about.text)
        for word in words(run[0])
    }
    topic = [
        frozenset(
            form
            for term in names.get(word, {word})
            for name in {term, *other_names(term)}
            for form in all_forms(name)
        )
        for word in terms
    ]
    return list(dict.fromkeys(topic))


def _is_about(
    turn: Turn,
    topic: Sequence[frozenset[str]],
    names: Sequence[frozenset[str]],
    turns: dict[int, Turn],
) -> bool:
    """Whether a correction is of what the question is about, and of whom.

    The words stand in it or in the turns right before it; some may stand where the wrong value was
    told.
    """
    before = _before(turn, turns)
    here = set(words(turn.text))
    around = here | {word for turn_before in before for word in words(turn_before.text)}
    met = [forms for forms in topic if forms & around]
    if _repeats_wrong(turn, before, topic, turns):
        return True
    if 2 * len(met) < len(topic) or not met:
        return False
    if not any(forms & here for forms in topic):
        cue = _CORRECTS.search(turn.text)
        nearest = [
            turn_before
            for turn_before in before
            if turn.id - turn_before.id == 1 or _is_same(turn_before, turn)
        ]
        is_weak = cue is None or _WEAK.fullmatch(cue[0])
        if is_weak or not any(
            forms & set(words(turn_before.text)) for turn_before in nearest for forms in met
        ):
            return False
    missing = [forms for forms in topic if not forms & around]
    if missing and not any(
        all(forms & told_words for forms in missing) and any(forms & told_words for forms in met)
        for turn_before in turns.values()
        if turn_before.id < turn.id and (told_words := set(words(turn_before.text)))
    ):
        return False
    speakers = set(words(turn.speaker)) | {
        word for turn_before in before for word in words(turn_before.speaker)
    }
    if not names or any(name & (around | speakers) for name in names):
        return True
    return any(
        name & set(words(turn_before.text)) and any(_is_met(forms, turn_before) for forms in topic)
        for turn_before in turns.values()
        if turn_before.id < turn.id
        for name in names
    )


def _is_met(forms: frozenset[str], turn: Turn) -> bool:
    """Whether a turn has a word of the topic, or what it is short for: "van" for "campervan"."""
    return any(
        word in forms or (len(word) > 2 and any(form[_PREFIX:].endswith(word) for form in forms))
        for word in words(turn.text)
    )


def _repeats_wrong(
    turn: Turn,
    before: Sequence[Turn],
    topic: Sequence[frozenset[str]],
    turns: dict[int, Turn],
) -> bool:
    """Whether a number that was told of most of the topic is named again where it is corrected."""
    near = {
        match["number"]
        for turn_before in (turn, *before[:1])
        for match in _numbers(turn_before.text)
    }
    return any(
        2 * sum(_is_met(forms, turn_before) for forms in topic) > len(topic)
        and near & {match["number"] for match in _numbers(turn_before.text)}
        for turn_before in turns.values()
        if turn_before.id < turn.id and turn_before not in before[:1]
    )


def _new_amount(
    turn: Turn, topic: Sequence[frozenset[str]], turns: dict[int, Turn]
) -> re.Match[str] | None:
    """The one new amount beside one that was told of the topic: "It was 350, and I'd said 380."

    Both are of the same size, and too large to be the same by chance.
    """
    if not any(forms & set(words(_around(turn, turns))) for forms in topic):
        return None
    old = {
        _amount(match)
        for turn_before in turns.values()
        if turn_before.id < turn.id
        and any(forms & set(words(_around(turn_before, turns))) for forms in topic)
        for match in _QUANTITY.finditer(turn_before.text)
    }
    large = [match for match in _QUANTITY.finditer(turn.text) if _amount(match) > _LEAST]
    told_before = {_amount(match) for match in large} & old
    if len(told_before) != 1:
        return None
    was = told_before.pop()
    new = {
        amount: match
        for match in large
        if (amount := _amount(match)) not in old and was / 2 < amount < was * 2
    }
    return next(iter(new.values())) if len(new) == 1 else None


def _around(turn: Turn, turns: dict[int, Turn]) -> str:
    """A turn with the one before it."""
    return " ".join(turn_before.text for turn_before in (*_before(turn, turns)[:1], turn))


def _numbers(text: str) -> list[re.Match[str]]:
    """The numbers of three and more digits, which seldom are the same by chance."""
    return [m for m in _QUANTITY.finditer(text) if m["number"] and len(m["number"]) > 2]


def _is_same(turn_before: Turn, turn: Turn) -> bool:
    return turn_before.speaker == turn.speaker


def _was_told(
    kind: str,
    correction: _Correction,
    topic: Sequence[frozenset[str]],
    turns: dict[int, Turn],
    *,
    is_named: bool,
) -> bool:
    """Whether another value was told before, or is called wrong beside the new one.

    With `is_named` only the latter counts: a first one and another are no correction.
    """
    turn = correction.turn
    if any(_is_wrong(turn.text, start) for start in _starts(kind, turn)):
        return True
    return not is_named and any(
        set(_values(kind, turn_before.text, turn_before)) - {correction.value}
        for turn_before in turns.values()
        if turn_before.id < turn.id
        and (kind == "age" or any(forms & set(words(turn_before.text)) for forms in topic))
    )


def _starts(kind: str, turn: Turn) -> list[int]:
    """Where the values of a kind begin in a turn."""
    if pattern := _PATTERNS.get(kind):
        return [match.start() for match in pattern.finditer(turn.text)]
    if kind == "day":
        said_on = named_day(turn.said_at)
        return [day.start for day in days_in(turn.text, said_on, True)] if said_on else []
    return [match.start() for match in _QUANTITY.finditer(turn.text)]


def _before(turn: Turn, turns: dict[int, Turn]) -> list[Turn]:
    before = (turns.get(turn.id - number) for number in range(1, _BEFORE + 1))
    return [
        turn_before for turn_before in before if turn_before and turn_before.session == turn.session
    ]


def _correction(
    kind: str, turn: Turn, topic: Sequence[frozenset[str]], turns: dict[int, Turn]
) -> _Correction | None:
    """The one new value of a turn, by its kind."""
    new = _new_amount(turn, topic, turns) if kind == "amount" else None
    if new:
        value = f"{_number(new['phrase']):,}" if new["phrase"] else new[0].strip()
        sentence = next((part for part in sentences(turn.text) if new[0] in part), turn.text)
        return _Correction(f"{value}{_unit(turn.text[new.end() :])}", turn, sentence)
    parts = [part for part in sentences(turn.text) if not part.rstrip().endswith("?")]
    cue = next((n for n, part in enumerate(parts) if _CORRECTS.search(part)), None)
    if cue is None:
        return None
    # The value follows the cue, or stands right before it: "It was his left. I mixed it up."
    for part in (*parts[cue : cue + 3], *parts[max(cue - 1, 0) : cue]):
        values = _values(kind, part, turn)
        if len(values) > 1:
            match = _SO.search(part)
            # "405, not 415, so you paid ten too much"
            values = [
                value
                for value in values
                if _NOT_THE_OTHER.match(part[part.find(value) + len(value) :])
            ]
            # "He took 200 off, so I paid 3,400."
            values = values or _values(kind, part[match.end() :] if match else "", turn)
        if len(values) == 1:
            return _Correction(values[0], turn, part)
        if values:
            return None
    return None


def _values(kind: str, text: str, turn: Turn) -> list[str]:
    """The values of a kind in a text, without those it calls wrong."""
    if pattern := _PATTERNS.get(kind):
        told = [match for match in pattern.finditer(text) if not _is_wrong(text, match.start())]
        return list(dict.fromkeys(match[0].lower() for match in told))
    if kind == "day":
        said_on = named_day(turn.said_at)
        days = (
            days_in(text, said_on, not re.search(r"\b(?:is|'s|will|going)\b", text))
            if (said_on)
            else []
        )
        return list(
            dict.fromkeys(spoken(day.day) for day in days if not _is_wrong(text, day.start))
        )
    quantities: list[str] = []
    for match in _QUANTITY.finditer(text):
        following = words(text[match.end() : match.end() + 20])[:1]
        is_of_unit = bool(set(following) & _UNITS)
        if _is_wrong(text, match.start()) or (is_of_unit and kind != "age"):
            continue
        if kind == "age" and following and following[0] in _UNITS - {"years", "year"}:
            continue
        unit = _unit(text[match.end() :])
        number = f"{_number(match['phrase']):,}" if match["phrase"] else match[0].strip()
        quantities.append(f"{number}{unit}")
    return list(dict.fromkeys(quantities))


def _number(phrase: str) -> int:
    """The number that several words tell: "seven hundred and fifty", "twenty-seven fifty"."""
    total, last = 0, 0
    parts = [part for part in re.split(r"[ ,-]+", phrase.lower()) if part != "and"]
    for part in parts:
        if part == "thousand":
            total, last = (total + max(last, 1)) * 1_000, 0
        elif part == "hundred":
            last = max(last, 1) * 100
        elif part in _NUMBERS and last and 10 < last < 100 and _NUMBERS[part] >= 10:
            last = last * 100 + _NUMBERS[part]  # "twenty-seven fifty"
        else:
            last += 1 if part == "a" else _NUMBERS[part]
    return total + last


def _amount(match: re.Match[str]) -> float:
    """The number of a quantity."""
    if match["phrase"]:
        return _number(match["phrase"])
    if match["word"]:
        return _number(match["word"])
    digits = re.sub(r"[, ](?=\d{3})", "", match["number"]).replace(",", ".")
    return float(digits.rstrip("kK")) * (1_000 if digits[-1:] in "kK" else 1)


def _unit(text: str) -> str:
    match = re.match(
        r" (?:euros?|pounds?|dollars?|kronor|cedis|francs?|quid|bucks|people|kilos?|kg|grams?)\b",
        text,
        re.IGNORECASE,
    )
    return match[0] if match else ""


def _is_wrong(text: str, start: int) -> bool:
    return bool(_WAS_WRONG.search(text[:start]))
