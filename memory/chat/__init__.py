"""The chat: a session with a character that remembers, its commands, screen and background."""
