"""What a compile will take is told before it starts, in runs, calls and dollars, and is enough."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any, get_args

import pytest
from dspy.lm15 import Request, Response

import optimize
from locomo.choices import TARGETS, Optimizer, Target
from locomo.harness import Setup
from locomo.prompts import optimizers
from locomo.prompts.forecast import (
    LARGE_CALLS,
    Forecast,
    forecast,
    forecast_table,
)
from locomo.prompts.job import CompileJob
from locomo.scripts import optimize as compiling
from locomo.tasks.modules import AnswerTask, StoreWindow
from locomo.timing import seconds_a_token
from memory import MemoryProgram
from memory.models import Model
from memory.models.costs import Cost
from tests.locomo.prompts.test_job import GEPA, job
from tests.support.obedient import Obedient, houses, obedient
from tests.support.scripted import UnsoldModel, model_over

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
    model, engine = obedient(target, window=1)
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


def expected(data: Path, **changed: Any) -> Forecast:
    return forecast(job(data, **changed))


@pytest.fixture
def prices(monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[float, float] | None]:
    """What models cost, by name."""
    known: dict[str, tuple[float, float] | None] = {"obedient": (1e-6, 1e-5)}
    for kind in (Model, UnsoldModel):
        monkeypatch.setattr(kind, "price", property(lambda model: known[model.name]))
    return known


def test_dollars_are_tokens_times_their_price(
    data: Path, prices: Mapping[str, tuple[float, float] | None]
) -> None:
    most = expected(data)
    assert most.cost.dollars == pytest.approx(
        most.cost.tokens_in * 1e-6 + most.cost.tokens_out * 1e-5, rel=1e-4
    )
    assert most.minutes is None


def test_the_packaged_model_takes_minutes_and_costs_nothing(data: Path) -> None:
    packaged, _ = obedient(name="local")
    setup = Setup(packaged, MemoryProgram(), 360)
    most = expected(data, setup=setup, prompt_model=packaged)
    assert most.cost.dollars == 0.0
    assert most.minutes == pytest.approx(most.cost.calls * 0.7 / 60)


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


def test_the_table_says_when_a_price_is_unknown() -> None:
    cost = Cost(1_000, 1, 1, None)
    unpriced = Forecast(1, proposals=1, cost=cost, at_most=replace(cost, calls=3_000), minutes=None)
    expected, most = (list(forecast_table(unpriced).columns[n].cells) for n in (1, 2))
    assert "price unknown" in expected
    assert ("1,000" in expected, "3,000" in most) == (True, True)
    cost = Cost(1, 1, 1, 1.5)
    priced = Forecast(1, proposals=1, cost=cost, at_most=replace(cost, dollars=4.5), minutes=9.6)
    expected, most = (list(forecast_table(priced).columns[n].cells) for n in (1, 2))
    assert (expected[-2:], most[-2:]) == (["$ 1.50", "10"], ["$ 4.50", ""])


def test_a_model_file_is_timed_and_its_tokens_decide_the_minutes(data: Path) -> None:
    written: list[int | None] = []

    class BaseModel(Obedient):
        """Goes on to its limit of tokens."""

        def complete(self, request: Request) -> Response:
            written.append(request.config.max_tokens)
            return super().complete(request)

    base = model_over(BaseModel((), {}), name="gguf:some.gguf")
    assert (seconds_a_token(base) or 0) > 0
    assert written == [1, 1]
    assert seconds_a_token(obedient(name="openai/m")[0]) is None
    here, _ = obedient(name="local")
    setup = Setup(here, MemoryProgram(), 360)
    most = forecast(job(data, setup=setup, prompt_model=here), seconds_a_token=0.05)
    all_of_it = 0.05 * (most.cost.tokens_in + 5 * most.cost.tokens_out) / 60
    assert 0.05 * 5 * most.cost.tokens_out / 60 < (most.minutes or 0) < all_of_it


@pytest.mark.parametrize(
    ("optimizer", "changes"),
    # Two measurements, the plain prompt, what is tried: two rounds of three prompts on a batch and
    # the best of them on all, of SIMBA's second round each of 16 x 2 samples.
    [("gepa", 2 + 2 + 2 * 3), ("miprov2", 2 + 1 + 2 + 2 + 1), ("simba", 2 + 1 + 32 + 2 * 3 + 3)],
)
def test_the_beginning_of_a_prompt_is_read_where_it_changes(
    data: Path, optimizer: Optimizer, changes: int
) -> None:
    here, _ = obedient(name="local")
    options = replace(GEPA, optimizer=optimizer, candidates=2, max_demos=0)

    def most(program: MemoryProgram) -> Forecast:
        of = job(data, setup=Setup(here, program, 360), prompt_model=here, options=options)
        return forecast(of, seconds_a_token=0.05)

    longer = MemoryProgram()
    predict = longer.answer.predict
    text = predict.signature.instructions + " And so on" * 400
    predict.signature = predict.signature.with_instructions(text)
    before, after = most(MemoryProgram()), most(longer)
    minutes = (after.minutes or 0) - (before.minutes or 0)
    assert minutes * 60 / 0.05 == pytest.approx(1_000 * changes, rel=0.01)
    assert after.cost.tokens_in - before.cost.tokens_in > 1_500 * changes  # which counts each call
