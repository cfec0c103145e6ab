"""Tests of memory/worker."""
