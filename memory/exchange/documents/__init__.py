"""Documents and tool uses as turns: chunks with their location, calls with their outcome."""

from memory.exchange.documents.document_chunks import AddedChunks, add_chunks, chunks, is_document
from memory.exchange.documents.tool_uses import tool_use

__all__ = ["AddedChunks", "add_chunks", "chunks", "is_document", "tool_use"]
