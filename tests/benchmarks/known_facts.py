"""How many of the facts that a window should be stored beside are shown to the store module.

    python -m tests.benchmarks.known_facts data/train/validation [--noise FILE]

Conversations with gold facts are digested window by window, without a model. A fact of before
should be known where the window tells another fact of its subject and attribute, which may repeat
or end it; of an attribute of one value that is the state which ends. With --noise, each turn of a
window comes with 500 characters of a text file, as in chats with an assistant: a window names as
many words as one of BEAM.
"""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from locomo.commands import run_command
from locomo.examples.gold import NOTHING, Gold, load_gold
from memory import SqlError, Store, open_store
from memory.evidence.lines import known_fact_line
from memory.facts.related import known_facts
from memory.records import Fact
from memory.store.vocabulary_edits import vocabulary_of
from memory.text.tokens import first_lines

_MOST_RELATED = 100  # as of memory.digest.windows, which brings DSPy
_NOISE_CHARACTERS = 500


def main(
    data: list[Path],
    noise: Annotated[Path | None, typer.Option(help="a text that the turns come with")] = None,
    window: Annotated[int, typer.Option(min=1, help="turns of a call")] = 48,
    known: Annotated[int, typer.Option(min=1, help="tokens of known facts in a call")] = 2_000,
) -> None:
    """Print the shares of facts that are shown, of all and of states."""
    counts: Counter[tuple[str, str]] = Counter()
    golds = [gold for path in data for gold in load_gold(path) if gold.store]
    pieces = _pieces(noise)
    for gold in track(golds, description="digesting", console=Console(stderr=True)):
        for fact, is_state, is_shown in _expected(gold, pieces, window=window, known=known):
            kinds = ["all facts", *(["states"] if is_state else [])]
            late = fact.subject[:1].upper() >= "N"
            kinds.append("subjects from N to Z" if late else "subjects from A to M")
            for kind in kinds:
                counts[kind, "expected"] += 1
                counts[kind, "shown"] += is_shown
    table = Table("facts", "should be known", "shown", "share")
    for kind in sorted({kind for kind, _ in counts}):
        expected, shown = counts[kind, "expected"], counts[kind, "shown"]
        table.add_row(kind, str(expected), str(shown), f"{shown / expected:.3f}")
    Console().print(table)


def _pieces(noise: Path | None) -> Iterator[str]:
    text = " ".join(noise.read_text("utf-8").split()) if noise else ""
    starts = range(0, max(len(text), 1), _NOISE_CHARACTERS)
    return cycle([text[start : start + _NOISE_CHARACTERS] for start in starts])


def _expected(
    gold: Gold, noise: Iterator[str], *, window: int, known: int
) -> Iterator[tuple[Fact, bool, bool]]:
    """Each fact that a window should be stored beside, whether it is a state, and is shown."""
    with (
        tempfile.TemporaryDirectory(prefix="known-") as folder,
        open_store(Path(folder) / "memory.db") as store,
    ):
        ids = store.add(gold.conversation.turns)
        for start in range(0, len(ids), window):
            turns = store.turns(ids[start], ids[min(start + window, len(ids)) - 1])
            texts: list[str] = []
            for turn in turns:
                texts.append(f"{turn.speaker}: {turn.text[:500]}")
                texts += [f"Assistant: {piece}" for piece in [next(noise)] if piece]
            before = store.facts()
            related = known_facts(store, texts, _MOST_RELATED) if before else []
            lines = first_lines(map(known_fact_line, related), known).splitlines()
            _store_window(store, gold, ids[start : start + window])
            ids_before = {fact.id for fact in before}
            told = {_key(fact) for fact in store.facts() if fact.id not in ids_before}
            for fact in before:
                if _key(fact) in told and not fact.ended_on:
                    attribute = vocabulary_of(store).canonical(fact.attribute)
                    is_state = attribute is not None and attribute.kind == "one value"
                    yield fact, is_state, known_fact_line(fact) in lines


def _key(fact: Fact) -> tuple[str, str]:
    return fact.subject.lower(), fact.attribute


def _store_window(store: Store, gold: Gold, ids: list[int]) -> None:
    for turn_id in ids:
        sql = gold.store.get(turn_id, NOTHING)
        if sql != NOTHING:
            with suppress(SqlError):  # an end that the store does not take
                # A person wrote it: one turn may end more facts than a model may by one.
                store.write(sql, cause="gold", window=(turn_id, turn_id), by_person=True)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False)
    app.command()(main)
    run_command(app)
