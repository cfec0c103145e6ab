"""The command line, for which a listed model is a small file of the tests.

python -m tests.support.pinned_memory NAME SHA256 COMMAND ...
"""

import sys
from dataclasses import replace

from memory.__main__ import run
from memory.models.gguf.models import MODELS

if __name__ == "__main__":
    name, sha256 = sys.argv[1:3]
    MODELS[name] = replace(MODELS[name], sha256=sha256)
    del sys.argv[1:3]
    run()
