"""Memories as a whole over the API: an export and an import leave nothing behind."""

import tempfile
from pathlib import Path

import pytest

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
