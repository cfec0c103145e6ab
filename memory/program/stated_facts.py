"""Whether a turn states a fact: what the packaged model stores must be in the words of its turn.

A model of 135 million parameters copies words of a turn, but gives them to whom it likes: of "My
sister is getting married to Ingrid" it makes "Anna married Ingrid". These rules are for English
and strict: what is left out is still found as a turn, and what is false would be believed.
"""

import re
from dataclasses import replace

from memory.dates import resolve_dates
from memory.program.messages import is_evidence, is_question
from memory.records import Fact, Turn
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words

# A date that was computed for the model stands in brackets behind the words that mean it.
_ISO = r"\d{4}(?:-\d\d){0,2}"
_COMPUTED = re.compile(rf" ?\(({_ISO}(?:/{_ISO})?)\)")
_ATTRIBUTE = re.compile(r"[^\W\d_]+(?:[_ -]\w+)*")
SENTENCE = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St)\.|\.(?=\w)|[^.!?\n])+[.!?]*")
_CLAUSE_END = re.compile(
    r"[,;:()\u2013\u2014]|\b(?:and|but|because|so|that|while|when|if|who)\b", re.IGNORECASE
)
_SPEAKER = re.compile(r"\b(?:i|we)\b(?:['\u2019](?:m|ve|d|ll|re)\b)?", re.IGNORECASE)
_OTHERS = re.compile(
    r"\b(?:he|she|they|it|you|his|her|their|your|my|our)\b|['\u2019]s\b", re.IGNORECASE
)
_THIRD_PERSON = re.compile(r"\W*(?:he|she|they|it)\b", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:not|never|no|stopped|quit|used to|almost|wish)\b|n['\u2019]t\b", re.I)
# "My favourite food is ...": this tells of the food, as attributes do that name it.
_POSSESSION = re.compile(
    r"\W*(?:my|our|the) (?:.* )?(\w+)(?: is|['\u2019]s| are| was| were)(?: called| named)? *",
    re.IGNORECASE,
)
# "Bought ...": the speaker is left out, and the attribute is the verb.
_VERB = re.compile(r"\W*(?:(?:just|also|finally|then) )?(\w+)(?: (?:at|for|in|on|to))? *", re.I)


def dated(fact: Fact, turn: Turn) -> Fact:
    """A fact with the date that was computed for its turn as `happened_on`, and not in its value.

    Where it has a `happened_on`, or its value has two such dates, only the value changes.
    """
    computed = [day for day in _COMPUTED.findall(fact.value) if f"({day})" not in turn.text]
    value = fact.value
    for day in computed:
        value = value.replace(f" ({day})", "").replace(f"({day})", "")
    happened_on = fact.happened_on or (computed[0] if len({*computed}) == 1 else "")
    return replace(fact, value=value.strip() or fact.value, happened_on=happened_on)


def is_stated(fact: Fact, turn: Turn) -> bool:
    """Whether one sentence of a turn states a fact about its subject, word for word.

    Not stated is a value whose words do not stand beside each other in one sentence that is no
    question, a date that the turn does not say, and what a sentence says of others than the
    subject, or denies.
    """
    attribute = fact.attribute.replace("_", " ")
    if not is_evidence(turn.text) or not _ATTRIBUTE.fullmatch(fact.attribute):
        return False
    if not all(map(telling_words, (fact.subject, attribute, fact.value))):
        return False
    if fact.happened_on not in resolve_dates(turn.text, turn.said_at, iso=True):
        return False
    sentences = SENTENCE.findall(turn.text)
    is_speaker = {*words(fact.subject)} <= {*words(turn.speaker)}
    for previous, sentence in zip(["", *sentences], sentences, strict=False):
        value = _phrase(fact.value).search(sentence)
        if value is None or is_question(sentence):
            continue
        if is_speaker:
            stated = _is_of_speaker(sentence[: value.start()], value[0], attribute)
        else:
            # "Met Dr. MacLeod. She works on ..."
            context = previous if _THIRD_PERSON.match(sentence) else ""
            stated = bool(_phrase(fact.subject).search(f"{context} {sentence}"))
        if stated:
            return True
    return False


def _phrase(text: str) -> re.Pattern[str]:
    """A pattern of the words of a text, whatever stands between them."""
    return re.compile(r"\b" + r"\W+".join(re.findall(r"\w+", text)) + r"\b", re.IGNORECASE)


def _is_of_speaker(before: str, value: str, attribute: str) -> bool:
    """Whether a value, after these words of its sentence, is said by a speaker of themselves."""
    *earlier, clause = _CLAUSE_END.split(before)
    attribute_forms = forms_of(words(attribute))
    if _DENIED.search(clause) and not _DENIED.search(attribute):
        return False
    if not clause.strip():
        return bool(_SPEAKER.match(value))
    if speaker := list(_SPEAKER.finditer(clause)):
        return not _OTHERS.search(clause[speaker[-1].end() :])
    if possession := _POSSESSION.fullmatch(clause):
        return is_among(possession[1].lower(), attribute_forms)
    verb = _VERB.fullmatch(clause)
    if verb is None or not is_among(verb[1].lower(), attribute_forms):
        return False
    # "I went home and bought ..." tells of the speaker, "Ingrid came and bought ..." does not.
    context = " ".join(earlier).strip()
    return not context or bool(_SPEAKER.search(context) and not _OTHERS.search(context))
