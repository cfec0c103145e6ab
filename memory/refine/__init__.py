"""Facts improved by an agent: six tools, and questions that measure which changes help."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
