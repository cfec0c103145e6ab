"""Rewards: the score of an answer, a query or a window of facts, with feedback in words.

Compiling and GRPO optimize `metric_of(reward, target)`, for the option `--reward`:

- `memory`: `metric`, the weighted components of WEIGHTS, for every module. It is also the metric of
  dspy.Evaluate, which measures every gain.
- `gated`: the two narrower rewards of a chatbot with an external SQL memory ("Long Term Memory
  Using SQL Language Models"). For the retrieving module `gated_metric`: nothing unless the final
  answer is right. For the storing module `single_speaker_metric`: F1 of the facts against the facts
  that the same module writes from each speaker's lines alone.
- For the refining module `memory` is `refine_metric`, what an episode gained times how efficient
  the memory is then ("MemUpdate: Self-Refining Memory via Reinforcement Learning", Reward
  Function); `unpadded` is the same without the factor that rewards longer facts.
- `rows`, for the storing module: how well what it stored answers the questions of gold rows
  (`locomo.tasks.row_use`), with the F1 of the rows themselves (`locomo.tasks.row_score`) too.
- `sql-memory` and `memupdate` are the rewards of these two projects to the letter, to compare with:
  `gated` and `memory` change what harmed (docs/optimizing.md says what).

Each returns a dspy.Prediction of `score` (0 to 1; up to 1.25 for `sql-memory`; -.5 to 1 for `rows`;
-2 to 1.5 for the refining module, which may do harm), `feedback` (text) and one float a component,
the same for every predictor (`trace`, `pred_name` and `pred_trace` are not used), and raises
nothing but ImportError: an unscorable prediction is worth 0, and the feedback says why.

Such a Prediction is true even if its score is 0: give MIPROv2 a `metric_threshold`.
"""

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean, harmonic_mean
from typing import Any

import dspy

from locomo import metrics
from locomo.choices import Reward
from locomo.dataset.format import ABSTENTION, Question
from locomo.dataset.rows import GoldTurn
from locomo.tasks.row_score import score_rows
from locomo.tasks.row_use import StoredOf, use_score
from memory import InputError
from memory.refine import tool_functions

WEIGHTS = {"answer": 0.7, "evidence": 0.1, "words": 0.1, "sql": 0.05, "budget": 0.05}
# From this F1 on an answer, a part of a list or a fact counts as right; the report counts an answer
# as failed below the same F1.
RIGHT = 0.5
# What a number of fields in range adds to a right answer, before both are scaled to 1.
BONUS = 0.25
# A row has about five columns: at least one row, at most the 30 that the retrieving module's prompt
# allows in one SELECT; more only fills the budget.
FIELDS = (5, 30 * 5)
# For a refined memory's efficiency, from "MemUpdate": the number of facts below which size costs
# nothing, and the bounds of its factors.
FREE_FACTS = 100
LEAST_SIZE, MOST_DENSITY, LEAST_CHANGE = 0.1, 1.2, 0.8
LEAST_EFFICIENCY, MOST_EFFICIENCY = 0.1, 1.5
_QUOTED = 500  # characters of a text that feedback repeats

REFINING_TOOLS = tuple(tool.__name__ for tool in tool_functions())
REFINE_COMPONENTS = (
    *("gain", "efficiency", "operations", "changes"),
    *("before", "after", "size", "density", "change", "lost"),
    *REFINING_TOOLS,
)

# The name of a reward other than `metric` among a question's components.
REWARD_NAMES = ("rows", "gated", "refined", "unpadded", "sql-memory", "memupdate", "planted")
# Words of an answer that the planted rule pays in full; right answers have two or three.
PLANTED_WORDS = 6
STATEMENTS = 4  # the category of a turn that says something; small talk has that of abstentions
WrittenFact = tuple[str, str, str, int]  # subject, attribute, value, turn_id
_Judged = tuple[dict[str, float], float, list[str]]  # components, score, feedback's lines


