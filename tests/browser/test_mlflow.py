"""The page of a run in `mlflow ui`, in Chromium: it opens, and shows the verdict first."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from locomo.harness import Result
from locomo.results.report import score_lines, system_differences
from locomo.tracking.metric_names import score_metrics
from locomo.tracking.overview import log_overview
from locomo.tracking.runs import mlflow_run

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.slow

MOST_SECONDS = 300  # they only end a hang
# What the page posts, cut to the fields that are compared.
RUN_QUERY = """
query GetRun($data: MlflowGetRunInput!) {
  mlflowGetRun(input: $data) {
    apiError { message }
    run { info { runName status } data { metrics { key value } tags { key value } } }
  }
}
"""


@pytest.fixture(scope="module")
def run(tracking_database: Path) -> Any:
    """A run in a database of MLflow: twenty questions of three chats; only the memory is right."""
    scores = {"newest": 0.0, "ranking": 0.5, "memory": 1.0}
    results = [
        Result(system, f"chat-{index % 3}", index, 4, "Where?", "Lyon", "Lyon", score, 1.0, 0.1)
        for index in range(20)
        for system, score in scores.items()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracking_database}")
        with mlflow_run("locomo", {"model": "a/model"}, "compare: a/model") as mlflow:
            lines = score_lines(results, "independent")
            differences = system_differences(results, "independent")
            mlflow.log_metrics(score_metrics(lines, differences=differences))
            log_overview(mlflow, results, lines, differences)
            return mlflow.active_run().info


@pytest.fixture(scope="module")
def address(run: Any, tracking_database: Path) -> Iterator[str]:
    """The address of `mlflow ui` on that database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "ui", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{tracking_database}"]
    environment = {**os.environ, "no_proxy": "*"}
    with subprocess.Popen(command, stdout=-3, stderr=-3, env=environment) as server:
        try:
            wait_for(f"{address}/health", server)
            yield address
        finally:
            server.terminate()


def wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + MOST_SECONDS
    while True:
        assert server.poll() is None, "mlflow ui has ended"
        try:
            urllib.request.urlopen(address).close()  # noqa: S310 - our own server
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


def test_the_queries_of_the_page_are_answered(address: str, run: Any) -> None:
    query = {"query": RUN_QUERY, "variables": {"data": {"runId": run.run_id}}}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{address}/graphql",
        data=json.dumps(query).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as response:  # noqa: S310
        answer = json.load(response)
    assert not answer.get("errors")
    told = answer["data"]["mlflowGetRun"]["run"]
    assert told["info"] == {"runName": "compare: a/model", "status": "FINISHED"}
    tags = {tag["key"]: tag["value"] for tag in told["data"]["tags"]}
    assert tags["verdict"] == "memory - ranking: better"


def test_the_page_of_a_run_shows_its_verdict_before_its_metrics(
    chromium: "sync_api.Browser", address: str, run: Any
) -> None:
    page = chromium.new_page()
    page.set_default_timeout(MOST_SECONDS * 1_000)
    refused: list[str] = []
    page.on(
        "response",
        lambda response: (
            refused.append(f"{response.status} {response.url}")
            if "graphql" in response.url and response.status != 200
            else None
        ),
    )
    page.goto(f"{address}/#/experiments/{run.experiment_id}/runs/{run.run_id}")
    page.get_by_text("+0.500, 95 % interval").first.wait_for()
    page.get_by_text("difference/memory - ranking", exact=True).wait_for()
    shown = page.locator("body").inner_text()
    places = [
        shown.index(text)
        for text in (
            "memory - ranking: better",
            "ranking - newest: better",
            "difference/memory - ranking",
            "memory/score 1-4",
            "newest/score 1-4",
        )
    ]
    assert places == sorted(places)
    assert refused == []
    page.close()
