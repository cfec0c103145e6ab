"""Forgetting follows words: into replies, summaries, facts, backups and exports."""

import json
import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from memory import Memory, Turn, facts, open_store
from memory.records import WITHDRAWN, Summary
from memory.store import Store
from memory.store.configuration.settings import set_setting
from memory.store.forgetting import forget
from memory.store.forgetting.preview import preview
from memory.store.forgetting.quoting import turns_quoting
from memory.store.turns.summaries import set_summary
from memory.text.words import STOP_WORDS
from tests.support.commands import run

BOTH_STORES = "slow"
ADJECTIVES = ["brass", "crooked", "enormous", "frozen", "hollow", "ivory", "lazy", "marble"]
NOUNS = ["accordion", "bakery", "canoe", "dentist", "envelope", "ferry", "gardener", "harbour"]
NOUNS += [
    "igloo",
    "jacket",
    "kettle",
    "ladder",
    "museum",
    "notary",
    "orchard",
    "pharmacy",
    "quarry",
]
NOUNS += ["rucksack", "stable", "tunnel", "umbrella", "violin", "walnut", "yacht"]
VERBS = ["admired", "borrowed", "carried", "delivered", "examined", "followed", "gathered", "hired"]
PLACES = ["Aalborg", "Brest", "Chania", "Dundee", "Eger", "Faro", "Gdynia", "Hvar", "Jena", "Kotor"]


@dataclass(frozen=True)
class Quoted:
    """A run of four telling words: as words, and as the bytes between the first and the last."""

    words: tuple[str, ...]
    written: bytes


def runs_of(text: str) -> set[Quoted]:
    """All runs of four telling words of a text."""
    telling = [m for m in re.finditer(r"\w+", text) if m[0].lower() not in STOP_WORDS]
    return {
        Quoted(
            tuple(m[0].lower() for m in run_of_words),
            text[run_of_words[0].start() : run_of_words[-1].end()].encode(),
        )
        for run_of_words in zip(*(telling[n:] for n in range(4)), strict=False)
    }


def chat(rng: random.Random, machine: str) -> list[Turn]:
    """A chat of people with a machine that quotes them, whole, cut, in a list, or in its words."""
    said: list[Turn] = []
    for n in range(rng.randint(6, 14)):
        speaker = rng.choice(["Anna", "Ben", "user"])
        code = rng.randint(4000, 99_999)
        text = rng.choice(
            [
                f"I {rng.choice(VERBS)} the {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} and"
                f" {rng.choice(VERBS)} a {rng.choice(NOUNS)} in {rng.choice(PLACES)}.",
                f"The code of my {rng.choice(ADJECTIVES)} {rng.choice(NOUNS)} is {code}.",
                f"My {rng.choice(NOUNS)} is called {rng.choice(PLACES)}{code % 9}.",
            ]
        )
        if rng.random() < 0.15 and said:
            people = [turn.text for turn in said if turn.speaker != machine]
            text = f"As I said: {rng.choice(people)}"
        said.append(Turn(speaker, text, session=f"s{n // 4}", said_at=f"2026-03-{n + 1:02}"))
        said.append(Turn(machine, reply(rng, said, machine), session=f"s{n // 4}"))
    return said


def reply(rng: random.Random, said: list[Turn], machine: str) -> str:
    people = [turn.text for turn in said if turn.speaker != machine]
    one, other = rng.choice(people), rng.choice(people)
    words = one.rstrip(".").split()
    return rng.choice(
        [
            f"You said: \u201c{one}\u201d",
            f"Nearest in this memory:\n[1] {other}\n[2] {one}",
            f"{' '.join(words[len(words) // 2 - 2 :])}, I remember!",
            f"Was it {words[-1]}?",
            "How lovely. Tell me more.",
        ]
    )


def left(texts: Iterable[str], wanted: set[Quoted]) -> set[tuple[str, ...]]:
    """The runs that some texts still hold."""
    words = {quoted.words for quoted in wanted}
    return {quoted.words for text in texts for quoted in runs_of(text)} & words


def texts_of(store: Store) -> list[str]:
    return [v for record in store.dump() for v in record.values() if isinstance(v, str)]


def bytes_with(folder: Path, wanted: set[Quoted]) -> set[bytes]:
    content = b"\n".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())
    return {quoted.written for quoted in wanted if quoted.written in content}


