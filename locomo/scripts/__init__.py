"""What evaluate.py, optimize.py and train.py do: their options, and the work behind these."""
