"""What people and assistants say of themselves, which answers no question about the other one."""

from collections.abc import Collection, Sequence

from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.records import Turn
from memory.search.question import as_asked_of_oneself
from memory.store.configuration.settings import settings_of
from memory.store.facts.standing_facts import characters_of
from memory.store.files.united import first_store
from memory.text.turn_lines import is_by_assistant
from memory.text.words import forms_of, is_among, telling_words
from memory.vocabulary import Vocabulary
from memory.vocabulary.templates import question_templates_of, templates_of


def without_others_selves(
    turns: Sequence[Turn], question: UserQuestion, reader: MemoryReader
) -> list[Turn]:
    """The turns, without any that say what a question asks of another person.

    "My name is Max." by the assistant answers "What is your name?" and not "What is my name?"; a
    person's answers the second one only. A turn that says more of what the question asks stays.
    """
    vocabulary = reader.vocabulary()
    attributes = _asked_of_asker(question.text, question, reader, vocabulary)
    of_assistant = False
    if not attributes and (asked := as_asked_of_oneself(question.text)):
        attributes = _asked_of_asker(asked, question, reader, vocabulary)
        of_assistant = True
    if not attributes:
        return [*turns]
    characters = characters_of(settings_of(first_store(reader.store), "character"))
    machines = {
        turn.speaker
        for turn in turns
        if is_by_assistant(turn) or turn.speaker.casefold() in characters
    }
    if not machines:
        return [*turns]
    forms = forms_of(telling_words(question.text))
    return [
        turn
        for turn in turns
        if (turn.speaker in machines) == of_assistant
        or not _says_only_of_itself(turn, attributes, vocabulary, forms)
    ]


def _asked_of_asker(
    text: str, question: UserQuestion, reader: MemoryReader, vocabulary: Vocabulary
) -> set[str]:
    """The attributes of the asker that a question asks for."""
    today = question.today[:10] or reader.store.today
    questions = question_templates_of(vocabulary).read(text, today)
    return {one.attribute for one in questions if not one.who}


def _says_only_of_itself(
    turn: Turn, attributes: Collection[str], vocabulary: Vocabulary, asked: Collection[str]
) -> bool:
    """Whether a turn says such an attribute of its speaker, and nothing else the question asks."""
    rest, says = turn.text, False
    for found in templates_of(vocabulary).read(turn).found:
        if any(
            assertion.attribute in attributes and assertion.subject == turn.speaker.strip()
            for assertion in found.assertions
        ):
            rest, says = rest.replace(found.clause, " "), True
    return says and not any(is_among(word, asked) for word in telling_words(rest))
