"""Exports training sets for other trainers: verl. It does not run here; this writes its input."""