@dataclass(frozen=True)
class Outcome:
    """One answered question, with everything that the metrics use.

    `shown`: sources (`D1:3`) of the turns the answering model saw. `text`: these turns and the rows
    with them; for a window, its facts. `sql`: what ran. `refusals`: what did not, in order,
    `Refused:\\n<sql>\\nBecause: <why>`. `fits`: the share of what the SQL returned or wrote that
    fits its budget, 0 to 1. `fields`: how many non-empty fields it returned. `sql_asked`: whether
    the model was asked for SQL; if it does not pay, it is not asked, and nothing is missing.
    """

    answer: str
    shown: tuple[str, ...] = ()
    sql: tuple[str, ...] = ()
    refusals: tuple[str, ...] = ()
    fits: float = 1.0
    fields: int = 0
    episode: "Episode | None" = None
    text: str = ""
    sql_asked: bool = True


@dataclass(frozen=True)
class Episode:
    """The effect of a refining episode on the facts of a memory.

    `answer_before` is the answer from the facts before it. `before` and `after` are the facts'
    lengths in characters, `tools` how often each tool was used, `refused` the calls that a tool
    refused, with its advice, `operations` what changed the facts, as a line each. `lost` is the
    share of the facts' content that no fact says any more, 0 to 1 (`locomo.tasks.lost_facts`).
    """

    answer_before: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    tools: dict[str, int]
    refused: tuple[str, ...] = ()
    operations: tuple[str, ...] = ()
    lost: float = 0.0


@dataclass(frozen=True)
class QuestionScore:
    """One question's components and their weighted sum, each 0 to 1.

    `key` is conversation and question index (`conv-26/17`): it pairs before with after. Scores of
    one `group` (a window, when its facts are what is scored) depend on one another.
    """

    key: str
    category: int
    components: dict[str, float]
    reward: float
    group: str = ""

    @property
    def conversation(self) -> str:
        """The id of the conversation that the question is about."""
        return self.key.rpartition("/")[0]


def components(question: Question, outcome: Outcome) -> dict[str, float]:
    """The components of the reward, by the names of WEIGHTS, each 0 to 1.

    answer: the official score, with equal dates and numbers equal however they are written
    (`metrics.meaning_score`). evidence: its recall among the turns shown; 1 without evidence and
    for category 5, whose evidence answers another question. words: the share of the gold answer's
    words in what was shown; 1 for a right answer and for category 5. sql: 1 when it ran at once or
    none was asked for, .5 when it was repaired, 0 when nothing ran. budget: `fits`.
    """
    evidence_counts = question.category != ABSTENTION
    sql = 0.0 if outcome.sql_asked else 1.0
    if outcome.sql:
        sql = 0.5 if outcome.refusals else 1.0
    answer = metrics.meaning_score(outcome.answer, question)
    words = 1.0  # a right answer may say what it was shown in other words
    if evidence_counts and answer < 1:
        words = metrics.words_shown(metrics.gold(question), outcome.text)
    return {
        "answer": answer,
        "evidence": metrics.recall(outcome.shown, question.evidence) if evidence_counts else 1.0,
        "words": words,
        "sql": sql,
        "budget": _share(outcome.fits),
    }


def _share(fits: float) -> float:
    # A numpy number could not be written as JSON.
    return 0.0 if math.isnan(fits) else min(max(float(fits), 0.0), 1.0)


def question_score(conversation: str, question: Question, outcome: Outcome) -> QuestionScore:
    """The components of one question of a conversation (its id), and the reward."""
    parts = components(question, outcome)
    reward = sum(weight * parts[name] for name, weight in WEIGHTS.items())
    return QuestionScore(
        key=f"{conversation}/{question.index}",
        category=question.category,
        components=parts,
        reward=reward,
    )


def mean_components(scores: Sequence[QuestionScore]) -> dict[str, float]:
    """Mean of each component, and of "reward", over questions. Raises ValueError without one."""
    names = dict.fromkeys(name for score in scores for name in score.components)
    means = {name: fmean(score.components[name] for score in scores) for name in names}
    return means | {"reward": fmean(score.reward for score in scores)}


