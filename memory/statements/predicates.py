"""What a clause says its subject does or is: the verb, when, whether it is denied, and the"
" rest."""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from memory.statements.rules import rule_verbs
from memory.statements.word_lists import Form, verb_forms, word_lists

# "perfect" is "have lived", "future" is "will" and "going to", "former" is "used to".
Tense = Literal["present", "progressive", "past", "perfect", "future", "former"]

_TOKEN = re.compile(r"\s*([\w'&-]+)")
_BE = {"am": "present", "is": "present", "are": "present", "was": "past", "were": "past"}
_AUXILIARIES = frozenset(
    {"do", "does", "did", "have", "has", "had", "will", "can", "cannot", "used", "been", *_BE}
)
_FUTURE = re.compile(
    r"(?:going to (?!bed\b|sleep\b|work\b|school\b|church\b|hospital\b|the\b|an?\b|my\b|our\b"
    r"|his\b|her\b|this\b|be sick)"
    r"|(?:about|planning|hoping|set|due|meant) to )(?=(?-i:[a-z]))",
    re.IGNORECASE,
)
_OFF_TO = re.compile(r"off (?=to (?:the |a |my )?\w+)", re.IGNORECASE)
_NO_MORE = re.compile(r"\b(?:any ?more|any longer)\b", re.IGNORECASE)
# Adjectives and participles that a chat puts first, with "am" left out.
# "Learning another language is tough" tells of learning.
_IS_SUBJECT = re.compile(
    r"\b(?:is|are|was|were|has|makes?|helps?|can|gives?|feels?|takes?"
    r"|will)\b"
)
_STILL = re.compile(r"still (?=(?:at|in|with) )", re.IGNORECASE)
_BARE_ADJECTIVE = re.compile(
    r"(?:allergic to|married to|engaged|pregnant|vegan|vegetarian)\b", re.I
)


@dataclass(frozen=True)
class Predicate:
    """A verb in its plain form, and the words behind it.

    `word` is the verb as it stands in the text. `is_over`: "no longer", "not ... any more".
    """

    verb: str
    word: str
    rest: str
    tense: Tense
    is_denied: bool = False
    is_over: bool = False
    cannot: bool = False
    is_passive: bool = False
    is_still: bool = False
    is_will: bool = False


@cache
def _forms() -> dict[str, list[tuple[str, Form]]]:
    return verb_forms({*word_lists().irregular, *rule_verbs()})


@cache
def _open_forms() -> dict[str, list[tuple[str, Form]]]:
    """The forms of verbs that no rule is for."""
    return verb_forms(word_lists().verbs - {*word_lists().irregular, *rule_verbs()})


def is_finite(word: str) -> bool:
    """Whether a word is a verb in the present or the past of a subject: "drives", "won"."""
    kinds = {kind for _, kind in _forms().get(word.lower(), ())}
    return bool(kinds & {"present", "past"}) or word.lower() in ("is", "am", "are", "was", "has")


def has_verb(text: str) -> bool:
    """Whether a clause without its subject begins with a verb."""
    text = text.removeprefix("no longer ")
    word = next((word for word in text.lower().split()[:3] if word not in word_lists().adverbs), "")
    word = word.strip(",.!?")
    return is_finite(word) or word in _AUXILIARIES or (word.endswith("ed") and len(word) > 4)


def predicate(text: str, *, has_subject: bool = True) -> Predicate | None:
    """The predicate that a clause without its subject begins with; None where it has none."""
    return _Reader(text, has_subject).read()


