"""Whether gold holds: evidence says the answers, gold SQL does its work, nothing is said twice."""

import re
import tempfile
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from itertools import product
from pathlib import Path

from locomo.dataset.format import ABSTENTION, Conversation, is_dated, load_conversations
from locomo.examples.gold import NOTHING, VALIDATION, Gold, load_gold
from locomo.metrics import OPEN_DOMAIN, f1
from locomo.metrics import gold as gold_answer
from memory import InputError, SqlError, Store, Turn, open_store

NGRAM = 8  # words
ELSEWHERE = (Path("data/sample.json"), Path("data/chats.json"))
MOST_SHARED = 0.01  # of a conversation's n-grams, with any one other
ENOUGH = 0.5  # of an answer's content words ...
ENOUGH_ANSWERS = 0.95  # ... for this share of the answers
_ALIKE = 0.8  # difflib's ratio of a word and its misspelling
_WORD = re.compile(r"[^\W_]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        "a about after all also an and are as at be because been before but by can could did do"
        " does down for from had has have he her him his i if in into is it its me might my no not"
        " of off on only or our out she so than that the their them then there these they this to"
        " too up us was we were what when where which while who with would yes you your"
    )
)
_RANKS = _WORD.findall("zeroth first second third fourth fifth sixth seventh eighth ninth tenth")
_COUNTS = _WORD.findall(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_TENS = _WORD.findall("ten twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBERS = {word: n for some in (_RANKS, _COUNTS) for n, word in enumerate(some)}
_NUMBERS |= {word: 10 * n for n, word in enumerate(_TENS, 1)}
_MONTHS = _WORD.findall(
    "january february march april may june july august september october november december"
)
_SHORT = {month[:3]: month for month in _MONTHS}
_WEEKDAYS = _WORD.findall("monday tuesday wednesday thursday friday saturday sunday")
_ISO = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])(?:-(\d\d))?\b")
_NO_WORD = re.compile(r"['\u2019]s\b|(?<=\d)[,.](?=\d{3}\b)|(?<=\d)(?:st|nd|rd|th)\b")
_IS_COUNTED = re.compile(r"\bhow (?:many|long)\b", re.IGNORECASE)
_NEXT_SELECT = re.compile(r";\s*(?=SELECT\b)", re.IGNORECASE)


@dataclass(frozen=True)
class Proof:
    """What was found of one conversation's gold: errors, facts that it stores, its retrievals.

    `shares` are of the answers that words can prove: what share of its content words each has in
    its evidence, and a line on the others.
    """

    errors: tuple[str, ...] = ()
    shares: tuple[tuple[float, str], ...] = ()
    facts: int = 0
    retrievals: int = 0


def read_gold(paths: Sequence[Path]) -> list[Gold]:
    """The conversations of files and folders, and of the folders `validation` in those.

    Raises InputError for what cannot be read or used, and for a sample_id that comes twice.
    """
    held_out = [path / VALIDATION for path in paths if (path / VALIDATION).is_dir()]
    found = [gold for path in dict.fromkeys([*paths, *held_out]) for gold in load_gold(path)]
    names = [gold.conversation.id for gold in found]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two conversations have the sample_id {twice[0]!r}; rename one")
    return found


# --- words --------------------------------------------------------------------------------------


def words(text: str) -> list[str]:
    """The words of a text, small and without accents; numbers as digits, dates as 8 may 2023."""
    text = _ISO.sub(lambda d: f"{int(d[3] or 0) or ''} {_MONTHS[int(d[2]) - 1]} {d[1]}", text)
    plain = unicodedata.normalize("NFKD", text).casefold()
    plain = _NO_WORD.sub("", "".join(c for c in plain if not unicodedata.combining(c)))
    found: list[str] = []
    tens = 0
    for word in _WORD.findall(plain):
        number = _NUMBERS.get(word)
        if tens and number and number < 10:
            found[-1] = str(tens + number)
        else:
            found.append(_SHORT.get(word, word) if number is None else str(number))
        tens = number if number and number >= 20 else 0
    return found