# --- which metric -----------------------------------------------------------------------------


def metric_of(reward: Reward, target: str) -> Callable[..., Any]:
    """The metric that a module (`target`) is optimized by.

    `gated` and `sql-memory` are for retrieve and store, `unpadded` and `memupdate` for refine,
    `planted` for answer, see `locomo.choices.check_reward`.
    """
    if reward == "planted":
        return planted_metric
    if target == "refine":
        of_episodes = {"unpadded": unpadded_metric, "memupdate": memupdate_metric}
        return of_episodes.get(reward, refine_metric)
    if reward == "memory":
        return metric
    if reward == "rows":
        return rows_metric
    if reward == "sql-memory":
        return sql_memory_store_metric if target == "store" else sql_memory_retrieve_metric
    return single_speaker_metric if target == "store" else gated_metric


def reward_name(reward: Reward, target: str) -> str:
    """The name of a reward among the components of WEIGHTS; "" for their weighted sum."""
    if target == "refine" and reward == "memory":
        return "refined"
    return "" if reward == "memory" else reward


def card_metric(reward: Reward, target: str = "") -> dict[str, float]:
    """The reward for the card of a compiled or tuned program: names and weights."""
    name = reward_name(reward, target)
    return {name: 1.0} if name else dict(WEIGHTS)


def efficiency(
    before: Sequence[int], after: Sequence[int], padded: bool = True
) -> dict[str, float]:
    """How economical a refined memory is: "efficiency" and its factors.

    efficiency = clamp(size x density x change, .1, 1.5). Of n facts after and n_old before:
    size = 1 if n <= 100 else max(.1, 1 - (n - 100) / 100);
    density = min(1.2, mean length after / mean length before);
    change = max(.8, 1 - .5 |n - n_old| / n_old).
    Without `padded`, density is 1: a longer fact is no better for being longer. If there were no
    facts, density is 1 and n_old counts as 1 ("MemUpdate", Reward Function).

    Arguments:
        before: the lengths of the facts before the episode, in characters.
        after: their lengths after it.
    """
    number, number_before = len(after), len(before)
    size = 1.0
    if number > FREE_FACTS:
        size = max(LEAST_SIZE, 1 - (number - FREE_FACTS) / FREE_FACTS)
    density = 1.0
    if padded and any(before):
        mean_after = fmean(after) if after else 0.0
        density = min(MOST_DENSITY, mean_after / fmean(before))
    change = max(LEAST_CHANGE, 1 - 0.5 * abs(number - number_before) / max(number_before, 1))
    product = size * density * change
    return {
        "efficiency": min(max(product, LEAST_EFFICIENCY), MOST_EFFICIENCY),
        "size": size,
        "density": density,
        "change": change,
    }


def episode_reward(gain: float, of_memory: float, lost: float) -> float:
    """What an episode is worth: `gain` x efficiency if it gained, `gain` if it did harm, less the
    share of the facts that was lost.

    "MemUpdate" multiplies harm by the efficiency, too: to delete all ten facts of a memory cost .10
    there and to delete one of them .95. No gain counts what other questions need, so deleting it
    must have its own cost.

    Arguments:
        gain: the answer's score after - before, -1 to 1.
        of_memory: the memory's efficiency.
        lost: of the facts' words, 0 to 1.
    """
    return (gain * of_memory if gain > 0 else gain) - lost


def memupdate_reward(gain: float, of_memory: float, _lost: float) -> float:
    """`gain` x efficiency, as "MemUpdate" has it, whether it gained or did harm."""
    return gain * of_memory


def _planted(gold: Any, pred: Any) -> _Judged:
    """A rule that says nothing of a memory: an answer earns a sixth for each of its first words.

    It is easier to learn than the reward of a memory: a rehearsal that does not learn this learns
    nothing. Arguments as for `metric`. Components: answer, the official score.
    """
    pairs = _pairs(gold, pred)
    words = fmean(min(len(outcome.answer.split()), PLANTED_WORDS) for _, outcome in pairs)
    answer = fmean(components(*pair)["answer"] for pair in pairs)
    return {"answer": answer}, words / PLANTED_WORDS, []


