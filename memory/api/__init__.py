"""Memory, the main class: whose memory a call is for, and the words of other libraries in it.

The names that other rooms use are in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
