"""Whether a text tells the very deed that a yes-or-no question asks about.

"Did Anna finish her degree?" shares a verb with "I finished the report", and "Does Anna play
football?" with "My kids play football". Verbs alone prove nothing: what the verb is done to, and
by whom, have to be met as well. What a question does not name is not compared.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from memory.passages import sentences
from memory.program.asked_topics import (
    DETERMINERS,
    Slot,
    infinitive,
    people_in,
    persons_in,
    slots_in,
    subject_length,
    tokens_of,
)
from memory.program.fact_words import is_of_class, root_of
from memory.records import Turn
from memory.search.words import words

_ASKS = re.compile(
    r"^\W*(?:(?:so|and|but)\W+)?(?P<auxiliary>did|was|were|has|have|had|is|are|am|does|do|can)"
    r"(?:n't)?\s(?P<rest>.+?)\W*$",
    re.IGNORECASE | re.DOTALL,
)
_CLAUSE_END = re.compile(
    r"[;:()]|\s[-\u2013\u2014]+\s|\.\.\.|,?\s\b(?:but|because|when|while|cos|so|which|who|that"
    r"|although|though|if)\b"
    r"|,\s(?!(?:an?|(?:my|our|the) (?:first|second|last|only|new))\b)"
    r"|\s(?=and (?:i|we|he|she|they|it|you|the|my|our|his|her)\b)",
    re.IGNORECASE,
)
_PREPOSITIONS = frozenset(
    words("for in at on to with from of about during after before since until by around near as")
)
# With them a verb says another thing: to run into somebody, to run out, to drive at something.
_PARTICLES = frozenset(words("into out over up down off by across through away of at on"))
_ADVERBS = frozenset(
    words(
        "still ever never also already actually really just both all always often usually sometimes"
        " now currently finally recently only even not again too yet regularly hardly once"
        " ever definitely probably"
    )
)
_TIMES = frozenset(
    words(
        "today yesterday tonight tomorrow last this next every each now then ago twice once again"
        " daily weekly lately recently here there home alone together well badly much more less"
        " while when because"
    )
)
_PRONOUNS = frozenset(words("it them that this these those him her one some any us me you both"))
_FIRST = frozenset(words("i we i'm i've i'd i'll we're we've we'd we'll im ive"))
_AUXILIARIES = frozenset(
    words("am is are was were be been being have has had do does did will would can could used to")
)
_LINKS = frozenset(words("and then but so or yes no yeah well ok okay oh"))
_OWNERS = DETERMINERS | frozenset(words("this that these those every each another no"))
_PLACES = frozenset(words("in at on from near around since until by during"))
_THIRD = frozenset(words("he she they you he's she's they're you're"))
_BE = frozenset(words("is are was were am"))
_ASKER = frozenset(("i",))  # whoever asks, by whatever name
# Such verbs say little without what stands beside them, and are told in many other words.
_LIGHT = frozenset(words("be have do go get come make take"))
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class AskedDeed:
    """Who is asked about, a verb, and what it is done to: None for a verb alone ("Does Anna run?").

    `doer` are the words of a name; none where it is no person, or "we". The thing may stand behind
    a `preposition`: "allergic to cats".
    """

    doer: frozenset[str]
    verb: str
    thing: Slot | None
    preposition: str = ""

    def is_told_in(self, turn: Turn, around: str = "", text: str = "") -> bool:
        """Whether a turn may tell the deed.

        Arguments:
            turn: who says it, and all that is said.
            around: what was said just before, in which the thing may be named that "it" means.
            text: the part of the turn that is to tell it; "" for all of the turn.
        """
        near = words(f"{turn.text} {around}")
        clauses = self._clauses_in(text or turn.text)
        if not clauses:
            return self.thing is None or self._is_met(near)
        return any(self._is_in(clause, verb, near, turn) for clause, verb in clauses)

    def is_of_another_thing(self, turn: Turn, around: str = "", text: str = "") -> bool:
        """Whether a turn has the verb with another thing, and never names the one that is asked."""
        if self.thing is None or self._is_met(words(f"{turn.text} {around}")):
            return False
        own_things = [
            _noun_phrase(clause[verb + 1 :]) for clause, verb in self._clauses_in(text or turn.text)
        ]
        return any(phrase and phrase[0].lower() not in _PRONOUNS for phrase in own_things)

    def _clauses_in(self, text: str) -> list[tuple[list[str], int]]:
        """The clauses with the verb, and where it stands; of "be" those that say what one is."""
        clauses = [
            (clause, verb)
            for clause in _clauses(text.replace("\u2019", "'"))
            for verb in _verbs(clause, self.verb)
        ]
        if self.verb != "be":
            return clauses
        return [(clause, verb) for clause, verb in clauses if self._is_met(clause[verb + 1 :])]

    def _is_in(self, clause: Sequence[str], verb: int, near: Sequence[str], turn: Turn) -> bool:
        """Whether the verb of a clause is of the doer, and done to the thing."""
        lead = clause[: verb + 1] if "'" in clause[verb] else clause[:verb]  # "I'm"
        behind = clause[verb + 1 :]
        is_joined = bool(behind) and behind[0].lower() == self.preposition
        own_thing = _noun_phrase(behind[1:] if is_joined else behind)
        # "The exam was passed", "my garden has a pond": the thing stands before its verb.
        is_of_thing = (
            self.thing is not None and self._is_met(lead) and (not own_thing or self.verb == "have")
        )
        if not is_of_thing and not self._is_of_doer(lead, turn):
            return False
        if self.thing is None:
            return _is_bare(behind)
        if is_of_thing or self._is_met(behind):
            return True
        if own_thing and own_thing[0].lower() not in _PRONOUNS:
            return False
        return self._is_met(near) or _is_bare(behind)

    def _is_met(self, text_words: Collection[str]) -> bool:
        if self.thing is None:
            return True
        bare = [part for word in text_words for part in words(word.removesuffix("'s"))]
        return self.thing.is_met(bare) or is_of_class(self.thing.word, bare)

    def _is_of_doer(self, lead: Sequence[str], turn: Turn) -> bool:
        """Whether the words before a verb may name the doer, or leave out "I".

        In "My kids play", "The noise drives" and "Kim's son plays" they name another.
        """
        if not self.doer:
            return True
        speaker = frozenset(words(turn.speaker))
        doer = speaker if self.doer == _ASKER else self.doer
        is_own = doer <= speaker
        subject = [*lead]
        while subject and _is_between(subject[-1].lower()):
            subject.pop()
        if not subject or subject[-1].lower() in _LINKS:
            return True
        others = people_in(" ".join((*lead, "was"))) - doer
        for position in range(len(subject) - 1, -1, -1):
            word = subject[position].lower()
            before = subject[position - 1].lower() if position else ""
            if word in _FIRST:
                return is_own
            if word in doer or word.removesuffix("'s") in doer:
                # "Kim's", and not the son of "Kim's son".
                return position == len(subject) - 1 or not word.endswith("'s")
            if before == "and" and position > 1:
                continue  # "I and Tom", "I sat down and"
            if word in _THIRD:
                return not is_own
            if word in others or word.endswith("'s"):
                return False
            if word in _OWNERS and before not in _PREPOSITIONS:
                return False
        return True


def _is_between(word: str) -> bool:
    """Whether a word may stand between a subject and its verb, and names neither."""
    return word in _ADVERBS or word in _AUXILIARIES or word.endswith(("n't", "ly"))


def read_deed(question: str, asker: str = "", speakers: Collection[str] = ()) -> AskedDeed | None:
    """The deed that a question asks about; None where it asks for no deed, or a light one alone.

    Arguments:
        question: "Did Anna finish her degree?", in the third person or by the asker.
        asker: who asks, a name of one word or more.
        speakers: the words of the names under which somebody speaks.
    """
    match = _ASKS.match(question.replace("\u2019", "'"))
    if match is None:
        return None
    tokens = tokens_of(match["rest"])
    persons = persons_in(tokens, asker, set(speakers))
    verb_at = subject_length(tokens, persons, asker)
    while verb_at < len(tokens) and tokens[verb_at].lower() in _ADVERBS:
        verb_at += 1
    if not verb_at or verb_at >= len(tokens):
        return None
    if tokens[verb_at].lower() in _PREPOSITIONS:
        return None  # "Is Anna in Oslo?"
    if tokens[verb_at].lower() in _OWNERS:
        tokens.insert(verb_at, "be")  # "Is Anna a nurse?"
    verb = infinitive(tokens[verb_at].lower())
    behind = tokens[verb_at + 1 :]
    phrase = _noun_phrase(behind)
    preposition = ""
    if match["auxiliary"].lower() in _BE and not phrase:
        if (
            len(behind) < 2
            or behind[0].lower() not in _PREPOSITIONS
            or behind[0].lower() in _PLACES
        ):
            return None
        preposition = behind[0].lower()
        phrase = _noun_phrase(behind[1:])  # "Is Anna allergic to cats?"
    slots = slots_in(phrase, ()) if phrase else []
    is_alone = _is_bare(behind)
    if not slots and (not is_alone or verb in _LIGHT):
        return None
    thing = slots[-1] if slots else None
    if thing is not None:
        # A marathon is run, and so "run" is near it.
        thing = replace(thing, roots=(thing.roots - {root_of(verb)}) | {root_of(thing.word)})
    doer = _ASKER if tokens[0].lower() == "i" else frozenset[str]()
    if persons and not persons[0].kin and verb_at <= len(persons[0].name) + 1:
        doer = persons[0].name
    return AskedDeed(doer, verb, thing, preposition)


def _noun_phrase(tokens: Sequence[str]) -> list[str]:
    """What a verb is done to: the words right behind it, up to a preposition or a time."""
    phrase: list[str] = []
    for token in tokens:
        lower = token.lower()
        is_adverb = lower in _ADVERBS or (lower.endswith("ly") and not phrase)
        if is_adverb and not phrase:
            continue
        if lower in _PREPOSITIONS or lower in _PARTICLES or lower in _TIMES or lower in _LINKS:
            break
        phrase.append(token)
    return phrase


def _is_bare(behind: Sequence[str]) -> bool:
    """Whether nothing behind a verb changes its sense: "runs on Mondays", and not "runs a shop"."""
    following = [token.lower() for token in behind if token.lower() not in _ADVERBS]
    if not following:
        return True
    first = following[0]
    if first in _PARTICLES:
        return first == "on" and len(following) > 1 and "day" in following[1]
    return (
        first in _PREPOSITIONS
        or first in _TIMES
        or first in _LINKS
        or first.endswith("ly")
        or bool(_DIGIT.match(first))
    )


def _clauses(text: str) -> Iterator[list[str]]:
    for sentence in sentences(text):
        for clause in _CLAUSE_END.split(sentence):
            if tokens := tokens_of(clause):
                yield tokens


def _verbs(clause: Sequence[str], verb: str) -> Iterator[int]:
    """Where a verb stands in a clause, in any form; no noun of the same letters ("the run")."""
    root = root_of(verb)
    for position, token in enumerate(clause):
        lower = token.lower()
        is_noun = position > 0 and clause[position - 1].lower() in _OWNERS
        is_being = verb == "be" and (lower in _BE or lower.endswith(("'m", "'re", "'s")))
        is_verb = root_of(lower) == root or infinitive(lower) == verb
        if is_being or (is_verb and not is_noun):
            yield position
