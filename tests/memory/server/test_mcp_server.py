"""A namespace as an MCP server, asked by the SDK's client in the process, in both protocols."""

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from memory import InputError, Turn, open_store
from memory.errors import ModelError, StoreError
from memory.operations.tool_arguments import RESULT_TOKENS
from memory.operations.tools import GROUPS
from memory.server.fault_messages import fault_message
from memory.server.handles import Handles
from memory.server.mcp_server import INSTRUCTIONS, mcp_server
from memory.store.namespaces import location_of
from memory.text.tokens import count_tokens
from tests.conftest import SAID
from tests.support.mcp_clients import MODES, text_of, use
from tests.support.reversed_ranking import REVERSED, reversing_program
from tests.support.scripted import answer, scripted_model, sql

BOTH_STORES = "slow"

# A resource that is not there, by protocol (MODES).
NOT_FOUND = {"auto": -32602, "legacy": -32002}
ALL = [group for group in GROUPS if group != "core"]
WHERE = "Where does Anna live?"


@pytest.fixture
def handles() -> Iterator[Handles]:
    pairs = [([], sql("SELECT turn_id FROM facts")), (["Oslo"], answer("Oslo", "1"))]
    opened = Handles(scripted_model(pairs))
    yield opened
    opened.close()


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
def test_what_is_remembered_is_recalled_asked_listed_and_corrected(
    handles: Handles, mode: str
) -> None:
    async def work(client: Client) -> None:
        said = await text_of(
            client, "remember", turns=[{"text": "I play the flute.", "speaker": "Anna"}]
        )
        assert said == "Remembered as turn 6."
        assert "Anna: I play the flute." in await text_of(client, "recall", query="flute", limit=1)
        told = await text_of(client, "ask_memory", question=WHERE)
        assert told.startswith("Oslo\n[1] ")
        assert "Anna lives_in: Oslo since" in await text_of(client, "list_facts", subject="anna")
        done = await text_of(client, "correct_fact", fact_id=1, value="Bergen")
        assert re.fullmatch(r"Done as change (\d); undo_change\(\1\) undoes it.", done)
        assert "Bergen" in await text_of(client, "list_facts")

    use(mcp_server(handles, "anna"), work, mode)
    with open_store(location_of("anna")) as store:
        assert re.fullmatch(r"mcp 20\d\d-\d\d-\d\d", store.turn(6).session)


def test_recall_ranks_by_the_weights_of_the_program() -> None:
    handles = Handles(scripted_model([]), program=reversing_program())
    with open_store(location_of("anna")) as store:
        ranked = [hit.turn_id for hit in store.search(WHERE, weights=REVERSED)]
        assert ranked != [hit.turn_id for hit in store.search(WHERE)]

    async def work(client: Client) -> None:
        recalled = await text_of(client, "recall", query=WHERE)
        assert [int(number) for number in re.findall(r"(?m)^\[(\d+)\]", recalled)] == ranked

    use(mcp_server(handles, "anna"), work)
    handles.close()


def test_recall_takes_a_filter_as_an_object(handles: Handles) -> None:
    async def work(client: Client) -> None:
        recalled = await text_of(client, "recall", query=WHERE, filter={"speaker": "Ben"})
        assert set(re.findall(r"(?m)^\[(\d+)\]", recalled)) == {"2", "4"}
        as_text = await text_of(client, "recall", query=WHERE, filter='{"speaker": "Ben"}')
        assert as_text == recalled
        refused = await text_of(client, "recall", query=WHERE, filter={"mood": "good"})
        assert "there are speaker, session, kind" in refused

    assert tools_listed(handles)["recall"].input_schema["properties"]["filter"]["type"] == "object"
    use(mcp_server(handles, "anna"), work)


@pytest.mark.parametrize("mode", MODES)
def test_an_error_is_one_and_says_what_to_do(handles: Handles, mode: str) -> None:
    async def work(client: Client) -> None:
        refused = await text_of(client, "query_memory", select="DELETE FROM turns")
        assert refused.startswith("error: ")
        assert "here only a SELECT is allowed" in refused
        assert "list the facts" in await text_of(client, "correct_fact", fact_id=99, value="x")
        wrong = await text_of(client, "recall", query="x", limit="many")
        assert "not 'many'" in wrong

    use(mcp_server(handles, "anna"), work, mode)


