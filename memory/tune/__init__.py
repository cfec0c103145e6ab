"""Tunes weights on this machine: supervised tuning, GRPO, and its rehearsal (extra `tune`)."""

import os

# Waiting threads that spin take cores from working ones (torch reads this when it loads).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
