"""Weights tuned at a provider, for people without GPUs: OpenAI or Together."""
