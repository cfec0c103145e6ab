"""Compiles prompts with DSPy's optimizers, within a budget, with every call on disk."""
