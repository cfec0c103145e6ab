"""A long-term memory for chat agents that is a database.

The public names are in `__init__.pyi`. Each is imported on first use, because importing DSPy alone
takes more than a second.
"""

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

        if hint := hint_of_import(name):
            raise ImportError(f"{__name__} has no {name}; write {hint}") from None
        raise AttributeError(
            f"{__name__} has no {name}; begin with Memory(), and see {__name__}.__all__", name=name
        ) from None
