"""The page as somebody uses it: each page, each form, and what comes of it."""

import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Literal

import pytest
from starlette.testclient import TestClient

from memory import Fact, Memory, Turn, open_store
from memory.facts import correct
from memory.facts.additions import add_turns
from memory.records import Summary
from memory.server.tokens import Tokens
from memory.server.web.markup import HTMX, STATIC, SpeakerColours, day, initial
from memory.server.web.page_request import address_of, name_of_segment, segment_of
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.setting_values import CHAT
from memory.store.facts.vocabulary_table import set_vocabulary
from memory.store.forgetting.preview import forget
from memory.store.namespaces import create, existing, exists
from memory.store.namespaces import home as folder_of_backups
from memory.store.turns.summaries import set_summary
from memory.store.turns.traces import record_trace
from memory.store.waiting.pending_windows import claim_window, fail_window
from memory.vocabulary import Attribute
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.contents import content_of
from tests.support.page_client import Tags, finished, hidden, page_client, shown
from tests.support.reversed_ranking import REVERSED, reversing_program
from tests.support.scripted import answer, scripted_model, scripted_packaged_model, sql

BOTH_STORES = "slow"
ANNA = "/m/anna"
PAGES = [
    *(
        "",
        "/conversation",
        "/conversation?q=cat",
        "/conversation?speaker=Ben&until=2017-05",
        "/conversation/sessions",
        "/turns/3",
    ),
    *("/facts", "/facts?q=cat", "/facts?ended=1", "/facts?standing=1", "/subject?name=Anna"),
    "/subject?name=nobody",
    *("/facts/1", "/past", "/past?day=2017-05&other=2017-07", "/journal", "/journal?paused=1"),
    *(
        "/journal/1",
        "/ask",
        "/story",
        "/chat",
        "/search",
        "/search?q=cat",
    ),
    *("/facts?sort=date&person=Anna", "/facts?q=cat&attribute=has pet&sort=new"),
    *("/settings", "/connect", "/forget", "/forget?matching=cat"),
    *("/forget?all=1", "/more", "/files"),
]


@pytest.fixture
def memories(home: str) -> str:
    """A home with one memory, anna: five turns and three facts."""
    with open_store(create("anna")) as store:
        store.add(SAID)
        store.write(f"{MOVED}; {CAT}; {DOG}", cause="digest by test", window=(1, 5))
    return home


@pytest.fixture
def client(memories: str) -> Iterator[TestClient]:
    with page_client() as client:
        yield client


def test_standing_instructions_are_listed_and_stand_beside_an_answer(memories: str) -> None:
    with open_store(existing("anna")) as store:
        [turn_id] = store.add([Turn("Anna", "No emojis please.", said_at="2024-03-02")])
        store.write(f"{INSERT}('Anna', 'instruction', 'no emojis', '', {turn_id})", cause="test")
    model = scripted_model([([], sql("SELECT turn_id FROM facts;")), ([], answer("Oslo", "1"))])
    with page_client(model) as client:
        listed = shown(client.get(f"{ANNA}/facts?standing=1").text)
        assert "no emojis" in listed
        assert "Miso" not in listed
        form = {"question": "Where does Anna live?", "asker": "Anna"}
        begun = client.post(f"{ANNA}/ask", data=form)
        assert "no emojis" in shown(finished(client, str(begun.url)))


# ---------------------------------------------------------------------------- all pages


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_whole_and_brings_nothing_from_elsewhere(client: TestClient, page: str) -> None:
    response = client.get(f"{ANNA}{page}")
    assert response.status_code == 200
    tags = Tags(response.text)
    names = [name for name, _ in tags.tags]
    assert names.count("main") == names.count("h1") == names.count("html") == 1
    assert not tags.unbalanced
    assert "style" not in names
    assert not [name for _, name, _ in tags.attributes if name == "style" or name.startswith("on")]
    assert all(value.startswith("/static/") for value in tags.values("script", "src"))
    assert len(tags.values("script", "src")) == names.count("script")
    leaving = [v for _, n, v in tags.attributes if n in ("href", "src", "action", "hx-get")]
    assert all(value.startswith(("/", "#")) and not value.startswith("//") for value in leaving)
    identifiers = [value for _, name, value in tags.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))


def test_htmx_is_the_version_that_was_looked_at() -> None:
    assert HTMX == "htmx-4.0.1.min.js"
    digest = sha256((STATIC / HTMX).read_bytes()).hexdigest()
    assert digest == "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130"
    assert "Zero-Clause BSD" in (STATIC / "htmx-LICENSE.txt").read_text("utf-8")


def test_what_is_not_there_is_said_plainly(client: TestClient) -> None:
    for path in ("/m/nobody", "/m/nobody/conversation", f"{ANNA}/turns/99", f"{ANNA}/facts/99"):
        response = client.get(path)
        assert response.status_code == 404
        assert "Not found" in response.text
    for path in (f"{ANNA}/journal/99", f"{ANNA}/work/none", f"{ANNA}/nowhere", f"{ANNA}/undo"):
        response = client.get(path)
        assert response.status_code == 404
        assert "Back to this memory" in response.text
    assert "Back to all memories" in client.get("/nowhere").text
    for path in ("/turns/x", "/past?day=May", "/conversation?since=May", f"/turns/{10**30}"):
        response = client.get(f"{ANNA}{path}")
        assert response.status_code == 400
        assert "Nothing was lost" in response.text
        assert "Back to this memory" in response.text


def test_a_large_vocabulary_keeps_no_page_from_opening(client: TestClient, memories: str) -> None:
    with open_store(existing("anna")) as store:
        names = [f"attribute_{number}" for number in range(700)]
        known = [Attribute(name, other_names=(f"also_{name}",)) for name in names]
        set_vocabulary(store, attributes=known, by="test")
        fact = f"('Anna', '{names[-1]}', 'known', '', 1), ('Anna', 'whatever_verb', 'free', '', 1)"
        store.write(f"{INSERT}{fact}", cause="test")
    text = client.get(ANNA).text
    assert text.index(">known<") < text.index(">free<")


def test_a_fault_leaves_the_form_and_is_shown_above_it(client: TestClient) -> None:
    response = client.post(f"{ANNA}/undo", data={"change": "9"}, headers={"HX-Request": "true"})
    assert response.status_code == 400
    assert response.headers["HX-Retarget"] == response.headers["HX-Reselect"] == "#problem"
    assert "there is no change 9" in response.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["anna", "Anna 🌸", "../../etc/passwd", "100%", "a%2Fb", ".", "..", "a?b#c&d", "x/y", "é"],
)
def test_a_memory_of_any_name_has_its_page(client: TestClient, name: str) -> None:
    assert name_of_segment(segment_of(name)) == name
    if name != "anna":
        client.post("/create", data={"name": name})
    address = address_of(name)
    assert client.get(address).status_code == 200
    assert address in Tags(client.get("/").text).values("a", "href")


# ---------------------------------------------------------------------------- memories


def test_memories_are_made_renamed_copied_and_deleted(client: TestClient) -> None:
    assert "Add a turn" in client.post("/create", data={"name": "ben"}).text
    client.post("/m/ben/rename", data={"new": "bob"})
    client.post(f"{ANNA}/copy", data={"new": "anna two"})
    html = client.get("/").text
    assert {"anna", "bob", "anna two"} <= set(shown(html).replace("anna two", "").split()) | {
        "anna two"
    }
    assert "5 turns, 3 facts" in shown(html)
    refused = client.post("/m/bob/delete", data={"typed": "Bob"})
    assert refused.status_code == 400
    assert exists("bob")
    client.post("/m/bob/delete", data={"typed": "bob"})
    assert not exists("bob")
    assert client.post("/create", data={"name": "anna"}).status_code == 400


