"""The tools that agents get: plain functions over one memory, which any framework can call."""

import inspect
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import datetime

import pytest

from memory import InputError, Memory, SqlError, Store, Turn, open_store
from memory.errors import ModelError, SecretError, StoreError
from memory.operations.tool_arguments import RESULT_TOKENS, NewFacts, NewTurns, TurnIds
from memory.operations.tools import GROUPS, Tools, memory_tools
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.settings import set_setting
from memory.text.tokens import count_tokens
from tests.conftest import CAT, DOG, INSERT, MOVED, SAID
from tests.support.local_embedder import SMALL, loading
from tests.support.reversed_ranking import reversing_program
from tests.support.scripted import Pairs, answer, scripted_model, sql
from tests.support.secrets_corpus import SECRETS

BOTH_STORES = "slow"
GITHUB_TOKEN = {kind: secret for kind, _, secret in SECRETS}["GitHub token"]

Functions = dict[str, Callable[..., str]]


def tools_of(memory: Memory) -> Functions:
    return {tool.__name__: tool for tool in memory_tools(memory, session="s1")}


def script() -> Pairs:
    return [([], sql("SELECT turn_id FROM facts")), (["Oslo"], answer("Oslo", "1"))]


FACT = {"subject": "Anna", "attribute": "has_pet", "value": "cat"}


def said(tools: Functions, text: str, speaker: str = "", source: str = "") -> str:
    """What `remember` returns for one turn."""
    return tools["remember"]([{"text": text, "speaker": speaker, "source": source}])


@pytest.fixture
def tools(store: Store) -> Functions:
    return tools_of(Memory(store, model=scripted_model(script())))


def test_every_tool_has_types_and_says_what_its_arguments_are(tools: Functions) -> None:
    assert list(tools) == [
        *("recall", "ask_memory", "list_facts", "query_memory", "remember", "correct_fact"),
        *("undo_change", "forget", "record_tool_use", "get_settings", "set_setting"),
    ]
    for tool in tools.values():
        signature = inspect.signature(tool)
        assert signature.return_annotation is str
        described = re.findall(r"^ +(\w+): ", inspect.getdoc(tool) or "", re.MULTILINE)
        assert described == list(signature.parameters)
        lists = {NewTurns, NewFacts, TurnIds}
        assert {p.annotation for p in signature.parameters.values()} <= {str, int, bool, *lists}


# ------------------------------------------------------------------------- what they do


def test_what_is_remembered_is_recalled_as_a_turn_with_a_date(
    tools: Functions, store: Store
) -> None:
    assert said(tools, "Our neighbour loves the flute.", "Anna") == "Remembered as turn 6."
    turn = store.turn(6)
    assert (turn.speaker, turn.session, turn.kind) == ("Anna", "s1", "message")
    assert datetime.fromisoformat(turn.said_at).tzinfo
    first = tools["recall"]("who loves the flute?", 2).splitlines()[0]
    assert re.fullmatch(r"\[6\] \(\w{3} \d\d \w{3} 20\d\d\) Anna: Our neighbour .*", first)
    assert len(tools["recall"]("flute", limit=2).splitlines()) == 2


def test_what_is_remembered_in_one_call_is_stored_whole_or_not_at_all(
    tools: Functions, store: Store
) -> None:
    Settings(store).set("secrets", "refuse")
    with pytest.raises(SecretError, match="turn 2 holds"):
        tools["remember"]([{"text": "Coffee."}, {"text": f"The key is {GITHUB_TOKEN}."}])
    assert store.count_turns() == len(SAID)


