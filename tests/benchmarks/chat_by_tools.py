"""A chat of 24 turns by an assistant with MCP tools alone: its calls, and the tokens they take.

    python -m tests.benchmarks.chat_by_tools [--show]

The chat is made up, and its calls are those that a careful assistant makes: what is new is stored
with its facts, a slip is corrected, an end is one, and three questions are answered by recall. No
model is asked. Tokens are those of the arguments and of the results, and once those of the tools.
"""

import argparse
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mcp import Client

from memory import open_store
from memory.server.handles import Handles
from memory.server.mcp_server import mcp_server
from memory.settings import set_owner
from memory.store.namespaces import create
from memory.text.tokens import count_tokens
from tests.support.mcp_clients import text_of, use

DAY = "2026-11-17"
# What Mara says, with the facts in it. With a slip, an end and four questions that is twelve
# messages, and twelve replies.
SAID: list[tuple[str, list[dict[str, str]]]] = [
    (
        "I live in Porto with my son Kim, who has just turned 6.",
        [
            {"subject": "Mara", "attribute": "lives_in", "value": "Porto"},
            {"subject": "Kim", "attribute": "age", "value": "6"},
        ],
    ),
    ("I work as a nurse at Santo António.", [
        {"subject": "Mara", "attribute": "works_as", "value": "nurse at Santo António"}
    ]),
    ("We have a red Fiat.", [{"subject": "Mara", "attribute": "owns", "value": "a red Fiat"}]),
    ("On 3 November I went running, 5 km.", [
        {"subject": "Mara", "attribute": "went_running", "value": "5 km", "on": "2026-11-03"}
    ]),
    ("I am allergic to penicillin.", [
        {"subject": "Mara", "attribute": "allergic_to", "value": "penicillin"}
    ]),
    ("My sister Elena teaches maths.", [
        {"subject": "Elena", "attribute": "works_as", "value": "maths teacher"}
    ]),
]  # fmt: skip
QUESTIONS = ["Where does Mara live?", "How old is Kim?", "Do we still have the Fiat?"]


class Talk:
    """The calls of one chat, and what they took."""

    def __init__(self, client: Client, shows: bool) -> None:
        self._client = client
        self._shows = shows
        self.calls = 0
        self.tokens_in = 0
        self.tokens_out = 0

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool and count it."""
        result = await text_of(self._client, tool, **arguments)
        self.calls += 1
        self.tokens_in += count_tokens(json.dumps({"name": tool, "arguments": arguments}))
        self.tokens_out += count_tokens(result)
        if self._shows:
            print(f"> {tool}({json.dumps(arguments, ensure_ascii=False)})\n{result}\n")
        return result


async def chat(talk: Talk) -> None:
    """The calls that an assistant makes, who knows the facts' ids from what was returned."""
    fact_ids: dict[str, int] = {}
    for number, (text, facts) in enumerate(SAID):
        turn = {"text": text, "speaker": "Mara", "source": f"chat 1, {number}"}
        reply = await talk.call("remember", turns=[turn], facts=facts, said_at=DAY)
        for line, fact in zip(reply.splitlines()[1:], facts, strict=True):
            fact_ids[fact["value"]] = int(line.partition("(fact ")[2].partition(",")[0])
    await talk.call("recall", query=QUESTIONS[0])
    await talk.call("correct_fact", fact_id=fact_ids["6"], kind="was wrong", value="7")
    await talk.call("correct_fact", fact_id=fact_ids["a red Fiat"], kind="is over")
    for question in QUESTIONS[1:]:
        await talk.call("recall", query=question)
    await talk.call("list_facts", subject="me", as_of="2026-11")


def main() -> None:
    """Print the calls and tokens of the chat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print each call with its result")
    shows = parser.parse_args().show
    with TemporaryDirectory() as home:
        os.environ["MEMORY_HOME"] = str(Path(home))
        with open_store(create("mara")) as store:
            set_owner(store, "Mara")
        handles = Handles("local")

        async def work(client: Client) -> Talk:
            talk = Talk(client, shows)
            await chat(talk)
            tools = (await client.list_tools()).tools
            texts = [tool.model_dump_json(by_alias=True, exclude_none=True) for tool in tools]
            print(f"{len(tools)} tools, {sum(map(count_tokens, texts)):,} tokens")
            return talk

        talk = use(mcp_server(handles, "mara"), work)
        handles.close()
        print(f"{talk.calls} calls, {talk.tokens_in:,} tokens in, {talk.tokens_out:,} out")


if __name__ == "__main__":
    main()
