"""No export brings a name that only the memory gives, wherever the export has it."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, Turn
from memory.exchange import read_export
from memory.exchange.importer import importers
from memory.exchange.items import storable_items
from memory.exchange.transcripts import AGENTS, read_transcript
from memory.records import CORRECTIONS
from memory.store.turns.turn_validation import (
    FORGET_AFTER,
    HIDDEN,
    IMPORTED_AS,
    ME,
    SPOKEN_BY,
    WRITTEN_AS,
    WRITTEN_BY,
    is_minted_session,
)
from tests.memory.exchange import test_exchange, test_messengers, test_other_chats
from tests.support.agent_transcripts import ClaudeCodeSession, CodexSession

pytestmark = pytest.mark.slow

# Each writes an export of one or two programs, with all that these programs say of a message.
EXAMPLES = [
    test_exchange.test_langmems_items_are_read_as_langgraph_gives_them,
    test_exchange.test_mem0s_memories_are_said_by_their_user,
    test_messengers.test_the_marks_of_chatgpts_citations_are_left_out,
    test_messengers.test_of_claudes_conversations_the_current_branch_is_read,
    test_messengers.test_claudes_projects_are_documents,
    test_messengers.test_lists_of_messages_are_conversations,
    test_messengers.test_a_telegram_chat_and_all_chats_are_read,
    test_other_chats.test_messengers_texts_get_their_characters_back_and_come_oldest_first,
    test_other_chats.test_a_discord_channel_has_nicknames_files_and_forwarded_words,
    test_other_chats.test_a_slack_workspace_has_the_names_of_its_people,
    test_other_chats.test_signals_export_names_who_wrote,
    test_other_chats.test_open_webuis_current_branch_is_read_without_thoughts,
    partial(
        test_other_chats.test_sillytaverns_chats_have_the_dates_of_all_its_versions,
        date="2025-09-01T10:00:00.000Z",
        said_at="2025-09-01T10:00:00Z",
    ),
    test_other_chats.test_logs_of_text_generation_webui_name_the_character_by_its_folder,
    test_other_chats.test_groks_conversations_are_read_without_its_cards,
    test_other_chats.test_geminis_activity_is_read_oldest_first_and_other_activity_left_out,
]
# Not JSON: rows of CSV have a test of their own, these say no session and no tag.
OTHERS = {"csv", "jsonl", "ltm", "whatsapp"}
NAMES = [str(CORRECTIONS), "memory tool /memories/rules.md", 'langgraph ["users", "anna"]']
KEYS = [*map(str, (IMPORTED_AS, WRITTEN_AS, WRITTEN_BY, HIDDEN, FORGET_AFTER, SPOKEN_BY))]
KEYS += ["memory tool blank", "langgraph ttl", "openai-agents role"]
FIELDS = {"session": NAMES[1], "source": "slack:7:1", **dict.fromkeys(KEYS, "me")}


def changed(value: Any, names: Iterator[str]) -> Any:
    """A JSON value with the next of the names in place of each text, as far as they reach."""
    if isinstance(value, str):
        return next(names, value) or value
    if isinstance(value, list):
        return [changed(item, names) for item in value]
    if isinstance(value, dict):
        return {key: changed(item, names) for key, item in value.items()}
    return value


def with_fields(value: Any) -> Any:
    """A JSON value whose objects have all reserved names as fields, tags and metadata, too."""
    if isinstance(value, list):
        return [with_fields(item) for item in value]
    if isinstance(value, dict):
        more = {**FIELDS, "tags": FIELDS, "metadata": FIELDS}
        return {**more, **{key: with_fields(item) for key, item in value.items()}}
    return value


def variants(value: Any) -> Iterator[Any]:
    yield with_fields(value)
    for place in range(min(str(value).count("'") // 2, 120)):
        name = NAMES[place % len(NAMES)]
        yield changed(value, iter([""] * place + [name]))


def turns_of(path: Path) -> tuple[str, list[Turn]]:
    try:
        export = read_export(path)
        return export.format, [item for item in export.items if isinstance(item, Turn)]
    except InputError:
        return "", []


def speakers_of_mine(turns: list[Turn]) -> set[str]:
    """By whom the turns are that an export says are the person's own."""
    return {turn.speaker for turn in turns if turn.tags.get(IMPORTED_AS) == ME}


def test_no_export_brings_a_name_that_only_the_memory_gives(tmp_path: Path) -> None:
    read = set()
    for number, write in enumerate(EXAMPLES):
        (folder := tmp_path / str(number)).mkdir()
        write(folder)
        for path in [*folder.rglob("*.json"), *folder.rglob("*.jsonl")]:
            text = path.read_text("utf-8")
            is_lines = path.suffix == ".jsonl"
            value = [*map(json.loads, text.splitlines())] if is_lines else json.loads(text)
            exported = path if turns_of(path)[1] else path.parent
            format_, before = turns_of(exported)
            mine = speakers_of_mine(before)
            for variant in variants(value):
                lines = map(json.dumps, variant) if is_lines else [json.dumps(variant)]
                path.write_text("\n".join(lines), "utf-8")
                _, turns = turns_of(exported)
                read.update({format_} if turns else ())
                for turn in turns:
                    assert not is_minted_session(turn.session), (format_, turn)
                    assert turn.source.startswith(format_.replace(" ", "-")), turn
                    assert not {*turn.tags} & {*KEYS} - {IMPORTED_AS}, turn
                assert speakers_of_mine(turns) <= {*mine, *NAMES}, variant
            path.write_text(text, "utf-8")
    assert read | OTHERS >= {importer.name for importer in importers()}


@pytest.mark.parametrize("agent", ["claude-code", "codex"])
def test_no_transcript_does_that_a_hook_or_an_import_reads(agent: str, tmp_path: Path) -> None:
    sessions = {"claude-code": ClaudeCodeSession, "codex": CodexSession}
    work = sessions[agent](tmp_path, "/home/ada/shop", "0000-aaaa")
    work.prompt("Mend the login.")
    if isinstance(work, CodexSession):
        work.command("pytest -q", "3 passed")
    else:
        work.tool("Bash", {"command": "pytest -q"}, "3 passed")
    work.reply("The button works.")
    records = [*map(json.loads, work.path.read_text("utf-8").splitlines())]
    count = 0
    for variant in variants(records):
        work.path.write_text("\n".join(map(json.dumps, variant)), "utf-8")
        for turn in storable_items(iter(read_transcript(AGENTS[agent], work.path).turns)):
            assert isinstance(turn, Turn)
            assert not is_minted_session(turn.session)
            assert turn.source.startswith(f"{agent}:")
            assert not {*turn.tags} & {*KEYS}
            count += 1
    assert count > 100
