"""A memory that refines itself: six tools, an agent with them, a measure of what helps."""
