"""What turns name of a kind that a question lists: titles read, places visited, things bought."""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from memory.dates import MONTHS, WEEKDAYS, named_day
from memory.passages import sentences
from memory.program.fact_questions import FactQuestion
from memory.program.fact_words import all_forms
from memory.program.messages import is_evidence
from memory.program.turn_events import (
    AHEAD,
    DENIED,
    HABIT,
    Topic,
    days_told,
    has_any,
    is_told,
    is_wished,
    other_names,
    split_clauses,
    split_parts,
    subject_of,
)
from memory.records import Turn
from memory.search.word_forms import telling_words
from memory.search.words import words
from memory.statements.predicates import predicate

# Of what is listed by its title: the words of the kind, and what people do with it.
_TITLED = (
    (
        "book novel read audiobook paperback",
        "read finish finished through reread reading devoured",
    ),
    ("film movie cinema", "watch watched see saw seen watching"),
    ("series show programme sitcom", "watch watched see saw seen finish finished binged binge"),
    ("song album record track", "sing sang sung play played listen wrote recorded"),
    ("game videogame boardgame", "play played finish finished playing"),
    ("musical opera ballet", "see saw seen watch watched"),
    ("podcast", "listen listened listening"),
)
_PLACES = frozenset(
    words(
        "where place places city cities town towns country countries village villages island"
        " islands region regions lake lakes beach beaches park parks destination destinations"
    )
)
# "Sunday's was The Velvet Canal", behind a sentence about a film night.
_IS_TITLE = re.compile(r"\b(?:was|is|were|are|called|:) (?:The |A )?[A-Z][\w']+ [A-Za-z]")
_WORD = r"[A-Z\u00c0-\u00de][\w'\u00c0-\u017f-]*"
_LINK = r"(?:of|to|in|the|for|on|a|an|&|at|from|de|du|des|la|le|und|by|with|no|do|da|dos)"
_SPAN = re.compile(rf"{_WORD}(?:(?: {_LINK}){{0,2}} (?:{_WORD}|\d+))*")
_QUOTED = re.compile(r"[\"\u201c]([^\"\u201d]{2,60})[\"\u201d]")
_NO_SPANS = frozenset(
    (*MONTHS, *WEEKDAYS, "i", "i'm", "i've", "i'd", "i'll", "ok", "dr", "mr", "mrs", "christmas")
)
_IN = re.compile(r"\b(?:at|in|from|by|near|with|for)(?: the)? $", re.IGNORECASE)
_PARTLY = re.compile(r"\b(?:half-? ?way|part-? ?way|in the middle|pages? into)\b", re.IGNORECASE)
_TAIL = re.compile(
    rf" (?:on|in|at|by|for|from|with|to)(?: the)?(?: (?:{'|'.join([*MONTHS, *WEEKDAYS])}))?$", re.I
)
_PREPOSITION = re.compile(
    r"\b(?:to|in|at|from|near|around|visit\w*|saw|did|was|outside|via|through|into|see)"
    r"(?: the)? $|[:,] (?:and )?$|\band $|^\W*$",
    re.IGNORECASE,
)
# Behind the verb a title may follow these: "finished the second book, Night Bus".
_BEFORE_TITLE = re.compile(
    r"(?:\W*\b(?:up|through|reading|watching|the|a|an|my|our|his|her|this|that|two|three|four|both"
    r"|new|old|last|first|second|third|all|of|novels?|books?|films?|movies?|series|show|musical"
    r"|opera|called|named|about|again|finally|also|just|to|see|watch|read|us|it|and|with|play)\b)*"
    r"[\s:,]*"
)
_DAY_NAMES = "|".join(day.capitalize() for day in (*MONTHS, *WEEKDAYS) if day != "may")
_TITLE_WORD = rf"(?!(?:I|{_DAY_NAMES})\b){_WORD}"
_TITLE = re.compile(
    rf"[\"\u201c](?P<quoted>[^\"\u201d]{{2,60}})[\"\u201d]"
    rf"|(?P<title>{_TITLE_WORD} and {_TITLE_WORD}(?! {_WORD})"  # "Pride and Prejudice"
    rf"|(?:{_TITLE_WORD}|\d+(?= {_WORD}))(?:(?:(?: {_LINK}){{0,2}}| and the) {_TITLE_WORD}"
    rf"|:? \d+(?!st|nd|rd|th)\b|: {_TITLE_WORD})*)"
)
_SEVERAL = re.compile(r"\b(?:two|three|four|both|books|novels|films|movies)\b", re.IGNORECASE)
_NEXT_TITLE = re.compile(r",? (?:and|&|then|plus) (?:then )?|, ")
# "the Spanish class", "Otis slept": no title.
_AFTER_TITLE = re.compile(
    r"\s*(?:$|[.,;:!?()\-\u2013\u2014\"]|(?:and|or|but|with|on|in|at|to|by|for|from|last|this|yesterday"
    r"|today|tonight|again|too|because|when|while|after|before|over|so|which|it|as|already|during"
    r"|now|twice|together|instead|since|finally|the|a|both|one|i|we|he|she|about|until|back|here"
    r"|there|films?|movies?|books?|novel|series|documentary|another|if|though|although"
    rf"|{'|'.join([*MONTHS, *WEEKDAYS])})\b)",
    re.IGNORECASE,
)
# The title stands in the sentence before: "I'll bring you Circe. I finished it on Sunday."
_OF_IT = re.compile(r"\b(?:finished|read|saw|watched|loved) (?:it|that|that one|this one)\b", re.I)
_GIVEN_UP = re.compile(
    r"\b(?:gave up|given up|giving up|stopped (?:half|reading)|did ?n[o']t finish|never finish\w*"
    r"|abandoned|half-?way|not finished)\b",
    re.IGNORECASE,
)
_GOING_ON = re.compile(
    r"(?:\b(?:am|is|are|still|now|currently|started|start|begin|began|keep|kept)|'m|'re|'s)"
    r"(?: \w+)? (?:reading|watching|listening|playing)\b",
    re.IGNORECASE,
)
_WITH = re.compile(r"\bwith (?:(?:his|her|my|their|the) (?:\w+ )?)?(?P<who>[A-Z]\w+)")
_WE = re.compile(r"\b(?:we|us|our)\b|'ve both\b", re.IGNORECASE)
# Who is spoken of as a person.
_PERSON = re.compile(
    r"(?:\b(?:with|my \w+|our \w+|uncle|aunt|auntie|named|thanks?|hi|dear|poor) "
    r"(?P<name>(?-i:[A-Z])\w+)|\b(?P<owner>(?-i:[A-Z])\w+)'s)\b",
    re.IGNORECASE,
)
_TITLES_OF_PERSONS = re.compile(
    r"(?:Uncle|Aunt|Auntie|Dr|Mr|Mrs|Ms|Mum|Dad|Mom|Grand\w+|Gran|Doctor|Professor|Sir)\b"
)
# What somebody does: "Ruaridh works there".
_DOES = re.compile(
    r" (?:is|was|has|had|says?|said|came|comes|went|goes|and I|works?|asked|told|will|can|wants?"
    r"|thinks?|loves?|likes?)\b|'s (?:\w+ing|been|got|not)\b",
)
_DETERMINERS = re.compile(
    r"^\W*(?:(?:a|an|the|my|our|his|her|their|some|any|another|two|three|four|new|both|all|that"
    r"|this|these|those|me|us|him|them|you|myself|her|up|off|out)\b\W*)+",
    re.IGNORECASE,
)
_OBJECT_END = re.compile(
    r"[.!?;:()]|,(?! and\b)| - | -- |\b(?:for|from|in|on|at|with|because|since|when|which|that|who"
    r"|after|before|last|this|yesterday|today|tonight|again|so|but|it's|its|to|by|until|cos|as"
    rf"|too|already|now|though|while|i|we|he|she|they|{'|'.join(WEEKDAYS)})\b",
    re.IGNORECASE,
)
_MOST_WORDS = 5


