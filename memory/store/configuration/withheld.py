"""What a namespace withholds: its policy for secrets, turns without them, and how many there were.

The policy is a setting, which a person changes. The count is one, too: it says how much was
withheld, never what or where.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from typing import get_args

from memory.errors import SecretError
from memory.records import NOTHING_WITHHELD, Setting, Turn, Withheld
from memory.store.configuration import settings
from memory.store.database import Connection, HasConnections
from memory.text.fence import without_block
from memory.text.private_text import is_off_record
from memory.text.secrets import DEFAULT_POLICY, Masked, Policy, mask_parts
from memory.text.speakers import is_by_assistant

POLICY = "secrets"  # the setting with the policy
COUNT = "withheld"  # the setting with the count


@dataclass(frozen=True)
class PublicTurns:
    """Turns without what is withheld, and how much that was of each."""

    turns: Sequence[Turn]
    withheld: Sequence[Withheld]

    @property
    def has_secrets(self) -> bool:
        return any(count.secrets for count in self.withheld)

    def of_new(self, positions: Sequence[int]) -> Sequence[Withheld | None]:
        """How much was withheld of each turn; None for turns not at these indices."""
        new = {*positions}
        return [count if n in new else None for n, count in enumerate(self.withheld)]


def public_turns(turns: Sequence[Turn], policy: Policy = DEFAULT_POLICY) -> PublicTurns:
    """Turns as a policy lets them in; private text is left out under each.

    So is a block of a memory that comes back in a message (`without_block`), and a whole message of
    a person that asks not to be remembered (`is_off_record`).

    Raises SecretError under "refuse".
    """
    masked: list[Masked] = []
    for document, run in groupby(turns, _document_of):
        texts = [turn.text if document else _message_text(turn) for turn in run]
        # A key or private text may begin in one chunk of a document and go on in the next.
        parts = [texts] if document else [[text] for text in texts]
        for part in parts:
            masked += mask_parts(part, secrets=policy != "off")
    if policy == "refuse" and (positions := [n for n, text in enumerate(masked) if text.secrets]):
        raise SecretError(
            f"turn {positions[0] + 1} holds what looks like a secret (a key, token or password),"
            " and this memory refuses those: leave it out, or let them be masked:"
            " memory admin settings secrets mask",
            positions,
        )
    return PublicTurns(
        [
            replace(turn, text=text.text) if text.text != turn.text else turn
            for turn, text in zip(turns, masked, strict=True)
        ],
        [
            # One record for all turns that are kept whole: a call may add a million turns.
            Withheld(masks.secrets, masks.private)
            if masks.secrets or masks.private
            else NOTHING_WITHHELD
            for masks in masked
        ],
    )


def _message_text(turn: Turn) -> str:
    text = without_block(turn.text)
    is_persons = turn.kind == "message" and not is_by_assistant(turn)
    return f"<private>{text}</private>" if is_persons and is_off_record(text) else text


def _document_of(turn: Turn) -> tuple[str, str] | None:
    """Which document a chunk is of; None for what was said."""
    return (turn.session, turn.speaker) if turn.kind == "document" else None


def policy_of(history: Sequence[Setting]) -> Policy:
    """The policy that a history of the setting ends in."""
    value = history[-1].value if history else DEFAULT_POLICY
    return value if value in get_args(Policy) else DEFAULT_POLICY


def withheld_of(history: Sequence[Setting]) -> Withheld:
    """The count that a history of the setting ends in."""
    value = history[-1].value if history else {}
    return Withheld(**value) if isinstance(value, dict) else Withheld()


def count_withheld(store: HasConnections) -> Withheld:
    """How many secrets and pieces of private text were ever left out of added turns."""
    return withheld_of(settings.settings_of(store, COUNT))


def add_withheld(conn: Connection, more: Withheld) -> None:
    """Count what was withheld, in the caller's transaction."""
    if not (more.secrets or more.private):
        return
    history = settings.setting_history(conn, COUNT)
    before = withheld_of(history)
    total = asdict(Withheld(before.secrets + more.secrets, before.private + more.private))
    if history:
        settings.update_setting(conn, COUNT, total)
    else:
        settings.add_setting(conn, COUNT, total)
