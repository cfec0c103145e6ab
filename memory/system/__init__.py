"""The machine around a memory: files, homes, terminals, other libraries, providers of models."""
