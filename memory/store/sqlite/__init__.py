"""A namespace in one SQLite file, behind its own walls; files and tables that are not ours."""
