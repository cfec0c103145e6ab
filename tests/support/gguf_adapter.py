"""A LoRA adapter of the packaged model made without a trainer: GGUF by `struct`, and its card."""

import hashlib
import json
import math
import struct
from array import array
from functools import cache
from pathlib import Path
from typing import Any

from memory.models.gguf.files import packaged_gguf

WIDTH, INNER = 576, 1536  # of a layer of SmolLM2-135M, and of its feed-forward part
F32, STRING, FLOAT, ALIGNED = 0, 8, 6, 32


def _text(text: str) -> bytes:
    return struct.pack("<Q", len(text)) + text.encode()


def gguf(path: Path, layer: int = 20, strength: float = 2.0, architecture: str = "llama") -> Path:
    """A GGUF LoRA of rank 1 on one layer's `ffn_down`: it pushes what the model says elsewhere."""
    about = {"general.type": "adapter", "general.architecture": architecture}
    keys = b"".join(
        _text(key) + struct.pack("<I", STRING) + _text(value)
        for key, value in {**about, "adapter.type": "lora"}.items()
    )
    keys += _text("adapter.lora.alpha") + struct.pack("<If", FLOAT, 1.0)
    name, infos, data = f"blk.{layer}.ffn_down.weight", b"", b""
    for part, shape in (("lora_a", (INNER, 1)), ("lora_b", (1, WIDTH))):  # fastest axis first
        infos += _text(f"{name}.{part}") + struct.pack("<IQQIQ", 2, *shape, F32, len(data))
        values = (strength * math.sin(n * n) for n in range(math.prod(shape)))
        data += array("f", values).tobytes()  # both are whole multiples of the alignment
    head = b"GGUF" + struct.pack("<IQQ", 3, 2, 4) + keys + infos
    path.write_bytes(head + b"\0" * (-len(head) % ALIGNED) + data)
    return path


@cache
def _packaged_sha256() -> str:
    """Of the packaged weights: 140 MB, a quarter of a second."""
    return hashlib.sha256(packaged_gguf().read_bytes()).hexdigest()


def adapter(folder: Path, *targets: str, layer: int = 20, **changed: Any) -> Path:
    """A folder with an adapter for the packaged model, and a card with these `changed`."""
    folder.mkdir(parents=True, exist_ok=True)
    gguf(folder / "adapter.gguf", layer=layer)
    card = {
        "base": "SmolLM2-135M-Instruct",
        "base_sha256": _packaged_sha256(),
        "targets": list(targets),
        "rank": 1,
        "alpha": 1.0,
        "made_by": "sft",
        "data": "",
        "conversations": ["conv-1"],
        "made_at": "2026-01-01T00:00:00+00:00",
    }
    (folder / "adapter.json").write_text(json.dumps({**card, **changed}))
    return folder
