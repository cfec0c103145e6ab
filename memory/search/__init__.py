"""The hybrid ranking, without a language model: ranking.py is the formula."""
