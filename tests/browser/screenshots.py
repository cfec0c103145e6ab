"""Screenshots of an answer and its sources, and of the main pages of the sample's conversation.

python -m tests.browser.screenshots FOLDER

docs/page-*.png, which README shows, are made by it.
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import Browser, sync_playwright

from locomo.commands import run_command
from memory import Memory, open_store
from memory.server.web.page_request import address_of
from memory.store.namespaces import path_of
from tests.support.farmhouse import fill
from tests.support.served import served

NAME = "Neža & Blaž"
USER = "Tom"
SAID = {
    "2017-05-08 19:20": "Hi, I'm Tom. I live in Oslo, and my cat is called Mia.",
    "2017-05-21 08:05": "Mia was at the vet again. She hates the carrier.",
    "2018-02-10 20:41": "I moved to Bergen. The rain here is no joke.",
}
QUESTION = "Where do I live?"
WIDE, PHONE = {"width": 1180, "height": 800}, {"width": 390, "height": 780}
ANSWER = {"width": 1180, "height": 560}
SHOTS = {
    "conversation": ("conversation?q=what%20colour%20is%20the%20kitchen", WIDE, "light"),
    "known": ("facts", WIDE, "light"),
    "fact": ("facts/20", WIDE, "light"),
    "past": ("past?day=2017-08", WIDE, "light"),
    "journal": ("journal?paused=1", WIDE, "light"),
    "overview-dark": ("", WIDE, "dark"),
    "phone": ("conversation", PHONE, "light"),
    "phone-dark": ("subject?name=Bla%C5%BE", PHONE, "dark"),
}

app = typer.Typer()


@app.command()
def screenshots(folder: Annotated[Path, typer.Argument(help="Where the pictures go.")]) -> None:
    """Write page-NAME.png of each main page into a folder."""
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEMORY_HOME"] = home
        with open_store(path_of(NAME)) as store:
            fill(store)
        with Memory() as memory:
            for said_at, text in SAID.items():
                memory.add(text, said_at=said_at, user_id=USER)
        with served() as link, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            _take(browser, link, folder)
            browser.close()


def _take(browser: Browser, link: str, folder: Path) -> None:
    context = browser.new_context()
    context.new_page().goto(link)
    state = context.storage_state()
    origin = link.split("/sign-in")[0]
    for name, (page_of, viewport, scheme) in SHOTS.items():
        page = browser.new_page(
            storage_state=state,
            viewport=viewport,
            color_scheme=scheme,
        )
        page.goto(f"{origin}{address_of(NAME)}/{page_of}".rstrip("/"))
        page.screenshot(path=folder / f"page-{name}.png")
        page.close()
    page = browser.new_page(storage_state=state, viewport=ANSWER)
    page.goto(f"{origin}{address_of(USER)}")
    page.fill("#q", QUESTION)
    page.click("main button:text-is('Ask')")
    page.wait_for_selector(".answer")
    page.screenshot(path=folder / "page-answer.png")
    page.close()


if __name__ == "__main__":
    run_command(app)
