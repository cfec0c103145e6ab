"""Checks gold: evidence contains the answers, gold SQL works, no text occurs twice."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from pathlib import Path

from locomo.dataset.format import ABSTENTION, Conversation, is_dated, load_conversations
from locomo.examples.gold import NOTHING, Gold, load_gold
from locomo.harness import temporary_memory
from locomo.metrics import CARDINALS, OPEN_DOMAIN, TENS, f1
from locomo.metrics import gold as gold_answer
from locomo.split_data import VALIDATION
from memory import InputError, SqlError, Store, Turn
from memory.sql import check_select, split

# The sample, on which tuned models are measured, and the chats that the ranking was fitted to.
OTHER_DATA = (Path("data/sample.json"), Path("data/chats.json"))
# Choices, which data/train meets with room to spare (`python -m locomo.dataset check data/train`):
# the share of a conversation's n-grams, of this many words, that any other one has (at most .58 %);
# and the share of answers whose evidence has this much of their content words (99.9 %).
NGRAM = 8
MAX_SHARED_NGRAMS = 0.01
MIN_WORDS = 0.5
MIN_ANSWERS = 0.95
# difflib's ratio of a word and its misspelling, a choice.
_MISSPELT = 0.8
_WORD = re.compile(r"[^\W_]+")
_FUNCTION_WORDS = frozenset(
    _WORD.findall(
        "a about after all also an and are as at be because been before but by can could did do"
        " does down for from had has have he her him his i if in into is it its me might my no not"
        " of off on only or our out she so than that the their them then there these they this to"
        " too up us was we were what when where which while who with would yes you your"
    )
)
_ORDINALS = _WORD.findall("zeroth first second third fourth fifth sixth seventh eighth ninth tenth")
_NUMBERS = {word: number for number, word in enumerate(_ORDINALS)}
_NUMBERS |= {word: number for number, word in enumerate(CARDINALS)}
_NUMBERS |= {word: 10 * number for number, word in enumerate(TENS, 2)}
_MONTHS = _WORD.findall(
    "january february march april may june july august september october november december"
)
_MONTHS_BY_SHORT_NAME = {month[:3]: month for month in _MONTHS}
_WEEKDAYS = _WORD.findall("monday tuesday wednesday thursday friday saturday sunday")
_ISO = re.compile(r"\b(\d{4})-(0[1-9]|1[0-2])(?:-(\d\d))?\b")
# Possessive s, the comma of 1,500 and the ending of 2nd.
_NO_WORD = re.compile(r"['\u2019]s\b|(?<=\d)[,.](?=\d{3}\b)|(?<=\d)(?:st|nd|rd|th)\b")
_IS_COUNTED = re.compile(r"\bhow (?:many|long)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Proof:
    """One conversation's gold, checked: errors, how many facts it stores, how many SELECTs it has.

    `shares` has an entry for each answer that words can prove: the share of its content words that
    its evidence has, 0 to 1, and a line that names the other words.
    """

    errors: tuple[str, ...] = ()
    shares: tuple[tuple[float, str], ...] = ()
    facts: int = 0
    retrievals: int = 0


def read_gold(paths: Sequence[Path]) -> list[Gold]:
    """The conversations of files and folders, and of the folders `validation` in those.

    Raises InputError for unreadable or unusable files, and for a repeated sample_id.
    """
    held_out = [path / VALIDATION for path in paths if (path / VALIDATION).is_dir()]
    golds = [gold for path in dict.fromkeys([*paths, *held_out]) for gold in load_gold(path)]
    ids = [gold.conversation.id for gold in golds]
    if twice := [id_ for id_ in ids if ids.count(id_) > 1]:
        raise InputError(f"two conversations have the sample_id {twice[0]!r}; rename one")
    return golds


# --- words --------------------------------------------------------------------------------------


def normalized_words(text: str) -> list[str]:
    """The words of a text, lower-case, without accents; numbers as digits, dates as 8 may 2023."""
    text = _ISO.sub(_date_in_words, text)
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    result: list[str] = []
    tens = 0  # of the word before, which the next word may complete: twenty three
    for word in _WORD.findall(_NO_WORD.sub("", plain)):
        number = _NUMBERS.get(word)
        if tens and number and number < 10:
            result[-1] = str(tens + number)
        elif number is None:
            result.append(_MONTHS_BY_SHORT_NAME.get(word, word))
        else:
            result.append(str(number))
        tens = number if number and number >= 20 else 0
    return result


def _date_in_words(iso: re.Match[str]) -> str:
    year, month, day = iso.groups(default="0")
    return f"{int(day) or ''} {_MONTHS[int(month) - 1]} {year}"


def missing_words(answer: str, evidence_words: Sequence[str]) -> tuple[list[str], float]:
    """The answer's content words that evidence lacks, and the share that it has, 0 to 1.

    Words are compared by their stems; a misspelt word counts as there.
    """
    answer_words = list(dict.fromkeys(normalized_words(answer)))
    content = [word for word in answer_words if word not in _FUNCTION_WORDS] or answer_words
    known = set(evidence_words)
    text = " ".join(evidence_words)
    missing = [
        word
        for word in content
        if word not in known and not f1(word, text) and not _is_misspelt(word, known)
    ]
    return missing, 1 - len(missing) / max(len(content), 1)


def _is_misspelt(word: str, known: Collection[str]) -> bool:
    # Short words and numbers are too close to others of their kind: cat, cap; 23, 28.
    if len(word) <= 4 or not word.isalpha():
        return False
    return bool(get_close_matches(word, possibilities=known, n=1, cutoff=_MISSPELT))


def words_of_turns(turns: Sequence[Turn]) -> list[str]:
    """The words of turns: text, speakers, and the days, months and years that they may mean.

    The dates are the day each turn was said, and the days that yesterday, a weekday (of two weeks
    before and after) or "3 weeks" lead to; adjacent months; years as far away as a number says.
    """
    turn_words = [
        word for turn in turns for word in normalized_words(f"{turn.speaker} {turn.text}")
    ]
    known = set(turn_words)
    steps = _steps_in_days(turn_words)
    weekdays = {number for number, day in enumerate(_WEEKDAYS) if known & {day, f"{day}s", day[:3]}}
    years = {1} | {int(word) for word in known if word.isdecimal() and len(word) < 3}

    dates: set[str] = set()
    for said_on in {date.fromisoformat(turn.said_at[:10]) for turn in turns if is_dated(turn)}:
        to_weekdays = {
            days for days in range(-14, 15) if (said_on.weekday() + days) % 7 in weekdays
        }
        for days in steps | to_weekdays:
            with suppress(OverflowError):  # before the year 1, or after 9999
                day = said_on + timedelta(days)
                dates |= {str(day.day), _MONTHS[day.month - 1], str(day.year)}
        last_month, next_month = said_on.month - 2, said_on.month  # the list begins at 0
        dates |= {_MONTHS[last_month % 12], _MONTHS[next_month % 12]}
        dates |= {str(said_on.year + sign * distance) for distance in years for sign in (-1, 1)}
    return turn_words + sorted(dates)


def _steps_in_days(turn_words: Sequence[str]) -> set[int]:
    """How many days before and after a turn its words may mean; 0 is the day itself."""
    steps = {0}
    if "yesterday" in turn_words:
        steps.add(-1)
    if "tomorrow" in turn_words:
        steps.add(1)
    for count, unit in re.findall(r"\b(\d{1,3}|an?) (day|week)s?\b", " ".join(turn_words)):
        days = (int(count) if count.isdecimal() else 1) * (7 if unit == "week" else 1)
        steps |= {-days, days}
    return steps


# --- one conversation ---------------------------------------------------------------------------


def prove(gold: Gold) -> Proof:
    """Check one conversation's evidence, and its SQL in a temporary memory."""
    id_ = gold.conversation.id
    shares = tuple(_shares(gold.conversation))
    errors = [line for share, line in shares if not share]
    if dropped := gold.conversation.dropped_evidence:
        errors.append(f"{id_}: evidence that names no turn: {dropped}")
    with temporary_memory(gold.conversation.turns) as store:
        for turn_id, sql in sorted(gold.store.items()):
            where = f"{id_}, store.{gold.conversation.turns[turn_id - 1].source}"
            try:  # a window refuses facts of other turns
                window = (turn_id, turn_id)
                if sql == NOTHING:
                    continue
                if not store.write(sql, "gold", window=window, by_person=True).facts:
                    errors.append(f"{where}: it changes no fact")
            except SqlError as error:
                errors.append(f"{where}: {error}")
        errors += filter(None, (_retrieve_error(gold, index, store) for index in gold.retrieve))
        return Proof(
            errors=tuple(errors),
            shares=shares,
            facts=len(store.facts()),
            retrievals=len(gold.retrieve),
        )


