"""Namespaces in Postgres: shared tables, and walls that keep a model's SQL in its own namespace."""