def missing_words(answer: str, told: Sequence[str]) -> tuple[list[str], float]:
    """The answer's content words that are not told, and the share of those that are, 0 to 1.

    Words are compared by their stems; a misspelt word counts as told.
    """
    every = list(dict.fromkeys(words(answer)))
    content = [word for word in every if word not in _FUNCTION_WORDS] or every
    text, known = " ".join(told), set(told)
    lost = [
        word
        for word in content
        if word not in known
        and not f1(word, text)
        and not (len(word) > 4 and word.isalpha() and get_close_matches(word, known, 1, _ALIKE))
    ]
    return lost, 1 - len(lost) / max(len(content), 1)


def words_of_turns(turns: Sequence[Turn]) -> list[str]:
    """The words of turns: text, speakers, and the days, months and years that they may mean.

    These are the day each was said on, and those that yesterday, a weekday (of two weeks before
    and after) or "3 weeks" lead to; the months beside; years as far away as a number says.
    """
    told = [word for turn in turns for word in words(f"{turn.speaker} {turn.text}")]
    known, dates = set(told), set[str]()
    steps = {0} | {n for word, n in (("yesterday", -1), ("tomorrow", 1)) if word in known}
    for count, unit in re.findall(r"\b(\d{1,3}|an?) (day|week)s?\b", " ".join(told)):
        days = (int(count) if count.isdecimal() else 1) * (7 if unit == "week" else 1)
        steps |= {-days, days}
    weekdays = {n for n, day in enumerate(_WEEKDAYS) if known & {day, f"{day}s", day[:3]}}
    years = {1} | {int(word) for word in known if word.isdecimal() and len(word) < 3}
    for said in {date.fromisoformat(turn.said_at[:10]) for turn in turns if is_dated(turn)}:
        for n in steps | {n for n in range(-14, 15) if (said.weekday() + n) % 7 in weekdays}:
            with suppress(OverflowError):
                day = said + timedelta(n)
                dates |= {str(day.day), _MONTHS[day.month - 1], str(day.year)}
        dates |= {_MONTHS[(said.month + n) % 12] for n in (-2, 0)}
        dates |= {str(said.year + n * way) for n in years for way in (-1, 1)}
    return told + sorted(dates)


# --- one conversation ---------------------------------------------------------------------------


def prove(gold: Gold) -> Proof:
    """Check one conversation's evidence, and its SQL in a memory of its own."""
    name, shares = gold.conversation.id, tuple(_shares(gold.conversation))
    errors = [line for share, line in shares if not share]
    if lost := gold.conversation.dropped_evidence:
        errors.append(f"{name}: evidence that names no turn: {lost}")
    with (
        tempfile.TemporaryDirectory(prefix="check-") as folder,
        open_store(Path(folder) / "turns.db") as store,
    ):
        store.add(gold.conversation.turns)
        for n, sql in sorted(gold.store.items()):
            where = f"{name}, store.{gold.conversation.turns[n - 1].source}"
            try:  # a window refuses facts of other turns
                if sql != NOTHING and not store.write(sql, "gold", window=(n, n)).facts:
                    errors.append(f"{where}: it changes no fact")
            except SqlError as error:
                errors.append(f"{where}: {error}")
        errors += filter(None, (_retrieved(gold, n, store) for n in gold.retrieve))
        return Proof(tuple(errors), shares, len(store.facts()), len(gold.retrieve))


def _shares(conversation: Conversation) -> Iterator[tuple[float, str]]:
    turns = {turn.source: turn for turn in conversation.turns}
    for question in conversation.questions:
        where = f"{conversation.id}, qa.{question.index}: {question.text!r}"
        if question.category == ABSTENTION:
            continue
        if not question.evidence:
            yield 0.0, f"{where} has no evidence"
        elif question.category != OPEN_DOMAIN:
            told = words_of_turns([turns[source] for source in question.evidence])
            lost, share = missing_words(gold_answer(question), told)
            # What is counted, or lies between two dates, stands in no turn.
            if share or not _IS_COUNTED.search(question.text):
                evidence = ", ".join(question.evidence)
                yield share, f"{where}: {evidence} does not say {', '.join(lost)}"