def test_recall_ranks_by_the_weights_of_the_program(store: Store) -> None:
    question = "Which cat loves the window?"
    memory = Memory(store, model=scripted_model([]), program=reversing_program())
    ranked = [hit.turn_id for hit in memory.search(question)]
    assert ranked != [hit.turn_id for hit in store.search(question)]
    tools = tools_of(memory)
    recalled = tools["recall"](question, 9)
    assert [int(number) for number in re.findall(r"^\[(\d+)\]", recalled, re.MULTILINE)] == ranked
    rows = tools["query_memory"](f"SELECT turn_id FROM search('{question}', 1)")
    assert rows.splitlines()[1] == str(ranked[0])


def test_recall_and_sql_search_only_the_turns_that_a_filter_lets_pass(tools: Functions) -> None:
    by_ben = tools["recall"]("Oslo", filter='{"speaker": "Ben"}')
    assert set(re.findall(r"^\[(\d+)\]", by_ben, re.MULTILINE)) == {"2", "4"}
    nothing = tools["recall"]("Oslo", filter='{"session": "none"}')
    assert nothing == "No turn passes the filter."
    select = """SELECT turn_id FROM search('Oslo', 9, '{"since": "2017-06"}') ORDER BY turn_id"""
    assert tools["query_memory"](select).splitlines()[1:3] == ["4", "5"]
    with pytest.raises(InputError, match="there are speaker, session"):
        tools["recall"]("Oslo", filter='{"mood": "good"}')


@pytest.mark.parametrize(
    "value", ["cat Miso", "Miso's; DROP TABLE facts --", "'); DELETE FROM facts; --", "a\\b\n🐈"]
)
def test_a_fact_is_noted_in_its_very_words_and_can_be_taken_back(
    tools: Functions, store: Store, value: str
) -> None:
    on_a_line = value.replace("\n", " ")
    [turn_id] = store.add([Turn("Anna", f"I have a pet, its name is {on_a_line} since 2017")])
    given = {**FACT, "value": value, "turn_id": turn_id, "on": "2017"}
    assert tools["remember"](facts=[given]).endswith(f"(fact 1, turn {turn_id}): change 1")
    [fact] = store.facts()
    assert (fact.subject, fact.value, fact.happened_on) == ("Anna", on_a_line, "2017")
    assert fact.turn_id == turn_id
    assert tools["undo_change"](1).startswith("Undone. Done as change 2;")
    assert store.facts() == []


def test_a_correction_ends_a_fact_and_keeps_it_on_record(tools: Functions, store: Store) -> None:
    store.write(MOVED, cause="test")
    tools["correct_fact"](1, "changed", "Bergen", "2024-02")
    old, new = store.facts()
    assert (old.value, old.ended_on) == ("Oslo", "2024-02")
    assert (new.value, new.happened_on) == ("Bergen", "2024-02")
    assert "Bergen" in store.turn(new.turn_id).text, "a correction is a turn first"


def test_facts_are_listed_by_subject_and_attribute_and_as_of_a_day(
    tools: Functions, store: Store
) -> None:
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
    cat = "Anna has_pet: cat Miso (fact 2, turn 3)"
    assert tools["list_facts"]("ANNA", "has_pet") == f"{cat}\n(1 fact in all)"
    assert tools["list_facts"]().splitlines()[1:] == [
        cat,
        "Ben has_pet: dog Rufus since 2017-06 (fact 3, turn 4)",
        "(3 facts in all)",
    ]
    assert tools["list_facts"](as_of="2001") == "(0 facts in all)"
    with pytest.raises(InputError, match="similar: Anna"):
        tools["list_facts"]("Anne")


def test_facts_that_fill_more_than_a_page_are_listed_by_a_cursor(
    tools: Functions, store: Store
) -> None:
    rows = ", ".join(f"('Anna', 'likes', 'tune number {n}', '', 1)" for n in range(200))
    store.write(f"{INSERT}{rows}", cause="test")
    listed: list[str] = []
    cursor = 0
    while len(listed) < 200:
        *lines, last = tools["list_facts"](cursor=cursor).splitlines()
        listed += lines
        cursor = int((re.search(r"cursor=(\d+)", last) or ["", "0"])[1])
    assert [int(re.findall(r"fact (\d+)", line)[0]) for line in listed] == [
        fact.id for fact in store.facts()
    ]
    assert last.endswith("(200 facts in all)")


