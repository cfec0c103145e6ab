"""Plain forms of what people say and ask, matched as the vocabulary's templates write them."""

from memory.templates.matching import Found, Reading, assertions_in, templates_of

__all__ = ["Found", "Reading", "assertions_in", "templates_of"]
