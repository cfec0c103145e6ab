"""Experiments on record in MLflow: runs, data, traces, compiled programs."""
