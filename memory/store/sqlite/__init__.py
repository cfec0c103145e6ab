"""A namespace in one SQLite file, behind walls of its own; files and tables that are not ours."""
