"""Settings: declared types, history, and the commands that show and change them."""

import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner, Result

from memory import InputError, Memory, Turn, open_store
from memory.cli import audit as audit_command
from memory.cli import settings as settings_command
from memory.store.configuration.declared_settings import Settings
from memory.store.configuration.setting_values import CHAT, _warn_of
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.facts.vocabulary_table import set_attribute, vocabulary_of
from memory.store.sqlite.store import SqliteStore
from memory.vocabulary import Attribute

BOTH_STORES = "slow"

Run = Callable[..., Result]
VOICE: dict[str, Any] = {
    "speed": float,
    "mood": Literal["calm", "cheerful"],
    "names": list[str],
    "nap_minutes": int | None,
    "shown": dict[str, bool],
}
app = typer.Typer()
app.command()(settings_command.settings)
app.command()(audit_command.audit)


@pytest.fixture
def run(store: SqliteStore, path: Path) -> Run:
    def command(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["settings", *arguments, "--db", str(path)])

    return command


@pytest.mark.parametrize(
    ("name", "value", "takes"),
    [
        ("speed", "fast", 'a number, not "fast"'),
        ("speed", True, "not true"),
        ("speed", float("nan"), "not NaN"),
        ("speed", float("inf"), "takes a number, not Infinity"),
        ("mood", "sad", 'takes "calm" or "cheerful", not "sad"'),
        ("names", "Miku", 'a list of (text), not "Miku"'),
        ("names", ["Miku", 3], 'not ["Miku", 3]'),
        ("nap_minutes", 1.5, "a whole number or null, not 1.5"),
        ("nap_minutes", "20", 'not "20"'),
        ("shown", {"a": 1}, "an object"),
        ("names", {"a", "b"}, "not {"),
    ],
)
def test_a_value_of_another_type_is_refused_and_nothing_stored(
    store: SqliteStore, name: str, value: object, takes: str
) -> None:
    settings = Settings(store, VOICE)
    with pytest.raises(InputError) as refused:
        settings.set(name, value)
    assert f"setting {name} takes" in str(refused.value)
    assert takes in str(refused.value)
    assert "mood, names, nap_minutes, shown, speed" in str(refused.value)
    assert settings.history(name) == []


@pytest.mark.parametrize("use", ["get", "history", "set"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_named(
    store: SqliteStore, use: str
) -> None:
    settings = Settings(store, {"speed": float})
    with pytest.raises(InputError, match="there are speed"):
        getattr(settings, use)("sped", *([1] if use == "set" else []))


def test_what_was_declared_is_known_to_whoever_opens_the_memory(store: SqliteStore) -> None:
    Settings(store, VOICE).set("mood", "calm")
    Settings(store, {"depth": int})
    later = Settings(store)
    assert later.get("mood") == "calm"
    assert {*CHAT, "depth", *VOICE} == {*later.types()}
    with pytest.raises(InputError, match="takes a number"):
        later.set("speed", "fast")
    assert 'mood ("calm" or "cheerful"): "calm"' in later.describe().splitlines()
    assert "depth (a whole number): not set" in later.describe().splitlines()
    Settings(store, VOICE)
    assert len(settings_of(store, "declared")) == 2, "what is known is not declared again"


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("embedder", str),
        ("declared", dict),
        ("", str),
        ("a b", str),
        ("depth", bytes),
        ("depth", set[int]),
        ("depth", Annotated[int, Field(ge=0)]),
        ("depth", SqliteStore),
    ],
)
def test_what_cannot_be_declared_is_refused(store: SqliteStore, name: str, declared: Any) -> None:
    with pytest.raises(InputError):
        Settings(store, {name: declared})
    assert settings_of(store, "declared") == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("user", "42", "42"),
        ("user", "[1]", "[1]"),
        ("speed", "1.5", 1.5),
        ("names", '["Miku"]', ["Miku"]),
        ("mood", "calm", "calm"),
        ("nap_minutes", "null", None),
    ],
)
def test_a_typed_value_is_text_where_text_is_taken_else_json(
    store: SqliteStore, name: str, text: str, value: object
) -> None:
    Settings(store, VOICE)
    assert Settings(store).set_text(name, text).value == value


def test_the_command_shows_and_sets(run: Run, store: SqliteStore) -> None:
    Settings(store, {"speed": float})
    assert run("speed", "1.5").stdout.splitlines()[1].startswith("speed  1.5    a number  20")
    run("speed", "2.5")
    assert len(run("speed", "--history").stdout.splitlines()) == 3
    lines = [json.loads(line) for line in run("--json").stdout.splitlines()]
    assert {line["name"] for line in lines} == {*CHAT, "speed"}
    assert [line.get("value") for line in lines if line["name"] == "speed"] == [2.5]
    assert isinstance(run("speed", "fast").exception, InputError)
    assert isinstance(run("sped").exception, InputError)
    assert Settings(store).get("speed") == 2.5


# --- settings that we did not write --------------------------------------------------------------

