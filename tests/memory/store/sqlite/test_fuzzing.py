"""Statements by the thousand: with the walls and without them they give the same rows."""

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support import sql_fuzzing, sql_statements

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def fuzzing(tmp_path_factory: pytest.TempPathFactory) -> sql_fuzzing.Fuzzing:
    return sql_fuzzing.Fuzzing(tmp_path_factory.mktemp("fuzzing"))


@pytest.mark.slow
@settings(max_examples=60)
@given(random=st.randoms(use_true_random=False))
def test_a_select_gives_the_same_rows_as_without_walls(
    fuzzing: sql_fuzzing.Fuzzing, random: Random
) -> None:
    fuzzing.read(sql_statements.read(random))


@settings(max_examples=30)
@given(random=st.randoms(use_true_random=False))
def test_a_change_touches_facts_only_and_can_be_taken_back(
    fuzzing: sql_fuzzing.Fuzzing, random: Random
) -> None:
    fuzzing.write(sql_statements.write(random))


def run_under_limits(folder: Path, *arguments: str) -> str:
    """What the process printed; it fails with the statement at which the kernel ended it."""
    command = [sys.executable, "-m", "tests.support.sql_fuzzing", *arguments]
    environment = {"PYTHONPATH": str(REPOSITORY), "OPENBLAS_NUM_THREADS": "1"}
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    last = (folder / "statement.sql").read_text("utf-8", "surrogatepass")
    assert process.returncode == 0, f"{process.returncode} {process.stderr[-2000:]}\n{last}"
    return process.stdout


@pytest.mark.slow
def test_each_statement_of_the_corpus_stays_within_memory_and_time(tmp_path: Path) -> None:
    assert "the same rows" in run_under_limits(tmp_path, "corpus")


@pytest.mark.slow
def test_twenty_thousand_statements_stay_within_memory_and_time(tmp_path: Path) -> None:
    assert "the same rows" in run_under_limits(tmp_path, "1", "20000")
