"""What a question says of whom, and whether a sentence of a turn speaks of the same.

The words of a question that name neither its persons nor a day are its slots. A sentence meets a
slot by the word itself, in any form, or by one that tells of the same ("repaired" for "mended").
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from memory.dates import MONTHS, WEEKDAYS
from memory.passages import sentences
from memory.program.fact_questions import QUESTION_WORDS
from memory.program.fact_words import all_forms, base_of, is_past_verb, near_words, root_of
from memory.program.told_of import names_in
from memory.program.turn_events import other_names
from memory.records import Turn
from memory.search.words import STOP_WORDS, words

FESTIVALS = frozenset(
    words("christmas easter thanksgiving halloween diwali eid hanukkah ramadan passover")
)
KIN_WORDS = frozenset(
    words(
        "mother mum mom mam mummy father dad daddy parents brother sister son daughter boy girl"
        " wife husband partner girlfriend boyfriend aunt auntie uncle cousin niece nephew"
        " grandmother gran grandma granny nan grandfather grandad grandpa granddad grandson"
        " granddaughter neighbour neighbor boss colleague landlord landlady friend flatmate"
        " roommate housemate baby child fiance fiancee doctor dentist dog cat puppy kitten horse"
        " pony rabbit hamster parrot"
    )
)
DETERMINERS = frozenset(words("the a an my our his her their its some any"))
_HELPING = {"had": "have", "has": "have", "done": "do", "did": "do", "does": "do"}
_CLAUSE_WORDS = frozenset(words("since while when after before until"))
_ADVERBS = frozenset(words("still ever also already actually both all really"))
_GROUPS = frozenset(words("family families twins kids children parents couple two three both four"))
_PARTS = frozenset(words("part share half most some any"))
_PRONOUNS = frozenset(words("i we they it he she you there anybody anyone everybody everyone"))
_BOUNDS = DETERMINERS | frozenset(
    words(
        "to in at on for from with by about into of off up down out away back behind under near"
        " me him them it us"
    )
)
_SMALL = frozenset(
    words(
        "ever yet actually really finally end managed manage already any single own little old"
        " new himself herself myself themselves itself own alone gone go went goes going make made"
        " makes take taken took place something  together back again without whole still behind"
        " under near"
    )
)
_FIRST = re.compile(r"\b(?:i|we|me|my|us|our|mine|ours|myself)\b", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your)\b", re.IGNORECASE)
_THIRD = re.compile(r"\b(?:he|she|they|him|her|his|them|their)\b", re.IGNORECASE)
_PLACE = re.compile(
    r"\b(?:in|at|from|near|into|around|across|through|leave for|back to)"
    r" (?P<place>[A-Z][\w'-]+(?: [A-Z][\w'-]+)*)(?!'s)"
)
_DAYS = frozenset((*MONTHS, *WEEKDAYS, *FESTIVALS))
_ABBREVIATED = re.compile(r"\b(?:St|Dr|Mr|Mrs|Ms|Mt|No|Prof)\.$")
_TOKEN = re.compile(r"[^\W_][\w'\u2019-]*")


@dataclass(frozen=True)
class Slot:
    """A word of a question: the roots of the words that meet it, and whether it is a name."""

    word: str
    roots: frozenset[str]
    is_name: bool = False

    def is_met(self, text_words: Collection[str]) -> bool:
        """Whether one of these words tells of the same."""
        return any(root_of(word) in self.roots for word in text_words)


@dataclass(frozen=True)
class Whose:
    """Whom a question is about: the words of a name, and who of theirs ("mother"), or ""."""

    name: frozenset[str]
    kin: str = ""


@dataclass(frozen=True)
class Telling:
    """A sentence of a turn, with what stands before it there and the turns right before."""

    turn: Turn
    sentence: str
    earlier: tuple[str, ...]
    following: str
    before: tuple[Turn, ...]

    @property
    def around(self) -> str:
        """What was said right before the sentence, and behind it in its turn."""
        return " ".join((*(turn.text for turn in self.before), *self.earlier, self.following))


def slot_of(word: str) -> Slot:
    """The slot of a word of a question; with a capital it is a name."""
    lower = words(word)[0]
    if word[0].isupper():
        return Slot(lower, frozenset((root_of(lower),)), is_name=True)
    same = {lower, *all_forms(lower), *other_names(lower), *near_words(lower)}
    return Slot(lower, frozenset(map(root_of, same)))


def tokens_of(text: str) -> list[str]:
    """The words of a text as they are written."""
    return _TOKEN.findall(text.replace("\u2019", "'"))


@lru_cache(maxsize=1_000)
def kin_names(kin: str) -> frozenset[str]:
    """The words for the same relation: mother, mum, mom."""
    return frozenset({kin, *(near_words(kin) & KIN_WORDS)})


def verb_behind(tokens: Sequence[str], asker: str = "") -> int | None:
    """Where the verb stands behind a subject such as "the young couple".

    It is the last word before another determiner, a preposition, a pronoun or a name.
    """
    if [token.lower() for token in tokens[-2:]] == ["take", "place"]:
        return len(tokens) - 2
    for position in range(2, len(tokens)):
        token = tokens[position]
        if is_past_verb(token.lower()):
            return position
        if token.lower() in _ADVERBS:
            return position + 1
        if token.lower() in _BOUNDS or token[0].isupper() or token == asker:
            return max(position - 1, 2)
    return len(tokens) - 1 if len(tokens) > 2 else None


def infinitive(word: str) -> str:
    """The verb that a word is a form of, those included that help other verbs."""
    return _HELPING.get(word, base_of(word))


def main_clause(tokens: Sequence[str]) -> list[str]:
    """The words of a question but for a clause that says when: "when Anna moved"."""
    for position, token in enumerate(tokens):
        if position > 1 and token.lower() in _CLAUSE_WORDS:
            return list(tokens[:position])
    return list(tokens)


def subject_length(tokens: Sequence[str], persons: Sequence[Whose], asker: str = "") -> int:
    """How many words behind the first verb of a question name its subject.

    "Anna and the twins" are four, "Anna's old boss" three.
    """
    if not tokens:
        return 0
    of_persons = {word for person in persons for word in (*person.name, person.kin)}
    first = tokens[0].lower()
    if first in DETERMINERS:
        length = verb_behind(tokens, asker) or min(2, len(tokens))
    elif first in _PRONOUNS:
        length = 1
    else:
        length = 0
        while length < len(tokens):
            bare = words(tokens[length].removesuffix("'s"))[:1]
            is_name = tokens[length][0].isupper() or (bare and bare[0] in of_persons)
            is_owned = length > 0 and tokens[length - 1].endswith(("'s", "s'"))
            if not (is_name or is_owned):
                break
            length += 1
    if length and length + 1 < len(tokens) and tokens[length].lower() == "and":
        more = subject_length(tokens[length + 1 :], persons, asker)
        return length + 1 + more if more else length
    return length


def slots_in(tokens: Sequence[str], persons: Sequence[Whose]) -> list[Slot]:
    """The slots of the words of a question that name nobody whom it is about.

    A name of several words is one slot, which any of them meets: "Harbour" for "Harbour View".
    """
    taken = {word for person in persons for word in (*person.name, *person.kin.split())}
    slots: list[Slot] = []
    is_after_name = False
    for number, token in enumerate(tokens):
        bare = token.removesuffix("'s").removesuffix("'")
        lower = (words(bare) or [""])[0]
        if lower in _PARTS and "of" in tokens[number + 1 : number + 2]:
            continue
        is_small = lower in STOP_WORDS or lower in QUESTION_WORDS or lower in _SMALL
        is_day = lower in MONTHS or lower.isdigit()
        if not lower or lower in taken or is_day or (is_small and not _is_name(token)):
            is_after_name = False
            continue
        slot = slot_of(bare)
        if slot.is_name and is_after_name:
            name = slots.pop()
            slot = Slot(f"{name.word} {slot.word}", name.roots | slot.roots, is_name=True)
        if all(second.word != slot.word for second in slots):
            slots.append(slot)
        is_after_name = slot.is_name
    return slots


def subject_slots(tokens: Sequence[str], persons: Sequence[Whose]) -> list[Slot]:
    """The slots of a question's subject, without words for those who may be "we"."""
    return [slot for slot in slots_in(tokens, persons) if slot.word not in _GROUPS]


