"""What a model is shown of a memory: lines, evidence, outlines, and their budgets."""
