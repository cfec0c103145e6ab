"""The story so far: told by a digest, shown where it is asked for, told anew where it was wrong."""

from dataclasses import replace

from memory import Memory, Store, Turn
from memory.evidence.lines import STORY_HEAD, TURNS_HEAD, story_of
from memory.records import Summary
from memory.store.turns.summaries import set_summary
from memory.store.waiting.pending_windows import claim_window
from memory.text.tokens import count_tokens, spread_lines
from tests.conftest import INSERT, MOVED
from tests.support.scripted import ScriptedLM, scripted_model, sql

BOTH_STORES = "slow"

TOLD = (
    "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES"
    " (1, 3, 'Anna moved to Oslo and got a cat, and Ben was glad.');"
)
MOVE = Summary(1, 3, "session", "Anna moved to Oslo and got a cat, and Ben was glad.")


def digested(store: Store) -> Store:
    store.write(f"{MOVED}; {TOLD}", cause="digest", window=claim_window(store, 5))
    return store


def test_a_digest_asks_for_the_story_in_the_call_that_asks_for_facts(store: Store) -> None:
    model = scripted_model([(["[1] ("], sql(f"{MOVED};\n{TOLD}"))])
    digest = Memory(store, model=model).digest()
    assert (digest.stored, digest.calls) == (1, 1)
    assert store.summaries() == [MOVE]


def test_a_summary_gets_the_story_before_the_turns_and_another_question_does_not(
    store: Store,
) -> None:
    memory = Memory(digested(store), model=scripted_model([]))
    context = memory.evidence("Summarize what happened to Anna.")
    assert context.text.startswith(f"{STORY_HEAD}\n[1-3] (")
    assert MOVE.text in context.text
    assert {1, 3} <= {*context.turn_ids}
    assert STORY_HEAD not in memory.evidence("Where does Anna live?").text


def test_the_asker_s_turns_stand_in_their_own_words_beside_the_story(store: Store) -> None:
    digested(store).write("UPDATE facts SET ended_on = '2018-03' WHERE id = 1", cause="digest")
    memory = Memory(store, model=scripted_model([]))
    lines = memory.evidence("Summarize what happened to Anna.", asker="Anna").text.splitlines()
    said = lines[lines.index(TURNS_HEAD) :]
    [moved] = [line for line in said if line.startswith("[1] Anna: ")]
    assert "I moved to Oslo last Saturday" in moved
    assert "[outdated: lives in Oslo until 2018-03" in moved
    assert "[3] Anna: Small, but my cat Miso loves the window." in said


def test_a_story_leaves_half_of_the_budget_to_turns(store: Store) -> None:
    told = "The four friends went by train to the lake and came home late that evening."
    for turn_id in store.add([Turn("Ben", f"Trip {n}, by train.") for n in range(40)]):
        set_summary(store, Summary(turn_id, turn_id, "session", told))
    memory = Memory(store, model=scripted_model([]), budget=600)
    story = memory.evidence("Summarize the trips to the lake.").story
    assert 200 < story.tokens <= 300


def test_what_a_select_returned_of_the_story_comes_before_what_the_ranking_chose(
    store: Store,
) -> None:
    ids = store.add([Turn("Ben", f"Trip {n} to the lake.") for n in range(80)])
    for n, turn_id in enumerate(ids):
        set_summary(store, Summary(turn_id, turn_id, "session", f"Ben told of trip {n}, the lake."))
    last = f"SELECT turn_id, summary FROM summaries WHERE turn_id > {ids[-3]} ORDER BY turn_id"
    memory = Memory(store, model=scripted_model([]), budget=300)
    question = "Summarize the trips to the lake."
    trips = [f"Ben told of trip {n}, the lake." for n in (78, 79)]
    assert not all(trip in memory.evidence(question).text for trip in trips)
    text = memory.evidence(question, [store.read(last)]).text
    assert all(text.count(trip) == 1 for trip in trips)
    assert "Ben told of trip" in text.replace(trips[0], "").replace(trips[1], "")


def test_what_a_select_computes_of_the_story_is_a_row(store: Store) -> None:
    rows = digested(store).read("SELECT COUNT(summary) AS summary FROM summaries")
    text = Memory(store, model=scripted_model([])).evidence("Summarize it.", [rows]).text
    assert STORY_HEAD in text
    assert "summary: 1" in text


