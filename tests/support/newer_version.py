"""A version after this one, with one more migration: a copy of the package, or this process."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from memory.store import migrations
from memory.store.postgres import migrate

PACKAGE = Path(migrations.__file__).parents[2]

# Each kind of thing that an additive migration may make.
ADDED = """
CREATE TABLE moods (turn_id INTEGER NOT NULL PRIMARY KEY, mood TEXT NOT NULL) WITHOUT ROWID;
ALTER TABLE changes ADD COLUMN tone TEXT NOT NULL DEFAULT 'plain';
ALTER TABLE pending ADD COLUMN weight REAL;
ALTER TABLE pending ADD COLUMN note TEXT;
CREATE INDEX turns_by_speaker ON turns (speaker, id);
"""
_ADDED_IN_POSTGRES = """
CREATE TABLE memory.moods (
    namespace bigint NOT NULL,
    turn_id   bigint NOT NULL,
    mood      text COLLATE "C" NOT NULL,
    PRIMARY KEY (namespace, turn_id)
);
ALTER TABLE memory.moods ENABLE ROW LEVEL SECURITY;
CREATE POLICY reads ON memory.moods FOR SELECT TO "MODEL_ROLE"
    USING (namespace = memory.entered('r'));
REVOKE ALL ON memory.moods FROM PUBLIC;
GRANT SELECT ON memory.moods TO "MODEL_ROLE";
ALTER TABLE memory.changes ADD COLUMN tone text COLLATE "C" NOT NULL DEFAULT 'plain';
ALTER TABLE memory.pending ADD COLUMN weight double precision;
ALTER TABLE memory.pending ADD COLUMN note text COLLATE "C";
CREATE INDEX turns_by_speaker ON memory.turns (namespace, speaker, id);
"""
_REVISION = """
from memory.store.postgres.migrations import run_script

revision = "{number}"
down_revision = "{before}"
is_additive = {is_additive}


def upgrade() -> None:
    run_script("{number}_moods.sql")
"""


def next_revision() -> str:
    return f"{int(migrate.revisions()[-1]) + 1:04}"


@contextmanager
def one_more_migration(is_additive: bool = False) -> Iterator[int]:
    """Let this process be a newer version, for files alone; yields the number of its schema."""
    number = migrations.VERSION + 1
    end = migrations.ADDITIVE if is_additive else ""
    with TemporaryDirectory() as folder:
        file = Path(folder) / f"{number:04}_moods{end}.sql"
        file.write_text(ADDED)
        with (
            patch.dict(migrations._FILES, {number: file}),
            patch.object(migrations, "VERSION", number),
        ):
            yield number


def newer_version(folder: Path, is_additive: bool = True) -> Path:
    """Make a copy of this version with one more migration; returns the folder to run it in."""
    ignored = shutil.ignore_patterns("__pycache__", "tuned")
    shutil.copytree(PACKAGE, folder / "memory", ignore=ignored)
    end = migrations.ADDITIVE if is_additive else ""
    store = folder / "memory" / "store"
    (store / "migrations" / f"{migrations.VERSION + 1:04}_moods{end}.sql").write_text(ADDED)
    versions = store / "postgres" / "migrations" / "versions"
    number, before = next_revision(), migrate.revisions()[-1]
    (versions / f"{number}_moods.sql").write_text(_ADDED_IN_POSTGRES)
    (versions / f"{number}_moods.py").write_text(
        _REVISION.format(number=number, before=before, is_additive=is_additive)
    )
    for name in ("names.py", "model_login.py"):  # the tables to empty, and those with walls
        module = store / "postgres" / name
        text = module.read_text("utf-8")
        assert '"rows_log", ' in text or '"rows_log")' in text
        module.write_text(text.replace('"rows_log"', '"rows_log", "moods"'), "utf-8")
    return folder


def start(folder: Path, code: str, *arguments: str) -> "subprocess.Popen[str]":
    """Run code with the version in a folder; its output is read from `stdout`."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, code: str, *arguments: str) -> str:
    """What code prints that runs with the version in a folder."""
    with start(folder, code, *arguments) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    return output.strip()