@pytest.mark.few(4)
@pytest.mark.parametrize("seed", range(50))
def test_no_run_of_four_telling_words_is_left_anywhere(
    seed: int, store: Store, tmp_path: Path
) -> None:
    rng = random.Random(seed)
    machine = rng.choice(["assistant", "Miku", "ChatGPT"])
    set_setting(store, "character", "Miku")
    memory = Memory(store)
    ids = memory.add(chat(rng, machine))
    for turn in rng.sample(store.turns(), 4):  # a story, and facts, that quote
        set_summary(store, Summary(turn.id, turn.id + 1, "session", f"Story: {turn.text}"))
        value = f"{turn.text} ({turn.id})"
        facts.add(store, subject="Anna", attribute="note", value=value, turn_id=turn.id)
    (tmp_path / "copies").mkdir()
    store.backup(tmp_path / "copies" / "backup.db")
    people = [turn for turn in store.turns_by_id(ids) if turn.speaker != machine]
    chosen = rng.sample(people, 3)
    wanted = set().union(*(runs_of(turn.text) for turn in chosen))
    repeats = bool(seed % 2)

    [receipt] = memory.forget([turn.id for turn in chosen], repeats=repeats)

    stay = store.turns_by_id(receipt.quoted_in)
    assert {turn.id for turn in chosen} <= {*receipt.turns}
    if repeats:
        assert stay == []
    assert machine not in {turn.speaker for turn in stay} or any(
        left([turn.text], wanted) for turn in stay if turn.speaker != machine
    )
    said_by_others = left([turn.text for turn in stay], wanted)
    remain = {quoted for quoted in wanted if quoted.words not in said_by_others}
    assert left(texts_of(store), remain) == set()
    assert bytes_with(tmp_path, remain) == set()
    for turn in chosen:
        block = str(memory.context(turn.text, gate=False).text)
        assert left([block], remain) == set()
    others = {turn.id for turn in people} - {*receipt.turns}
    assert repeats or len(others) == len(people) - 3  # what other people said is never lost
    assert store.check() == []


# --- whose words go, and whose stay ---------------------------------------------------------------


def quoting(*said: tuple[str, str], gone: int = 1, with_repeats: bool = False) -> list[list[int]]:
    turns = [Turn(speaker, text, id=n) for n, (speaker, text) in enumerate(said, 1)]
    found = turns_quoting(turns, [gone], with_repeats=with_repeats)
    return [[*found.replies], [*found.repeats]]


