"""Which two facts cannot both be true, where that is certain without a model.

A change of state is no contradiction: who lives in Oslo may have lived in Bergen, and who had never
flown in March may fly in May. What is left is an unchangeable attribute with two values, a deed
that was done and, later, had never been done, an event that happens once with two dates, food that
somebody is allergic to and has every day. Pure: from two facts to yes or no.
"""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache

from memory.dates import MONTHS
from memory.records import Fact
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words
from memory.statements.denials import HAS_NO, NEVER
from memory.statements.sentences import sentences
from memory.statements.word_lists import verb_forms, word_lists
from memory.vocabulary import Vocabulary

# What cannot become another by itself: a second value is a mistake in one of the two.
UNCHANGEABLE = frozenset({"birthday", "born_on", "born_in", "maiden_name", "blood_type"})
# What happens once to one subject and value.
_ONCE = frozenset({"died", "was_born", "got_married", "married"})
_HAVING = frozenset({"has_pet", "owns", "drives"})
_BEEN = ("travelled_to", "visited", "lives_in", "lived_in", "comes_from", "born_in", "went_to")
_SIBLINGS = frozenset({"has_sister", "has_brother", "has_sibling"})
_EATING = frozenset({"habit", "eats", "drinks"})
_EATS = re.compile(r"\b(?:eats?|drinks?|have|has)\b", re.IGNORECASE)
_OFTEN = re.compile(
    r"\b(?:every|daily|each) ?(?:day|morning|evening|night|lunch|week)?\b", re.IGNORECASE
)
_WITHOUT = re.compile(r"\b(?:no|not|without|free|never|instead|substitute|vegan)\b", re.IGNORECASE)
_BLOOD_TYPE = re.compile(r"(?P<group>AB|A|B|O|0)[\s-]*(?P<sign>\+|-|pos\w*|neg\w*)", re.IGNORECASE)
_WORD_DATE = re.compile(
    rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{'|'.join(MONTHS)})"
    rf"|(?P<month2>{'|'.join(MONTHS)})\s+(?:the\s+)?(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?)"
    r"(?:,?\s+(?P<year>\d{4}))?",
    re.IGNORECASE,
)
_ISO_DATE = re.compile(r"(?P<year>\d{4})(?:-(?P<month>\d\d)(?:-(?P<day>\d\d))?)?")
_TOWN = re.compile(r"[A-Z][a-z]+(?: [A-Z][a-z]+)?")
# Two spellings of one name, or a slip of a finger.
_ALIKE = 0.75
# A place of birth that may hold the other: nobody knows which town is in which of them.
_REGIONS = frozenset(
    words(
        "Africa America Asia Europe Scandinavia Australia England Scotland Wales Ireland Britain"
        " Norway Sweden Denmark Finland Iceland Germany Austria Switzerland France Spain Portugal"
        " Italy Greece Poland Ukraine Russia Romania Hungary Bulgaria Serbia Croatia Slovenia"
        " Slovakia Czechia Belgium Netherlands Holland Luxembourg Turkey Israel Egypt Morocco"
        " Tunisia Algeria Nigeria Ghana Kenya Ethiopia Tanzania Uganda Senegal Cameroon Zimbabwe"
        " Iran Iraq Syria Lebanon Jordan Pakistan India Bangladesh Nepal China Japan Korea Vietnam"
        " Thailand Cambodia Laos Malaysia Indonesia Philippines Singapore Taiwan Mexico Canada"
        " Brazil Argentina Chile Peru Bolivia Colombia Venezuela Ecuador Uruguay Paraguay Cuba"
        " Jamaica Haiti Montserrat Barbados Trinidad Bahamas Zealand Estonia Latvia Lithuania"
        " Belarus Georgia Armenia Azerbaijan Kazakhstan Afghanistan Bavaria Saxony Hesse Tyrol"
        " Brittany Normandy Provence Tuscany Sicily Sardinia Andalusia Catalonia Galicia Lombardy"
        " Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Hawaii"
        " Idaho Illinois Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts"
        " Michigan Minnesota Mississippi Missouri Montana Nebraska Nevada Ohio Oklahoma Oregon"
        " Pennsylvania Tennessee Texas Utah Vermont Virginia Wisconsin Wyoming Ontario Quebec"
        " Alberta Manitoba Queensland Tasmania Victoria Cornwall Devon Kent Sussex Yorkshire"
        " county island islands coast north south east west united states kingdom republic"
        " province state region hospital village town"
    )
)


