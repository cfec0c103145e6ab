"""The weights of memory/facts/changes.py, fitted on stories, pairs of sentences, and real talk."""

import json
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from locomo.dataset.format import load_conversations
from memory import Turn, open_store
from memory.facts import changes
from memory.facts.additions import add_turns
from memory.facts.changes import MOST_WORDS, Later, Told
from memory.facts.newer_words import Look, may_speak
from memory.store.facts.vocabulary_table import vocabulary_of
from memory.text.word_classes import may_be_noun
from memory.text.words import telling_words
from memory.vocabulary import INSTRUCTION, default_vocabulary
from memory.vocabulary.orders import order_text, orders_in
from memory.vocabulary.sentences import sentences_of
from memory.vocabulary.templates.clauses import told_sentences

FOLDER = Path(__file__).parent
ORDERS = FOLDER.parents[2] / "data" / "orders"
WEIGHTS = Path(changes.__file__).with_name("changes_weights.json")
# The lists of pairs.toml: in some the later sentence changes the first, in some it comes at once.
KINDS = ("changes", "mentions", "corrections", "asides", "ended", "kept")
CHANGES, AT_ONCE = ("changes", "corrections", "ended"), ("corrections", "asides")
MODELS: tuple[changes.Model, ...] = ("fact", "wish", "turn")
PENALTY = {"fact": 5e-4, "wish": 5e-3, "turn": 5e-4}  # a wish has a weight for each word
_LEAST_SPREAD = 0.1  # of a feature: the weight of a rare word stays small
_OF_CHANGES = 3.0  # what a change counts: pairs that change nothing are more
_LEAST_SEEN = 3  # pairs of sentences with a feature that has a weight
EVERY = 3  # of so many sentences of real talk one is taken
UNRELATED = 400  # pairs of orders on different matters
EVERY_TURN, EVERY_ORDER = (
    12,
    4,
)  # the same of turns, for orders, and for orders with a word of theirs
# What a pair of real talk counts: there are many, and nearly all are alike. Few concern an order.
OF_TALK = {"fact": 0.1, "wish": 0.3, "turn": 0.1}
LEAST = {"fact": 0.5, "wish": 0.6, "turn": 0.5}  # an order that stands is worth more
# Orders that share a word with a sentence of talk, which ends none of them.
_ORDERS_OF_A_WORD = (
    "Never mention {}.",
    "Always add a {}.",
    "Use {}.",
    "Don't use {}.",
    "Always name the {}.",
    "Never suggest {}.",
    "Keep the {} short.",
    "No {} please.",
    "Answer with {}.",
    "Always give the {} when I ask about trips.",
)
_WORDS_OF_TALK = range(3, MOST_WORDS + 1)
# How many pairs of all the real talk may reach the least chance: some of these are true.
MOST_IN_TALK = {"fact": 30, "wish": 12, "turn": 1}


@dataclass(frozen=True)
class Example:
    """A sentence and what it may change: its features, and whether it does."""

    model: changes.Model
    values: dict[str, float]
    is_change: bool
    is_talk: bool = False
    text: str = ""


def ends(name: str) -> Iterator[tuple[str, str, bool]]:
    """Orders, what is said later, and whether it ends them; no fit sees those of `check`."""
    for line in (ORDERS / "ends" / f"{name}.tsv").read_text("utf-8").splitlines():
        label, order, later = line.split("\t")
        yield order, later, label == "1"


def read(name: str) -> dict[str, Any]:
    """A file of cases."""
    return tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))


def examples_of(
    turns: Sequence[Turn], changed: Iterable[tuple[int, int]] = (), is_talk: bool = False
) -> Iterator[Example]:
    """The pairs of a memory; `changed` are the turns that change others: (earlier, later), from 1.

    Of a later turn's sentences the likeliest changes what was told, the others are left out.
    """
    pairs = {*changed}
    with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "m.db") as store:
        ids = add_turns(store, turns)
        stored = store.turns_by_id(ids)
        with store.reading() as conn:
            look = Look(conn, vocabulary_of(store))
            pairs_found = [*look.pairs([turn for turn in stored if may_speak(turn)])]
        of_pair: defaultdict[tuple[str, int, int], list[tuple[Told, Later]]] = defaultdict(list)
        for statement, later in pairs_found:
            key = statement.turn.id, later.turn.id
            if key in pairs:
                of_pair[statement.model, *key].append((statement, later))
            elif not is_talk or crc32(later.text.encode()) % EVERY == 0:
                yield _example(statement, later, False, is_talk)
        for of_one in of_pair.values():
            yield _example(*max(of_one, key=lambda pair: _guess(*pair)), True, is_talk)


def _guess(statement: Told, later: Later) -> float:
    values = changes.features(statement, later)
    near = values.get("change near", values.get("topic", 0.0))
    return values["share"] + values["change"] + values["denied"] + 2 * near


