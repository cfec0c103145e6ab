"""Commands, run as a person types them."""

import re

from typer.testing import CliRunner

from memory.__main__ import app
from memory.errors import Stop


def run(*arguments: object, says: str = "", given: str | None = None) -> str:
    """What a command prints; with `says`, it must fail with a Stop like that."""
    done = CliRunner().invoke(app, [*map(str, arguments)], input=given)
    if says:
        assert isinstance(done.exception, Stop), done
        assert re.search(says, str(done.exception))
    else:
        assert done.exit_code == 0, done
    return done.stdout
