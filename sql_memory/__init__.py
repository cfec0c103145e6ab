"""The package `memory` by a name that your scripts do not have.

A script called memory.py comes first where Python looks for `memory`. Imported from here, the
package is loaded from the folder next to this one, and from then on `memory` is its name, too.
"""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

_FOLDER = Path(__file__).resolve().parent.parent / "memory"
_FILE = _FOLDER / "__init__.py"


def _load() -> ModuleType:
    module = sys.modules.get("memory")
    if module is None:
        spec = spec_from_file_location("memory", _FILE, submodule_search_locations=[str(_FOLDER)])
        if spec is None or spec.loader is None:
            raise ImportError(f"there is no package memory in {_FOLDER}")
        module = sys.modules["memory"] = module_from_spec(spec)
        spec.loader.exec_module(module)
    elif Path(module.__file__ or "").resolve() != _FILE:
        raise ImportError(
            f"another module is called memory, {module.__file__}, and was imported before"
            " sql_memory; rename it"
        )
    return module


_memory = _load()
__all__ = _memory.__all__


def __getattr__(name: str) -> object:
    """A public name, or a module: `from sql_memory import facts`."""
    try:
        return getattr(_memory, name)
    except AttributeError:
        if name.startswith("_"):
            raise
    try:
        return import_module(f"memory.{name}")
    except ModuleNotFoundError as error:
        raise AttributeError(f"sql_memory has no {name}") from error


def __dir__() -> list[str]:
    return list(__all__)
