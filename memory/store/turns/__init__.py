"""Turns: which a memory accepts, their rows, tags, expiry, and what happened in them."""
