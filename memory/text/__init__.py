"""The contents of a text: speakers, dates, tokens, secrets, and pasted parts."""