def _example(statement: Told, later: Later, is_change: bool, is_talk: bool) -> Example:
    values = dict(changes.features(statement, later))
    return Example(statement.model, values, is_change, is_talk, f"{statement.value} | {later.text}")


def of_orders(
    pairs: Iterable[tuple[str, str]], is_change: bool = False, is_talk: bool = False
) -> Iterator[Example]:
    """The examples of orders and what is said later: a change of the order, or none."""
    known = {attribute.name: attribute for attribute in default_vocabulary().attributes}
    for order, text in pairs:
        laters = [
            Later(
                Turn("user", text, "b", "2025-03-10", id=2),
                sentence,
                is_wish=bool(orders_in(sentence)),
            )
            for sentence in told_sentences(text)
        ]
        laters = [later for later in laters if later.is_short]
        changes.prepare(laters)
        statement = Told(
            Turn("user", order, "a", "2025-03-01", id=1),
            order_text(order),
            "user",
            known[INSTRUCTION],
            1,
        )
        likely = [later for later in laters if is_change or changes.may_change(statement, later)]
        if is_change and likely:
            likely = [max(likely, key=lambda later: _guess(statement, later))]
        for later in likely:
            yield _example(statement, later, is_change, is_talk)


def orders_of_a_word(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """A sentence of each text, behind an order with a noun of it."""
    random = Random(1)
    for text in texts:
        sentences = [
            sentence.text
            for sentence in sentences_of(text)
            if len(sentence.text.split()) in _WORDS_OF_TALK and not orders_in(sentence.text)
        ]
        if not sentences:
            continue
        sentence = random.choice(sentences)
        nouns = [word for word in telling_words(sentence) if may_be_noun(word)]
        if nouns:
            yield random.choice(_ORDERS_OF_A_WORD).format(random.choice(nouns)), sentence


def fitted(examples: Sequence[Example], models: Sequence[changes.Model] = MODELS) -> dict[str, Any]:
    """The weights of models, and the least chance: few pairs of real talk reach it."""
    weights: dict[str, Any] = {}
    for model in models:
        chosen = [example for example in examples if example.model == model]
        seen = Counter(name for example in chosen for name in example.values)
        names = sorted(name for name, count in seen.items() if count >= _LEAST_SEEN)
        columns = np.array(
            [[example.values.get(name, 0.0) for name in names] for example in chosen]
        )
        is_change = np.array([example.is_change for example in chosen])
        counts = np.array([OF_TALK[model] if example.is_talk else 1.0 for example in chosen])
        counts[is_change] = _OF_CHANGES
        of_model = _fit(columns, is_change, counts, PENALTY[model])
        chances = expit(columns @ of_model)
        talk = sorted(
            (chances[n] for n, example in enumerate(chosen) if example.is_talk), reverse=True
        )
        floor = LEAST[model]
        most = MOST_IN_TALK[model]
        least = max(floor, float(talk[most]) + 1e-3 if len(talk) > most else floor)
        weights[model] = {
            "least": round(least, 3),
            "weights": {n: round(float(w), 3) for n, w in zip(names, of_model, strict=True)},
        }
        reached = chances >= least
        print(
            f"{model}: {len(chosen)} pairs, {is_change.sum()} changes,"
            f" {(reached & is_change).sum()} noted at {least:.2f},"
            f" {(reached & ~is_change).sum()} of the others"
        )
    return weights


def _fit(columns: Any, is_change: Any, counts: Any, penalty: float) -> Any:
    spread = np.maximum(columns.std(axis=0), _LEAST_SPREAD)
    scaled = columns / spread

    def loss(weights: Any) -> tuple[float, Any]:
        logits = scaled @ weights
        value = counts @ (np.logaddexp(0, logits) - is_change * logits) / counts.sum()
        slope = scaled.T @ (counts * (expit(logits) - is_change)) / counts.sum()
        return float(value) + penalty * float(weights @ weights), slope + 2 * penalty * weights

    return minimize(loss, np.zeros(columns.shape[1]), jac=True).x / spread


def talk_of(files: Iterable[Path]) -> Iterator[Sequence[Turn]]:
    """The conversations of files in LoCoMo's format, after a profile that they do not change."""
    profile = read("pairs")["profile"]
    for file in files:
        for conversation in load_conversations(file):
            speakers = {turn.speaker for turn in conversation.turns if turn.speaker != "assistant"}
            statement = [
                Turn(who, text, "s0", "2019-01-01") for who in speakers for text in profile
            ]
            yield [*statement, *conversation.turns]


def write(weights: dict[str, Any]) -> None:
    """Write weights; models that were not fitted keep theirs."""
    weights = json.loads(WEIGHTS.read_text("utf-8")) | weights
    WEIGHTS.write_text(json.dumps(weights, indent=1) + "\n", "utf-8")
