"""The journal: each write is a change, which can be undone and read as of a day."""
