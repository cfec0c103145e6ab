"""The names of this room that others use."""

from .memory import Memory as Memory
