"""Turns and all that rests on them are removed and overwritten; receipts prove it."""
