"""How wide the gate opens: to questions, statements, advice, and to empty talk; no model.

    python -m tests.benchmarks.gate [FILE...] [--fit] [--print]

Each file or folder is one kind of data. Each of its conversations becomes a memory, which gets its
own questions with evidence, the statements of `data/gate/statements.json` that are about it,
messages of `data/gate/advice.json`, which ask for what fits a person, and of
`data/gate/irrelevant.json`. `data/gate/short.json` has questions of one to four words; of those to
memories held out, neither a relevant nor an irrelevant one is fitted to. Then the same of parts of
5 to 20 turns, and of all conversations in one memory. `short_questions.json` has six more memories
with 150 short questions and a general message in three kinds of talk; those of half "check" are
held out.

A message is "open" if all that belongs is shown, "narrow" if a few turns and the portrait are, else
"closed". So the two figures of a guard: empty talk that is closed was kept out, and a relevant
message that is closed lost its evidence.

`--fit` fits the weights anew and writes them to memory/evidence/gate.json. Its table is
cross-validated: a message is judged by weights fitted without its conversation and without its
text.
"""

import json
import tempfile
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit

from locomo.commands import run_command
from locomo.dataset.format import ABSTENTION, Conversation, load_conversations
from memory import Store, Turn, open_store
from memory.evidence.gate import FILE, MOST_TURNS, features, shipped_gate
from memory.evidence.room import people_meant
from memory.facts.additions import add_turns

ROOT = Path(__file__).parents[2]
DATA = [ROOT / "data" / name for name in ("everyday", "assistants", "friends", "sample.json")]
HELD_OUT = sorted((ROOT / "tests" / "held_out").glob("[aef]*"))  # those with conversations
HELD_OUT_NAME = "held out: "
IRRELEVANT = ROOT / "data" / "gate" / "irrelevant.json"
ADVICE = ROOT / "data" / "gate" / "advice.json"
STATEMENTS = ROOT / "data" / "gate" / "statements.json"
SHORT = ROOT / "data" / "gate" / "short.json"
TALK = Path(__file__).parent / "short_questions.json"
MOST_MESSAGES = 1_500  # irrelevant ones of one kind of data
PARTS = 100  # of 5 to 20 turns
LARGE_QUESTIONS = 200  # of all conversations in one memory
FOLDS = 5
WIDTHS = ("closed", "narrow", "open")
NAMES = [
    *(
        "near",
        "missing",
        "held",
        "called",
        "names",
        "my",
        "self",
        "empty",
        "personal",
        "length",
        "size",
    ),
    "always",
]
# Shares of empty talk that the fit lets be open, and narrow: a turn shown for nothing costs tokens,
# a hidden one the answer.
OPEN, NARROW = 0.08, 0.06
# How much a message that asks for advice counts: there are few, and people write many.
OF_ADVICE = 4

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Message:
    """A message to a memory, what it has of the gate's features, and whether it is about it."""

    data: str
    memory: str
    kind: str
    text: str
    values: tuple[float, ...]
    is_relevant: bool


