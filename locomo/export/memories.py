"""The memories of exported episodes: of a file's observations, of templates, or of a model."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.progress import Progress

from locomo.dataset.format import Conversation
from locomo.harness import Setup, build_memories
from memory import InputError, Store, open_store
from memory.facts import record_assertions
from memory.models import Model
from memory.program import plain_program
from memory.sql import quoted

_SOURCE = re.compile(r"D\d+:\d+")
_FACTS_A_CHANGE = 40  # a statement may have 20,000 characters
_COLUMNS = "subject, attribute, value, turn_id"


def observed_memories(
    conversations: Sequence[Conversation], records: Sequence[Mapping[str, Any]], folder: Path
) -> dict[str, Path]:
    """A memory of each conversation whose facts are its record's `observation`, by its id.

    An observation is a fact about its speaker, from the first turn that it names; observations that
    name no turn are left out. Raises InputError for a record without any, and for a folder in use.
    """
    observations = {str(record.get("sample_id")): record.get("observation") for record in records}
    paths = {}
    for conversation in conversations:
        path = _free_path(folder, conversation)
        facts = _facts(conversation, observations.get(conversation.id))
        if not facts:
            raise InputError(
                f"{conversation.id} has no observations to make facts of: give --facts templates,"
                " or --facts digest and a --model that stores"
            )
        with open_store(path) as store:
            store.add(conversation.turns)
            _write(store, facts)
        paths[conversation.id] = path
    return paths


def has_observations(record: Mapping[str, Any]) -> bool:
    """Whether a record has observations to make facts of."""
    return bool(record.get("observation"))


def template_memories(conversations: Sequence[Conversation], folder: Path) -> dict[str, Path]:
    """A memory of each conversation with what templates match in its turns, by its id.

    No model is asked. Raises InputError for a folder in use.
    """
    paths = {}
    for conversation in conversations:
        path = _free_path(folder, conversation)
        with open_store(path) as store:
            store.add(conversation.turns)
            record_assertions(store)
        paths[conversation.id] = path
    return paths


def _free_path(folder: Path, conversation: Conversation) -> Path:
    path = folder / f"{re.sub(r'[^A-Za-z0-9_.-]', '_', conversation.id)[:60]}.db"
    if path.exists():
        raise InputError(f"{path} exists already; give another folder")
    return path


def _facts(conversation: Conversation, observation: Any) -> list[tuple[str, str, int]]:
    """(subject, value, turn id) of each observation; observations have no dates."""
    turn_ids = {turn.source: number for number, turn in enumerate(conversation.turns, 1)}
    facts = []
    sessions = observation.values() if isinstance(observation, dict) else ()
    for of_speakers in sessions:
        for speaker, lines in of_speakers.items() if isinstance(of_speakers, dict) else ():
            for text, evidence in (line for line in lines if len(line) == 2):
                named = [turn_ids[s] for s in _SOURCE.findall(str(evidence)) if s in turn_ids]
                if named and str(text).strip():
                    facts.append((str(speaker), str(text).strip(), named[0]))
    return facts


def _write(store: Store, facts: Sequence[tuple[str, str, int]]) -> None:
    for begin in range(0, len(facts), _FACTS_A_CHANGE):
        rows = ", ".join(
            f"({quoted(subject)}, 'observed', {quoted(value)}, {turn_id})"
            for subject, value, turn_id in facts[begin : begin + _FACTS_A_CHANGE]
        )
        store.write(f"INSERT INTO facts ({_COLUMNS}) VALUES {rows}", cause="observations")


def digested_memories(
    conversations: Sequence[Conversation], model: Model, folder: Path, threads: int, bar: Progress
) -> dict[str, Path]:
    """A memory of each conversation, stored by a model, by its id."""
    setup = Setup(model, plain_program(model), model.limits.budget)
    built = build_memories(conversations, setup, cache=folder, threads=threads, bar=bar)
    return {id_: memory.path for id_, memory in built.items()}
