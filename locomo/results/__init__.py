"""What was measured, for people: means and intervals, tables, pictures."""
