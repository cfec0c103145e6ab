"""What is compiled, on which examples, under which name; all checked before any model is asked."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locomo.choices import TARGETS, Target
from locomo.harness import Setup
from locomo.prompts.job import CompileJob, prepare_job
from locomo.prompts.optimizers import Options
from locomo.split_data import PARTS, load_split
from locomo.tasks.training_data import ExampleSource
from memory import InputError, MemoryProgram
from memory.models import Model
from memory.program import plain_program
from tests.support.locomo_records import write
from tests.support.obedient import house, obedient
from tests.support.scripted import with_limits

GEPA = Options("gepa", 2, 5, 2, 0)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Path]:
    """Data files of so many houses."""
    folder, files = tmp_path_factory.mktemp("street"), dict[int, Path]()

    def file(number: int) -> Path:
        if number not in files:
            some = [house(f"house-{n}", n) for n in range(number)]
            files[number] = write(folder / f"{number}.json", *some)
        return files[number]

    return file


def job(data: Path, **changed: Any) -> CompileJob:
    """A job of GEPA on answers, all examples."""
    model, _ = obedient(window=2)
    plain: dict[str, Any] = {
        "targets": ("answer",),
        "options": GEPA,
        "setup": Setup(model, plain_program(model), model.limits.budget),
        "prompt_model": model,
        "reward": "memory",
    }
    parts = changed.pop("split", "default")
    numbers = {name: changed.pop(name, 0) for name in ("num_train", "num_validation")}
    arguments = {**plain, **changed}
    source = ExampleSource(load_split(data, arguments["options"].seed, parts), **numbers)
    return prepare_job(source, **arguments)


# --- conversations ------------------------------------------------------------------------------


@settings(max_examples=40)
@given(number=st.integers(2, 9), seed=st.integers(0, 2**32), target=st.sampled_from(TARGETS))
def test_training_validation_and_test_share_no_conversation(
    street: Callable[[int], Path], number: int, seed: int, target: Target
) -> None:
    made = job(street(number), targets=(target,), options=replace(GEPA, seed=seed))
    parts = {name: set(ids) for name, ids in made.split.parts.items()}
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == number
    learned = {example.conversation for example in made.train[target]}
    assert learned == parts["train"]
    assert {example.conversation for example in made.validation} == parts["validation"]
    assert set(parts) == set(PARTS)


# --- its name -----------------------------------------------------------------------------------


def other_model(**changed: Any) -> Model:
    return replace(obedient()[0], **changed)


@pytest.mark.few(4)
@pytest.mark.parametrize(
    "changed",
    [
        {"options": replace(GEPA, rounds=3)},
        {"options": replace(GEPA, max_demos=4)},
        {"options": replace(GEPA, seed=1)},
        {"options": replace(GEPA, optimizer="miprov2")},
        {"targets": ("retrieve",)},
        {"targets": ("answer", "retrieve")},
        {"reward": "gated"},
        {"num_train": 9},
        {"num_validation": 9},
        {"prompt_model": other_model(name="another")},
        {"prompt_model": other_model(api_base="http://127.0.0.1:1/v1")},
        {"setup": Setup(other_model(name="another"), MemoryProgram(), 2_000)},
        {"setup": Setup(other_model(api_base="http://127.0.0.1:1/v1"), MemoryProgram(), 2_000)},
        {"setup": Setup(other_model(), MemoryProgram(), 1_999)},
    ],
    ids=lambda changed: ", ".join(changed),
)
def test_what_changes_a_compile_changes_its_name(
    street: Callable[[int], Path], changed: dict[str, Any]
) -> None:
    assert job(street(4), **changed).name() != job(street(4)).name()


# --- what cannot be used ------------------------------------------------------------------------


def test_each_target_needs_examples(tmp_path: Path) -> None:
    few = [house(f"house-{n}", n) for n in range(2)]
    for record in few:
        record["qa"] = record["qa"][:7]
    data = write(tmp_path / "few.json", *few)
    for target in TARGETS:
        with pytest.raises(InputError, match=rf"--target {target} has 7 .* give --data with more"):
            job(data, targets=(target,))


def test_a_gain_needs_a_question_to_measure_it_on(tmp_path: Path) -> None:
    silent = [house(f"house-{n}", n) for n in range(2)]
    [validation] = job(write(tmp_path / "first.json", *silent)).split.parts["validation"]
    for record in silent:
        if record["sample_id"] == validation:
            record["qa"] = []
    with pytest.raises(InputError, match=rf"validation conversations .*\({validation}\) have no"):
        job(write(tmp_path / "silent.json", *silent))


@pytest.mark.parametrize(
    ("demos", "budget", "fits"),
    [(5, 360, True), (9, 360, True), (10, 360, False), (5, 1_200, False), (0, 1_500, True)],
)
def test_examples_that_do_not_fit_the_context_are_refused(
    street: Callable[[int], Path], demos: int, budget: int, fits: bool
) -> None:
    changed = {
        "setup": Setup(with_limits(other_model(), context=2048), MemoryProgram(), budget),
        "options": replace(GEPA, optimizer="simba", max_demos=demos),
    }
    if fits:
        assert job(street(2), **changed).options.max_demos == demos
    else:
        with pytest.raises(InputError, match=rf"--max-demos {demos}: .* {budget} tokens of memory"):
            job(street(2), **changed)
    gepa = replace(GEPA, max_demos=demos)  # shows none
    assert job(street(2), **{**changed, "options": gepa}).options == gepa


# --- examples -----------------------------------------------------------------------------------