def test_a_source_is_remembered_once(tools: Functions, store: Store) -> None:
    assert said(tools, "Tea at four.", "Ben", source="note 1") == "Remembered as turn 6."
    assert said(tools, "Tea at four.", "Ben", source="note 1") == "Known already as turn 6."
    assert len(store.turns()) == 6


def test_a_digest_goes_in_steps_and_tells_of_them(store: Store) -> None:
    nothing = sql("-- none")
    model = scripted_model([([], sql(MOVED)), ([], sql(f"{CAT};{DOG}")), ([], nothing)], window=2)
    steps: list[str] = []
    tools = Tools(
        lambda: nullcontext(store),
        lambda store: Memory(store, model),
        weights=None,
        progress=steps.append,
    )
    none = "(0 ended, 0 removed)"
    assert tools.digest(2) == f"2 windows stored; 3 facts changed {none}; 1 turn left to digest."
    assert tools.digest() == f"1 window stored; 0 facts changed {none}; 0 turns left to digest."
    assert steps == [
        *("1 window stored, 1 fact", "2 windows stored, 3 facts", "1 window stored, 0 facts"),
    ]


def test_what_is_to_be_forgotten_is_shown_first_and_confirmed_by_its_word(
    store: Store,
) -> None:
    store.write(MOVED, cause="test")
    tools = Tools(
        lambda: nullcontext(store),
        lambda store: Memory(store, scripted_model([])),
        weights=None,
    )
    preview = tools.forget([1])
    assert "1 turn and 1 fact would be removed for good" in preview
    assert "I moved to Oslo" in preview
    word = re.findall(r"confirmation='(\w+)'", preview)[0]
    assert "would be removed" in tools.forget([1, 2], word), (
        "the word is for the turns that were shown"
    )
    assert len(store.turns()) == 5
    assert tools.forget([1], word).startswith("Forgotten: 1 turn, 1 fact. Receipt: sha256 ")
    assert [turn.id for turn in store.turns()] == [2, 3, 4, 5]
    with pytest.raises(InputError, match="give turn_ids"):
        tools.forget([])


def test_an_agent_gets_the_groups_of_tools_that_were_chosen(store: Store) -> None:
    memory = Memory(store, scripted_model([]))
    names = [tool.__name__ for tool in memory_tools(memory, groups=("digest",))]
    assert names == [*GROUPS["core"], "digest"]
    with pytest.raises(InputError, match="unknown group of tools 'all'"):
        memory_tools(memory, groups=["all"])


def test_an_agent_may_refine_and_is_advised_like_by_the_other_tools(store: Store) -> None:
    tools = {t.__name__: t for t in memory_tools(Memory(store, scripted_model([])), refining=True)}
    assert list(tools)[-6:] == list(GROUPS["refine"])
    store.write(MOVED, cause="digest")
    done = tools["manage_memory"](
        "update", reason="where it is", fact_id=1, value="Oslo, since last Saturday"
    )
    change = store.changes()[-1]
    assert change.cause == "refine manage_memory update: where it is"
    assert f"undo_change({change.id})" in done
    with pytest.raises(InputError, match="give a reason"):
        tools["delete_memory"](1)
    with pytest.raises(InputError, match="fact_ids"):
        tools["merge_memory"](fact_ids="all", strategy="concatenate", reason="why")


def test_a_tool_use_is_a_turn_that_says_whether_it_worked(tools: Functions, store: Store) -> None:
    tools["record_tool_use"]("search_flights", '{"to": "Oslo"}', "no flight found", False)
    turn = store.turn(6)
    assert (turn.kind, turn.session) == ("tool", "s1")
    assert 'search_flights({"to": "Oslo"}) -> no flight found. It failed.' in turn.text
    for arguments in ("[" * 99_999, "to Oslo"):
        tools["record_tool_use"]("search_flights", arguments, "3 flights found", True)
    assert "It worked." in tools["recall"]("search flights to Oslo", 1)