def _shares(conversation: Conversation) -> Iterator[tuple[float, str]]:
    turns = {turn.source: turn for turn in conversation.turns}
    for question in conversation.questions:
        where = f"{conversation.id}, qa.{question.index}: {question.text!r}"
        if question.category == ABSTENTION:
            continue
        if not question.evidence:
            yield 0.0, f"{where} has no evidence"
        elif question.category != OPEN_DOMAIN:  # an opinion is inferred, in other words
            evidence_words = words_of_turns([turns[source] for source in question.evidence])
            missing, share = missing_words(gold_answer(question), evidence_words)
            # No turn has the words of a count or of a time between two dates.
            if share or not _IS_COUNTED.search(question.text):
                evidence = ", ".join(question.evidence)
                yield share, f"{where}: {evidence} does not say {', '.join(missing)}"


def _retrieve_error(gold: Gold, index: int, store: Store) -> str:
    """The error of a question's SELECTs, "" if there is none."""
    question = gold.conversation.questions[index]
    where = f"{gold.conversation.id}, qa.{index}.retrieve"
    try:
        results = [store.read(check_select(select)) for select in split(gold.retrieve[index])]
    except SqlError as error:
        return f"{where}: {error}"
    rows = [
        dict(zip(result.columns, row, strict=True)) for result in results for row in result.rows
    ]
    if not rows:
        return f"{where}: it brings no row"
    turn_ids = {row.get("turn_id") for row in rows}
    turns = enumerate(gold.conversation.turns, 1)
    sources = {turn.source for turn_id, turn in turns if turn_id in turn_ids}
    if question.category == ABSTENTION or sources & set(question.evidence):
        return ""
    row_words = normalized_words(" ".join(str(value) for row in rows for value in row.values()))
    missing, share = missing_words(gold_answer(question), row_words)
    if share >= MIN_WORDS:
        return ""
    return f"{where}: no row is of its evidence or says {missing[0]!r}"


