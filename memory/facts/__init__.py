"""Read, add, edit, end and delete facts: each edit is one change that can be undone.

The names that other rooms and programs use are in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