@dataclass(frozen=True)
class Item:
    """Something that a turn names, and the day of what it tells (of the turn where none is)."""

    value: str
    turn: Turn
    day: date
    is_exact: bool


def kind_of_list(question: FactQuestion) -> str:
    """What the items of a list are: "title", "place", "thing", "" for no list."""
    query = re.match(
        r"\W*(?:list |give me |name |tell me |all |every |each |of |the )*"
        r"(?:which|what|how many|where)?(?P<noun>.*?)"
        r"\b(?:did|do|does|has|have|had|was|were|is|are|will|can|to|with|in|at|for|that|\w+ed)\b",
        question.text,
        re.IGNORECASE,
    )
    nouns = set(words(query["noun"])) if query else set()
    asked_words = set(words(question.text))
    if nouns & _PLACES or (question.kind == "where" and not nouns):
        return "place"
    for kinds, _ in _TITLED:
        is_kind = has_any(nouns, words(kinds)[:3])
        is_verb = not nouns and has_any(asked_words, words(kinds)[2:3])
        if is_kind or is_verb:
            return "title"
    return "thing" if question.kind in ("list", "value") else ""


def read_items(
    kind: str, question: FactQuestion, topic: Topic, turns: Sequence[Turn]
) -> list[Item]:
    """The items of a kind that turns name, in the order in which they were told, each once."""
    items: dict[str, Item] = {}
    for item in _items(kind, question, topic, turns):
        key = " ".join(telling_words(item.value)) or item.value.lower()
        if key not in items:
            items[key] = item
    return list(items.values())


