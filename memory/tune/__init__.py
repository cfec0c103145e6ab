"""Tunes weights on this machine: the supervised start, GRPO, and its rehearsal (extra `tune`)."""

import os

# Threads that spin while they wait take the cores from those that work (read when torch loads).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
