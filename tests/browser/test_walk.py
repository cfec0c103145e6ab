"""Every page that links lead to, in a memory of 300 turns: a light phone and a dark desk."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from locomo.examples.gold import load_gold
from memory import Turn, open_store
from memory.server.web.page_request import address_of
from memory.sql import quoted
from memory.store.namespaces import path_of
from memory.store.waiting.pending_windows import claim_window, fail_window
from tests.browser.conftest import Watch, sign_in
from tests.support.answering_server import answering_server
from tests.support.farmhouse import FILE, fill
from tests.support.served import served

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

pytestmark = pytest.mark.slow
NAME = "300 turns"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
# Light and dark differ in colours alone, and sizes in all but colours: two looks are both.
LOOKS = {"phone, light": (PHONE, "light"), "desk, dark": (DESK, "dark")}
# Lists have a form in each fact: one is opened. Long tables have the same details in each row.
OPEN = """document.querySelectorAll('details').forEach((each, number) => {
  const loads = each.querySelector(':scope > a.load');
  each.open = number < 20 && (!loads || loads === document.querySelector('details > a.load'));
})"""
LINKS = """() => [...document.querySelectorAll('a[href]:not([download])')].map(a => a.href)"""
WAYS_ON = "main :is(a[href], button, input, textarea, select)"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with a memory of 300 turns, in which two facts contradict and a change waits."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(folder))
        with open_store(path_of(NAME)) as store:
            fill(store)
            [gold] = load_gold(FILE.with_name("siblings-house.json"))
            more = [*gold.conversation.turns, *(Turn("Eva", f"Note {n}.") for n in range(300))]
            store.add(more[: 300 - store.count_turns()])
            columns = "first_fact, turn_id, attribute"
            value = quoted("the town of Kranj")
            window = claim_window(store, 1)
            assert window
            store.write(
                "INSERT INTO facts (subject, attribute, value, turn_id)"
                f" VALUES ('Blaž', 'lives_in', {value}, {window[0]});"
                f" INSERT INTO contradictions ({columns}) VALUES (1, {window[0]}, 'lives_in')",
                cause="digest by test",
                window=window,
            )
            window = claim_window(store, 1)
            assert window
            fail_window(store, window, "it ends 9 facts", statement="DELETE FROM facts")
            assert store.count_turns() == 300
        yield folder


@pytest.fixture(scope="module", params=["without a model", "with a model"])
def signed_in(
    request: pytest.FixtureRequest, chromium: Browser, home: Path
) -> Iterator[StorageState]:
    """Somebody who is signed in to a server with the built-in model, and to one with a larger."""
    with pytest.MonkeyPatch.context() as patch, answering_server() as address:
        patch.setenv("OPENAI_API_KEY", "sk-test")
        has_model = request.param == "with a model"
        model = ("--model", "openai/gpt-4o-mini", "--api-base", address) if has_model else ()
        with served(*model) as link:
            yield sign_in(chromium, link)


def kind_of(url: str) -> str:
    """What pages of one kind have in common: a path without numbers, and the fields of a query."""
    parts = urlsplit(url)
    fields = sorted({name for name, _ in parse_qsl(parts.query)})
    return f"{re.sub(r'[0-9]+', 'N', parts.path)}?{'&'.join(fields)}"


def task_of(page: Page, button: str) -> str:
    """The address of a page of work, once it is done."""
    page.get_by_role("button", name=button, exact=True).click()
    expect(page.locator("#task progress")).to_have_count(0)
    expect(page.locator("h1")).to_be_visible()
    return page.url


def pages_of_work(page: Page) -> list[str]:
    """A question and, with a model, an extraction of facts, each done."""
    page.goto(address_of(NAME))
    page.get_by_label("Ask a question, or search").fill("Which colour did Blaž buy?")
    urls = [task_of(page, "Ask")]
    page.goto(address_of(NAME, "journal", paused=1))
    if page.get_by_role("button", name="Extract facts").count():
        urls.append(task_of(page, "Extract facts"))
    return urls


def faults_of(page: Page, look: str) -> list[Any]:
    """What is wrong with a page as it is seen: what axe reports, what is too wide."""
    viewport, scheme = LOOKS[look]
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)
    width = page.evaluate("document.documentElement.scrollWidth")
    too_wide = [f"{width} pixels wide"] if width > viewport["width"] else []
    rules = Axe().run(page).response["violations"]
    broken = [(rule["id"], [node["html"][:200] for node in rule["nodes"]]) for rule in rules]
    return [(page.url, look, fault) for fault in [*too_wide, *broken]]


def test_every_page_can_be_read_and_left(
    chromium: Browser, signed_in: StorageState, watch: Watch
) -> None:
    context = chromium.new_context(
        storage_state=signed_in,
        base_url=signed_in["origins"][0]["origin"],
        bypass_csp=True,  # axe is put into the page; the policy has a test of its own
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    watch.watch(page)
    waiting = pages_of_work(page)
    page.goto(address_of(NAME))
    waiting.append(page.url)
    kinds, faults = set[str](), list[Any]()
    for url in waiting:  # which grows meanwhile
        if kind_of(url) in kinds or urlsplit(url).netloc != watch.host or "/export/" in url:
            continue
        kinds.add(kind_of(url))
        response = page.goto(url)
        assert response, url
        assert response.ok, url
        waiting += page.evaluate(LINKS)
        assert page.locator(WAYS_ON).count(), url
        if address_of(NAME) in url:
            assert page.locator("header nav a").count() == 6, url
        page.evaluate(OPEN)
        for look in LOOKS:
            faults += faults_of(page, look)
    context.close()
    assert not faults
    assert len(kinds) > 25