def main(
    files: Annotated[list[Path] | None, typer.Argument(help="conversations, by kind")] = None,
    fit: Annotated[bool, typer.Option("--fit", help="fit the weights anew")] = False,
    prints: Annotated[bool, typer.Option("--print", help="print what was wrong")] = False,
) -> None:
    """Print by kind of data how many questions keep their evidence, and what else gets through."""
    console = Console(soft_wrap=True)
    messages = [
        message
        for file in files or ([*DATA] if fit else [*DATA, *HELD_OUT])
        for message in _of_file(file)
    ]
    if not files:
        messages += _of_talk({"fit"} if fit else {"fit", "check"})
    values = np.array([message.values for message in messages])
    relevant = np.array([message.is_relevant for message in messages])
    if fit:
        shares = _shares(messages)
        scores = _cross_validated(messages, values, shares=shares)
        weights = _fitted(values, relevant, shares)
        _write(weights, values[~relevant] @ weights, shares[~relevant])
        limits = _limits(scores[~relevant], shares[~relevant])
    else:
        gate = shipped_gate()
        scores = values @ np.array([gate.weights[name] for name in NAMES])
        limits = 0.0, gate.narrow
    nearer = values[:, NAMES.index("personal")] - values[:, NAMES.index("empty")]
    is_narrow = (scores > limits[1]) | (nearer > shipped_gate().advice)
    widths = (scores > limits[0]).astype(int) + is_narrow
    console.print(_table("data", [message.data for message in messages], relevant, widths))
    kinds = [message.kind for message in messages]
    console.print(_table("kind", kinds, relevant, widths))
    if prints:
        for message, width in zip(messages, widths, strict=True):
            if (message.is_relevant and not width) or (not message.is_relevant and width):
                line = f"{WIDTHS[width]}, {message.memory}: {message.text}"
                console.print(line, markup=False, highlight=False)


# --- messages to memories -------------------------------------------------------------------------


