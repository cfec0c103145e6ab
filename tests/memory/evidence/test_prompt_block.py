"""Memories in a prompt: the configuration of an older system as it stands."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory import InputError, Memory, Store, Turn, open_store
from memory.errors import ModelError
from memory.evidence.ltm import LtmConfig, load_config
from memory.evidence.prompt_block import inject
from memory.text.tokens import count_tokens
from tests.support.commands import run

BOTH_STORES = "slow"

NOW = datetime(2024, 5, 11, 12, 0, tzinfo=UTC)
BLUE = "So Anon, your favorite color is blue? That's really cool!"
THINGS = "Yes, and I like all kinds of blue things, like the Ocean or blue cars and blue flowers :)"
ASKED = "Do you remember my favorite color, and which blue things I like, cars or flowers?"
# The two files that people have, as they stand.
FIRST = r"""{
    "ltm_context": {
        "injection_location": "BEFORE_NORMAL_CONTEXT",
        "memory_context_template": "{name2}'s memory log:\n{all_memories}\nDuring conversations"""
FIRST += r""" between {name1} and {name2}, {name2} will try to remember the memory described"""
FIRST += r""" above and naturally integrate it with the conversation.",
        "memory_template": "{time_difference}, {memory_name} said:\n\"{memory_message}\""
    },
    "ltm_writes": {"min_message_length": 100},
    "ltm_reads": {
        "max_cosine_distance": 0.60,
        "num_memories_to_fetch": 2,
        "memory_length_cutoff_in_chars": 1000
    }
}"""
S2K = {
    "ltm_context": {
        "injection_location": "AFTER_NORMAL_CONTEXT_BUT_BEFORE_MESSAGES",
        "memory_context_template": "I remember = ({all_memories}These are personal memories"
        " from my memory extension)",
        "memory_template": '{time_difference}, {memory_name} said: "{memory_message}" + ',
    },
    "ltm_writes": {"min_message_length": 36},
    "ltm_reads": {
        "max_cosine_distance": 0.60,
        "num_memories_to_fetch": 2,
        "memory_length_cutoff_in_chars": 288,
    },
}
MIKU = (
    "Character: Miku\nThe following is a conversation between Anon and Miku."
    " Miku likes Anon but is very shy.\n\n"
)


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with open_store(address) as opened:
        opened.add(
            [
                Turn("Miku", BLUE, "one", "2024-05-08 11:00:00+00:00"),
                Turn("Anon", THINGS, "one", "2024-05-08 11:01:00+00:00"),
                Turn("Anon", "Blue!", "one", "2024-05-08 11:02:00+00:00"),
                Turn("Anon", "The train to Bergen was late again this morning.", "one"),
            ]
        )
        yield opened


def reads(**changed: Any) -> LtmConfig:
    return load_config({"ltm_reads": changed})


# ------------------------------------------------------------------------------ what is injected


def test_the_first_file_as_it_stands_gives_what_the_older_system_gave(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "ltm_config.json").write_text(FIRST)
    config = load_config(tmp_path / "ltm_config.json")
    long = THINGS + " And I like skies, and blue eyes."
    store.add([Turn("Anon", long, "one", "2024-05-06 11:01:00+00:00")])
    injected = inject(store, ASKED, config, "Anon", "Miku", MIKU, NOW)
    assert injected.prompt == (
        f'Miku\'s memory log:\n5 days ago, Anon said:\n"{long}"\n'
        "During conversations between Anon and Miku, Miku will try to remember the memory"
        " described above and naturally integrate it with the conversation.\n" + MIKU.strip()
    )
    assert injected.turn_ids == (5,)  # the others are shorter than 100 characters
    assert injected.tokens == count_tokens(injected.text)


def test_the_second_file_puts_them_before_the_start_token(store: Store) -> None:
    character_context = MIKU + "<START>\n>Example conversation<"
    injected = inject(store, ASKED, load_config(S2K), "Anon", "Miku", character_context, NOW)
    miku, anon = f'3 days ago, Miku said: "{BLUE}" + ', f'3 days ago, Anon said: "{THINGS}" + '
    assert set(injected.memories) == {miku, anon}
    assert injected.prompt == (
        MIKU + "I remember = (" + "\n".join(injected.memories) + "These are personal memories from"
        " my memory extension)\n<START>\n>Example conversation<"
    )


def test_the_start_token_is_asked_for_also_when_nothing_is_found(store: Store) -> None:
    for message in (ASKED, "zzz"):
        with pytest.raises(InputError, match=r"<START>.*after the description"):
            inject(store, message, load_config(S2K), character_context=MIKU)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"num_memories_to_fetch": 1}, {2}),
        ({"num_memories_to_fetch": 0}, set()),
        ({"max_cosine_distance": 2}, {1, 2, 3, 4}),
        ({"max_cosine_distance": 0.6}, {1, 2}),
    ],
)
def test_number_and_distance_limit_what_is_fetched(
    store: Store, config: dict[str, Any], expected: set[int]
) -> None:
    assert set(inject(store, ASKED, reads(**config)).turn_ids) == expected


