"""Memories of coding agents: their hooks, their transcripts, a memory for each project."""
