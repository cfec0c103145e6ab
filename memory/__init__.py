"""A long-term memory for chat agents that is a database.

The public names stand in `__init__.pyi`; each is imported when it is first used, because DSPy alone
takes more than a second to import.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
