"""Weights tuned at Together, for people without GPUs."""