def _of_file(path: Path) -> Iterator[Message]:
    """The messages to all memories of one kind of data."""
    data = path.stem.partition(".")[0]
    if HELD_OUT[0].parent in path.parents:
        data = f"{HELD_OUT_NAME}{data}"
    files = sorted(path.rglob("*.json")) if path.is_dir() else [path]
    chats = [
        chat
        for file in files
        if file.parent.name != "facts" and file.name != "facts.json"
        for chat in load_conversations(file)
    ]
    every = max(1, len(chats) * _count(_irrelevant()) // MOST_MESSAGES)
    screen = Console(stderr=True)
    with tempfile.TemporaryDirectory() as home:
        for number, chat in enumerate(track(chats, data, console=screen)):
            with open_store(Path(home) / f"{number}.db") as store:
                add_turns(store, _with_text(chat.turns))
                yield from _of_store(store, data, chat, every)
        for number, (chat, text) in enumerate(
            track(_parts(chats), f"{data}, parts", console=screen)
        ):
            with open_store(Path(home) / f"part-{number}.db") as store:
                add_turns(store, chat.turns)
                name = f"{data}, 5 to 20 turns"
                yield _message(store, name, chat, "question", text, is_relevant=True)
                yield from _of_irrelevant(store, name, chat, every=16, salt=number)
        if len(chats) > 1:
            with open_store(Path(home) / "all.db") as store:
                for chat in chats:
                    add_turns(store, _with_text(chat.turns))
                yield from _of_all(store, f"{data}, all in one", chats)


def _of_store(store: Store, data: str, chat: Conversation, every: int) -> Iterator[Message]:
    for question in _questions(chat):
        yield _message(store, data, chat, "question", question, is_relevant=True)
    for statement in json.loads(STATEMENTS.read_text("utf-8")).get(chat.id, ()):
        yield _message(store, data, chat, "statement", statement["text"], is_relevant=True)
    yield from _of_advice(store, data, chat)
    yield from _of_irrelevant(store, data, chat, every)
    yield from _of_short(store, data, chat)


def _of_advice(store: Store, data: str, chat: Conversation) -> Iterator[Message]:
    """One in ten of the messages that ask for what fits a person."""
    for texts in json.loads(ADVICE.read_text("utf-8")).values():
        for text in texts:
            if zlib.crc32(f"{chat.id} {text}".encode()) % 10 == 0:
                yield _message(store, data, chat, "advice", text, is_relevant=True)


def _of_short(store: Store, data: str, chat: Conversation) -> Iterator[Message]:
    """The short questions of a memory, and irrelevant ones, as a kind of data of their own."""
    short = json.loads(SHORT.read_text("utf-8"))
    is_held_out = data.startswith(HELD_OUT_NAME)
    data = f"{HELD_OUT_NAME}short" if is_held_out else "short"
    for text in (relevant := short["relevant"].get(chat.id, ())):
        yield _message(store, data, chat, "short question", text, is_relevant=True)
    if relevant:
        for text in short["irrelevant, held out" if is_held_out else "irrelevant"]:
            yield _message(store, data, chat, "short message", text, is_relevant=False)


def _of_talk(halves: Collection[str]) -> Iterator[Message]:
    """The short questions and general messages of these halves; each memory is a kind of data."""
    talk = json.loads(TALK.read_text("utf-8"))
    for memory in talk["memories"]:
        if memory["half"] not in halves:
            continue
        name = memory["name"] if memory["half"] == "fit" else f"{HELD_OUT_NAME}{memory['name']}"
        turns = [Turn(speaker, text) for speaker, text in memory["turns"]]
        chat = Conversation(memory["name"], tuple(turns), questions=(), dropped_evidence=0)
        with tempfile.TemporaryDirectory() as home, open_store(Path(home) / "talk.db") as store:
            add_turns(store, turns)
            for text, _ in memory["questions"]:
                yield _message(store, name, chat, "short question", text, is_relevant=True)
            for text in talk["general"]:
                yield _message(store, name, chat, "general message", text, is_relevant=False)


def _of_all(store: Store, data: str, chats: Sequence[Conversation]) -> Iterator[Message]:
    questions = [(chat, question) for chat in chats for question in _questions(chat)]
    chosen = Random(data).sample(questions, min(LARGE_QUESTIONS, len(questions)))
    for chat, question in track(chosen, data, console=Console(stderr=True)):
        yield _message(store, data, chat, "question", question, is_relevant=True)
    yield from _of_irrelevant(store, data, chats[0], every=1)


def _of_irrelevant(
    store: Store, data: str, chat: Conversation, every: int, salt: int = 0
) -> Iterator[Message]:
    """One in `every` of the irrelevant messages, other ones for each conversation and salt."""
    for kind, texts in _irrelevant().items():
        for text in texts:
            if zlib.crc32(f"{chat.id} {salt} {text}".encode()) % every == 0:
                yield _message(store, data, chat, kind, text, is_relevant=False)


def _message(
    store: Store, data: str, chat: Conversation, kind: str, text: str, *, is_relevant: bool
) -> Message:
    hits = store.search(text, MOST_TURNS)
    turns = store.turns_by_id([hit.turn_id for hit in hits])
    with store.searched() as searched:
        assert searched is not None
        people = people_meant(searched.index, text, frozenset())
    values = features(people.text, turns, names=len(people.named), memory_turns=store.count_turns())
    assert [*values] == NAMES
    return Message(data, chat.id, kind, text, tuple(values.values()), is_relevant)


def _parts(chats: Sequence[Conversation]) -> list[tuple[Conversation, str]]:
    """Parts of conversations of 5 to 20 turns, each with a question that it has evidence for."""
    random = Random(0)
    asked = [
        (chat, question)
        for chat in chats
        for question in chat.questions
        if question.evidence and question.category != ABSTENTION
    ]
    parts = []
    for chat, question in random.sample(asked, min(PARTS, len(asked))):
        turns = _with_text(chat.turns)
        places = [place for place, turn in enumerate(turns) if turn.source in question.evidence]
        if places:
            width = random.choice((5, 10, 20))
            first = max(0, random.choice(places) - random.randrange(width))
            part = replace(chat, turns=tuple(turns[first : first + width]))
            parts.append((part, question.text))
    return parts


def _questions(chat: Conversation) -> list[str]:
    return [
        question.text
        for question in chat.questions
        if question.evidence and question.category != ABSTENTION
    ]


def _with_text(turns: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in turns if any(c.isprintable() and c != " " for c in turn.text)]


def _irrelevant() -> dict[str, list[str]]:
    texts: dict[str, list[str]] = json.loads(IRRELEVANT.read_text("utf-8"))
    return texts


def _count(texts: dict[str, list[str]]) -> int:
    return sum(map(len, texts.values()))


# --- the fit --------------------------------------------------------------------------------------


def _shares(messages: Sequence[Message]) -> Floats:
    """What each message counts: all kinds of data alike, relevant and irrelevant ones alike."""
    groups = [(message.data, message.is_relevant) for message in messages]
    sizes: defaultdict[tuple[str, bool], int] = defaultdict(int)
    for group in groups:
        sizes[group] += 1
    shares = np.array([1 / sizes[group] for group in groups])
    shares[[message.kind == "advice" for message in messages]] *= OF_ADVICE
    relevant = np.array([is_relevant for _, is_relevant in groups])
    for of_one in (relevant, ~relevant):
        shares[of_one] /= shares[of_one].sum()
    return shares


def _fitted(values: Floats, relevant: NDArray[np.bool_], shares: Floats) -> Floats:
    """A logistic regression; its last feature is always 1."""
    spread = values.std(axis=0)
    spread[-1] = 1
    columns = values / spread

    def loss(weights: Floats) -> tuple[float, Floats]:
        logits = columns @ weights
        value = shares @ (np.logaddexp(0, logits) - relevant * logits)
        slope = columns.T @ (shares * (expit(logits) - relevant))
        return float(value) + 1e-4 * float(weights @ weights), slope + 2e-4 * weights

    weights: Floats = minimize(loss, np.zeros(columns.shape[1]), jac=True).x / spread
    return weights


def _cross_validated(messages: Sequence[Message], values: Floats, shares: Floats) -> Floats:
    """The score of each message by weights fitted without its conversation and its text."""
    relevant = np.array([message.is_relevant for message in messages])
    of_memory = np.array([zlib.crc32(m.memory.encode()) % FOLDS for m in messages])
    of_text = np.array([zlib.crc32(m.text.encode()) % FOLDS for m in messages])
    scores = np.zeros(len(messages))
    for memory in range(FOLDS):
        for text in range(FOLDS):
            left_out = (of_memory == memory) | (of_text == text)
            weights = _fitted(values[~left_out], relevant[~left_out], shares[~left_out])
            judged = (of_memory == memory) & (of_text == text)
            scores[judged] = values[judged] @ weights
    return scores


def _limits(scores: Floats, shares: Floats) -> tuple[float, float]:
    """The scores above which OPEN, and OPEN or NARROW, of the irrelevant messages lie."""
    best_first = scores.argsort()[::-1]
    cumulated = np.cumsum(shares[best_first]) / shares.sum()
    highest, lowest = (
        float(scores[best_first][np.searchsorted(cumulated, share)])
        for share in (OPEN, OPEN + NARROW)
    )
    return highest, lowest


def _write(weights: Floats, scores: Floats, shares: Floats) -> None:
    """Write weights to the gate's file, so that a score above 0 is open."""
    is_open, is_narrow = _limits(scores, shares)
    weights[-1] -= is_open
    read = json.loads(FILE.read_text("utf-8"))
    pairs = zip(NAMES, weights, strict=True)
    read["weights"] = {name: round(float(weight), 3) for name, weight in pairs}
    read["narrow"] = round(is_narrow - is_open, 3)
    FILE.write_text(json.dumps(read, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _table(
    title: str, names: Sequence[str], relevant: NDArray[np.bool_], widths: NDArray[np.int_]
) -> Table:
    columns = (title, "relevant", "open", "closed", "irrelevant", "open", "closed")
    table = Table(*columns)
    of_name = np.array(names)
    for name in [*dict.fromkeys(names), "all"]:
        row = [name]
        for of_one in (relevant, ~relevant):
            chosen = widths[of_one & ((of_name == name) | (name == "all"))]
            row += [str(len(chosen))]
            for width in (2, 0):
                row.append(f"{(chosen == width).mean():.3f}" if len(chosen) else "-")
        table.add_row(*row)
    return table


if __name__ == "__main__":
    command_line = typer.Typer(add_completion=False)
    command_line.command()(main)
    run_command(command_line)
