"""Facts improved by an agent: six tools, and questions that measure which changes help."""
