"""Which earlier turns, facts and wishes a new turn changes: decided when it is added, and stored.

A new turn is compared with what it may concern, by index: the newest facts of its speaker, and
earlier turns of theirs that share a rare word with a sentence of change. `latest_word` reads what
was found; nothing is looked for when a block is made.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from memory.facts import changes
from memory.facts.changes import Later, Told
from memory.facts.restated import restated
from memory.records import CORRECTIONS, WITHDRAWN, Fact, Turn
from memory.store import Store
from memory.store.changes.journal import mark_turns, to_fact
from memory.store.database import Connection
from memory.store.facts.rights import latest_day
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.store.turns import newer_words as table
from memory.store.turns.newer_words import NewerWord
from memory.store.turns.tags import tagged_turns
from memory.store.turns.turn_validation import WRITTEN_AS
from memory.text.speakers import is_by_assistant
from memory.vocabulary import Vocabulary
from memory.vocabulary.templates.clauses import told_sentences
from memory.vocabulary.templates.forms import fits
from memory.vocabulary.templates.parts import own_text

_MOST_FACTS = 200  # the newest of a person, and of all
_MOST_HOLDING = 40  # turns: a word that as many hold is no rare one
_MOST_RARE = 6  # words of a sentence that are looked up
_MOST_TURNS = 16  # earlier turns for one sentence: 60 cost three times as much and change no figure
_LONGEST = 2_000  # characters of a turn: people say news in short messages
_MOST_PAIRS = 1_000  # judged for one turn: two long lists of sentences would keep others waiting
_AT_ONCE = 500


def note_newer(store: Store, turn_ids: Sequence[int]) -> None:
    """Find and store what new turns change, in one transaction if they change anything.

    A turn that is added later and was said earlier than others may be changed by these.
    """
    if store.read_only:
        return
    vocabulary = vocabulary_of(store)
    for first in range(0, len(turn_ids), _AT_ONCE):
        batch = turn_ids[first : first + _AT_ONCE]
        with store.reading() as conn:
            changed = Look(conn, vocabulary).newer(batch)
        if changed:
            with store.transaction() as conn:
                table.put(conn, changed)


def may_speak(turn: Turn) -> bool:
    """Whether a person says it of themselves, in their own message."""
    return (
        turn.kind == "message"
        and not is_by_assistant(turn)
        and turn.session != CORRECTIONS
        and not turn.text.startswith(WITHDRAWN)
        # A name in other white space may be another person's.
        and WRITTEN_AS not in turn.tags
    )


@dataclass
class Look:
    """A look at what turns may change, in one moment of a memory."""

    conn: Connection
    vocabulary: Vocabulary
    _facts_of: dict[str, list[Told]] = field(default_factory=dict)
    _wish_turns: dict[str, frozenset[int]] = field(default_factory=dict)
    _holding: dict[str, list[int]] = field(default_factory=dict)
    _turns: dict[int, Turn] = field(default_factory=dict)

    def newer(self, turn_ids: Sequence[int]) -> list[NewerWord]:
        """What these turns change, and what changes them, if they were said before others."""
        self._read(turn_ids)
        turns = [self._turns[turn_id] for turn_id in turn_ids if turn_id in self._turns]
        turns = [turn for turn in turns if may_speak(turn)]
        number = Counter[int]()  # of pairs, by the later turn
        changed: list[NewerWord] = []
        for statement, later in self.pairs(turns):
            number[later.turn.id] += 1
            if number[later.turn.id] <= _MOST_PAIRS and (word := judged(statement, later)):
                changed.append(word)
        best: dict[tuple[int, ...], NewerWord] = {}
        for word in changed:
            if word[:3] not in best or best[word[:3]].chance < word.chance:
                best[word[:3]] = word
        return [*best.values()]

    def pairs(self, turns: Sequence[Turn]) -> Iterator[tuple[Told, Later]]:
        """The earlier statements, with the sentences of these turns that may change it."""
        self._turns |= {turn.id: turn for turn in turns}
        laters: defaultdict[str, list[Later]] = defaultdict(list)
        for turn in turns:
            laters[turn.speaker] += self._sentences(turn)
        for speaker, of_speaker in laters.items():
            facts = self._facts(speaker)
            if facts:
                changes.prepare(of_speaker)
            for later in of_speaker:
                is_news = later.has_word_of_change and later.is_asserted
                earlier = self._sharing(later) if is_news else []
                yield from self._of_facts(later, [*facts, *self._facts_from(earlier, speaker)])
                yield from self._of_turns(later, earlier)
        yield from self._said_since(turns)

    def _sentences(self, turn: Turn) -> list[Later]:
        """The sentences of a turn that may change something."""
        before = self._before(turn)
        is_next = before is not None and turn.session == before.session
        is_wish = self.has_wish(turn)
        sentences = told_sentences(own_text(turn.text[:_LONGEST]))
        before_id = before.id if before else 0
        laters = (Later(turn, sentence, is_next, is_wish, before_id) for sentence in sentences)
        return [later for later in laters if later.is_short]

    def _before(self, turn: Turn) -> Turn | None:
        """What the same person said last, if no one else but one has spoken since."""
        ids = [number for number in (turn.id - 1, turn.id - 2) if number > 0]
        self._read(ids)
        earlier_turns = [self._turns[number] for number in ids if number in self._turns]
        return next(
            (turn_before for turn_before in earlier_turns if turn_before.speaker == turn.speaker),
            None,
        )

    def _of_facts(self, later: Later, facts: Sequence[Told]) -> Iterator[tuple[Told, Later]]:
        """The facts that a sentence may change: it shares a word, or is near to a change."""
        for statement in {statement.fact_id: statement for statement in facts}.values():
            if (
                not is_after(later.turn, statement.turn)
                or not changes.is_about(later, statement)
                or (statement.model == "fact" and not (later.is_told or later.is_next))
                or self._is_another(statement, later)
                or self._is_of_other_case(statement, later)
            ):
                continue
            is_at_once = later.is_next and statement.turn.id == later.before
            if statement.model == "wish":
                is_at_once = is_at_once and later.has_word_of_correction
            if is_at_once or changes.may_change(statement, later):
                yield statement, later

    def _is_of_other_case(self, statement: Told, later: Later) -> bool:
        """Whether two wishes are each for a case: one changes nothing of the other."""
        return (
            statement.model == "wish"
            and later.is_wish
            and changes.has_case(statement.value)
            and changes.has_case(later.text)
        )

    def _is_another(self, statement: Told, later: Later) -> bool:
        """Whether a sentence told another of many: "a cat called Miso" is no change of a dog."""
        return statement.model == "fact" and any(
            fact_of_later.turn.id == later.turn.id
            and fact_of_later.attribute == statement.attribute
            for fact_of_later in self._facts(later.turn.speaker)
            if fact_of_later.attribute and fact_of_later.attribute.kind == "many"
        )

    def _of_turns(self, later: Later, earlier: Sequence[Turn]) -> Iterator[tuple[Told, Later]]:
        """The sentences of earlier turns that share a word with a sentence of change."""
        for turn in earlier:
            if self.has_wish(turn):
                continue
            for sentence in told_sentences(own_text(turn.text[:_LONGEST])):
                statement = Told(turn, sentence, turn.speaker)
                if (
                    changes.may_be_told(sentence)
                    and changes.shares(statement, later)
                    and changes.is_about(later, statement)
                ):
                    yield statement, later

    def _said_since(self, turns: Sequence[Turn]) -> Iterator[tuple[Told, Later]]:
        """The facts of turns that were said before what is stored, with what came since."""
        first = min((turn.id for turn in turns), default=1)
        self._read([first - 1])
        newest = self._turns.get(first - 1)
        older = [turn for turn in turns if newest and is_after(newest, turn)]
        for turn in older:
            for statement in self._facts_from([turn], turn.speaker):
                for word in statement.value_words[:_MOST_RARE]:
                    ids = self._turns_holding(word)
                    self._read(ids)
                    for later_turn in (self._turns[n] for n in ids if n in self._turns):
                        if later_turn.speaker == turn.speaker and may_speak(later_turn):
                            yield from (
                                pair
                                for later in self._sentences(later_turn)
                                for pair in self._of_facts(later, [statement])
                            )

    def has_wish(self, turn: Turn) -> bool:
        """Whether a wish was stored of a turn."""
        if turn.speaker not in self._wish_turns:
            self._wish_turns[turn.speaker] = frozenset(
                statement.turn.id
                for statement in self._facts(turn.speaker)
                if statement.model == "wish"
            )
        return turn.id in self._wish_turns[turn.speaker]

    def _sharing(self, later: Later) -> list[Turn]:
        """Earlier turns of the speaker with a word of the sentence that few turns have."""
        longest = sorted({*later.telling}, key=lambda word: (-len(word), word))[:_MOST_RARE]
        shared = Counter(turn_id for word in longest for turn_id in self._turns_holding(word))
        del shared[later.turn.id]
        nearest = sorted(shared, key=lambda turn_id: (-shared[turn_id], -turn_id))[:_MOST_TURNS]
        self._read(nearest)
        return [
            turn
            for turn in (self._turns[number] for number in nearest if number in self._turns)
            if turn.speaker == later.turn.speaker and may_speak(turn) and is_after(later.turn, turn)
        ]

    def _turns_holding(self, word: str) -> list[int]:
        """The turns that hold a rare word; [] for a word that many turns hold."""
        if word not in self._holding:
            holding = self.conn.words.turns_holding([word], _MOST_HOLDING)
            self._holding[word] = holding if len(holding) < _MOST_HOLDING else []
        return self._holding[word]

    def _facts(self, speaker: str) -> list[Told]:
        """The newest facts that a person told, or that are about them: states that stand."""
        if speaker not in self._facts_of:
            rows = [
                *self.conn.run("newest_facts", most=_MOST_FACTS),
                *self.conn.run("newest_facts_of_subject", subject=speaker, most=_MOST_FACTS),
            ]
            facts = {fact.id: fact for fact in map(to_fact, rows)}
            self._facts_of[speaker] = self._told(facts.values(), speaker)
        return self._facts_of[speaker]

    def _facts_from(self, turns: Sequence[Turn], speaker: str) -> list[Told]:
        """The facts of turns: states that stand."""
        if not turns:
            return []
        rows = self.conn.run("facts_by_turn", turn_ids=[turn.id for turn in turns])
        facts = [fact for fact in map(to_fact, rows) if not fact.ended_on]
        return self._told(facts, speaker)

    def _told(self, facts: Iterable[Fact], speaker: str) -> list[Told]:
        states = [
            (fact, attribute)
            for fact in facts
            if (attribute := self.vocabulary.canonical(fact.attribute)) and attribute.is_state
        ]
        self._read([fact.turn_id for fact, _ in states])
        return [
            Told(self._turns[fact.turn_id], fact.value, fact.subject, attribute, fact.id)
            for fact, attribute in states
            if fact.turn_id in self._turns
            and speaker_of(fact, self._turns[fact.turn_id]) == speaker
        ]

    def _read(self, turn_ids: Sequence[int]) -> None:
        if missing := sorted({*turn_ids} - self._turns.keys()):
            turns = tagged_turns(self.conn, missing)
            self._turns |= {turn.id: turn for turn in mark_turns(self.conn, turns)}


def judged(statement: Told, later: Later) -> NewerWord | None:
    """What a sentence says of an earlier statement, if it says anything of it."""
    pair = statement.turn.id, statement.fact_id, later.turn.id
    if (
        statement.attribute
        and statement.attribute.kind == "one value"
        and statement.turn.id != later.turn.id
    ):
        both = [replace(turn, text=turn.text[:_LONGEST]) for turn in (statement.turn, later.turn)]
        again = restated(both, "").get(statement.turn.id)
        if again and again.turn.id == later.turn.id and again.value in later.text:
            is_value = statement.attribute.form != "place" or fits(again.value, "place")
            value = again.value if is_value else ""
            return NewerWord(*pair, "changes", 100, later.text, value)
    if changes.is_of_same_matter(statement, later):
        return NewerWord(*pair, "changes", 100, later.text)
    if changes.says_again(statement, later):
        return NewerWord(*pair, "again", 0, later.text)
    chance = changes.chance_of(statement, later)
    is_likely = chance >= changes.least_chance(statement.model)
    return NewerWord(*pair, "changes", round(100 * chance), later.text) if is_likely else None


def speaker_of(fact: Fact, source: Turn) -> str:
    """Whose later words count: who said it, or who it is about if a person wrote it."""
    is_told = source.kind == "message" and not is_by_assistant(source)
    return source.speaker if is_told and source.session != CORRECTIONS else fact.subject


def is_after(later: Turn, earlier: Turn) -> bool:
    """Whether a turn was said after another: by their dates, else in the order they were added.

    A date in the future is none.
    """
    if later.id == earlier.id:
        return False
    days = [turn.said_at for turn in (later, earlier)]
    if later.said_at[:10] > latest_day(""):
        return False
    if all(day[:1] in ("1", "2") for day in days) and days[0][:10] != days[1][:10]:
        return days[0] > days[1]
    return later.id > earlier.id
