"""Forgetting turns for good: a preview, a confirmation and a receipt."""

import json
from dataclasses import asdict
from typing import Any, TypedDict

from memory.errors import InputError
from memory.records import Forgotten, Turn
from memory.server.web.page_request import Inputs, Page, PageRequest, PageResponse, PageRoute
from memory.store import Store
from memory.store.configuration.settings import settings_of
from memory.store.forgetting import preview as forgetting
from memory.store.forgetting.preview import NoMatchError, matching_turns, preview
from memory.store.turns.expiry import expiring_turns

CONDITIONS = ("speaker", "session", "turn", "about", "matching", "all")
CHOICES = ("only", "repeats")
CONSENT = "forget"  # typed to confirm


def forget_form(request: PageRequest, store: Store) -> PageResponse:
    """The form; with conditions, a preview of what forgetting removes."""
    conditions = _conditions(request.inputs)
    values: dict[str, Any] = {
        "conditions": conditions,
        "choices": {name: request.inputs.text(name) for name in CHOICES},
        "gone": None,
        "is_due": bool(settings_of(store, "forgetting")),
        "consent": CONSENT,
        "expiring": expiring_turns(store),
    }
    if any(conditions.values()):
        try:
            turns = _turns(store, conditions)
        except NoMatchError:
            turns = []
        matching = conditions["matching"]
        values["gone"] = preview(store, turns, matching=matching, **_follows(request.inputs))
    return Page("forget.html", values)


def forget(request: PageRequest, store: Store) -> PageResponse:
    """Forget turns for good, once the word was typed to confirm. Shows the receipts."""
    if request.inputs.text("typed").lower() != CONSENT:
        raise InputError(f"nothing was forgotten: type {CONSENT} to confirm")
    conditions = _conditions(request.inputs)
    if any(conditions.values()):
        confirmation = request.inputs.text("confirmation")
        _, receipts = forgetting.forget(
            store,
            _turns(store, conditions),
            lambda gone: gone.confirmation == confirmation,
            matching=conditions["matching"],
            **_follows(request.inputs),
        )
        if not receipts:
            raise InputError("nothing was forgotten: the memory has changed since the preview")
    elif settings_of(store, "forgetting"):
        receipts = forgetting.forget_without_preview(store)
    else:
        raise InputError("say what to forget")
    return Page(
        "receipt.html", {"receipts": [(receipt, _as_json(receipt)) for receipt in receipts]}
    )


def _conditions(inputs: Inputs) -> dict[str, str]:
    return {name: inputs.text(name) for name in CONDITIONS}


class _Follows(TypedDict):
    replies: bool
    repeats: bool


def _follows(inputs: Inputs) -> _Follows:
    """Which turns with the same words go too."""
    return {"replies": not inputs.text("only"), "repeats": bool(inputs.text("repeats"))}


def _turns(store: Store, conditions: dict[str, str]) -> list[Turn]:
    return matching_turns(
        store,
        speaker=conditions["speaker"],
        session=conditions["session"] or None,
        ids=Inputs({"turn": [conditions["turn"]]}).numbers("turn") if conditions["turn"] else (),
        matching=conditions["matching"],
        about=conditions["about"],
    )


def _as_json(receipt: Forgotten) -> str:
    return json.dumps(asdict(receipt), ensure_ascii=False)


PAGES: list[PageRoute] = [("GET", "/forget", forget_form), ("POST", "/forget", forget)]
