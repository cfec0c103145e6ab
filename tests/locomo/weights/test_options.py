"""The options of train.py: read from its command line, and refused where they make no sense."""

import re
from dataclasses import fields
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

import train
from locomo.scripts import train as training
from locomo.weights.options import TrainOptions
from memory import InputError

OPTIONS = {field.name for field in fields(TrainOptions)}


def parsed(line: str) -> TrainOptions:
    """The options that a command line gives."""
    calls: list[TrainOptions] = []
    with patch.object(training, "train", calls.append):
        result = CliRunner().invoke(train.app, line.split())
    assert result.exit_code == 0, result.output
    [options] = calls
    return options


def test_every_option_is_a_flag() -> None:
    result = CliRunner().invoke(train.app, ["--help-all"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0
    # A row begins with its flag; help texts name other flags further on.
    flags = re.findall(r"^\W*--([a-z-]+)", result.output, re.MULTILINE)
    assert {flag.replace("-", "_") for flag in flags} - {"help", "help_all"} == OPTIONS


def test_what_depends_on_the_mode_is_chosen_by_it() -> None:
    options = parsed("--mode sft")
    assert (options.data_path.name, options.training_examples) == ("train", 0)
    options = parsed("--mode distill")
    assert (options.data_path.name, options.training_examples) == ("train", 600)
    assert parsed("--mode sft --num-train 5").training_examples == 5
    assert parsed("--data mine.json").data_path == Path("mine.json")


@pytest.mark.parametrize("rate", ["-1", "0", "nan", "3"])
def test_a_learning_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(InputError, match="--learning-rate"):
        parsed(f"--mode check --learning-rate {rate}").check()


@pytest.mark.parametrize("line", ["--mode sft", "--mode train --start folder"])
def test_a_share_of_no_start_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="--start-share"):
        parsed(f"{line} --start-share .5").check()