def test_the_first_page_of_an_empty_home_says_how_to_begin(home: str) -> None:
    with page_client() as client:
        html = client.get("/").text
        assert "Your first memory" in html
        for word in ("turns(", "facts(", "SQL", "SELECT", "namespace"):
            assert word not in shown(html)


def test_a_server_for_reading_shows_all_and_changes_nothing(memories: str) -> None:
    before = content_of(existing("anna"))
    with page_client(read_only=True) as client:
        for page in PAGES:
            tags = Tags(client.get(f"{ANNA}{page}").text)
            posts = {"post"} & set(tags.values("form", "method"))
            actions = [a for a in tags.values("form", "action") if not a.endswith("sign-out")]
            allowed = (
                "/ask",
                "/conversation",
                "/facts",
                "/past",
                "/search",
                "/forget",
            )
            assert all(action.endswith(allowed) for action in actions), page
            assert posts
        for path, fields in [
            ("/create", {"name": "x"}),
            (f"{ANNA}/delete", {"typed": "anna"}),
            (f"{ANNA}/turns", {"speaker": "A", "text": "x"}),
            (f"{ANNA}/undo", {"change": "1"}),
            (f"{ANNA}/facts/1", {"edit": "remove", "seen": "1"}),
            (f"{ANNA}/forget", {"typed": "forget", "turn": "1", "turns": "1"}),
            (f"{ANNA}/settings", {"user": "Anna"}),
            (f"{ANNA}/facts/several", {"edit": "remove", "fact": "1", "seen": "1"}),
            (f"{ANNA}/tokens", {"name": "laptop", "right": "read"}),
        ]:
            assert client.post(path, data=fields).status_code in (400, 503), path
    assert content_of(existing("anna")) == before


# ---------------------------------------------------------------------------- conversation


def test_pages_of_a_conversation_hold_each_turn_once_in_order(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        store.add([Turn("Ben", f"number {n}", "later", "2018-01-01") for n in range(6, 101)])
    pages = []
    address = f"{ANNA}/conversation"
    while address:
        html = client.get(address).text
        pages.insert(0, [int(n) for n in re.findall(r'id="turn-(\d+)"', html)])
        match = re.search(r'href="([^"]+)" rel="prev"', html)
        address = match[1].replace("&amp;", "&") if match else ""
    assert [number for page in pages for number in page] == list(range(1, 101))
    assert max(map(len, pages)) == 40
    forward = client.get(f"{ANNA}/conversation?after=20").text
    assert re.findall(r'id="turn-(\d+)"', forward)[0] == "21"
    assert 'rel="prev"' in forward
    assert 'rel="next"' in forward
    last = client.get(f"{ANNA}/conversation?after=60").text
    assert 'rel="next"' not in last


def test_a_search_ranks_by_the_weights_of_the_program(memories: str) -> None:
    with open_store(existing("anna")) as store:
        ranked = [hit.turn_id for hit in store.search("cat", weights=REVERSED)]
        assert ranked != [hit.turn_id for hit in store.search("cat")]
    with page_client(program=reversing_program()) as client:
        html = client.get(f"{ANNA}/conversation?q=cat").text
    links = [re.search(r"/turns/(\d+)$", link) for link in Tags(html).values("a", "href")]
    assert [*dict.fromkeys(int(link[1]) for link in links if link)] == ranked


def test_filters_and_search_go_together(client: TestClient) -> None:
    by_ben = shown(client.get(f"{ANNA}/conversation?speaker=Ben").text)
    assert "Rufus" in by_ben
    assert "Miso" not in by_ben
    may = shown(
        client.get(f"{ANNA}/conversation?since=2017-05&until=2017-05-08&session=session_1").text
    )
    assert "Miso" in may
    assert "Rufus" not in may
    html = client.get(f"{ANNA}/conversation?q=a cat called Miso&speaker=Anna").text
    assert html.index("Miso") < html.index("allergic")
    assert "Rufus" not in html
    assert "Why this result?" in html
    assert "meter" in [tag for tag, _ in Tags(html).tags]


def test_a_filtered_search_finds_what_lies_beyond_the_first_hits(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        store.add([Turn("Cleo", "Miso and Miso and the cat", "later") for _ in range(250)])
    html = client.get(f"{ANNA}/conversation?q=a cat called Miso&session=session_1").text
    assert "loves the window" in shown(html)


def test_less_exact_dates_pass_where_they_may_lie(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        store.add([Turn("Cleo", "Vague words", "later", "2017-05")])
    for since, until, passes in [
        ("2017-05-20", "", True),
        ("", "2017-05-02", True),
        ("2017-06", "", False),
        ("", "2017-04", False),
    ]:
        for query in ("", "Vague"):
            html = client.get(f"{ANNA}/conversation?since={since}&until={until}&q={query}").text
            assert ("Vague words" in shown(html)) == passes


def test_a_turn_is_tagged_on_its_page_and_found_by_its_tag(client: TestClient) -> None:
    client.post(f"{ANNA}/turns/3/tags", data={"key": "project", "value": "<b>move</b>"})
    html = client.get(f"{ANNA}/turns/3").text
    assert "project: <b>move</b>" in shown(html)
    for query in ("", "cat"):
        tag = {"tag": "project=<b>move</b>", "q": query}
        found = shown(client.get(f"{ANNA}/conversation", params=tag).text)
        assert "Miso" in found
        assert "Rufus" not in found
    client.post(f"{ANNA}/turns/3/tags", data={"key": "project", "value": ""})
    assert "project" not in shown(client.get(f"{ANNA}/turns/3").text).split("Tag turn")[0]
    assert "write project=move" in client.get(f"{ANNA}/conversation?tag=x").text


def test_facts_stand_beside_their_turn_and_lead_back_to_it(client: TestClient) -> None:
    html = client.get(f"{ANNA}/turns/3").text
    assert "Anna has pet cat Miso" in shown(html)
    assert f"{ANNA}/facts/2" in Tags(html).values("a", "href")
    assert f"{ANNA}/turns/3" in Tags(client.get(f"{ANNA}/facts/2").text).values("a", "href")
    assert "Rufus" not in html  # of another session


def test_what_is_told_on_the_page_is_a_turn(client: TestClient) -> None:
    fields = {"speaker": "Ben", "text": "I bought a boat.", "said_at": "2018-02-03"}
    html = client.post(f"{ANNA}/turns", data=fields).text
    assert "I bought a boat." in shown(html)
    assert "3 Feb 2018" in shown(html)
    for wrong in ({"text": ""}, {"speaker": ""}, {"said_at": "soon"}):
        assert client.post(f"{ANNA}/turns", data=fields | wrong).status_code == 400


def test_a_memory_without_facts_leads_with_people_and_dates(home: str) -> None:
    lines = [
        ("Anna", "I took the trombone to Leeds.", "2017-05-08"),
        ("Ben", "How was the trombone in Leeds?", "2017-05-08"),
        ("Anna", "Loud. I said so.", "2017-06-01"),
    ]
    with page_client() as client:
        client.post("/create", data={"name": "anna"})
        with open_store(existing("anna")) as store:
            store.add([Turn(name, text, f"s{day}", said_at=day) for name, text, day in lines])
        html = client.get(ANNA).text
        text = shown(html)
        assert "People Anna 2 turns Ben 1 turn" in text
        assert "Liveliest days 8 May 2017 2 turns 1 Jun 2017 1 turn" in text
        assert "Dates May 2017 2 turns Jun 2017 1 turn" in text
        assert text.index("People") < text.index("No facts yet")
        assert "facts 0" not in text
        assert "0 facts" not in shown(client.get("/").text)
        links = Tags(html).values("a", "href")
        assert f"{ANNA}/conversation?speaker=Anna" in links
        assert f"{ANNA}/conversation?since=2017-05&until=2017-05" in links
        assert f"{ANNA}/conversation?since=2017-05-08&until=2017-05-08" in links
        found = shown(client.get(f"{ANNA}/conversation?since=2017-05&until=2017-05").text)
        assert "trombone" in found
        assert "Loud" not in found
        with open_store(existing("anna")) as store:
            store.write(MOVED, cause="test")
        text = shown(client.get(ANNA).text)
        assert "Liveliest days" not in text
        assert "3 turns, 1 fact" in text


def test_the_home_shows_each_fact_once(home: str) -> None:
    with open_store(create("anna")) as store:
        store.add([Turn("Anna", f"line {number}", said_at="2024-03-02") for number in range(4)])
        columns = "first_fact, turn_id, attribute"
        link = f"INSERT INTO contradictions ({columns}) VALUES (1, 2, 'visited')"
        for statements in (
            "('Anna', 'never', 'flown', '', 1)",
            f"('Anna', 'visited', 'Rome', '', 2); {link}",
            "('Anna', 'visited', 'Rome', '', 3), ('Ben', 'works_as', 'a mason', '', 3)",
            "('Anna', 'repaired', 'the gate', '', 4)",
        ):
            store.write(f"{INSERT}{statements}", cause="test", window=claim_window(store, 1))
    with page_client() as client:
        words = shown(client.get(ANNA).text)
        contradicted = shown(client.get(f"{ANNA}/facts/1").text)
        undisputed = shown(client.get(f"{ANNA}/facts/3").text)
    assert "Contradicts" in contradicted, contradicted
    assert "Contradicts" not in undisputed
    for value in ("flown", "Rome", "the gate", "a mason"):
        assert words.count(value) == 1, value
    assert words.index("Waits for you") < words.index("Rome") < words.index("New facts")
    # The gate is the newest, but "repaired" is no attribute of the vocabulary.
    assert words.index("a mason") < words.index("the gate")
    assert "Recent changes" in words
    assert "1 fact added" in words


# ---------------------------------------------------------------------------- facts


def test_from_the_first_start_to_the_first_correction_and_its_undo(home: str) -> None:
    with page_client() as client:
        client.post("/create", data={"name": "anna"})
        client.post(f"{ANNA}/turns", data={"speaker": "Anna", "text": "Oslo it is!"})
        noted = {"turn": "1", "subject": "Anna", "attribute": "lives in", "value": "Oslo"}
        assert "Done. Anna lives in Oslo" in shown(client.post(f"{ANNA}/facts", data=noted).text)
        by_hand = {"subject": "Ben", "attribute": "favourite tea", "value": "Mint", "turn": ""}
        assert "Done. Ben favourite tea Mint" in shown(
            client.post(f"{ANNA}/facts", data=by_hand).text
        )
        near = by_hand | {"attribute": "preferred tea"}
        assert "favourite_tea: use that name" in client.post(f"{ANNA}/facts", data=near).text
        near |= {"new_attribute": "1"}
        assert "Done. Ben preferred tea" in shown(client.post(f"{ANNA}/facts", data=near).text)
        html = client.get(f"{ANNA}/facts/1").text
        form = {"edit": "supersede", "seen": hidden(html, "seen"), "value": "Bergen"}
        changed = client.post(f"{ANNA}/facts/1", data=form | {"since": "2030-02"}).text
        assert "Anna lives in Bergen · Feb 2030" in shown(changed)
        assert "rests" not in changed
        undone = client.post(f"{ANNA}/undo", data={"change": hidden(changed, "change")}).text
        assert "Undone." in shown(undone)
        assert "Redo" in shown(undone)
        redone = client.post(f"{ANNA}/undo", data={"change": hidden(undone, "change")}).text
        assert "Anna lives in Bergen" in shown(redone)


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"edit": "correct", "value": "Osaka", "attribute": "lives in"}, "Anna lives in Osaka"),
        ({"edit": "end", "on": "2018-03"}, "Past: from 6 May 2017 until Mar 2018."),
        ({"edit": "remove"}, "It was deleted."),
    ],
)
def test_a_fact_is_put_right_at_once_on_its_page(
    client: TestClient, form: dict[str, str], text: str
) -> None:
    fields = {"subject": "Anna", "happened_on": "2017-05-06", "seen": "1"} | form
    html = client.post(f"{ANNA}/facts/1", data=fields).text
    assert text in shown(html)
    assert "Undo 2" in shown(html)


