"""Screenshots of small and large memories on a phone, a laptop and a wide screen, to look at.

python -m tests.browser.sizes FOLDER
"""

import os
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from playwright.sync_api import sync_playwright

from locomo.commands import run_command
from locomo.examples.gold import load_gold
from memory import Turn, open_store
from memory.server.web.page_request import address_of
from memory.store.namespaces import path_of
from tests.support.farmhouse import FILE, fill
from tests.support.served import served

WIDTHS = {375: 812, 1200: 900, 1800: 1100}  # and heights, in pixels
MEMORIES = {"Empty": 0, "Ten turns": 10, "20,000 turns": 20_000}
PAGES = ("", "chat", "facts", "conversation", "journal?paused=1", "more", "model", "settings")

app = typer.Typer()


@app.command()
def sizes(folder: Annotated[Path, typer.Argument(help="Where the pictures go.")]) -> None:
    """Write MEMORY-PAGE-WIDTH.png of each page into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["MEMORY_HOME"] = home
        for name, turns in MEMORIES.items():
            _make(name, turns)
        with served() as link, sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = browser.new_page()
            page.goto(link)
            origin = link.split("/sign-in")[0]
            for width, height in WIDTHS.items():
                page.set_viewport_size({"width": width, "height": height})
                for name in MEMORIES:
                    for part in PAGES:
                        page.goto(f"{origin}{address_of(name)}/{part}".rstrip("/"))
                        room = part.partition("?")[0] or "home"
                        page.screenshot(path=folder / f"{name}-{room}-{width}.png")
            browser.close()


def _make(name: str, turns: int) -> None:
    """A memory of so many turns: a conversation with its facts, then the same talk without."""
    with open_store(path_of(name)) as store:
        if not turns:
            return
        fill(store, turns)
        [gold] = load_gold(FILE)
        talk = gold.conversation.turns
        more = [
            Turn(talk[n % len(talk)].speaker, f"{talk[n % len(talk)].text} ({n})", session="later")
            for n in range(turns - store.count_turns())
        ]
        for start in range(0, len(more), 2_000):
            store.add(more[start : start + 2_000])


if __name__ == "__main__":
    run_command(app)
