"""Supervised examples: from gold conversations, or from a teacher model."""
