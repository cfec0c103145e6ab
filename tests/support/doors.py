"""The six doors to a memory, as a person uses them: each changes facts by hand, and asks."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from memory import Memory, Store, Turn, facts, open_store
from memory.namespaces import location_of
from memory.owner import owner_of
from memory.program import load_model
from tests.support.commands import run
from tests.support.mcp_clients import text_of, use
from tests.support.page_client import Tags, finished, page_client, shown
from tests.support.serving import serving, token


class Door(Protocol):
    """How one door adds a fact, says what is so of one, and asks.

    `day` is an ISO date; "" for today, or for none where a fact is added or was wrong.
    """

    def add(self, subject: str, attribute: str, value: str, day: str) -> object: ...
    def was_wrong(self, fact_id: int, value: str, day: str) -> object: ...
    def changed(self, fact_id: int, value: str, day: str) -> object: ...
    def is_over(self, fact_id: int, day: str) -> object: ...
    def ask(self, question: str) -> str: ...


@contextmanager
def opened(name: str) -> Iterator[Store]:
    with open_store(location_of(name)) as store:
        yield store


class _Python:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.memory = Memory(store, model="local")

    def add(self, subject: str, attribute: str, value: str, day: str) -> object:
        return facts.add(
            self.store, subject=subject, attribute=attribute, value=value, happened_on=day
        )

    def was_wrong(self, fact_id: int, value: str, day: str) -> object:
        return facts.edit(self.store, fact_id, "was wrong", value=value, on=day)

    def changed(self, fact_id: int, value: str, day: str) -> object:
        return facts.supersede(self.store, fact_id, value, day)

    def is_over(self, fact_id: int, day: str) -> object:
        return facts.end(self.store, fact_id, day)

    def ask(self, question: str) -> str:
        return self.memory.ask(question).text


class _Chat(_Python):
    """Facts change beside the chat; whoever chats asks in a message."""

    def ask(self, question: str) -> str:
        speaker = owner_of(self.store)
        return "".join(self.memory.reply(Turn(speaker, question)))


class _Command:
    def __init__(self, name: str) -> None:
        self.name = name

    def add(self, subject: str, attribute: str, value: str, day: str) -> object:
        return self._run("facts", "add", subject, attribute, value, *_option("--on", day))

    def was_wrong(self, fact_id: int, value: str, day: str) -> object:
        options = (*_option("--value", value), *_option("--happened-on", day))
        return self._run("facts", "edit", fact_id, "--was-wrong", *options)

    def changed(self, fact_id: int, value: str, day: str) -> object:
        return self._run("facts", "edit", fact_id, "--value", value, *_option("--since", day))

    def is_over(self, fact_id: int, day: str) -> object:
        return self._run("facts", "edit", fact_id, "--is-over", *_option("--ended-on", day))

    def ask(self, question: str) -> str:
        return str(json.loads(self._run("ask", question, "--json"))["answer"])

    def _run(self, *arguments: object) -> str:
        return run(*arguments, "-n", self.name)


def _option(name: str, value: str) -> tuple[str, ...]:
    return (name, value) if value else ()


class _Page:
    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.base = f"/m/{name}"

    def add(self, subject: str, attribute: str, value: str, day: str) -> object:
        fact = {"subject": subject, "attribute": attribute, "value": value}
        return self._post("/facts", fact | {"happened_on": day})

    def was_wrong(self, fact_id: int, value: str, day: str) -> object:
        typed = {"value": value, "happened_on": day}
        return self._edit(fact_id, "correct", {name: text for name, text in typed.items() if text})

    def changed(self, fact_id: int, value: str, day: str) -> object:
        return self._edit(fact_id, "supersede", {"value": value, "since": day})

    def is_over(self, fact_id: int, day: str) -> object:
        return self._edit(fact_id, "end", {"since": day})

    def ask(self, question: str) -> str:
        response = self.client.post(f"{self.base}/ask", data={"question": question})
        html = finished(self.client, str(response.url))
        _, _, answer = html.partition('<p class="answer')
        return shown(f'<p class="answer{answer}'.partition("</p>")[0])

    def _edit(self, fact_id: int, edit: str, typed: Mapping[str, str]) -> object:
        """Send the form of a fact's page with its fields as they stand, but for what is typed."""
        fields = _fields(self.client.get(f"{self.base}/facts/{fact_id}").text)
        return self._post(f"/facts/{fact_id}", fields | typed | {"edit": edit})

    def _post(self, path: str, fields: Mapping[str, str]) -> object:
        response = self.client.post(f"{self.base}{path}", data=fields)
        assert response.status_code == 200, shown(response.text)
        return response


