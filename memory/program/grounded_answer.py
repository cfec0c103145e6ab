"""The packaged model's answer, held to the turns that it was shown."""

from collections.abc import Mapping, Sequence

from memory.program.answer_checks import AskedFor, asked_for
from memory.program.corrected_turns import CorrectedTurns
from memory.program.decisive_sentence import Scored, best_sentence
from memory.program.grounding import ground
from memory.program.messages import ABSTAIN, is_evidence
from memory.program.model import Retrieval
from memory.program.sentence_features import candidate_sentences
from memory.program.told_of import is_told_of_others
from memory.program.turn_answers import newer_state
from memory.program.turn_reader import REACH, Reading, corrected_number, read_turns
from memory.prompt import row_lines
from memory.records import Turn
from memory.search.attribution import is_by_named
from memory.search.ranking import ordered_weights
from memory.search.words import words

_MOST_READ = 40  # of the ranking, by rule
_TURNS_BEFORE = 2  # of 1 to 3; 3 supported no more right answers of LoCoMo's seven conversations


def grounded_answer(
    text: str, question: str, retrieval: Retrieval, reader: CorrectedTurns
) -> tuple[str, list[int]]:
    """A model's answer held to the turns that it was shown, and the ids of those that say it.

    Where the question names somebody whose turns are shown, one of theirs must be among them, or
    one that a fact was made of.
    """
    hits, shown_ids = retrieval.hits, retrieval.context.turn_ids
    ranked_ids = dict.fromkeys([*(hit.turn_id for hit in hits), *shown_ids])
    shown = reader.turns_by_id([turn_id for turn_id in ranked_ids if turn_id in shown_ids])
    turns = [turn for turn in shown if is_evidence(turn.text)]

    row_pairs = row_lines(retrieval.rows, {})

    ids_before = {turn.id - n for turn in turns for n in range(1, _TURNS_BEFORE + 1)}
    before = {turn.id: turn for turn in reader.turns_by_id(sorted(ids_before), missing_ok=True)}

    def context_of(turn: Turn) -> str:
        lines = [line for line, turn_id in row_pairs if turn_id == turn.id]
        return " ".join([*lines, *_replied_to(turn, question, before)])

    answer, sources = ground(text, question, turns, context_of)
    cited = [turn.id for turn in sources]
    if sources:
        read_question = asked_for(retrieval.question or question, {turn.speaker for turn in turns})
        further = reader.turns_by_id([hit.turn_id for hit in hits[:_MOST_READ]])
        if newer_state(read_question, sources[0], further):
            return ABSTAIN, []
        if is_told_of_others(read_question, answer, sources):
            return ABSTAIN, []
        if later := corrected_number(
            answer, read_question, sources[0], following(sources[0], reader), further
        ):
            return later[0], [*cited, later[1].id]
    ids_by_named = {hit.turn_id for hit in hits if is_by_named(hit)}
    ids_of_facts = {turn_id for _, turn_id in row_pairs}
    is_somebody_named = any(turn.id in ids_by_named for turn in turns)
    if cited and is_somebody_named and (ids_by_named | ids_of_facts).isdisjoint(cited):
        return ABSTAIN, []
    return answer, cited


def reading(question: str, retrieval: Retrieval, reader: CorrectedTurns) -> Reading | None:
    """What rules read from the best turns, without a model; None where no clause is plain."""
    ranked_ids = [hit.turn_id for hit in retrieval.hits[:_MOST_READ]]
    by_id = {turn.id: turn for turn in reader.turns_by_id(ranked_ids)}
    turns = [by_id[turn_id] for turn_id in ranked_ids if turn_id in by_id]
    turns = [turn for turn in turns if turn.kind == "message" and is_evidence(turn.text)]
    read_question = asked_for(retrieval.question or question, {turn.speaker for turn in turns})

    found = read_turns(read_question, turns, lambda turn: following(turn, reader))
    if found and is_told_of_others(read_question, found.text, found.turns):
        return None
    return found


def following(turn: Turn, reader: CorrectedTurns) -> list[Turn]:
    """The next turns of the same session, in which somebody may correct what they said."""
    later = reader.turns(turn.id + 1, turn.id + REACH)
    return [after for after in later if after.session == turn.session]


def decisive_sentence(
    question: str,
    retrieval: Retrieval,
    reader: CorrectedTurns,
    feature_weights: Mapping[str, float] | None = None,
) -> tuple[AskedFor, Scored | None]:
    """The question as it is read, and the sentence of the ranking that most likely answers it.

    `feature_weights` are those of the ranking; None for the shipped ones.
    """
    ranked_ids = [hit.turn_id for hit in retrieval.hits[:_MOST_READ]]
    ids = {turn_id - n for turn_id in ranked_ids for n in range(_TURNS_BEFORE + 1)}
    turns = {turn.id: turn for turn in reader.turns_by_id(sorted(ids), missing_ok=True)}
    hits = [
        hit
        for hit in retrieval.hits[:_MOST_READ]
        if (turn := turns.get(hit.turn_id)) and turn.kind == "message" and is_evidence(turn.text)
    ]
    speakers = {turn.speaker for turn in turns.values()}
    read_question = asked_for(retrieval.question or question, speakers)
    candidates = candidate_sentences(
        read_question, hits, turns, speakers, ordered_weights(feature_weights)
    )
    return read_question, best_sentence(candidates)


def _replied_to(turn: Turn, question: str, before: Mapping[int, Turn]) -> list[str]:
    """The texts just before a turn: those that it goes on with, and those that it may reply to.

    What others said counts where the question names the speaker of the turn: for other speakers it
    supported wrong answers, since people tell of one thing after another.
    """
    nearby = [before.get(number) for number in range(turn.id - _TURNS_BEFORE, turn.id)]
    earlier = [other for other in nearby if other and other.session == turn.session]
    if {*words(question)}.isdisjoint(words(turn.speaker)):
        earlier = earlier[_last_of_others(earlier, turn.speaker) :]
    return [other.text for other in earlier]


def _last_of_others(turns: Sequence[Turn], speaker: str) -> int:
    """The place after the last turn of somebody else."""
    places = [place for place, turn in enumerate(turns, 1) if turn.speaker != speaker]
    return max(places, default=0)
