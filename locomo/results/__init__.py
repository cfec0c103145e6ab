"""Reports of an evaluation: means with intervals, tables, charts, verdicts, traces."""
