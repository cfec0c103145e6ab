"""The clauses of an English text, each with whom it is about; questions and wishes left out.

A clause is what lies between two subjects: "My sister Elena moved to Porto, and I miss her" is one
about "my sister Elena" and one about the speaker. A chat drops subjects ("went running on
Thursday"): a clause that begins with a verb is about the subject before it, or the speaker.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from memory.statements.clause import SPEAKER, Clause, tells_of_another
from memory.statements.parts import parts_of
from memory.statements.predicates import has_verb
from memory.statements.references import Context, context_after, context_of_names
from memory.statements.sentences import sentences
from memory.statements.subjects import (
    AGE,
    IN_PLACE,
    NAME,
    bare_verb,
    is_name,
    nouns,
    subject_pattern,
    without_lead,
)
from memory.statements.things import (
    HAS,
    IS,
    MINE,
    POSSESSED,
    numbered,
    possession,
    thing,
    without_article,
)
from memory.statements.word_lists import is_past_form, word_lists

# In a long text "we" is rather a company's, pasted, than the speaker's.
_LONG_TEXT = 1_500  # characters
# Whoever writes more says "I"; a line that begins with a verb is rather a heading.
_LONGEST_MESSAGE = 700
_WE = re.compile(r"(?:\w+ )?we\b|(?:\w+ )?our\b", re.IGNORECASE)
_NO_NEWS = re.compile(
    r"^\s*(?:if|imagine|suppose|unless)\b|\b(?:lyrics?|quote|recipe says|the song goes|no,?"
    r" wait|scratch that)\b",
    re.I,
)
_ONLY_NAME = re.compile(rf"(?P<name>{NAME})(?:,? from (?:the |my )?[\w'-]+(?: [\w'-]+)?)?\W*$")
INNER_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z][\w-]*")  # inside a sentence
_SOMEBODY = re.compile(
    r"\b(?:somebody|someone|person|man|woman|guy|girl|boy|date|roommate|flatmate|daughter|son"
    r"|sister"
    r"|brother|kid|colleague|friend|boss|neighbou?r|boyfriend|girlfriend)\b[^.]{0,40}\W*$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ToldPart:
    """A part of a sentence that is said to be so, and its clauses, if any.

    `text` begins behind its lead, and `when` are words of time before that; `whole` has all words.
    `context` is who was spoken of before it.
    """

    whole: str
    text: str
    when: str
    clauses: tuple[Clause, ...]
    context: Context


class Telling:
    """What a text tells, part by part; `context` is who was spoken of last.

    Arguments:
        text: the text of a turn.
        speakers: the names of those who speak in the memory.
        context: who was spoken of before the text.
    """

    def __init__(
        self, text: str, speakers: Collection[str] = (), context: Context | None = None
    ) -> None:
        self._text = text
        self._names = frozenset(name.split()[0].lower() for name in speakers if name.split())
        known = frozenset(INNER_NAME.findall(text))
        before = context or Context()
        self.context = replace(before, known=known)
        self._known = known
        self._is_long = len(text) > _LONG_TEXT
        self._is_pasted = len(text) > _LONGEST_MESSAGE

    def parts(self) -> Iterator[ToldPart]:
        """The parts, without questions, wishes and suppositions."""
        previous = ""
        for sentence in _joined(sentences(self._text)):
            if _NO_NEWS.search(sentence):
                continue
            if only := _ONLY_NAME.match(sentence):
                # "I'm seeing somebody. Priyan." says who "he" is; "Alkaline." does not.
                is_person = only["name"].split()[0].lower() not in word_lists().no_names
                if is_person and _SOMEBODY.search(previous):
                    self.context = Context(only["name"], only["name"], self._known)
                previous = sentence
                continue
            previous = sentence
            yield from self._of_sentence(sentence)

    def _of_sentence(self, sentence: str) -> Iterator[ToldPart]:
        before = SPEAKER
        when = ""
        joined: list[Clause] = []
        for position, part in enumerate(parts_of(sentence)):
            inherited = before if position else SPEAKER
            if (inherited != SPEAKER and not part.continues) or part.is_of_another:
                inherited = ""  # "a greyhound, retired"
            if part.is_name:
                joined.append(_named(part.text))  # "Gwen" of "Gwen and I are getting married"
                continue
            if not position and self._is_pasted:
                inherited = ""
            context = self.context
            clause = _clause(part.text, inherited, context, self._names)
            if clause and self._is_long and _WE.match(part.text):
                clause = None
            if clause is None:
                self.context = context_of_names(part.text, context)
            if clause is None or part.is_unsure:
                before, joined = "", []
                if part.is_unsure and not position:
                    return
                if not part.is_unsure:
                    text, said_when = without_lead(part.text)
                    yield ToldPart(part.text, text, said_when or when, (), context)
                continue
            if not clause.text and not clause.noun:
                joined = []
                continue
            when = clause.when or when
            before = clause.subject
            clause = replace(clause, when=when)
            subjects = [*joined, clause]
            joined = []
            of_part = tuple(
                replace(
                    subject,
                    text=clause.text,
                    noun=clause.noun,
                    verb=clause.verb,
                    when=clause.when,
                    is_pasted=self._is_pasted,
                    others=tuple(
                        other.name or other.subject
                        for position_of_other, other in enumerate(subjects)
                        if position_of_other != number
                    ),
                )
                for number, subject in enumerate(subjects)
            )
            yield ToldPart(part.text, without_lead(part.text)[0], when, of_part, context)
            people = [subject for subject in subjects if subject.subject != SPEAKER]
            # "Jon and Max came by. He ..." may be either.
            is_plain = len(people) < 2
            self.context = (
                context_after(clause, context) if is_plain else Context(known=self._known)
            )


def _joined(spoken: Sequence[str]) -> Iterator[str]:
    """Sentences, those that a full stop has cut in two as one: "I moved. To Lund."."""
    before = ""
    for sentence in spoken:
        is_rest = _GOES_ON.match(sentence) and not _HAS_SUBJECT.search(sentence)
        if before and before[-1] in ".!" and is_rest:
            before = f"{before.rstrip(' .!')} {sentence[0].lower()}{sentence[1:]}"
            continue
        if before:
            yield before
        before = sentence
    if before:
        yield before


# A short sentence of a preposition and a name or number.
_GOES_ON = re.compile(
    r"(?:to|from|at|with|into|near) (?:the |my |our |a |an )?(?-i:[A-Z\d])[\w'-]*"
    r"(?:,? [\w'-]+){0,5}[.!]*$"
    r"|(?:on|in) (?:the )?(?:\d|(?-i:[A-Z]))[\w'-]*(?:,? (?:of )?[\w'-]+){0,2}[.!]*$",
    re.IGNORECASE,
)
_HAS_SUBJECT = re.compile(r"\b(?:i|we|he|she|it|they|you|is|was|are|were)\b", re.IGNORECASE)


def _is_bare_deed(text: str) -> bool:
    """ "Mended the fence", "planted three trees": a past with its object and no subject."""
    word = re.match(r"[A-Za-z]+", text)
    verb = word[0].lower() if word else ""
    is_told = is_past_form(verb) and verb not in word_lists().verbs | {*word_lists().irregular}
    return is_told and bool(_DETERMINER.match(text, len(verb)))


_DETERMINER = re.compile(r" (?:my|our|his|her|the|an?|some|another)\b")


def _clause(part: str, before: str, context: Context, names: Collection[str]) -> Clause | None:
    text, when = without_lead(part)
    subject = subject_pattern().match(text)
    if subject and subject["name"] and not is_name(subject["name"], text, subject.end()):
        subject = None
    if subject is None:
        word = re.match(r"[\w-]+", text)
        if word and word[0].lower() in names:
            return _about(word[0].capitalize(), text[word.end() :], when)
        if not (bare_verb().match(text) or _is_bare_deed(text)) or re.match(r"[A-Z]{2}", text):
            return without_article(text, when)
        if before == SPEAKER and tells_of_another(text):
            return None
        return Clause(before or SPEAKER, text, when=when, has_subject=False) if before else None
    rest = text[subject.end() :]
    if subject["other"]:
        if subject["other"].lower() != "the":
            return None
        return numbered(rest, when) or thing("", rest, when)
    if subject["speaker"]:
        return Clause(SPEAKER, rest.strip(" ,"), when=when)
    if subject["pronoun"]:
        person = context.of(subject["pronoun"])
        if not person:
            return None
        if subject["pronoun"].lower() in ("his", "her"):
            return possession(person, MINE.match(rest), rest, when) or thing(person, rest, when)
        return _about(person, rest, when)
    if subject["my"] or subject["the"]:
        return possession(SPEAKER, MINE.match(rest), rest, when) or thing(
            SPEAKER if subject["my"] else "", rest, when
        )
    if subject["possessive"]:
        whose = "my " + re.sub(r"^(?:my|our) ", "", subject["possessive"], flags=re.I).lower()
        apposition = subject["apposition"] or ""
        if apposition and apposition.split()[0].lower() in word_lists().no_names:
            apposition = ""
            rest = text[subject.end("possessive") :]
        return _about(whose, rest, when, name=apposition)
    if subject["own"]:
        return (
            None
            if subject["own"].lower() in word_lists().no_names
            else _about(subject["own"], rest, when)
        )
    if subject["kin"]:
        return _about(f"my {subject['kin'].lower()}", rest, when)
    if subject["titled"]:
        title = subject["titled"]
        return _about(title[0].upper() + title[1:], rest, when)
    clause = _about(subject["name"], rest, when)
    if clause is None or not (not clause.text or clause.noun or has_verb(clause.text)):
        return None
    first = subject["name"].split()[0]
    is_known = first.lower() in names or " " in subject["name"] or first in context.known
    return replace(clause, is_known=is_known)


def _named(text: str) -> Clause:
    """Somebody who is named before "and": "Gwen", "my sister Elena", "sofia"."""
    own = re.match(rf"(?:my|our) {AGE}(?P<noun>{nouns()})(?: (?P<name>{NAME}))?$", text, re.I)
    if own:
        return Clause(f"my {own['noun'].lower()}", "", name=own["name"] or "")
    if text.lower() in word_lists().names_of_relatives:
        return Clause(f"my {text.lower()}", "")
    return Clause(text if text[0].isupper() else text.capitalize(), "")


def _about(subject: str, rest: str, when: str, name: str = "") -> Clause | None:
    if rest.startswith("'s"):
        for pattern, verb in ((HAS, "has "), (IS, "is ")):
            if match := pattern.match(rest):
                return Clause(subject, verb + rest[match.end() :], name=name, when=when)
        owner = name or subject
        return possession(owner, POSSESSED.match(rest), rest, when) or thing(owner, rest[2:], when)
    if rest.startswith(("'", "-", "/", " &", "@")):
        return None
    if (where := IN_PLACE.match(rest)) and has_verb(rest[where.end() :].strip()):
        rest = rest[where.end() :]  # "my sister in Basel has a spare room"
    return Clause(subject, rest.strip(" ,"), name=name, when=when)
