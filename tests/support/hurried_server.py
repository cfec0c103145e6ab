"""`memory serve` with another deadline for heads: `python -m tests.support.hurried_server 2`."""

import sys

from memory.__main__ import run
from memory.server import listen

listen.HEAD_SECONDS = float(sys.argv[1])
sys.argv[1:] = ["serve", "--port", "0"]
run()
