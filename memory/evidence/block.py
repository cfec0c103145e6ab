"""What a question brings up in a memory, and the part of it that all doors show."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from memory.evidence.fact_lists import completed, fact_lists, spread
from memory.evidence.layout import Evidence, FactLine, alternate, lay_out, longest_of
from memory.evidence.lines import (
    LEAST_BUDGET,
    NO_STORY,
    STORY_SHARE,
    RowLine,
    Story,
    named_turns,
    quoted_turns,
    refuse_budget,
    row_lines,
    story_of,
)
from memory.evidence.looked_up import NOTHING_LOOKED_UP, looked_up
from memory.evidence.messages import ADDING_NOTHING, originals_first
from memory.evidence.question import UserQuestion
from memory.evidence.reader import MemoryReader
from memory.evidence.room import with_companions
from memory.evidence.wishes import NO_STANDING, Standing
from memory.facts.latest_word import LatestWord, latest_words, with_latest
from memory.records import Fact, Hit, Rows, Summary, Turn
from memory.search.question import (
    as_asked_of_oneself,
    asks_for_present,
    asks_for_several,
    asks_for_story,
    subjects_in,
    subjects_of,
)
from memory.store.configuration.settings import settings_of
from memory.store.facts.standing_facts import characters_of
from memory.store.files.united import first_store
from memory.text.fence import fence_tokens
from memory.text.speakers import is_by_assistant
from memory.text.tokens import count_tokens, fitting_lines, line_tokens, trim
from memory.text.words import forms_of, is_among, telling_words
from memory.vocabulary import Vocabulary
from memory.vocabulary.fact_lines import spoken_line
from memory.vocabulary.templates import question_templates_of, templates_of

# Of a ranking: more than fit any budget.
RANKED_TURNS = 400
_MOST_LATEST = 12  # facts of an overview whose latest word is looked for
# Marks are looked up for at least this many of the best turns, and for as many as may be shown.
_MARKED_TURNS, _LEAST_TURN = 40, 50  # tokens


@dataclass(frozen=True)
class Recollection:
    """What a question brings up: the asker's wishes, rows, turns with their marks, current facts.

    `turns` are by id: first the ranking's, best first, then the turns that `rows` name. `marks` say
    by a turn's id what in it is outdated or disputed. `facts` are the current ones of the best
    turns, best first; or all about one person or thing, if the question asks what is known of it
    (`is_overview`); then `later` has the latest words on the first of them, by the facts' ids.
    """

    question: UserQuestion
    hits: Sequence[Hit]
    rows: Sequence[Rows]
    standing: Standing
    turns: Mapping[int, Turn]
    marks: Mapping[int, str]
    facts: Sequence[Fact]
    is_overview: bool = False
    later: Mapping[int, LatestWord] = field(default_factory=dict)

    @property
    def ranked(self) -> list[Turn]:
        """The turns of the ranking, best first."""
        return self.in_order([hit.turn_id for hit in self.hits])

    @property
    def ranks(self) -> dict[int, int]:
        """The rank of each turn, 0 for the best."""
        return {hit.turn_id: rank for rank, hit in enumerate(self.hits)}

    @property
    def quoted(self) -> list[int]:
        """The turns whose text SELECTs returned."""
        return quoted_turns(self.rows)

    def in_order(self, turn_ids: Iterable[int]) -> list[Turn]:
        """The turns with these ids that exist, in order."""
        return [self.turns[turn_id] for turn_id in turn_ids if turn_id in self.turns]


def recollect(
    question: UserQuestion,
    reader: MemoryReader,
    hits: Sequence[Hit],
    rows: Sequence[Rows] = (),
    wording: Callable[[Turn], Turn] | None = None,
    budget: int = 0,
    periods: bool = False,
) -> Recollection:
    """What a question brings up.

    Arguments:
        hits: what a search found, in the order to show turns.
        rows: the results of SELECTs.
        wording: how a turn is worded; by default as said.
        budget: in tokens, for the part that is shown.
        periods: whether marks say when an ended state began.
    """
    best = [hit.turn_id for hit in hits]
    named = sorted({turn_id for result in rows for turn_id in named_turns(result)})
    # A row may name a turn that does not exist, and another process may have forgotten one.
    read = reader.turns_by_id(list(dict.fromkeys([*best, *named])), missing_ok=True)
    turns = {turn.id: wording(turn) if wording else turn for turn in read}
    most = max(_MARKED_TURNS, budget // _LEAST_TURN)
    hits = _once(hits, turns)
    best = [hit.turn_id for hit in hits]
    to_mark = dict.fromkeys([*best[:most], *named])
    recalled = reader.recalled(
        [turns[turn_id] for turn_id in to_mark if turn_id in turns],
        question.ranked_text,
        question.today,
        periods=periods,
    )
    overview = reader.overview(question)
    return Recollection(
        question,
        hits,
        [completed(result, recalled.stored) for result in rows],
        standing=reader.standing(question.text, *question.askers),
        turns=turns,
        marks=recalled.marks,
        facts=recalled.in_force if overview is None else overview,
        is_overview=overview is not None,
        later=latest_words(
            reader.store, (overview or ())[:_MOST_LATEST], question.today[:10], reader.without
        ),
    )


def _once(hits: Sequence[Hit], turns: Mapping[int, Turn]) -> list[Hit]:
    """The hits, each text of a speaker once."""
    once: dict[tuple[str, str], Hit] = {}
    for hit in hits:
        if turn := turns.get(hit.turn_id):
            once.setdefault((turn.speaker, turn.text), hit)
    return [*once.values()]


def telling_first(turns: Iterable[Turn]) -> list[Turn]:
    """These turns in their order, quotations and withdrawn corrections last.

    A quotation adds nothing to the turns that it quotes, and a withdrawn correction is not true.
    """
    originals = originals_first(turns)
    adds_nothing = [turn for turn in originals if turn.text.startswith(ADDING_NOTHING)]
    if not adds_nothing:
        return originals
    last = {turn.id for turn in adds_nothing}
    return [*(turn for turn in originals if turn.id not in last), *adds_nothing]


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


# The share of the budget that the ranking's first turns keep: learnt on gold facts of data/train.
_FLOOR, _FLOOR_BESIDE_LISTS = 0.7, 0.5
# Tokens of a turn's text when a question asks for a summary or an order: many short turns.
_SHORT_TURN = 60
# The same in a story without stored facts. With 30 to 60, enough for all turns to fit, fewer of
# their numbers and names are kept: .45 and .64 of them in 24 orders and 24 summaries of BEAM in
# 2,000 tokens, where 100 keep .70 and .77 (docs/log.md).
_STORY_TURN = 100
# Less in a small budget, so that it holds some 20 turns, and when all turns fit with at least
# _WHOLE_STORY; the rest of a line is its id and its speaker.
_GIST, _WHOLE_STORY, _STORY_HEAD = 30, 55, 10
_STORY_TURNS = 20
# Turns of the ranking that are shown whole if they fit; of long ones the rest shows what the
# question asks for.
_WHOLE_TURNS = 3
# Of what a model looked up; the rest is for the turns that it had before.
_LOOKED_SHARE = 3 / 4
_FACT_LINE_TOKENS = 100  # of a current fact
FACT_TOKENS = 120  # of the current facts that no SELECT brought
_FACTS_DIVISOR = 12  # of a budget, for these at most: a small one is for turns


@dataclass(frozen=True)
class Options:
    """What a door chooses to show; the defaults are for a large model's answer.

    Turns in `without` are left out: they are shown elsewhere. With `lists`, rows become lists of
    facts in place of their turns, and a summary or an order gets a story and the asker's own turns;
    without, rows are separate lines before the turns. `wishes` says whether the reader follows what
    the asker wants of answers, `profile` whether the asker's profile is shown, `fact_tokens` how
    many tokens current facts get without a SELECT. Turns come `best_first`, all cut alike if they
    do not fit, or in the order they were said, as many as fit; `longest` limits the tokens of each
    turn's text. `spans` says how relative dates are shown (see `dated_line`): the packaged model's
    adapters learnt to read the other form. Turns in `opened` are shown whole if they fit, else in
    outline. With `periods` a mark also says when an ended state began. With `looked` the reader
    asked for these rows: they come first, in their order (`looked_up`). `wording` says how a turn
    is worded. A `fenced` block has room for its fence.
    """

    without: Collection[int] = frozenset()
    lists: bool = True
    spans: bool = True
    wishes: bool = True
    profile: bool = True
    fact_tokens: int = 0
    best_first: bool = False
    longest: int | None = None
    opened: Collection[int] = frozenset()
    looked: bool = False
    wording: Callable[[Turn], Turn] | None = None
    fenced: bool = False
    periods: bool = False


def evidence(
    question: UserQuestion,
    reader: MemoryReader,
    hits: Sequence[Hit],
    rows: Sequence[Rows] = (),
    *,
    budget: int,
    options: Options = Options(),
) -> Evidence:
    """The evidence for a question, within a budget of tokens.

    Arguments:
        hits: what a search found, in the order to show turns.
        rows: the results of SELECTs.
        budget: in tokens. Raises InputError for less than LEAST_BUDGET.
    """
    refuse_budget(budget)
    recollected = recollect(
        question,
        reader,
        hits,
        rows,
        wording=options.wording,
        budget=budget,
        periods=options.periods,
    )
    standing = _chosen(recollected.standing, options).within(budget)
    above = {fact.id for fact in (*standing.facts, *standing.profile)}
    others = [fact for fact in recollected.facts if fact.id not in above]
    recollected = replace(recollected, standing=standing, facts=others)
    room = budget - standing.tokens - (fence_tokens() if options.fenced else 0)
    looked = NOTHING_LOOKED_UP
    if options.looked:
        look = partial(
            looked_up,
            recollected.rows,
            question.ranked_text,
            turns=recollected.turns,
            marks=recollected.marks,
            summaries=reader.summaries(),
        )
        looked = look(budget=int(room * _LOOKED_SHARE))
        if looked.cut or not looked.is_all:  # turns that no one asked for leave first
            looked = look(budget=max(int(room * _LOOKED_SHARE), room - LEAST_BUDGET))
        room -= looked.tokens
        recollected = replace(recollected, rows=())
        options = replace(options, without={*options.without, *looked.turn_ids})
    if options.lists:
        block = _with_lists(recollected, reader, room, options)
    else:
        block = _with_lines(recollected, room, options)
    turn_ids = {*block.turn_ids, *standing.turn_ids, *looked.turn_ids}
    return replace(
        block,
        standing=standing,
        looked=looked.lines,
        turn_ids=tuple(sorted(turn_ids)),
        cut=block.cut | looked.cut,
    )


def _chosen(standing: Standing, options: Options) -> Standing:
    """The wishes, profile and contradictions that a door shows."""
    chosen = standing if options.wishes else NO_STANDING
    if not options.profile:
        return chosen.without_profile
    return replace(chosen, profile=standing.profile, profile_lines=standing.profile_lines)


# --- for small models, and for prompts of others --------------------------------------------------


def _with_lines(recollected: Recollection, budget: int, options: Options) -> Evidence:
    """Rows and current facts as lines, then turns, alternately from the ranking and SELECTs."""
    facts = row_lines(recollected.rows, recollected.ranks)
    of_facts = budget if recollected.is_overview and options.fact_tokens else options.fact_tokens
    facts += current_facts(recollected.facts, min(of_facts, budget // 2), recollected.later)
    quoted = recollected.in_order(recollected.quoted)
    alternately = {turn.id: turn for turn in alternate(recollected.ranked, quoted)}
    turns = telling_first(
        [turn for turn_id, turn in alternately.items() if turn_id not in options.without]
    )
    longest = options.longest
    if options.best_first and longest is None:
        longest = longest_of(turns, budget - sum(line_tokens(fact.line) for fact in facts))
    return lay_out(
        facts,
        turns,
        budget,
        question=recollected.question.ranked_text,
        marks=recollected.marks,
        longest=longest,
        best_first=options.best_first,
        spans=options.spans,
    )


def current_facts(
    facts: Sequence[Fact], tokens: int, later: Mapping[int, LatestWord] | None = None
) -> list[RowLine]:
    """The first facts that fit a number of tokens, as lines for people, with their latest word."""
    if tokens <= 0:
        return []
    words = later or {}
    lines = (
        (with_latest(trim(spoken_line(fact), _FACT_LINE_TOKENS), words.get(fact.id)), fact)
        for fact in facts
    )
    return [RowLine(line, fact.turn_id, (fact.id,)) for line, fact in fitting_lines(lines, tokens)]


# --- for large models -----------------------------------------------------------------------------


def _with_lists(
    recollected: Recollection, reader: MemoryReader, budget: int, options: Options
) -> Evidence:
    """The ranking's first turns, facts as lists with their dates, and more turns.

    A summary or an order gets the story that digests wrote, then as many turns as fit, with the
    ones that SELECTs quote and the asker's own before all others. Lines of the story that a SELECT
    returned always come before the ranking's turns.
    """
    without = options.without
    question = recollected.question.ranked_text
    is_story = asks_for_story(question)
    selected, rows = _selected_summaries(recollected.rows, reader)
    recollected = replace(recollected, rows=rows)
    lists: list[FactLine] = [
        *fact_lists(
            rows,
            recollected.ranks,
            recollected.turns,
            ended_last=asks_for_present(question),
            marks=recollected.marks,
            over_time=is_story,
        )
    ]
    if recollected.is_overview:
        lists = [*lists, *current_facts(recollected.facts, budget // 2, recollected.later)]
    elif not (rows or options.looked):
        of_facts = min(options.fact_tokens, budget // _FACTS_DIVISOR)
        lists = [*current_facts(recollected.facts, of_facts, recollected.later)]
    story = NO_STORY
    if is_story or selected:
        room = min(int(budget * STORY_SHARE), budget - LEAST_BUDGET)
        if is_story:  # rows take their room from lines that the ranking chose
            texts = [turn.text for turn in recollected.in_order(recollected.quoted)]
            room = min(room, max(room - _rows_tokens(lists, texts), budget // 2))
        summaries = reader.summaries() if is_story else selected
        summaries = _without_turns(summaries, without)
        story = _story(summaries, recollected.ranks, reader=reader, budget=room, selected=selected)
        budget -= story.tokens

    in_order = [hit.turn_id for hit in recollected.hits]
    # A story is thinned throughout, not cut at the end of its rows.
    quoted = spread(sorted(recollected.quoted)) if is_story else recollected.quoted
    longest = _SHORT_TURN if is_story else None
    if is_story and (own := _own_turns(recollected, reader)):
        recollected = replace(recollected, turns={**recollected.turns, **own})
        about = _about(recollected.question, own.values())
        in_order = [*dict.fromkeys([*about, *_replies(about, in_order), *own, *in_order])]
        own = about or own
        longest = _story_turn(budget, len(own))
    if is_story:
        in_order = [*quoted, *in_order]
    else:
        in_order = [*(turn_id for turn_id in quoted if turn_id in options.opened), *in_order]

    def turns(turn_ids: Sequence[int]) -> list[Turn]:
        turns_in_order = recollected.in_order(dict.fromkeys(turn_ids))
        chosen = telling_first([turn for turn in turns_in_order if turn.id not in without])
        return [
            turn for turn in with_companions(reader, chosen, sequels=0) if turn.id not in without
        ]

    is_beside_lists = asks_for_several(question)
    block = lay_out(
        lists,
        turns(in_order),
        budget,
        brought=turns(quoted),
        turns_first=_FLOOR_BESIDE_LISTS if is_beside_lists else _FLOOR,
        facts_share=1.0,
        question=question,
        near=0 if is_story else _WHOLE_TURNS,
        marks=recollected.marks,
        longest=longest,
        spans=True,
        by_day=True,
        opened=options.opened,
    )
    return replace(block, story=story, turn_ids=(*block.turn_ids, *story.turn_ids))


def _selected_summaries(
    rows: Sequence[Rows], reader: MemoryReader
) -> tuple[list[Summary], Sequence[Rows]]:
    """The summaries that SELECTs returned unchanged, and the rows without them."""
    if not any("summary" in result.columns for result in rows):
        return [], rows
    stored = {summary.text: summary for summary in reader.summaries() if summary.text}
    selected: dict[Summary, None] = {}
    others = []
    for result in rows:
        if "summary" not in result.columns:
            others.append(result)
            continue
        column = result.columns.index("summary")
        selected |= {stored[row[column]]: None for row in result.rows if row[column] in stored}
        if computed := tuple(row for row in result.rows if row[column] not in stored):
            others.append(replace(result, rows=computed))
    return [*selected], others


def _rows_tokens(lists: Sequence[FactLine], texts: Sequence[str]) -> int:
    """The tokens that lists and turns take in a story."""
    of_turns = sum(min(count_tokens(text), _SHORT_TURN) + _STORY_HEAD for text in texts)
    return of_turns + sum(line_tokens(facts.line) for facts in lists)


def _without_turns(summaries: Sequence[Summary], without: Collection[int]) -> list[Summary]:
    """The summaries with no part shown elsewhere."""
    return [
        summary
        for summary in summaries
        if not any(summary.turn_id <= turn_id <= summary.last_turn_id for turn_id in without)
    ]


def _story(
    summaries: Sequence[Summary],
    ranks: Mapping[int, int],
    *,
    reader: MemoryReader,
    budget: int,
    selected: Collection[Summary],
) -> Story:
    """The summaries that digests wrote."""
    if not summaries:
        return NO_STORY
    firsts = sorted({summary.turn_id for summary in summaries})
    turns = reader.turns_by_id(firsts, missing_ok=True)
    said_at = {turn.id: turn.said_at for turn in turns}
    sessions = {turn.id: turn.session for turn in turns if turn.session}
    return story_of(summaries, said_at, ranks, budget, selected, sessions)


def _own_turns(recollected: Recollection, reader: MemoryReader) -> dict[int, Turn]:
    """The asker's own turns, best first, by id; none without an asker.

    In their own words: as facts, in equal room, they had fewer words of right answers (the log).
    """
    question = recollected.question
    if not question.asker:
        return {}
    hits = reader.search(question.ranked_text, RANKED_TURNS, {"speaker": question.asker})
    own = reader.turns_by_id([hit.turn_id for hit in hits], missing_ok=True)
    return {turn.id: turn for turn in own}


def _about(question: UserQuestion, turns: Iterable[Turn]) -> dict[int, Turn]:
    """The turns that the names and dates of a question select, by id; none if it has none.

    The name of who asks is not one of them, unless the question names them.
    """
    subjects = [
        subject
        for subject in subjects_of(question.ranked_text)
        if subject in question.text or subject[0].isdigit()
    ]
    return {turn.id: turn for turn in turns if subjects and subjects_in(turn, subjects)}


def _replies(turns: Mapping[int, Turn], turn_ids: Iterable[int]) -> list[int]:
    """Which of `turn_ids` follow one of the turns: what was answered to it."""
    return [turn_id for turn_id in turn_ids if turn_id - 1 in turns and turn_id not in turns]


def _story_turn(budget: int, turns: int) -> int:
    """How many tokens of text each of this many turns gets."""
    for_all = budget // turns - _STORY_HEAD
    if for_all >= _WHOLE_STORY:
        return min(for_all, _STORY_TURN)
    return max(_GIST, min(_STORY_TURN, budget // _STORY_TURNS))
