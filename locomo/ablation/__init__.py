"""What each module of a memory is worth: systems with one replaced, stored facts, valid SQL."""
