"""Tokens: shown once, held as hashes, with namespaces and rights, revoked at once."""

import re
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from memory.server import tokens
from memory.server.tokens import Grant, Tokens
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
