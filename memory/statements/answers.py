"""Short answers read with the question before: "Her name?" - "Elena." is "she is called Elena".

"What did you plant?" - "Beans and a row of kale." is "I planted beans and a row of kale".

A question and its answer become one plain sentence of whoever answers, which the rules then read as
any other. What is neither short nor plain is left alone.
"""

import re
from collections.abc import Callable
from itertools import pairwise

from memory.statements.predicates import is_finite
from memory.statements.sentences import sentences, written_out
from memory.statements.word_lists import is_past_form, regular_past, third_person, word_lists

_LONGEST_ANSWER = 8  # words
_LONGEST_QUESTION = 16  # words
_WITH_IS = re.compile(r"\b(what|where|who|when|how old|how much)'?s\b", re.IGNORECASE)
_LEAD = re.compile(
    r"^\W*(?:(?:and|so|but|oh|ok|okay|hey|wait|well|right|btw|also|sorry|lol|haha|hang on|yeah|no"
    r"|wow|aw|ooh|congrats|remind me|tell me|quick question)\b[\s,:!.-]*)*",
    re.IGNORECASE,
)
_VOCATIVE = re.compile(r"^[A-Z]\w+, |, [A-Z]\w+$")
_TAIL = re.compile(
    r"(?: again| now| then| these days| by the way| btw| anyway| exactly)*\W*$", re.I
)
_YES = re.compile(
    r"(?:(?:yes|yeah|yep|yup|yea|aye|sure|of course|indeed|correct|exactly|still)\b"
    r"|(?:i|we|he|she) (?:do|am|are|does|is|have|did)\W*$)(?! but\b)",
    re.IGNORECASE,
)
_NO = re.compile(
    r"(?:no|nope|nah|not any ?more|not any longer|i don't|i am not|i'm not|we don't|not since)\b",
    re.IGNORECASE,
)
_NO_ANSWER = re.compile(
    r"\W*(?:i\b|we\b|no\b|not\b|nope|dunno|depends|why|what|who|how|when|where|which|maybe|perhaps"
    r"|probably|none|nothing|nobody|nowhere|never|guess|secret|ask|tell|you\b|your|that|this|don't"
    r"|can't|won't|ha|lol|hm|um|good|great|fine|ok|okay|yes|yeah|sorry|thanks|both|all|same|still)",
    re.IGNORECASE,
)
_ANSWER_LEAD = re.compile(
    r"^\W*(?:(?:oh|well|um+|just|only|about|around|mostly)\b[\s,]*)*(?:(?:it|that|she|he|they"
    r"|his name"
    r"|her name|its name)(?:'s| is|'re| are) (?:called |named |now |on )*)?",
    re.IGNORECASE,
)
_PREPOSITION = re.compile(r"(?:in|at|on|near|by|with|from|to|over|above|outside)\b", re.IGNORECASE)
_NAME = re.compile(r"(?:Dr\.? |Mr |Mrs |Ms |a |an )?[A-Z][\w'-]+(?: [A-Z][\w'-]+){0,2}$")
_NUMBER = re.compile(
    r"[£$€]?\d|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen"
    r"|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)\b",
    re.IGNORECASE,
)
_WHO = r"(?P<who>you|he|she|they|your (?:[\w-]+ )?\w+|(?-i:[A-Z]\w+)(?! (?-i:[A-Z])))"
# "What did you plant?", "Which tools have you lent to Ben?"
_ASKS_DEED = re.compile(
    rf"(?:what|which (?:[\w-]+ )?[\w-]+s)(?: all| else)? (?P<tense>did|have) {_WHO}"
    r"(?: (?:guys|all|both|actually|finally|end up|already))?"
    r" (?P<verb>(?!be\b|do\b|done\b|been\b|say\b|said\b|mean\b|think\b|want\b|call\b|tell\b"
    r"|hear\b|happen\b|like\b|know\b|expect\b|decide\b)[a-z]{3,})"
    r"(?P<particle> (?:up|down|out|off|away|back))?"
    r"(?P<rest> (?:at|in|on|for|from|to|with|this|last) [\w' -]+)?",
    re.IGNORECASE,
)
_DETERMINER = re.compile(
    r"(?:the|an?|my|our|his|her|their|some|another|two|three|four|five|six|seven|eight|nine|ten"
    r"|\d+)",
    re.IGNORECASE,
)
_LONGEST_LIST = 16  # words
# "Loads.", "The usual."
_NO_THINGS = re.compile(
    r"\W*(?:loads|lots|plenty|too|much|many|enough|everything|anything|something|the usual|the same"
    r"|whatever|mostly|nearly|almost|or|if|because|when|after|before|since|until)\b"
    r"|.*\b(?:but|because|if|when|that|who|which|might|would|could|should|will|i|you|we)\b",
    re.IGNORECASE,
)


