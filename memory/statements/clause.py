"""A clause: what a sentence says of one subject, and how a fact names that subject."""

import re
from dataclasses import dataclass

SPEAKER = "I"
# What one does with what is one's own: "fell off his ladder" tells of him.
_OF_THEIR_OWN = re.compile(
    r"(?:\w+ )?(?:fell|broke|lost|quit|hurt|injured|sprained|twisted|cut|burnt|burned|passed|failed"
    r"|finished|started|changed|left|sold|bought|celebrated|turned) (?:off |from |out of |down )?"
    r"(?:his|her|their)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Clause:
    """What a sentence says of one subject.

    `subject` is SPEAKER, a name, or a relation as the speaker says it ("my sister"); `name` is
    the name beside that ("my sister Elena"). With a `noun` the clause is about something of the
    subject: of "my birthday is on 3 May" the noun is "birthday". `text` begins behind the subject.
    `when` are words of time before it, of this clause or of the whole sentence. `others` are whom
    it is about too: Gwen in "Gwen and I are engaged". A name that only begins a sentence is not
    known to be one ("Reminder mailed"). With a `noun`, `verb` is what stands between both ("is").
    A thing has its owner before it ("Anna's car", "my car") or nothing ("boiler"). What stands in
    a long text may be pasted.
    """

    subject: str
    text: str
    noun: str = ""
    name: str = ""
    when: str = ""
    has_subject: bool = True
    others: tuple[str, ...] = ()
    is_past: bool = False
    is_known: bool = True
    verb: str = ""
    is_thing: bool = False
    is_pasted: bool = False


def owned(owner: str, noun: str) -> str:
    """The subject of a clause about something of somebody: "my car", "Anna's car", "boiler"."""
    if owner == SPEAKER:
        return f"my {noun}"
    return f"{owner}'s {noun}" if owner else noun


def subject_name(clause: Clause, speaker: str) -> str:
    """Whom a clause is about, as a fact names it."""
    return clause.name or person_name(clause.subject, speaker)


def person_name(subject: str, speaker: str) -> str:
    """The subject of a clause as a fact names it: "Anna's sister" for Anna's "my sister"."""
    if subject == SPEAKER:
        return speaker.strip()
    if subject.startswith("my "):
        return f"{speaker.strip()}'s {subject.removeprefix('my ')}"
    return subject


def tells_of_another(text: str) -> bool:
    """Whether a clause without a subject tells of another: "Poor Jo. Lost her job in May."."""
    return bool(_OF_THEIR_OWN.match(text))
