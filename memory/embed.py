"""Texts to unit vectors: the packaged embedder, offline and without a GPU."""

import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wordllama.inference import WordLlamaInference

DIM = 256

_loading = threading.Lock()


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """One vector per text: the mean of its tokens' vectors, scaled to length 1.

    Args:
        texts: any strings; lone surrogates count as unknown characters.

    Returns:
        (len(texts), DIM) float32; a row of zeros for a text without any token.
    """
    with _loading:
        model = _model()
    means = np.zeros((len(texts), DIM), np.float32)
    # One text at a time: a batch would be padded to its longest text, and a megabyte among
    # sixty short ones would ask for gigabytes.
    for row, text in enumerate(texts):
        clean = text.encode("utf-8", "replace").decode("utf-8")
        tokens = model.tokenizer.encode(clean, add_special_tokens=False).ids
        if tokens:
            kinds, counts = np.unique(np.asarray(tokens, np.int64), return_counts=True)
            means[row] = counts.astype(np.float32) @ model.embedding[kinds]
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    means /= lengths
    return means


@cache
def _model() -> "WordLlamaInference":
    # Imported late: the module that is only imported stays cheap.
    import wordllama

    here = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=here, disable_download=True, dim=DIM)
    model.tokenizer.no_padding()
    return model