class _Reader:
    """Reads the verbs at the beginning of a text, word by word."""

    def __init__(self, text: str, has_subject: bool) -> None:
        self._text = text
        self._at = 0
        self._has_subject = has_subject
        self._is_denied = False
        self._is_over = bool(_NO_MORE.search(text))
        self._cannot = False
        self._is_will = False
        self._is_still = bool(re.match(r"(?:\w+ )?still\b", text, re.IGNORECASE))

    def read(self) -> Predicate | None:
        """The predicate, by its first auxiliary."""
        if not self._has_subject and _BARE_ADJECTIVE.match(self._text):
            return self._made("be", "am", "present")
        if not self._has_subject and (still := _STILL.match(self._text)):
            self._at = still.end()
            return self._made("be", "am", "present")
        self._skip_adverbs()
        word = self._peek()
        if word in ("do", "does", "did") and self._is_auxiliary(("base",)):
            self._next()
            self._skip_adverbs()
            return self._main("past" if word == "did" else "present", ("base",))
        if word in ("will", "shall"):
            self._is_will = True
            self._next()
            self._skip_adverbs()
            return self._main("future", ("base",))
        if word in ("can", "cannot", "could"):
            self._next()
            self._cannot = word == "cannot"
            self._is_denied = self._is_denied or word == "cannot"
            self._skip_adverbs()
            self._cannot = self._cannot or self._is_denied
            return self._main("present", ("base",)) if self._cannot else None
        if word == "used" and self._text[self._at :].lstrip().lower().startswith("used to "):
            self._next()
            self._next()
            return self._main("former", ("base",))
        if word in ("have", "has", "had") and self._is_auxiliary(("past", "participle")):
            self._next()
            self._skip_adverbs()
            return self._after_have()
        if word in _BE:
            self._next()
            self._skip_adverbs()
            return self._after_be("past" if _BE[word] == "past" else "present", word)
        if word == "been":
            self._next()
            self._skip_adverbs()
            return self._after_be("perfect", word)
        return self._main("present", ())

    def _after_have(self) -> Predicate | None:
        word = self._peek()
        if word == "been":
            self._next()
            self._skip_adverbs()
            return self._after_be("perfect", word)
        if word == "got":  # "have got a dog" has one
            self._next()
            return self._made("have", word, "present")
        return self._main("perfect", ("participle", "past"))

    def _after_be(self, tense: Tense, word: str) -> Predicate | None:
        rest = self._text[self._at :].lstrip()
        if tense == "present" and (match := _FUTURE.match(rest)):
            self._at = len(self._text) - len(rest) + match.end()
            self._skip_adverbs()
            return self._main("future", ("base",))
        if tense == "present" and (match := _OFF_TO.match(rest)):
            return Predicate("go", "going", rest[match.end() :], "future")
        next_word = self._peek()
        kinds = dict(_forms().get(next_word, _open_forms().get(next_word, ())))
        for verb, kind in kinds.items():
            if kind == "ing":
                self._next()
                progressive: Tense = "progressive" if tense == "present" else tense
                return self._made(verb, next_word, progressive)
        for verb, kind in kinds.items():
            if kind == "participle" and verb not in (
                "be",
                "have",
                "do",
                "go",
                "come",
                "set",
                "get",
            ):
                after = self._text[self._at :].lstrip()[len(next_word) :]
                if next_word in ("married", "engaged", "retired", "divorced", "based", "split"):
                    break
                self._next()
                return Predicate(
                    verb, next_word, after.strip(), tense, self._is_denied, self._is_over,
                    is_passive=True,
                )  # fmt: skip
        if next_word == "based":
            self._next()
            return self._made("base", next_word, tense)
        is_deed = next_word.endswith("ed") and next_word not in word_lists().no_verbs
        if tense != "present" and is_deed and len(next_word) > 4:
            self._next()
            return replace(self._made(next_word, next_word, tense), is_passive=True)
        return self._made("be", word, tense)

    def _main(self, tense: Tense, kinds: tuple[Form, ...]) -> Predicate | None:
        word = self._peek()
        forms = _forms().get(word, [])
        if kinds:
            match = next((verb for kind in kinds for verb, form in forms if form == kind), "")
            if not match and kinds != ("base",) and word.endswith("ed"):
                match = next((verb for verb, _ in _open_forms().get(word, ())), word)
            if not match and kinds == ("base",):
                match = word
            if not match:
                return None
            self._next()
            return self._made(match, word, tense)
        if "past" in {form for _, form in forms}:
            # "I read Dune", "I quit": rather a deed than a habit.
            forms = [(verb, form) for verb, form in forms if form == "past"]
        for verb, form in forms:
            if form == "ing" and (self._has_subject or _IS_SUBJECT.search(self._text)):
                continue
            if form == "participle" and dict(forms).get(verb) != "past":
                if self._has_subject:
                    continue
                tense = "perfect"
            self._next()
            return self._made(verb, word, _tense_of(form, tense))
        if word.endswith("ed") and len(word) > 4:
            self._next()
            verb = next((verb for verb, _ in _open_forms().get(word, ())), word)
            return self._made(verb, word, "past")
        if self._has_subject:
            for verb, form in _open_forms().get(word, ()):
                if form in ("base", "present"):
                    self._next()
                    return self._made(verb, word, "present")
        return None

    def _made(self, verb: str, word: str, tense: Tense) -> Predicate:
        rest = self._text[self._at :].strip()
        return Predicate(
            verb,
            word,
            rest,
            tense,
            is_denied=self._is_denied,
            is_over=self._is_over,
            cannot=self._cannot,
            is_still=self._is_still,
            is_will=self._is_will,
        )

    def _is_auxiliary(self, kinds: tuple[Form, ...]) -> bool:
        """Whether the verb at hand goes with another: "do not eat", "have moved"."""
        at, is_denied = self._at, self._is_denied
        self._next()
        self._skip_adverbs()
        word = self._peek()
        has_not = self._is_denied and not is_denied
        self._at, self._is_denied = at, is_denied
        if word in ("been", "got"):
            return kinds != ("base",)
        forms = {form for _, form in _forms().get(word, ())}
        if kinds == ("base",):
            return has_not or ("base" in forms and word not in ("work", "exercise", "book"))
        return bool(forms & {*kinds}) or (word.endswith("ed") and len(word) > 4)

    def _peek(self) -> str:
        match = _TOKEN.match(self._text, self._at)
        return match[1].lower() if match else ""

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._at)
        self._at = match.end() if match else len(self._text)

    def _skip_adverbs(self) -> None:
        adverbs = word_lists().adverbs
        while word := self._peek():
            if word in ("not", "never", "hardly", "barely"):
                self._is_denied = True
            elif self._text[self._at :].lstrip().lower().startswith("no longer "):
                self._is_over = self._is_denied = True
                self._next()
            elif word not in adverbs:
                return
            self._next()
            while self._text[self._at : self._at + 1] in (",",):
                self._at += 1


def _tense_of(form: Form, tense: Tense) -> Tense:
    if form == "ing":
        return "progressive"
    if form == "past":
        return "past"
    return "perfect" if form == "participle" else tense
