"""Browsers of this machine, and a server with a memory to look at.

    apt-get install --no-install-recommends chromium

Where there is no Chromium these tests are skipped, with a line that says so.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from memory import open_store
from memory.store.namespaces import path_of
from tests.support.farmhouse import fill
from tests.support.served import served

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)


@dataclass
class Watch:
    """What a browser should not have done: messages on its console, requests to other hosts."""

    host: str
    complaints: list[str] = field(default_factory=list)

    def watch(self, page: "sync_api.Page") -> None:
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.note_host(request.url))

    def note_host(self, url: str) -> None:
        if urlsplit(url).netloc != self.host:
            self.complaints.append(f"request to {url}")


# Playwright's event loop stays the running one of its thread until it ends, and `asyncio.run` of
# another package's tests would find it there.
@pytest.fixture(scope="package")
def chromium() -> Iterator["sync_api.Browser"]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here: `apt-get install chromium` lets these tests run")
    sync_api.expect.set_options(timeout=60_000)  # it only ends a hang
    with sync_api.sync_playwright() as playwright:
        # A container has no sandbox for its root; what is opened is our own page.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with one memory, "Neža & Blaž": a conversation of 139 turns with 127 facts."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(folder))
        with open_store(path_of("Neža & Blaž")) as store:
            fill(store)
        yield folder


@pytest.fixture(scope="module")
def signed_in(chromium: "sync_api.Browser", home: Path) -> Iterator["sync_api.StorageState"]:
    """The cookies of somebody who opened the sign-in link, with the server's address."""
    with served() as link:
        yield sign_in(chromium, link)


def sign_in(chromium: "sync_api.Browser", link: str) -> "sync_api.StorageState":
    """Open a sign-in link; the cookies of whoever did, with the server's address."""
    context = chromium.new_context()
    page = context.new_page()
    page.goto(link)
    assert page.title() == "All memories"
    state = context.storage_state()
    address = urlsplit(link)
    state["origins"] = [{"origin": f"http://{address.netloc}", "localStorage": []}]
    context.close()
    return state


@pytest.fixture
def watch(signed_in: "sync_api.StorageState") -> Iterator[Watch]:
    """Fails the test when a page it watches complained, or asked another host."""
    watch = Watch(urlsplit(signed_in["origins"][0]["origin"]).netloc)
    yield watch
    assert watch.complaints == []


@pytest.fixture
def page(
    chromium: "sync_api.Browser", signed_in: "sync_api.StorageState", watch: Watch
) -> Iterator["sync_api.Page"]:
    """A page of somebody who is signed in, under the server's Content-Security-Policy."""
    context = chromium.new_context(
        storage_state=signed_in, base_url=signed_in["origins"][0]["origin"]
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    watch.watch(page)
    yield page
    context.close()
