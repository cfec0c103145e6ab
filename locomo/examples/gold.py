"""Conversations with gold: for each turn the SQL that stores it, for questions the SELECTs.

The format is LoCoMo's with two fields more, see data/README.md. A folder of such files is what
models are tuned on; those in its folder `validation` are measured on and never learnt from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from locomo.dataset.format import Conversation, checked, parse_conversation, read_records
from locomo.split_data import split
from memory import InputError
from memory.program.signatures import NO_FACT

NOTHING = NO_FACT
VALIDATION = "validation"


@dataclass(frozen=True)
class Gold:
    """A conversation and its gold SQL.

    `store` maps a turn's number, from 1, to its INSERT or NOTHING; `retrieve` a question's index
    to its SELECTs. Either may be empty: a file in LoCoMo's plain format teaches answering only.
    """

    conversation: Conversation
    store: Mapping[int, str]
    retrieve: Mapping[int, str]


class _RawQuestion(BaseModel):
    retrieve: str | None = None


class _RawGold(BaseModel):
    store: dict[str, str] = Field(default_factory=dict)
    qa: list[_RawQuestion]


_GOLD = TypeAdapter(_RawGold)


def load_gold(path: Path) -> list[Gold]:
    """The conversations of a file, or of all files `*.json` of a folder, in the files' order.

    Raises InputError for what cannot be read or used, and names the file, the conversation and
    the field.
    """
    found = [
        _gold(raw, f"{file}, conversation {n}")
        for file in files_of(path)
        for n, raw in enumerate(read_records(file), 1)
    ]
    names: dict[str, int] = {}
    for one in found:
        names[one.conversation.id] = names.get(one.conversation.id, 0) + 1
    if twice := [name for name, times in names.items() if times > 1]:
        raise InputError(f"{path}: two conversations have the sample_id {twice[0]!r}; rename one")
    return found


def files_of(path: Path) -> list[Path]:
    """The file itself, or all files `*.json` of a folder. Raises InputError when it has none."""
    files = sorted(path.glob("*.json")) if path.is_dir() else [path]
    if not files:
        raise InputError(f"{path} holds no .json file; give conversations as data/README.md says")
    return files


def split_gold(path: Path, name: str, seed: int) -> tuple[list[Gold], list[str]]:
    """The conversations to learn from, and the ids of those held out.

    Of a folder with a folder `validation` in it those there are held out; of any other, or a file,
    the validation and test parts of the split `name` (see locomo.split_data). Raises InputError.
    """
    golds = load_gold(path)
    if (path / VALIDATION).is_dir():
        held_out = [one.conversation.id for one in load_gold(path / VALIDATION)]
        if both := [one.conversation.id for one in golds if one.conversation.id in held_out]:
            raise InputError(
                f"{path}: {', '.join(both)} also in {VALIDATION}; each has one place, "
                "to be learnt from or to be held out"
            )
        return golds, held_out
    parts = split([one.conversation.id for one in golds], seed, name)
    kept = [one for one in golds if one.conversation.id in parts["train"]]
    return kept, parts["validation"] + parts["test"]


def _gold(record: dict[str, object], where: str) -> Gold:
    conversation = parse_conversation(record, where)
    raw = checked(_GOLD, record, where, "")
    numbers = {turn.source: n for n, turn in enumerate(conversation.turns, 1)}
    if unknown := [source for source in raw.store if source not in numbers]:
        raise InputError(f"{where}, field store.{unknown[0]}: there is no such turn")
    return Gold(
        conversation,
        {numbers[source]: sql.strip() for source, sql in raw.store.items()},
        {n: q.retrieve.strip() for n, q in enumerate(raw.qa) if q.retrieve and q.retrieve.strip()},
    )
