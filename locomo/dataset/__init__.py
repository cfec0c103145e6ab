"""LoCoMo's file format, and commands that fetch and check files."""