def _is_name(written: str) -> bool:
    return written[0].isupper() and written != "I"


def persons_in(tokens: Sequence[str], asker: str, speakers: Collection[str]) -> list[Whose]:
    """Whom the words behind the first verb of a question name: its subject, then those who speak.

    "Anna's mother" is one person, "Anna and Ben" are two, and Anna is one in "the roof of Anna's
    shed" where she speaks.
    """
    persons: list[Whose] = []
    position = 0
    is_subject = True
    while position < len(tokens):
        token = tokens[position]
        bare = token.removesuffix("'s").removesuffix("'")
        name = frozenset(words(bare))
        is_person = bare == asker or (
            _is_name(token) and (is_subject or not name.isdisjoint(speakers))
        )
        if is_person:
            end = position + 1
            while end < len(tokens) and tokens[end - 1] == bare and _is_name(tokens[end]):
                bare = tokens[end].removesuffix("'s").removesuffix("'")
                name |= frozenset(words(bare))
                end += 1
            kin = ""
            if tokens[end - 1] != bare and end < len(tokens):
                owned = tokens[end].lower().removesuffix("'s")
                kin = owned if owned in KIN_WORDS else ""
                end += bool(kin)
                # "Maren's niece Clara" is Clara.
                if kin and end < len(tokens) and _is_name(tokens[end]):
                    name, kin, end = frozenset(words(tokens[end])), "", end + 1
            persons.append(Whose(name, kin))
            position = end
        else:
            position += 1
        following = tokens[position].lower() if position < len(tokens) else ""
        if following == "and" and is_subject and is_person:
            position += 1
            continue
        is_subject = is_subject and not is_person and token.lower() in KIN_WORDS
    return persons