def _items(
    kind: str, question: FactQuestion, topic: Topic, turns: Sequence[Turn]
) -> Iterator[Item]:
    heads = _heads(kind, question, topic)
    title_verbs = _title_verbs(kind, heads)
    company = _WITH.search(question.text)
    persons = {
        (match["name"] or match["owner"]).lower()
        for turn in turns
        for match in _PERSON.finditer(turn.text)
    }
    by_id = {turn.id: turn for turn in turns}
    for turn in sorted(turns, key=lambda turn: turn.id):
        said_on = named_day(turn.said_at)
        if said_on is None or not is_evidence(turn.text):
            continue
        parts = sentences(turn.text)
        speaks = False
        head_number = -2
        for number, sentence in enumerate(parts):
            if title_verbs:
                if subject_of(topic, turn, sentence, "") != "plain" or not is_told(sentence):
                    continue
                if company and not _is_in_company(company["who"], sentence, turn):
                    continue
                before = " ".join(
                    [*(t.text for n in (2, 1) if (t := by_id.get(turn.id - n))), *parts[:number]]
                )
                titles = list(_titles(question, parts, number, title_verbs, before))
                titles = [
                    title
                    for title in titles
                    if title.lower() not in persons and not {*words(title)} & topic.speakers
                ]
                following = parts[number + 1] if number + 1 < len(parts) else ""
                days, is_exact = days_told(sentence, sentence, following, said_on)
                for title in titles:
                    yield Item(title, turn, days[-1], is_exact)
                if titles:
                    speaks = True
                    head_number = number
                    continue
            about = has_any(words(sentence), heads)
            is_title_alone = speaks and kind == "title" and _is_title(sentence)
            if kind == "title" and not about:
                is_title_alone |= number == head_number + 1 and bool(_IS_TITLE.search(sentence))
            if not about and not is_title_alone:
                continue
            if title_verbs and not is_title_alone and not _IS_TITLE.search(sentence):
                head_number = number
                continue
            if about:
                head_number = number
            subject = subject_of(topic, turn, sentence, "")
            if subject != "plain":
                continue
            speaks = True
            if sentence.rstrip(" )\"'").endswith("?"):
                continue
            following = parts[number + 1] if number + 1 < len(parts) else ""
            for clause in [sentence] if is_title_alone else split_clauses(sentence):
                if not is_title_alone and not has_any(words(clause), heads):
                    continue
                days, is_exact = days_told(clause, sentence, following, said_on)
                for value in _values(kind, clause, sentence, heads, topic):
                    yield Item(value, turn, days[-1], is_exact)


def parts_left(kind: str, question: FactQuestion, topic: Topic) -> int:
    """How many parts of what a question asks about are not looked at where items are read."""
    if kind != "title":
        return len(topic.parts) - 1
    company = _WITH.search(question.text)
    looked_at = {*_TITLE_VERBS, *words("go went watch"), *words(company["who"] if company else "")}
    return sum(looked_at.isdisjoint(names) for names in topic.parts[1:])


def _title_verbs(kind: str, heads: Collection[str]) -> frozenset[str]:
    """The verbs behind which a title may stand: "read", "saw", or the question's own, "lent"."""
    return frozenset(heads) - _TITLE_NOUNS if kind == "title" else frozenset()


