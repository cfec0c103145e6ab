"""Import and export: other programs' memories as turns, and a memory as a file."""

from memory.exchange.formats import read_export
from memory.exchange.importer import ExportFiles, Importer
from memory.exchange.imports import import_turns
from memory.exchange.items import ForeignExport
from memory.exchange.ltm import character_folders
from memory.records import Skipped

__all__ = [
    "ExportFiles",
    "ForeignExport",
    "Importer",
    "Skipped",
    "character_folders",
    "import_turns",
    "read_export",
]
