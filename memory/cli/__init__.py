"""The commands of python -m memory.

`--help` imports every module here: what takes time to import (DSPy, numpy, pydantic, rich) is
imported inside the commands that use it.
"""
