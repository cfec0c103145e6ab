"""Training sets for trainers of others: verl. It does not run here; what it needs is written."""