def tellings(turns: Sequence[Turn]) -> list[Telling]:
    """The sentences of turns in the order in which they were said."""
    by_id = {turn.id: turn for turn in turns}
    account: list[Telling] = []
    for turn in sorted(turns, key=lambda turn: turn.id):
        before = tuple(
            by_id[turn.id - number]
            for number in (2, 1)
            if turn.id - number in by_id and by_id[turn.id - number].session == turn.session
        )
        parts = _whole_sentences(turn.text.replace("\u2019", "'"))
        for number, sentence in enumerate(parts):
            following = parts[number + 1] if number + 1 < len(parts) else ""
            account.append(Telling(turn, sentence, tuple(parts[:number]), following, before))
    return account


def aliases_of(
    persons: Sequence[Whose], account: Sequence[Telling]
) -> Mapping[Whose, frozenset[str]]:
    """The names by which somebody's kin are called, where there is one: "my sister Ania"."""
    aliases: dict[Whose, frozenset[str]] = {}
    for person in persons:
        if not person.kin:
            continue
        kin = "|".join(sorted(kin_names(person.kin)))
        owner = "|".join(sorted(person.name))
        name = r"(?P<name>[A-Z][\w-]+)"
        names: set[str] = set()
        for telling in account:
            is_own = person.name <= set(words(telling.turn.speaker))
            lead = r"(?:my|our)" if is_own else rf"(?:{owner})'s"
            whose = rf"\b(?i:{lead}) (?:[a-z]+ )?(?i:{kin})\b"
            for pattern in (
                rf"{whose},? (?:is |called |named |is called )?{name}",
                rf"\b{name},? (?:is )?{whose}",
            ):
                names |= {
                    match["name"].lower()
                    for match in re.finditer(pattern, telling.sentence)
                    if match["name"].lower() not in STOP_WORDS
                }
        names -= person.name | _DAYS
        if len(names) == 1:
            aliases[person] = frozenset(names)
    return aliases


def _whole_sentences(text: str) -> list[str]:
    """The sentences of a text; "St. Luke's" is no end of one."""
    parts: list[str] = []
    for part in sentences(text):
        if parts and _ABBREVIATED.search(parts[-1]):
            parts[-1] = f"{parts[-1]} {part.strip()}"
        else:
            parts.append(part.strip())
    return parts


def is_of(
    person: Whose,
    telling: Telling,
    slots: Sequence[Slot] = (),
    aliases: Mapping[Whose, frozenset[str]] | None = None,
) -> bool:
    """Whether a sentence speaks of a person: by themselves, by a name, by a pronoun behind it.

    `slots` are words that name nobody, however they are written; `aliases` the names by which
    somebody's kin is called.
    """
    sentence_words = set(words(telling.sentence))
    speaker = set(words(telling.turn.speaker))
    is_own = person.name <= speaker
    if person.kin:
        called = (aliases or {}).get(person, frozenset())
        is_called = called and (
            called <= sentence_words
            or (_THIRD.search(telling.sentence) and called <= _last_named(telling, slots))
        )
        return bool(is_called) or _is_of_kin(person, telling, is_own)
    if person.name <= sentence_words:
        return True
    if is_own:
        if _FIRST.search(telling.sentence) or re.match(r"\W*(?:it|that)\b", telling.sentence, re.I):
            return True
        others = {
            name
            for name in people_in(telling.sentence) - speaker
            if not any(slot.is_met([name]) for slot in slots)
        }
        return not others and not _THIRD.search(telling.sentence)
    if _is_said_to(person, telling):
        return True
    if _THIRD.search(telling.sentence) and not _FIRST.match(telling.sentence):
        return person.name <= _last_named(telling, slots)
    return False