def last_question(text: str) -> str:
    """The question that a text ends with; "" for none."""
    spoken = sentences(text)
    if not spoken or not spoken[-1].rstrip(" )\"'").endswith("?"):
        return ""
    question = spoken[-1]
    return question if len(question.split()) <= _LONGEST_QUESTION else ""


def as_sentence(question: str, text: str) -> str:
    """A question and the text that follows it as one sentence of the answerer; "" where unclear."""
    spoken = sentences(text)
    if not spoken or spoken[0].endswith("?"):
        return ""
    answer = spoken[0].strip(" .!,")
    asked_for = _plain(question)
    for pattern, sentence in _PATTERNS:
        if match := pattern.fullmatch(asked_for):
            value = _value(answer)
            return sentence(match, value) if value else ""
    if deed := _ASKS_DEED.fullmatch(asked_for):
        return _deed_told(deed, answer)
    match = _ASKS_YES_OR_NO.fullmatch(asked_for)
    return _yes_or_no(match, answer) if match else ""


def _plain(question: str) -> str:
    plain = _WITH_IS.sub(r"\1 is", question.strip(" ?!.)\"'"))
    plain = _LEAD.sub("", _VOCATIVE.sub("", _LEAD.sub("", plain)))
    return _TAIL.sub("", written_out(plain))


def _value(answer: str) -> str:
    """The words of a short answer, without "it's" and the like; "" for another kind."""
    if _NO_ANSWER.match(answer):
        return ""
    value = _ANSWER_LEAD.sub("", written_out(answer)).partition(",")[0].strip(" .!")
    words = value.split()
    if not words or len(words) > _LONGEST_ANSWER or _NO_ANSWER.match(value):
        return ""
    return "" if is_finite(words[0]) else value


def _deed_told(match: re.Match[str], answer: str) -> str:
    """The deed of a question with the things that the answer names; "" where it is no list."""
    if _NO_ANSWER.match(answer) or _NO_THINGS.match(answer):
        return ""
    listed = _ANSWER_LEAD.sub("", written_out(answer)).strip(" .!")
    named = re.findall(r"[\w'-]+", listed)
    if not 0 < len(named) <= _LONGEST_LIST:
        return ""
    # "the saw" and "two rows" are no verbs, nor is the first word of a list.
    behind = [word for before, word in pairwise(named) if not _DETERMINER.fullmatch(before)]
    if any(is_finite(word) or is_past_form(word.lower()) for word in behind):
        return ""
    if _DETERMINER.fullmatch(named[0]):
        listed = listed[0].lower() + listed[1:]
    verb = match["verb"].lower()
    if match["tense"].lower() == "did":
        irregular = word_lists().irregular.get(verb)
        verb = irregular[0] if irregular else regular_past(verb)
    else:
        verb = f"{'have' if _subject(match) in ('I', 'they') else 'has'} {verb}"
    return f"{_subject(match)} {verb}{match['particle'] or ''} {listed}{_own(match['rest'] or '')}"


def _own(words: str) -> str:
    """What a question calls "your" is the answerer's."""
    return re.sub(r"\byou\b", "I", re.sub(r"\byour\b", "my", words, flags=re.I), flags=re.I)


def _is_value(match: re.Match[str], value: str) -> str:
    return f"{_own(match['what'])} is {value}"


def _is_named(match: re.Match[str], value: str) -> str:
    what = re.sub(r"'s name$", "", _own(match["what"]))
    return f"{what} is called {value}" if _NAME.fullmatch(value) else ""


def _pronoun_named(match: re.Match[str], value: str) -> str:
    who = {"her": "she", "his": "he"}[match["whose"].lower()]
    return f"{who} is called {value}" if _NAME.fullmatch(value) else ""


def _is_somebody(match: re.Match[str], value: str) -> str:
    return _is_value(match, value) if _NAME.fullmatch(value) else ""


def _is_old(match: re.Match[str], value: str) -> str:
    number = _NUMBER.match(value)
    return f"{_subject(match)} {_be(match)} {value.split()[0]}" if number else ""


def _is_on(match: re.Match[str], value: str) -> str:
    return f"{_own(match['what'])} is {_at(value, 'on')}"


def _is_amount(match: re.Match[str], value: str) -> str:
    return _is_value(match, value) if _NUMBER.match(value) else ""


def _is_from(match: re.Match[str], value: str) -> str:
    return f"{_subject(match)} {_be(match)} from {value}"


def _does_where(match: re.Match[str], value: str) -> str:
    default = "at" if match["verb"].lower() in ("work", "working") else "in"
    return f"{_subject(match)} {_verb(match)} {_at(value, default)}"


