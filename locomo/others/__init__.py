"""Compares other memories with ours: same turns, questions, model, prompt, budget and judge."""
