"""Memories from elsewhere become turns, and a memory becomes a file for others."""

from memory.exchange.formats import read_export
from memory.exchange.items import ForeignExport, Skipped, clean_date
from memory.exchange.ltm import character_folders

__all__ = ["ForeignExport", "Skipped", "character_folders", "clean_date", "read_export"]
