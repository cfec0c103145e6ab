"""Windows of turns become facts and a story, by a model or by templates."""
