"""The prompts of large models: two forms for the three modules, one for all others.

A Signature is a prompt: its docstring is the instruction, which optimizers rewrite; the tables are
in a field's description, where they stay.
"""