@dataclass(frozen=True)
class DatedStatement:
    """A fact with its turn: when that was said (ISO text), and its words."""

    fact: Fact
    said_at: str = ""
    text: str = ""


def rivals_of(attribute: str, vocabulary: Vocabulary) -> frozenset[str] | None:
    """The attributes whose facts a fact of this attribute may contradict; None for any."""
    name = name_in(attribute, vocabulary)
    if name == NEVER:
        return None
    rivals = {NEVER}
    if name in UNCHANGEABLE | _ONCE:
        rivals.add(name)
    if name == HAS_NO:
        rivals |= _SIBLINGS
    if name in _SIBLINGS:
        rivals.add(HAS_NO)
    if name == "allergic_to":
        rivals |= _EATING
    if name in _EATING:
        rivals.add("allergic_to")
    return frozenset(known for rival in rivals for known in vocabulary.names_of(rival))


def contradict(first: DatedStatement, second: DatedStatement, vocabulary: Vocabulary) -> bool:
    """Whether two facts of one subject, neither of which has ended, cannot both be true."""
    name, second_name = (name_in(dated.fact.attribute, vocabulary) for dated in (first, second))
    if name == second_name and name in UNCHANGEABLE:
        return differ(name, first.fact.value, second.fact.value)
    if name == second_name and name in _ONCE:
        return _happened_twice(first, second)
    return _rules_out(first, name, second, second_name) or _rules_out(
        second, second_name, first, name
    )


def _rules_out(denial: DatedStatement, name: str, deed: DatedStatement, attribute: str) -> bool:
    """Whether a fact that says what is not the case rules another out."""
    if name == NEVER and attribute != NEVER:
        return _was_done(denial, deed, attribute)
    if name == HAS_NO and attribute in _SIBLINGS:
        return denial.fact.value == "siblings"
    if name == "allergic_to" and attribute in _EATING:
        return _is_eaten(denial.fact.value, attribute, deed.fact.value)
    return False


def name_in(attribute: str, vocabulary: Vocabulary) -> str:
    """An attribute as the rules name it: in the words of a vocabulary, with underscores."""
    return "_".join(words(vocabulary.name_of(attribute).replace("_", " ")))


# --- what cannot change ---------------------------------------------------------------------------


def differ(attribute: str, first: str, second: str) -> bool:
    """Whether two values of an unchangeable attribute are certainly two.

    A less exact value differs from none that it may mean.
    """
    if attribute in ("birthday", "born_on"):
        dates = _date(first), _date(second)
        pairs = zip(*dates, strict=True)
        return all(map(any, dates)) and any(a and b and a != b for a, b in pairs)
    if attribute == "blood_type":
        types = [_BLOOD_TYPE.fullmatch(value.strip()) for value in (first, second)]
        plain = {
            (match["group"].upper().replace("0", "O"), match["sign"][0].lower() in "+p")
            for match in types
            if match
        }
        return all(types) and len(plain) == 2
    names = [value.strip().removeprefix("in ").strip() for value in (first, second)]
    if not all(map(_TOWN.fullmatch, names)):
        return False
    first, second = (name.casefold() for name in names)
    if {*words(first)} & {*words(second)}:
        return False
    if attribute == "born_in" and {*words(first), *words(second)} & _REGIONS:
        return False
    return SequenceMatcher(None, first, second).ratio() < _ALIKE


def _date(value: str) -> tuple[str, int, int]:
    """The year, month and day that a value is, "" or 0 where it does not say."""
    if match := _WORD_DATE.fullmatch(value.strip().removeprefix("on ").strip(" .")):
        month = (match["month"] or match["month2"]).lower()
        number = [name.lower() for name in MONTHS].index(month) % 12 + 1
        return match["year"] or "", number, int(match["day"] or match["day2"])
    if match := _ISO_DATE.fullmatch(value.strip()):
        return match["year"], int(match["month"] or 0), int(match["day"] or 0)
    return "", 0, 0


# --- what happens once ----------------------------------------------------------------------------


def _happened_twice(first: DatedStatement, second: DatedStatement) -> bool:
    """Whether one event, told after it, has two dates. What is planned may be moved."""
    dates = [_first_day(dated.fact.happened_on) for dated in (first, second)]
    if not all(dates) or _plain(first.fact.value) != _plain(second.fact.value):
        return False
    shared = min(map(len, dates))
    is_past = all(
        date <= dated.said_at[: len(date)]
        for date, dated in zip(dates, (first, second), strict=True)
        if dated.said_at
    )
    return is_past and dates[0][:shared] != dates[1][:shared]


