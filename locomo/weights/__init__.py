"""Weights tuned: supervised and a rehearsal of GRPO by TRL here, GRPO on an Arbor server."""

import os

# Waiting threads that spin take cores from working ones (torch reads this when it loads).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
