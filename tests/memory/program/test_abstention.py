"""When the packaged model answers: what speaks for an answer, what a wrong one costs."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from memory import InputError, Memory, Turn, load_model
from memory.program import plain_program
from memory.program.abstention import Grounds, pays, probability
from memory.records import ABSTAIN
from memory.store.configuration.declared_settings import Settings

SURE = Grounds(-0.01, is_whole=True, is_by_named=True, rank=0)


@pytest.mark.parametrize(
    "change",
    [
        {"likelihood": -2.0},
        {"is_whole": False},
        {"is_by_named": False},
        {"rank": 12},
    ],
)
def test_what_speaks_against_an_answer_makes_it_less_likely(change: dict[str, float]) -> None:
    assert probability(replace(SURE, **change)) < probability(SURE)


def test_an_answer_is_given_where_it_gains_more_than_it_costs() -> None:
    likely = probability(SURE)
    breaks_even = likely / (1 - likely)
    assert pays(SURE, breaks_even * 0.99)
    assert not pays(SURE, breaks_even * 1.01)


@pytest.mark.parametrize("cost", [-0.1, math.inf, math.nan])
def test_a_cost_that_is_none_is_refused(cost: float, path: Path) -> None:
    with pytest.raises(InputError, match="give 0"):
        plain_program(load_model("local")).at_cost(cost)
    with Memory(path) as memory, pytest.raises(InputError, match="wrong_answer_cost"):
        Settings(memory.store).set("wrong_answer_cost", cost)


@pytest.mark.slow
def test_the_setting_decides_what_a_memory_answers(path: Path) -> None:
    with Memory(path, model="local") as memory:
        memory.add(Turn("Ben", "I adopted a dog! Her name is Rufa.", "1", "2017-05-08T10:01"))
        settings = Settings(memory.store)
        settings.set("wrong_answer_cost", 0)
        answer = memory.ask("What is the name of Ben's dog?")
        assert (answer.basis, answer.turns) == ("model", (1,))
        settings.set("wrong_answer_cost", 1000)
        silent = memory.ask("What is the name of Ben's dog?")
        assert (silent.text, silent.basis) == (ABSTAIN, "quotes")
        assert silent.quotations[0].turn_id == 1


def test_a_hosted_model_decides_by_itself() -> None:
    program = plain_program(load_model("openai/x"))
    assert program.at_cost(9.0) is program