# --- what was never done --------------------------------------------------------------------------


def _was_done(never: DatedStatement, deed: DatedStatement, attribute: str) -> bool:
    """Whether what was never done by one day had been done before it."""
    verb, _, rest = never.fact.value.partition(" ")
    if not _was_before(deed, never):
        return False
    value_forms = forms_of(words(deed.fact.value))
    objects = [word for word in telling_words(rest) if word not in _EMPTY]
    if not all(is_among(word, value_forms) for word in objects):
        return False
    if verb == "been":
        return bool(objects) and attribute in _BEEN and rest.startswith(("to ", "in "))
    if verb in ("had", "owned"):
        return bool(objects) and (attribute in _HAVING or attribute in _lemma_forms("own"))
    first = attribute.split("_")[0]
    if first in _lemma_forms(verb) and first not in ("is", "will", "plans"):
        # Without an object any such deed counts; "never met Tom" needs its object, above.
        return bool(objects) or not rest
    return _is_told_by(verb, deed)


# Words that make an object general: "any", "such a thing".
_EMPTY = frozenset(words("any anything anyone ever single thing things kind sort at all real"))


def _was_before(deed: DatedStatement, never: DatedStatement) -> bool:
    """Whether a deed lies before the day on which it had never been done.

    Told before, it had been done by then; told later, its date says so.
    """
    day = never.said_at[: len("2017-05-08")]
    if deed.fact.turn_id < never.fact.turn_id:
        planned = _first_day(deed.fact.happened_on)
        return not (planned and day) or planned[: len(day)] < day[: len(planned)]
    happened = _first_day(deed.fact.happened_on)
    shared = min(len(happened), len(day))
    return bool(happened and day) and happened[:shared] < day[:shared]


def _is_told_by(verb: str, deed: DatedStatement) -> bool:
    """Whether a turn tells of a deed with this verb just before its value: "flew to Rome"."""
    value = words(deed.fact.value)
    forms = _lemma_forms(verb) - {verb_form for verb_form in (verb,) if verb_form.endswith("ing")}
    if not value or not deed.text or len(value) > 6:
        return False
    for sentence in sentences(deed.text):
        sentence_words = words(sentence)
        for place in range(len(sentence_words) - len(value) + 1):
            if sentence_words[place : place + len(value)] != value:
                continue
            before = sentence_words[max(place - 3, 0) : place]
            if forms & {*before} and not {"never", "not", "will", "would", "to"} & {*before[:-1]}:
                return "to" not in before or before[-1] == "to"
    return False


@cache
def _all_verb_forms() -> dict[str, frozenset[str]]:
    lists = word_lists()
    forms = verb_forms({*lists.irregular, *lists.verbs, "own"})
    by_verb: dict[str, set[str]] = {}
    for form, verbs in forms.items():
        for verb, kind in verbs:
            if kind in ("past", "participle", "present"):
                by_verb.setdefault(verb, set()).add(form)
    by_form: dict[str, frozenset[str]] = {}
    for form, verbs in forms.items():
        by_form[form] = frozenset(form for verb, _ in verbs for form in by_verb[verb])
    return by_form


def _lemma_forms(word: str) -> frozenset[str]:
    """The other forms of a verb that tell of a deed: "flew" and "flies" for "flown"."""
    return _all_verb_forms().get(word, frozenset({word}))


# --- food -----------------------------------------------------------------------------------------


def _is_eaten(allergen: str, attribute: str, habit: str) -> bool:
    """Whether somebody has what they are allergic to, often: "eat peanut butter every day"."""
    if _WITHOUT.search(habit) or _WITHOUT.search(allergen):
        return False
    if attribute == "habit" and not (_EATS.search(habit) and _OFTEN.search(habit)):
        return False
    if attribute != "habit" and not _OFTEN.search(habit):
        return False
    allergens = telling_words(allergen)
    forms = forms_of(words(habit))
    return 0 < len(allergens) <= 2 and all(is_among(word, forms) for word in allergens)


def _first_day(happened_on: str) -> str:
    return (happened_on or "").partition("/")[0]


def _plain(value: str) -> str:
    return " ".join(telling_words(value)) or value.casefold()
