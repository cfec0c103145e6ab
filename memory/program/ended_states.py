"""Whether what a turn or a fact once said has ended since, for questions about the present.

"I have a cat" is no yes once the fact that was noted from it has ended, and "I am dating Luis" is
none after "Luis and I broke up". What decides is the end, told with its day or in its own words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from memory.passages import sentences
from memory.program.asked_deeds import read_deed
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import read_span
from memory.program.fact_words import are_forms, is_of_class
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, turns_of, turns_with
from memory.program.spoken_days import spoken_iso
from memory.program.turn_still import ENDS, UNREAL, answer_still
from memory.records import Rows, Turn
from memory.search.answer_kinds import asks_for_present
from memory.search.word_forms import telling_words
from memory.search.words import words

_ASKS_NOW = re.compile(r"^\W*(?:(?:so|and|but)\W+)?(?:do|does|is|are|am)\b", re.IGNORECASE)
_ASKS_WHO = re.compile(
    r"^\W*whom? (?P<clause>(?:is|are) .+ing\b.*?|(?:do|does) .+?)\W*$", re.IGNORECASE
)
_NAME = re.compile(r"[A-Z][\w'-]+(?: [A-Z][\w'-]+)*")
_MOST_TURNS = 20
# Who is so does without these, until they are had again.
_WITHOUT = {
    "vegetarian": ("meat", "fish"),
    "pescatarian": ("meat",),
    "vegan": ("meat", "fish", "cheese", "eggs", "milk", "dairy"),
    "teetotal": ("alcohol", "drinking", "wine", "beer"),
}
_ASKS_WITHOUT = re.compile(
    rf"^\W*(?:is|are|am) (?P<who>[\w-]+) (?:an? )?(?P<state>{'|'.join(_WITHOUT)})\W*$",
    re.IGNORECASE,
)
_HAS_AGAIN = re.compile(
    r"\b(?:i|we)(?:'m|'ve| am| have| do)?(?: \w+){0,3}? (?:eat|eating|drink|drinking|having|back on"
    r"|back to|started|gone back)\b.*\b(?:again|back (?:to|on)|these days|now)\b",
    re.IGNORECASE,
)
_GOT = re.compile(
    r"\b(?:got|bought|have|'ve|adopted|found|new|another|again|back)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Present:
    """A question on the day on which it is asked, and the memory in which it is answered.

    `question` is in the third person, `today` an ISO day, `asker` who asks.
    """

    question: str
    today: str
    asker: str
    read: Callable[[str], Rows]
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]]

    def is_asked(self) -> bool:
        """Whether the question is about what is so now."""
        return asks_for_present(self.question) and read_span(self.question, self.today) is None


def is_still_so(
    present: Present, answer: FactAnswer, by_facts: FactAnswer | None
) -> FactAnswer | None:
    """An answer as it was, or what ended since; None where one turn tells both.

    `by_facts` is what facts say to the question.
    """
    if not present.is_asked():
        return answer
    if who := _ASKS_WHO.match(present.question):
        return _of_person(present, answer, who["clause"])
    if not _ASKS_NOW.match(present.question) or not answer.text.startswith("Yes"):
        return answer
    newest = max(answer.turn_ids, default=0)
    if by_facts and _is_over(present, answer, by_facts):
        end = by_facts
    else:
        of_turns = _end_of(present, present.question) or _had_again(present)
        ended = _ended_fact(present, answer) or of_turns
        if ended is None or max(ended.turn_ids) < newest:
            return answer
        is_same = answer.text.partition(": ")[2].strip(" .!") in ended.text
        if ended is of_turns and max(ended.turn_ids) == newest and not is_same:
            return None
        end = ended
    return None if _is_had_anew(present, max(newest, *end.turn_ids)) else end


def _is_had_anew(present: Present, turn_id: int) -> bool:
    """Whether somebody asked about says, after a turn, that they have such a thing again."""
    deed = read_deed(present.question, present.asker)
    if deed is None or deed.thing is None:
        return False
    turns = turns_with(deed.thing.word, _MOST_TURNS, read=present.read, corrected=present.corrected)
    return any(
        deed.thing.is_met(words(sentence))
        and _GOT.search(sentence)
        and not ENDS.search(sentence)
        and not UNREAL.search(sentence)
        for turn in turns
        if turn.id > turn_id and deed.doer <= set(words(turn.speaker))
        for sentence in sentences(turn.text)
    )


def _is_over(present: Present, answer: FactAnswer, by_facts: FactAnswer) -> bool:
    """Whether facts say no, of the turn that says yes or by an end that came after it."""
    if not by_facts.text.startswith("No, not any more"):
        return False
    if set(answer.turn_ids) <= set(by_facts.turn_ids):
        return True
    end = max((fact.ended_on for fact in by_facts.sources), default="")
    turns = turns_of(present.read(select_by_id(answer.turn_ids)))
    return bool(end) and all(turn.said_at[: len(end)] <= end for turn in turns)


def _ended_fact(present: Present, answer: FactAnswer) -> FactAnswer | None:
    """The end of the one fact of the turn that says yes, where it is of what is asked."""
    if not answer.turn_ids:
        return None
    ids = ", ".join(map(str, answer.turn_ids))
    sql = f"SELECT id, subject, value, ended_on, turn_id FROM facts WHERE turn_id IN ({ids})"
    rows = present.read(sql)
    query = words(present.question)
    about = [row for row in rows.rows if _is_among_words(str(row[2]), query)]
    if len(about) != 1 or not about[0][3] or str(about[0][3]) > present.today:
        return None
    fact_id, subject, value, ended_on, _ = about[0]
    text = f"No, not any more: {value} until {spoken_iso(str(ended_on))}"
    return FactAnswer(text, answer.turn_ids, (sql,), (rows,), (int(fact_id),), (str(subject),))


def _is_among_words(value: str, query: Sequence[str]) -> bool:
    return any(are_forms(word, other) for word in telling_words(value) for other in query)


def _of_person(present: Present, answer: FactAnswer, clause: str) -> FactAnswer | None:
    """Whom a question asks for, unless that has ended: nobody takes the place of a name."""
    if not _NAME.fullmatch(answer.text):
        return answer
    end = _end_of(present, f"{clause} {answer.text}")
    if end is None or max(end.turn_ids) <= max(answer.turn_ids, default=0):
        return answer
    ending = end.text.removeprefix("No ")
    return FactAnswer(f"no more {answer.text} {ending}", end.turn_ids, end.sql, end.rows, (), ())


def _end_of(present: Present, question: str) -> FactAnswer | None:
    """The newest turn that says that something is over: whoever asks so knows that it was."""
    answer = answer_still(
        f"{question.rstrip(' ?.!')} still?",
        present.today,
        read=present.read,
        asker=present.asker,
        corrected=present.corrected,
    )
    return answer if answer and answer.text.startswith("No") and answer.turn_ids else None


def _had_again(present: Present) -> FactAnswer | None:
    """What somebody has again who did without: "I eat meat again"."""
    match = _ASKS_WITHOUT.match(present.question)
    if match is None:
        return None
    nouns = _WITHOUT[match["state"].lower()]
    searched = " ".join((*nouns, "eat", "drink", "again"))
    turns = turns_with(searched, _MOST_TURNS, read=present.read, corrected=present.corrected)
    ends = [
        (turn, sentence)
        for turn in sorted(turns, key=lambda turn: turn.id)
        if set(words(match["who"])) <= set(words(turn.speaker)) and is_evidence(turn.text)
        for sentence in sentences(turn.text)
        if _HAS_AGAIN.search(sentence)
        and not UNREAL.search(sentence)
        and any(noun in words(sentence) or is_of_class(noun, words(sentence)) for noun in nouns)
    ]
    if not ends:
        return None
    turn, sentence = ends[-1]
    sql = select_by_id([turn.id])
    return FactAnswer(f"No: {sentence.strip()}", (turn.id,), (sql,), (present.read(sql),), (), ())
