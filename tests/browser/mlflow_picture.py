"""A picture of a question's trace in MLflow's page, of a run with --traces.

uv run evaluate.py --traces
python -m tests.browser.mlflow_picture docs/mlflow-trace.png [--store sqlite:///mlflow.db]
"""

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Annotated, Any

import typer
from playwright.sync_api import sync_playwright

from locomo.commands import run_command

app = typer.Typer()
VIEWPORT = {"width": 1440, "height": 820}
TRACE = {"x": 0, "y": 0, "width": 1008, "height": 520}  # without MLflow's assistant beside it
_MOST_SECONDS = 180


@app.command()
def picture(
    file: Annotated[Path, typer.Argument(help="the PNG")],
    store: Annotated[str, typer.Option(help="the tracking store")] = "sqlite:///mlflow.db",
) -> None:
    """Write the picture of a trace whose answer rests on a SELECT."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/health")
        trace = _newest_with_select(address)
        place = f"experiments/{trace.info.experiment_id}/traces"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium", args=["--no-sandbox"]
            )
            page = browser.new_page(viewport=VIEWPORT)
            page.goto(f"{address}/#/{place}?selectedEvaluationId={trace.info.trace_id}")
            page.get_by_text("retrieve", exact=True).first.click(timeout=_MOST_SECONDS * 1_000)
            page.wait_for_timeout(3_000)  # what it shows slides in
            page.screenshot(path=file, clip=TRACE)
            browser.close()
    finally:
        server.terminate()
        server.wait()


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + _MOST_SECONDS
    while True:
        try:
            urllib.request.urlopen(address).close()  # noqa: S310 - our own server
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def _newest_with_select(address: str) -> Any:
    import mlflow

    mlflow.set_tracking_uri(address)
    experiment = mlflow.get_experiment_by_name("locomo")
    traces = mlflow.search_traces(locations=[experiment.experiment_id], return_type="list")
    names = {trace.info.trace_id: [span.name for span in trace.data.spans] for trace in traces}
    return next(
        trace
        for trace in traces
        if names[trace.info.trace_id][0].startswith("memory: ")
        and {"SELECT", "answer"} <= {*names[trace.info.trace_id]}
    )


if __name__ == "__main__":
    run_command(app)
