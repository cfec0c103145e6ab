"""The names of `memory`."""

from memory import *  # noqa: F403
