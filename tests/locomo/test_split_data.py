"""Splits by conversation: complete, disjoint, the same everywhere, and checked on disk."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from locomo.split_data import (
    LOCOMO,
    MANIFEST,
    PARTS,
    app,
    load_split,
    split,
    split_file,
    verify,
)
from memory import InputError
from tests.support.commands import run_in_process
from tests.support.locomo_records import DATE, question, record, turn, write

IDS = st.lists(st.sampled_from([*LOCOMO, *"abcdefgh"]), min_size=2, max_size=18, unique=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """LoCoMo's ten ids, with one question each, and one of category 5 in conv-26."""
    records = [
        record(name, session_1=[turn(text=name)], session_1_date_time=DATE) for name in LOCOMO
    ]
    records[0]["qa"].append(question(5, adversarial_answer="Nice"))
    return write(tmp_path / "locomo.json", *records)


@given(IDS, st.integers())
def test_every_conversation_is_in_exactly_one_part(ids: list[str], seed: int) -> None:
    parts = split(ids, seed, "default")
    assert list(parts) == list(PARTS)
    assert sorted(id_ for names in parts.values() for id_ in names) == sorted(ids)


@given(st.integers())
def test_locomo_is_tested_on_three_fixed_conversations(seed: int) -> None:
    parts = split(LOCOMO, seed, "default")
    assert parts["test"] == ["conv-48", "conv-49", "conv-50"]
    assert (len(parts["train"]), len(parts["validation"])) == (4, 3)


@given(IDS, st.integers())
def test_what_locomo_tests_on_is_never_trained_on(ids: list[str], seed: int) -> None:
    parts = split(ids, seed, "default")
    assert not {"conv-48", "conv-49", "conv-50"} & {*parts["train"], *parts["validation"]}


@pytest.mark.parametrize(
    ("n", "sizes"),
    [
        (2, (1, 1, 0)),
        (3, (1, 1, 1)),
        (4, (2, 1, 1)),
        (5, (3, 1, 1)),
        (6, (3, 3, 0)),  # three to validate, which a verdict needs
        (7, (3, 3, 1)),
        (8, (3, 3, 2)),
        (9, (4, 3, 2)),
        (20, (11, 4, 5)),
    ],
)
def test_a_file_of_ones_own_is_split_in_quarters(n: int, sizes: tuple[int, ...]) -> None:
    parts = split([f"mine-{i}" for i in range(n)], 0, "default")
    assert tuple(len(names) for names in parts.values()) == sizes


def test_the_memory_r1_split_is_one_one_eight() -> None:
    parts = split(LOCOMO, 5, "memory-r1")
    assert (parts["train"], parts["validation"]) == (["conv-26"], ["conv-30"])
    assert parts["test"] == list(LOCOMO[2:])


def test_the_split_of_seven_and_three_leaves_none_to_test() -> None:
    parts = split(LOCOMO, 5, "seven-three")
    assert (parts["train"], parts["validation"]) == (list(LOCOMO[:7]), list(LOCOMO[7:]))
    assert parts["test"] == []


@pytest.mark.parametrize(("number", "training"), [(2, 1), (3, 2), (7, 5), (9, 6), (20, 14)])
def test_seven_tenths_of_other_conversations_train(number: int, training: int) -> None:
    ids = [f"chat-{n}" for n in range(number)]
    parts = split(ids, 0, "seven-three")
    assert parts == {"train": ids[:training], "validation": ids[training:], "test": []}


