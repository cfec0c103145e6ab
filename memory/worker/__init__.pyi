"""The names of this room that others use."""

from .waiting import digest_whole as digest_whole
