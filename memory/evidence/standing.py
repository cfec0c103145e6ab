"""What a question gets before anything is found: wishes, profile, contradictions."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from memory.evidence.lines import LEAST_BUDGET
from memory.evidence.profile import LATER_TOKENS, PROFILE_HEAD, PROFILE_TOKENS
from memory.records import Contradiction, Fact, Turn
from memory.text.fence import STANDING_HEAD
from memory.text.tokens import fitting_lines, line_tokens
from memory.text.word_forms import forms_of, is_among, telling_words

WISHED = "Wished once:"
CONTRADICTIONS_HEAD = "Facts that contradict each other; nobody has said which is right:"
_WISHES_SHARE, _PROFILE_SHARE = 1 / 4, 1 / 4  # of a budget at most
# A turn says no more than a wish if it has this share of its words, and few others.
_SAME, _SAME_LENGTH = 0.8, 2


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

    def said_again(self, turns: Iterable[Turn]) -> set[int]:
        """The ids of turns that add nothing to one of the wishes."""
        if not self.lines:
            return set()
        wishes = [forms_of(telling_words(line)) for line in self.lines]
        longest = _SAME_LENGTH * max(map(len, self.lines))
        same = set()
        for turn in turns:
            words = telling_words(turn.text) if len(turn.text) <= longest else []
            if words and any(
                sum(is_among(word, wish) for word in words) >= _SAME * len(words) for wish in wishes
            ):
                same.add(turn.id)
        return same

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
