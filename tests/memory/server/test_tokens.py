"""Tokens: shown once, held as hashes, with namespaces and rights, revoked at once."""

import re
import stat
from pathlib import Path

import pytest

from memory.server.tokens import Grant, Tokens
from tests.support.commands import run
from tests.support.serving import serving

BOTH_STORES = "slow"


def test_a_token_is_shown_once_and_its_hash_alone_is_kept(home_folder: Path) -> None:
    token = run(
        "admin", "tokens", "create", "laptop", "-n", "anna", "--rights", "write,read"
    ).strip()
    assert re.fullmatch(r"sqlmem_[\w-]{43}", token)
    file = home_folder / "tokens.json"
    assert token not in file.read_text("utf-8")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert Tokens().find(token) == Grant("laptop", ("anna",), ("read", "write"))
    assert token not in run("admin", "tokens", "list")
    assert "laptop  anna        read, write" in run("admin", "tokens", "list")
    assert run("namespaces", "list", "--json").count("\n") == 1, "no memory is called tokens"


def test_other_texts_are_no_tokens() -> None:
    token = Tokens().create("laptop", ["anna"], ["read"])
    for text in ("", token[:-1], token + "x", token.upper(), "\udcff", "laptop"):
        assert Tokens().find(text) is None


def test_a_token_that_is_revoked_opens_nothing_on_a_running_server() -> None:
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
        (["create", " ", "--all"], "blank or taken"),
        (["create", "x", "--all", "--rights", "read,own"], "no right 'own'"),
        (["revoke", "x"], "there is no token 'x'"),
    ],
)
def test_what_makes_no_token_is_refused(arguments: list[str], says: str) -> None:
    run("admin", "tokens", *arguments, says=says)


def test_two_tokens_have_two_names() -> None:
    run("admin", "tokens", "create", "laptop", "--all")
    run("admin", "tokens", "create", "laptop", "--all", says="blank or taken")


def test_a_file_of_tokens_that_cannot_be_read_is_named(home_folder: Path) -> None:
    (home_folder / "tokens.json").write_text("[1]", "utf-8")
    run("admin", "tokens", "list", says=r"tokens\.json is not a file of tokens")
