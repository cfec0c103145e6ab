"""Forgetting turns in the rows other than facts: tags, names, pairs, summaries, attributes.

Rows derived from the turns are removed with them. Later, when it is clear that a text quotes words
that no one else has said, the rows with that quotation are removed too. If a row is about more than
these turns, only the words are removed. The log of the rows is cleaned the same way.
"""

import json
from collections.abc import Callable, Collection, Sequence

from memory.store.changes import journaled_rows
from memory.store.changes.journaled_rows import Row
from memory.store.database import Connection
from memory.store.turns.turn_validation import OLDER_VERSION
from memory.vocabulary import default_vocabulary


def remove_rows(conn: Connection, turn_ids: Sequence[int], fact_ids: Collection[int]) -> None:
    """Remove the rows derived from turns and facts; called while these turns still exist.

    A summary that covers turns which stay loses its text, and waits to be told anew.
    """
    conn.run("delete_newer_words", turn_ids=[*turn_ids])
    conn.run("delete_tags_of_turns", turn_ids=[*turn_ids])
    conn.run("delete_aliases_of_turns", turn_ids=[*turn_ids])
    conn.run("delete_rows_of_turns", turn_ids=[*turn_ids])
    turns, facts = {*turn_ids}, {*fact_ids}

    def without_pair(row: Row) -> Row | None:
        is_of_facts = {row["first_fact"], row["second_fact"]} & facts
        return None if is_of_facts or {row["first_turn"], row["turn_id"]} & turns else row

    def without_summary(row: Row) -> Row | None:
        first, last = row["turn_id"], row["last_turn_id"]
        if not any(first <= turn_id <= last for turn_id in turns):
            return row
        covered = conn.run("turn_ids_between", first=first, last=last, most=last - first + 1)
        stay = {turn_id for (turn_id,) in covered} - turns
        return {**row, "summary": ""} if stay else None

    journaled_rows.clean(conn, {"contradictions": without_pair, "summaries": without_summary})


def remove_versions(conn: Connection, versions: Collection[str]) -> None:
    """Remove what marks turns as replaced by these versions of files, which are gone.

    The mark has a hash of the whole file, by which a guess of its text could be proved.
    """

    def without_mark(row: Row) -> Row | None:
        return None if row["key"] == OLDER_VERSION and row["value"] in versions else row

    journaled_rows.clean(conn, {"tags": without_mark})


def remove_quotations(
    conn: Connection,
    quotes: Callable[[str], bool],
    changes: Collection[int],
    names: Collection[str],
) -> None:
    """Remove what quotes turns that are gone.

    That is entities that no fact and no alias names any more, aliases that a person gave, names
    that only forgotten facts had, summaries, and descriptions that some changes wrote, which have
    read what is forgotten. What an application named itself stays.

    Arguments:
        conn: the memory.
        quotes: whether a text holds words of the turns or their facts.
        changes: those whose statements are gone.
        names: of subjects and attributes that the facts had.
    """
    described = [
        json.loads(image)
        for _, change_id, *images in conn.run("logged_rows", table_name="entities").fetchall()
        if change_id in changes
        for image in images
        if image
    ]
    gone_descriptions = {row["description"] for row in described}
    default = default_vocabulary()
    gone_names = {name for name in names if quotes(name) and default.canonical(name) is None}

    def without_entity(row: Row) -> Row | None:
        name, text = row["name"], row["description"]
        is_named = conn.run("is_named", name=name).fetchone() is not None
        is_gone = bool(text) and (text in gone_descriptions or quotes(text))
        return row if is_named and not is_gone and not quotes(name) else None

    def without_alias(row: Row) -> Row | None:
        return None if quotes(row["name"]) or quotes(row["entity"]) else row

    def without_quotation(row: Row) -> Row | None:
        return {**row, "summary": ""} if quotes(row["summary"]) else row

    def without_other_names(row: Row) -> Row | None:
        stay = [name for name in json.loads(row["other_names"]) if name not in gone_names]
        return {**row, "other_names": json.dumps(stay, ensure_ascii=False)}

    cleaned = {
        "entities": without_entity,
        "aliases": without_alias,
        "summaries": without_quotation,
    }
    if gone_names:
        cleaned["attributes"] = without_other_names
    journaled_rows.clean(conn, cleaned)
