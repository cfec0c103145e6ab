"""The page in a browser, as a person goes through it; with the rules of accessibility (axe)."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from memory import Turn, open_store
from memory.server.web.page_request import address_of
from memory.sql import quoted
from memory.store.namespaces import path_of
from tests.support.stored_attacks import ATTACKS

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, StorageState, expect

pytestmark = pytest.mark.slow
NAME = "Neža & Blaž"
PAGES = [
    *(
        "",
        "/conversation",
        "/conversation?q=kitchen",
        "/conversation/sessions",
        "/turns/102",
        "/facts",
        "/facts?q=tractor",
    ),
    *("/subject?name=Neža&ended=1", "/facts/9", "/past?day=2018", "/journal", "/journal/139"),
    *("/more", "/files", "/chat", "/search?q=kitchen"),
    *(
        "/settings",
        "/connect",
        "/forget?matching=tractor",
        "/turns/999",
        "/past?day=never",
    ),
]


def at(page: str) -> str:
    """A page of the memory to look at, `/facts?q=tractor` ..."""
    return address_of(NAME) + quote(page, safe="/?=&")


# ---------------------------------------------------------------------------- every page


def test_a_page_that_says_what_is_wrong_can_be_used_by_everybody(
    chromium: Browser, signed_in: StorageState
) -> None:
    """No link leads to these; test_walk.py looks at all others."""
    context = chromium.new_context(
        storage_state=signed_in,
        base_url=signed_in["origins"][0]["origin"],
        bypass_csp=True,  # axe is put into the page; the policy has a test of its own
    )
    page = context.new_page()
    violations: list[Any] = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for address in (at("/turns/999"), at("/past?day=never")):
            page.goto(address)
            rules = Axe().run(page).response["violations"]
            violations += [(address, scheme, rule["id"]) for rule in rules]
    context.close()
    assert violations == []


def test_every_page_keeps_to_its_policy(page: Page) -> None:
    # The fixture sees what the browser refuses, and each request.
    for address in ["/", *map(at, PAGES)]:
        if "999" in address or "never" in address:
            continue  # the browser tells of an answer that is an error on its console
        response = page.goto(address)
        assert response
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.evaluate("typeof htmx") == "object"


def test_stored_attacks_stay_text_in_a_browser(page: Page, home: Path) -> None:
    with open_store(path_of("attacked")) as store:
        texts = [text.replace("\0", "").strip() for text in ATTACKS]
        ids = store.add([Turn(text, text, text, source=text) for text in texts])
        for turn_id, text in zip(ids, texts, strict=True):
            values = ", ".join([quoted(text)] * 3)
            store.write(
                "INSERT INTO facts (subject, attribute, value, turn_id)"
                f" VALUES ({values}, {turn_id})",
                cause=text,
            )
    for part in (
        "",
        "conversation",
        "conversation?before=41",
        "facts",
        "journal",
        "past",
        "settings",
        "connect",
    ):
        page.goto(f"{address_of('attacked')}/{part}".rstrip("/"))
        page.wait_for_load_state("networkidle") if part != "journal" else None
        assert page.evaluate("document.querySelectorAll('script').length") == 2
        assert page.evaluate("document.querySelectorAll('main img, iframe, object').length") == 0
        assert "All memories" in page.inner_text("header")


HOSTILE_NAMES = [
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "javascript:alert(1)",
    "'-alert(1)-'",
    "{{7*7}} ${7*7}",
    "../../etc/passwd",
    "gnp.\u202etxt.exe",
    "a\u200b\u2066b\U000e0061",
    "[1] (Thu 01 Jan 2026) user",
    "n" * 180,
]


def assert_harmless(page: Page) -> None:
    """The page has the scripts and pictures of ours alone, and nothing that turns its text."""
    assert page.evaluate("document.querySelectorAll('script').length") == 2
    assert page.evaluate("document.querySelectorAll('main img, iframe, object').length") == 0
    shown = page.evaluate("document.documentElement.innerText + document.title")
    assert not re.search("[\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f]", shown)


def forgive_refusals(watch: Any) -> None:
    """A browser notes each page with an error of ours, which are asked for here."""
    refused = "Failed to load resource: the server responded with a status of 4"
    watch.complaints[:] = [text for text in watch.complaints if not text.startswith(refused)]


def test_names_of_files_stay_text_in_a_browser(page: Page, home: Path, watch: Any) -> None:
    for number, name in enumerate(HOSTILE_NAMES):
        turn = {"speaker": name, "text": f"number {number} is known", "session": name}
        for end, says in ((".jsonl", "1 new turn"), (".md", "is a document")):
            page.goto(at("/files"))
            page.get_by_label("Drop a file here, or choose one").set_input_files(
                {"name": name + end, "mimeType": "", "buffer": json.dumps(turn).encode()}
            )
            page.get_by_role("button", name="Import").click()
            expect(page.get_by_role("main")).to_contain_text(says)
            assert_harmless(page)
    for part in ("/conversation", "/conversation?q=known", "/conversation/sessions", "/files"):
        page.goto(at(part))
        assert_harmless(page)
    forgive_refusals(watch)


def test_names_of_memories_and_questions_stay_text_in_a_browser(
    page: Page, home: Path, watch: Any
) -> None:
    for name in HOSTILE_NAMES[:8]:
        with open_store(path_of(name)) as store:
            store.add([Turn("Anna", "I am here.")])
    page.goto("/")
    assert_harmless(page)
    for name in HOSTILE_NAMES[:8]:
        page.goto(address_of(name))
        assert_harmless(page)
        for part in (
            "/search?q=",
            "/conversation?q=",
            "/facts?q=",
            "/past?day=",
            "/forget?matching=",
        ):
            page.goto(at(part) + quote(name, safe=""))
            assert_harmless(page)
    forgive_refusals(watch)


# ---------------------------------------------------------------------------- a person's way


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without JavaScript"])
def any_page(
    request: pytest.FixtureRequest, chromium: Browser, signed_in: StorageState
) -> Iterator[Page]:
    context = chromium.new_context(
        storage_state=signed_in,
        base_url=signed_in["origins"][0]["origin"],
        java_script_enabled=request.param,
    )
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def test_from_the_first_start_to_the_first_correction_and_its_undo(
    any_page: Page, request: pytest.FixtureRequest
) -> None:
    page = any_page
    name = f"Anna {request.node.callspec.id}"
    page.goto("/")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("button", name="Create").click()
    page.get_by_label("Text").fill("Greetings from Oslo!")
    page.get_by_label("Speaker").fill("Anna")
    page.get_by_role("button", name="Add turn").click()
    expect(page.get_by_text("Greetings from Oslo!")).to_be_visible()
    page.get_by_label("Attribute", exact=True).fill("lives in")
    page.get_by_label("Value", exact=True).fill("Oslo")
    page.get_by_role("button", name="Add fact").click()
    page.get_by_role("status").get_by_role("link", name="Anna lives in Oslo").click()
    page.get_by_label("Value", exact=True).fill("Bergen")
    page.get_by_role("button", name="It has changed").click()
    expect(page.get_by_role("status")).to_contain_text("Bergen")
    page.get_by_role("status").get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Undone.")
    page.goto(address_of(name, "facts"))
    expect(page.get_by_role("main")).to_contain_text("lives in Oslo")
    expect(page.get_by_role("main")).not_to_contain_text("Bergen")


def test_a_search_answers_while_one_types(page: Page) -> None:
    page.goto(at("/conversation"))
    field = page.get_by_label("Search the conversation")
    field.press_sequentially("what colour is the kitchen", delay=15)
    expect(page.locator("#results")).to_contain_text("best first")
    first = page.locator("#results article").first
    expect(first).to_contain_text("We said GREEN. For the kitchen.")
    expect(field).to_be_focused()
    page.wait_for_url("**q=what+colour+is+the+kitchen*")
    # Leaving the field must not bring the results anew: what was opened would be closed.
    first.get_by_text("Why this result?").click()
    page.wait_for_load_state("networkidle")
    expect(first.get_by_text("the same words").last).to_be_visible()


def test_a_conversation_opens_at_its_newest_turn_or_at_the_one_linked_to(page: Page) -> None:
    page.goto(at("/conversation"))
    expect(page.locator("#results article").last).to_be_in_viewport()
    expect(page.locator("#results article").first).not_to_be_in_viewport()
    linked = page.locator("#results article").nth(3)
    name = linked.get_attribute("id")
    page.goto("about:blank")
    page.goto(f"{at('/conversation')}#{name}")
    expect(linked).to_be_in_viewport()


def test_the_slider_shows_the_past_and_keeps_the_focus(page: Page) -> None:
    page.goto(at("/past"))
    slider = page.get_by_label("Move through time")
    slider.focus()
    slider.press("Home")
    expect(page.get_by_role("heading", name="7 Mar 2017")).to_be_visible()
    expect(page.get_by_label("Date", exact=True)).to_have_value("2017-03-07")
    slider.press("ArrowRight")
    expect(page.get_by_role("heading", name="8 Mar 2017")).to_be_visible()
    expect(slider).to_be_focused()


def test_the_journal_shows_what_is_written_elsewhere_until_it_is_paused(
    page: Page, home: Path
) -> None:
    page.goto(at("/journal"))
    with open_store(path_of(NAME)) as store:
        columns = "subject, attribute, value, turn_id"
        store.write(
            f"INSERT INTO facts ({columns}) VALUES ('Neža', 'paints', 'the gate', 1)", cause="test"
        )
        expect(page.locator("#live")).to_contain_text("the gate")
        page.get_by_role("link", name="Pause").click()
        store.write(
            f"INSERT INTO facts ({columns}) VALUES ('Neža', 'paints', 'a fence', 1)", cause="test"
        )
    assert page.locator("#live").get_attribute("hx-get") is None
    page.get_by_role("link", name="Resume").click()
    expect(page.locator("#live")).to_contain_text("a fence")


def test_a_dropped_file_is_brought_in(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "chat.jsonl"
    lines = [{"speaker": "Eva", "text": f"line {n}", "source": f"e:{n}"} for n in range(3_000)]
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    page.goto(at("/files"))
    page.get_by_label("Drop a file here, or choose one").set_input_files(file)
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_role("main")).to_contain_text("3,000 new turns")


def test_the_first_key_leads_to_the_content(page: Page) -> None:
    page.goto(at(""))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"


# Everything that a person can do on a page, where it is to be seen.
KINDS = "a[href], button, input, select, textarea, summary"
CONTROLS = f"""() => [...document.querySelectorAll('{KINDS}')]
  .filter(each => each.type !== 'hidden' && !each.disabled && each.checkVisibility())"""
# A menu of radio buttons is one stop: the chosen one, or the first, then the arrow keys.
STOPS = f"""() => ({CONTROLS})().filter(each => each.type !== 'radio' || each ===
  (document.querySelector(`[name="${{each.name}}"]:checked`)
   || document.querySelector(`[name="${{each.name}}"]`)))"""
FOCUSED = f"""() => {{
  const here = document.activeElement, style = getComputedStyle(here);
  const box = here.getBoundingClientRect();
  const hasOutline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 1;
  return [({STOPS})().indexOf(here), hasOutline, here === document.body,
    box.bottom > 0 && box.top < innerHeight, here.outerHTML.slice(0, 150)];
}}"""


@pytest.mark.parametrize(
    "address",
    [
        *("/", at(""), at("/conversation"), at("/facts"), at("/journal?paused=1"), at("/more")),
        *(at("/files"), at("/chat"), at("/settings"), at("/facts/9")),
        at("/forget?matching=tractor"),
    ],
)
def test_every_action_is_reached_by_tab_and_seen_where_it_is(page: Page, address: str) -> None:
    page.goto(address)
    page.evaluate("document.activeElement.blur()")
    wanted = page.evaluate(f"({STOPS})().length")
    assert wanted > 5
    reached = set[int]()
    for _ in range(wanted + 1):  # the chat begins in its message, so the end is on the way
        page.keyboard.press("Tab")
        number, has_outline, is_end, is_on_screen, tag = page.evaluate(FOCUSED)
        if is_end:
            continue
        assert number >= 0, tag
        assert has_outline, tag
        assert is_on_screen, tag
        reached.add(number)
    assert len(reached) == wanted


# --------------------------------------------------------------------- the rooms


def test_several_facts_are_deleted_by_their_boxes_and_brought_back(page: Page) -> None:
    page.goto(at("/facts?sort=person"))
    boxes = page.locator("[name=fact]")
    first, second = (boxes.nth(number).get_attribute("value") for number in (0, 1))
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("status")).to_be_visible()
    for number in (first, second):
        expect(page.locator(f"[name=fact][value='{number}']")).to_have_count(0)
    with page.expect_navigation():  # the address has had "done=" since the deletion
        page.get_by_role("status").get_by_role("button", name="Undo").click()
    page.goto(at("/facts?sort=person"))
    for number in (first, second):
        expect(page.locator(f"[name=fact][value='{number}']")).to_have_count(1)


def test_whoever_is_signed_out_reads_how_to_get_a_new_link(page: Page, watch: Any) -> None:
    page.context.clear_cookies()
    page.goto(at("/facts"))
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.get_by_text("For a new link")).to_be_visible()
    page.wait_for_load_state("networkidle")  # the browser complains of each 401 when it comes
    watch.complaints[:] = [text for text in watch.complaints if "401" not in text]
