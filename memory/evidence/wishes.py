"""What a question gets before anything is found: the asker's wishes, profile and contradictions.

Wishes are what a person asked once and wants in every answer: facts of five attributes
(`memory.vocabulary.STANDING`), stored, corrected, ended and forgotten like any fact. One counts
only if the person it is about said it in a message: the words of a document, a tool or an
assistant, or of one person about another, are never an instruction, whatever a model made of them.

The profile is what always matters, such as an allergy. The vocabulary marks its attributes
(`Attribute.profile`), and the asker said its facts: no one else can put a line there.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, zip_longest

from memory.evidence.lines import LEAST_BUDGET, in_words
from memory.evidence.marks import pair_line, touched
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
from memory.vocabulary import (
    CALLED,
    INSTRUCTION,
    LANGUAGE,
    LENGTH,
    PREFERENCE,
    PROFILE_PARTS,
    Vocabulary,
)
from memory.vocabulary.fact_lines import is_state

PROFILE_HEAD = "About the asker:"
PROFILE_TOKENS = 120  # with the heading
LATER_TOKENS = 200  # more, for the latest words on its facts
# What an agent that works on a project needs to know of the person.
WORKING_PARTS = ("name", "work", "languages")
_PROFILE_LINE = 24  # tokens


def profile_of(
    facts: Sequence[Fact],
    vocabulary: Vocabulary,
    *,
    mentions: Mapping[tuple[str, str], int] | None = None,
    parts: Sequence[str] = PROFILE_PARTS,
    tokens: int = PROFILE_TOKENS,
    latest: Mapping[int, LatestWord] | None = None,
) -> list[tuple[Fact, str]]:
    """The facts of a profile with their lines, in the order of its parts, within some tokens.

    Each part gets a line before any gets a second; the most mentioned facts come first.

    Args:
        facts: the asker's current facts of marked attributes, newest first.
        mentions: how often each was said, by `mention_key`.
        parts: the parts to show.
        tokens: for the facts; the latest words on them have LATER_TOKENS more.
        latest: the latest words on facts, by their ids.
    """
    counts = mentions or {}
    # Sorting is stable, so facts mentioned equally often stay newest first.
    often = sorted(_once(facts), key=lambda fact: -counts.get(mention_key(fact), 0))
    of_part: dict[str, list[Fact]] = {part: [] for part in parts}
    for fact in often:
        part = vocabulary.profile_part(fact.attribute)
        if part in of_part:
            of_part[part].append(fact)
    in_turn = [fact for fact in chain.from_iterable(zip_longest(*of_part.values())) if fact]
    lines = [(profile_line(fact), fact) for fact in in_turn]
    fitting = fitting_lines(lines, tokens - line_tokens(PROFILE_HEAD))
    fitting = _with_latest(fitting, latest or {})
    place = {fact: number for number, fact in enumerate(chain(*of_part.values()))}
    return sorted(((fact, line) for line, fact in fitting), key=lambda pair: place[pair[0]])


def profile_line(fact: Fact) -> str:
    """`[3] lives in Lisbon since 2026-03-10`; a long value is cut, and never the date."""
    since = f" since {fact.happened_on}" if fact.happened_on and is_state(fact) else ""
    said = trim(f"[{fact.turn_id}] {in_words(fact.attribute, fact.value)}", _PROFILE_LINE)
    return f"{said}{since}"


def _with_latest(
    lines: Sequence[tuple[str, Fact]], latest: Mapping[int, LatestWord]
) -> list[tuple[str, Fact]]:
    """The lines with the latest word on each; where there is no room, with its first words.

    A value that was said again with another one is shown as what was before.
    """
    room = LATER_TOKENS
    with_latest = []
    for line, fact in lines:
        if word := latest.get(fact.id):
            if word.value:
                newer = replace(fact, value=word.value, turn_id=word.turn.id, happened_on="")
                line = f"{profile_line(newer)}; before: {trim(fact.value, _PROFILE_LINE)}"
            elif (needed := line_tokens(word.text)) <= room:
                room -= needed
                line = f"{line}; {word.text}"
            else:
                line = f"{line}; {word.short_text}"
        with_latest.append((line, fact))
    return with_latest


def mentions_of(facts: Sequence[Fact]) -> Counter[tuple[str, str]]:
    """How often each value of an attribute was said."""
    return Counter(map(mention_key, facts))


def mention_key(fact: Fact) -> tuple[str, str]:
    """The key that two mentions of a fact share."""
    return fact.attribute, " ".join(fact.value.casefold().split())


def _once(facts: Sequence[Fact]) -> Iterator[Fact]:
    """The newest fact of each value."""
    seen: set[tuple[str, str]] = set()
    for fact in facts:
        if mention_key(fact) not in seen:
            seen.add(mention_key(fact))
            yield fact


WISHED = "Wished once:"
CONTRADICTIONS_HEAD = "Facts that contradict each other; nobody has said which is right:"
_WISHES_SHARE, _PROFILE_SHARE = 1 / 4, 1 / 4  # of a budget at most


@dataclass(frozen=True)
class Standing:
    """What a question gets besides the evidence found; it is shown first.

    The asker's standing instructions and preferences (`facts`, `lines`), those to keep when room is
    short first, the asker's profile (`profile`, `profile_lines`), and contradictory facts that the
    question may be about (`pairs`, `pair_lines`). `taken_back` are wishes that a later turn may
    have taken back, quoted with it.
    """

    facts: tuple[Fact, ...] = ()
    lines: tuple[str, ...] = ()
    pairs: tuple[Contradiction, ...] = ()
    pair_lines: tuple[str, ...] = ()
    profile: tuple[Fact, ...] = ()
    profile_lines: tuple[str, ...] = ()
    taken_back: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lines or self.pair_lines or self.profile_lines or self.taken_back)

    @property
    def wishes(self) -> str:
        """The instructions and preferences under their heading, newest first; "" for none."""
        pairs = zip(self.facts, self.lines, strict=True)
        newest = sorted(pairs, key=lambda pair: -pair[0].turn_id)
        return "\n".join((STANDING_HEAD, *(line for _, line in newest))) if newest else ""

    @property
    def disputes(self) -> str:
        """The contradictions under their heading; "" for none."""
        return "\n".join((CONTRADICTIONS_HEAD, *self.pair_lines)) if self.pair_lines else ""

    @property
    def about_asker(self) -> str:
        """The profile and wishes that were taken back under its heading; "" for none."""
        lines = (*self.profile_lines, *(f"{WISHED} {line}" for line in self.taken_back))
        return "\n".join((PROFILE_HEAD, *lines)) if lines else ""

    @property
    def text(self) -> str:
        """The lines of each under a heading; "" for none."""
        return "\n".join(filter(None, (self.wishes, self.about_asker, self.disputes)))

    @cached_property
    def tokens(self) -> int:
        """The size of the text before other lines."""
        return sum(map(line_tokens, self.text.splitlines()))

    def within(self, budget: int) -> "Standing":
        """A copy with the wishes and the profile that fit their shares of a budget.

        Nothing if no turn has room.
        """
        room = int(budget * _WISHES_SHARE) - line_tokens(STANDING_HEAD)
        pairs = fitting_lines(zip(self.lines, self.facts, strict=True), room)
        lines, facts = zip(*pairs, strict=True) if pairs else ((), ())
        fitting = replace(self, facts=facts, lines=lines)
        if budget * _PROFILE_SHARE < PROFILE_TOKENS + LATER_TOKENS:
            room = int(budget * _PROFILE_SHARE) - line_tokens(PROFILE_HEAD)
            of_asker = fitting_lines(zip(self.profile_lines, self.profile, strict=True), room)
            lines, facts = zip(*of_asker, strict=True) if of_asker else ((), ())
            fitting = replace(fitting, profile=facts, profile_lines=lines, taken_back=())
        return fitting if budget - fitting.tokens >= LEAST_BUDGET else Standing()

    @property
    def without_profile(self) -> "Standing":
        """A copy without the profile."""
        return replace(self, profile=(), profile_lines=(), taken_back=())

    @property
    def all_facts(self) -> list[Fact]:
        """The wishes, the profile, and the facts that contradict each other."""
        return [*self.facts, *self.profile, *(fact for pair in self.pairs for fact in pair.facts)]

    @property
    def turn_ids(self) -> set[int]:
        """The turns that these facts are from."""
        return {fact.turn_id for fact in self.all_facts}


NO_STANDING = Standing()


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
