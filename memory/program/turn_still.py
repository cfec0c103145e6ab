"""Whether something still is so, read from the newest turn that says it ended or goes on.

Whoever asks "Does Anna still drive the van?" knows that she did: what decides is a later "sold the
van", or a "still". Such a sentence names the thing, or follows one that does, and is said of the
person who is asked about. For homes and work the state that is in force decides.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from memory.passages import sentences
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import read_fact_question
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, select_with, turns_of
from memory.program.told_of import (
    Person,
    SaidSentence,
    after_pronouns,
    forms_of_thing,
    is_told_of,
    quoted_of,
    words_of_person,
)
from memory.program.turn_states import answer_by_states
from memory.records import Rows, Turn
from memory.search.word_forms import forms_of, is_among, telling_words
from memory.search.words import words

_MOST_TURNS = 60
_BEFORE = 2  # turns, in which somebody is named whom "she" means
_ASKS = re.compile(r"\b(?:still|any ?more|any longer)\b", re.IGNORECASE)
_YES_OR_NO = re.compile(r"^\W*(?:do|does|is|are|am|has|have)\b", re.IGNORECASE)
_DENIES = re.compile(r"\b(?:no|not|never|without|avoids?|avoiding|off)\b|n't\b", re.IGNORECASE)
_STATE = re.compile(
    r"^\W*(?P<auxiliary>do|does|is|are) (?P<who>.+?) (?:still )?"
    r"(?P<verb>live|living|work|working|employed)\b(?P<place>.*?)"
    r"(?: still| any ?more| any longer)?\W*$",
    re.IGNORECASE,
)
ENDS = re.compile(
    r"\b(?:sold|flogged|gave away|given away|lost|stolen|nicked|scrapped|binned|returned|swapped"
    r"|traded|quit|stopped|g[ai]ve(?:n)? up|giving up"
    r"|(?:packed|jacked|chucked|handed) (?:\w+ ){0,3}in|dropped|no \w+(?: \w+)? since"
    r"|left|retired|resigned|split|broke up|broken up|are done|is done|is over|it's over|finished"
    r"|divorced|moved out|cancelled|canceled|no more|any ?more|no longer"
    r"|last (?:day|shift|night|lesson)|gone off|went off|i'm off|(?:am|is|are|been) off|off it"
    r"|died|dead|passed away|crashed|written off|gave (?:it|them|him|her) back)\b",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"\b(?:still|again|back on|back at|back with)\b", re.IGNORECASE)
_STILL_NOT = re.compile(r"\bstill (?:no|not|n't|without|off|haven't|hasn't)\b", re.IGNORECASE)
UNREAL = re.compile(
    r"\b(?:might|(?-i:may)|maybe|if|would|could|should|wish|hope|hoping|want|wants|wanted|thinking"
    r"|nearly|almost|suppose\w*|never|until|till|not|unless)\b|n't\b",
    re.IGNORECASE,
)
# They say that somebody has or does a thing, and not which.
_PLAIN = frozenset(
    words(
        "have has had got possess drive drives driving eat eats eating drink drinks drinking use"
        " uses using wear wears wearing play plays playing go goes going do does doing take takes"
        " taking keep keeps be own owns on at in with for as together out seeing see dating work"
        " works working live lives living called named lessons job"
    )
)


@dataclass(frozen=True)
class _Telling:
    """A sentence that says that what is asked about has ended, or goes on."""

    is_over: bool
    turn: Turn
    sentence: str


def answer_still(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer whether something still is so; None where no turn says that it ended or goes on.

    Arguments:
        question: in the third person ("Does Anna still drive the van?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    if not _YES_OR_NO.match(question) or not _ASKS.search(question) or _DENIES.search(question):
        return None
    if state := _STATE.match(question):
        by_state = _by_state(state, today, read=read, asker=asker, corrected=corrected)
        if by_state is not None:
            return by_state
    about = read_fact_question(question, today, asker)
    if about is None or about.span or not (about.names or about.is_shared):
        return None
    of_person = words_of_person(about)
    partners = [word for forms in about.names[1:] for word in words(forms[-1])]
    telling = [word for word in (*about.telling, *partners) if word not in of_person]
    nouns = [word for word in telling if word not in _PLAIN] or telling
    forms = tuple(forms_of_thing(word) for word in nouns)
    if not forms:
        return None
    name = frozenset(words(about.names[0][-1] if about.names else asker))
    kin = about.names[0][0].partition("'s ")[2] if about.names else ""
    person = Person(name, kin, frozenset(word for group in forms for word in group))
    searched = " ".join((*sorted(name), *nouns, "sold quit stopped left last off again still"))
    turns = {
        turn.id: turn for turn in corrected(turns_of(read(select_with(searched, _MOST_TURNS))))
    }
    before = {number - n for number in turns for n in range(1, _BEFORE + 1)} - turns.keys()
    if before := {number for number in before if number > 0}:
        turns |= {turn.id: turn for turn in corrected(turns_of(read(select_by_id(before))))}
    in_order = [turn for _, turn in sorted(turns.items()) if is_evidence(turn.text)]
    tellings = [
        telling
        for place in range(len(in_order))
        for telling in _in_turn(person, forms, in_order, place)
    ]
    if not tellings:
        return None
    newest = tellings[-1]
    text = f"{'No' if newest.is_over else 'Yes'} ({quoted_of(newest.turn, newest.sentence)})"
    sql = select_by_id([newest.turn.id])
    return FactAnswer(text, (newest.turn.id,), (sql,), (read(sql),), (), ())


def _by_state(
    match: re.Match[str],
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str,
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]],
) -> FactAnswer | None:
    """Yes or no by where somebody lives or works now; None where nobody tells."""
    does = "does" if match["auxiliary"].lower() in ("is", "does") else "do"
    verb = "live" if match["verb"].lower().startswith("liv") else "work"
    now = answer_by_states(
        f"Where {does} {match['who']} {verb}?",
        today,
        read=read,
        asker=asker,
        corrected=corrected,
    )
    place = [word for word in telling_words(match["place"]) if word not in _PLAIN]
    if now is None or not place:
        return None
    value, _, before = now.text.partition(" (")[0].partition("; before that ")
    is_same = any(is_among(word, forms_of(words(value))) for word in place)
    was_before = any(is_among(word, forms_of(words(before))) for word in place)
    if not is_same and not was_before and not re.search(r"[A-Z\d]", value.partition(",")[0]):
        return None  # "above a bakery" may be there
    return FactAnswer(
        f"{'Yes' if is_same else 'No'}: {now.text}", now.turn_ids, now.sql, now.rows, (), ()
    )


def _in_turn(
    person: Person, nouns: Sequence[frozenset[str]], turns: Sequence[Turn], place: int
) -> Iterator[_Telling]:
    turn = turns[place]
    before = [
        nearby
        for nearby in turns[max(place - _BEFORE, 0) : place]
        if nearby.session == turn.session and turn.id - nearby.id <= _BEFORE
    ]
    parts = sentences(turn.text)
    for number, sentence in enumerate(parts):
        near = " ".join(parts[max(number - 1, 0) : number + 2])
        here = set(words(sentence))
        named = sum(bool(forms & here) for forms in nouns)
        named_near = sum(bool(forms & set(words(near))) for forms in nouns)
        if 2 * max(named, named_near) < len(nouns):
            continue
        goes_on = _GOES_ON.search(sentence)
        cue = goes_on or ENDS.search(sentence)
        if cue is None or (goes_on and not named):
            continue
        # The thing itself may be what is told of: "the van died".
        lead = sentence[: cue.start()]
        if UNREAL.search(lead) or sentence.rstrip().endswith("?"):
            continue
        is_of_thing = any(forms & set(words(after_pronouns(lead))) for forms in nouns) and (
            person.name <= {*words(turn.speaker), *here}
        )
        if is_of_thing or is_told_of(
            person, SaidSentence(turn, sentence, lead, parts[:number], before)
        ):
            is_over = goes_on is None or bool(_STILL_NOT.search(sentence))
            yield _Telling(is_over, turn, sentence if named else near)