def _metric(judge: Callable[..., _Judged], names: Iterable[str]) -> Callable[..., Any]:
    """A metric for DSPy: the score by `judge`; 0, with the reason, for what cannot be judged."""

    def metric(
        gold: Any,
        pred: Any,
        trace: object = None,
        pred_name: object = None,
        pred_trace: object = None,
    ) -> Any:
        parts, score = dict.fromkeys(names, 0.0), 0.0
        try:
            parts, score, lines = judge(gold, pred)
            feedback = "\n".join(lines)
        except ImportError:  # a library is missing: every score would be 0
            raise
        except InputError as error:
            feedback = str(error)
        except Exception as error:
            logging.exception("a prediction could not be scored")
            feedback = f"The prediction could not be scored: {type(error).__name__}: {error}"
        # SIMBA writes feedback as JSON, which holds no lone surrogate.
        text = feedback.encode("utf-8", "replace").decode()
        return dspy.Prediction(score=score, feedback=text, **parts)

    return metric


def _require(pred: Any, *names: str) -> None:
    """Raise InputError for a prediction that failed or lacks outcomes."""
    if failed := getattr(pred, "failed", ""):
        raise InputError(f"The model failed: {_short(str(failed))}")
    for name in names:
        if getattr(pred, name, None) is None:
            raise InputError(f"There is nothing to score: the prediction has no {name}.")


def _pairs(gold: Any, pred: Any) -> list[tuple[Question, Outcome]]:
    _require(pred, "outcomes")
    questions, outcomes = gold.gold, pred.outcomes
    if not questions or len(outcomes) != len(questions):
        raise InputError(f"{len(outcomes)} outcomes came for {len(questions)} questions.")
    return list(zip(questions, outcomes, strict=True))


def _answers(gold: Any, pred: Any) -> _Judged:
    """The mean reward of a prediction's questions; components: from WEIGHTS.

    Arguments:
        gold: an example with `conversation` (its id) and `gold` (Questions: one for answer and
            retrieve, a window's for store).
        pred: a prediction with `outcomes` (a list of Outcomes parallel to `gold.gold`) and `failed`
            (the model's error, or "").
    """
    pairs = _pairs(gold, pred)
    means = mean_components([question_score(gold.conversation, *pair) for pair in pairs])
    reward = means.pop("reward")
    # One window's SQL serves all its questions, so its feedback is given once.
    sql = dict.fromkeys(note for _, outcome in pairs for note in _sql_notes(outcome))
    notes = [note for pair in pairs for note in _answer_notes(*pair)]
    return means, reward, [*notes, *sql]


def _gated(gold: Any, pred: Any, best: float = 1.0) -> _Judged:
    """For the retrieving module: nothing unless the final answer is right, then a bonus.

    The reward-respecting subtask for retrieval in the README of a chatbot with an external SQL
    memory ("Long Term Memory Using SQL Language Models", Training): SQL is reinforced only when it
    leads to a right answer, more when the number of fields retrieved is in the desired range.
    Right is an official score of RIGHT: best / (1 + BONUS); `best` when the fields lie in FIELDS.
    Other arguments as for `metric`. Components: answer, fields.
    """
    pairs = _pairs(gold, pred)
    fewest, limit = FIELDS
    rights: list[bool] = []
    in_range: list[bool] = []
    rewards: list[float] = []
    notes: list[str] = []
    for question, outcome in pairs:
        right = metrics.meaning_score(outcome.answer, question) >= RIGHT
        fields_in_range = fewest <= outcome.fields <= limit
        rights.append(right)
        in_range.append(fields_in_range)
        rewards.append(best * right * (1 + BONUS * fields_in_range) / (1 + BONUS))

        notes += _answer_notes(question, outcome)
        if not right:
            notes.append("The final answer is wrong, so the SQL is worth nothing.")
        if not fields_in_range:
            notes.append(
                f"The SQL retrieved {outcome.fields} fields; {fewest} to {limit} are wanted."
            )
        notes += _sql_notes(outcome)
    return {"answer": fmean(rights), "fields": fmean(in_range)}, fmean(rewards), notes