def test_of_two_who_change_a_fact_the_second_sees_both_versions(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        correct(store, 1, value="Osaka", by="Ben")
    form = {"edit": "supersede", "seen": "1", "value": "Bergen"}
    response = client.post(f"{ANNA}/facts/1", data=form)
    assert response.status_code == 409
    text = shown(response.text)
    assert "When you opened it Anna lives in Oslo" in text
    assert "Now Anna lives in Osaka" in text
    assert "Your edit value Bergen" in text
    with open_store(existing("anna"), read_only=True) as store:
        assert [fact.value for fact in store.facts()] == ["Osaka", "cat Miso", "dog Rufus"]
    # Whoever has seen both may go on; nothing is lost.
    again = client.post(f"{ANNA}/facts/1", data=form | {"seen": hidden(response.text, "seen")})
    assert again.status_code == 200
    assert "Anna lives in Bergen" in shown(again.text)


def test_what_was_removed_meanwhile_is_a_version_too(client: TestClient) -> None:
    client.post(f"{ANNA}/facts/1", data={"edit": "remove", "seen": "1"})
    response = client.post(f"{ANNA}/facts/1", data={"edit": "end", "seen": "1"})
    assert response.status_code == 409
    assert "It was deleted." in shown(response.text)


def test_subjects_are_listed_and_searched(client: TestClient) -> None:
    text = shown(client.get(f"{ANNA}/facts").text)
    assert "2 people and things" in text
    assert "dog Rufus" in shown(client.get(f"{ANNA}/facts?q=Which dog has Ben?").text)
    client.post(f"{ANNA}/facts/1", data={"edit": "end", "seen": "1", "on": "2018"})
    assert "Oslo" not in shown(client.get(f"{ANNA}/subject?name=Anna").text)
    assert "Oslo" in shown(client.get(f"{ANNA}/subject?name=Anna&ended=1").text)
    assert "Forget what was said about Anna" in shown(client.get(f"{ANNA}/subject?name=Anna").text)


# ---------------------------------------------------------------------------- past, journal


def test_the_slider_and_the_day_show_what_held_then(client: TestClient) -> None:
    may = client.get(f"{ANNA}/past?day=2017-05-31").text
    assert "2 facts on 31 May 2017" in shown(may)  # each on its own turn's day
    june = shown(client.get(f"{ANNA}/past?day=2017-06-30&other=2017-05-01").text)
    assert "3 facts on 30 Jun 2017" in june
    assert june.index("What differs") < june.index("3 facts on")
    assert "dog Rufus" in june
    assert hidden(may, "slider_before") == "23"
    slid = client.get(f"{ANNA}/past?day=2017-05-31&slider=35&slider_before=23").text
    assert "12 Jun 2017" in shown(slid)
    moved = client.get(f"{ANNA}/past?day=2017-05-31&slider=23&slider_before=23").text
    assert "31 May 2017" in shown(moved)


def test_then_and_now_opens_on_a_day_on_which_something_is_known(home: str) -> None:
    told = [
        ("Hi! How was the trip?", "2023-05-01"),
        ("I moved to Hull.", "2023-05-15"),
        ("It rains here.", "2023-05-20"),
    ]
    with open_store(create("anna")) as store:
        add_turns(store, [Turn("Anna", text, said_at=day) for text, day in told])
    with page_client() as client:
        opened = shown(client.get(f"{ANNA}/past").text)
        assert "1 fact on 20 May 2023" in opened
        assert "Hull" in opened


def test_a_fact_that_had_ended_by_then_is_not_added_since(client: TestClient) -> None:
    columns = "(subject, attribute, value, happened_on, ended_on, turn_id)"
    with open_store(existing("anna")) as store:
        store.write(
            f"INSERT INTO facts {columns} VALUES ('Anna', 'lives_in', 'Kyiv', '2001', '2010', 1),"
            " ('Anna', 'works_as', 'baker', '2001', '', 1);"
            "UPDATE facts SET ended_on = '2018' WHERE value = 'Oslo'",
            cause="by hand",
        )
    page = shown(client.get(f"{ANNA}/past?day=2017-06-30").text)
    differing = page.partition("3 facts on")[0]
    assert "Kyiv" not in differing
    assert "works as baker" in differing
    assert "Anna lives in Oslo · 6 May 2017 → Anna lives in Oslo · 6 May 2017 until 2018" in page


def test_what_was_true_before_a_day_and_stored_after_it_is_no_news(client: TestClient) -> None:
    columns = "(subject, attribute, value, happened_on, turn_id)"
    with open_store(existing("anna")) as store:
        [today] = store.add([Turn("Anna", "I play the flute.", "session_3", "2018-01-02")])
        store.write(
            f"INSERT INTO facts {columns} VALUES ('Anna', 'works_as', 'baker', '2001', {today}),"
            f" ('Anna', 'plays', 'flute', '', {today}), ('Anna', 'has_child', 'Ida', '', 1)",
            cause="by hand",
        )
    page = shown(client.get(f"{ANNA}/past?day=2017-06-30").text).partition("3 facts on")[0]
    news, later = page.split("True by then, stored later")
    assert "flute" in news
    assert "baker" not in news
    assert "works as baker · 2001" in later
    assert "has child Ida" in later, "its turn is of that May"
    back = shown(client.get(f"{ANNA}/past?day=2018-02&other=2017-06").text)
    assert "stored later" not in back
    filtered = shown(client.get(f"{ANNA}/past?day=2017-06-30&q=baker").text)
    assert "flute" not in filtered


def test_what_was_stored_later_is_told_apart_without_comparing_each_with_each(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = ", ".join(f"('Anna', 'likes', 'tea {number}', '2001', 1)" for number in range(60))
    columns = "(subject, attribute, value, happened_on, turn_id)"
    with open_store(existing("anna")) as store:
        store.write(f"INSERT INTO facts {columns} VALUES {rows}", cause="by hand")
    compared: list[Fact] = []
    equal = Fact.__eq__
    monkeypatch.setattr(
        Fact, "__eq__", lambda one, other: compared.append(one) or equal(one, other)
    )
    page = shown(client.get(f"{ANNA}/past?day=2017-06-30").text)
    assert "True by then, stored later" in page
    assert len(compared) < 600


def test_going_back_is_a_change_that_can_be_undone(client: TestClient) -> None:
    html = client.post(f"{ANNA}/revert", data={"point": "#0"}).text
    assert "Reverted to #0" in shown(html)
    with open_store(existing("anna"), read_only=True) as store:
        assert store.facts() == []
    client.post(f"{ANNA}/undo", data={"change": hidden(html, "change")})
    with open_store(existing("anna"), read_only=True) as store:
        assert len(store.facts()) == 3


def test_the_journal_asks_for_itself_until_it_is_paused(client: TestClient) -> None:
    live = Tags(client.get(f"{ANNA}/journal").text)
    assert "every 900ms" in live.values("div", "hx-trigger")
    for address in ("/journal?paused=1", "/journal?before=2"):
        assert not Tags(client.get(f"{ANNA}{address}").text).values("div", "hx-trigger")
    assert "Extracted by test" in shown(client.get(f"{ANNA}/journal").text)


def test_windows_that_failed_show_their_sql_and_are_decided(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        for text in ("I sold the cat.", "And the dog."):
            store.add([Turn("Ben", text)])
        held, failed = claim_window(store, 1), claim_window(store, 1)
        assert held
        assert failed
        fail_window(
            store, held, "held for a person: it ends 9 facts", statement="DELETE FROM facts"
        )
        fail_window(store, failed, "no such column: pet")
    html = client.get(f"{ANNA}/journal").text
    assert "DELETE FROM facts" in html
    assert "no such column: pet" in html
    first = {"first": "6", "last": "6"}
    assert client.post(f"{ANNA}/windows", data=first | {"decision": "x"}).status_code == 400
    skipped = client.post(f"{ANNA}/windows", data={"first": "7", "last": "7", "decision": "skip"})
    assert "Skipped by user" in shown(skipped.text)
    assert "no such column" not in client.get(f"{ANNA}/journal").text


# ---------------------------------------------------------------------------- models at work


def test_an_answer_shows_its_turns_and_how_it_was_found(memories: str) -> None:
    select = "SELECT turn_id, value FROM facts WHERE subject = 'Anna'"
    model = scripted_model(
        [(["Where does Anna live?"], sql(select)), (["Oslo"], answer("Oslo", "1"))]
    )
    with page_client(model) as client:
        begun = client.post(f"{ANNA}/ask", data={"question": "Where does Anna live?"})
        html = finished(client, str(begun.url))
        text = shown(html)
        assert "Oslo Sources" in text
        assert f"{ANNA}/turns/1" in Tags(html).values("a", "href")
        assert select in text
        assert "2 model calls" in text
        assert "Where does Anna live? — Oslo" in shown(client.get(f"{ANNA}/ask").text)
        assert client.post(f"{ANNA}/ask", data={"question": " "}).status_code == 400


def test_a_reply_streams_and_both_sides_are_kept(memories: str) -> None:
    with page_client(scripted_model([(["hello there"], "Hello, Anna!")])) as client:
        said = client.post(f"{ANNA}/chat", data={"text": "hello there", "session": "today"})
        html = finished(client, str(said.url).split("#")[0])
        assert "hello there" in shown(html)
    with open_store(existing("anna"), read_only=True) as store:
        texts = [(turn.speaker, turn.session) for turn in store.turns(6)]
    assert texts == [("User", "today"), ("Assistant", "today")]


def test_a_chat_shows_the_facts_that_it_stored_of_a_message(
    memories: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply that claims to have noted something has them above it, or nothing."""
    monkeypatch.setattr("memory.api.memory.SQL_USE", "never")
    claims = "[[ ## reply ## ]]\nI've made a note of it.\n\n[[ ## turns ## ]]\n"
    model = scripted_model([([], claims), ([], claims)])
    with page_client(model) as client:
        for text in ("I live in Lund.", "It rains."):
            client.post(f"{ANNA}/chat", data={"text": text, "session": "today"})
            html = finished(client, f"{ANNA}/chat?session=today")
        text = shown(html)
    assert "I live in Lund. stored: User lives in Lund Assistant turn 7 I've made a note" in text
    assert "It rains. Assistant turn 9 I've made a note" in text
    [fact] = [fact for fact in facts_of("anna") if fact.turn_id == 6]
    assert f"{ANNA}/facts/{fact.id}" in Tags(html).values("a", "href")


def test_a_reply_does_not_repeat_the_facts_that_the_page_shows(memories: str) -> None:
    with page_client(replace(scripted_packaged_model([]), name="local")) as client:
        client.post(f"{ANNA}/chat", data={"text": "I live in Lund.", "session": "today"})
        html = finished(client, f"{ANNA}/chat?session=today")
    text = shown(html)
    # A bubble shows every line break that it has.
    assert re.search(r"not stored</small>Kept as turn 6\.(?!\s)", html)
    assert (
        "I live in Lund. stored: User lives in Lund Assistant, not stored Kept as turn 6." in text
    )
    assert text.count("Lund") == 2


def test_a_list_of_facts_shows_the_later_turn_that_may_change_one(memories: str) -> None:
    texts = ("I have a dog called Rex.", "The vet could not save Rex.")
    with open_store(existing("anna")) as store, Memory(store) as memory:
        memory.add([Turn("Eve", text, said_at="2025-03-01") for text in texts])
    with page_client() as client:
        listed = shown(client.get(f"{ANNA}/facts?person=Eve").text)
        by_person = shown(client.get(f"{ANNA}/facts").text)
        of_eve = shown(client.get(f"{ANNA}/subject?name=Eve").text)
        alone = shown(client.get(f"{ANNA}/facts/4").text)
    assert 'Turn 7, 1 Mar 2025, may have changed this: "The vet could not save Rex."' in alone
    later = 'a dog called Rex · later, turn 7, 1 Mar 2025: "The vet could not save Rex."'
    assert later in listed
    assert later in by_person
    assert later in of_eve


def test_the_facts_of_a_person_begin_with_home_work_and_family(memories: str) -> None:
    lines = ["lives_in", "owns", "allergic_to", "has_sister", "works_at", "likes"]
    with open_store(existing("anna")) as store:
        for number, attribute in enumerate(lines):
            store.write(
                "INSERT INTO facts (subject, attribute, value, turn_id)"
                f" VALUES ('Mia', '{attribute}', 'value {number}', 1)",
                cause="test",
            )
    with page_client() as client:
        for page_of in ("facts", "subject?name=Mia"):
            text = shown(client.get(f"{ANNA}/{page_of}").text)
            rows = ("lives in value 0", "works at value 4", "has sister value 3")
            places = [text.index(row) for row in rows]
            assert places == sorted(places)


def test_a_person_of_thirty_facts_is_shown_whole(memories: str) -> None:
    with open_store(existing("anna")) as store:
        rows = ", ".join(f"('Mia', 'likes', 'thing {number}', 1)" for number in range(30))
        store.write(
            f"INSERT INTO facts (subject, attribute, value, turn_id) VALUES {rows}", cause="test"
        )
    with page_client() as client:
        text = shown(client.get(f"{ANNA}/facts").text)
    assert all(f"thing {number} " in text for number in range(30))
    assert "all 30 facts" not in text


def test_a_user_has_the_name_that_they_said(home: str) -> None:
    with open_store(create("diary")) as store:
        add_turns(store, [Turn("user", "My name is Ines."), Turn("user", "I live in Lund.")])
    with page_client() as client:
        for page_of in ("", "conversation", "facts", "subject?name=user", "turns/2"):
            page = shown(client.get(f"/m/diary/{page_of}".rstrip("/")).text)
            assert "Ines" in page.replace("My name is Ines.", ""), page_of
        assert "Stored as “user”" in shown(client.get("/m/diary/subject?name=user").text)
        assert "Ines lives in Lund" in shown(client.get("/m/diary/conversation").text)


def test_a_user_who_said_no_name_has_the_owners_or_the_users_id(home: str) -> None:
    for name in ("ines-7", "default", "both"):
        with open_store(create(name)) as store:
            add_turns(store, [Turn("user", "I live in Lund."), Turn("assistant", "Nice!")])
            if name == "both":
                add_turns(store, [Turn("Ben", "So do I.")])
    with page_client() as client:
        pages = {name: f"/m/{name}/conversation" for name in ("ines-7", "default", "both")}
        assert "ines-7 lives in Lund" in shown(client.get(pages["ines-7"]).text)
        assert "user lives in Lund" in shown(client.get(pages["default"]).text)
        assert "user lives in Lund" in shown(client.get(pages["both"]).text)
        with open_store(existing("both")) as store:
            Settings(store, CHAT).set("user", "Ines")
        assert "Ines lives in Lund" in shown(client.get(pages["both"]).text)
        assert "Ines lives in" in shown(client.get("/m/both/facts/1").text)


def test_a_chat_without_a_model_shows_small_talk_a_way_to_one(home: str) -> None:
    with open_store(create("diary")) as store:
        add_turns(store, [Turn("user", "My cat is called Mia."), Turn("user", "I live in Lund.")])
    with page_client("") as client:
        for _ in range(2):  # the message itself is near the second time
            client.post("/m/diary/chat", data={"text": "hi how are you?", "session": "today"})
            html = finished(client, "/m/diary/chat?session=today")
    text = shown(html)
    assert "No model that can talk is chosen." in text
    assert "memory chat" not in text
    assert "Mia" not in text
    assert html.count("bubble mine") == 2  # whatever the case of "user"
    assert "Why?" not in text
    with open_store(existing("diary"), read_only=True) as store:
        assert [turn.text for turn in store.turns(3)] == ["hi how are you?"] * 2


def test_a_chat_shows_no_reply_that_quotes_a_forgotten_turn(memories: str) -> None:
    chat = {"text": "Who here has a dog?", "session": "today"}
    with page_client("") as client:
        for private in ("", "1"):
            page = client.post(f"{ANNA}/chat", data=chat | {"private": private}).url
            assert "Rufus" in shown(finished(client, str(page)))
        with open_store(existing("anna")) as store:
            forget(store, [store.turn(4)], lambda _: True)
        assert "Rufus" not in client.get(str(page)).text


def test_a_question_without_an_answer_shows_the_nearest_turns_once(memories: str) -> None:
    with page_client("") as client:
        begun = client.post(f"{ANNA}/ask", data={"question": "Which boat does Anna own?"})
        html = finished(client, str(begun.url))
    text = shown(html)
    assert "Nothing here answers by itself." in text
    assert text.count("loves the window") == 1
    assert 'class="answer"' not in html


def test_what_is_said_off_the_record_is_answered_and_leaves_nothing(memories: str) -> None:
    before = content_of(existing("anna"))
    chat = f"{ANNA}/chat"
    private = {"session": "today", "private": "1"}
    with page_client("") as client:
        said = client.post(chat, data={"text": "Who here has a dog?", **private})
        html = finished(client, str(said.url))
        assert "Off the record Who here has a dog?" in shown(html)
        assert "Rufus" in shown(html)
        assert "checked" in html
        assert content_of(existing("anna")) == before
        client.post(chat, data={"text": "It is late.", "session": "today"})
        html = finished(client, f"{chat}?session=today&private=1")
        assert "Who here" not in html
    with open_store(existing("anna"), read_only=True) as store:
        assert [turn.text for turn in store.turns(6)] == ["It is late."]


def test_a_turn_expires_by_its_page_and_its_facts_say_so(client: TestClient) -> None:
    html = client.post(f"{ANNA}/turns/3/expiry", data={"expires": "2999-12-04"}).text
    assert "forgotten after" in shown(html)
    assert "Dec 2999" in shown(html)
    assert "forget_after" not in shown(html)
    assert "Turn 3 is forgotten after" in shown(client.get(f"{ANNA}/facts/2").text)
    assert "loves the window" in shown(client.get(f"{ANNA}/forget").text)
    assert client.post(f"{ANNA}/turns/3/expiry", data={"expires": "soon"}).status_code == 400
    html = client.post(f"{ANNA}/turns/3/expiry", data={"expires": ""}).text
    assert "Dec 2999" not in shown(html)
    assert "Undo" in shown(html)


def test_home_says_who_speaks(client: TestClient) -> None:
    text = shown(client.get(ANNA).text)
    assert "People Anna" in text
    assert text.index("Recent changes") < text.index("People") < text.index("New facts")


def facts_of(name: str) -> list[Fact]:
    with open_store(existing(name), read_only=True) as store:
        return store.facts()


def test_what_was_said_is_read_for_facts(memories: str) -> None:
    with open_store(existing("anna")) as store:
        store.add([Turn("Ben", "I bought a boat.", said_at="2018-01-01")])
    statement = (
        "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Ben', 'owns', 'a boat', 6)"
    )
    with page_client(scripted_model([(["bought a boat"], sql(statement))])) as client:
        assert "1 turn was not read for facts yet" in shown(client.get(f"{ANNA}/journal").text)
        begun = client.post(f"{ANNA}/digest")
        text = shown(finished(client, str(begun.url)))
        assert "read 1 facts changed 1 known facts ended 0 removed 0" in text
        assert "Ben owns a boat" in shown(client.get(f"{ANNA}/journal").text)


def test_without_a_larger_model_the_page_asks_none_for_facts(memories: str) -> None:
    with open_store(existing("anna")) as store:
        store.add([Turn("Ben", "Lovely weather.", said_at="2018-01-01")])
    with page_client(replace(scripted_packaged_model([]), name="local")) as client:
        waiting = client.get(f"{ANNA}/journal").text
        assert "A larger model stores more" in shown(waiting)
        assert f"{ANNA}/digest" not in waiting
        with page_client("local") as by_name:  # as `memory serve` has it, not loaded yet
            assert by_name.get(f"{ANNA}/journal").text == waiting
        with page_client("openai/none") as hosted:
            assert f"{ANNA}/digest" in hosted.get(f"{ANNA}/journal").text


def test_a_model_that_cannot_be_used_is_named(memories: str) -> None:
    with page_client("openai/none") as client:
        begun = client.post(f"{ANNA}/ask", data={"question": "Where does Anna live?"})
        assert "OPENAI_API_KEY" in finished(client, str(begun.url))


# ---------------------------------------------------------------------------- care


def test_settings_are_switches_menus_and_fields(client: TestClient) -> None:
    with open_store(existing("anna")) as store:
        Settings(store, {**CHAT, "theme": Literal["day", "night"], "words": list[str]})
    page = f"{ANNA}/settings"
    tags = Tags(client.get(page).text)
    menus = {"timezone", "secrets", "wrong_answer_cost", "prompts", "theme"}
    assert {*tags.values("select", "name")} == menus
    assert {"Europe/Oslo", "mask", "night"} <= {*tags.values("option", "value")}
    assert tags.values("input", "role") == ["switch"]
    assert "number" in tags.values("input", "type")
    typed = {
        "timezone": "Europe/Oslo",
        "retention_days": "90",
        "retention_keeps_facts": ["false", "true"],
        "secrets": "mask",  # as it is
        "words": '["a"]',
    }
    client.post(page, data=typed)
    with open_store(existing("anna")) as store:
        assert Settings(store).all() == {
            "timezone": "Europe/Oslo",
            "retention_days": 90,
            "retention_keeps_facts": True,
            "words": ["a"],
        }
    client.post(page, data={"timezone": "", "retention_days": "", "retention_keeps_facts": "false"})
    wrong = client.post(page, data={"secrets": "off", "retention_days": "soon"})
    assert wrong.status_code == 400
    with open_store(existing("anna")) as store:
        assert Settings(store).all() == {
            "timezone": None,
            "retention_days": None,
            "retention_keeps_facts": False,
            "words": ["a"],
        }


def test_settings_keep_their_history(client: TestClient) -> None:
    for name in ("Anna", "Anne"):
        client.post(f"{ANNA}/settings", data={"user": name})
    html = client.get(f"{ANNA}/settings").text
    assert "Anne" in Tags(html).values("input", "value")
    assert "Your name: Anna from" in shown(html)
    wrong = client.post(f"{ANNA}/settings", data={"user": "a: b"})
    assert wrong.status_code == 400


def test_a_file_is_brought_in_and_again_adds_what_is_new(client: TestClient) -> None:
    lines = [{"speaker": "Eva", "text": f"line {n}", "source": f"e:{n}"} for n in range(3)]
    content = "\n".join(map(json.dumps, lines)).encode()
    for expected in ("3 new turns, 0 already stored", "0 new turns, 3 already stored"):
        begun = client.post(f"{ANNA}/import", files={"file": ("chat.jsonl", content)})
        assert expected in shown(finished(client, str(begun.url)))
    begun = client.post(f"{ANNA}/import", files={"file": ("../../x.jsonl", b"\x00\xff")})
    assert "problem" in finished(client, str(begun.url))
    assert client.post(f"{ANNA}/import").status_code == 400
    response = client.post(f"{ANNA}/import", files={"file": ("notes.md", "# Notes")})
    assert "memory add notes.md" in response.text
    for name, quoted in (("$(touch x).md", "'$(touch x).md'"), ("--once.md", "./--once.md")):
        response = client.post(f"{ANNA}/import", files={"file": (name, "# Notes")})
        assert f"memory add {quoted}" in unescape(response.text)


@pytest.mark.parametrize(
    ("order", "day"), [("day-first", "2023-08-05"), ("month-first", "2023-05-08")]
)
def test_a_file_whose_dates_are_in_doubt_asks_which_comes_first(
    client: TestClient, order: str, day: str
) -> None:
    files = {"file": ("chat.txt", "[05/08/2023, 09:15:22] Eva: I moved to Porto\n")}
    begun = client.post(f"{ANNA}/import", files=files)
    assert ("'05/08/2023'") in shown(finished(client, str(begun.url)))
    begun = client.post(f"{ANNA}/import", files=files, data={"dates": order})
    assert "1 new turn" in shown(finished(client, str(begun.url)))
    with open_store(existing("anna")) as store:
        assert [turn.said_at for turn in store.turns() if turn.speaker == "Eva"] == [
            f"{day}T09:15:22"
        ]
    assert client.post(f"{ANNA}/import", files=files, data={"dates": "x"}).status_code == 400


def test_columns_with_other_names_are_named_in_the_form(client: TestClient) -> None:
    files = {"file": ("team.csv", "Date,Sender,Message\n2023-08-05,Eva,I moved to Porto\n")}
    begun = client.post(f"{ANNA}/import", files=files)
    asked = shown(finished(client, str(begun.url)))
    assert "team.csv: the columns are date, sender, message" in asked
    assert "Name the others at Columns of a table" in asked
    assert "--map" not in asked
    html = client.get(f"{ANNA}/files").text
    fields = {"column-speaker": "Sender", "column-text": "Message"}
    assert fields.keys() <= {*Tags(html).values("input", "name")}
    begun = client.post(f"{ANNA}/import", files=files, data=fields)
    assert "1 new turn" in shown(finished(client, str(begun.url)))
    with open_store(existing("anna")) as store:
        [turn] = [turn for turn in store.turns() if turn.speaker == "Eva"]
    assert (turn.text, turn.said_at) == ("I moved to Porto", "2023-08-05")


def test_a_memory_is_taken_along(client: TestClient) -> None:
    assert "Miso" in client.get(f"{ANNA}/export/md").text
    assert client.get(f"{ANNA}/export/csv").headers["content-disposition"] == (
        'attachment; filename="anna.csv"'
    )
    assert len(client.get(f"{ANNA}/export/jsonl").text.splitlines()) > 8
    assert client.get(f"{ANNA}/export/exe").status_code == 400


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("GET", ""),
        ("HEAD", ""),
        ("GET", "bytes=0-9"),
        ("GET", "bytes=999999999999-"),
        ("GET", "items=1"),
        ("GET", "bytes=junk"),
    ],
)
def test_an_export_of_the_page_leaves_no_copy(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, asked: str
) -> None:
    """A range that cannot be answered ended the response before its file was removed."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    headers = {"range": asked} if asked else {}
    for kind in ("jsonl", "csv", "md"):
        exported = client.request(method, f"{ANNA}/export/{kind}", headers=headers)
        assert exported.status_code == 200
        assert ("Miso" in exported.text) == (method == "GET")
        assert list(folder.iterdir()) == []


def test_an_export_of_the_page_that_is_not_read_has_no_name(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = [*tmp_path.iterdir()]
    with client.stream("GET", f"{ANNA}/export/jsonl"):
        assert [*tmp_path.iterdir()] == before
    assert ".backup.db" in client.post(f"{ANNA}/backup").text
    assert [path.name for path in folder_of_backups().glob("*.backup.db")]


def test_forgetting_shows_all_that_goes_and_wants_the_word(client: TestClient) -> None:
    html = client.get(f"{ANNA}/forget?matching=rufus").text
    assert "1 turn to forget" in shown(html)
    assert "dog Rufus" in shown(html)
    form = {"matching": "rufus", "confirmation": hidden(html, "confirmation")}
    assert client.post(f"{ANNA}/forget", data=form | {"typed": "yes"}).status_code == 400
    wrong = client.post(f"{ANNA}/forget", data=form | {"typed": "forget", "matching": "miso"})
    assert wrong.status_code == 400
    assert client.post(f"{ANNA}/forget", data={"typed": "forget"}).status_code == 400
    with open_store(existing("anna"), read_only=True) as store:
        assert len(store.turns()) == 5
    receipt = client.post(f"{ANNA}/forget", data=form | {"typed": "Forget"}).text
    assert "1 turn and 1 fact" in shown(receipt)
    assert '"salt": "' in shown(receipt)
    assert "Rufus" not in client.get(f"{ANNA}/conversation?q=dog").text


def test_a_reply_and_what_it_was_made_from_link_to_each_other(memories: str) -> None:
    with open_store(existing("anna")) as store:
        [reply] = store.add([Turn("Assistant", "How lovely.")])
        record_trace(store, reply, [2, 3], [2])
    with page_client() as client:
        page = client.get(f"{ANNA}/turns/{reply}").text
        assert "What this reply was made from" in page
        assert f'href="{ANNA}/turns/3"' in page
        assert f'href="{ANNA}/facts/2"' in page
        for path in ("turns/3", "facts/2", "forget?turn=3"):
            assert re.search(
                rf"made from (it|them).*/turns/{reply}\"", client.get(f"{ANNA}/{path}").text
            )
        assert "made from" not in client.get(f"{ANNA}/turns/1").text
        form = {"turn": "3", "typed": "forget"}
        form["confirmation"] = hidden(client.get(f"{ANNA}/forget?turn=3").text, "confirmation")
        receipt = client.post(f"{ANNA}/forget", data=form).text
        assert f'made from them, which stay: turns <a href="{ANNA}/turns/{reply}"' in receipt
        assert f'href="{ANNA}/turns/3"' not in client.get(f"{ANNA}/turns/{reply}").text


def test_a_turn_is_pinned_and_kept_out_by_buttons(client: TestClient) -> None:
    page = f"{ANNA}/turns/3"
    assert "Pin turn 3" in shown(client.get(page).text)
    assert "Keep turn 3 out" in shown(client.get(f"{ANNA}/facts/2").text)
    for kind, says in (
        ("keep_out", "Turn 3 is in no block"),
        ("pin", "Turn 3 is in every block"),
        ("unpin", "Pin turn 3"),
    ):
        answer = client.post(f"{page}/pin", data={"pin": kind})
        assert says in shown(answer.text)
    assert client.post(f"{page}/pin", data={"pin": "x"}).status_code == 400
    assert client.post(f"{ANNA}/turns/99/pin", data={"pin": "pin"}).status_code in (400, 404)


def test_what_was_merged_goes_with_each_of_its_turns(client: TestClient) -> None:
    columns = "subject, attribute, value, turn_id"
    with open_store(existing("anna")) as store:
        store.write(
            f"INSERT INTO facts ({columns}) VALUES ('Anna', 'lives_in', 'the north', 5)",
            cause="by hand",
        )
        [merged] = [fact.id for fact in store.facts() if fact.value == "the north"]
        store.write(
            f"DELETE FROM facts WHERE id IN (1, {merged});"
            f"INSERT INTO facts ({columns}) VALUES ('Anna', 'lives_in', 'Oslo, in the north', 1)",
            cause="refine merge: one home",
        )
        whole = store.facts()[-1].id
    page = shown(client.get(f"{ANNA}/facts/{whole}").text)
    assert "Lovely! I am allergic to dogs though." in page
    assert "I moved to Oslo last Saturday!" in page
    gone = shown(client.get(f"{ANNA}/forget?turn=5").text)
    assert "Anna lives in Oslo, in the north" in gone
    assert "Facts to restore" in gone
    assert "Anna lives in Oslo · 6 May 2017" in gone


# --------------------------------------------------------------------- search details


def test_old_addresses_lead_to_the_new_pages(client: TestClient) -> None:
    assert "Settings" in shown(client.get(f"{ANNA}/maintenance").text)
    assert "Ask a question" in shown(client.get(f"{ANNA}/ask").text)
    assert "Import and export" in shown(client.get(f"{ANNA}/charts").text)


def test_a_search_of_everything_shows_facts_and_turns(client: TestClient) -> None:
    page = client.get(f"{ANNA}/search?q=Which dog has Ben?").text
    assert shown(page).index("dog Rufus") < shown(page).index("Why this result?")
    assert f"{ANNA}/facts/3" in Tags(page).values("a", "href")
    assert f"{ANNA}/turns/4" in Tags(page).values("a", "href")


def test_a_search_for_a_word_lists_the_facts_that_hold_it(home: str) -> None:
    said = ["My dog is called Pepper.", "I live in Lund.", "I work as a baker.", "I speak Danish."]
    with open_store(create("diary")) as store:
        add_turns(store, [Turn("Ines", text) for text in said])
    with page_client() as client:
        listed = shown(client.get("/m/diary/search?q=Pepper").text).partition("Turns")[0]
        ranked = shown(client.get("/m/diary/facts?q=what Danish").text)
        near = shown(client.get("/m/diary/facts?q=kayak").text)
        nearest = shown(client.get("/m/diary/search?q=kayak").text)
    assert "has pet Pepper" in listed
    assert "Lund" not in listed
    assert "baker" not in listed
    assert ", and the nearest others:" in ranked
    assert "No fact with a word of" in near
    assert "Nearest facts" in nearest
    assert ranked.index("speaks Danish") < min(map(ranked.find, ("Lund", "baker")))


def test_every_page_searches_and_has_five_rooms_and_more(client: TestClient) -> None:
    for page in PAGES:
        tags = Tags(client.get(f"{ANNA}{page}").text)
        assert f"{ANNA}/search" in tags.values("form", "action"), page
        assert tags.values("a", "href").count(ANNA) >= 1
        assert {
            f"{ANNA}/{part}" for part in ("chat", "facts", "conversation", "journal", "more")
        } <= {*tags.values("a", "href")}


def test_no_page_speaks_of_what_no_newcomer_knows(client: TestClient) -> None:
    for page in PAGES:
        words = shown(client.get(f"{ANNA}{page}").text).lower()
        for unknown in ("digest", "namespace", "vocabulary", "claimed", "answers kept"):
            assert unknown not in words, page


def test_a_memory_is_connected_by_what_is_copied(client: TestClient) -> None:
    page = shown(client.get(f"{ANNA}/connect").text)
    assert '"args": [ "serve", "mcp", "-n", "anna" ]' in page
    assert "http://testserver/mcp/anna" in page
    assert "No token opens this memory." in page
    html = client.post(f"{ANNA}/tokens", data={"name": "laptop", "right": ["read", "write"]}).text
    [token] = re.findall(r'value="(sqlmem_[^"]+)"', html)
    grant = Tokens().find(token)
    assert grant
    assert grant.allows("anna", "write")
    assert not grant.allows("anna", "forget")
    assert not grant.allows("ben", "read")
    again = client.get(f"{ANNA}/connect").text
    assert "laptop" in again
    assert token not in again
    assert client.post(f"{ANNA}/tokens", data={"name": "none"}).status_code == 400
    Tokens().create("other", ["ben"], ["read"])
    assert client.post(f"{ANNA}/tokens/revoke", data={"name": "other"}).status_code == 400
    client.post(f"{ANNA}/tokens/revoke", data={"name": "laptop"})
    assert Tokens().find(token) is None


def test_everything_is_forgotten_after_its_preview(client: TestClient) -> None:
    html = client.get(f"{ANNA}/forget?all=1").text
    assert "5 turns to forget" in shown(html)
    form = {"all": "1", "confirmation": hidden(html, "confirmation"), "typed": "forget"}
    assert "5 turns and 3 facts" in shown(client.post(f"{ANNA}/forget", data=form).text)


def test_forgetting_what_is_not_there_is_a_sentence_on_the_page(client: TestClient) -> None:
    nobody = client.get(f"{ANNA}/forget?speaker=Nobody")
    assert nobody.status_code == 200
    assert "No turn fits." in shown(nobody.text)
    create("empty")
    empty = client.get(f"{ANNA.replace('anna', 'empty')}/forget?all=1")
    assert empty.status_code == 200
    assert "This memory has no turns." in shown(empty.text)


def test_several_facts_are_ended_or_deleted_in_one_change(client: TestClient) -> None:
    page = f"{ANNA}/facts?sort=person"
    seen = hidden(client.get(page).text, "seen")
    form = {"fact": ["1", "2"], "seen": seen, "back": "/facts?sort=person"}
    ended = client.post(f"{ANNA}/facts/several", data=form | {"edit": "end", "on": "2018-03"})
    assert str(ended.url).endswith("/facts?sort=person&done=2")
    assert "dog Rufus" in shown(ended.text)
    with open_store(existing("anna"), read_only=True) as store:
        assert [fact.ended_on for fact in store.facts()] == ["2018-03", "2018-03", ""]
    for wrong in ({}, {"edit": "x"}, {"edit": "end", "fact": []}, {"edit": "remove"}):
        answer = client.post(f"{ANNA}/facts/several", data=form | {"fact": ["1", "3"]} | wrong)
        assert answer.status_code == 400, wrong  # fact 1 was edited after what the form has seen
    with open_store(existing("anna"), read_only=True) as store:
        assert len(store.facts()) == 3
    client.post(f"{ANNA}/undo", data={"change": "2"})
    with open_store(existing("anna"), read_only=True) as store:
        assert [fact.ended_on for fact in store.facts()] == ["", "", ""]
    form |= {"seen": "3", "edit": "remove", "back": "//elsewhere.example/facts"}
    deleted = client.post(f"{ANNA}/facts/several", data=form)
    assert deleted.url.host == "testserver"
    with open_store(existing("anna"), read_only=True) as store:
        assert [fact.id for fact in store.facts()] == [3]


def test_facts_are_sorted_and_filtered(client: TestClient) -> None:
    client.post(f"{ANNA}/facts/1", data={"edit": "end", "seen": "1", "on": "2018"})

    def listed(query: str) -> list[str]:
        html = client.get(f"{ANNA}/facts?{query}").text
        return re.findall(r'aria-label="Fact (\d+)"', html)

    assert listed("sort=new") == ["3", "2"]
    assert listed("sort=new&ended=1") == ["3", "2", "1"]
    assert listed("sort=person") == ["2", "3"]
    assert listed("person=Ben") == ["3"]
    assert listed("attribute=has pet&sort=attribute") == ["2", "3"]
    assert listed("q=pet&person=Anna") == ["2"]
    assert client.get(f"{ANNA}/facts?sort=; DROP").status_code == 400


def test_an_edit_in_a_list_comes_back_to_it(client: TestClient) -> None:
    panel = client.get(f"{ANNA}/facts/1?back=/facts?sort=new").text
    form = {"edit": "supersede", "value": "Bergen", "seen": hidden(panel, "seen")}
    done = client.post(f"{ANNA}/facts/1", data=form | {"back": hidden(panel, "back")})
    assert str(done.url).endswith("/facts?sort=new&done=2")
    assert "Undo 2" in shown(done.text)


def test_days_and_names_read_as_people_write_them() -> None:
    assert day("2017-05-08T13:56:01+00:00") == "8 May 2017, 13:56"
    assert [day(text) for text in ("2017-05-08", "2017-05", "2017", "", "one evening")] == [
        *("8 May 2017", "May 2017", "2017", "", "one evening")
    ]
    assert [initial(name) for name in ("anna", " ’élan", "🌸", "")] == ["A", "É", "?", "?"]


def test_twelve_people_on_a_page_have_twelve_colours() -> None:
    colours, people = SpeakerColours(), [f"person {number}" for number in range(12)]
    assert {colours(person) for person in people} == {*range(12)}
    assert colours("person 3") == colours("person 3")
    assert SpeakerColours()("Anna") == SpeakerColours()("Anna")
    assert colours("a thirteenth") in range(12)


def test_a_conversation_opens_at_its_newest_turn(memories: str) -> None:
    with page_client() as client:
        for query, is_at_end in (("", True), ("?before=3", True), ("?after=1", False)):
            text = client.get(f"{ANNA}/conversation{query}").text
            assert ("data-opens-at-end" in text) == is_at_end
        assert "data-opens-at-end" not in client.get(f"{ANNA}/conversation?q=Oslo").text


def test_the_story_is_listed_with_the_turns_of_its_lines(memories: str) -> None:
    with page_client() as client:
        assert "No lines" in shown(client.get(f"{ANNA}/story").text)
        with open_store(existing("anna")) as store:
            set_summary(store, Summary(1, 2, "session", "Anna moved to <Oslo>."))
            set_summary(store, Summary(3, 3, "session", "She got a cat."))
        page = client.get(f"{ANNA}/story").text
        places = [shown(page).index(line) for line in ("Anna moved to <Oslo>.", "She got a cat.")]
        assert places == sorted(places)
        links = Tags(page).values("a", "href")
        assert {f"{ANNA}/turns/{number}" for number in (1, 2, 3)} <= set(links)
        with open_store(existing("anna")) as store:
            store.write("UPDATE facts SET value = 'Rome' WHERE id = 1", "test", by_person=True)
        page = shown(client.get(f"{ANNA}/story").text)
        assert page.count("This line is written anew when facts are next extracted.") == 1
        assert "She got a cat." in page
        assert "She got a cat." not in shown(client.get(f"{ANNA}/story?after=3").text)


@pytest.mark.slow
def test_a_long_story_is_read_page_by_page(memories: str) -> None:
    with open_store(existing("anna")) as store:
        ids = store.add([Turn("Ben", f"Day {day}.") for day in range(110)])
        for turn_id in ids:
            set_summary(store, Summary(turn_id, turn_id, "session", f"Line {turn_id} of it."))
    with page_client() as client:
        first = client.get(f"{ANNA}/story").text
        [later] = [link for link in Tags(first).values("a", "href") if "after=" in link]
        second = client.get(later).text
    lines = [set(re.findall(r"Line (\d+) of it", text)) for text in (first, second)]
    assert not lines[0] & lines[1]
    assert {int(number) for number in lines[0] | lines[1]} == {*ids}


def test_a_project_is_named_and_listed_below_the_other_memories(home: str) -> None:
    with open_store(create("shop-3f2a1c")) as store:
        tags = {"agent": "codex", "project": "shop"}
        add_turns(store, [Turn("User", "We dropped Redis.", "shop (1)", tags=tags)])
    create("other-3f2a1d")
    with page_client() as client:
        html = client.get("/").text
        page = client.get("/m/shop-3f2a1c").text
    words = shown(html)
    assert words.index("other-3f2a1d") < words.index("Projects") < words.index("shop-3f2a1c")
    assert ">shop</bdi></a></h2>" in html
    assert "shop The memory of a project: shop-3f2a1c" in shown(page)
