"""What is shown of a memory for a question: one block, the same at every door."""