def test_settings_are_listed_and_set_within_what_was_declared(
    tools: Functions, store: Store
) -> None:
    Settings(store, {"volume": int, "voice": str})
    assert tools["set_setting"]("volume", "7") == "Set volume to 7."
    assert tools["set_setting"]("voice", "7") == "Set voice to '7'."
    with pytest.raises(InputError, match="takes a whole number"):
        tools["set_setting"]("volume", "[" * 99_999)
    assert "volume (a whole number): 7" in tools["get_settings"]()
    assert Settings(store).get("volume") == 7


def test_the_tools_of_a_new_memory_keep_to_its_embedder(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        loading(monkeypatch),
        Memory(address, model=scripted_model([]), embedder=SMALL) as memory,
    ):
        said(tools_of(memory), "I live in Oslo.")
        assert len(memory.add(Turn("Anna", "And I sing."))) == 1
        with open_store(address) as again:
            assert again.vectors.embedder == SMALL


# -------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("name", "arguments", "advice"),
    [
        ("ask_memory", ("",), "the question is empty"),
        ("remember", ([{"text": ""}],), "has no text"),
        ("remember", ((), [{**FACT, "turn_id": 99}]), "there is no turn 99"),
        ("remember", ((), [{**FACT, "attribute": "", "turn_id": 1}]), "attribute"),
        ("correct_fact", (99, "changed", "Bergen"), "there is no fact 99"),
        ("query_memory", ("DELETE FROM facts",), "here only a SELECT is allowed"),
        ("query_memory", ("SELECT name FROM facts",), "name"),
        ("set_setting", ("mood", "good"), "there is no setting 'mood'"),
        ("undo_change", (99,), "there is no change 99"),
        ("undo_change", ("last",), "change_id takes a whole number, not 'last'"),
        ("remember", ((), [{**FACT, "turn_id": "1); DELETE FROM facts"}]), "a whole number"),
        ("remember", ((), [{**FACT, "on": 2023}]), "facts 1, on takes text, not 2023"),
        ("record_tool_use", ("buy", {"what": "milk"}, "bought", True), "arguments takes text"),
    ],
)
def test_what_a_model_can_put_right_is_raised_with_advice_that_it_can_follow(
    tools: Functions, name: str, arguments: tuple[object, ...], advice: str
) -> None:
    with pytest.raises((InputError, SqlError)) as refused:
        tools[name](*arguments)
    assert advice in str(refused.value)
    assert not re.search(r"python -m|`memory |--\w", str(refused.value)), "no command of a shell"


def test_what_a_person_must_put_right_is_raised(store: Store, address: str) -> None:
    keyless = tools_of(Memory(store, model="openai/none"))
    if "OPENAI_API_KEY" not in os.environ:
        with pytest.raises(ModelError, match="OPENAI_API_KEY"):
            keyless["ask_memory"]("Where does Anna live?")
    with open_store(address, read_only=True) as reading:
        readers = tools_of(Memory(reading, model=scripted_model([])))
        with pytest.raises(StoreError):
            said(readers, "A copy of the past takes nothing new.")
    assert len(store.turns()) == 5


# ------------------------------------------------------------------- bounds and threads


@pytest.mark.slow
def test_no_result_is_longer_than_a_prompt_can_bear(tools: Functions, store: Store) -> None:
    store.add([Turn("Anna", f"{n} " + "long story " * 300) for n in range(60)])
    store.write(f"{INSERT}('Anna', 'told', '{'long ' * 3000}', '', 1)", cause="test")
    set_setting(store, "persona", "long " * 9000)
    results = [
        tools["recall"]("long story", 500),
        tools["query_memory"]("SELECT * FROM turns"),
        tools["query_memory"]("SELECT * FROM facts"),
        tools["get_settings"](),
    ]
    for told in results:
        assert RESULT_TOKENS / 8 < count_tokens(told) <= RESULT_TOKENS
    assert results[0].count("\n") == 49, "every turn is there, cut"
    assert re.search(r"\n\(\d+ of 65 rows; count in SQL, or select fewer\)$", results[1])