# --- all of them --------------------------------------------------------------------------------


def errors_and_summary(
    golds: Sequence[Gold], proofs: Mapping[str, Proof], paths: Collection[Path]
) -> tuple[list[str], str]:
    """All errors in the files of `paths`, one line each, and a summary; proofs by sample_id."""
    proven = [gold.conversation for gold in golds if gold.conversation.id in proofs]
    compared = [gold.conversation for gold in golds if gold.conversation.id not in proofs]
    for path in OTHER_DATA:
        if path.is_file() and not {path, path.parent} & {*paths}:
            compared += load_conversations(path)

    shares = sorted(share for proof in proofs.values() for share in proof.shares)
    supported = sum(share >= MIN_WORDS for share, _ in shares) / max(len(shares), 1)
    overlaps = sorted(_overlaps(proven, compared), reverse=True) or [(0.0, "none")]
    errors = [line for proof in proofs.values() for line in proof.errors]
    if supported < MIN_ANSWERS:
        errors += [line for share, line in shares if 0 < share < MIN_WORDS]
    errors += [
        f"{pair}: {share:.1%} alike" for share, pair in overlaps if share > MAX_SHARED_NGRAMS
    ]
    errors += _repeated_questions(proven)

    largest_share, largest_pair = overlaps[0]
    return errors, (
        f"gold of {len(proofs)} conversations: {supported:.1%} of {len(shares):,} answers have "
        f"half of their words in evidence (needed: {MIN_ANSWERS:.0%}); largest share of "
        f"{NGRAM}-word n-grams in another conversation: {largest_share:.2%}, {largest_pair} "
        f"(allowed: {MAX_SHARED_NGRAMS:.0%}); errors: {len(errors)}"
    )


def _repeated_questions(conversations: Sequence[Conversation]) -> Iterator[str]:
    first_places: dict[str, str] = {}
    for conversation in conversations:
        for question in conversation.questions:
            where = f"{conversation.id}, qa.{question.index}"
            first = first_places.setdefault(" ".join(normalized_words(question.text)), where)
            if first != where:
                yield f"{where}: {first} asks it already: {question.text!r}"


def _overlaps(
    conversations: Sequence[Conversation], compared: Sequence[Conversation]
) -> Iterator[tuple[float, str]]:
    """The share of each conversation's n-grams that each other conversation also has."""
    ngrams = [
        (conversation.id, _ngrams(conversation)) for conversation in [*conversations, *compared]
    ]
    for number, (id_, own_ngrams) in enumerate(ngrams[: len(conversations)]):
        for other_number, (other_id, other_ngrams) in enumerate(ngrams):
            if other_number != number:
                shared = len(own_ngrams & other_ngrams) / max(len(own_ngrams), 1)
                yield shared, f"{id_} in {other_id}"


def _ngrams(conversation: Conversation) -> set[tuple[str, ...]]:
    text = " ".join(turn.text for turn in conversation.turns).casefold()
    text_words = re.findall(r"\w+", text)
    return set(zip(*(text_words[start:] for start in range(NGRAM)), strict=False))
