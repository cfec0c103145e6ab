"""GGUF files made by `struct`, with any keys; and the packaged one, changed in places."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

UINT32, TEXT, F32, ALIGNED = 4, 8, 0, 32
# What a chat model says of itself.
CHAT_MODEL: Mapping[str, Any] = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "llama.context_length": 4096,
    "llama.block_count": 2,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.ggml.model": "gpt2",
    "tokenizer.chat_template": "{{ messages }}",
}


def write_gguf(path: Path, keys: Mapping[str, Any], numbers: int = 64) -> Path:
    """A file with these keys (None: left out) and one tensor of so many zeros."""
    keys = {key: value for key, value in keys.items() if value is not None}
    head = b"GGUF" + struct.pack("<IQQ", 3, 1 if numbers else 0, len(keys))
    for key, value in keys.items():
        head += _text(key)
        is_text = isinstance(value, str)
        head += (
            struct.pack("<I", TEXT) + _text(value) if is_text else struct.pack("<II", UINT32, value)
        )
    if numbers:
        head += _text("token_embd.weight") + struct.pack("<IQIQ", 1, numbers, F32, 0)
    path.write_bytes(head + b"\0" * (-len(head) % ALIGNED) + b"\0" * 4 * numbers)
    return path


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()