@pytest.mark.slow
def test_tools_may_be_called_from_any_thread_and_after_the_memory_is_closed(address: str) -> None:
    with Memory(address, model=scripted_model([])) as memory:
        memory.add(SAID)
        tools = tools_of(memory)

    def work(n: int) -> str:
        turn_id = int(said(tools, f"The number of thread {n} is {n * n}.").split()[-1].strip("."))
        fact = {"subject": f"thread {n}", "attribute": "number", "value": str(n * n)}
        tools["remember"](facts=[{**fact, "turn_id": turn_id}])
        return tools["recall"](f"number of thread {n}", 10)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(work, range(16)))
    assert all(f"The number of thread {n} is {n * n}." in text for n, text in enumerate(told))
    asked = tools_of(Memory(address, model=scripted_model(script())))["ask_memory"]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked, "Where does Anna live?").result().startswith("Oslo\n[1] ")
    with open_store(address, read_only=True) as store:
        assert len(store.turns()) == 5 + 16
        numbers = [int(fact.value) for fact in store.facts() if fact.attribute == "number"]
        assert sorted(numbers) == [n * n for n in range(16)]


# ------------------------------------------------------- what a model makes of a conversation


def test_turns_and_their_facts_are_stored_by_one_call_once(tools: Functions, store: Store) -> None:
    turns = [
        {"text": "We moved to Bergen.", "speaker": "Anna", "said_at": "2019-03-02", "source": "a"},
        {"text": "And I sold the car.", "speaker": "Anna", "source": "b"},
    ]
    lives = {"subject": "anna", "attribute": "lives in", "value": "Bergen", "on": "2019-03"}
    sold = {"subject": "Anna", "attribute": "sold", "value": "the car", "on": "2019-02-28"}
    facts = [{**lives, "turn": 1}, {**sold, "turn": 2}]
    first = tools["remember"](turns, facts, "2019-03-03").splitlines()
    assert first == [
        "Remembered as turns 6 and 7.",
        "Anna lives_in: Bergen since 2019-03 (fact 1, turn 6): change 2",
        "Anna sold, the car, on 28 Feb 2019 (fact 2, turn 7): change 3",
    ]
    assert [turn.said_at for turn in store.turns(6)] == ["2019-03-02", "2019-03-03"]
    tools["correct_fact"](1, "changed", "Oslo", "2020")
    again = tools["remember"](turns, facts, "2019-03-03").splitlines()
    assert again[0] == "Known already as turns 6 and 7."
    assert again[1].startswith("Known already: Anna lives_in: Bergen")
    assert [(fact.value, fact.ended_on) for fact in store.facts()] == [
        *(("Bergen", "2020"), ("the car", ""), ("Oslo", ""))
    ]