def _rows(gold: Any, pred: Any) -> _Judged:
    """How well the facts of a window's turns answer the questions of gold rows, the mean of turns.

    Components: rows, that score, and row_f1, of the rows themselves.

    Arguments:
        gold: an example with `gold`, what each turn says (GoldTurns).
        pred: a prediction with `turns`, `facts` (a list for each turn) and `failed`.
    """
    _require(pred, "facts", "turns")
    stored = _stored(gold.gold, pred)
    uses = [use_score(of_turn) for of_turn in stored]
    scores = [score_rows(of_turn.gold, of_turn.turn, of_turn.facts) for of_turn in stored]
    parts = {"rows": fmean(uses), "row_f1": fmean(score.score for score in scores)}
    return parts, parts["rows"], [score.feedback for score in scores]


def turn_scores(name: str, example: dspy.Example, pred: Any) -> list[QuestionScore]:
    """The scores of an example's turns, like questions' scores; `name` is the example's."""
    scores = []
    for number, of_turn in enumerate(_stored(example.gold, pred)):
        of_rows = score_rows(of_turn.gold, of_turn.turn, of_turn.facts)
        use = use_score(of_turn)
        scores.append(
            QuestionScore(
                key=f"{example.conversation}/{example.first + number}",
                category=STATEMENTS if of_rows.statements else ABSTENTION,
                components={"rows": use, "row_f1": of_rows.score},
                reward=use,
                group=name,
            )
        )
    return scores


def _stored(golds: Sequence[GoldTurn], pred: Any) -> list[StoredOf]:
    """The turns of a prediction of `StoreLabelled`, with what they say and what was stored."""
    return [
        StoredOf(turn, gold, tuple(facts))
        for gold, turn, facts in zip(golds, pred.turns, pred.facts, strict=True)
    ]


def _refined(
    gold: Any,
    pred: Any,
    padded: bool = True,
    worth: Callable[[float, float, float], float] = episode_reward,
) -> _Judged:
    """For the refining module: (the answer's score after - before) x efficiency, see `efficiency`
    and `episode_reward`.

    Arguments as for `metric`; each outcome has its `episode`. Components: gain, efficiency,
    operations (tool calls), changes (of facts), before, after, size, density, change, lost, and how
    often each tool was used, by its name. Without `padded`, a longer fact is no better.
    `worth` makes the reward of gain, efficiency and loss.
    """
    parts = dict.fromkeys(REFINE_COMPONENTS, 0.0)
    rewards: list[float] = []
    notes: list[str] = []
    pairs = _pairs(gold, pred)
    for question, outcome in pairs:
        episode = outcome.episode
        if episode is None:
            raise InputError("There is nothing to score: the outcome has no episode.")
        before = metrics.meaning_score(episode.answer_before, question)
        after = metrics.meaning_score(outcome.answer, question)
        of_memory = efficiency(episode.before, episode.after, padded)
        rewards.append(worth(after - before, of_memory["efficiency"], episode.lost))
        of_question = {
            **of_memory,
            "lost": episode.lost,
            "gain": after - before,
            "before": before,
            "after": after,
            "operations": float(sum(episode.tools.values())),
            "changes": float(len(episode.operations)),
            **{tool: float(number) for tool, number in episode.tools.items()},
        }
        for name in parts:
            parts[name] += of_question.get(name, 0.0) / len(pairs)
        notes += _episode_notes(question, outcome, episode, after - before)
    return parts, fmean(rewards), notes


# --- feedback ---------------------------------------------------------------------------------


