"""Screenshots of the main pages, of the sample's conversation of a couple.

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
from memory import open_store
from memory.server.web.page_request import address_of
from memory.store.namespaces import path_of
from tests.support.farmhouse import fill
from tests.support.served import served

NAME = "Neža & Blaž"
WIDE, PHONE = {"width": 1180, "height": 800}, {"width": 390, "height": 780}
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


if __name__ == "__main__":
    run_command(app)
