"""A question with its asker's name: "my sister" becomes "Anna's sister", as in the turns."""

import re

from memory.text.dates import dated_question

_AUXILIARIES = {"am": "is", "do": "does", "have": "has", "don't": "doesn't", "haven't": "hasn't"}
_ENDINGS = {"'m": " is", "'ve": " has", "'ll": " will", "'d": " would", " am": " is"}
# Quoted words are not changed, nor is the number in "World War I?".
_FIRST_PERSON = re.compile(
    r'(?P<quoted>"[^"]*"|\u201c[^\u201c\u201d]*\u201d|(?-i: [A-Z][a-z]+ I)(?=\W*$))'
    r"|\b(?:(?P<auxiliary>am|do|have|don't|haven't) )?i(?P<ending>'m|'ve|'ll|'d| am\b)?"
    r"(?![\w']|\.\w)"
    r"|\b(?P<possessive>my|mine)\b|\b(?:me|myself)\b",
    re.IGNORECASE,
)
# "i" and "my" are words in other languages too. A question without any of these is not English.
_ENGLISH = re.compile(
    r"\b(?:what|when|where|which|who|whose|why|how|did|does|do|am|is|was|were|have|has|had|can"
    r"|could|should|would|will|tell|list|remind|find|show)\b",
    re.IGNORECASE,
)

# "Who are you?" asks what "Who am I?" asks, of the listener.
_SECOND_PERSON = {"are you": "am I", "were you": "was I", "you": "I", "your": "my"}
_SECOND = re.compile(r"\b(?:are you|were you|your|you)\b", re.IGNORECASE)


def as_asked_of_oneself(question: str) -> str:
    """A question to the listener about the listener, as the listener would ask it; "" for another.

    `Where do you live?` becomes `Where do I live?`.
    """
    if _FIRST_PERSON.search(question) or not _SECOND.search(question):
        return ""
    return _SECOND.sub(lambda match: _SECOND_PERSON[match[0].lower()], question)


def standalone_question(question: str, asker: str, today: str) -> str:
    """A question that names its asker and its dates, for a reader who knows neither.

    `today` is an ISO date. An empty `asker` or `today` changes nothing.
    """
    return dated_question(third_person(question, asker), today)


def third_person(question: str, asker: str) -> str:
    """An English question with the asker's name in place of I, me and my.

    `Where do I live?` asked by Anna becomes `Where does Anna live?`. Other questions, and questions
    without an asker, are not changed.
    """
    name = " ".join(asker.split())
    if not name or not _ENGLISH.search(question):
        return question

    def named(match: re.Match[str]) -> str:
        if match["quoted"]:
            return match[0]
        if match["possessive"]:
            return f"{name}'s"
        auxiliary = match["auxiliary"] or ""
        before = f"{_AUXILIARIES[auxiliary.lower()]} " if auxiliary else ""
        if auxiliary[:1].isupper():
            before = before.capitalize()
        return f"{before}{name}{_ENDINGS.get((match['ending'] or '').lower(), '')}"

    return _FIRST_PERSON.sub(named, question.replace("\u2019", "'"))
