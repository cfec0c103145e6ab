"""Texts to unit vectors: the packaged embedder, or a model of sentence-transformers by name.

Both work on this machine, and request nothing over the internet.
"""

import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from memory.errors import InputError, ModelError
from memory.text.tokens import token_ids, tokenizer


def sign_codes(vectors: NDArray[np.generic]) -> NDArray[np.uint64]:
    """One bit for each number, set if it is above zero: (n, width) -> (n, width / 64 rounded up).

    Signs alone cost .004 of recall@10 (decision 13), but comparing them is fast enough to
    choose among a million turns.
    """
    bits = np.packbits(vectors > 0, axis=1)  # type: ignore[operator]
    padded = np.zeros((len(bits), -(-bits.shape[1] // 8) * 8), np.uint8)
    padded[:, : bits.shape[1]] = bits
    return padded.view("<u8")


def disagreement(
    planes: Sequence[NDArray[np.uint64]], code: NDArray[np.uint64]
) -> NDArray[np.uint16]:
    """The Hamming distance of codes from one code: the number of signs that differ.

    `planes` are arrays of the codes' first 64 signs, their second 64 signs, and so on; the result
    has their shape.
    """
    total = np.zeros(planes[0].shape, np.uint16)
    for plane, signs in zip(planes, code, strict=True):
        total += np.bitwise_count(plane ^ signs)
    return total


PACKAGED_EMBEDDER = "wordllama"
DIM = 256
RELATED_WORDS = 8
# Words at least this near count as related; chosen among .35 to .55 with LoCoMo's questions
# (the log).
LEAST_COSINE = 0.45
# Two related words differ in at most this many signs: 797 of 800 measured pairs do.
_MOST_SIGNS = 105
# In tokens. A longer text is a sum over its distinct tokens: a vector for every token of a long
# text would take gigabytes.
_SHORT_TEXT = 512

_encoding = threading.Lock()
_loading = threading.Lock()


class Embedder(Protocol):
    """Texts to vectors, under the name that a memory records with them."""

    @property
    def name(self) -> str:
        """The name to give `load_embedder`."""

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One unit row for each text, zeros for a text without meaning: (len(texts), width).

        Raises ModelError when the embedder does not work or returns something else.
        """


def load_embedder(name: str = PACKAGED_EMBEDDER) -> Embedder:
    """An embedder by name. It imports nothing before its first call.

    Args:
        name: "wordllama", the packaged one; "sentence-transformers/MODEL", a model (or its path)
            on this machine.

    Raises InputError for any other name, or when sentence-transformers is missing.
    """
    if name == PACKAGED_EMBEDDER:
        return PackagedEmbedder()
    provider, _, model = name.partition("/")
    if provider != "sentence-transformers" or not model:
        raise InputError(
            f"the embedder {name!r} is not one of this machine; write {PACKAGED_EMBEDDER} for the"
            " packaged one, or sentence-transformers/MODEL"
        )
    if find_spec("sentence_transformers") is None:
        raise InputError(f"{name} is not installed; run: uv sync --extra sentence-transformers")
    return LocalEmbedder(name)


def is_of_a_provider(name: str) -> bool:
    """Whether an embedder was asked over the network, as earlier versions could."""
    return name != PACKAGED_EMBEDDER and not name.startswith("sentence-transformers/")


# --- the packaged embedder --------------------------------------------------------------------


@dataclass(frozen=True)
class PackagedEmbedder:
    """WordLlama. Its 256 numbers per token come with the install."""

    name: str = PACKAGED_EMBEDDER

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `embed`."""
        return embed(texts)


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """One vector per text: the mean of its tokens' vectors, scaled to length 1.

    Args:
        texts: any strings; lone surrogates count as unknown characters.

    Returns:
        (len(texts), DIM) float32; a row of zeros for a text without tokens.
    """
    token_vectors = _token_vectors()
    sums = np.zeros((len(texts), DIM), np.float32)
    # One text at a time: a batch pads to its longest text, so a megabyte among sixty short texts
    # would take gigabytes.
    for row, text in enumerate(texts):
        tokens = np.asarray(token_ids(text))
        if len(tokens) > _SHORT_TEXT:
            counts = np.bincount(tokens)
            kinds = np.flatnonzero(counts > 0)
            sums[row] = counts[kinds].astype(np.float32) @ token_vectors[kinds]
        elif len(tokens):
            np.add.reduce(token_vectors.take(tokens, axis=0), axis=0, out=sums[row])
    return _unit_rows(sums)


def word_weights(texts: Sequence[str]) -> list[float]:
    """How much each word tells of a subject: the mean squared length of its tokens' vectors.

    The vectors of frequent words ("good", "said") are short, the vectors of rare ones long.
    """
    token_vectors = _token_vectors()
    weights = []
    for text in texts:
        tokens = token_ids(text)
        squares = np.square(token_vectors.take(tokens, axis=0)).sum(axis=1)
        weights.append(float(squares.mean()) if tokens else 0.0)
    return weights


def _unit_rows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    rows /= lengths
    return rows


@lru_cache(maxsize=16_384)
def related(word: str) -> tuple[str, ...]:
    """At most RELATED_WORDS words of like meaning ("pets": "dog"), the nearest first.

    Compares the words of the packaged embedder's vocabulary by the cosine of mean-centred vectors.
    """
    names, vectors, codes, mean = _vocabulary()
    centred = embed([word])[0] - mean
    centred /= np.linalg.norm(centred) or 1
    # Signs first: comparing them is cheaper than 256 products for each word of the vocabulary.
    likely = np.flatnonzero(disagreement(codes, sign_codes(centred[None])[0]) <= _MOST_SIGNS)
    cosines = vectors[likely] @ centred
    nearest = np.argsort(-cosines)[: RELATED_WORDS + 1]
    near = [names[likely[n]] for n in nearest if cosines[n] >= LEAST_COSINE]
    return tuple(name for name in near if name != word)[:RELATED_WORDS]


@cache
def _vocabulary() -> tuple[
    list[str], NDArray[np.float32], list[NDArray[np.uint64]], NDArray[np.float32]
]:
    """The embedder's tokens that are English words: centred unit vectors, their signs, the mean."""
    tokens = {
        token[1:]: number
        for token, number in tokenizer().get_vocab().items()
        if re.fullmatch("\u2581[a-z]{3,}", token)
    }
    vectors = _token_vectors()[[*tokens.values()]]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    mean = vectors.mean(axis=0)
    vectors -= mean
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    planes = [np.ascontiguousarray(plane) for plane in sign_codes(vectors).T]
    return [*tokens], vectors, planes, mean


def _token_vectors() -> NDArray[np.float32]:
    """The vector of each token of the packaged embedder: (vocabulary, DIM)."""
    with _loading:
        return _loaded_token_vectors()


@cache
def _loaded_token_vectors() -> NDArray[np.float32]:
    # Reads WordLlama's file without its code, which imports an HTTP client and sets up logging for
    # the whole process: half a second instead of a hundredth.
    from safetensors.numpy import load_file

    spec = find_spec("wordllama")
    assert spec is not None
    assert spec.origin is not None
    file = Path(spec.origin).parent / "weights" / f"l2_supercat_{DIM}.safetensors"
    return np.asarray(load_file(file)["embedding.weight"], np.float32)


# --- a model of sentence-transformers ---------------------------------------------------------


@dataclass(frozen=True)
class LocalEmbedder:
    """A model of sentence-transformers on this machine; it downloads nothing."""

    name: str

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `Embedder`."""
        clean = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        with _loading:
            model = _sentence_transformer(self.name)
        with _encoding:  # its tokenizer is for one thread at a time ("Already borrowed")
            vectors = model.encode(clean, show_progress_bar=False)
        return _checked(vectors, len(texts), self.name)


@cache
def _sentence_transformer(name: str) -> Any:
    from sentence_transformers import SentenceTransformer

    model = name.partition("/")[2]
    repository = model if "/" in model else name  # as sentence-transformers reads a bare name
    try:
        with _without_progress_bars():
            return SentenceTransformer(model, local_files_only=True)
    except (OSError, ValueError) as error:
        raise ModelError(_explain_loading(model, repository, error)) from error


def _checked(vectors: Any, count: int, name: str) -> NDArray[np.float32]:
    """Vectors from outside as unit rows. Raises ModelError if they are not vectors."""
    try:
        rows = np.array(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} answered with something else than vectors") from error
    if len(rows) != count:
        raise ModelError(f"{name} answered {count} texts with {len(rows)} vectors")
    if rows.ndim != 2 or not rows.shape[1]:
        raise ModelError(f"{name} answered with something else than vectors")
    if not np.isfinite(rows).all():
        raise ModelError(f"{name} answered with a vector that holds no finite numbers")
    return _unit_rows(rows)


@contextmanager
def _without_progress_bars() -> Iterator[None]:
    """Keep transformers, if it is imported, from drawing a bar for a model that it loads."""
    bars = sys.modules.get("transformers.utils.logging")
    if bars is None or not bars.is_progress_bar_enabled():
        yield
        return
    bars.disable_progress_bar()
    try:
        yield
    finally:
        bars.enable_progress_bar()


def _explain_loading(model: str, repository: str, error: Exception) -> str:
    """What to do about a model that cannot be loaded, in one line.

    `model` is the name or the folder that was given, `repository` where the model hub has it.
    """
    folder = Path(model)
    if folder.is_dir():
        reason = " ".join(str(error).split())
        return f"{folder} holds no model of sentence-transformers ({reason:.200})"
    if folder.is_absolute() or model.startswith((".", "~")):
        return f"there is no folder {model}; give the whole path of the folder that holds the model"
    return (
        f"{model} is not on this machine; give the path of its folder, or fetch it once with:"
        f" hf download {repository}"
    )
