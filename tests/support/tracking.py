"""Records a script's runs: in MLflow in the slow tests, nowhere in the others."""

from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import locomo.tracking.runs


class UnusedError(Exception):
    """Stands for MLflow's exception, and is never raised."""


def nothing(*values: Any, **named: Any) -> None:
    """Stands for a call of MLflow that records something."""


NOT_RECORDED = SimpleNamespace(
    exceptions=SimpleNamespace(MlflowException=UnusedError),
    start_run=lambda **named: nullcontext(NOT_RECORDED),
    end_run=nothing,
    active_run=lambda: SimpleNamespace(info=SimpleNamespace(run_id="")),
    flush_trace_async_logging=nothing,
    data=SimpleNamespace(from_pandas=nothing),
    pyfunc=SimpleNamespace(log_model=nothing),
    log_artifact=nothing,
    log_figure=nothing,
    log_input=nothing,
    log_metric=nothing,
    log_metrics=nothing,
    log_params=nothing,
    log_table=nothing,
    log_text=nothing,
    search_runs=lambda **named: [],
    set_tag=nothing,
)


def track(script: ModuleType, request: pytest.FixtureRequest, patch: pytest.MonkeyPatch) -> None:
    """Slow tests of a script record in MLflow, in the database that is its fixture `tracked`.

    MLflow takes ten seconds of computing before it has recorded the first run, so the default run
    does without it.
    """
    if request.node.get_closest_marker("slow"):
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{request.getfixturevalue('tracked')}")
    else:
        for module in (script, locomo.tracking.runs):
            if hasattr(module, "connect_mlflow"):
                patch.setattr(module, "connect_mlflow", lambda experiment: NOT_RECORDED)
        patch.setattr(locomo.tracking.runs, "log_data", nothing)