def test_a_small_budget_keeps_room_for_a_turn_beside_the_story(store: Store) -> None:
    told = " ".join(["Anna moved to Oslo and got a cat."] * 3)
    for turn_id in (1, 2, 3, 4):
        set_summary(store, Summary(turn_id, turn_id, "session", told))
    memory = Memory(store, model=scripted_model([]), budget=200)
    context = memory.evidence("Summarize what happened to Anna.")
    assert STORY_HEAD in context.text
    assert context.tokens <= 200


def test_of_a_long_story_the_best_lines_are_shown_in_order() -> None:
    lines = [Summary(n, n, "session", f"Line {n} tells of something.") for n in range(1, 101)]
    waiting = Summary(200, 201, "session", "")
    story = story_of([*lines, waiting], {1: "2024-01-10"}, {77: 0, 31: 1}, budget=120)
    assert story.lines[0] == "[1] (10 Jan 2024) Line 1 tells of something."
    assert "[31] Line 31 tells of something." in story.lines
    assert "[77] Line 77 tells of something." in story.lines
    numbers = [int(line[1:].partition("]")[0]) for line in story.lines]
    assert numbers == sorted(numbers)
    assert count_tokens(story.text) <= 120
    assert story_of(lines, {}, {}, budget=50).lines == ()


def test_the_next_digest_tells_anew_what_a_correction_made_wrong(store: Store) -> None:
    digested(store)
    store.write("UPDATE facts SET value = 'Bergen' WHERE turn_id = 1", "edit", by_person=True)
    anew = "[[ ## summary ## ]]\nAnna moved to Bergen.\n\n[[ ## completed ## ]]"
    model = scripted_model([(["[1] (", "lives_in | Bergen"], anew)])
    digest = Memory(store, model=model).digest()
    assert digest.calls == 1
    assert store.summaries() == [replace(MOVE, text="Anna moved to Bergen.")]
    assert isinstance(model.lm, ScriptedLM)
    assert Memory(store, model=model).digest().calls == 0
    model.lm.assert_done()


def test_lines_of_all_days_are_chosen_where_not_all_fit() -> None:
    lines = [f"[{n}] Ben told a long story about the day of number {n}." for n in range(100)]
    text = spread_lines(lines, 500)
    assert text.startswith(lines[0])
    assert text.endswith(lines[-1])
    chosen = text.splitlines()
    assert chosen == sorted(chosen, key=lines.index)
    assert 450 < count_tokens(text) <= 500
    assert spread_lines(lines[:3], 500) == "\n".join(lines[:3])
    assert spread_lines(lines, 20) == lines[0]
    assert spread_lines(lines, 3) == ""


def test_a_line_over_two_conversations_is_refused_and_left_out_unless_repaired(
    store: Store,
) -> None:
    ids = store.add([Turn("Ben", f"Day {n}", session=f"chat {n // 2}") for n in range(4)])
    store.write("-- none", cause="digest", window=(1, ids[0] - 1))
    line = "INSERT INTO summaries (turn_id, last_turn_id, summary) VALUES ({}, {}, 'Ben talked')"
    fact = f"{INSERT}('Ben', 'likes', 'days', '', {ids[0]})"
    wide = sql(f"{fact}; {line.format(ids[0], ids[3])}")
    script = [
        (["(another conversation)"], wide),
        ([f"{ids[0]} to {ids[1]}, {ids[2]} to {ids[3]}"], wide),
        ([], wide),
    ]
    assert Memory(store, scripted_model(script)).digest().stored == 1
    assert [fact.value for fact in store.facts()] == ["days"]
    assert store.summaries() == []


def test_a_prompt_begins_with_the_last_session_where_there_is_room(store: Store) -> None:
    from memory.evidence.prompt_block import inject

    digested(store)
    whole = inject(store, "Where is the cat?")
    assert STORY_HEAD in whole.text
    assert whole.tokens == count_tokens(whole.text)
    without = inject(store, "Where is the cat?", since=2)
    assert STORY_HEAD not in without.text
    small = inject(store, "Where is the cat?", budget=64)
    assert STORY_HEAD not in small.text
    assert small.memories