SECRET = "My key is AKIAIOSFODNN7EXAMPLQ and I moved to Oslo."
HOSTILE: dict[str, tuple[str, ...]] = {
    "user": ('"\\ud800"', "1", '"a\\nb"', json.dumps("A" * 100_000)),
    "character": ("{}", '"\\udc00"'),
    "persona": ("[1]", '"\\ud800"'),
    "secrets": ('"none"', "[]"),
    "retention_days": ('"all"', "-1", "1e9", "true"),
    "retention_keeps_facts": ('"no"',),
    "wrong_answer_cost": ("null", "NaN", "Infinity", "1e400", "-1", '"x"', "[]", "{}", "true"),
    "prompts": ('"long"', "[]", "1", "null"),
    "timezone": ("[]", "1"),
    "forgotten items": ("1", "[[1]]", "null"),
    "vocabulary": ("null", "1", "[]", '"x"', '{"without": 5}', '{"strict": "x"}', '{"base": []}'),
    "withheld": ('{"a": 1}', '{"secrets": "x"}', '{"secrets": -1}', "[]"),
}


def store_raw(path: Path, name: str, value: str) -> None:
    """A setting as a file of a stranger's may hold it."""
    with closing(sqlite3.connect(path)) as conn, conn:
        row = (name, value)
        conn.execute("INSERT INTO settings (name, value, set_at) VALUES (?, ?, '2026')", row)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, marks=[pytest.mark.slow] if value != values[0] else [])
        for name, values in HOSTILE.items()
        for value in values
    ],
)
def test_a_setting_that_we_did_not_write_is_as_if_it_were_not_there(
    path: Path, name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    open_store(path).close()
    store_raw(path, name, value)
    _warn_of.cache_clear()
    with Memory(path) as memory, caplog.at_level(logging.WARNING):
        memory.store.add([Turn("user", SECRET, source="x")])
        assert [turn.text for turn in memory.store.turns()] == [
            SECRET.replace("AKIAIOSFODNN7EXAMPLQ", "[withheld]")
        ]
        assert memory.context("Where do I live?").prompt
        assert memory.ask("Where do I live?").shown
        assert settings_of(memory.store, name) == [] or name == "withheld"
        assert vocabulary_of(memory.store).canonical("lives_in")
        assert Settings(memory.store).describe()
    assert f"the setting {name} is not as sql-memory writes it" in caplog.text


def test_a_sound_value_before_one_that_we_did_not_write_stays_in_force(path: Path) -> None:
    with open_store(path) as store:
        Settings(store).set("wrong_answer_cost", 2)
    store_raw(path, "wrong_answer_cost", "NaN")
    with open_store(path) as store:
        assert Settings(store).get("wrong_answer_cost") == 2
        Settings(store).set("wrong_answer_cost", 3)
        assert Settings(store).get("wrong_answer_cost") == 3


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "items": 5},
        {"anyOf": []},
        {"anyOf": "ab"},
        {"enum": 5},
        {"type": ["x"]},
        {"type": "object", "additionalProperties": 5},
    ],
)
def test_a_declaration_of_a_type_that_there_is_none_declares_nothing(
    path: Path, schema: dict[str, Any]
) -> None:
    with open_store(path) as store:
        set_setting(store, "declared", {"mood": schema, "calm": {"type": "boolean"}})
        settings = Settings(store)
        assert settings.types()["calm"] == "true or false"
        assert "mood" not in settings.types()
        assert settings.describe()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("declared", "[]"),
        ("forgotten", '{"turns": ["one"]}'),
        ("vocabulary", "1"),
        ("withheld", "[1]"),
    ],
)
def test_a_dump_makes_no_memory_unusable(
    store: SqliteStore, tmp_path: Path, name: str, value: str
) -> None:
    store.add([Turn("Anna", "I moved to Oslo.")])
    row = {"table": "settings", "id": 99, "name": name, "value": value, "set_at": "2026"}
    with open_store(tmp_path / "loaded.db") as loaded:
        loaded.load([*store.dump(), row])
    with open_store(tmp_path / "loaded.db") as loaded:
        loaded.add([Turn("Anna", SECRET)])
        assert settings_of(loaded, name) == [] or name == "withheld"


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("other_names", "5"),
        ("other_names", "[[1]]"),
        ("other_names", "{"),
        ("allowed_values", "{}"),
        ("templates", "[]"),
        ("templates", '{"statement": 1}'),
        ("templates", '{"says": ["{"]}'),
        ("templates", '{"form": 5}'),
        ("instruction", "x" * 10_000),
    ],
)
def test_an_attribute_that_we_did_not_write_is_as_if_it_were_not_there(
    path: Path, column: str, value: str
) -> None:
    with open_store(path) as store:
        set_attribute(store, Attribute("owns_boat"))
        set_attribute(store, Attribute("keeps"))
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.execute(f"UPDATE attributes SET {column} = ? WHERE name = 'keeps'", (value,))
    with Memory(path) as memory:
        memory.store.add([Turn("Anna", "I moved to Oslo.")])
        assert vocabulary_of(memory.store).canonical("owns_boat")
        assert vocabulary_of(memory.store).canonical("keeps") is None
        assert memory.context("Where does Anna live?")