def _is_in_company(name: str, sentence: str, turn: Turn) -> bool:
    """Whether a sentence may tell of something done with somebody: it names them, or says "we"."""
    return name.lower() in words(sentence) or bool(_WE.search(sentence))


def _titles(
    question: FactQuestion,
    parts: Sequence[str],
    number: int,
    heads: Collection[str],
    before: str,
) -> Iterator[str]:
    """The titles behind a verb of a sentence: "Circe" of "I finished Circe on Friday"."""
    sentence = parts[number]
    asks_going_on = question.says(r"\bbeen (?:reading|watching|listening|playing)\b")
    for match in re.finditer(r"[\w'-]+", sentence):
        verb = match[0].lower()
        is_going = verb in ("went", "go", "been") and bool(
            re.match(r" (?:and saw |to see |to watch |to )(?=[A-Z])", sentence[match.end() :])
        )
        if is_going:
            if not has_any(heads, ("watch", "saw")) or not _CINEMA.search(f"{before} {sentence}"):
                continue
        elif not has_any([verb], heads):
            continue
        start, end = match.span()
        ends = [m.end() for m in _CLAUSE_BREAK.finditer(sentence[:start])]
        lead = sentence[max(ends, default=0) : start]
        if (
            DENIED.search(lead)
            or AHEAD.search(lead)
            or HABIT.search(lead)
            or _GIVEN_UP.search(sentence)
        ):
            continue
        if is_wished(f"{lead}{match[0]}", heads):
            continue
        if _GOING_ON.search(f"{lead}{match[0]}") and not asks_going_on:
            continue
        rest = sentence[end:]
        if _OF_IT.match(f"{verb}{rest}") and number:
            earlier = _only_title(parts[number - 1])
            if earlier:
                yield earlier
            continue
        lead_in = _BEFORE_TITLE.match(rest)
        position = lead_in.end() if lead_in else 0
        while title := _TITLE.match(rest, position):
            text = title["quoted"] or title["title"]
            if lead_in and _SEVERAL.search(lead_in[0]) and " and " in text:
                text = text.partition(" and ")[0]
            end_of_title = title.start() + len(text) + 2 * bool(title["quoted"])
            tail = rest[end_of_title:]
            first = words(text)[:1]
            is_name = _TITLES_OF_PERSONS.match(text) or set(first) <= _NO_SPANS
            is_sure = title["quoted"] or " " in text
            if not title["quoted"] and is_name:
                break
            if not is_sure and not _AFTER_TITLE.match(tail):
                break
            if re.match(r"'s\b", tail):
                break
            yield _TAIL.sub("", text)
            following = _NEXT_TITLE.match(rest, end_of_title)
            if not following:
                break
            position = following.end()
            if more := _BEFORE_TITLE.match(rest, position):
                position = more.end()


_TITLE_VERBS = frozenset(
    words("read reread finish finished devoured watch watched see saw seen binged play played")
)
_TITLE_NOUNS = frozenset(
    words(
        "book books novel novels audiobook audiobooks paperback film films movie movies cinema show"
        " programme sitcom series song songs album record track game games musical opera ballet"
        " podcast through"
    )
)
_CINEMA = re.compile(r"\b(?:film|movie|cinema|pictures|screening)s?\b", re.IGNORECASE)
_CLAUSE_BREAK = re.compile(
    r"[;:(]|,? (?:and|but|so|because) (?=(?:i|we|he|she|they|it|you)\b)|, (?=(?:i|we|he|she)\b)"
    r"|,? but ",
    re.IGNORECASE,
)


def _only_title(sentence: str) -> str:
    """The one thing with a capital that a sentence names behind its first word."""
    spans = [m[0] for m in _TITLE.finditer(sentence.strip()) if m.start()]
    spans = [span for span in spans if set(words(span)) - _NO_SPANS]
    return spans[0].strip('"\u201c\u201d') if len(spans) == 1 else ""