@pytest.mark.parametrize(
    ("ids", "name", "says"),
    [
        (["a"], "default", "one conversation cannot be split"),
        (["a", "b", "a"], "default", "repeat"),
        (
            ["a", "b"],
            "by-question",
            "unknown split 'by-question'; there are: default, memory-r1, seven-three",
        ),
        (LOCOMO[:7], "memory-r1", "LoCoMo's ten conversations"),
        (LOCOMO[:1], "seven-three", "one conversation cannot be split"),
        ([*LOCOMO, "mine"], "memory-r1", "LoCoMo's ten conversations"),
    ],
)
def test_what_cannot_be_split_is_refused(ids: list[str], name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        split(ids, 0, name)


def test_two_conversations_leave_the_test_part_empty(tmp_path: Path) -> None:
    source = write(tmp_path / "two.json", record("a"), record("b"))
    manifest = split_file(source, tmp_path / "out")
    assert manifest.parts["test"].conversations == []
    assert json.loads((tmp_path / "out/test.json").read_bytes()) == []
    assert verify(source, tmp_path / "out") == manifest


def test_a_split_never_overwrites_what_it_is_made_from(source: Path, tmp_path: Path) -> None:
    train = source.rename(tmp_path / "train.json")
    before = train.read_bytes()
    with pytest.raises(InputError, match="would be overwritten"):
        split_file(train, tmp_path)
    assert train.read_bytes() == before


def forge(out: Path, part: str, records: list[object]) -> None:
    """Put other records into a part, and their fingerprint into the manifest."""
    content = json.dumps(records).encode()
    (out / f"{part}.json").write_bytes(content)
    manifest = json.loads((out / MANIFEST).read_bytes())
    manifest["parts"][part]["sha256"] = hashlib.sha256(content).hexdigest()
    (out / MANIFEST).write_text(json.dumps(manifest))


def test_verify_finds_a_conversation_in_two_parts(source: Path, tmp_path: Path) -> None:
    split_file(source, tmp_path / "out")
    train = json.loads((tmp_path / "out/train.json").read_bytes())
    forge(tmp_path / "out", "validation", train[:1])
    with pytest.raises(InputError, match="in train and in validation"):
        verify(source, tmp_path / "out")


def test_verify_finds_a_lost_conversation(source: Path, tmp_path: Path) -> None:
    split_file(source, tmp_path / "out")
    forge(tmp_path / "out", "test", [])
    with pytest.raises(InputError, match="conv-48, conv-49, conv-50"):
        verify(source, tmp_path / "out")


def test_verify_finds_a_changed_conversation(source: Path, tmp_path: Path) -> None:
    split_file(source, tmp_path / "out")
    test = json.loads((tmp_path / "out/test.json").read_bytes())
    test[1]["qa"][0]["answer"] = "Nice"
    forge(tmp_path / "out", "test", test)
    with pytest.raises(InputError, match="conv-49 is not as in"):
        verify(source, tmp_path / "out")


def test_verify_finds_a_changed_missing_or_foreign_file(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    split_file(source, out)
    (out / "test.json").write_bytes((out / "test.json").read_bytes() + b"\n")
    with pytest.raises(InputError, match=r"test\.json was changed"):
        verify(source, out)
    (out / "test.json").unlink()
    with pytest.raises(InputError, match=r"test\.json: No such file"):
        verify(source, out)
    with pytest.raises(InputError, match="was not made from"):
        verify(write(tmp_path / "other.json", record("a"), record("b")), out)
    manifest = json.loads((out / MANIFEST).read_bytes())
    for broken in ("{}", "[", json.dumps({**manifest, "parts": {}})):
        (out / MANIFEST).write_text(broken)
        with pytest.raises(InputError, match=r"manifest.*split again"):
            verify(source, out)


# --- the command --------------------------------------------------------------------------------


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "locomo.split_data", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_command_splits_and_verifies(source: Path, tmp_path: Path) -> None:
    flags = ["--input", source, "--output-dir", tmp_path / "out"]
    first = command(*flags, "--seed", "7", "--verify")
    assert (first.returncode, first.stderr) == (0, "")
    assert "conv-48, conv-49, conv-50" in first.stdout
    (tmp_path / "out/train.json").write_text("[]")
    checked = run_in_process(app, *flags, "--verify")
    assert checked.returncode == 2
    assert "train.json was changed" in checked.stderr
    assert (tmp_path / "out/train.json").read_text() == "[]"  # checking repairs nothing


# --- folders ----------------------------------------------------------------------------------


def folder_of(folder: Path, *names: str, validation: tuple[str, ...] = ()) -> Path:
    """A folder with a file for each conversation, and those held out in `validation`."""
    (folder / "validation").mkdir(parents=True)
    for place, ids in ((folder, names), (folder / "validation", validation)):
        for name in ids:
            made = record(name, session_1=[turn(text=name)], session_1_date_time=DATE)
            write(place / f"{name}.json", made)
    return folder


def test_a_folder_trains_and_its_folder_validation_is_held_out(tmp_path: Path) -> None:
    data = folder_of(tmp_path / "a", "one", "two", validation=("three",))
    parts = load_split(data, 0, "default").parts
    assert parts == {"train": ["one", "two"], "validation": ["three"], "test": []}


def test_a_conversation_has_one_place_and_two_folders_have_what_is_held_out(
    tmp_path: Path,
) -> None:
    data = folder_of(tmp_path / "a", "one", validation=("two",))
    with pytest.raises(InputError, match="'one' occurs twice"):
        load_split(data, 0, "default", folder_of(tmp_path / "b", "x", validation=("one",)))
    file = write(tmp_path / "c.json", record("y"))
    with pytest.raises(InputError, match="folder validation"):
        load_split(data, 0, "default", file)
