"""A long-term memory for chat agents that is a database.

The public names stand in `__init__.pyi`; each is imported when it is first used, because DSPy alone
takes more than a second to import.
"""

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _public(name)
    except AttributeError:
        from memory.system.other_libraries import IMPORTS

        if name in IMPORTS:
            raise ImportError(f"{__name__} has no {name}; write {IMPORTS[name]}") from None
        raise