def _moved_where(match: re.Match[str], value: str) -> str:
    return f"{_subject(match)} moved {_at(value, 'to')}"


def _does_what(match: re.Match[str], value: str) -> str:
    return f"{_subject(match)} {_verb(match)} {value}"


def _has(match: re.Match[str], value: str) -> str:
    return f"I have {value}"


def _is_allergic(match: re.Match[str], value: str) -> str:
    return f"I am allergic to {value}"


def _yes_or_no(match: re.Match[str], answer: str) -> str:
    still = bool(match["still"])
    subject, rest = _subject(match), _own(match["what"])
    is_be = match["verb"].lower() in ("are", "is")
    if _NO.match(answer) and still:
        verb = f"{_be(match)} no longer" if is_be else "no longer"
        return f"{subject} {verb} {rest if is_be else _conjugated(subject, rest)}"
    if not _YES.match(answer):
        return ""
    if is_be:
        return f"{subject} {_be(match)} {'still ' if still else ''}{rest}"
    if match["verb"].lower() in ("have", "has"):
        return f"{subject} {'have' if subject == 'I' else 'has'} {rest}"
    if match["verb"].lower() == "did":
        return f"{subject} did {rest}"
    return f"{subject} {_conjugated(subject, rest)}"


def _conjugated(subject: str, rest: str) -> str:
    verb, _, objects = rest.partition(" ")
    if subject not in ("I", "they"):
        verb = third_person(verb)
    return f"{verb} {objects}".strip()


def _subject(match: re.Match[str]) -> str:
    return _own(match["who"])


def _be(match: re.Match[str]) -> str:
    return {"i": "am", "they": "are"}.get(_subject(match).lower(), "is")


def _verb(match: re.Match[str]) -> str:
    verb = match["verb"]
    if verb.endswith("ing"):
        return f"{_be(match)} {verb}"
    return verb if _subject(match) in ("I", "they") else third_person(verb)


def _at(value: str, preposition: str) -> str:
    return value if _PREPOSITION.match(value) else f"{preposition} {value}"


_Sentence = Callable[[re.Match[str], str], str]
_PATTERNS: tuple[tuple[re.Pattern[str], _Sentence], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), sentence)
    for pattern, sentence in (
        (r"what is (?P<whose>her|his) name(?: called)?", _pronoun_named),
        (r"(?:what|who) is (?P<what>your (?:new )?[\w-]+)(?: called|'s name)", _is_named),
        (r"who is (?P<what>your (?:new |current )?[\w -]+)", _is_somebody),
        (
            r"(?:what|how much) is (?P<what>(?:your|the) (?:new )?(?:rent|code|pin|password|number"
            r"|phone number|wifi password|salary|fee|door code|locker|dose|weight|shoe size))",
            _is_amount,
        ),
        (
            r"what is (?P<what>your (?:new )?(?:address|email|job|favourite [\w ]+|surname|nickname"
            r"|last name|middle name|birthday|star sign|blood type|hobby))",
            _is_value,
        ),
        (rf"how old (?:is|are) {_WHO}", _is_old),
        (
            r"when is (?P<what>(?:your|the|her|his) (?:[\w-]+ )?(?:wedding|exam|test|party"
            r"|interview"
            r"|operation|surgery|appointment|flight|viva|birthday|concert|move|deadline))",
            _is_on,
        ),
        (rf"where (?:is|are) {_WHO} from", _is_from),
        (
            rf"where (?:do|does|is|are) {_WHO} (?:still )?(?P<verb>live|living|work|working|study"
            r"|studying|staying|based)",
            _does_where,
        ),
        (rf"where did {_WHO} move(?: to)?", _moved_where),
        (
            rf"(?:what|which)(?: [\w-]+){{1,2}} (?:do|does) {_WHO} "
            r"(?P<verb>play|speak|study|drive|teach|like|live in|work at|take)",
            _does_what,
        ),
        (rf"what (?:do|does) {_WHO} (?P<verb>play|study|teach|drive)", _does_what),
        (r"any allergies|(?:are you|anyone) allergic to anything", _is_allergic),
        (r"(?:have you (?:got )?|do you have )?any (?:pets|kids|children|siblings)", _has),
    )
)
# "Do you still play the cello?": the question is the sentence.
_ASKS_YES_OR_NO = re.compile(
    rf"(?P<verb>are|is|do|does|have|has|did) {_WHO} (?P<still>still )?(?P<what>(?!you\b|i\b"
    r"|know\b|think\b|remember\b|want\b|mean\b|mind\b|ok\b|okay\b|sure\b|going\b|not\b|n't"
    r"|really\b|coming\b|serious\b|kidding\b|ready\b|free\b|sick\b|busy\b"
    r"|there\b)[\w' -]+)",
    re.IGNORECASE,
)
