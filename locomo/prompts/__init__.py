"""Prompts compiled by DSPy's optimizers, within a budget, every call on disk."""
