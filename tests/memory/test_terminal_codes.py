"""What a terminal obeys reaches none: not by tools, resources or logs. Commands: cli/."""

import logging
import re
from contextlib import nullcontext
from inspect import signature
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import quote

import pytest

import memory as package
from memory import InputError, Memory, Store, Turn, open_store
from memory.errors import MemoryFault
from memory.operations.tools import GROUPS, Tools, tool_rights
from memory.server.fault_messages import fault_message
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.store.facts.entity_edits import add_alias, describe_entity
from memory.store.namespaces import create
from memory.store.waiting.pending_windows import claim_window, fail_window
from memory.system.logs import clean_logger
from memory.text.characters import one_line
from tests.support import coded_texts
from tests.support.coded_texts import add_document_and_facts
from tests.support.mcp_clients import use
from tests.support.scripted import scripted_model

CODES = f"{coded_texts.CODES}\N{RIGHT-TO-LEFT OVERRIDE}"
_ALLOWED = {"\n", "\t"}


def obeyed(text: str) -> set[str]:
    """The characters of a text that a terminal obeys."""
    return {c for c in text if category(c) in ("Cc", "Cf", "Zl", "Zp")} - _ALLOWED


def fill(store: Store, folder: Path) -> None:
    """Put the codes into every text of a memory that others can write."""
    turns = [
        Turn(name, f"I moved to Oslo.{CODES} {n}", f"s{CODES}", "2023", f"i{n}{CODES}", tags=tags)
        for n, name in enumerate([f"Anna{CODES}", f"Ben{CODES}"])
        for tags in [{f"topic{CODES}": f"flat{CODES}"}]
    ]
    store.add(turns)
    add_document_and_facts(store, folder, CODES)
    add_alias(store, f"Annie{CODES}", f"Anna{CODES}")
    describe_entity(store, one_line(f"Anna{CODES}"), f"a painter{CODES}")
    window = claim_window(store, 3)
    assert window
    fail_window(store, window, f"the model said {CODES}")


def argument_of(name: str, annotation: Any) -> Any:
    """A value for a parameter of a tool: an id that is there, or a text with the codes in it."""
    kind = str(annotation)
    if "Literal" in kind or "Filter" in kind or name in ("filter", "as_of"):
        return None
    if "int" in kind:
        return [1] if "Sequence" in kind or "list" in kind or "TurnIds" in kind else 1
    if annotation is bool:
        return False
    return "SELECT text, speaker FROM turns" if name in ("sql", "query_sql") else f"Oslo{CODES}"


def test_no_tool_gives_back_what_a_terminal_obeys(tmp_path: Path, path: Path) -> None:
    with open_store(path) as store:
        fill(store, tmp_path)
        tools = Tools(
            lambda: nullcontext(store),
            Memory,
            weights=None,
        )
        said: dict[str, str] = {}
        for name in tool_rights([*GROUPS]):
            tool = getattr(tools, name)
            given = {
                parameter.name: argument_of(parameter.name, parameter.annotation)
                for parameter in signature(tool).parameters.values()
                if parameter.default is parameter.empty
            }
            for arguments in (given, {**given, "sql": "SELECT speaker, text FROM turns"}):
                try:
                    said[name] = tool(**arguments)
                except MemoryFault as fault:
                    said.setdefault(f"{name} refuses", fault_message(fault))
                except TypeError:
                    continue
    assert len(said) > 10
    assert {name: obeyed(text) for name, text in said.items() if obeyed(text)} == {}


def test_no_resource_does(home_folder: Path, tmp_path: Path) -> None:
    with open_store(create("codes")) as store:
        fill(store, tmp_path)
    handles = Handles(scripted_model([]))
    session = quote(f"s{CODES}")
    addresses = ["catalog", "facts", "turns/1", f"sessions/{session}", "changes/1", "changes/2"]
    addresses += [f"sessions/none{session}", f"turns/{quote(CODES)}"]

    async def read(client: Any) -> dict[str, str]:
        texts = {}
        for address in addresses:
            try:
                [content] = (await client.read_resource(f"memory://{address}")).contents
                texts[address] = content.text
            except Exception as fault:  # noqa: BLE001 - a client's errors have many classes
                texts[address] = str(fault)
        return texts

    texts = use(mcp_server(handles, "codes"), read)
    handles.close()
    assert sum("Oslo" in text for text in texts.values()) >= 4
    assert {name: obeyed(text) for name, text in texts.items() if obeyed(text)} == {}


def test_no_log_does(caplog: pytest.LogCaptureFixture) -> None:
    clean_logger("memory.store").warning("%s: %s", f"a{CODES}.db", InputError(f"no {CODES}"))
    [line] = caplog.messages
    assert not obeyed(line)
    assert "a" in line
    assert isinstance(logging.getLogger("memory.store").filters, list)


def test_all_logs_go_one_way() -> None:
    root = Path(package.__file__).parent
    plain = re.compile(r"getLogger\((?:\"memory|__name__)")
    assert [file for file in root.rglob("*.py") if plain.search(file.read_text("utf-8"))] == []
