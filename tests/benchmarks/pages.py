"""How long pages take and how much they weigh, in a memory of any size.

python -m tests.benchmarks.pages [--turns N] [--visits N] [--keystrokes]

Each page is asked for over HTTP from a `memory serve` of its own, after one visit that warms it.
`--keystrokes` types in a Chromium: from the key to the results on the page.
"""

import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import httpx
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from locomo.commands import run_command
from memory import Store, open_store
from memory.namespaces import path_of
from memory.web.page_request import address_of
from tests.benchmarks.scale import chat
from tests.support.served import served

NAME = "large"
PAGES = [
    *(
        "",
        "/conversation",
        "/conversation?before={middle}",
        "/conversation?speaker=nobody",
        "/conversation?q=garden trip",
    ),
    *(
        "/conversation/sessions",
        "/turns/{middle}",
        "/facts",
        "/facts?q=garden",
        "/subject?name=subject 7",
    ),
    *(
        "/facts/{fact}",
        "/journal",
        "/past",
        "/search?q=garden trip",
        "/charts",
        "/settings",
    ),
]
_WINDOW = 50  # turns of a change
_FACTS_A_WINDOW = 25

app = typer.Typer()


def fill(store: Store, turns: int) -> int:
    """Chatter with a fact for every other turn; returns how many facts there are."""
    chatter = chat(3)
    facts = 0
    for _ in range(0, turns, 1_000):
        ids = store.add(list(itertools.islice(chatter, min(turns, 1_000))))
        for first in range(ids[0], ids[-1], _WINDOW):
            rows = [
                f"('subject {n % 300}', 'attribute {n % 40}', 'value {n}', {n})"
                for n in range(first, first + _WINDOW, _WINDOW // _FACTS_A_WINDOW)
            ]
            store.write(
                f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {', '.join(rows)}",
                cause="digest by chatter",
                window=(first, first + _WINDOW - 1),
            )
            facts += len(rows)
    return facts


def keystrokes(link: str, words: str) -> list[float]:
    """Milliseconds from the last key of a word to its results on the page, in a Chromium."""
    from playwright.sync_api import sync_playwright

    took = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page()
        page.goto(link)
        page.goto(f"{link.split('/sign-in')[0]}{address_of(NAME, 'talk')}")
        field = page.locator("#q")
        for word in words.split():
            field.fill("")
            field.press_sequentially(word[:-1], delay=40)
            page.wait_for_timeout(400)
            before = page.locator("#results").inner_text()
            start = time.perf_counter()
            field.press(word[-1])
            page.wait_for_function(
                "before => document.querySelector('#results').innerText !== before", arg=before
            )
            took.append(1_000 * (time.perf_counter() - start))
        browser.close()
    return took


@app.command()
def pages(
    turns: Annotated[int, typer.Option(min=1_000, help="A multiple of 1,000.")] = 100_000,
    visits: Annotated[int, typer.Option(min=2)] = 20,
    type_keys: Annotated[bool, typer.Option("--keystrokes")] = False,
) -> None:
    """Print p50 and p95 in milliseconds, and kilobytes, of each page."""
    table = Table("page", "p50 ms", "p95 ms", "kB")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MEMORY_HOME"] = str(Path(folder))
        with open_store(path_of(NAME)) as store:
            facts = fill(store, turns)
        with served("--requests-a-second", "10000") as link:
            if type_keys:
                took = keystrokes(link, "garden window letters kitchen summer station doctor")
                table.add_row(
                    "key to results", *(f"{np.percentile(took, p):.0f}" for p in (50, 95))
                )
            else:
                for page, ms, size in _visited(link, turns, facts, visits):
                    percentiles = (f"{np.percentile(ms, p):.1f}" for p in (50, 95))
                    table.add_row(page, *percentiles, f"{size / 1_000:.1f}")
    Console().print(table)


def _visited(link: str, turns: int, facts: int, visits: int) -> list[tuple[str, list[float], int]]:
    """Each page with its times in milliseconds and its size in bytes."""
    rows = []
    with httpx.Client(base_url="http://" + urlsplit(link).netloc, timeout=60) as client:
        client.get(link)
        for page in PAGES:
            named = page.format(middle=turns // 2, fact=facts // 2)
            address = address_of(NAME) + quote(named, safe="/?=&")
            client.get(address).raise_for_status()
            ms = []
            for _ in range(visits):
                start = time.perf_counter()
                response = client.get(address)
                ms.append(1_000 * (time.perf_counter() - start))
            rows.append((page or "overview", ms, len(response.content)))
    return rows


if __name__ == "__main__":
    run_command(app)