def _heads(kind: str, question: FactQuestion, topic: Topic) -> frozenset[str]:
    """The words of which a sentence that names an item has one."""
    if kind != "title":
        return topic.head if kind == "place" else _verbs(question, topic)
    asked_words = words(question.text)
    for kinds, verbs in _TITLED:
        if has_any(asked_words, words(kinds)):
            listed = {*words(kinds), *words(verbs)}
            verb = _verb_after(question.text)
            if verb == "got":
                return frozenset(words(kinds))
            if verb in ("go", "gone", "went", "been", "get", "manage", "want", "both", "end"):
                return frozenset(listed)
            if verb and verb in question.telling and not has_any([verb], listed):
                return frozenset(other_names(verb))  # "Which books did Anna lend?"
            return frozenset(listed)
    return topic.head


def _verb_after(text: str) -> str:
    """The verb of "Which books did Anna lend to Ben?"."""
    match = re.search(
        r"\b(?:did|does|do|has|have|had)(?: been)? (?:[A-Z][\w'-]* (?:and )?)+(?:been )?"
        r"(?P<verb>\w+)",
        text,
    )
    return match["verb"].lower() if match else ""


def _verbs(question: FactQuestion, topic: Topic) -> frozenset[str]:
    return frozenset(form for word in question.telling for form in all_forms(word)) | topic.head


def _values(
    kind: str, clause: str, sentence: str, heads: Collection[str], topic: Topic
) -> Iterator[str]:
    parts = split_parts(clause) or [clause]
    first = next((part for part in parts if has_any(words(part), heads)), parts[0])
    if DENIED.search(first) or HABIT.search(first) or AHEAD.search(first):
        return
    if kind == "thing":
        yield from _objects(clause, heads)
        return
    for match in _spans(clause):
        text = _TAIL.sub("", match[1])
        before, after = clause[: match[0]], clause[match[0] + len(match[1]) :]
        if has_any(words(text)[:1], heads):  # "Finished Piranesi"
            deed, _, text = text.partition(" ")
            before = f"{before}{deed} "
        if not text or {*words(text)} & topic.speakers:
            continue
        is_first = not before.strip(" \"'(*-:")
        if is_first and " " not in text and len(text) < len(clause.strip()) - 1:
            continue  # the capital of a sentence
        if kind == "title" and (text[0].islower() or _IN.search(before) or _PARTLY.search(before)):
            continue
        if kind == "title" and (
            not _AFTER_TITLE.match(after)
            or _TITLES_OF_PERSONS.match(text)
            or words(text)[0].removesuffix("s") in _NO_SPANS
            or is_wished(clause, heads)
        ):
            continue
        if kind == "place":
            if not _PREPOSITION.search(before) or _DOES.match(after):
                continue
            text = re.split(r" (?:at|in|to) ", text)[-1]
        if {*words(text)} <= _NO_SPANS or not telling_words(text):
            continue
        yield text


def _spans(text: str) -> Iterator[tuple[int, str]]:
    quoted = [(match.start(1), match[1]) for match in _QUOTED.finditer(text)]
    yield from quoted
    for match in _SPAN.finditer(text):
        inside = any(start <= match.start() < start + len(value) for start, value in quoted)
        if not inside and match[0].lower() not in _NO_SPANS and not match[0].isupper():
            yield match.start(), match[0]


def _is_title(sentence: str) -> bool:
    """Whether a sentence begins with a title: "Night Bus to Geelong. scores"."""
    match = _SPAN.match(sentence.strip())
    if not match or " " not in match[0] or match.end() < len(sentence.strip(" .!\n")):
        return False
    return predicate(sentence) is None  # "Started Middlemarch."


def _objects(clause: str, heads: Collection[str]) -> Iterator[str]:
    """What follows the verb: "the birdbath" of "I bought the birdbath, it's in our garage"."""
    for match in re.finditer(r"[\w'-]+", clause):
        if not has_any(words(match[0]), heads):
            continue
        rest = clause[match.end() :]
        rest = re.sub(r"^\W*(?:to|of|up|off|at)\b", "", rest)
        rest = _DETERMINERS.sub("", rest)
        end = _OBJECT_END.search(rest)
        text = rest[: end.start()] if end else rest
        for part in re.split(r",? (?:and|&|AND) |, ", text):
            value = _DETERMINERS.sub("", part).strip(" .,!?\"'")
            if 0 < len(value.split()) <= _MOST_WORDS and telling_words(value):
                yield value
        return