def test_what_a_person_must_put_right_names_no_path_and_no_command() -> None:
    told = fault_message(
        ModelError("/home/x.db names a model; agree with: memory admin embed --agree")
    )
    assert "memory admin" not in told
    for location in ("/home/anna/x.db", "postgresql://anna@db/memory?namespace=anna", "C:\\x.db"):
        broken = fault_message(StoreError(f"{location}: the file is damaged; restore it"))
        assert broken.startswith("the file is damaged. Do not retry")
    assert told.startswith("this memory names a model. Do not retry")
    assert "tell the user" in told
    # A model gets no megabyte back that it sent for a date.
    assert len(fault_message(InputError(f"as_of {'x' * 1_000_000} is no date"))) < 5_000
    assert fault_message(InputError("there is no fact 3; list the facts")) == (
        "there is no fact 3; list the facts"
    )


def tools_listed(handles: Handles, **options: Any) -> dict[str, Any]:
    async def work(client: Client) -> dict[str, Any]:
        return {tool.name: tool for tool in (await client.list_tools()).tools}

    return use(mcp_server(handles, "anna", **options), work)


def test_tools_are_those_of_the_rights_and_groups(handles: Handles) -> None:
    assert list(tools_listed(handles)) == list(GROUPS["core"])
    assert {"forget", "digest", "set_setting"} <= {*tools_listed(handles, groups=ALL)}
    reads = tools_listed(handles, rights=("read",), groups=ALL)
    assert [*reads] == [
        *("recall", "ask_memory", "list_facts", "query_memory", "get_settings"),
        *("search_memory", "sample_memory"),
    ]
    assert all(tool.annotations.read_only_hint for tool in reads.values())
    writes = tools_listed(handles, rights=("read", "write"), groups=ALL)
    assert "forget" not in writes
    assert "remember" in writes


def test_no_tool_takes_a_namespace_and_hints_are_right(handles: Handles) -> None:
    tools = tools_listed(handles, groups=ALL)
    for tool in tools.values():
        assert "namespace" not in json.dumps(tool.input_schema)
        assert all(p["description"] for p in tool.input_schema["properties"].values())
        assert not re.search('"[gl][et]":', json.dumps(tool.input_schema)), tool.name
        assert tool.output_schema is None
    assert tools["forget"].annotations.destructive_hint is True
    assert tools["remember"].annotations.destructive_hint is False
    assert not tools["remember"].annotations.read_only_hint


def test_descriptions_and_instructions_are_short(handles: Handles) -> None:
    """With the schemas and hints of the tools that a client gets when nothing else is said."""
    tools = tools_listed(handles).values()
    texts = [tool.model_dump_json(by_alias=True, exclude_none=True) for tool in tools]
    assert sum(map(count_tokens, texts)) <= 1_250
    assert count_tokens(INSTRUCTIONS) <= 100


@pytest.mark.parametrize("mode", MODES)
def test_resources_are_read_by_their_addresses(handles: Handles, mode: str) -> None:
    async def work(client: Client) -> None:
        async def read(address: str) -> str:
            [content] = (await client.read_resource(f"memory://{address}")).contents
            return str(content.text)

        assert "speakers: Anna(3), Ben(2)" in await read("catalog")
        assert await read("turns/3") == f"[3] (Mon 08 May 2017) Anna: {SAID[2].text}"
        assert len((await read("sessions/session_2")).splitlines()) == 2
        assert "Anna lives_in: Oslo since" in await read("facts")
        assert "+ Anna has_pet: cat Miso (fact 2" in await read("changes/1")
        for address in ("turns/99", "turns/x", "turns/" + "9" * 30, "sessions/none", "changes/7"):
            with pytest.raises(MCPError, match=r"there is no|not a number|no turn") as refused:
                await read(address)
            assert refused.value.code == NOT_FOUND[mode]
        with pytest.raises(MCPError) as refused:
            await read("nothing/of/this/name")
        assert refused.value.code == NOT_FOUND[mode]
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template.split("/")[2] for template in templates] == [
            *("turns", "sessions", "changes"),
        ]

    use(mcp_server(handles, "anna"), work, mode)


