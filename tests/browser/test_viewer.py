"""The page of a run in a browser: filters, sorting, details, and no markup of models."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locomo.inspect import app
from tests.browser.conftest import Watch, sync_api
from tests.support.commands import run_in_process
from tests.support.two_runs import MARKUP, write_runs

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow
expect = sync_api.expect


@pytest.fixture
def page(chromium: "Browser", tmp_path: Path) -> "Page":
    """Two runs beside each other, opened from the disk."""
    first, second = write_runs(tmp_path)
    file = tmp_path / "page.html"
    done = run_in_process(app, first, "--beside", second, "--html", file, "--prompts")
    assert done.returncode == 0, done.stderr
    page = chromium.new_page(viewport={"width": 1400, "height": 900})
    page.goto(file.as_uri())
    return page


def test_questions_are_filtered_sorted_and_opened(page: "Page") -> None:
    rows = page.locator("#questions tr.question")
    expect(rows).to_have_count(3)  # of the memory; the baseline is a choice away
    page.get_by_label("system").select_option("baseline")
    expect(rows).to_have_count(1)
    page.get_by_label("system").select_option("memory")
    page.get_by_label("other outcome").check()
    expect(rows).to_have_count(1)
    page.get_by_label("other outcome").uncheck()
    page.get_by_role("button", name="F1, first").click()
    expect(rows.last).to_contain_text("Where does Ann live?")
    page.get_by_role("button", name="F1, first").click()
    expect(rows.first).to_contain_text("Where does Ann live?")
    rows.first.click()
    details = page.locator("tr.details")
    expect(details).to_contain_text("SELECT turn_id, value FROM facts")
    expect(details).to_contain_text("1 of 1 of the evidence")
    expect(details.locator(".turn.evidence").first).to_contain_text("I moved to Lyon.")
    expect(details).to_contain_text("there is no column nothing")
    rows.first.press("Enter")
    expect(details).to_have_count(0)


def test_evidence_that_was_not_shown_stands_first(page: "Page") -> None:
    page.locator("#questions tr.question", has_text="Who came along?").click()
    first = page.locator("tr.details section").first
    expect(first.locator(".turn").first).to_contain_text("D1:4 not shown, no fact")
    expect(first.locator(".turn").first).to_contain_text("And the cat?")
    expect(first).to_contain_text("2 shown, 1 of 2 of the evidence")


def test_a_count_of_the_summary_filters(page: "Page") -> None:
    count = page.locator("#summary tr", has_text="second").filter(has_text="all")
    count.get_by_role("button", name="2").click()
    expect(page.locator("#questions tr.question")).to_have_count(2)


def test_texts_stay_texts_and_nothing_is_asked_for(chromium: "Browser", tmp_path: Path) -> None:
    first, _ = write_runs(tmp_path)
    file = tmp_path / "page.html"
    run_in_process(app, first, "--html", file, "--prompts")
    page = chromium.new_page()
    watch = Watch("")
    watch.watch(page)
    page.goto(file.as_uri())
    rows = page.locator("#questions tr.question")
    for number in range(3):
        rows.nth(number).click()
    expect(page.locator("tr.details")).to_have_count(3)
    expect(page.locator("#questions")).to_contain_text(MARKUP)
    assert page.title() == "Questions of a run"
    assert page.locator("img").count() == 0
    assert watch.complaints == []
    page.set_viewport_size({"width": 390, "height": 800})
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390  # wide tables scroll by themselves
