"""Turns and everything derived from them are removed and overwritten; receipts prove it."""
