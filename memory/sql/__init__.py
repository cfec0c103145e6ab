"""What SQL a model may write: policy.py checks and rewrites it, grammar.py and names.py say how."""

from memory.sql.names import TABLES
from memory.sql.policy import WRITABLE, quoted, read_statement, split, write_statements

__all__ = ["TABLES", "WRITABLE", "quoted", "read_statement", "split", "write_statements"]
