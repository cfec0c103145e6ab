"""Arbor's command, `python -m arbor.cli serve --arbor-config arbor.yaml`: serve.py does it.

Arbor's own ends with a traceback where a package is missing, and serves without our repairs.
"""

import os
import sys
from pathlib import Path

SERVE = Path(__file__).with_name("serve.py")


def main() -> None:
    """Serve with the options that follow `serve`."""
    command, *options = sys.argv[1:] or ["--help"]
    if command not in ("serve", "--help"):
        sys.exit(f"arbor.cli: {command!r} is unknown; the command is serve")
    line = [sys.executable, str(SERVE), *(options if command == "serve" else [command])]
    os.execv(sys.executable, line)  # noqa: S606


if __name__ == "__main__":
    main()