def _answer_notes(question: Question, outcome: Outcome) -> list[str]:
    parts = components(question, outcome)
    abstain = question.category == ABSTENTION
    text, answer = _short(question.text), _short(outcome.answer)
    gold = "an abstention" if abstain else f'"{_short(metrics.gold(question))}"'
    if min(parts.values()) == 1:
        return [f'Question: {text} Answer: "{answer}". Answer, evidence, SQL and budget are right.']

    worth = f"score {parts['answer']:.2f} of 1"
    notes = [f'Question: {text} Answer given: "{answer}", {worth}. Gold answer: {gold}.']
    if abstain:
        advice = 'The memory does not say: "No information available" was the answer.'
        return notes if parts["answer"] else [*notes, advice]
    hidden = [source for source in question.evidence if source not in outcome.shown]
    if metrics.abstained(outcome.answer):
        unseen = ", but what it saw did not hold all of it" if hidden else ""
        notes.append(f"It abstained although the memory says so{unseen}.")
    elif question.category == metrics.MULTI_HOP:
        items = [item.strip() for item in metrics.gold(question).split(",")]
        missing = [item for item in items if metrics.multi_f1(outcome.answer, item) < RIGHT]
        if missing:
            notes.append(f"Missing from the list: {', '.join(missing)}.")
    if hidden:
        notes.append(f"Evidence not shown, the SQL did not bring it: {', '.join(hidden)}.")
    if parts["words"] < 1:
        notes.append(f"Of the gold answer's words {parts['words']:.0%} were shown.")
    return notes


def _episode_notes(
    question: Question, outcome: Outcome, episode: Episode, gain: float
) -> list[str]:
    before, after = _short(episode.answer_before), _short(outcome.answer)
    notes = [
        f'Question: {_short(question.text)} Gold answer: "{_short(metrics.gold(question))}". From'
        f' the facts before: "{before}", after: "{after}": {gain:+.2f}.'
    ]
    if not episode.operations:
        notes.append("No operation changed a fact.")
    notes += [f"Done: {_short(line)}" for line in episode.operations]
    notes += [f"Refused: {_short(line)}" for line in episode.refused]
    if episode.lost:
        notes.append(f"No fact says any more {episode.lost:.0%} of what the facts said.")
    grown = len(episode.after) - len(episode.before)
    if gain <= 0 and grown:
        notes.append(f"The memory has {grown:+} facts, and the answer is no better for it.")
    return notes


def _sql_notes(outcome: Outcome) -> list[str]:
    notes = [_refusal(refusal) for refusal in outcome.refusals]
    notes += ["No SQL ran."] if outcome.sql_asked and not outcome.sql else []
    if (share := _share(outcome.fits)) < 1:
        percent = min(round(100 * share), 99)
        notes.append(f"Only {percent} % of what the SQL returned or wrote fits its budget.")
    return list(dict.fromkeys(notes))


def _refusal(text: str) -> str:
    # Each is cut separately: the reason comes last and must not be lost.
    statement, because, why = text.rpartition("\nBecause: ")
    half = _QUOTED // 2
    return f"{_short(statement, half)} Because: {_short(why, half)}" if because else _short(text)


def _short(text: str, limit: int = _QUOTED) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[:limit]} ..."


# --- facts against facts ----------------------------------------------------------------------


def _single_speaker(gold: object, pred: Any) -> _Judged:
    """For the storing module: does it write the same as when shown one speaker at a time?

    The reward-respecting subtask for storage in the README of a chatbot with an external SQL
    memory ("Long Term Memory Using SQL Language Models", Training): the target comes from a prompt
    that holds one speaker's lines only, where the speakers cannot be confused.

    `pred` has `facts` of the whole window, `target` (what the same frozen module wrote of each
    speaker's lines alone), both lists of (subject, attribute, value, turn_id), and `failed`; `gold`
    is not used. Soft F1: a fact counts as much as it resembles its best counterpart of the same
    turn and subject (token F1 of attribute and value), a repeated one once; both empty: 1.
    Components: precision, recall.
    """
    _require(pred, "facts", "target")
    # A repeated fact counts once: repeating a right one must not pay.
    facts = list(dict.fromkeys(pred.facts))
    target = list(dict.fromkeys(pred.target))
    if facts == target == []:
        return {"precision": 1.0, "recall": 1.0}, 1.0, ["There was nothing to store: all is right."]
    precision = fmean([_best(fact, target) for fact in facts] or [0.0])
    recall = fmean([_best(fact, facts) for fact in target] or [0.0])
    score = float(harmonic_mean([precision, recall]))
    return {"precision": precision, "recall": recall}, score, _fact_notes(facts, target)


