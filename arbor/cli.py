"""Arbor's command, `python -m arbor.cli serve --arbor-config arbor.yaml`: serve.py does it.

Arbor's own ends with a traceback where a package is missing, and serves without our repairs.
"""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Serve with the options that follow `serve`."""
    command, *options = sys.argv[1:] or ["--help"]
    if command not in ("serve", "--help"):
        sys.exit(f"arbor.cli: {command!r} is unknown; the command is serve")
    # `arbor.yaml` alone is the one that train.py writes, beside this file.
    beside = HERE / "arbor.yaml"
    options = [str(beside) if o == beside.name and not Path(o).exists() else o for o in options]
    line = [sys.executable, str(HERE / "serve.py"), *(options if command == "serve" else [command])]
    os.execv(sys.executable, line)  # noqa: S606


if __name__ == "__main__":
    main()
