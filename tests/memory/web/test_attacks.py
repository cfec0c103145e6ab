"""What others stored, on every page and in every attribute: text, and nothing but text.

Each page is made of attacks and of harmless words. With attacks it may have no tag with attributes
that the harmless pages have not, no address that leads elsewhere, and no character that steers a
reader's eye or a terminal.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from memory import Turn, open_store
from memory.facts import correct
from memory.server.web.markup import shown_text
from memory.server.web.page_request import address_of
from memory.sql import quoted
from memory.store.configuration.settings import set_setting
from memory.store.facts.vocabulary_table import set_attribute
from memory.store.namespaces import path_of
from memory.store.waiting.pending_windows import claim_window, fail_window
from memory.vocabulary import Attribute
from memory.vocabulary.attributes import LONGEST_NAME
from tests.support.page_client import Tags, finished, page_client, text_of
from tests.support.scripted import answer, scripted_model, sql
from tests.support.stored_attacks import ATTACKS

# NUL ends a text of SQLite's; the store refuses it.
STORED = [f"{text.replace(chr(0), '').strip()} {number}" for number, text in enumerate(ATTACKS)]
HARMLESS = [re.sub(r"[^\w ]", "a", text) for text in STORED]
FEW = slice(None, None, 6)
# Control characters but the tab and the line feed, and what turns the direction of a text.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
ADDRESS = re.compile(r"(#|/(?!/))[\x21-\x7e]*")
ADDRESSES = {"href", "src", "action", "hx-get", "hx-post"}


@dataclass(frozen=True)
class Visited:
    """Every page of a memory full of some texts, and the tags that stand on them."""

    pages: dict[str, str]
    tags: set[tuple[str, tuple[str, ...]]]


def fill(name: str, texts: list[str]) -> None:
    """A memory with a turn and a fact of each text, in every column that somebody else writes."""
    with open_store(path_of(name)) as store:
        store.add(
            [Turn(text, text, session=text, said_at=text[:99], source=text) for text in texts]
        )
        for turn_id, text in enumerate(texts, 1):
            columns = ", ".join([quoted(text)] * 3)
            store.write(
                f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES ({columns},"
                f" {turn_id})",
                cause=text,
            )
        for text in texts:
            set_setting(store, "persona", text)
        printable = [text for text in texts if text.isprintable() and len(text) <= LONGEST_NAME - 4]
        for number, text in enumerate(printable):
            attribute = Attribute(f"a {number}", "many", (f"{text} {number}",), (text,), text)
            set_attribute(store, attribute, by=text)
        assert printable
        claim_window(store, len(texts) - 1)
        window = claim_window(store, 1)
        assert window
        fail_window(store, window, " ".join(texts)[:1_500], statement="; ".join(texts))


def visit(client: TestClient, name: str, texts: list[str]) -> Visited:
    addresses = [
        address_of(name, *parts) for parts in [(), ("conversation",), ("conversation", "sessions")]
    ]
    addresses += [
        address_of(name, part)
        for part in ("facts", "attributes", "past", "settings", "more", "files", "connect")
    ]
    addresses += ["/", address_of(name, "journal", paused=1), address_of(name, "forget", turn=1)]
    for number, text in enumerate(texts, start=1):
        beginning = text[:100]
        addresses += [
            *(address_of(name, part, number) for part in ("turns", "facts", "journal")),
            address_of(name, "subject", name=text, ended=1),
            address_of(name, "conversation", speaker=text, session=text),
            address_of(name, "chat", session=text),
        ]
        if number % 3:  # a search takes longest
            continue
        addresses += [
            address_of(name, "conversation", q=beginning),
            address_of(name, "facts", q=beginning),
            address_of(name, "forget", matching=beginning, speaker=text),
            address_of(name, "search", q=beginning),
            address_of(name, "facts", person=text, sort="new"),
            address_of(name, "sql", select=f"SELECT {quoted(text)} AS x"),
        ]
    pages = {address: client.get(address).text for address in addresses}
    return Visited(pages, {tag for page in pages.values() for tag in Tags(page).tags})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(tmp_path_factory.mktemp("attacks")))
        fill("attacked", STORED[FEW])
        fill("harmless", HARMLESS[FEW])
        with page_client() as client:
            yield client


@pytest.fixture(scope="module")
def harmless(client: TestClient) -> Visited:
    return visit(client, "harmless", HARMLESS[FEW])


def assert_only_text(page: str, allowed: set[tuple[str, tuple[str, ...]]]) -> None:
    tags = Tags(page)
    assert set(tags.tags) <= allowed
    for tag, name, value in tags.attributes:
        if name in ADDRESSES:
            assert ADDRESS.fullmatch(value), (tag, name, value)
    assert not STEERING.search(page)


def assert_stored_are_text(client: TestClient, name: str, allowed: Visited, part: slice) -> None:
    attacked = visit(client, name, STORED[part])
    for page in attacked.pages.values():
        assert_only_text(page, allowed.tags)
    # Nothing is swallowed either: a person reads what was stored.
    for number, text in enumerate(STORED[part], start=1):
        page = attacked.pages[address_of(name, "turns", number)]
        assert " ".join(str(shown_text(text)).split())[:200] in " ".join(text_of(page).split()), (
            text
        )


def test_stored_attacks_are_text_on_every_page(client: TestClient, harmless: Visited) -> None:
    assert_stored_are_text(client, "attacked", harmless, FEW)


@pytest.mark.slow
def test_all_stored_attacks_are_text_on_every_page(client: TestClient) -> None:
    fill("all attacks", STORED)
    fill("all harmless", HARMLESS)
    allowed = visit(client, "all harmless", HARMLESS)
    assert_stored_are_text(client, "all attacks", allowed, slice(None))


@pytest.mark.few(3)
@pytest.mark.parametrize("attack", STORED[::9])
def test_what_comes_with_a_request_is_text_too(
    client: TestClient, harmless: Visited, attack: str
) -> None:
    at = address_of("attacked")
    pages = [
        client.get(f"{at}/past", params={"day": attack}),
        client.get(f"{at}/conversation", params={"since": attack}),
        client.get(f"{at}/conversation", params={"after": attack}),
        client.get(address_of(attack[:60])),
        client.get(f"{at}/export/{address_of(attack[:60])[3:]}"),
        client.post(f"{at}/undo", data={"change": attack}),
        client.post(f"{at}/settings", data={"user": f"{attack}:", "persona": attack}),
        client.post(f"{at}/revert", data={"point": attack}),
        client.post(f"{at}/import", files={"file": (f"{attack[:99]}.md".replace("\n", ""), b"{}")}),
    ]
    plain = client.post(f"{address_of('harmless')}/undo", data={"change": "x"}).text
    allowed = harmless.tags | set(Tags(plain).tags) | set(Tags(client.get("/m/none").text).tags)
    for page in pages:
        assert_only_text(page.text, allowed)


@pytest.mark.slow
def test_names_of_memories_and_files_are_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    with page_client() as client:

        def pages(names: list[str]) -> list[str]:
            made = []
            for name in names:
                client.post("/create", data={"name": name})
                made += [client.get(address_of(name)).text]
                file = (re.sub(r"[\r\n]", "", name), b"not an export")
                begun = client.post(address_of(name, "import"), files={"file": file})
                made += [finished(client, str(begun.url))]
            return [*made, client.get("/").text]

        short = [text[:60] for text in STORED[::12]]
        allowed = {
            tag for page in pages([f"harmless {n}" for n in "ab"]) for tag in Tags(page).tags
        }
        for page in pages(short):
            assert_only_text(page, allowed)


def test_what_a_model_says_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    tags = []
    for attack in ("harmless", '</p><script>alert(1)</script><img src=x onerror="alert(1)">\u202e'):
        name = f"memory {len(tags)}"
        with open_store(path_of(name)) as store:
            store.add([Turn("Anna", f"I said {attack}")])
        replies = [([], sql(f"SELECT {quoted(attack)} AS x")), ([], answer(attack, "1"))]
        with page_client(scripted_model(replies)) as client:
            begun = client.post(address_of(name, "ask"), data={"question": f"What? {attack}"})
            page = finished(client, str(begun.url))
        tags.append(set(Tags(page).tags))
        assert_only_text(page, tags[0])


def test_both_versions_of_a_conflict_are_text(client: TestClient, harmless: Visited) -> None:
    responses = []
    for name, texts in (("harmless", HARMLESS), ("attacked", STORED)):
        with open_store(path_of(name)) as store:
            correct(store, 1, value=texts[3], subject=texts[4])
        typed = {"edit": "correct", "seen": "1", "value": texts[5], "subject": texts[6]}
        responses.append(client.post(address_of(name, "facts", 1), data=typed))
    assert [response.status_code for response in responses] == [409, 409]
    assert_only_text(responses[1].text, harmless.tags | set(Tags(responses[0].text).tags))
