"""The contents of a text: speakers, dates, tokens, secrets, and pasted parts."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
