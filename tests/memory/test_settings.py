"""Settings: declared types, history, and the commands that show and change them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner, Result

from memory import InputError
from memory.cli import audit as audit_command
from memory.cli import settings as settings_command
from memory.settings import CHAT, Settings
from memory.store.settings import settings_of
from memory.store.sqlite import SqliteStore

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


def test_a_setting_has_the_value_given_last_and_remembers_the_others(store: SqliteStore) -> None:
    settings = Settings(store, VOICE)
    assert settings.get("speed") is None
    assert settings.get("speed", 1.0) == 1.0
    for value in (1, 1.5, 0.5):
        settings.set("speed", value)
    assert Settings(store, VOICE).get("speed") == 0.5
    assert [past.value for past in settings.history("speed")] == [1, 1.5, 0.5]
    settings.set("nap_minutes", None)
    assert settings.all() == {"speed": 0.5, "nap_minutes": None}


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
    with pytest.raises(InputError, match="no setting 'sped'; there are speed"):
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


def test_a_value_from_before_the_type_changed_is_not_passed_on(store: SqliteStore) -> None:
    Settings(store, {"depth": str}).set("depth", "deep")
    with pytest.raises(InputError, match='depth takes a whole number, not "deep"'):
        Settings(store, {"depth": int}).get("depth")


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
