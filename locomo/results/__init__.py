"""Reports of an evaluation: means with intervals, tables, verdicts, traces."""
