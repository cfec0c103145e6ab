"""A long-term memory for chat agents that is a database.

The public names are in `__init__.pyi`. Each is imported on first use, because importing DSPy alone
takes more than a second.
"""

import sys
from types import ModuleType

import lazy_loader

_public, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    try:
        return _public(name)
    except AttributeError:
        if name == "__version__":
            from importlib.metadata import version

            return version("sql-memory")
        from memory.api.other_libraries import hint_of_import, hint_of_module

        hint = hint_of_import(name)
        # Python drops the advice of an AttributeError in `from memory import X`, which asks
        # hasattr first, and through sql_memory one frame further.
        asker = sys._getframe(1)
        names = [frame.f_code.co_name for frame in (asker, asker.f_back) if frame]
        if hint and "_handle_fromlist" in names:
            raise ImportError(f"{__name__} has no {name}; write {hint}") from None
        advice = f"write {hint}" if hint else hint_of_module(name)
        raise AttributeError(f"{__name__} has no {name}; {advice}", name=name) from None


class _Part(ModuleType):
    """A module of this package. Called as if it were a memory's call, it says what to write."""

    def __call__(self, *_: object, **__: object) -> None:
        from memory.api.other_libraries import hint_of_module
        from memory.errors import InputError

        name = self.__name__.partition(".")[2]
        raise InputError(f"{self.__name__} is a module; {hint_of_module(name)}")


class _Package(ModuleType):
    """This package, whose modules are parts as they are imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if type(value) is ModuleType:
            value.__class__ = _Part
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
