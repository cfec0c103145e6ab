"""The hybrid ranking, without a language model: `ranking.py` holds the formula."""
