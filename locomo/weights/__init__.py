"""Tunes weights: supervised, by GRPO on an Arbor server, or at Together; compares the result."""