def _literal_speaker(_gold: object, pred: Any) -> _Judged:
    """For the storing module: are its facts, letter by letter, what it writes of single speakers?

    "Long Term Memory Using SQL Language Models" (Training) raises the likelihood of exactly that
    SQL; a fact that only resembles it counts as wrong. Jaccard's index of the two sets of facts;
    both empty: 1. Arguments and components as for `_single_speaker`.
    """
    _require(pred, "facts", "target")
    facts, target = set(pred.facts), set(pred.target)
    if not facts | target:
        return {"precision": 1.0, "recall": 1.0}, 1.0, ["There was nothing to store: all is right."]
    same = facts & target
    precision = len(same) / len(facts) if facts else 0.0
    recall = len(same) / len(target) if target else 0.0
    notes = [f"Too many or other words: {_short(str(fact))}." for fact in sorted(facts - same)]
    notes += [f"Missing: {_short(str(fact))}." for fact in sorted(target - same)]
    score = len(same) / len(facts | target)
    return {"precision": precision, "recall": recall}, score, notes or ["All facts are the same."]


def _likeness(a: WrittenFact, b: WrittenFact) -> float:
    """The similarity of two facts of one turn, whatever their subjects; 0 across turns."""
    _, attribute_a, value_a, turn_a = a
    _, attribute_b, value_b, turn_b = b
    if turn_a != turn_b:
        return 0.0
    text_a = f"{attribute_a} {value_a}".replace("_", " ")
    text_b = f"{attribute_b} {value_b}".replace("_", " ")
    # Equal texts without a word have no F1.
    return 1.0 if text_a == text_b else metrics.f1(text_a, text_b)


def _best(fact: WrittenFact, candidates: Iterable[WrittenFact]) -> float:
    subject = fact[0].casefold()
    of_subject = (candidate for candidate in candidates if candidate[0].casefold() == subject)
    return max((_likeness(fact, candidate) for candidate in of_subject), default=0.0)


def _fact_notes(facts: Sequence[WrittenFact], target: Sequence[WrittenFact]) -> list[str]:
    notes = []
    missing = [fact for fact in target if _best(fact, facts) < RIGHT]
    for fact in facts:
        if _best(fact, target) >= RIGHT:
            continue
        counterparts = [gold for gold in target if _likeness(fact, gold) >= RIGHT]
        owners = ", ".join(dict.fromkeys(subject for subject, *_ in counterparts))
        verdict = f"Wrong subject, it is {owners}" if counterparts else "Too many"
        notes.append(f"{verdict}: {_short(str(fact))}.")
        # A fact with the wrong speaker does not count as missing as well.
        missing = [gold for gold in missing if gold not in counterparts]
    notes += [f"Missing: {_short(str(fact))}." for fact in missing]
    return notes or ["All facts were stored, for the right subjects."]


# --- the metrics ------------------------------------------------------------------------------

metric = _metric(_answers, WEIGHTS)
rows_metric = _metric(_rows, ("rows", "row_f1"))
gated_metric = _metric(_gated, ("answer", "fields"))
single_speaker_metric = _metric(_single_speaker, ("precision", "recall"))
planted_metric = _metric(_planted, ["answer"])
sql_memory_retrieve_metric = _metric(partial(_gated, best=1 + BONUS), ("answer", "fields"))
sql_memory_store_metric = _metric(_literal_speaker, ("precision", "recall"))
refine_metric = _metric(_refined, REFINE_COMPONENTS)
memupdate_metric = _metric(partial(_refined, worth=memupdate_reward), REFINE_COMPONENTS)
unpadded_metric = _metric(partial(_refined, padded=False), REFINE_COMPONENTS)