def test_a_turn_stays_where_its_fact_is_refused(tools: Functions, store: Store) -> None:
    reply = tools["remember"](
        [{"text": "My cat is at the vet.", "speaker": "Anna"}], [{**FACT, "on": "someday"}]
    )
    assert reply.startswith("Remembered as turn 6.\nNot stored: 'someday' is not a date")
    assert (len(store.turns()), store.facts()) == (6, [])
    with pytest.raises(InputError, match="turn 2 of the fact"):
        tools["remember"](facts=[{**FACT, "turn": 2}], turns=[])
    with pytest.raises(InputError, match="said_at 'soon'"):
        tools["remember"]("Tea at four.", said_at="soon")


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("I never had a cat.", FACT),
        ("My neighbour has a cat.", FACT),
        ("Would a cat be happy here?", FACT),
        ('Ben wrote: "I have a cat"', FACT),
        ("Tea at four.", FACT),
        # A template makes a fact of this turn, which the model's words do not take the place of.
        ("I live in Bergen.", {**FACT, "attribute": "lives_in", "value": "Bergen, not in Oslo"}),
    ],
)
def test_what_a_turn_does_not_state_is_not_remembered_as_its_fact(
    tools: Functions, store: Store, text: str, fact: dict[str, str]
) -> None:
    reply = tools["remember"]([{"text": text, "speaker": "Anna"}], [fact])
    assert reply.startswith("Remembered as turn 6.\nNot stored: ")
    assert fact["value"] not in [stored.value for stored in store.facts()]


def test_a_slip_leaves_no_past_and_an_end_no_successor(tools: Functions, store: Store) -> None:
    store.write(f"{MOVED}; {CAT}; {DOG}", cause="test")
    tools["correct_fact"](2, "was wrong", "cat Figaro")
    tools["correct_fact"](3, "is_over", on="2018-05")
    assert [(fact.value, fact.happened_on, fact.ended_on) for fact in store.facts()] == [
        ("Oslo", "2017-05-06", ""),
        ("cat Figaro", "", ""),
        ("dog Rufus", "2017-06", "2018-05"),
    ]
    tools["correct_fact"](1, "was wrong")
    assert [fact.id for fact in store.facts()] == [2, 3]
    for kind, value, advice in [
        ("changed", "", 'the kind "is over"'),
        ("is over", "cat", "no new value"),
        ("wrong", "cat", "the kinds are changed, was wrong, is over"),
    ]:
        with pytest.raises(InputError, match=advice):
            tools["correct_fact"](2, kind, value)


def test_recall_says_what_is_true_now_and_what_is_outdated(tools: Functions, store: Store) -> None:
    store.write(f"{MOVED}; {CAT}", cause="test")
    tools["correct_fact"](1, "changed", "Bergen", "2018")
    tools["correct_fact"](2, "was wrong", "cat Figaro")
    facts, turns = [], []
    for line in tools["recall"]("Where does Anna live?", 9).splitlines():
        (turns if line.startswith("[") else facts).append(line)
    assert facts[0] == "Anna lives_in: Bergen since 2018 (fact 3, turn 6)"
    assert not [line for line in facts if "Oslo" in line]
    [moved] = [line for line in turns if line.startswith("[1] ")]
    assert moved.endswith("[outdated: lives in Oslo until 2018, now Bergen]")
    [cat] = [line for line in turns if line.startswith("[3] ")]
    assert cat.endswith("[outdated: has pet cat Miso was wrong, it is cat Figaro]")


def test_facts_of_a_month_are_those_that_held_then_whenever_they_were_told(
    tools: Functions, store: Store
) -> None:
    ran = f"{INSERT}('Anna', 'went_running', '5 km', '2017-06-03', 5)"
    store.write(f"{MOVED}; {CAT}; {DOG}; {ran}", cause="test")
    tools["correct_fact"](1, "changed", "Bergen", "2018")

    def values(as_of: str) -> list[str]:
        lines = tools["list_facts"](as_of=as_of).splitlines()[:-1]
        return [line.partition(" (fact")[0] for line in lines]

    assert values("2017-06") == [
        "Anna lives_in: Oslo since 2017-05-06 until 2018",
        "Anna has_pet: cat Miso",
        "Ben has_pet: dog Rufus since 2017-06",
        "Anna went running, 5 km, on 3 Jun 2017",
    ]
    assert values("2017-04") == []
    assert values("2017-07")[2:] == ["Ben has_pet: dog Rufus since 2017-06"]
    assert "Anna lives_in: Bergen since 2018" in values("2019")
    assert tools["list_facts"](attribute="went running").startswith("Anna went running, 5 km")
