"""Language models ready to be called: who answers, with which adapter, within which limits."""

import lazy_loader

from memory.system.providers import quiet_litellm

quiet_litellm()  # before DSPy, which imports litellm for some providers

# What is imported from a module is imported when it is first used: most modules need DSPy, which
# takes more than a second to import.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
