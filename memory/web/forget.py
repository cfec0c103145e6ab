"""Forgetting turns for good: a preview, a confirmation and a receipt."""

import json
from dataclasses import asdict
from typing import Any

from memory.errors import InputError
from memory.forget_preview import confirmation_of, matching_turns, preview
from memory.records import Forgotten, Turn
from memory.store import Store
from memory.web.page_request import Inputs, Page, PageRequest, PageResponse, PageRoute

CONSENT = "forget"  # what somebody types before turns are forgotten


def forget_form(request: PageRequest, store: Store) -> PageResponse:
    """What can be forgotten; with conditions, a preview of all that would go."""
    conditions = _conditions(request.inputs)
    values: dict[str, Any] = {"conditions": conditions, "gone": None, "consent": CONSENT}
    if any(conditions.values()):
        values["gone"] = preview(store, _turns(store, conditions))
        values["confirmation"] = confirmation_of(values["gone"])
    return Page("forget.html", values)


def forget(request: PageRequest, store: Store) -> PageResponse:
    """Forget turns for good, when somebody typed the word; the answer is the receipt."""
    if request.inputs.text("typed").lower() != CONSENT:
        raise InputError(f"nothing was forgotten: type the word {CONSENT} to agree")
    from memory.store.forget import receipt_due

    conditions = _conditions(request.inputs)
    due_before = [receipt_due(setting.value) for setting in store.settings("forgetting")]
    turns = _turns(store, conditions) if any(conditions.values()) else []
    if not turns and not due_before:
        raise InputError("say what is to be forgotten")
    if turns and confirmation_of(preview(store, turns)) != request.inputs.text("confirmation"):
        raise InputError(
            "nothing was forgotten: what would go is not what the preview showed; look at it again"
        )
    forgotten = store.forget([turn.id for turn in turns])
    earlier = [receipt for receipt in due_before if receipt.sha256 != forgotten.sha256]
    receipts = [*earlier, forgotten]
    return Page("receipt.html", {"receipts": [(each, _as_json(each)) for each in receipts]})


def _conditions(inputs: Inputs) -> dict[str, str]:
    return {name: inputs.text(name) for name in ("speaker", "session", "turn", "matching")}


def _turns(store: Store, conditions: dict[str, str]) -> list[Turn]:
    return matching_turns(
        store,
        speaker=conditions["speaker"],
        session=conditions["session"] or None,
        ids=Inputs({"turn": [conditions["turn"]]}).numbers("turn") if conditions["turn"] else (),
        matching=conditions["matching"],
    )


def _as_json(receipt: Forgotten) -> str:
    return json.dumps(asdict(receipt), ensure_ascii=False)


PAGES: list[PageRoute] = [("GET", "/forget", forget_form), ("POST", "/forget", forget)]
