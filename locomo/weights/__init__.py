"""Weights tuned: supervised, by GRPO on an Arbor server, at Together; before and after."""
