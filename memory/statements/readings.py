"""What one predicate says of its subject: by the first rule that fits, else as a deed or a plan."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from memory.dates import MONTHS, WEEKDAYS
from memory.records import Turn
from memory.statements.clause import Clause, person_name
from memory.statements.coordinations import OF_ALL_TOGETHER
from memory.statements.days import day_of_year, named_days
from memory.statements.open_clauses import open_statement, past_of
from memory.statements.people import relation_attribute
from memory.statements.plans import SAYS_LITTLE, WHOLE_PLANS, is_plan
from memory.statements.possessions import named_pet
from memory.statements.predicates import Predicate
from memory.statements.rules import Rule, rules_of
from memory.statements.statement import End, Statement
from memory.statements.values import (
    WHOLE,
    in_digits,
    names_in_series,
    values_in,
    without_company,
)
from memory.statements.word_lists import word_lists
from memory.vocabulary import default_vocabulary

_FROM = re.compile(
    r",? from (?:\w+ )?(?:(?:19|20)\d\d|\w+day|" + "|".join(MONTHS) + r")\b.*", re.IGNORECASE
)
_DAY_FOLLOWS = re.compile(
    r"\W*(?:on|in|last|this|next|yesterday|today|tomorrow|the (?:day|\d)|\d|two|three|a|since"
    r"|from|" + "|".join((*MONTHS, *WEEKDAYS)) + r")\b",
    re.IGNORECASE,
)
_STATES_SINCE = re.compile(
    r"\b(?:since|for (?:\w+ )?(?:\d+|\w+) (?:years?|months?|weeks?))\b", re.I
)
_TOGETHER = frozenset({"engaged_to", "partner", "separated_from", "got_married", "marital_status"})
# What is said of nobody but people and animals: enough to tell that a first word is a name.
_OF_PEOPLE_ALONE = frozenset(
    {
        *("age", "allergic_to", "born_in", "born_on", "birthday", "bought", "comes_from", "diet"),
        *("died", "does_not_eat", "engaged_to", "got_married", "had_baby", "has_child", "has_pet"),
        *(
            "health",
            "ill_with",
            "injured",
            "left_job",
            "proposed_to",
            "habit",
            "works_hours",
            "lives_in",
            "lives_with",
            "lost_job",
            "married_to",
        ),
        *(
            "partner",
            "plays_instrument",
            "sold",
            "speaks",
            "studies_at",
            "travelled_to",
            "works_as",
        ),
        *("works_at", "went_to", "expects", "has_son", "has_daughter", "retired", "separated_from"),
        *(
            "afraid_of",
            "drives",
            "had_operation",
            "marital_status",
            "worked_as",
            "worked_at",
            "moved_in",
            "owns",
        ),
    }
)
# Of these verbs the rules are for what is done to the subject.
_PASSIVE = frozenset(
    {
        "bear",
        "call",
        "name",
        "base",
        "hire",
        "employ",
        "promote",
        "raise",
        "diagnose",
        "fire",
        "lay",
    }
)
# What somebody has bought and then owns until it is sold, lost or given away.
_LASTING = re.compile(
    r"^(?:[\w-]+ ){0,3}(?:car|bike|bicycle|van|boat|house|flat|apartment|motorbike|scooter|piano"
    r"|guitar|violin|cello|caravan|campervan|truck|lorry|tractor|kayak|canoe)\b(?! \w)",
    re.IGNORECASE,
)
_ANY_EMPLOYER = frozenset({"company", "firm", "place", "business", "startup", "start-up", "team"})
_NUMBERS = {
    word: str(number)
    for number, word in enumerate("one two three four five six seven eight nine ten".split(), 1)  # noqa: SIM905
}
# Of a thing, where a person's age needs no unit.
_OLD = re.compile(
    r"(?:now |already |only |just |about |nearly )?"
    r"(?P<age>\d{1,3}|[a-z]+(?:-[a-z]+)?) years? old\b",
    re.IGNORECASE,
)
_AMOUNT = re.compile(
    r"\b(?:rent|price|pay|salary|wages?|fees?|bill|weight|fare|cost|membership|subscription"
    r"|allowance|dose|rate|mortgage|limit|budget|premium|pension)$",
    re.IGNORECASE,
)
_TO_RISE = frozenset({"go", "rise", "drop", "increase", "come", "change", "fall"})
_RISEN = re.compile(
    r"(?:up |down )?to (?P<value>[£$€]? ?\d[\d.,]*"
    r"(?: ?(?:k|euros?|pounds?|quid|dollars?|%|percent))?"
    r"(?: (?:each|a|an|per) (?:month|week|year|hour|day|head)\b| each\b)?)(?! ?(?:[ap]m|o'clock|:))"
    r"(?=$|[,.!?;]| (?:from|in|on|since|this|last|next|now|and|but)\b)",
    re.IGNORECASE,
)
# A number that somebody gives something, with its unit; no date, time of day or age.
# What an object begins with; without one a word may be anything.
_OBJECT = re.compile(
    r"(?:(?i:an?|the|my|our|his|her|some|two|three|four|another|new|to|at|in|on|with|for|up"
    r"|both|all)"
    r"\b|\d|[A-Z\"'])"
)


# Whose deed is done to this has a name: "Erik repaired the bike", not "Reminder mailed at seven".
_WHAT = re.compile(
    r"(?:(?:an?|the|my|our|his|her|their|some|another|two|three|four|five|six|both)\b|\d)"
)

_JOINED = re.compile(r"(?:and|or|of|is|are|can|will)\b", re.IGNORECASE)
_ME = re.compile(r"(?:me|us)\b")
# Of these several stand behind one verb: "read Emma, Persuasion and Dracula".
_TITLED = frozenset({"read", "watched"})
_SERIES = _TITLED | {"visited", "travelled_to", "speaks", "met"}


def _takes_many(attribute: str) -> bool:
    """Whether a subject may have several values of an attribute at a time."""
    known = default_vocabulary().canonical(attribute)
    return known is None or known.kind != "one value"


class Reading:
    """What one predicate says of its subject."""

    def __init__(self, subject: str, verbs: Predicate, clause: Clause, turn: Turn) -> None:
        self._subject = subject
        self._verbs = verbs
        self._clause = clause
        self._turn = turn

    def statements(self) -> Iterator[Statement]:
        """By the first rule that fits, else as a deed or a plan."""
        verbs = self._verbs
        if verbs.verb == "die" and self._subject == self._turn.speaker.strip():
            return  # "i was invisible and i still died"
        if self._clause.is_thing:
            risen = _RISEN.match(verbs.rest)
            is_amount = bool(_AMOUNT.search(self._clause.subject))
            if risen and is_amount and verbs.verb in _TO_RISE and not verbs.is_denied:
                yield from self._risen(risen["value"])
            elif (
                verbs.verb == "be" and verbs.tense == "present" and (old := _OLD.match(verbs.rest))
            ):
                yield Statement(self._subject, "age", in_digits(old["age"]))
            else:
                yield from self._open()
            return
        is_ahead = verbs.tense == "future" or (
            verbs.tense in ("present", "progressive") and self._is_ahead()
        )
        for rule in rules_of(verbs.verb):
            if verbs.is_passive and verbs.verb not in _PASSIVE:
                continue
            if rule.tenses and verbs.tense not in rule.tenses:
                continue
            if (rule.cannot and not verbs.cannot) or (rule.still and not verbs.is_still):
                continue
            if rule.together and not self._clause.others:
                continue
            match = rule.match(verbs.rest)
            if match is None:
                continue
            if is_ahead:
                if rule.future:
                    yield from self._plan(rule, match)
                return
            result = [*self._by_rule(rule, match)]
            if not self._clause.is_known:
                result = [fact for fact in result if fact.attribute in _OF_PEOPLE_ALONE]
            if result:
                yield from result
                return
        if is_ahead and (verbs.tense != "present" or verbs.verb in WHOLE_PLANS):
            yield from self._plan(None, None)
        else:
            yield from self._open()

    def _by_rule(self, rule: Rule, match: re.Match[str]) -> Iterator[Statement]:
        verbs = self._verbs
        attribute = self._attribute(rule)
        if not attribute:
            return
        if attribute == "plans" and not match.groupdict().get("value"):
            yield from self._plan(rule, match)
            return
        groups = match.groupdict()
        if kin := groups.get("kin"):
            yield from self._kin(kin, match[0])
            return
        text = groups.get("value")
        if text is None:
            text = groups.get("habit")
            text = f"{verbs.word} {text}" if text else ""
        if groups.get("rest"):
            text += groups["rest"]
        text = self.as_seen(text)
        attribute = attribute.format(verb=past_of(verbs))
        if attribute in ("lives_in", "lived_in"):
            text = without_company(text)
        if attribute == "age":
            text = in_digits(text)
        if attribute == "stopped" and verbs.is_over:
            yield from self._over(rule, text)
            return
        values = values_in(
            text,
            is_list=rule.is_list,
            is_whole=attribute in WHOLE,
            may_be_several=verbs.verb not in OF_ALL_TOGETHER and _takes_many(attribute),
        )
        series = ""
        if attribute in _SERIES and groups.get("value"):
            names, series = names_in_series(
                verbs.rest[match.start("value") :], may_be_two=attribute not in _TITLED
            )
            values = names or values
        if rule.value and not values:
            values = [rule.value]
        if attribute in ("lost", "booked", "sold") and not _OBJECT.match(verbs.rest):
            return  # "we lost tilly", "lost items 2024"
        if self._clause.others and attribute in _TOGETHER:
            [value, *_] = [person_name(other, self._turn.speaker) for other in self._clause.others]
            attribute = "married_to" if attribute == "marital_status" else attribute
            values = [value]
        if attribute in ("likes", "dislikes"):
            if not self._clause.has_subject and _JOINED.match(verbs.rest):
                return  # "Love and acceptance can be found everywhere"
            values = [value for value in values if not SAYS_LITTLE.search(value)]
        values = [value for value in values if value.lower() not in _ANY_EMPLOYER]
        for value in values:
            happened_on = self.happened_on(ahead=rule.is_ahead, without=series)
            yield Statement(
                self._subject,
                attribute,
                value,
                happened_on,
                ends_of(rule.ends, value),
            )
            if attribute == "name":
                yield from named_pet(self._clause, value, self._turn)
            lasting = _LASTING.match(value) if attribute == "bought" else None
            if lasting and " for " not in value:
                yield Statement(self._subject, "owns", lasting[0], happened_on)
            if (
                attribute == "died"
                and self._clause.subject.removeprefix("my ") in word_lists().pets
            ):
                pet = self._clause.name or self._clause.subject.removeprefix("my ")
                yield Statement(
                    self._turn.speaker.strip(),
                    "had_pet",
                    pet,
                    happened_on,
                    (End("has_pet", pet),),
                )
        for name, part in groups.items():
            if values and part and name not in ("value", "habit", "rest", "kin", "noun"):
                name = "worked_at" if attribute == "worked_as" and name == "works_at" else name
                for value in values_in(part):
                    if value.lower() not in _ANY_EMPLOYER:
                        yield Statement(self._subject, name, value)

    def as_seen(self, value: str) -> str:
        """A value about somebody else, where "me" and "my" are the speaker's."""
        speaker = self._turn.speaker.strip()
        if self._subject == speaker:
            return value
        value = re.sub(r"\bmy\b", f"{speaker}'s", value)
        return re.sub(r"\b(?:me|I)\b", speaker, value)

    def _attribute(self, rule: Rule) -> str:
        """The attribute of a rule for when its verb is said to hold; "" for none."""
        verbs = self._verbs
        if verbs.is_over and (verbs.is_denied or verbs.tense == "former"):
            return "stopped" if rule.now or rule.denied else ""
        if verbs.is_denied:
            return rule.denied if verbs.tense == "present" else ""
        if verbs.tense in ("present", "progressive"):
            if not rule.now and rule.past and verbs.verb == "be" and verbs.word != "am":
                return ""
            return rule.now
        if verbs.tense == "former":
            return rule.past if rule.now and rule.past != rule.now else ""
        if verbs.tense == "perfect" and rule.now:
            holds = _STATES_SINCE.search(verbs.rest) or not rule.past
            return rule.now if holds else rule.past
        return rule.past

    def _over(self, rule: Rule, text: str) -> Iterator[Statement]:
        """ "I do not eat eggs any more": stopped, and whatever the rule says of now is over."""
        for value in values_in(text, is_list=rule.is_list):
            attribute, words = "stopped", value
            ends = tuple(End(name, value) for name in (rule.now, "habit", "likes") if name)
            if rule.now in ("works_at", "works_as"):
                attribute, ends = "left_job", (End("works_at"), End("works_as"))
            elif rule.past and rule.past != rule.now:
                attribute = rule.past
            elif rule.denied:
                attribute = rule.denied
            elif self._verbs.verb not in ("be", "have"):
                words = f"{self._verbs.word} {value}"
            yield Statement(self._subject, attribute, words, self.happened_on(), ends)

    def _kin(self, kin: str, text: str) -> Iterator[Statement]:
        """ "I have two sisters", where nobody is named."""
        attribute = relation_attribute(kin)
        count = text.split()[0].lower()
        if attribute and count in _NUMBERS and count != "one":
            yield Statement(self._subject, attribute, f"{_NUMBERS[count]} {kin.lower()}")
        elif attribute:
            yield Statement(
                self._subject, attribute, f"a {kin.lower()}" if count != "one" else f"1 {kin}"
            )

    def _plan(self, rule: Rule | None, match: re.Match[str] | None) -> Iterator[Statement]:
        verbs = self._verbs
        if verbs.is_denied or verbs.is_over:
            return
        attribute = (rule.future if rule else "") or "plans"
        if attribute == "birthday":
            when = self.happened_on(ahead=True)
            if len(when) == len("2025-01-01"):
                yield Statement(self._subject, "birthday", day_of_year(when))
            return
        text = f"{verbs.verb} {verbs.rest}"
        if rule and match and attribute != "plans":
            text = match.groupdict().get("value") or ""
        text = self.as_seen(text)
        when = self.happened_on(ahead=True)
        if attribute == "plans" and not is_plan(verbs, is_dated=bool(when)):
            return
        for value in values_in(text, is_whole=False)[:1]:
            is_named = attribute != "plans" or (when and verbs.verb in WHOLE_PLANS)
            is_told = len(value.split()) > 1 or is_named
            if is_told and not SAYS_LITTLE.search(value):
                ends = ends_of(rule.ends, value) if rule and attribute != "plans" else ()
                if verbs.verb == "turn" and len(when) == len("2025-01-01"):
                    yield Statement(self._subject, "birthday", day_of_year(when))
                yield Statement(self._subject, attribute, value, when, ends)

    def _risen(self, value: str) -> Iterator[Statement]:
        """ "The rent goes up to 655": its new amount."""
        *_, noun = self._clause.subject.removeprefix("my ").rpartition("'s ")
        attribute = "_".join(noun.lower().split())
        owner = self._clause.subject.rpartition("'s ")[0] or self._turn.speaker.strip()
        when = self.happened_on(ahead=self._verbs.tense in ("present", "progressive", "future"))
        yield Statement(owner, attribute, value, when, (End(attribute),))

    def _open(self) -> Iterator[Statement]:
        """What no rule is for, by its verb."""
        verbs = replace(self._verbs, rest=self.as_seen(self._verbs.rest))
        if self._clause.is_pasted and (self._clause.is_thing or verbs.tense == "present"):
            return
        if not (self._clause.is_known or self._has_named_subject()):
            return  # "Reminder mailed at seven"
        happened_on = self.happened_on()
        attribute, values = open_statement(
            verbs, is_dated=bool(happened_on), has_subject=self._clause.has_subject
        )
        is_event = verbs.tense in ("past", "perfect")
        for value in values:
            yield Statement(self._subject, attribute, value, happened_on, is_event=is_event)

    def _has_named_subject(self) -> bool:
        """Whether a first word that nothing else names is whose deed it is: "Erik repaired it"."""
        verbs = self._verbs
        if not verbs.word.endswith("ed") or verbs.is_passive or _WHAT.match(verbs.rest):
            return True
        return verbs.tense == "past" and bool(_ME.match(verbs.rest))

    def _is_ahead(self) -> bool:
        """Whether present words tell of a day to come: "I am flying to Rome on Friday"."""
        if self._verbs.tense == "present" and self._verbs.verb not in (
            *("start", "begin", "fly", "move", "leave", "go", "turn", "have", "be", "get"),
            *("marry", "graduate", "arrive", "visit", "retire", "finish"),
        ):
            return False
        text = f"{self._clause.when} {self._clause.text}"
        if re.search(r"\b(?:every|each)\b", text, re.I):
            return False  # "I go swimming every Tuesday"
        if re.search(r"\b(?:since|from)\b", text, re.I) and self._verbs.tense == "present":
            return False
        today = self._turn.said_at[:10]
        days = named_days(text, self._turn.said_at, ahead=True)
        return bool(days) and any(day > today[: len(day)] for day in days)

    def happened_on(self, ahead: bool = False, without: str = "") -> str:
        """The day of the clause (ISO), "" for none. Commas in the words `without` do not count."""
        verbs = self._verbs
        text = self._clause.text.replace(without, "", 1)
        if verbs.tense in ("present", "progressive") and not ahead:
            since = re.search(r"\b(?P<word>since|from)\b.*", text, re.IGNORECASE)
            if since is None:
                return ""
            text, ahead = since[0], since["word"].lower() == "from"
        elif not ahead:
            # "I gave notice, from January I ...", "bought a van from 2014"
            text = _FROM.sub("", text)
        # The day that stands nearest: "ran on Thursday, first time since the 3rd".
        near, _, rest = text.partition(",")
        far = text if _DAY_FOLLOWS.match(rest) else near
        for part in (f"{self._clause.when} {near}", far):
            days = self._days(part, ahead=ahead)
            if len(days) == 1:
                return days[0]
        return ""

    def _days(self, text: str, *, ahead: bool) -> list[str]:
        """The days that a text names, without those that are not yet, or were."""
        today = self._turn.said_at[:10]
        days = named_days(text, self._turn.said_at, ahead=ahead)
        if ahead or not today:
            return days
        return [day for day in days if day[: len(today)] <= today]


def ends_of(names: Sequence[str], value: str) -> tuple[End, ...]:
    """The ends that a rule writes as "owns" (all) or "owns=" (those that name the value)."""
    return tuple(End(name.partition("=")[0], value if name.endswith("=") else "") for name in names)