def test_prompts_name_the_tools_to_call(handles: Handles) -> None:
    async def work(client: Client) -> None:
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert names == ["recall_about", "save_this_conversation", "review_facts"]
        prompt = await client.get_prompt("review_facts", {"subject": "Anna"})
        assert "list_facts with subject 'Anna'" in prompt.messages[0].content.text

    use(mcp_server(handles, "anna"), work)

    async def read_only(client: Client) -> None:
        assert [p.name for p in (await client.list_prompts()).prompts] == ["recall_about"]

    use(mcp_server(handles, "anna", rights=["read"]), read_only)


@pytest.mark.parametrize("mode", MODES)
def test_a_prompt_that_is_not_there_is_an_invalid_parameter(
    handles: Handles, mode: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(client: Client) -> None:
        for name, arguments, message in (
            ("none_such", {}, "Unknown prompt: none_such"),
            ("review_facts", {}, "Missing required arguments: {'subject'}"),
        ):
            with pytest.raises(MCPError) as refused:
                await client.get_prompt(name, arguments)
            assert (refused.value.code, str(refused.value)) == (-32602, message)

    use(mcp_server(handles, "anna"), work, mode)
    assert "Traceback" not in caplog.text


@pytest.mark.slow
def test_results_and_resources_are_bounded(handles: Handles) -> None:
    with open_store(location_of("anna")) as store:
        store.add([Turn("Anna", f"{n} " + "long story " * 300) for n in range(60)])

    async def work(client: Client) -> None:
        for tool, arguments in (
            ("recall", {"query": "long story", "limit": 50}),
            ("query_memory", {"select": "SELECT * FROM turns"}),
        ):
            assert count_tokens(await text_of(client, tool, **arguments)) <= RESULT_TOKENS
        [content] = (await client.read_resource("memory://sessions/")).contents
        assert count_tokens(str(content.text)) <= RESULT_TOKENS + 20
        assert "of 60 turns)" in str(content.text)

    use(mcp_server(handles, "anna"), work)


@pytest.mark.parametrize("mode", MODES)
def test_a_question_tells_of_its_progress(handles: Handles, mode: str) -> None:
    steps: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        steps.append(message)

    async def work(client: Client) -> None:
        await client.call_tool("ask_memory", {"question": WHERE}, progress_callback=note)

    use(mcp_server(handles, "anna"), work, mode)
    assert steps == ["finding what was said", "answering"]


def test_a_question_that_was_cancelled_asks_the_model_no_further(home: object) -> None:
    """The first step is under way when the client leaves; the second is not begun."""
    model = scripted_model([([], sql("SELECT turn_id FROM facts")), ([], answer("Oslo", "1"))])
    asked, may_go_on = threading.Event(), threading.Event()
    complete = model.lm.script.complete

    def wait(request: Any) -> Any:
        asked.set()
        may_go_on.wait(10)
        return complete(request)

    model.lm.script.complete = wait
    handles = Handles(model)

    async def work(client: Client) -> None:
        call = asyncio.create_task(client.call_tool("ask_memory", {"question": WHERE}))
        await asyncio.to_thread(asked.wait, 10)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert "Oslo" in await text_of(client, "recall", query="Oslo"), "others are not held up"

    try:
        use(mcp_server(handles, "anna"), work)
    finally:
        may_go_on.set()
        handles.close()
    assert len(model.lm.script.prompts) == 1


def test_a_fresh_memory_of_another_name_is_not_reached(handles: Handles) -> None:
    async def work(client: Client) -> None:
        assert "there is no namespace 'ben'" in await text_of(client, "recall", query="x")

    use(mcp_server(handles, "ben"), work)
