"""Standing instructions and preferences: what a person asked once and wants in every answer.

They are facts of five attributes (`memory.vocabulary.STANDING`), stored, corrected, ended and
forgotten like any fact. One counts only if the person it is about said it in a message: the words
of a document, a tool or an assistant, or of one person about another, are never an instruction,
whatever a model made of them.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from memory.evidence.disputes import pair_line, touched
from memory.evidence.profile import WORKING_PARTS, mentions_of, profile_of
from memory.evidence.standing import CONTRADICTIONS_HEAD, Standing
from memory.facts.latest_word import LatestWord, latest_words
from memory.facts.standing import takes_back, without_replaced
from memory.records import Contradiction, Fact
from memory.store import Store
from memory.store.facts.fact_reads import current_among
from memory.store.facts.standing_facts import facts_of_askers, facts_of_persons
from memory.store.turns.pins import pins_of
from memory.text.characters import one_line
from memory.text.fence import STANDING_HEAD
from memory.text.tokens import fitting_lines, line_tokens, trim
from memory.vocabulary import CALLED, INSTRUCTION, LANGUAGE, LENGTH, PREFERENCE

STANDING_TOKENS = 300  # shown with a question, their heading included
_LINE_TOKENS = 45
_MOST_TAKEN_BACK = 2  # wishes that are shown with the later turn
# Of the contradictions that are shown with a question, their heading included, and of a fact.
_CONTRADICTION_TOKENS, _FACT_TOKENS = 250, 45


def wishes_of(store: Store, *askers: str) -> list[Fact]:
    """The askers' current standing instructions and preferences, newest first.

    `askers` are all names of the asker; without any, of the memory's user (`store.owner.asker_of`).
    None is from a turn that is kept out.
    """
    kept_out = pins_of(store).kept_out
    wishes = current_among(store, facts_of_persons(store, askers))
    return [fact for fact in wishes if fact.turn_id not in kept_out]


def working_profile(store: Store, *askers: str) -> list[str]:
    """Lines of the asker's profile for an agent that works on a project with them."""
    kept_out = pins_of(store).kept_out
    known = facts_of_askers(store, askers)
    current = known.current(known.profile, kept_out)
    latest = latest_words(store, current, without=kept_out)
    profile = profile_of(current, known.vocabulary, parts=WORKING_PARTS, latest=latest)
    return [line for _, line in profile]


def applying(store: Store, question: str, *askers: str) -> Standing:
    """The asker's, within STANDING_TOKENS tokens: if there are more, the nearest to the question.

    The model that reads them decides whether one applies to the question. Calls no language model.
    """
    facts = wishes_of(store, *askers)
    latest = latest_words(store, facts, without=pins_of(store).kept_out)
    return _applying(question, facts, latest)


def _applying(question: str, facts: Sequence[Fact], latest: Mapping[int, LatestWord]) -> Standing:
    """The wishes, without any that a later turn may have taken back: these are quoted."""
    taken_back = [f"{_line(fact)}; {latest[fact.id].text}" for fact in facts if fact.id in latest]
    shown_later = {latest[fact.id].turn.id for fact in facts if fact.id in latest}
    facts = [
        fact
        for fact in facts
        if fact.id not in latest and not (fact.turn_id in shown_later and takes_back(fact))
    ]
    lines = [(trim(_line(fact), _LINE_TOKENS), fact) for fact in without_replaced(facts)]
    room = STANDING_TOKENS - line_tokens(STANDING_HEAD)
    if sum(line_tokens(line) for line, _ in lines) > room:
        lines = _nearest_first(question, lines)
    fitting = fitting_lines(lines, room)
    return Standing(
        tuple(fact for _, fact in fitting),
        tuple(line for line, _ in fitting),
        taken_back=tuple(taken_back[:_MOST_TAKEN_BACK]),
    )


def shown_before(
    store: Store, question: str, *askers: str, without: Collection[int] = ()
) -> Standing:
    """What the asker wants of answers, their profile, and contradictions it may be about.

    Nothing of it is from the turns in `without`.
    """
    known = facts_of_askers(store, askers)
    wishes = known.current(known.wishes, without)
    of_profile = known.current(known.profile, without)
    latest = latest_words(store, [*wishes, *of_profile], without=without)
    standing = _applying(question, wishes, latest)
    profile = profile_of(
        of_profile,
        known.vocabulary,
        mentions=mentions_of(known.profile),
        latest=latest,
    )
    names = [name.strip() for name in askers if name.strip()]
    pairs: list[Contradiction] = []
    lines: list[str] = []
    tokens = _CONTRADICTION_TOKENS - line_tokens(CONTRADICTIONS_HEAD)
    for pair in touched(question, known.contradictions, names):
        if any(fact.turn_id in without for fact in pair.facts):
            continue
        line = pair_line(pair, _FACT_TOKENS)
        if line_tokens(line) <= tokens:
            tokens -= line_tokens(line)
            pairs.append(pair)
            lines.append(line)
    return replace(
        standing,
        pairs=tuple(pairs),
        pair_lines=tuple(lines),
        profile=tuple(fact for fact, _ in profile),
        profile_lines=tuple(line for _, line in profile),
    )


def _nearest_first(question: str, lines: Sequence[tuple[str, Fact]]) -> list[tuple[str, Fact]]:
    """Wishes about every answer first, then by the cosine to the question."""
    from memory.search.embed import embed  # with numpy, which listing facts does not need

    [of_question, *vectors] = embed([question, *(fact.value for _, fact in lines)])
    nearness = [
        float(vector @ of_question) if fact.attribute in (INSTRUCTION, PREFERENCE) else 1.0
        for (_, fact), vector in zip(lines, vectors, strict=True)
    ]
    order = sorted(range(len(lines)), key=lambda n: -nearness[n])
    return [lines[n] for n in order]


def _line(fact: Fact) -> str:
    """`[54] always give versions when I ask about libraries`; their order says which is newer."""
    words = one_line(fact.value)
    form = {
        PREFERENCE: "prefers {}",
        LANGUAGE: "answer in {}",
        LENGTH: "answers are to be {}",
        CALLED: "wants to be called {}",
    }.get(fact.attribute, "{}")
    return f"[{fact.turn_id}] {form.format(words)}"
