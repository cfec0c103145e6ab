"""Upstream's command, with the repairs: `python -m arbor.cli serve --arbor-config arbor.yaml`.

Run it in the folder above this one; from elsewhere Python takes upstream's, which has none.
"""

import sys
from pathlib import Path
from typing import Annotated

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # the modules of this folder import each other by their names

import serve  # noqa: E402
import typer  # noqa: E402

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def arbor() -> None:
    """Arbor's server on this machine."""


@app.command("serve")
def serve_arbor(
    arbor_config: Annotated[Path, typer.Option(help="GPUs and storage")] = Path("arbor.yaml"),
    host: Annotated[str, typer.Option(help="others than 127.0.0.1 need ARBOR_TOKEN")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535)] = 7453,
) -> None:
    """Serve until Ctrl-C."""
    beside = HERE / arbor_config.name
    is_here = arbor_config.exists() or not beside.exists()
    serve.main(arbor_config if is_here else beside, host, port)


if __name__ == "__main__":
    app()