def test_each_memory_is_cut_at_its_number_of_characters(store: Store) -> None:
    injected = inject(store, ASKED, reads(memory_length_cutoff_in_chars=7), now=NOW)
    assert f'3 days ago, Miku said:\n"{BLUE[:7]}"' in injected.memories


def test_short_turns_are_kept_but_are_no_memories(store: Store) -> None:
    config = load_config({"ltm_writes": {"min_message_length": len(BLUE)}})
    assert set(inject(store, ASKED, config).turn_ids) == {1, 2}
    assert len(store.turns()) == 4


def test_short_turns_do_not_hide_the_long_ones(store: Store) -> None:
    store.add([Turn("Anon", f"Favorite color? Blue things, cars, flowers {n}") for n in range(600)])
    config = load_config({"ltm_writes": {"min_message_length": len(BLUE)}})
    assert set(inject(store, ASKED, config).turn_ids) == {1, 2}


def test_the_running_session_is_left_out_until_it_is_reloaded(store: Store) -> None:
    [new] = store.add([Turn("Anon", "My favorite color is red now, not blue.", "two")])
    assert new in inject(store, ASKED).turn_ids
    for running in ({"session": "two"}, {"since": new}):
        assert set(inject(store, ASKED, **running).turn_ids) == {1, 2, 3, 4}
        assert new in inject(store, ASKED, reload=True, **running).turn_ids


def test_what_the_prompt_holds_already_is_not_repeated(store: Store) -> None:
    [question_id] = store.add([Turn("Anon", ASKED)])
    assert question_id not in inject(store, ASKED).turn_ids
    talk = [{"role": "user", "content": THINGS}, {"role": "user", "content": ASKED}]
    assert set(inject(store, talk).turn_ids) == {1, 3, 4}


def test_the_last_message_of_the_user_is_searched_for(store: Store) -> None:
    talk = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": ASKED}], "name": "Anon"},
        {"role": "assistant", "content": "The train to Bergen.", "name": "Miku"},
    ]
    assert inject(store, talk).turn_ids == inject(store, ASKED).turn_ids
    assert "between Anon and Miku" in inject(store, talk, {}).text
    for empty in ([], [{"role": "assistant", "content": ASKED}]):
        with pytest.raises(InputError, match="nothing to remember"):
            inject(store, empty)


def test_a_block_writes_nothing(store: Store) -> None:
    before = [*store.dump()]
    assert set(inject(store, ASKED).turn_ids) == {1, 2, 3, 4}
    assert [*store.dump()] == before


# ------------------------------------------------------------------------------ the budget


def test_a_budget_that_is_given_is_filled_and_without_one_there_are_twenty_turns(
    tmp_path: Path,
) -> None:
    said = [Turn("Ines", f"I planted tree {number} in the garden.") for number in range(120)]
    with open_store(tmp_path / "trees.db") as store:
        store.add(said)
        asked = "Which trees did I plant in the garden?"
        assert len(inject(store, asked, gate=False, profile=False).memories) in range(20, 26)
        filled = inject(store, asked, budget=600, gate=False)
        assert 500 < filled.tokens <= 600
        assert len(filled.turn_ids) > 10
        assert len(inject(store, asked, budget=8_000, gate=False).turn_ids) == 120


def test_a_block_asks_no_model_for_its_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_missing(*_: object, **__: object) -> None:
        raise ModelError("the packaged model is not installed")

    monkeypatch.setattr("memory.models.loading.load_packaged", is_missing)
    with Memory(tmp_path / "anna.db") as memory:
        memory.add("I live in Oslo.", said_at="2020-01-01")
        assert "Oslo" in memory.context("Where do I live?").text
        with pytest.raises(ModelError):
            Memory(tmp_path / "anna.db", model="local").ask("Where do I live?")


