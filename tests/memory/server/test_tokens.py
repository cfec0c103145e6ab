"""Tokens: shown once, held as hashes, with namespaces and rights, revoked at once."""

import re
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory.errors import InputError
from memory.server import tokens
from memory.server.tokens import Grant, Tokens
from memory.system import files
from memory.system.home import home_address
from tests.support.commands import run
from tests.support.serving import serving

BOTH_STORES = "slow"


def test_a_token_is_shown_once_and_its_hash_alone_is_kept(home_folder: Path) -> None:
    token = run(
        "admin", "tokens", "create", "laptop", "-n", "anna", "--rights", "write,read"
    ).strip()
    assert re.fullmatch(r"sqlmem_[\w-]{43}", token)
    file = home_folder / "tokens.json"
    if not home_address():
        assert token not in file.read_text("utf-8")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Tokens().find(token) == Grant("laptop", ("anna",), ("read", "write"))
    assert token not in run("admin", "tokens", "list")
    assert "laptop  anna        read, write" in run("admin", "tokens", "list")
    assert run("admin", "namespaces", "list", "--json").count("\n") == 1, (
        "no memory is called tokens"
    )


def test_other_texts_are_no_tokens() -> None:
    token = Tokens().create("laptop", ["anna"], ["read"])
    for text in ("", token[:-1], token + "x", token.upper(), "\udcff", "laptop"):
        assert Tokens().find(text) is None


def test_a_token_that_is_revoked_opens_nothing_on_a_running_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "FRESH_SECONDS", 0.0)  # in a database it takes so long
    with serving(signed_in=False) as client:
        token = Tokens().create("laptop", ["anna"], ["read"])
        headers = {"authorization": f"Bearer {token}"}
        assert client.get("/api/anna/turns", headers=headers).status_code == 200
        run("admin", "tokens", "revoke", "laptop")
        assert client.get("/api/anna/turns", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["create", "x"], "give the memories"),
        (["create", "x", "-n", "anna", "--all"], "give the memories"),
        (["create", " ", "--all"], "is one line"),
        (["create", "a\nb", "--all"], "is one line"),
        (["create", "a\u200bb", "--all"], "is one line"),
        (["create", "n" * 201, "--all"], "is one line"),
        (["create", "x", "--all", "--rights", ","], "give the rights"),
        (["create", "x", "--all", "--rights", "read,own"], "no right 'own'"),
        (["revoke", "x"], "there is no token 'x'"),
    ],
)
def test_what_makes_no_token_is_refused(arguments: list[str], says: str) -> None:
    run("admin", "tokens", *arguments, says=says)


def test_two_tokens_have_two_names() -> None:
    run("admin", "tokens", "create", "laptop", "--all")
    run("admin", "tokens", "create", "laptop", "--all", says="is taken")


def test_a_file_of_tokens_that_cannot_be_read_is_named(home_folder: Path) -> None:
    (home_folder / "tokens.json").write_text("[1]", "utf-8")
    run("admin", "tokens", "list", says=r"tokens\.json")


def test_a_token_ends_after_its_days(monkeypatch: pytest.MonkeyPatch) -> None:
    token = run("admin", "tokens", "create", "laptop", "-n", "anna", "--days", "30").strip()
    grant = Tokens().find(token)
    assert grant
    left = datetime.fromisoformat(grant.expires_at) - datetime.now(UTC)
    assert timedelta(days=29) < left <= timedelta(days=30)
    assert grant.expires_at in run("admin", "tokens", "list")
    monkeypatch.setattr(Grant, "is_over", True)
    assert Tokens().find(token) is None
    run("admin", "tokens", "create", "other", "--all", "--days", "0", says="above 0")
    run("admin", "tokens", "create", "other", "--all", "--days", "1e99", says="too many")


def test_a_token_is_replaced_by_one_with_the_same_rights() -> None:
    old = Tokens().create("laptop", ["anna"], ["read", "forget"], days=2)
    before = Tokens().find(old)
    assert before
    second = run("admin", "tokens", "rotate", "laptop", "--overlap-hours", "1").strip()
    assert Tokens().find(second) == before
    replaced = Tokens().find(old)
    assert replaced
    assert replaced.name == "laptop (replaced)"
    assert replaced.expires_at < before.expires_at
    third = Tokens().rotate("laptop", days=9)
    assert Tokens().find(old) is None
    assert Tokens().find(second) is None
    longer = Tokens().find(third)
    assert longer
    assert longer.expires_at > before.expires_at
    run("admin", "tokens", "rotate", "nobody", says="no token 'nobody'")


CREATING = """
import sys
from pathlib import Path
from memory.server.tokens import Tokens

tokens = Tokens(Path(sys.argv[1]))
for n in range(10):
    print(tokens.create(f"{sys.argv[2]} {n}", ["anna"], ["read"]))
"""


def test_tokens_that_are_created_at_once_are_all_valid(tmp_path: Path) -> None:
    """By threads of a server and other processes: each read the file before another wrote it."""
    path = tmp_path / "tokens.json"
    for n in range(50):
        Tokens(path).create(f"earlier {n}", ["anna"], ["read"])
    command = [sys.executable, "-c", CREATING, str(path)]
    processes = [
        subprocess.Popen([*command, str(n)], stdout=subprocess.PIPE, text=True) for n in range(3)
    ]
    with ThreadPoolExecutor(8) as threads:
        served = Tokens(path)
        made = [*threads.map(lambda n: served.create(f"api {n}", ["anna"], ["read"]), range(20))]
    for process in processes:
        made += process.communicate()[0].split()
    assert len(made) == 50
    assert all(map(Tokens(path).find, made))
    assert len(Tokens(path).grants()) == 100
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".part"] == []


def test_a_token_that_is_revoked_while_others_are_created_stays_revoked(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    revoked = [Tokens(path).create(f"old {n}", ["anna"], ["read"]) for n in range(20)]
    process = subprocess.Popen(
        [sys.executable, "-c", CREATING, str(path), "new"], stdout=subprocess.PIPE, text=True
    )
    for n in range(20):
        Tokens(path).revoke(f"old {n}")
    made = process.communicate()[0].split()
    assert not any(map(Tokens(path).find, revoked))
    assert len(made) == 10
    assert all(map(Tokens(path).find, made))


def test_a_file_that_another_process_changes_for_long_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokens.json"
    monkeypatch.setattr(files, "_LONGEST_CHANGE", 0.01)
    with files.changing(path), pytest.raises(InputError, match=r"tokens.json is being changed"):
        Tokens(path).create("laptop", ["anna"], ["read"])
    assert Tokens(path).create("laptop", ["anna"], ["read"])


@pytest.mark.parametrize("text", ["a\0b", "x" * 100_000, " ", "a\nb", "a\u202eb", "\U000e0041"])
def test_names_and_namespaces_of_tokens_are_lines(text: str, tmp_path: Path) -> None:
    tokens = Tokens(tmp_path / "tokens.json")
    with pytest.raises(InputError, match="one line"):
        tokens.create(text, ["anna"], ["read"])
    with pytest.raises(InputError, match="a namespace is one line"):
        tokens.create("app", [text], ["read"])
    assert tokens.grants() == []


@pytest.mark.parametrize("days", [10**400, float("inf"), float("nan"), -1])
def test_a_token_ends_on_a_day_that_a_calendar_has(days: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="days"):
        Tokens(tmp_path / "tokens.json").create("app", ["anna"], ["read"], days=days)
