"""Memories as a whole over the API: exports, imports within all limits, and what is erased."""

import json
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from memory import InputError, open_store
from memory.store.configuration.limits import Limits, Served
from memory.store.configuration.settings import settings_of
from memory.store.namespaces import existing, exists
from tests.support.secrets_corpus import TOKENS
from tests.support.serving import serving, token

BOTH_STORES = "slow"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("asked", ["", "bytes=0-9", "bytes=junk", "bytes=900000-", "lines=1-2"])
def test_an_export_leaves_no_copy_whatever_range_is_asked_for(
    home: str, temporary: Path, asked: str
) -> None:
    with serving(signed_in=False) as client:
        headers = token("anna") | ({"range": asked} if asked else {})
        exported = client.get("/api/anna/export", headers=headers)
    assert exported.text.count("\n") > 5
    assert list(temporary.iterdir()) == []


def test_an_export_that_is_not_read_has_no_name(home: str, temporary: Path) -> None:
    with serving(signed_in=False) as client:
        client.head("/api/anna/export", headers=token("anna"))
        with client.stream("GET", "/api/anna/export", headers=token("anna")):
            assert list(temporary.iterdir()) == []


def test_an_import_that_fails_leaves_no_copy(home: str, temporary: Path) -> None:
    with serving(signed_in=False) as client:
        headers = token("copy")
        client.put("/api/copy", headers=headers)
        refused = client.post("/api/copy/import", content=b"no lines of ours", headers=headers)
    assert refused.status_code == 400
    assert list(temporary.iterdir()) == []


def dump_of(client: TestClient) -> list[dict[str, Any]]:
    exported = client.get("/api/anna/export", headers=token("anna")).text
    return [json.loads(line) for line in exported.splitlines()]


def imported(client: TestClient, records: list[dict[str, Any]], headers: dict[str, str]) -> Any:
    client.put("/api/copy", headers=headers)
    body = "\n".join(map(json.dumps, records))
    return client.post("/api/copy/import", content=body, headers=headers)


def turns(client: TestClient, headers: dict[str, str]) -> list[str]:
    return [turn["text"] for turn in client.get("/api/copy/turns", headers=headers).json()["turns"]]


def test_an_import_has_room_for_what_may_be_added(home: str, tmp_path: Path) -> None:
    with serving(signed_in=False) as client:
        records = dump_of(client)
    with open_store(existing("anna")) as source, open_store(tmp_path / "copy.db") as store:
        store.served = Served(Limits(turns=4))
        with pytest.raises(InputError, match="may hold 4 turns"):
            store.load(source.dump())
        assert store.count_turns() == 0
    assert len(records) > 5


def test_an_import_is_masked_as_what_is_added(home: str) -> None:
    secret, headers = TOKENS["GitHub"], token("copy")
    with serving(signed_in=False) as client:
        records = dump_of(client)
        [first, *_] = [record for record in records if record.get("table") == "turns"]
        first["text"] = f"use {secret}"
        assert imported(client, records, headers).json() == {"turns": 5}
        assert turns(client, headers)[0] == "use [withheld]"
        assert imported(client, records, headers).json() == {"turns": 0}
        [fact, *_] = [record for record in records if record.get("table") == "facts"]
        fact["value"] = secret
        other = token("other")
        client.put("/api/other", headers=other)
        body = "\n".join(map(json.dumps, records))
        refused = client.post("/api/other/import", content=body, headers=other)
    assert (refused.status_code, "looks like a secret" in refused.text) == (400, True)
    assert secret not in refused.text


HOSTILE = [
    ("backup", '"/etc/passwd"'),
    ("forgetting", '{"turns": "all"}'),
    ("copied memory", '"/etc/hostname"'),
    ("secrets", '"off"'),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("name", "value"), HOSTILE)
def test_a_dump_does_not_set_what_is_of_another_file(home: str, name: str, value: str) -> None:
    headers = token("copy", rights="read,write,forget")
    with serving(signed_in=False) as client:
        records = dump_of(client)
        setting = {"table": "settings", "id": 900, "name": name, "value": value, "set_at": "2026"}
        assert imported(client, [records[0], setting, *records[1:]], headers).status_code == 200
        with open_store(existing("copy")) as store:
            assert settings_of(store, name) == []
        text = {"text": f"use {TOKENS['GitHub']}"}
        assert client.post("/api/copy/turns", json=text, headers=headers).status_code == 200
        assert turns(client, headers)[-1] == "use [withheld]"
        erased = client.request(
            "DELETE", "/api/copy", json={"confirmation": "copy"}, headers=headers
        )
        assert erased.json()["backups"] == []


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO settings (name, value, set_at) VALUES ('forgetting', '{\"turns\": 1}', '')",
        "CREATE TRIGGER theirs AFTER INSERT ON turns BEGIN SELECT 1; END",
        "DROP TABLE changes",
    ],
)
def test_a_memory_that_does_not_open_is_erased(home: str, statement: str) -> None:
    headers = token("copy", rights="read,write,forget")
    with serving(signed_in=False) as client:
        client.put("/api/copy", headers=headers)
    path = existing("copy")
    if not isinstance(path, Path):
        pytest.skip("a namespace of Postgres is no file")
    with closing(sqlite3.connect(path, isolation_level=None)) as conn:
        conn.execute(statement)
    with serving(signed_in=False) as client:
        assert client.get("/api/copy/turns", headers=headers).status_code >= 400
        body = {"confirmation": "copy"}
        erased = client.request("DELETE", "/api/copy", json=body, headers=headers)
        assert erased.status_code == 200, erased.text
    assert not exists("copy")
