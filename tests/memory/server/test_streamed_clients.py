"""The SDKs of OpenAI and Anthropic, streamed through the proxy's command."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memory import Turn, open_store
from memory.store import namespaces
from tests.support.server_process import server_process
from tests.support.upstream import REPLY, Upstream, upstream_server

pytestmark = pytest.mark.slow


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Upstream]:
    for key in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(key, "upstream-key-of-the-test")
    with upstream_server() as server:
        yield server


def streamed_chat(address: str, question: str) -> str:
    from openai import OpenAI

    client = OpenAI(base_url=address, api_key="unused", max_retries=0)
    stream = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": question}], stream=True
    )
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def streamed_response(address: str, question: str) -> str:
    from openai import OpenAI

    client = OpenAI(base_url=address, api_key="unused", max_retries=0)
    with client.responses.stream(model="m", input=question) as stream:
        deltas = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert stream.get_final_response().output_text == "".join(deltas)
    return "".join(deltas)


def streamed_message(address: str, question: str) -> str:
    from anthropic import Anthropic

    client = Anthropic(
        base_url=address.removesuffix("/v1"), api_key="the client's own", max_retries=0
    )
    with client.messages.stream(
        model="m", max_tokens=99, messages=[{"role": "user", "content": question}]
    ) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn"
    assert [block.text for block in final.content if block.type == "text"] == [text]
    return text


QUESTIONS: dict[str, Callable[[str, str], str]] = {
    "Where do I live, and what is near?": streamed_chat,
    "What is near where I live?": streamed_response,
    "Where do I live near the fjord?": streamed_message,
}


def test_the_sdks_are_streamed_and_both_sides_are_stored(
    home: str, upstream: Upstream, tmp_path: Path
) -> None:
    with open_store(namespaces.create("nora")) as store:
        store.add([Turn("Anna", "I live in Oslo, near the fjord.", said_at="2017-05-08")])
    options = ["--api-base", upstream.address, "--namespace", "nora", "--port", "0"]
    # A busy machine may take longer than the two seconds that a request waits for its memory.
    command = ("tests.support.timed_server", "memory", "60", "proxy", *options)
    with server_process(tmp_path / "log", *command) as served:
        for question, streamed in QUESTIONS.items():
            assert streamed(served.line, question) == REPLY
            assert "I live in Oslo" in str(upstream.requests[-1])
    with open_store(namespaces.existing("nora"), read_only=True) as store:
        said = [turn.text for turn in store.turns()][1:]
    assert said == [text for question in QUESTIONS for text in (question, REPLY)]
    assert "Traceback" not in (tmp_path / "log").read_text("utf-8")