def _is_said_to(person: Whose, telling: Telling) -> bool:
    """Whether a sentence says what "you" did to whoever spoke before."""
    if not telling.before or _FIRST.search(telling.sentence):
        return False
    is_second = _YOU.search(telling.sentence)
    return bool(is_second) and person.name <= set(words(telling.before[-1].speaker))


def _last_named(telling: Telling, slots: Sequence[Slot]) -> set[str]:
    """Who was named last before a sentence, in its turn or the two before it."""
    for text in (*telling.earlier[::-1], *(turn.text for turn in telling.before[::-1])):
        names = people_in(text)
        names = {name for name in names if not any(slot.is_met([name]) for slot in slots)}
        if names:
            return names
    return set()


def names_before(telling: Telling) -> str:
    """The one who was named last before a sentence, as written; "" for several or nobody.

    With who it is where that is said: "my nephew Curtis".
    """
    names = _last_named(telling, ())
    kin = "|".join(sorted(KIN_WORDS))
    for text in (*telling.earlier[::-1], *(turn.text for turn in telling.before[::-1])):
        runs = {
            run[0]
            for run in re.finditer(r"[A-Z][\w-]+(?: [A-Z][\w-]+)*", text)
            if set(words(run[0])) <= names
            and len(run[0]) > len("Ma")
            and not re.match(r"[\w-]+ (?:is|was) (?:on|at)\b", text[run.start() :])
        }
        if len(runs) == 1:
            name = re.escape(runs.pop())
            hits = re.search(rf"(?:\b(?:my|our) )?(?:\b(?i:{kin}) )?\b{name}\b", text)
            return hits[0].strip() if hits else ""
        if runs:
            return ""
    return ""


def people_in(text: str) -> set[str]:
    """The words of a text that may name people, in small letters: no days, and no places."""
    places = {match["place"].lower() for match in _PLACE.finditer(text)}
    places = {word for place in places for word in words(place)}
    return (names_in(text) | _first_name(text)) - places - _DAYS


def _first_name(text: str) -> set[str]:
    """The first word of a text where it may be a name: "Juno" of "Juno passed the test"."""
    first = re.match(r"\W*(?:And |But |So |Then )?([A-Z][a-z]+)(?='s| [a-z]+(?:ed|s|t)\b)", text)
    lower = first[1].lower() if first else ""
    return {lower} - STOP_WORDS - {""}


def _is_of_kin(person: Whose, telling: Telling, is_own: bool) -> bool:
    kin = "|".join(sorted(kin_names(person.kin)))
    name = "|".join(sorted(person.name))
    is_named = re.search(
        rf"\b(?:{name})'s (?:\w+ )?(?:{kin})\b"
        + (rf"|(?:\b(?:my|our|the) (?:\w+ )?|^|(?<![\w'] ))(?:{kin})\b|\b(?-i:{_capital(kin)})\b"
           if is_own else ""),
        telling.sentence,
        re.IGNORECASE,
    )  # fmt: skip
    if is_named:
        return True
    asked_before = telling.before[-1] if telling.before else None
    is_yours = re.search(rf"\byour (?:\w+ )?(?:{kin})\b", telling.sentence, re.IGNORECASE)
    if asked_before and is_yours and person.name <= set(words(asked_before.speaker)):
        return True
    if not re.search(r"\b(?:he|she|they|him|her|his)\b", telling.sentence, re.IGNORECASE):
        return False
    own_turns = [turn for turn in telling.before if person.name <= set(words(turn.speaker))]
    near = " ".join((*(turn.text for turn in own_turns), *telling.earlier[-2:]))
    return bool(is_own and re.search(rf"\b(?:{kin})\b", near, re.IGNORECASE))


def _capital(names: str) -> str:
    return "|".join(name.capitalize() for name in names.split("|"))
