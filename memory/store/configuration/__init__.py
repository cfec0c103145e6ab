"""Settings, the owner, what is withheld, and how much a memory may hold."""
