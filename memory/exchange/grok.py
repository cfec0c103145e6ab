"""Grok's data export: conversations with their answers, in one object."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.items import MINE, REPLACED, session_name, skipped_counts
from memory.exchange.json_files import json_members
from memory.records import Skipped, Turn
from memory.text.written_dates import clean_date

# Cards and citations that Grok shows inside an answer.
_RENDERED = re.compile(r"\s*<grok:render\b[^>]*>.*?</grok:render>|<grok:render\b[^>]*/>", re.DOTALL)
_USER = "human"


def is_grok(value: Mapping[str, Any]) -> bool:
    """Whether an object is an export of Grok's conversations."""
    conversations = value.get("conversations")
    if not isinstance(conversations, list):
        return False
    return not conversations or "responses" in (conversations[0] or {})


def read_grok(export: ExportFiles) -> Iterator[Turn | Skipped]:
    """The messages on the current branch of each conversation.

    Leaves out and counts replaced answers, and messages without words.
    """
    left_out: Counter[str] = Counter()
    for file in export.files:
        for item in json_members(file, {(), ("conversations",)}):
            if isinstance(item, Skipped):
                yield item
                continue
            path, value = item
            if path[0] != "conversations" or len(path) != 2:
                continue
            if not isinstance(value, Mapping) or not isinstance(value.get("responses"), list):
                yield Skipped(f"{file.name}: conversation {path[1]}", "no list of responses")
                continue
            yield from _read_conversation(value, export.user, left_out)
    yield from skipped_counts(left_out)


def _read_conversation(
    value: Mapping[str, Any], user: str, left_out: Counter[str]
) -> Iterator[Turn]:
    head = value.get("conversation") or {}
    identity = str(head.get("id") or head.get("conversation_id") or "")
    session = session_name(head.get("title"), identity)
    responses = [
        response
        for wrapped in value["responses"]
        if isinstance(wrapped, Mapping)
        and isinstance(response := wrapped.get("response", wrapped), Mapping)
    ]
    current = _branch(responses, str(head.get("leaf_response_id") or ""))
    left_out[REPLACED] += len(responses) - len(current)
    for response in current:
        text = _RENDERED.sub("", str(response.get("message") or "")).strip()
        names = [
            str(file.get("name") or file.get("file_name"))
            for file in response.get("file_attachments") or []
            if isinstance(file, Mapping) and (file.get("name") or file.get("file_name"))
        ]
        text = "\n".join([*([text] if text else []), *(f"[file: {name}]" for name in names)])
        if not text:
            left_out["no text"] += 1
            continue
        is_users = str(response.get("sender")).casefold() in (_USER, "user")
        yield Turn(
            user if is_users else "Grok",
            text,
            session=session,
            said_at=_moment(response.get("create_time"))
            or clean_date(head.get("create_time"))[:10],
            source=f"grok:{identity}:{response.get('_id') or response.get('id')}",
            tags=MINE if is_users else {},
        )


def _branch(responses: Sequence[Mapping[str, Any]], leaf: str) -> list[Mapping[str, Any]]:
    """The responses from the first to the current one; all if they name no parents."""
    by_id = {str(response.get("_id")): response for response in responses}
    if leaf not in by_id:
        return [*responses]
    branch: dict[str, Mapping[str, Any]] = {}
    while leaf in by_id and leaf not in branch:  # a damaged tree may have a cycle
        branch[leaf] = by_id[leaf]
        leaf = str(by_id[leaf].get("parent_response_id") or "")
    if len(branch) == 1 and not branch[next(iter(branch))].get("parent_response_id"):
        return [*responses]
    return list(reversed(branch.values()))


def _moment(value: object) -> str:
    """A date as MongoDB writes it, {"$date": {"$numberLong": "..."}}, or as text."""
    while isinstance(value, Mapping):
        value = value.get("$date", value.get("$numberLong"))
    return clean_date(value)


IMPORTER = Importer("grok", read_grok, is_object=is_grok)
