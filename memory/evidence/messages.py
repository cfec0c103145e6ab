"""What a text is: a question, an answer, a list of the nearest turns, or news."""

import re
from collections.abc import Iterable

from memory.records import ABSTAIN, WITHDRAWN, Turn
from memory.text.sentences import stated_sentences
from memory.text.tokens import TextCache
from memory.text.words import words

# Goes above the turns that are shown when there is no answer. A chat's reply that begins so repeats
# turns, and is not evidence.
NEAREST_HEAD = "Nearest in this memory:"
WITHOUT_MODEL = (
    "without a larger model facts are stored of what turns say in the vocabulary's templates"
    " (`memory facts attributes`); a larger model stores more, as in"
    " `memory digest --model openai/gpt-4o-mini`"
)

NO_MODEL = (
    "No model that can talk is chosen. Ask about what is in this memory, or choose one:"
    " `memory chat --model openai/gpt-4o-mini`"
)

# The question marks of Latin, Chinese and Arabic script; how a question ends in Japanese and
# Chinese.
_QUESTION = re.compile("[?\uff1f\u061f]|[\u304b\u5417\u55ce]\u3002?\\s*$")
_LONGEST_GREETING = 3  # words
_BEFORE_WORDS = " \"'*_`\u201c\u2018"
_QUOTED = re.compile(
    '["\u201c\u201d\u201e\u00ab]([^"\u201c\u201d\u201e\u00ab\u00bb]+)["\u201c\u201d\u00bb]'
)
_SHORTEST_QUOTATION = 3  # words: fewer may occur anywhere


def is_question(text: str) -> bool:
    """Whether a message asks something, by its question mark."""
    return bool(_QUESTION.search(text))


def tells(text: str) -> bool:
    """Whether a text says more than a question, and a greeting of up to three words before it."""
    return not is_question(text) or has_statement(text)


def has_statement(text: str) -> bool:
    """Whether a text has a statement longer than a greeting, also before a question's comma."""
    return any(len(words) > _LONGEST_GREETING for words in stated_sentences(text))


def abstains(text: str) -> bool:
    """Whether an answer begins with ABSTAIN; a model may quote it, or end it with a full stop."""
    return text.lstrip(_BEFORE_WORDS).lower().startswith(ABSTAIN.lower())


# How texts begin that add nothing to earlier turns: quotations, and withdrawn corrections.
ADDING_NOTHING = (NEAREST_HEAD, WITHDRAWN)


def is_quotation(text: str) -> bool:
    """Whether a text repeats earlier turns and adds nothing to them."""
    return text.startswith(NEAREST_HEAD)


def is_withdrawn(text: str) -> bool:
    """Whether a text belongs to a correction that was undone."""
    return text.startswith(WITHDRAWN)


def is_evidence(text: str) -> bool:
    """Whether a text can be evidence of something.

    It is not if it is only a question, a quotation, an abstention or a withdrawn correction.
    """
    return tells(text) and not (is_quotation(text) or abstains(text) or is_withdrawn(text))


def originals_first(turns: Iterable[Turn]) -> list[Turn]:
    """These turns in order, but turns that mostly quote an earlier one come last.

    A character of a chat quotes what it heard, which adds nothing to the quoted turn. A turn that
    quotes a title or a few words and says more does add something.
    """
    ordered = list(turns)
    quoted = {
        turn.id: quotations
        for turn in ordered
        if _QUOTED.search(turn.text) and (quotations := _quotations_of[turn.text])
    }
    if not quoted:
        return ordered
    texts = [(turn.id, _spaced(turn.text)) for turn in ordered]

    def quotes_another(turn: Turn) -> bool:
        return any(
            quotation in text
            for quotation in quoted.get(turn.id, ())
            for other_id, text in texts
            if other_id < turn.id
        )

    return sorted(ordered, key=quotes_another)  # sorting keeps the order of equals


def _quoted_mostly(text: str) -> list[str]:
    """The longer quotations of a text that is half quotation; none for any other text."""
    quotations = [_spaced(quotation) for quotation in _QUOTED.findall(text)]
    if 2 * sum(len(quotation.split()) for quotation in quotations) < len(words(text)):
        return []
    return [quotation for quotation in quotations if len(quotation.split()) >= _SHORTEST_QUOTATION]


# Questions show the same turns again, and an assistant's are long.
_quotations_of = TextCache(_quoted_mostly, most=1_000, longest=4_000)


def _spaced(text: str) -> str:
    """The words of a text, each between spaces."""
    return f" {' '.join(words(text))} "