def _retrieved(gold: Gold, index: int, store: Store) -> str:
    """What is wrong with a question's SELECTs, "" if nothing is."""
    question = gold.conversation.questions[index]
    where = f"{gold.conversation.id}, qa.{index}.retrieve"
    try:
        found = [store.read(select) for select in _NEXT_SELECT.split(gold.retrieve[index])]
    except SqlError as error:
        return f"{where}: {error}"
    values = [dict(zip(rows.columns, row, strict=True)) for rows in found for row in rows.rows]
    if not values:
        return f"{where}: it brings no row"
    named = {row.get("turn_id") for row in values}
    sources = {turn.source for n, turn in enumerate(gold.conversation.turns, 1) if n in named}
    if question.category == ABSTENTION or sources & set(question.evidence):
        return ""
    told = words(" ".join(str(value) for row in values for value in row.values()))
    lost, share = missing_words(gold_answer(question), told)
    return "" if share >= ENOUGH else f"{where}: no row is of its evidence or says {lost[0]!r}"


# --- all of them --------------------------------------------------------------------------------


def errors_and_summary(
    golds: Sequence[Gold], proofs: Mapping[str, Proof], paths: Collection[Path]
) -> tuple[list[str], str]:
    """All errors of what stands in `paths`, a line each, and a summary; proofs by sample_id."""
    some = [gold.conversation for gold in golds if gold.conversation.id in proofs]
    others = [gold.conversation for gold in golds if gold.conversation.id not in proofs]
    for path in ELSEWHERE:
        if path.is_file() and not {path, path.parent} & {*paths}:
            others += load_conversations(path)
    shares = sorted(one for proof in proofs.values() for one in proof.shares)
    enough = sum(share >= ENOUGH for share, _ in shares) / max(len(shares), 1)
    overlaps = sorted(_overlaps(some, others), reverse=True) or [(0.0, "none")]
    errors = [line for proof in proofs.values() for line in proof.errors]
    if enough < ENOUGH_ANSWERS:
        errors += [line for share, line in shares if 0 < share < ENOUGH]
    errors += [f"{pair}: {share:.1%} alike" for share, pair in overlaps if share > MOST_SHARED]
    asked = dict[str, str]()
    for where, text in ((f"{one.id}, qa.{q.index}", q.text) for one in some for q in one.questions):
        first = asked.setdefault(" ".join(words(text)), where)
        if first != where:
            errors.append(f"{where}: {first} asks it already: {text!r}")
    share, pair = overlaps[0]
    return errors, (
        f"gold of {len(proofs)} conversations: {enough:.1%} of {len(shares):,} answers have half "
        f"of their words in evidence (needed: {ENOUGH_ANSWERS:.0%}); largest share of "
        f"{NGRAM}-word n-grams in another conversation: {share:.2%}, {pair} "
        f"(allowed: {MOST_SHARED:.0%}); errors: {len(errors)}"
    )


def _overlaps(
    some: Sequence[Conversation], others: Sequence[Conversation]
) -> Iterator[tuple[float, str]]:
    """The share of each one's n-grams that each other one holds too."""
    every = [(one.id, _ngrams(one)) for one in [*some, *others]]
    for (one, own), other in product(every[: len(some)], every):
        if other[1] is not own:
            yield len(own & other[1]) / max(len(own), 1), f"{one} in {other[0]}"


def _ngrams(conversation: Conversation) -> set[tuple[str, ...]]:
    said = re.findall(r"\w+", " ".join(turn.text for turn in conversation.turns).casefold())
    return set(zip(*(said[n:] for n in range(NGRAM)), strict=False))
