"""The commands of `memory`.

`--help` imports every module here, so the commands import slow libraries (DSPy, numpy, pydantic,
rich) where they use them.
"""
