"""Whole memories: their files moved, copied and checked, written out, several read as one."""
