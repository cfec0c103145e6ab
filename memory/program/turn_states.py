"""Where somebody lives or works, now or at a time, read from turns at the time of the question.

Of what is told again and again the newest telling holds. What replaced it, what was before, and by
whom it is said are read from each clause (`state_tellings`), where ranked sentences alone say
neither whose it is nor whether it still is so.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from memory.dates import named_day
from memory.passages import sentences
from memory.program.fact_answers import FactAnswer
from memory.program.fact_questions import FactQuestion, read_fact_question, with_named_asker
from memory.program.messages import is_evidence
from memory.program.searched_turns import select_by_id, select_only, select_with, turns_of
from memory.program.spoken_days import spoken, spoken_iso
from memory.program.state_tellings import HOME, WORK, Telling, is_workplace, tellings
from memory.records import Rows, Turn
from memory.search.answer_kinds import asks_for_present
from memory.search.word_forms import forms_of, is_among
from memory.search.words import words

_MOST_TURNS = 80  # with the words of a state
_ANNOUNCED_DAYS = 120  # in which a move comes that somebody speaks of
_MOST_SPEAKERS = 40
_BEFORE = 2  # turns, in which somebody is named whom "she" means
_SEARCHED = {
    HOME: "live lives lived living move moved moving left flat house home address room rent here"
    " from keys",
    WORK: "work works worked working job start started boss office shift quit retired hired left"
    " notice",
}
_HAS_WORD = {
    HOME: re.compile(
        r"\b(?:liv(?:e|es|ed|ing)|mov(?:e|es|ed|ing)|left|stay\w*|flat|house|home|address|room|rent\w*"
        r"|apartment|place|based|settled|studio|cottage|bedsit|reloc\w+|lodg\w+|street|road|lane|avenue|terrace"
        r"|square|close|crescent|before that|back|here|from|still|in|own|keys?|boxes)\b",
        re.IGNORECASE,
    ),
    WORK: re.compile(r"\w"),
}
_ASKS = (
    (
        HOME,
        re.compile(
            r"^\W*(?:so |and )?(?:where(?:abouts)?|(?:in|at|on) (?:what|which) (?P<noun>\w+)"
            r"|(?:what|which) (?P<noun_before>city|town|country|street|village))"
            r" (?:does|did|do|is|was|has|had) .{2,50}? (?:been )?(?:live|living|lived|based)\b"
            r"|^\W*what(?:'s| is| was) .{2,50}?(?:'s|s') (?P<address>address)\b"
            r"|^\W*where(?:'s| is| was) .{2,50}?(?:'s|s') (?:home|house|flat|apartment|place)\b",
            re.IGNORECASE,
        ),
    ),
    (
        WORK,
        re.compile(
            r"^\W*(?:so |and )?where(?:abouts)? (?:does|did|do|is|was|has|had) .{2,50}? (?:been )?"
            r"(?:work|working|worked|employed)\b"
            r"|^\W*(?:(?:at|in|for) )?(?:what|which) (?P<workplace>\w+) (?:does|did|do|is|was)"
            r" .{2,50}? (?:work|working)(?: (?:at|in|for))?\b"
            r"|^\W*who (?:does|did|do|is|was) .{2,50}? (?:work|working) for\b"
            r"|^\W*(?:who|what)(?:'s| is| was) .{2,50}?(?:'s|s') (?:employer|workplace)\b"
            r"|^\W*where(?:'s| is| was) .{2,50}?(?:'s|s') (?:work|workplace|job|office)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "job",
        re.compile(
            r"^\W*what(?:'s| is| was| were) .{2,50}?(?:'s|s') (?:new |current |present |previous "
            r"|former |old )?(?:job|profession|occupation|trade|work|position|job title)\b"
            r"|^\W*what (?:does|did|do|is|was) .{2,50}? (?:have as a job|work(?:ing)? as)\b"
            r"|^\W*(?:what|which) job (?:does|did|do) .{2,50}? (?:have|do)\b",
            re.IGNORECASE,
        ),
    ),
)
# What a question about a state may say besides: all else asks for more than the state.
_OF_QUESTION = frozenset(
    words(
        "live lives lived living based stay staying address home house work works worked working"
        " employed employer workplace job profession occupation trade position title new current"
        " present city town country"
        " street village place family household does did now still these days currently moment"
        " where what who"
    )
)
# "In which part of Porto does she live?" asks for the part.
_PART_OF = re.compile(
    r"^(?P<part>\W*(?:[Ii]n )?(?:[Ww]hat|[Ww]hich) \w+) of (?:the )?[A-Z][\w'-]+(?: [A-Z][\w'-]+)*"
)
_NOUNS_OF_PLACE = frozenset(
    words(
        "city town country street village address road part area district neighbourhood"
        " neighborhood quarter suburb region place"
    )
)
_WHOSE = frozenset(
    words(
        "address home house flat apartment place employer workplace job work office position family"
        " household"
    )
)
_NOW = re.compile(
    r"\b(?:now|nowadays|these days|currently|current|at present|at the moment|today)\b",
    re.IGNORECASE,
)
_PARTS_OF_YEAR = frozenset(words("spring summer autumn winter fall early late mid end beginning"))
# What says of the time before something only that it was another home or job.
_ANY_CHANGE = frozenset(
    words("move moved moves moving house flat apartment start started starting change changed")
)
_CHANGED = {
    HOME: words("home homes address addresses place places flat flats living"),
    WORK: words("work workplace workplaces employer employers"),
    "job": words("job jobs career position positions profession"),
}
_OF_CHANGED = "|".join(word for group in _CHANGED.values() for word in group)
_ASKS_CHANGES = re.compile(
    rf"^\W*how (?:has|have|did|does) .{{2,50}}?(?:'s|s') (?P<what>{_OF_CHANGED})\b[^?]{{0,60}}?"
    r" change(?:d)?\b.*",
    re.IGNORECASE,
)
_ASKS_ALL = re.compile(
    rf"^\W*(?:what|which) (?P<what>{_OF_CHANGED}) (?:has|have|did) .{{2,40}}?"
    r" (?:had|have|held)\b.*",
    re.IGNORECASE,
)
_ARTICLES = frozenset(words("the a an their"))
_LONG_AGO = "0001"
_STREET = re.compile(
    r"\d|\b(?:street|st|road|rd|lane|avenue|ave|close|drive|terrace|row|gardens|crescent|way|hill"
    r"|square|court|place|walk|quay|view)\b",
    re.IGNORECASE,
)
_NEW_WORK = re.compile(
    r"\b(?:new job|last (?:day|night|shift)(?: (?:at|is|was)\b|'s)|(?:my|his|her) notice"
    r"|resigned|laid off|redundant|sacked|got the job|changed jobs|quit (?:the|my|his|her|work)"
    r"|(?:is|are|'s) closing|(?:job|work|place|shop|firm|company) (?:closed|closes|is gone))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class StateQuestion:
    """A question about a state: whose (the words of a name), which, and at what time."""

    kind: str  # HOME, WORK or "job"
    subject: frozenset[str]
    read: FactQuestion
    needs_street: bool = False
    is_of_changes: bool = False

    @property
    def state(self) -> str:
        return HOME if self.kind == HOME else WORK


def state_question(question: str, today: str, asker: str = "") -> StateQuestion | None:
    """A question about where somebody lives or works, in the third person; None for others."""
    return _of_changes(question, today, asker) or _of_one(question, today, asker)


def _of_changes(question: str, today: str, asker: str) -> StateQuestion | None:
    """A question that asks for all homes or jobs, one after another."""
    match = _ASKS_CHANGES.search(question) or _ASKS_ALL.search(question)
    if match is None:
        return None
    # From when to when is told by each state.
    plain = re.split(
        r",| (?:from|between|since|over|during|in|this|last|one after) ", question[: match.end()]
    )[0]
    read = read_fact_question(f"{plain.rstrip(' ?')}?", today, asker)
    if read is None or len(read.names) != 1:
        return None
    if re.search(r"\band\b", plain):
        return None  # which more of theirs has changed
    name = read.names[0]
    kind = next(kind for kind, group in _CHANGED.items() if match["what"].lower() in group)
    return StateQuestion(kind, frozenset(words(name[-1])), read, is_of_changes=True)


def _of_one(question: str, today: str, asker: str) -> StateQuestion | None:
    question = _PART_OF.sub(r"\g<part>", question)
    read = read_fact_question(question, today, asker)
    if read is None or len(read.names) != 1 or read.aspect or read.is_by_subject or read.is_ahead:
        return None
    asks = ((kind, pattern.search(read.text)) for kind, pattern in _ASKS)
    kind, match = next(((kind, match) for kind, match in asks if match), ("", None))
    if match is None:
        return None
    name = read.names[0]
    if any("'s " in form for form in name if form != name[-1]) and kind != "job":
        whose = name[0].partition("'s ")[2]
        if whose not in _WHOSE:
            return None  # of "Anna's sister" another reader tells
    subject = frozenset(words(name[-1]))
    groups = match.groupdict()
    workplace = (groups.get("workplace") or "").lower()
    if workplace and workplace not in ("town", "city") and not is_workplace(workplace):
        return None
    further = set(read.telling) - _OF_QUESTION - _NOUNS_OF_PLACE - subject - {workplace}
    if any(not is_workplace(word) and word not in _PARTS_OF_YEAR for word in further):
        return None  # "his position at the school" is his position
    if read.says(r"\b(?:beginning|at first|first|originally)\b"):
        return None
    if re.search(r"\b(?:has|have|had)\b(?!.*\bas a job\b)", read.text):
        return None  # where somebody has ever lived
    noun = (groups.get("noun") or groups.get("noun_before") or groups.get("address") or "").lower()
    if noun and noun not in _NOUNS_OF_PLACE:
        return None
    if noun == "country":
        return None  # a turn seldom says so
    return StateQuestion(kind, subject, read, noun in ("street", "address", "road"))


def answer_by_states(
    question: str,
    today: str,
    *,
    read: Callable[[str], Rows],
    asker: str = "",
    corrected: Callable[[Sequence[Turn]], Sequence[Turn]] = list,
) -> FactAnswer | None:
    """Answer where somebody lives or works from turns; None where none tells it.

    Arguments:
        question: in the third person ("Where does Anna live now?").
        today: the day of the question (ISO); "" for the day it is.
        read: runs a SELECT, see `Store.read`.
        asker: who asks, whose "we" it is.
        corrected: turns as they are after corrections, see `CorrectedTurns.of`.
    """
    today = today[:10] or date.today().isoformat()
    question = with_named_asker(question, asker)
    about = state_question(question, today, asker)
    if about is None:
        return None
    searched = " ".join((*sorted(about.subject), _SEARCHED[about.state]))
    sql = select_with(searched, _MOST_TURNS)
    turns = {turn.id: turn for turn in corrected(turns_of(read(sql)))}
    likely = [turn for turn in turns.values() if _may_tell(about, turn)]
    missing = {turn.id - n for turn in likely for n in range(1, _BEFORE + 1)} - turns.keys()
    missing = {number for number in missing if number > 0}
    if missing:
        further = turns_of(read(select_by_id(missing)))
        turns |= {turn.id: turn for turn in corrected(further)}
    near = {turn.id - n for turn in likely for n in range(_BEFORE + 1)}
    in_order = [turns[number] for number in sorted(near) if number in turns]
    in_order = [turn for turn in in_order if is_evidence(turn.text)]
    speakers = sorted({turn.speaker for turn in turns.values()})[:_MOST_SPEAKERS]
    in_turns = tellings(about.state, in_order, speakers, about.subject)
    chosen = _chosen(about, in_turns, today)
    if chosen is None or _has_changed(about, chosen[1][0 - about.is_of_changes], in_order):
        return None
    text, sources = chosen
    turn_ids = tuple(dict.fromkeys(telling.turn.id for telling in sources))
    sql = select_only(sql, turn_ids)
    return FactAnswer(text, turn_ids, (sql,), (read(sql),), (), ())


def _has_changed(about: StateQuestion, newest: Telling, turns: Sequence[Turn]) -> bool:
    """Whether somebody tells of new work later, in words that say nothing of what it is."""
    if about.state != WORK or not asks_for_present(about.read.text):
        return False
    speakers = about.subject | frozenset(words(newest.turn.speaker))
    later = [
        turn
        for turn in turns
        if turn.id > newest.turn.id and not speakers.isdisjoint(words(turn.speaker))
    ]
    if newest.mode in ("begins", "ahead"):
        later = [turn for turn in later if not _is_near(newest.turn.said_at, turn.said_at)]
    return any(_NEW_WORK.search(turn.text) for turn in later)


def _is_near(day: str, other: str) -> bool:
    """Whether a move that is told on one of two days may be that of the other."""
    one, another = named_day(f"{day}-01"), named_day(f"{other}-01")  # of a month its first
    return bool(one and another and abs((one - another).days) < _ANNOUNCED_DAYS)


def _may_tell(about: StateQuestion, turn: Turn) -> bool:
    if not _HAS_WORD[about.state].search(turn.text):
        return False
    is_named = not about.subject.isdisjoint(words(f"{turn.speaker} {turn.text}"))
    return is_named or bool(re.search(r"\b(?:s?he)\b", turn.text, re.IGNORECASE))


@dataclass(frozen=True)
class _State:
    """A state with the day from which it held ("" unknown) and the one when that was told."""

    value: str
    since: str
    telling: Telling
    order: tuple[str, int]
    is_over: bool = False


def _value(about: StateQuestion, telling: Telling) -> str:
    if about.is_of_changes and about.state == WORK:
        is_at = telling.role and not telling.place.startswith(("with ", "above ", "near "))
        return (" at " if is_at else " ").join(filter(None, (telling.role, telling.place)))
    if about.kind == "job":
        if telling.role.startswith("teaches"):
            return f"{telling.role} at {telling.place}"
        return telling.role
    if about.kind == WORK and not telling.place and is_workplace(telling.role.lower()):
        return telling.role  # "the council job" is at the council
    if about.needs_street and not _STREET.search(telling.place):
        return ""
    return telling.place


def _states(about: StateQuestion, in_turns: Sequence[Telling], today: str) -> list[_State]:
    """The states in the order in which they began, as far as that is known on a day."""
    states: list[_State] = []
    for telling in in_turns:
        said_on = telling.turn.said_at[:10]
        since = telling.day if telling.mode in ("begins", "ahead", "holds") else ""
        if telling.mode == "ahead" and since > today[: len(since)]:
            continue
        if telling.mode == "moved":
            # It may be the move that was announced.
            if not any(_is_announced(state, said_on) for state in states):
                states.append(_State("", "", telling, (said_on, telling.turn.id), is_over=True))
            continue
        value = _value(about, telling)
        is_new = telling.mode in ("begins", "ahead")
        if not value and telling.mode != "over" and not is_new:
            continue
        order = (said_on, telling.turn.id)
        if telling.mode == "ahead" and since > said_on:
            order = (since, telling.turn.id)
        if telling.mode == "before":
            if states:
                states.insert(len(states) - 1, _State(value, "", telling, states[-1].order))
            continue
        if telling.mode == "hint":
            # Whoever greets from elsewhere may be on a visit, unless all that is known are hints.
            if all(state.telling.mode == "hint" for state in states):
                states.append(_State(value, "", telling, order))
            continue
        if value and telling.mode in ("leaves", "over"):
            is_newest = bool(states) and _says(states[-1], value)
            if not any(_says(state, value) for state in states):
                # What ends was so for a time.
                is_newest = not _has_begun(states, said_on)
                place = len(states) if is_newest else len(states) - 1
                since_when = states[place - 1].order if place else (_LONG_AGO, telling.turn.id)
                states.insert(place, _State(value, "", telling, since_when))
            if telling.mode == "leaves" or not is_newest:
                continue
        if telling.mode == "held":
            # It was before whatever is told to hold by then.
            states.insert(0, _State(value, "", telling, ("", telling.turn.id)))
            continue
        if telling.mode == "holds" and states and _says_less(value, states[-1]):
            continue
        begun = since if is_new or _says_since(telling) else ""
        # Who has begun elsewhere, as what nobody says, is no longer what they were.
        states.append(
            _State(value, begun, telling, order, is_over=not value or telling.mode == "over")
        )
    return sorted(states, key=lambda state: state.order)


def _has_begun(states: Sequence[_State], said_on: str) -> bool:
    """Whether the newest state is a beginning of these months, of which an end tells the other."""
    return bool(states) and not states[-1].is_over and _is_announced(states[-1], said_on)


def _says(state: _State, value: str) -> bool:
    """Whether a state names all that a value does."""
    told_words = set(words(f"{state.telling.place} {state.telling.role}")) - _ARTICLES
    return set(words(value)) - _ARTICLES <= told_words


def _is_announced(state: _State, said_on: str) -> bool:
    is_of_move = state.telling.mode in ("ahead", "begins")
    return not state.is_over and is_of_move and _is_near(state.order[0], said_on)


def _says_less(value: str, before: _State) -> bool:
    """Whether a value names no place and the one before it does: "above a bakery" in Porto."""
    is_named = re.compile(r"[A-Z\d]")
    return bool(not is_named.search(value) and is_named.search(before.value) and not before.is_over)


def _says_since(telling: Telling) -> bool:
    return bool(re.search(r"\bsince\b", telling.sentence, re.IGNORECASE))


def _chosen(
    about: StateQuestion, in_turns: Sequence[Telling], today: str
) -> tuple[str, list[Telling]] | None:
    states = _states(about, in_turns, today)
    if about.is_of_changes:
        return _one_after_another(states)
    if not states:
        return None
    if about.read.before:
        return _before(about, states)
    if about.read.span:
        _, last = about.read.span
        by_then = [state for state in states if state.order[0] <= last]
        if not by_then and re.search(r"\bstill\b", states[0].telling.sentence, re.IGNORECASE):
            by_then = states[:1]  # it had been so for a time
        states = by_then
        if not states or states[-1].is_over or not states[-1].order[0]:
            return None
        return _told(states[-1:])
    if about.read.is_past and not about.read.is_previous:
        return None  # at what time, the question does not say
    if about.read.is_previous:
        index = len(states) - 1
        while index > 0 and _is_same(states[index - 1], states[index]):
            index -= 1
        before = [state for state in states[:index] if not state.is_over]
        return _told(before[-1:]) if before else None
    if states[-1].is_over or states[-1].telling.mode == "leaves" or not states[-1].order[0]:
        return None
    return _told(states, is_now=asks_for_now(about.read.text))


def _one_after_another(states: Sequence[_State]) -> tuple[str, list[Telling]] | None:
    """All states in their order, each with the sentence that tells it; None for fewer than two."""
    series: list[_State] = []
    for state in states:
        if not state.value or state.is_over:
            continue
        if not series or not _is_same(state, series[-1]):
            series.append(state)
    if len(series) < 2 or states[-1].is_over:
        return None
    lines = [
        f"{_as_written(state.value, state.telling.turn)}{_since(state)}"
        f" ({_quotation(state.telling)})"
        for state in series
    ]
    return "; then ".join(lines), [state.telling for state in series]


def _since(state: _State) -> str:
    return f", since {spoken_iso(state.since.partition('/')[0])}" if state.since else ""


def asks_for_now(question: str) -> bool:
    """Whether a question says that it asks for now, and what was before is none of it."""
    return bool(_NOW.search(question))


def _before(about: StateQuestion, states: Sequence[_State]) -> tuple[str, list[Telling]] | None:
    """The state that came before the one which the question names."""
    telling = [word for word in about.read.before if word not in _ANY_CHANGE]
    named = [
        place
        for place, state in enumerate(states)
        if all(
            is_among(word, forms_of(words(f"{state.telling.place} {state.telling.role}")))
            for word in telling
        )
    ]
    if not telling:
        named = named[-1:]
    if not named:
        return None
    earlier = [
        state
        for state in states[: named[0]]
        if not state.is_over and not _is_same(state, states[named[0]])
    ]
    return _told(earlier[-1:]) if earlier else None


def _is_same(one: _State, other: _State) -> bool:
    """Whether two values are of one state: one has a word of the other that tells."""
    forms = forms_of(words(other.value))
    telling = [word for word in words(one.value) if len(word) > 3]
    return any(is_among(word, forms) for word in telling)


def _told(states: Sequence[_State], is_now: bool = False) -> tuple[str, list[Telling]]:
    """The last state, since when, and what was before it, with the words that say so."""
    newest = states[-1]
    same = [state for state in states if _is_same(state, newest) or state is newest]
    # "In Porto" tells less than "near the river in Porto", and is told again.
    since = next((state.since for state in reversed(same) if state.since), "")
    others = [state for state in states if state not in same and not state.is_over]
    text = _as_written(newest.value, newest.telling.turn)
    if since:
        text += f", since {spoken_iso(since.partition('/')[0])}"
    sources = [newest.telling]
    if others and not is_now:
        text += f"; before that {_as_written(others[-1].value, others[-1].telling.turn)}"
        sources.append(others[-1].telling)
    return f"{text} ({_quotation(newest.telling)})", sources


def _quotation(telling: Telling) -> str:
    """The sentence of a turn that tells it, as it was written, with who said it and when."""
    told_words = set(words(telling.sentence))
    spoken_sentences = sentences(telling.turn.text) or [telling.turn.text]
    best = max(spoken_sentences, key=lambda sentence: len(told_words & set(words(sentence))))
    day = named_day(telling.turn.said_at)
    when = f", {spoken(day)}" if day else ""
    return f"{telling.turn.speaker}{when}: \u201c{best.strip()}\u201d"


def _as_written(value: str, turn: Turn) -> str:
    start = turn.text.lower().find(value.lower())
    return turn.text[start : start + len(value)] if start >= 0 else value
