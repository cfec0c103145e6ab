"""The benchmark: LoCoMo's format and scores, and what compiles, tunes and measures on it."""
