"""What a compile will take is told before it starts, in runs, calls and dollars, and is enough."""

from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, get_args

import pytest

import optimize
from locomo.choices import TARGETS, Optimizer, Target
from locomo.prompts import optimizers
from locomo.prompts.forecast import (
    LARGE_CALLS,
    Forecast,
    forecast,
)
from locomo.prompts.job import CompileJob
from locomo.scripts import optimize as compiling
from locomo.tasks.modules import AnswerTask, StoreWindow
from memory.models.costs import Cost
from tests.support.obedient import houses, obedient

MODULES = {*TARGETS, "probe"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return houses(tmp_path_factory.mktemp("data") / "houses.json")


# Each module and each optimizer once; their other pairs take long and differ in nothing new.
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
EACH_ONCE = [*zip(TARGETS, cycle(OPTIMIZERS), strict=False)]
EACH_ONCE += [*zip(cycle(TARGETS), OPTIMIZERS[len(TARGETS) :], strict=False)]


@pytest.mark.slow
@pytest.mark.parametrize(("target", "optimizer"), EACH_ONCE)
def test_a_compile_takes_no_more_than_its_forecast(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    optimizer: Optimizer,
    target: Target,
) -> None:
    forecasts: list[Forecast] = []
    runs: list[object] = []

    def watched(of: CompileJob, seconds_a_token: float | None) -> Forecast:
        forecasts.append(forecast(of, seconds_a_token))
        return forecasts[0]

    for kind in (AnswerTask, StoreWindow):
        forward = kind.forward

        def counted(self: Any, _forward: Any = forward, **inputs: Any) -> Any:
            runs.append(inputs)
            return _forward(self, **inputs)

        monkeypatch.setattr(kind, "forward", counted)
    model, engine = obedient(target, name="local", window=1)
    monkeypatch.chdir(tmp_path)
    # One database for all: MLflow keeps it open, and to make one takes seconds.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{data.parent / 'mlflow.db'}")
    monkeypatch.setattr(compiling, "load_model", lambda name, **settings: model)
    monkeypatch.setattr(compiling, "forecast", watched)
    # The forecast is of the most: questions that facts or turns decide ask no model.
    monkeypatch.setattr(compiling, "connect_mlflow", lambda experiment: None)
    monkeypatch.setattr(compiling, "_report", lambda *results, **places: None)
    monkeypatch.setattr(optimizers, "MOST_IN_BATCH", 4)  # which takes less time
    flags: dict[str, Any] = {"num_examples": 8, "num_validation": 2, "rounds": 1, "num_threads": 2}
    spent = optimize.optimize(data=data, optimizer=optimizer, target=target, **flags).spent
    asked = sum(times for kind, times in engine.calls().items() if kind != "probe")
    proposed = sum(len(engine.prompts_for(kind)) for kind in engine.calls() if kind not in MODULES)
    [most] = forecasts
    assert spent.calls == asked
    said = (
        f"runs {len(runs)} of {most.runs}, calls {asked} of {most.cost.calls}, {proposed} proposals"
    )
    assert len(runs) <= most.runs <= 1.5 * len(runs), said
    assert asked <= most.cost.calls, said
    # Bootstrapping has nothing to show: the plain prompt is never right here, and no call is new.
    assert most.cost.calls <= 3 * asked or optimizer == "bootstrap", said
    assert proposed <= most.proposals, said


@pytest.mark.parametrize(
    ("takes", "large"),
    [
        ({"dollars": 1.0}, False),
        ({"dollars": 1.01}, True),
        ({"dollars": 0.1, "calls": 9_999}, False),
        ({"dollars": None, "calls": LARGE_CALLS}, False),
        ({"dollars": None, "calls": LARGE_CALLS + 1}, True),
        ({"dollars": 0.0, "minutes": 15.0, "calls": 9_999}, False),
        ({"dollars": 0.0, "minutes": 15.1}, True),
    ],
)
def test_a_compile_is_large_by_dollars_minutes_or_calls(takes: dict[str, Any], large: bool) -> None:
    minutes = takes.pop("minutes", None)
    cost = Cost(10, 100, 100, None)
    at_most = replace(cost, **takes)
    assert Forecast(10, proposals=1, cost=cost, at_most=at_most, minutes=minutes).large is large
