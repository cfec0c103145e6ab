"""A long-term memory for chat agents that is a database.

The public names are in `__init__.pyi`. Each is imported on first use, because importing DSPy alone
takes more than a second.
"""

import sys

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _public(name)
    except AttributeError:
        if name == "__version__":
            from importlib.metadata import version

            return version("sql-memory")
        from memory.api.other_libraries import hint_of_import

        hint = hint_of_import(name)
        # Python drops the advice of an AttributeError in `from memory import X`, which asks
        # hasattr first, and through sql_memory one frame further.
        asker = sys._getframe(1)
        names = [frame.f_code.co_name for frame in (asker, asker.f_back) if frame]
        if hint and "_handle_fromlist" in names:
            raise ImportError(f"{__name__} has no {name}; write {hint}") from None
        advice = f"write {hint}" if hint else "begin with Memory(), and see memory.__all__"
        raise AttributeError(f"{__name__} has no {name}; {advice}", name=name) from None
