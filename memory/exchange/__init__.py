"""Import and export: other programs' memories as turns, and a memory as a file."""

from memory.exchange.formats import read_export
from memory.exchange.items import ForeignExport, Skipped, clean_date
from memory.exchange.ltm import character_folders

__all__ = ["ForeignExport", "Skipped", "character_folders", "clean_date", "read_export"]