def _fields(html: str) -> dict[str, str]:
    """The fields of the forms that edit a fact, as the page shows them."""
    fields: dict[str, str] = {}
    name = ""
    for tag, attribute, text in Tags(html).attributes:
        if tag == "input" and attribute == "name":
            name = text
        elif tag == "input" and attribute == "value" and name:
            fields.setdefault(name, text)
            name = ""
    names = ("subject", "attribute", "value", "happened_on", "seen")
    return {name: fields[name] for name in names if name in fields}


class _Api:
    def __init__(self, client: Any, name: str) -> None:
        self.client = client
        self.base = f"/api/{name}"

    def add(self, subject: str, attribute: str, value: str, day: str) -> object:
        fact = {"subject": subject, "attribute": attribute, "value": value}
        return self._post("/facts", fact | {"happened_on": day})

    def was_wrong(self, fact_id: int, value: str, day: str) -> object:
        fields = {"kind": "was wrong", "value": value, "since": day}
        return self._post(f"/facts/{fact_id}/correction", fields)

    def changed(self, fact_id: int, value: str, day: str) -> object:
        return self._post(f"/facts/{fact_id}/correction", {"value": value, "since": day})

    def is_over(self, fact_id: int, day: str) -> object:
        return self._post(f"/facts/{fact_id}/end", {"on": day})

    def ask(self, question: str) -> str:
        return str(self._post("/ask", {"question": question})["answer"])

    def _post(self, path: str, fields: Mapping[str, str]) -> Any:
        response = self.client.post(f"{self.base}{path}", json=fields)
        assert response.status_code == 200, response.text
        return response.json()


class _Mcp:
    def __init__(self, server: Any) -> None:
        self.server = server

    def add(self, subject: str, attribute: str, value: str, day: str) -> object:
        fact = {"subject": subject, "attribute": attribute, "value": value}
        turn = {"text": f"Look up: {attribute}."}  # states nothing
        return self._call("remember", turns=[turn], facts=[fact | ({"on": day} if day else {})])

    def was_wrong(self, fact_id: int, value: str, day: str) -> object:
        return self._call("correct_fact", fact_id=fact_id, kind="was wrong", value=value, on=day)

    def changed(self, fact_id: int, value: str, day: str) -> object:
        return self._call("correct_fact", fact_id=fact_id, value=value, on=day)

    def is_over(self, fact_id: int, day: str) -> object:
        return self._call("correct_fact", fact_id=fact_id, kind="is over", on=day)

    def ask(self, question: str) -> str:
        return self._call("ask_memory", question=question).partition("\n")[0]

    def _call(self, tool: str, **arguments: Any) -> str:
        text = use(self.server, lambda client: text_of(client, tool, **arguments))
        assert not text.startswith("error"), text
        assert "Not stored" not in text, text
        return text


@contextmanager
def by_python(name: str) -> Iterator[Door]:
    with opened(name) as store:
        yield _Python(store)


@contextmanager
def by_chat(name: str) -> Iterator[Door]:
    with opened(name) as store:
        yield _Chat(store)


@contextmanager
def by_command(name: str) -> Iterator[Door]:
    yield _Command(name)


@contextmanager
def by_page(name: str) -> Iterator[Door]:
    with page_client(load_model("local")) as client:
        yield _Page(client, name)


@contextmanager
def by_api(name: str) -> Iterator[Door]:
    with serving(load_model("local"), signed_in=False) as client:
        client.headers.update(token(name))
        yield _Api(client, name)


@contextmanager
def by_mcp(name: str) -> Iterator[Door]:
    from memory.server.handles import Handles
    from memory.server.mcp_server import mcp_server

    handles = Handles(load_model("local"))
    yield _Mcp(mcp_server(handles, name))
    handles.close()


DOORS: dict[str, Callable[[str], AbstractContextManager[Door]]] = {
    "Python": by_python,
    "command": by_command,
    "page": by_page,
    "API": by_api,
    "MCP": by_mcp,
    "chat": by_chat,
}
