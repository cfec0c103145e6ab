"""Conversations with gold: for each turn the SQL that stores it, for questions the SELECTs.

The format is LoCoMo's with two fields more, see data/README.md. A folder of such files is what
models are tuned on; files in its subfolder `validation` are for measuring and never trained on.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from locomo.dataset.fields import checked
from locomo.dataset.format import Conversation, files_of, parse_conversation, read_records
from locomo.dataset.rows import GoldRows, gold_rows
from locomo.split_data import VALIDATION, split
from memory import InputError

NOTHING = "-- none"  # the SQL of a turn without a fact


@dataclass(frozen=True)
class Gold:
    """A conversation and its gold SQL.

    `store` maps a turn's number, from 1, to its INSERT or NOTHING; `retrieve` a question's index
    to its SELECTs. Either may be empty: a file in LoCoMo's plain format teaches answering only.
    `rows` has what each turn says, for a little model; None where the file does not say.
    """

    conversation: Conversation
    store: Mapping[int, str]
    retrieve: Mapping[int, str]
    rows: GoldRows | None = None


class _RawQuestion(BaseModel):
    retrieve: str | None = None


class _RawGold(BaseModel):
    store: dict[str, str] = Field(default_factory=dict)
    qa: list[_RawQuestion]


_GOLD = TypeAdapter(_RawGold)


def load_gold(path: Path) -> list[Gold]:
    """The conversations of a file, or of all files `*.json` of a folder, in the files' order.

    Raises InputError for anything unusable, naming the file, the conversation and the field.
    """
    golds = [
        _gold(record, f"{file}, conversation {number}")
        for file in files_of(path)
        for number, record in enumerate(read_records(file), 1)
    ]
    times = Counter(gold.conversation.id for gold in golds)
    if twice := [id_ for id_, count in times.items() if count > 1]:
        raise InputError(f"{path}: two conversations have the sample_id {twice[0]!r}; rename one")
    return golds


def split_gold(path: Path, name: str, seed: int) -> tuple[list[Gold], list[str]]:
    """The training conversations, and the ids of those held out.

    The subfolder `validation` of a folder is held out. Without one, or for a file, the validation
    and test parts of the split `name` are held out (see locomo.split_data). Raises InputError.
    """
    golds = load_gold(path)
    if (path / VALIDATION).is_dir():
        held_out = [gold.conversation.id for gold in load_gold(path / VALIDATION)]
        if overlap := [gold.conversation.id for gold in golds if gold.conversation.id in held_out]:
            raise InputError(
                f"{path}: {', '.join(overlap)} also in {VALIDATION}; keep each either for training"
                " or held out"
            )
        return golds, held_out
    parts = split([gold.conversation.id for gold in golds], seed, name)
    training = [gold for gold in golds if gold.conversation.id in parts["train"]]
    return training, parts["validation"] + parts["test"]


def _gold(record: dict[str, object], where: str) -> Gold:
    conversation = parse_conversation(record, where)
    raw = checked(_GOLD, record, where=where)
    turn_numbers = {turn.source: number for number, turn in enumerate(conversation.turns, 1)}
    if unknown := [source for source in raw.store if source not in turn_numbers]:
        raise InputError(f"{where}, field store.{unknown[0]}: there is no such turn")
    selects = {index: (question.retrieve or "").strip() for index, question in enumerate(raw.qa)}
    return Gold(
        conversation=conversation,
        store={turn_numbers[source]: sql.strip() for source, sql in raw.store.items()},
        retrieve={index: sql for index, sql in selects.items() if sql},
        rows=gold_rows(record, where) if "rows" in record else None,
    )
