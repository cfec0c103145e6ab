"""Turns and their facts removed for good: once their preview is confirmed, or from a moment on."""

from typing import Annotated

from pydantic import Field

from memory.errors import InputError
from memory.operations.answers import Expiries, ForgetAnswer
from memory.operations.operation import Id, OpenMemory, operation
from memory.records import Change
from memory.store.forgetting.preview import Preview, matching_turns
from memory.store.forgetting.preview import forget as forget_turns
from memory.store.turns.expiry import expiring_turns, set_expiry


class WrongConfirmationError(InputError):
    """The confirmation is not that of the turns; it carries their preview."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("this confirmation is not the one of these turns; nothing was forgotten")
        self.preview = preview


@operation("forget", "POST /forget")
def forget(
    memory: OpenMemory,
    turn_ids: list[Id] = [],  # noqa: B006 - pydantic copies it
    speaker: Annotated[str, Field(description="All turns of one person.")] = "",
    session: Annotated[str | None, Field(description="All turns of one session.")] = None,
    matching: Annotated[str, Field(description="Turns with these words, whole, in any case.")] = "",
    about: Annotated[
        str, Field(description="Turns with facts about a person, by any of their names.")
    ] = "",
    confirmation: Annotated[
        str, Field(description="The confirmation of the preview; omit it to get the preview.")
    ] = "",
    replies: Annotated[
        bool, Field(description="Also forget replies of assistants that quote these turns.")
    ] = True,
    repeats: Annotated[
        bool, Field(description="Also forget turns of people who say the same again.")
    ] = False,
) -> ForgetAnswer:
    """Preview what to forget; with its confirmation, forget it. All conditions must match."""
    if not (turn_ids or speaker or session is not None or matching or about):
        raise InputError("name what to forget: turn_ids, speaker, session, matching or about")
    turns = matching_turns(
        memory.store,
        ids=turn_ids,
        speaker=speaker,
        session=session,
        matching=matching,
        about=about,
    )
    gone, receipts = forget_turns(
        memory.store,
        turns,
        lambda gone: gone.confirmation == confirmation,
        replies=replies,
        repeats=repeats,
        matching=matching,
    )
    if not receipts:
        if confirmation:
            raise WrongConfirmationError(gone)
        return {"preview": gone, "confirmation": gone.confirmation}
    *earlier, receipt = receipts
    return {"receipt": receipt, "earlier_receipts": earlier}


@operation("read", "GET /expiries")
def expiring(memory: OpenMemory) -> Expiries:
    """List turns that will be forgotten, the next one first."""
    return {"expiring": expiring_turns(memory.store)}


@operation("forget", "POST /expiries")
def expire(
    memory: OpenMemory,
    turn_ids: Annotated[list[Id], Field(min_length=1)],
    expires: Annotated[
        str, Field(description="A date, which counts whole, a time, 12h or 7d; or never.")
    ],
) -> Change:
    """Have turns forgotten after a moment; only if a person asks for it."""
    return set_expiry(memory.store, turn_ids, expires, memory.by)
