"""What stands in a text: speakers, dates, tokens, secrets, and what was pasted into it."""
