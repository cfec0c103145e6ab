"""Recall without a language model: measures it, fits the ranking, explains it, draws it."""
