"""Work over machines: what is refused before any is looked for, and a digest of all namespaces."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from memory import InputError, Memory, Turn, open_store
from memory.cli.digests import Digester, Due
from memory.errors import ModelError
from memory.models import load_model, loading
from memory.models.packaged import over_machines
from memory.store.namespaces import create, location_of, path_of
from memory.system import machines
from memory.system.machines import check_over
from tests.support.commands import run
from tests.support.scripted import patch_load_model
from tests.support.talk import FACT, Talker, fact_of, talker

BOTH_STORES = "slow"


@pytest.mark.parametrize("address", ["dask", "ray:", "10.0.0.1:6379", "ray//x"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="write ray, or ray://HOST:PORT"):
        check_over(address)


def test_without_ray_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machines, "find_spec", lambda name: find_spec("no such package"))
    assert check_over("") == ""
    with pytest.raises(InputError, match=r"pip install '\.\[ray\]'"):
        check_over("ray")


def test_a_hosted_model_is_not_moved_to_other_machines() -> None:
    with pytest.raises(InputError, match="raise --num-threads"):
        over_machines(load_model("openai/gpt-4o-mini"), "ray")


# --- digest --all -------------------------------------------------------------------------------


@pytest.fixture
def home(home: str) -> str:
    """Three namespaces: of three turns, of two, of none."""
    for name, turns in (("anna", 3), ("Ben 🌸", 2), ("nobody", 0)):
        with open_store(create(name)) as store:
            store.add([Turn(name, f"I did number {n}.") for n in range(turns)])
    return home


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Talker:
    """Stores a fact for each window of one turn."""
    model, engine = talker(window=1)
    patch_load_model(monkeypatch, lambda name, *_, **settings: model)
    return engine


@pytest.mark.slow
def test_all_namespaces_are_digested_with_a_line_for_each_and_the_sums(
    home: str, engine: Talker
) -> None:
    assert sorted(run("digest", "--all").splitlines()) == [
        "2 namespaces, 5 windows stored, 5 facts changed (0 ended, 0 removed) by talker: 5 calls,"
        " 35 + 15 tokens, price unknown",
        "Ben 🌸: windows: 2 stored, 0 failed, 0 waiting; 2 facts changed (0 ended, 0 removed)",
        "anna: windows: 3 stored, 0 failed, 0 waiting; 3 facts changed (0 ended, 0 removed)",
    ]
    assert engine.calls() == {"store": 5}
    assert run("digest", "--all").startswith("0 namespaces, 0 windows stored")


def test_the_sums_have_what_a_killed_worker_had_stored(home: str, engine: Talker) -> None:
    """Ray runs an item again where its worker was killed: what that one counted is lost."""
    location = location_of("anna")
    model = loading.load_model("talker")
    with Memory(location, model=model) as memory:
        memory.store.write(FACT.format(1).replace("part", "half"), cause="a person")
        assert memory.digest(max_calls=1).stored == 1
    digester = Digester(home, model, replay=False, whole=True)
    digest = digester(Due("anna", newest_change=1)).digest
    assert (digest.stored, digest.facts, digest.calls) == (3, 3, 2)


def test_a_namespace_that_cannot_be_opened_stops_no_other(
    home_folder: Path, engine: Talker, capsys: pytest.CaptureFixture[str]
) -> None:
    path_of("broken").write_bytes(b"no database" * 100)
    run("digest", "--all", says="1 namespace could not be digested")
    assert engine.calls() == {"store": 5}


def test_a_model_that_fails_ends_it_and_what_was_stored_is_told(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def second_fails(prompt: str) -> str:
        if "number 1" in prompt:
            raise ModelError("no credit left")
        return fact_of(prompt)

    model, _ = talker(window=1, store=second_fails)
    patch_load_model(monkeypatch, lambda name, *_, **settings: model)
    run("digest", "--all", says="no credit left")
    with open_store(location_of("Ben 🌸")) as store:
        assert [change.window for change in store.changes()] == [(1, 1)]


@pytest.mark.parametrize(
    "options",
    [["-n", "anna"], ["--db", "x.db"], ["--max-calls", "3"], ["--apply", "1-1"]],
    ids=lambda options: options[0],
)
def test_all_goes_with_no_option_of_one_memory(home: str, options: list[str]) -> None:
    run("digest", "--all", *options, says="with --all, give only")


def test_over_is_for_many(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machines, "find_spec", lambda name: find_spec("json"))
    run("digest", "--over", "ray", says="--over needs --all")
    file = tmp_path / "turns.jsonl"
    file.write_text('{"speaker": "Anna", "text": "Hello."}\n')
    run("import", file, "--over", "ray", says="several characters")


def test_a_home_without_a_namespace_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Talker
) -> None:
    monkeypatch.setenv("MEMORY_HOME", str(tmp_path))
    run("digest", "--all", says="there is no namespace")