def test_the_best_memory_is_cut_when_not_even_it_fits(tmp_path: Path) -> None:
    with open_store(tmp_path / "long.db") as store:
        store.add([Turn("Anon", "My favorite color: " + "blue and red and green " * 100)])
        injected = inject(store, ASKED, reads(max_cosine_distance=2), budget=100)
    assert injected.turn_ids == (1,)
    assert 90 < injected.tokens <= 100
    assert "My favorite color: blue and" in injected.text


# ------------------------------------------------------------------------------ the configuration


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"ltm_read": {}}, r"unknown key ltm_read; known are ltm_con"),
        ({"ltm_reads": {"max_distance": 1}}, "unknown key ltm_reads.max_distance.*num_memories"),
        ({"ltm_reads": {"num_memories_to_fetch": "2"}}, "num_memories_to_fetch: .*integer"),
        ({"ltm_reads": {"num_memories_to_fetch": -1}}, "num_memories_to_fetch: .*greater"),
        ({"ltm_reads": {"max_cosine_distance": float("nan")}}, "max_cosine_distance: "),
        ({"ltm_context": {"injection_location": "LEFT"}}, "injection_location: .*BEFORE_NORMAL"),
        ({"ltm_writes": 3}, "ltm_writes: "),
        ([], "all of it: "),
    ],
)
def test_what_is_wrong_in_a_configuration_is_named(
    config: Any, complaint: str, tmp_path: Path
) -> None:
    file = tmp_path / "ltm_config.json"
    file.write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"ltm_config.json: .*{complaint}"):
        load_config(file)


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("{name3}", r"unknown placeholder \{name3\}; known are \{name1\} \{name2\}"),
        ("{name1.__class__}", r"unknown placeholder \{name1.__class__\}"),
        ("{name1!r}", r"\{name1!r\}"),
        ("{name1:>99999999}", r"\{name1:>99999999\}"),
        ("{}", r"\{\}"),
        ("{memory_message}", r"\{memory_message\}"),
        ("{name1", "brace"),
    ],
)
def test_a_placeholder_that_is_none_is_named(template: str, complaint: str) -> None:
    with pytest.raises(InputError, match=f"memory_context_template: .*{complaint}"):
        load_config({"ltm_context": {"memory_context_template": template}})


def test_braces_stand_for_themselves_when_doubled_and_in_what_was_said(store: Store) -> None:
    store.add([Turn("{name1}", "{{my}} {favorite} {name2.__class__} color is blue")])
    config = load_config(
        {"ltm_context": {"memory_context_template": "{{{name1}}} {all_memories} {{}}"}}
    )
    text = inject(store, ASKED, config, speaker="{all_memories}").text
    assert text.startswith("{{all_memories}} ")
    assert '{name1} said:\n"{{my}} {favorite} {name2.__class__} color is blue"' in text
    assert text.endswith(" {}")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.json").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.json: not a JSON"):
        load_config(tmp_path / "broken.json")
    with pytest.raises(InputError, match=r"none\.json: cannot be read"):
        load_config(tmp_path / "none.json")


# ------------------------------------------------------------------------------ its surfaces


def test_the_memory_gives_a_context_without_a_model(store: Store) -> None:
    memory = Memory(store)
    injected = memory.context(
        ASKED, config=S2K, character_context="<START>", speaker="Anon", now=NOW
    )
    assert injected == inject(
        store, ASKED, load_config(S2K), "Anon", character_context="<START>", now=NOW
    )
    assert memory.context(ASKED, budget=64).tokens <= 64
    with pytest.raises(InputError, match="at least"):
        memory.context(ASKED, budget=0)


def test_the_command_prints_the_prompt(store: Store, tmp_path: Path, path: Path) -> None:
    (tmp_path / "s2k.json").write_text(json.dumps(S2K))
    (tmp_path / "miku.txt").write_text(MIKU + "<START>\nMiku: Hi!")
    options = ["context", ASKED, "--db", str(path), "--config", str(tmp_path / "s2k.json")]
    options += ["--character-context", str(tmp_path / "miku.txt"), "--speaker", "Anon"]
    arguments = (MIKU + "<START>\nMiku: Hi!", "Anon")
    expected = inject(store, ASKED, load_config(S2K), arguments[1], character_context=arguments[0])
    assert run(*options) == expected.prompt + "\n"
    assert json.loads(run(*options, "--json"))["turn_ids"] == [*expected.turn_ids]
    assert run(*options, "--session", "one") == arguments[0] + "\n"
    run(*options, "--character-context", tmp_path / "none", says="none: cannot be read: No such")
