"""Each file of tests writes to a database of MLflow of its own."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, tracking_database: Path) -> Path:
    """Where all runs are."""
    folder = tmp_path_factory.mktemp("place")
    shutil.copy(tracking_database, folder / "mlflow.db")
    return folder


@pytest.fixture(autouse=True)
def _tracked_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    monkeypatch.chdir(place)
