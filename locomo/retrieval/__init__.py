"""Recall without any language model: measured, fitted, explained, drawn."""
