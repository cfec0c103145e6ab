"""`memory serve` with a limit of time changed, in a process of its own.

python -m tests.support.timed_server head 2 --port 0         # seconds to send a head in
python -m tests.support.timed_server memory 60 proxy ...     # seconds a request waits for memory
"""

import sys

from memory.__main__ import run
from memory.server import listen, proxy

LIMITS = {"head": (listen, "HEAD_SECONDS"), "memory": (proxy, "MEMORY_SECONDS")}

setattr(*LIMITS[sys.argv[1]], float(sys.argv[2]))
sys.argv[1:] = ["serve", *sys.argv[3:]]
run()
