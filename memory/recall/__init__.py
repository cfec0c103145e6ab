"""What is given to a memory, and what it gives back, as records."""
