"""The modes of train.py as commands: each with its own options, and the same as with --mode."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from typer.testing import CliRunner

import train
from locomo.weights.modes import SUBCOMMANDS, train_app
from locomo.weights.options import TrainOptions
from memory import InputError

OPTIONS = {field.name for field in fields(TrainOptions)}


def parsed(line: str) -> TrainOptions:
    """The options that a command line gives."""
    calls: list[TrainOptions] = []
    result = CliRunner().invoke(train_app(calls.append), line.split())
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    [options] = calls
    return options


def help_flags(*command: str) -> set[str]:
    """The options that --help-all of a command lists, as names of fields."""
    result = CliRunner().invoke(
        train_app(print), [*command, "--help-all"], env={"COLUMNS": "200", "NO_COLOR": "1"}
    )
    assert result.exit_code == 0
    # A row begins with its flag; help texts name other flags further on.
    flags = re.findall(r"^\W*--([a-z-]+)", result.output, re.MULTILINE)
    return {flag.replace("-", "_") for flag in flags} - {"help", "help_all"}


def test_every_option_stands_beside_mode() -> None:
    assert help_flags() == OPTIONS


@pytest.mark.few(2)
@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_the_help_of_a_mode_shows_its_options_and_no_others(name: str) -> None:
    assert help_flags(name) == set(SUBCOMMANDS[name].options) < OPTIONS


def test_the_options_of_modes_are_fields_and_none_is_left_out() -> None:
    taken = {option for command in SUBCOMMANDS.values() for option in command.options}
    assert taken == OPTIONS - {"mode", "rehearse"}
    for command in SUBCOMMANDS.values():
        assert set(command.fixed) == {"mode"} or command.fixed["rehearse"]


GPUS = "--server http://a:1/v1/ --model Q/Q --inference-gpus 0,1 --training-gpus 2 --rollouts 4"


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("name", "flags", "line"),
    [
        ("check", "--mode check", f"{GPUS} --num-val 3"),
        ("train", "--mode train", f"{GPUS} --reward gated --target store --resume"),
        ("train", "", "--learning-rate 0.1 --checkpoints c --num-train-steps 7"),
        ("sft", "--mode sft", "--data mine --minutes 5 --epochs 2"),
        ("distill", "--mode distill", "--helper openai/x --examples e.jsonl --together"),
        ("evaluate", "--mode evaluate", "--model folder --num-test 0 --output p.json"),
        ("rehearse", "--rehearse", "--batch 8x1 --num-test 5 --start folder --seed 2"),
        ("rehearse", "--mode train --rehearse", "--minutes 1.5"),
    ],
)
def test_a_command_gives_the_same_options_as_its_flag(name: str, flags: str, line: str) -> None:
    options = parsed(f"{name} {line}")
    assert options == parsed(f"{flags} {line}")
    assert options != TrainOptions(**SUBCOMMANDS[name].fixed)  # the line was read


@pytest.mark.few(2)
@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_without_options_a_command_is_its_mode(name: str) -> None:
    assert parsed(name) == TrainOptions(**SUBCOMMANDS[name].fixed)


def test_no_option_at_all_is_a_training_run() -> None:
    assert parsed("") == TrainOptions() == parsed("train")


@pytest.mark.parametrize(
    "line", ["sft --server http://a", "evaluate --mode sft", "sft --batch 2x4"]
)
def test_an_option_of_another_mode_is_refused(line: str) -> None:
    result = CliRunner().invoke(train_app(print), line.split())
    assert result.exit_code == 2
    assert "No such option" in result.output


def test_an_option_before_the_command_is_refused_and_not_lost() -> None:
    with pytest.raises(InputError, match="--num-val comes before train: give a command's options"):
        parsed("--num-val 3 train --target store")


def test_what_depends_on_the_mode_is_chosen_by_it() -> None:
    assert (parsed("sft").data_path.name, parsed("sft").training_examples) == ("train", 0)
    options = parsed("distill")
    assert (options.data_path.name, options.training_examples) == ("sample.json", 600)
    assert parsed("sft --num-train 5").training_examples == 5
    assert parsed("train --data mine.json").data_path == Path("mine.json")


@pytest.mark.parametrize("rate", ["-1", "0", "nan", "3"])
def test_a_learning_rate_that_is_none_is_refused(rate: str) -> None:
    with pytest.raises(InputError, match=r"--learning-rate .*: give one between 0 and 1"):
        parsed(f"check --learning-rate {rate}").check()


def test_nothing_is_evaluated_before_a_training(tmp_path: Path) -> None:
    options = TrainOptions(mode="evaluate", output=tmp_path / "none.json")
    with pytest.raises(InputError, match=r"none\.json does not exist: train first"):
        train.evaluate_tuned(options)


@pytest.mark.parametrize("line", ["sft", "--mode train --start folder"])
def test_a_share_of_no_start_is_refused(line: str) -> None:
    with pytest.raises(InputError, match="--start-share is for sft, with the adapter"):
        parsed(f"{line} --start-share .5").check()
