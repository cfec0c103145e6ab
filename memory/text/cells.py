"""Texts of strangers as cells of a table that a spreadsheet opens."""

from unicodedata import normalize

from memory.text.characters import one_line

# What a spreadsheet takes for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = {"=", "+", "-", "@", "\t", "\r"}
_LONGEST_BEGINNING = 100  # characters


def as_cell(text: str) -> str:
    """A text as a cell that no spreadsheet computes: a "'" goes before a formula."""
    return f"'{text}" if _is_formula(text) else text


def text_of_cell(cell: str) -> str:
    """The text of a cell; undoes `as_cell`."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    bare = text[:_LONGEST_BEGINNING].lstrip("'")
    # Spreadsheets read a full-width equals sign as the narrow one, and pass over spaces before it.
    return bare[:1] in _FORMULA or normalize("NFKC", one_line(bare)[:1]) in _FORMULA
