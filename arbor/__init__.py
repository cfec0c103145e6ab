"""The installed package of this name, but for its command.

`python -m arbor.cli` in a clone finds ours; whoever imports arbor gets Arbor's own package.
"""

import sys
from pathlib import Path
from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
if sys.orig_argv[1:3] != ["-m", "arbor.cli"]:
    __path__ = [*__path__[1:], __path__[0]]
    _installed = Path(__path__[0], "__init__.py")
    if _installed != Path(__file__):
        exec(compile(_installed.read_text("utf-8"), str(_installed), "exec"))  # noqa: S102