def test_forgetting_compares_no_more_turns_where_there_are_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the index: those that share a rare word, and of a frequent one who said it first."""
    compared: list[int] = []

    def counted(turns: list[Turn], *arguments: Any) -> Any:
        compared.append(len(turns))
        return turns_quoting(turns, *arguments)

    monkeypatch.setattr(forget, "turns_quoting", counted)
    for count in (800, 3_200):
        with open_store(tmp_path / f"{count}.db") as store:
            texts = [f"We fired the kiln, and glaze{n} was fine." for n in range(count)]
            store.add([Turn("Anna", text, f"s{n // 40}") for n, text in enumerate(texts)])
            store.forget([50])
    assert compared[0] == compared[1] < 50


CODE = ("Ida", "The code of the boathouse is 88231 by the way.")


@pytest.mark.parametrize(
    ("answer", "is_reply"),
    [
        ("You told me: \u201cThe code of the boathouse is 88231 by the way.\u201d", True),
        ("It is 88231.", True),
        ("A code for a boathouse, noted!", True),
        ("Which code?", False),
        ("Rowing is good exercise.", False),
    ],
)
def test_a_reply_quotes_by_a_run_a_number_or_two_new_words(answer: str, is_reply: bool) -> None:
    assert quoting(CODE, ("assistant", answer))[0] == ([2] if is_reply else [])


def test_a_reply_that_came_before_or_repeats_someone_else_stays() -> None:
    assert quoting(("assistant", "Take 88231."), CODE, ("assistant", "88231."), gone=2)[0] == []
    said_twice = (
        CODE,
        ("Bo", "Ida's boathouse code: 88231."),
        ("assistant", "88231, the boathouse."),
    )
    assert quoting(*said_twice) == [[], [2, 3]]
    assert quoting(*said_twice, with_repeats=True) == [[3], [2]]


def test_small_talk_and_years_quote_nothing() -> None:
    thanks = (("Ida", "Thanks!"), ("assistant", "Thanks, too!"), ("Bo", "Thanks"))
    assert quoting(*thanks) == [[2], []]
    assert quoting(("Ida", "I began in 2019."), ("assistant", "2019 was dry.")) == [[], []]


def test_people_who_say_it_again_are_named_and_go_only_if_asked(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "ida.db")
    memory.add([CODE, ("assistant", "88231, noted."), ("Bo", "So the boathouse code is 88231?")])
    with memory:
        [receipt] = memory.forget(1)
        assert (receipt.turns, receipt.quoted_in) == ((1, 2), (3,))
        [receipt] = memory.forget(3)
        assert memory.get_all() == []
        memory.add([CODE, ("Bo", "The code of the boathouse is 88231, by the way.")])
        assert memory.forget(4, repeats=True)[0].turns == (4, 5)
        memory.add([CODE, ("assistant", "88231, noted.")])
        assert memory.forget(6, replies=False)[0].quoted_in == (7,)


def test_a_correction_that_was_undone_goes_with_what_it_corrected(tmp_path: Path) -> None:
    for is_undone in (True, False):
        with Memory(tmp_path / f"{is_undone}.db") as memory:
            memory.add([("Ida", "I live in Oslo."), ("Bo", "I was in Lund.")])
            facts.supersede(memory.store, 1, "Bergen")
            if is_undone:
                memory.undo()
            gone = preview(memory.store, memory.store.turns(1, 1))
            named = gone.replies if is_undone else gone.repeats
            assert [turn.text.removeprefix(WITHDRAWN) for turn in named] == [
                "Correction: Ida lives in Bergen, not Oslo."
            ]
            assert memory.forget(2)[0].turns == (2,)
            assert memory.forget(1)[0].turns == ((1, 3) if is_undone else (1,))


def test_a_fact_that_a_digest_gave_to_another_turn_goes_too(tmp_path: Path) -> None:
    with Memory(tmp_path / "ida.db") as memory:
        memory.add([("Ida", "Our new home is Tromso."), ("Ida", "We moved in last week.")])
        row = "INSERT INTO facts (subject, attribute, value, turn_id) VALUES ('Ida', {}, 2)"
        statement = ";".join(map(row.format, ("'city', 'Tromso'", "'moved', 'last week'")))
        memory.store.write(statement, cause="digest by test", window=(1, 2))
        memory.forget(1)
        assert [fact.value for fact in memory.facts()] == ["last week"]


def test_a_pet_is_forgotten_by_its_name(tmp_path: Path) -> None:
    with Memory(tmp_path / "ida.db") as memory:
        memory.add([("Ida", "Waldo has fleas again."), ("Ida", "I like waltzes.")])
        assert memory.forget(about="waldo")[0].turns == (1,)


# --- commands -------------------------------------------------------------------------------------


def test_the_command_shows_what_goes_too_and_verify_finds_what_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    said = (CODE, ("assistant", "Noted: 88231."), ("Bo", "88231 for the boathouse, right."))
    for speaker, text in said:
        run("add", text, "--speaker", speaker)
    run("export", "all.md")
    shown = run("forget", "--turn", "1", "--preview")
    assert "1 turn of replies that quote them go too:\n  [2]" in shown
    assert "1 turn with the same words stay; --repeats forgets them too:\n  [3]" in shown
    assert f"--exports deletes it: {tmp_path / 'all.md'}" in shown
    preview = json.loads(run("forget", "--turn", "1", "--preview", "--json"))
    assert [turn["id"] for turn in preview["replies"]] == [2]
    out = run("forget", "--turn", "1", "--yes", "--receipt", "r.json", "--exports")
    assert "forgotten: 2 turns" in out
    assert "1 turn with the same words stay: memory forget --turn 3\n" in out
    assert not Path("all.md").exists()
    run("forget", "verify", "r.json", finds="turn 3 has the same words")
    words = "the code of the boathouse is 88231"
    run("forget", "verify", "r.json", "--matching", words, finds="turn 3 holds words of")
    run("forget", "--turn", "3", "--yes")
    assert "gone: 2 turns" in run("forget", "verify", "r.json", "--matching", words)


def test_verify_looks_once_at_a_file_and_names_it_in_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for speaker, text in (CODE, ("Bo", "88231 for the boathouse, right.")):
        run("add", text, "--speaker", speaker, "--db", "a.db")
    run("forget", "--turn", "1", "--yes", "--receipt", "r.json", "--db", "a.db")
    Path("b").mkdir()
    left = run(
        *("forget", "verify", "r.json", "--db", "b/../a.db"),
        finds="turn 2 has the same words: memory forget --turn 2 --db b/../a.db",
    )
    assert left.count("has the same words") == 1
    run("forget", "--turn", "2", "--yes", "--db", "a.db")
    gone = run("forget", "verify", "r.json", "--db", "b/../a.db")
    assert f"checked in {tmp_path / 'a.db'}\n" in gone


def test_printed_commands_name_the_memory_and_nobody_is_called_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    place = ("--db", str(tmp_path / "tom.db"))
    for speaker in ("user", "Bo"):
        run("add", "Anna lives in Oslo with a user of trains.", "--speaker", speaker, *place)
    out = run("forget", "--turn", "1", "--yes", *place)
    assert "still named" not in out
    assert f"stay: memory forget --turn 2 --db {place[1]}" in out


def test_a_reply_that_no_model_wrote_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path / "home"))
    run("add", CODE[1], "--speaker", "User")
    talk = run("chat", given="What is the code of the boathouse?\nHow are you?\nbye\n")
    assert talk.count("88231") == 1
    assert "88231" in run("search", "code of the boathouse")
    run("forget", "--turn", "1", "--yes")
    assert "88231" not in run("admin", "sql", "SELECT text FROM turns")
    assert "88231" not in run("context", "What is the code of the boathouse?")
    assert b"88231" not in b"".join(p.read_bytes() for p in (tmp_path / "home").iterdir())
