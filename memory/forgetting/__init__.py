"""What a person has forgotten, and what a memory forgets by its age."""
