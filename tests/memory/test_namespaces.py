"""Namespaces: any name is safe, no two meet, none sees another."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory import InputError, SqlError, Turn, open_store
from memory.errors import StoreError
from memory.store import namespaces
from memory.store.configuration.settings import set_setting, settings_of
from memory.store.files.namespace_file import move_store
from memory.store.forgetting.preview import preview
from memory.store.namespaces import LONGEST_STEM, Location, path_of
from tests.support.commands import run

BOTH_STORES = "slow"

OSLO = Turn("Anna", "I moved to Oslo.", said_at="2017-05-08T13:56")
SECRET = Turn("Ben", "My password is swordfish.")
NAMES = st.text(max_size=19).filter(str.strip)  # all of them short enough, none a lone surrogate


@pytest.fixture
def anna(home: str) -> Location:
    """A namespace with one turn, closed."""
    place = namespaces.create("anna")
    with open_store(place) as store:
        store.add([OSLO])
    return place


def said(name: str) -> list[str]:
    with open_store(namespaces.existing(name)) as store:
        return [turn.text for turn in store.turns()]


def files(home: Path) -> list[str]:
    return sorted(os.listdir(home))


# ------------------------------------------------------------------------------------- names


@pytest.fixture(scope="module")
def one_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEMORY_HOME", str(place))
        yield place


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("anna", "anna.db"),
        ("Anna", "%41nna.db"),
        ("con", "%63on.db"),
        ("lpt1", "%6cpt1.db"),
        ("../anna", "%2e%2e%2fanna.db"),
        ("..", "%2e%2e.db"),
        ("/etc/passwd", "%2fetc%2fpasswd.db"),
        ("C:\\x", "%43%3a%5cx.db"),
        ("anna.db", "anna%2edb.db"),
        ("my cat \N{CAT}", "my%20cat%20%f0%9f%90%88.db"),
        ("an\0na", "an%00na.db"),
        ("e\u0301", "%c3%a9.db"),
        ("\u00e9", "%c3%a9.db"),
        ("~", "%7e.db"),
    ],
)
def test_a_name_is_a_file_directly_in_the_home(home_folder: Path, name: str, file: str) -> None:
    assert path_of(name) == home_folder / file
    namespaces.create(name)
    assert namespaces.names() == [normalize("NFC", name)]


@given(name=NAMES)
def test_every_name_is_read_back_from_a_safe_file_name(one_home: Path, name: str) -> None:
    path = path_of(name)
    assert path.parent == namespaces.home()
    assert re.fullmatch(r"[a-z0-9_%-]+\.db", path.name)
    assert not re.fullmatch(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])", path.stem)
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    try:
        assert namespaces.names() == [normalize("NFC", name)]
    finally:
        path.unlink()


@given(one=NAMES, other=NAMES | st.sampled_from(["con", "%63on", "CON", "Anna", "anna"]))
def test_two_names_never_share_a_file_even_where_case_does_not_count(one: str, other: str) -> None:
    same = normalize("NFC", one) == normalize("NFC", other)
    assert (path_of(one).name.casefold() == path_of(other).name.casefold()) == same


@pytest.mark.parametrize("name", ["", "  \n", "\ud800", "x" * (LONGEST_STEM + 1), "\u00e9" * 50])
def test_what_cannot_be_a_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="namespace"):
        path_of(name)


def test_files_that_no_name_leads_to_are_ignored(home_folder: Path, anna: Path) -> None:
    for foreign in (
        *("notes.txt", ".hidden.db", "Ben.db", "%zz.db", "%41.DB", "con.db", "%61nna.db", ".db"),
        *("e\u0301.db", "%65%cc%81.db", "%ff.db", "anna.db-wal-copy", "%20.db"),
    ):
        (home_folder / foreign).write_bytes(b"x")
    (home_folder / "folder.db").mkdir()
    (home_folder / "empty.db").touch()
    assert namespaces.names() == ["anna"]


def test_without_a_home_there_are_no_names_and_one_that_cannot_be_made_is_named(
    home_folder: Path,
) -> None:
    assert namespaces.names() == []
    home_folder.touch()
    with pytest.raises(InputError, match="cannot make the folder"):
        namespaces.create("anna")


# ------------------------------------------------------------------------------------- one's work


def test_a_namespace_is_created_renamed_copied_and_deleted(anna: Location) -> None:
    run("admin", "namespaces", "create", "carl")
    run("admin", "namespaces", "rename", "anna", "Anna")
    run("admin", "namespaces", "copy", "Anna", "../Ben 2")
    assert namespaces.names() == ["../Ben 2", "Anna", "carl"]
    namespaces.delete("Anna")
    assert said("../Ben 2") == [OSLO.text]
    assert namespaces.names() == ["../Ben 2", "carl"]


def test_of_a_namespace_that_is_gone_no_file_is_left(home_folder: Path, anna: Path) -> None:
    namespaces.rename("anna", "Anna")
    namespaces.copy("Anna", "../Ben 2")
    namespaces.delete("Anna")
    assert files(home_folder) == [path_of("../Ben 2").name]


def test_a_taken_name_is_refused_and_both_stay(anna: Location) -> None:
    namespaces.create("ben")
    for refused in (
        lambda: namespaces.create("anna"),
        lambda: namespaces.rename("ben", "anna"),
        lambda: namespaces.copy("ben", "anna"),
        lambda: namespaces.rename("anna", "anna"),
    ):
        with pytest.raises(InputError, match="already"):
            refused()
    assert said("anna") == [OSLO.text]
    assert said("ben") == []


def test_a_file_is_not_moved_over_another(home_folder: Path, anna: Path) -> None:
    namespaces.create("ben")
    with pytest.raises(InputError, match="already"):
        move_store(path_of("ben"), anna)
    assert said("anna") == [OSLO.text]


def test_a_receipt_names_the_copy_that_has_the_turn_still(anna: Location) -> None:
    namespaces.copy("anna", "ben")
    with (
        open_store(anna) as store,
        open_store(namespaces.location_of("ben")) as copy,
    ):
        [turn] = store.turns()
        assert preview(store, [turn]).copies == (copy.location,)
        assert store.forget([turn.id]).copies == (copy.location,)
        # The first one has forgotten it by now, where that can be seen.
        in_postgres = "://" in copy.location
        assert copy.forget([turn.id]).copies == ((store.location,) if in_postgres else ())


def test_a_copy_knows_nothing_of_the_backups_of_the_first(anna: Location) -> None:
    with open_store(anna) as store:
        set_setting(store, "backup", "somewhere.db")
        set_setting(store, "user", "Anna")
        namespaces.copy("anna", "ben")
        store.add([SECRET])
    with open_store(namespaces.location_of("ben")) as copy:
        assert settings_of(copy, "backup") == []
        assert settings_of(copy, "user")[-1].value == "Anna"
        assert copy.search("Oslo")[0].turn_id == 1
    assert said("ben") == [OSLO.text]


def test_what_is_not_ours_is_neither_moved_nor_deleted(home_folder: Path, anna: Path) -> None:
    (home_folder / "ben.db").write_text("a letter")
    (home_folder / "carl.db").symlink_to(anna)
    for name in ("ben", "carl"):
        with pytest.raises(StoreError, match=r"not a SQLite file|a link"):
            namespaces.delete(name)
        with pytest.raises(StoreError, match=r"not a SQLite file|a link"):
            namespaces.rename(name, "dora")
    assert files(home_folder) == ["anna.db", "ben.db", "carl.db"]


# ------------------------------------------------------------------------------------- walls


@pytest.mark.slow
@pytest.mark.parametrize(
    "attack",
    [
        "ATTACH 'ben.db' AS ben",
        "SELECT text FROM ben.turns",
        "SELECT text FROM main.turns UNION SELECT text FROM ben.turns",
        "SELECT text FROM 'ben.db'.turns",
        "SELECT * FROM search('swordfish', 5, 'ben.db')",
        "SELECT * FROM ben.search('swordfish', 5)",
        "SELECT readfile('ben.db')",
        "SELECT load_extension('ben.db')",
        "SELECT * FROM pragma_database_list",
        "PRAGMA database_list",
        "VACUUM INTO 'ben.db'",
        "SELECT * FROM fts3tokenize('ben.db')",
        "SELECT * FROM dbstat",
        "SELECT * FROM settings",
    ],
)
def test_sql_sees_no_other_namespace(
    tmp_path: Path, anna: Location, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(namespaces.create("ben")) as ben, open_store(anna) as store:
        ben.add([SECRET])
        monkeypatch.chdir(tmp_path)
        for statement in (attack, attack.replace("ben.db", str(path_of("ben")))):
            with pytest.raises(SqlError):
                store.read(statement)
            with pytest.raises(SqlError):
                store.write(statement, cause="attack")
        assert "ben" not in str(store.read("SELECT text, speaker FROM turns"))


def test_two_open_namespaces_share_no_index_no_settings_and_no_catalog(anna: Location) -> None:
    with open_store(anna) as one, open_store(namespaces.create("Anna")) as other:
        assert one.search("password swordfish")
        other.add([Turn("Ben", "Hello."), SECRET])
        set_setting(other, "user", "Ben")
        other.write(
            "INSERT INTO facts (subject, attribute, value, turn_id)"
            " VALUES ('Ben', 'password', 'swordfish', 2)",
            cause="test",
        )
        assert [hit.turn_id for hit in one.search("password swordfish", 10)] == [1]
        assert [hit.turn_id for hit in other.search("Oslo", 10)] != [1]
        assert one.read("SELECT * FROM search('swordfish', 9)").rows[0][0] == 1
        assert "Ben" not in one.catalog(500)
        assert not settings_of(one, "user")
        assert not one.facts()
        with pytest.raises(InputError):
            one.turn(2)


# ------------------------------------------------------------------------------------- commands


def test_the_list_says_what_is_there_and_what_cannot_be_read(home_folder: Path, anna: Path) -> None:
    (home_folder / "ben.db").write_text("a letter")
    with open_store(anna) as store:
        store.add([Turn("Anna", "And before?", said_at="one evening in May")])
    lines = run("admin", "namespaces", "list").splitlines()
    assert lines[0].split("  ")[0] == "name"
    assert lines[1].split()[:4] == ["anna", "2", "0", "2017-05-08"]
    assert "not a SQLite file" in lines[2]
    assert '"turns": 2, "facts": 0, "first": "2017-05-08T13:56"' in run(
        "admin", "namespaces", "list", "--json"
    )


def test_deleting_shows_what_will_go_and_asks(anna: Location, tmp_path: Path) -> None:
    (tmp_path / "kept.db").touch()
    with open_store(anna) as store:
        set_setting(store, "backup", str(tmp_path / "kept.db"))
        set_setting(store, "backup", str(tmp_path / "gone.db"))
    run("admin", "namespaces", "delete", "anna", given="n\n", says="nothing was changed")
    assert namespaces.names() == ["anna"]
    shown = run("admin", "namespaces", "delete", "anna", given="y\n")
    assert "1 turn, said 2017-05-08 to 2017-05-08, and 0 facts" in shown
    assert "the namespace 'anna'" in shown
    assert "kept.db" in shown
    assert "gone.db" not in shown
    assert namespaces.names() == []
