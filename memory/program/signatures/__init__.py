"""The prompts of large models: two forms of those of the three modules, one of all others.

A Signature is a prompt: its docstring is the instruction, which optimizers rewrite; the tables
stand in a field's description, where they stay.
"""
